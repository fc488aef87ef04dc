"""One switch: connecting, subscribing, finding out what happened meanwhile, watching over the connection."""

import asyncio
import contextlib
from typing import NoReturn

import structlog

from ocs.agents.freeswitch import esl, mapping
from ocs.agents.freeswitch.commands import is_word
from ocs.agents.freeswitch.flow import ANSWERED, HUNG_UP, PARKED, CallFlow
from ocs.agents.freeswitch.mapping import Channel
from ocs.agents.freeswitch.transport import Link, LinkLost, LinkRefused, connect
from ocs.agents.voice.door import ChargingDoor
from ocs.agents.voice.pauses import Pauses
from ocs.config.settings import SECOND, FreeswitchSettings, Switch

log = structlog.get_logger()

EVENTS = (ANSWERED, HUNG_UP, PARKED, "BACKGROUND_JOB")
BACKLOG_LIMIT = 50_000  # events that wait until it is known which calls there are
DUMPED_AT_ONCE = 50
RELIST_S = 10.0  # so soon a switch is asked again that did not say which calls it has
MISSED_LISTS = 2  # a call's last event may be on its way while one list is made, but not two
REFUSED_PAUSE_S = 30.0  # a wrong password does not become right by trying


def name_of(switch: Switch) -> str:
    """The client name of a switch's sessions."""
    return switch.name or f"{switch.host}:{switch.port}"


class SwitchClient:
    """The connection to one switch, made anew whenever it breaks."""

    def __init__(
        self,
        switch: Switch,
        password: str,
        settings: FreeswitchSettings,
        service: ChargingDoor,
        says_all: bool = False,
    ) -> None:
        self.name = name_of(switch)
        self.flow = CallFlow(self.name, settings, service, says_all)
        self.is_synchronised = False
        self.connections = 0
        self._switch = switch
        self._password = password
        self._settings = settings
        self._service = service
        self._has_asked = False  # which sessions the process before this one has left is known
        self._lacks_list = False  # the switch did not say which calls it has: it is asked again soon
        self._backlog: list[esl.SwitchEvent] = []

    async def run(self) -> NoReturn:
        """Keep connected until cancelled, with longer pauses the longer it does not work."""
        pauses = Pauses(self._settings.reconnect_ns, self._settings.reconnect_maximum_ns)
        while True:
            before = self.connections
            try:
                await self._connected()
            except LinkRefused as error:
                log.error("freeswitch.refused_us", peer=self.name, reason=str(error))
                pauses.at_least(REFUSED_PAUSE_S)
            except (OSError, LinkLost, TimeoutError) as error:
                log.warning("freeswitch.lost", peer=self.name, reason=str(error) or "no answer in time")
            except Exception as error:  # no traceback: what it shows of our state may be the password
                log.error("freeswitch.failed", peer=self.name, error=repr(error))
            if self.connections > before:
                pauses.reset()
            await asyncio.sleep(pauses.next_s())

    async def _connected(self) -> None:
        """From the first byte to the last of one connection."""
        timeout_s = self._settings.command_timeout_ns / SECOND
        switch = self._switch
        link = await connect(self.name, switch.host, switch.port, self._password, self._take, timeout_s)
        try:
            await self._subscribe(link)
            self.connections += 1
            self.flow.resume(link)
            await self._synchronise_at_once(link)
            log.info("freeswitch.connected", peer=self.name, calls=len(self.flow.calls))
            await self._watch(link)
        finally:
            self.is_synchronised = False
            self.flow.suspend(link.heard_s)
            self._release_backlog()  # what came before the end is true all the same
            link.abort("done with")

    async def _subscribe(self, link: Link) -> None:
        for wanted in (*self._settings.event_filters, "Event-Name BACKGROUND_JOB"):
            if self._settings.event_filters:
                await _agreed(link, f"filter {wanted}")
        names = [name for name in EVENTS if name != PARKED or self._settings.subscribe_park]
        await _agreed(link, f"event {self._settings.event_format} {' '.join(names)}")

    async def _watch(self, link: Link) -> None:
        """Ask now and then whether the switch is there, and which calls it has, until the connection ends."""
        interval_s = self._settings.sync_interval_ns / SECOND
        alive_s = self._settings.keep_alive_ns / SECOND
        loop = asyncio.get_running_loop()
        next_sync_s = loop.time() + (min(interval_s, RELIST_S) if self._lacks_list else interval_s)
        while not link.closed.done():
            wait_s = max(0.0, min(next_sync_s - loop.time(), alive_s))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await asyncio.shield(link.closed)
            if link.closed.done():
                break
            if loop.time() >= next_sync_s:
                if self._lacks_list:
                    await self._synchronise_at_once(link)
                else:
                    await self._synchronise(link)
                next_sync_s = loop.time() + (min(interval_s, RELIST_S) if self._lacks_list else interval_s)
            elif loop.time() - link.heard_s >= alive_s:
                await link.api("hostname")
        raise LinkLost(link.closed.result())

    # --- events

    def _take(self, event: esl.SwitchEvent) -> None:
        if not self.is_synchronised:
            if len(self._backlog) >= BACKLOG_LIMIT:
                raise esl.WireError("too many events before the list of calls")
            self._backlog.append(event)
            return
        self.flow.take(event)

    def _release_backlog(self) -> None:
        backlog, self._backlog = self._backlog, []
        for event in backlog:
            self.flow.take(event)

    # --- which calls there are

    async def _channels(self, link: Link) -> dict[str, Channel] | None:
        """The complete list of the switch's calls, or None: silence is never taken for "no calls"."""
        reply = await link.job("show channels as json")
        channels = mapping.channels_of(reply.text) if reply.is_ok else None
        if channels is None:
            log.warning("freeswitch.list_refused", peer=self.name, reply=reply.text[:80])
        return channels

    async def _synchronise_at_once(self, link: Link) -> None:
        """After connecting: calls that ended meanwhile are closed, those that go on are taken up again.

        Events are kept back until then. A call that ended just now is settled by its own last event. Where the
        switch does not say which calls it has nothing is concluded: sessions wait for news of their calls.
        """
        self.is_synchronised = False
        if not self._has_asked:
            found = await self._service.sessions_of(self.name)
            self.flow.unclaimed = {session.session_id: session for session in found}
            self._has_asked = True
        channels = await self._channels(link)
        self._lacks_list = channels is None
        if channels is not None:
            await self._compare(link, channels)
        self.is_synchronised = True
        self._release_backlog()

    async def _compare(self, link: Link, channels: dict[str, Channel]) -> None:
        """What is there and what is not, after a time without the switch."""
        there = [uuid for uuid, channel in channels.items() if channel.direction == "inbound"]
        dumps: list[esl.SwitchEvent] = []
        for start in range(0, len(there), DUMPED_AT_ONCE):
            dumps += await self._dumps(link, there[start : start + DUMPED_AT_ONCE])
        await self._claim_sessions(dumps)
        kept = set(channels) | {event.get("Unique-ID") for event in self._backlog if event.name == HUNG_UP}
        for call in tuple(self.flow.calls.values()):
            if call.facts.uuid not in kept:
                await self.flow.close_at_last_known(call)
        for dump in dumps:
            self.flow.find_again(dump)

    async def _claim_sessions(self, dumps: list[esl.SwitchEvent]) -> None:
        """Go on with the sessions that were open when this process began, or close them."""
        ends = [event for event in self._backlog if event.name == HUNG_UP]
        about = {event.get("Unique-ID"): event for event in (*dumps, *ends)}
        for session in tuple(self.flow.unclaimed.values()):
            event = about.get(session.session_id)
            if event is None:
                await self.flow.close_session(session)
            else:
                self.flow.claim(event)

    async def _dumps(self, link: Link, uuids: list[str]) -> list[esl.SwitchEvent]:
        """What the switch knows of some calls; those that have ended meanwhile are left out."""
        replies = await link.api(*[f"uuid_dump {uuid} json" for uuid in uuids if is_word(uuid)])
        return [esl.json_event(reply.text.encode()) for reply in replies if reply.is_ok]

    async def _synchronise(self, link: Link) -> None:
        """Now and then: a call that two lists in a row do not have has ended without our being told."""
        asked_s = asyncio.get_running_loop().time()
        channels = await self._channels(link)
        if channels is None:
            return
        for call in tuple(self.flow.calls.values()):
            if call.begun_s >= asked_s:
                continue
            if call.facts.uuid in channels:
                call.seen_s, call.unseen = asked_s, 0
                continue
            call.unseen += 1
            if call.unseen >= MISSED_LISTS:
                await self.flow.close_at_last_known(call)


async def _agreed(link: Link, command: str) -> None:
    reply = await link.ask(command)
    if not reply.is_ok:
        raise LinkRefused(f"{command}: {reply.text}")
