"""`ocs client ccr` against a listening agent whose charging service answers as told."""

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
import structlog

from ocs.agents.diameter.mapping.request import GyReader
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    Grant,
    Identity,
    IdentityKind,
    RequestedUnits,
    Result,
    Unit,
    UsedUnits,
)
from ocs.cli import client
from ocs.cli.main import build_parser, main
from ocs.config.scalars import InvalidValue
from ocs.config.settings import DiameterSettings, Listener
from ocs.diameter.message import Message, encode_message
from tests.support.diameter_peer import running
from tests.support.gy import NOW_NS, SECOND, FakeService, options
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The server's log lines do not mix with what the client prints."""
    with structlog.testing.capture_logs():
        yield


class Server:
    """An agent in a thread of its own, for a client that runs its own event loop."""

    def __init__(self, admit: str = "loopback") -> None:
        self.charging = FakeService()
        self.port = 0
        self._admit = admit
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        diameter = DiameterSettings(listen=(Listener(port=0),), admit_unlisted=self._admit)  # type: ignore[arg-type]
        async with running(diameter) as (agent, charging, _):
            self.charging = charging
            self.port = agent.addresses()[0][1]
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> "Server":
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running_server:
        yield running_server


def ask(server: Server, *arguments: str) -> int:
    return main(["client", "ccr", "--server", f"127.0.0.1:{server.port}", "--timeout", "60", *arguments])


def test_success_is_printed_by_name_and_exits_0(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    code = ask(server, "--subscriber", "15550100000", "--rating-group", "10", "--request", "1MB")
    printed = capsys.readouterr()
    assert code == 0
    assert "Credit-Control-Answer" in printed.out
    assert "Result-Code (268) M 2001" in printed.out
    assert "CC-Total-Octets (421) M 1000000" in printed.out
    assert "session: client.localdomain;" in printed.err
    (event,) = server.charging.events
    assert event.identities == (Identity(IdentityKind.E164, "15550100000"),)
    assert event.reports[0].requested == RequestedUnits(Unit.OCTETS, 1_000_000)


def test_json_has_codes_and_session(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(server, "--session", "s;1", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["session"], shown["result_codes"]) == ("s;1", [2001, 2001])


@pytest.mark.parametrize(
    "answer",
    [
        ChargingAnswer(Result.NO_CREDIT),
        ChargingAnswer(Result.SUCCESS, (Grant(10, (), Result.NO_CREDIT),)),
        ChargingAnswer(Result.TOO_BUSY),
    ],
)
def test_any_refusal_exits_1(server: Server, answer: ChargingAnswer) -> None:
    server.charging.answer = lambda event: answer
    assert ask(server, "--rating-group", "10") == 1


def test_a_refused_client_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    with Server("none") as server:
        assert ask(server) == 1
    assert "the peer refused this node: result code 3010" in capsys.readouterr().err


def test_no_server_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert main(["client", "ccr", "--server", address]) == 1
    assert f"{address} cannot be reached" in capsys.readouterr().err


def test_a_silent_server_is_not_waited_for_long(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.charging.holding = True
    assert ask(server, "--timeout", "1") == 1
    assert "no answer from" in capsys.readouterr().err
    server.charging.held.clear()


def test_an_amount_that_is_none_exits_2(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(server, "--request", "much") == 2
    assert "amount: " in capsys.readouterr().err


def mapped(*arguments: str, flags: int = 0xC0) -> ChargingEvent:
    parsed = build_parser().parse_args(["client", "ccr", "--session", "s;1", *arguments])
    frame = encode_message(flags, 272, 4, 1, 1, client.request_avps(parsed, NOW_NS))
    return GyReader(options()).read(Message.decode(frame), "peer", None, NOW_NS).event


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--imsi", "00101", "--apn", "internet"), {"kind": EventKind.INITIAL, "service": "data"}),
        (("--kind", "update", "--number", "3"), {"kind": EventKind.UPDATE, "event_id": 3}),
        (("--kind", "termination"), {"kind": EventKind.TERMINATION, "termination_cause": 1}),
        (("--kind", "event", "--action", "check", "--service", "sms"), {"action": Action.CHECK_BALANCE}),
        (("--service-context", "32260@3gpp.org"), {"service": "voice"}),
    ],
)
def test_arguments_become_the_request_they_name(
    arguments: tuple[str, ...], expected: dict[str, object]
) -> None:
    event = mapped(*arguments)
    assert {name: getattr(event, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "requested", "used"),
    [
        ((), RequestedUnits(), ()),
        (("--request", "100"), RequestedUnits(Unit.OCTETS, 100), ()),
        (("--request", "60", "--service", "voice"), RequestedUnits(Unit.TIME, 60 * SECOND), ()),
        (("--request", "1m", "--service", "voice"), RequestedUnits(Unit.TIME, 60 * SECOND), ()),
        (("--request", "2", "--service", "sms"), RequestedUnits(Unit.EVENTS, 2), ()),
        (("--kind", "termination", "--used", "5kB"), None, (UsedUnits(Unit.OCTETS, 5_000),)),
    ],
)
def test_amounts_count_what_their_unit_or_service_says(
    arguments: tuple[str, ...], requested: RequestedUnits | None, used: tuple[UsedUnits, ...]
) -> None:
    event = mapped(*arguments)
    (report,) = event.reports
    assert (report.requested, report.used) == (requested, used)


@pytest.mark.parametrize("service", ["voice", "sms", "mms"])
def test_the_called_number_goes_where_its_service_has_it(service: str) -> None:
    event = mapped("--service", service, "--called", "15550107777")
    assert event.context is not None
    assert event.context.called == "15550107777"


def test_units_without_sense_are_refused() -> None:
    with pytest.raises(InvalidValue):
        client.units("1XB", "data")
