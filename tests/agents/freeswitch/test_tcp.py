"""The agent over real sockets, on every event loop the server may run on."""

import asyncio
from collections.abc import Callable

import pytest

from ocs.agents.freeswitch.agent import FreeswitchAgent
from ocs.agents.voice.door import Deliver
from ocs.charging.control import OpenSession
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Grant, Result, Unit
from ocs.config.settings import FreeswitchSettings, Switch
from tests.agents.freeswitch import recorded
from tests.agents.freeswitch.scripted import event_bytes, reply_bytes
from tests.support.waiting import PATIENCE_S

EVENTS = ("CHANNEL_PARK", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE")
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
try:
    import uvloop
except ImportError:
    pass
else:
    LOOPS.append(uvloop.new_event_loop)


class Answering:
    """A charging service that grants a minute and keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[ChargingEvent] = []
        self.ended = asyncio.Event()

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        raise AssertionError("this agent waits for its answers")

    async def sessions_of(self, client: str) -> list[OpenSession]:
        return []

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        self.heard.append(event)
        if event.kind is EventKind.TERMINATION:
            self.ended.set()
        grant = Grant(None, (), Result.SUCCESS, Unit.TIME, 60 * 10**9)
        return ChargingAnswer(Result.SUCCESS, (grant,) if event.reports else ())


async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A switch with one recorded call, whose next event comes when the last has been dealt with."""
    events = [event for event in recorded.events("01-answered-json") if event["Event-Name"] in EVENTS]
    writer.write(b"Content-Type: auth/request\n\n")
    try:
        while True:
            command = (await reader.readuntil(b"\n\n")).decode().strip()
            if command.startswith("bgapi"):
                job = command.rpartition(" ")[2]
                writer.write(reply_bytes(f"+OK Job-UUID: {job}"))
                done = {"Event-Name": "BACKGROUND_JOB", "Job-UUID": job}
                writer.write(event_bytes(done, "json", '{"row_count": 0}'))
                writer.write(event_bytes(events[0], "json"))
            elif command.startswith("api"):
                writer.write(b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n")
                if "uuid_transfer" in command:
                    writer.write(b"".join(event_bytes(event, "json") for event in events[1:]))
            else:
                writer.write(reply_bytes("+OK"))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def one_call() -> list[ChargingEvent]:
    """What the charging service hears of the recorded call."""
    service = Answering()
    server = await asyncio.start_server(switch, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = FreeswitchSettings(switches=(Switch("127.0.0.1", port, "fs1", "secret"),))
    agent = FreeswitchAgent(settings, service)
    await agent.start()
    async with asyncio.timeout(PATIENCE_S):
        await service.ended.wait()
    await agent.drain()
    server.close()
    await server.wait_closed()
    return service.heard


@pytest.mark.parametrize("factory", LOOPS)
def test_a_recorded_call_is_charged_over_tcp(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        heard = runner.run(one_call())
    end = recorded.template("01-answered-json", "CHANNEL_HANGUP_COMPLETE")
    assert [event.kind for event in heard] == [EventKind.INITIAL, EventKind.UPDATE, EventKind.TERMINATION]
    assert heard[-1].reports[0].used[0].amount == int(end["variable_billusec"]) * 1_000
