"""Who may call what: the interface of the dispatcher and transports, and a gate that is open."""

from collections.abc import Callable
from typing import Any, Protocol

from ocs.rpc.caller import Caller, Role
from ocs.rpc.errors import Forbidden


class Gate(Protocol):
    """Names callers, checks their keys, and keeps a record of what administrators do."""

    def arrived(self, host: str, port: int) -> Caller:
        """Who a new connection is before it has shown a key."""

    def login(self, caller: Caller, params: object) -> object:
        """Show a key for the rest of the connection; Forbidden where it is not known."""

    def by_key(self, caller: Caller, key: str) -> bool:
        """Take over the name and roles of a key; False where it is not known."""

    def by_certificate(self, caller: Caller, certificate: dict[str, Any] | None) -> None:
        """Take over the name and roles of the key that a verified certificate names, where there is one."""

    def allowed(self, caller: Caller, role: Role, params: object) -> Caller:
        """Who may do it by the key inside the request; Forbidden where nobody."""

    def audit(
        self, caller: Caller, method: str, params: object, error: Exception | None, then: Callable[[], None]
    ) -> None:
        """An administrative call was done; `then` answers it, once that is on record."""

    def refresh(self) -> bool:
        """Look once a second whether keys have changed; say whether they have."""

    def holds(self, caller: Caller) -> bool:
        """Whether the key a caller came with still counts."""


class OpenGate:
    """Everybody may do everything: for listeners that only this machine reaches."""

    def arrived(self, host: str, port: int) -> Caller:
        """A caller of this machine."""
        return Caller(f"{host}:{port}")

    def login(self, caller: Caller, params: object) -> object:
        """Nobody needs to."""
        return {"name": caller.name, "roles": sorted(role.value for role in caller.roles)}

    def by_key(self, caller: Caller, key: str) -> bool:
        """Keys do not matter."""
        return True

    def by_certificate(self, caller: Caller, certificate: dict[str, Any] | None) -> None:
        """Certificates do not matter."""

    def allowed(self, caller: Caller, role: Role, params: object) -> Caller:
        """Only who came through another gate gets here."""
        raise Forbidden

    def audit(
        self, caller: Caller, method: str, params: object, error: Exception | None, then: Callable[[], None]
    ) -> None:
        """Nobody keeps a record."""
        then()

    def refresh(self) -> bool:
        """There are no keys."""
        return False

    def holds(self, caller: Caller) -> bool:
        """Everybody stays."""
        return True
