"""Where `ocs cgrates` listens, and who may call there: addresses, certificates, keys, users of HTTP.

An address that other machines reach is opened only inside TLS and where callers have to show who they are. What the
configuration wants beyond that listens on the loopback address, and the log says so once.
"""

import base64
import socket
import time
from pathlib import Path

import msgspec
import structlog

from ocs.cgrates import config
from ocs.config.settings import Endpoint
from ocs.rpc.audit import Audit
from ocs.rpc.caller import is_loopback
from ocs.rpc.front import Listeners
from ocs.rpc.gate import Gate, OpenGate
from ocs.rpc.http_paths import HttpPaths
from ocs.rpc.key_file import KeyFile
from ocs.rpc.key_gate import KeyGate
from ocs.rpc.keys import KeysError
from ocs.rpc.tls import ServerTls

log = structlog.get_logger()

KEYS, AUDIT = "keys.jsonl", "audit.jsonl"
LOOPBACK, LOOPBACK_V6 = "127.0.0.1", "::1"
EVERY_ADDRESS = "0.0.0.0"
HIGHEST_PORT = 65_535
VERIFIED_CLIENTS = 4  # of tls.server_policy
REMEDY = (
    "twins inside TLS (tls.server_certificate, listen.rpc_json_tls ...) with keys (ocs key create) or"
    " http.auth_users; or start with -unencrypted_network_access where everybody on the network may do everything"
)


class StartError(Exception):
    """The server cannot start as configured; the message says why."""


class Access(msgspec.Struct, frozen=True):
    """What callers have to show: keys of the data folder; and whether the network may come in without TLS."""

    has_keys: bool = False
    unencrypted: bool = False


def listeners(settings: config.Settings, access: Access) -> Listeners:
    """The ports of the configuration. Raises StartError for an address that is none."""
    found = _Finder(settings, access)
    sessions_on = settings.sessions.enabled or settings.named("listen", "birpc_json")
    has_tls = bool(settings.tls.server_certificate)
    has_users = settings.http.use_basic_auth and bool(settings.http.auth_users)
    keys = access.has_keys
    opened = Listeners(
        jsonrpc=found.endpoint("rpc_json", access.unencrypted),
        bidirectional=found.endpoint("birpc_json", access.unencrypted) if sessions_on else None,
        http=found.endpoint("http", access.unencrypted),
        jsonrpc_tls=found.endpoint("rpc_json_tls", keys) if has_tls else None,
        bidirectional_tls=found.endpoint("birpc_json_tls", keys) if has_tls else None,
        http_tls=found.endpoint("http_tls", keys or has_users) if has_tls else None,
    )
    if found.kept_back:
        log.warning("listener.on_loopback_alone", wanted=found.kept_back, remedy=REMEDY)
    if found.unencrypted:
        log.warning(
            "listener.open_without_tls", addresses=found.unencrypted, asks_for="a key" if keys else "nothing"
        )
    return opened


class _Finder:
    """Reads addresses, and gathers those that are not opened as they are written, or in the clear."""

    def __init__(self, settings: config.Settings, access: Access) -> None:
        self._settings = settings
        self._access = access
        self.kept_back: dict[str, str] = {}
        self.unencrypted: dict[str, str] = {}

    def endpoint(self, key: str, is_guarded: bool) -> Endpoint | None:
        """`host:port`, without a host every address; on loopback where strangers would come in."""
        text: str = getattr(self._settings.listen, key)
        if not text:
            return None
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > HIGHEST_PORT:
            raise StartError(f'listen.{key}: "{text}" is not an address such as 127.0.0.1:2012')
        address = host.strip("[]") or EVERY_ADDRESS
        if address != "localhost" and not is_loopback(address):
            if not is_guarded:
                self.kept_back[f"listen.{key}"] = text
                address = LOOPBACK_V6 if ":" in address else LOOPBACK
            elif not key.endswith("_tls"):
                self.unencrypted[f"listen.{key}"] = text
        endpoint = Endpoint(address, int(port))
        if not self._settings.named("listen", key) and not _is_free(endpoint):
            log.warning(
                "listener.left_out", listener=key, address=text, reason="a default address that is taken"
            )
            return None
        return endpoint


def _is_free(endpoint: Endpoint) -> bool:
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.address, endpoint.port))
        except OSError:
            return False
    return True


def server_tls(settings: config.Settings) -> ServerTls | None:
    """The certificate of the configuration. Raises StartError where its files cannot be used."""
    tls = settings.tls
    if not tls.server_certificate:
        return None
    wants_clients = tls.ca_certificate and tls.server_policy == VERIFIED_CLIENTS
    try:
        authority = Path(tls.ca_certificate) if wants_clients else None
        return ServerTls(Path(tls.server_certificate), Path(tls.server_key), authority)
    except OSError as error:
        raise StartError(
            f"tls.server_certificate: {tls.server_certificate} cannot be used: {error}"
        ) from error


def key_file(data_dir: Path | None) -> KeyFile | None:
    """The keys of the data folder. Raises StartError where they cannot be read."""
    if data_dir is None:
        return None
    try:
        return KeyFile(data_dir / KEYS)
    except KeysError as error:
        raise StartError(str(error)) from error


def key_gate(data_dir: Path | None, keys: KeyFile | None, *, unencrypted: bool = False) -> Gate:
    """Who may call: this machine, and who shows a key; everybody where nobody has one and the network is let in."""
    if data_dir is None or keys is None:
        return OpenGate()
    return KeyGate(keys, Audit(data_dir / AUDIT, time.time_ns), trusts_others=unencrypted)


def http_paths(settings: config.Settings) -> HttpPaths:
    """Paths and users of HTTP. Raises StartError for a password that is not base64, as the incumbent keeps them."""
    http = settings.http
    users: dict[str, str] = {}
    for name, password in http.auth_users.items() if http.use_basic_auth else ():
        try:
            users[name] = base64.b64decode(password, validate=True).decode()
        except ValueError as error:
            raise StartError(f"http.auth_users.{name}: is not base64: {error}") from error
    if http.use_basic_auth and not users:
        raise StartError("http.auth_users: is empty, while use_basic_auth is true: nobody could get in")
    return HttpPaths(http.json_rpc_url, http.ws_url, users)
