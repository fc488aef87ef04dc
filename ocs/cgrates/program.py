"""`ocs cgrates` from the first file read to the last connection closed."""

import asyncio
import base64
import gc
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ocs.cgrates import config
from ocs.cgrates.callbacks import FrontClients
from ocs.cgrates.journal import Journal, JournalError, NoJournal, SqliteJournal
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.state import State
from ocs.config.settings import Endpoint
from ocs.rpc.audit import Audit
from ocs.rpc.caller import is_loopback
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import EnvelopeLimits
from ocs.rpc.front import FrontDoor, Listeners
from ocs.rpc.gate import Gate, OpenGate
from ocs.rpc.http_paths import HttpPaths
from ocs.rpc.key_file import KeyFile
from ocs.rpc.key_gate import KeyGate
from ocs.rpc.keys import KeysError
from ocs.rpc.methods.cgrates import BIDIRECTIONAL, CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from ocs.rpc.tcp import TcpLimits
from ocs.rpc.tls import ServerTls

if TYPE_CHECKING:
    from aiohttp.web import RouteDef

    from ocs.cgrates.agents.voice import VoiceAgents

log = structlog.get_logger()

CONFIG_ERROR = 2
STORE_ERROR = 3
MESSAGE_OCTETS = 16 << 20
FINISH_S = 0.05  # a successor starts right after the signal
GC_THRESHOLDS = (50_000, 20, 100)
FILE = "cgrates.db"
KEYS, AUDIT = "keys.jsonl", "audit.jsonl"
AGENT_SECTIONS = ("freeswitch_agent", "kamailio_agent")
LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65_535
VERIFIED_CLIENTS = 4  # of tls.server_policy


Prepare = Callable[[Runtime], Awaitable[None]]


class StartError(Exception):
    """The server cannot start as configured; the message says why."""


def run(folder: Path, data_dir: Path | None) -> int:
    """Serves until SIGTERM or SIGINT; the exit status."""
    unsupported: list[config.Unsupported] = []

    def read() -> config.Settings:
        settings, found = config.load(folder)
        unsupported.extend(found)
        return settings

    async def tell(runtime: Runtime) -> None:
        if unsupported:
            log.warning("config.keys_without_effect", keys={each.key: each.meaning for each in unsupported})

    return run_with(read, data_dir, tell)


def run_with(read: Callable[[], config.Settings], data_dir: Path | None, prepare: Prepare) -> int:
    """Serves by settings read from anywhere; `prepare` is done before the ports open."""
    try:
        settings = read()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(serve(settings, data_dir, prepare))
    except (config.ConfigError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return CONFIG_ERROR
    except JournalError as error:
        sys.stderr.write(f"{error}\n")
        return STORE_ERROR


async def serve(settings: config.Settings, data_dir: Path | None, prepare: Prepare) -> int:
    """Listens, answers, and stops in order."""
    stop = _stop_on_signals()
    state = State(_journal(settings, data_dir), stop.set)
    records = await asyncio.to_thread(state.load)
    runtime = Runtime(settings, state)
    runtime.methods = methods_of(CGRATES, runtime)
    limits = EnvelopeLimits(message_octets=MESSAGE_OCTETS, objects=1_000_000)
    gate = key_gate(data_dir)
    front = FrontDoor(
        Dispatcher(CGRATES, runtime, limits, gate),
        listeners(settings),
        lambda: _routes(runtime),
        TcpLimits(in_flight=1_000),
        server_tls(settings),
        http_paths(settings),
        both_ways=Dispatcher(BIDIRECTIONAL, runtime, limits, gate),
    )
    agents = _agents(runtime)
    clients = FrontClients(front.clients)
    runtime.use_clients(clients if agents is None else agents.beside(clients))
    await runtime.start()
    try:
        await prepare(runtime)
        await _open(front)
        if agents is not None:
            await agents.start()
        log.info("server.ready", records=records, **front.addresses)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()
        await stop.wait()
    finally:
        await front.close()
        if agents is not None:
            await agents.stop()
        await runtime.stop(FINISH_S)
        await front.end()
        log.info("server.stopped")
    return STORE_ERROR if state.failure is not None else 0


def _routes(runtime: Runtime) -> "Sequence[RouteDef]":
    from ocs.cgrates.agents.http_records import HttpRecords
    from ocs.rpc import reference

    records = HttpRecords(runtime).routes(runtime.settings.http.freeswitch_cdrs_url)
    return [*reference.routes(CGRATES, is_alone=True), *records]


def _agents(runtime: Runtime) -> "VoiceAgents | None":
    """The switch agents; what they need is not imported where the configuration has none."""
    if not any(runtime.settings.raw.get(section) for section in AGENT_SECTIONS):
        return None
    from ocs.cgrates.agents.sections import SectionError
    from ocs.cgrates.agents.voice import VoiceAgents

    try:
        return VoiceAgents(runtime)
    except SectionError as error:
        raise StartError(f"configuration: {error}") from error


async def _open(front: FrontDoor) -> None:
    try:
        await front.start()
    except OSError as error:
        raise StartError(f"cannot listen: {error}") from error


def listeners(settings: config.Settings) -> Listeners:
    """The ports of the configuration. Raises StartError for an address that is none."""
    sessions_on = settings.sessions.enabled or settings.named("listen", "birpc_json")
    return Listeners(
        jsonrpc=_endpoint(settings, "rpc_json"),
        bidirectional=_endpoint(settings, "birpc_json") if sessions_on else None,
        http=_endpoint(settings, "http"),
        jsonrpc_tls=_endpoint(settings, "rpc_json_tls") if settings.tls.server_certificate else None,
        bidirectional_tls=_endpoint(settings, "birpc_json_tls") if settings.tls.server_certificate else None,
        http_tls=_endpoint(settings, "http_tls") if settings.tls.server_certificate else None,
    )


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


def key_gate(data_dir: Path | None) -> Gate:
    """Who may call: everybody, until the data folder has keys. Raises StartError where they cannot be read."""
    if data_dir is None:
        return OpenGate()
    try:
        keys = KeyFile(data_dir / KEYS)
    except KeysError as error:
        raise StartError(str(error)) from error
    return KeyGate(keys, Audit(data_dir / AUDIT, time.time_ns), trusts_others=True)


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


def _endpoint(settings: config.Settings, key: str) -> Endpoint | None:
    """`host:port`; without a host it is the loopback address, also where the incumbent would open all."""
    text: str = getattr(settings.listen, key)
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > HIGHEST_PORT:
        raise StartError(f'listen.{key}: "{text}" is not an address such as 127.0.0.1:2012')
    if not host:
        log.info("listener.on_loopback_alone", listener=key, port=int(port))
    endpoint = Endpoint(host.strip("[]") or LOOPBACK, int(port))
    if endpoint.address != "localhost" and not is_loopback(endpoint.address):
        remedy = "a loopback address, or a firewall"
        log.warning("listener.open_to_others", listener=key, address=text, remedy=remedy)
    if not settings.named("listen", key) and not _is_free(endpoint):
        log.warning("listener.left_out", listener=key, address=text, reason="a default address that is taken")
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


def _journal(settings: config.Settings, data_dir: Path | None) -> Journal:
    """The file in the data folder; without a folder nothing is kept, and the log says so."""
    folder = data_dir
    dump = settings.data_db.opts.get("internalDBDumpPath")
    if folder is None and isinstance(dump, str) and dump:
        folder = Path(dump)
    if folder is None:
        log.warning("state.not_kept", remedy="start with -data_dir DIR to keep accounts over a restart")
        return NoJournal()
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{folder}: cannot be used as the data folder: {error.strerror}") from error
    return SqliteJournal(folder / FILE)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
