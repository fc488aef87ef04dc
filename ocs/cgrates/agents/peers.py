"""Agents as connections that the event pipeline can ask about their sessions."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ocs.charging.control import ControlResult, SessionAddress
from ocs.sessions.clients import Client, ClientError, Clients

FIRST_NUMBER = 1 << 40  # connections of the front door count up from 1
PEER = "agent:"
DONE = "OK"
NO_CAUSE = "FORCED_DISCONNECT"


class Switches(Protocol):
    """An agent: its calls can be ended, lengthened and warned."""

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """Ask for the call's next time now."""
        ...

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """End a call."""
        ...

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Tell the caller that the credit ends soon."""
        ...


class AgentClient:
    """One switch or proxy. What it is asked by the pipeline, in either protocol, is asked of its agent."""

    def __init__(
        self, number: int, name: str, agent: Switches, sessions: Callable[[str], list[dict[str, str]]]
    ) -> None:
        self.number = number
        self.name = name
        self._agent = agent
        self._sessions = sessions
        self._methods: dict[str, Callable[[Mapping[str, Any]], Awaitable[object]]] = {
            "DisconnectSession": self._disconnect,
            "AlterSession": self._alter,
            "WarnDisconnect": self._warn,
            "GetActiveSessionIDs": self._list,
        }

    @property
    def peer(self) -> str:
        """Who is at the other end, also after a restart."""
        return f"{PEER}{self.name}"

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        """Its result of a request. Raises ClientError."""
        function = self._methods.get(method.rpartition(".")[2])
        if function is None:
            raise ClientError(f"UNSUPPORTED_SERVICE_METHOD: {method}")
        return await function(_arguments(params))

    async def _disconnect(self, told: Mapping[str, Any]) -> str:
        event = event_of(told)
        cause = event.get("DisconnectCause") or NO_CAUSE
        return _said(await self._agent.disconnect(self._address(event), str(cause)))

    async def _alter(self, told: Mapping[str, Any]) -> str:
        return _said(await self._agent.reauthorize(self._address(event_of(told))))

    async def _warn(self, told: Mapping[str, Any]) -> str:
        return _said(await self._agent.warn(self._address(event_of(told))))

    async def _list(self, told: Mapping[str, Any]) -> list[dict[str, str]]:
        return self._sessions(self.name)

    def _address(self, event: Mapping[str, Any]) -> SessionAddress:
        return SessionAddress(self.name, str(event.get("OriginID") or ""), self.name, "voice")


class AllClients:
    """The connections of the front door and the agents."""

    def __init__(self, front: Clients, agents: Sequence[Client]) -> None:
        self._front = front
        self._agents = {agent.peer: agent for agent in agents}

    def __iter__(self) -> Iterator[Client]:
        yield from self._front
        yield from self._agents.values()

    def of_session(self, number: int, peer: str) -> Client | None:
        """The agent whose session it is, else a connection of the front door."""
        return self._agents.get(peer) or self._front.of_session(number, peer)


def _arguments(params: object) -> Mapping[str, Any]:
    """The one argument, whether it comes in a list or not."""
    first = params[0] if isinstance(params, list | tuple) and params else params
    return first if isinstance(first, Mapping) else {}


def event_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a session: `EventStart` of protocol 1.0, `Event` of 2.0, else the argument itself."""
    for name in ("EventStart", "Event"):
        event = told.get(name)
        if isinstance(event, Mapping):
            reason = told.get("Reason")
            return {**event, **({"DisconnectCause": reason} if reason else {})}
    return dict(told)


def _said(result: ControlResult) -> str:
    if result in (ControlResult.ACCEPTED, ControlResult.UNDER_WAY):
        return DONE
    raise ClientError(result.name)
