"""The gate of the servers: this machine may do everything, everybody else shows a key.

Where `ocs cgrates` was told to let the network in, others need a key only once there is one.
"""

from collections.abc import Callable
from typing import Any

import structlog

from ocs.rpc.audit import Audit
from ocs.rpc.caller import NOTHING, Caller, Role, is_loopback
from ocs.rpc.errors import Forbidden
from ocs.rpc.key_file import KeyFile
from ocs.rpc.keys import Key

log = structlog.get_logger()

UNKNOWN_KEY = "UNKNOWN_API_KEY"
OPTIONS, API_KEY = "APIOpts", "*apiKey"


class KeyGate:
    """Names callers by the keys of a file."""

    def __init__(
        self,
        keys: KeyFile,
        audit: Audit | None = None,
        trusts_loopback: bool = True,
        trusts_others: bool = False,  # as long as there are no keys
    ) -> None:
        self._keys = keys
        self._audit = audit
        self._trusts_loopback = trusts_loopback
        self._trusts_others = trusts_others

    def arrived(self, host: str, port: int) -> Caller:
        """A caller of this machine may do everything, one from elsewhere nothing."""
        peer = f"{host}:{port}"
        trusts_others = self._trusts_others and not len(self._keys)
        is_trusted = self._trusts_loopback if is_loopback(host) else trusts_others
        return Caller(peer) if is_trusted else Caller(peer, "", NOTHING)

    def login(self, caller: Caller, params: object) -> object:
        """Take the key of the parameters for the rest of the connection."""
        key = params.get("key", params.get("Key")) if isinstance(params, dict) else None
        if not isinstance(key, str) or not self.by_key(caller, key):
            raise Forbidden(UNKNOWN_KEY)
        return {"name": caller.name, "roles": sorted(role.value for role in caller.roles)}

    def by_key(self, caller: Caller, key: str) -> bool:
        """Take over the name and roles of a key."""
        found = self._keys.find(key)
        if found is None:
            log.warning("rpc.key_refused", peer=caller.peer.rpartition(":")[0])
            return False
        _take_over(caller, found)
        return True

    def by_certificate(self, caller: Caller, certificate: dict[str, Any] | None) -> None:
        """The common name of a certificate that the listener has verified is the name of a key (RFC 4514)."""
        for name in common_names(certificate):
            found = self._keys.named(name)
            if found is not None:
                _take_over(caller, found)
                return

    def allowed(self, caller: Caller, role: Role, params: object) -> Caller:
        """The key in `APIOpts` counts for its request alone."""
        options = params.get(OPTIONS) if isinstance(params, dict) else None
        key = options.get(API_KEY) if isinstance(options, dict) else None
        if not isinstance(key, str):
            raise Forbidden
        shown = Caller(caller.peer, client=caller.client)
        if not self.by_key(shown, key):
            raise Forbidden(UNKNOWN_KEY)
        if role not in shown.roles:
            raise Forbidden
        return shown

    def audit(
        self, caller: Caller, method: str, params: object, error: Exception | None, then: Callable[[], None]
    ) -> None:
        """Put an administrative call on record; strangers are only logged, as they could fill the record."""
        if not caller.name:
            log.warning("rpc.stranger_refused", peer=caller.peer.rpartition(":")[0], method=method)
        elif self._audit is not None:
            self._audit.write(caller, method, params, error, then)
            return
        then()

    def refresh(self) -> bool:
        """Look whether keys have changed."""
        return self._keys.refresh()

    def holds(self, caller: Caller) -> bool:
        """Whether the key a caller came with still counts."""
        return not caller.key or self._keys.is_good(caller.key)


def _take_over(caller: Caller, key: Key) -> None:
    caller.name, caller.roles, caller.key = key.name, key.rights, key.id


def common_names(certificate: dict[str, Any] | None) -> list[str]:
    """The common names of a subject, as `ssl` shows a certificate that was verified."""
    subject = (certificate or {}).get("subject", ())
    return [str(value) for names in subject for kind, value in names if kind == "commonName"]
