"""The FreeSWITCH agent: all switches of the configuration, and what the server asks about their calls."""

import asyncio
from pathlib import Path

import structlog

from ocs.agents.freeswitch.switch import SwitchClient
from ocs.agents.voice.door import ChargingDoor
from ocs.charging.control import ControlResult, SessionAddress
from ocs.config.settings import SECOND, FreeswitchSettings, Switch

log = structlog.get_logger()

DRAIN_S = 5.0


class FreeswitchAgent:
    """Connects to every switch and charges its calls; without switches it does nothing."""

    def __init__(self, settings: FreeswitchSettings, service: ChargingDoor, says_all: bool = False) -> None:
        """Read the passwords; raises OSError where a file of them cannot be read.

        `says_all` tells the core of every call in the words of the switch, and leaves it to it what is charged.
        """
        self._clients = {
            client.name: client
            for client in (
                SwitchClient(switch, password_of(switch), settings, service, says_all)
                for switch in settings.switches
            )
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._patience_s = min(DRAIN_S, settings.command_timeout_ns / SECOND * 2)

    async def start(self) -> None:
        """Begin to connect; a switch that is not there is tried again until it is."""
        loop = asyncio.get_running_loop()
        for client in self._clients.values():
            task: asyncio.Task[None] = loop.create_task(client.run())
            task.add_done_callback(_ended)
            self._tasks.append(task)

    async def drain(self) -> None:
        """Finish what has begun and let go of the switches; calls go on within the limits they are armed with."""
        await asyncio.gather(*[client.flow.drain(self._patience_s) for client in self._clients.values()])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*[client.flow.drain(self._patience_s) for client in self._clients.values()])
        self._tasks.clear()

    def switches(self) -> dict[str, tuple[bool, int]]:
        """Each switch: whether it is connected and its calls are known, and how many there are."""
        return {
            name: (client.is_synchronised, len(client.flow.calls)) for name, client in self._clients.items()
        }

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """Ask for the call's next time now, for instance after a top-up."""
        client = self._clients.get(session.client)
        return (
            ControlResult.UNSUPPORTED if client is None else await client.flow.reauthorize(session.session_id)
        )

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Play what is configured for a low balance to the caller."""
        client = self._clients.get(session.client)
        return ControlResult.UNSUPPORTED if client is None else await client.flow.warn(session.session_id)

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """End a call."""
        client = self._clients.get(session.client)
        if client is None:
            return ControlResult.UNSUPPORTED
        return await client.flow.disconnect(session.session_id, cause)


def password_of(switch: Switch) -> str:
    """The password of a switch: of the configuration, or the first line of its file."""
    if switch.password_file is None:
        return switch.password or ""
    return Path(switch.password_file).read_text(encoding="utf-8").partition("\n")[0].strip()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("freeswitch.client_failed", error=repr(task.exception()))
