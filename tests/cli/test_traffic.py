"""`ocs client traffic` against a listening agent: what its sessions look like from the server's side."""

import json
from collections import defaultdict

import msgspec
import pytest

from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, FinalUnit, FinalUnitAction, Result
from ocs.cli.main import main
from tests.cli.test_client import Server, quiet, server
from tests.support.gy import granted
from tests.support.ports import free_port

__all__ = ["quiet", "server"]


def run(server: Server, *arguments: str) -> int:
    quick = ("--duration", "400ms", "--rate", "100", "--pause", "1ms", "--timeout", "60")
    return main(["client", "traffic", "--server", f"127.0.0.1:{server.port}", *quick, *arguments])


def by_session(server: Server) -> dict[str, list[ChargingEvent]]:
    sessions = defaultdict(list)
    for event in server.charging.events:
        sessions[event.session_id].append(event)
    return sessions


def test_every_session_is_begun_reported_in_order_and_ended(server: Server) -> None:
    assert run(server) == 0
    sessions = by_session(server)
    assert len(sessions) == 40
    kinds = {tuple(event.kind for event in events) for events in sessions.values()}
    assert (EventKind.EVENT,) in kinds
    for events in sessions.values():
        if events[0].kind is EventKind.EVENT:
            continue
        assert [event.event_id for event in events] == list(range(len(events)))
        expected = [EventKind.INITIAL, *[EventKind.UPDATE] * (len(events) - 2), EventKind.TERMINATION]
        assert [event.kind for event in events] == expected


def test_a_machine_that_cannot_keep_the_pace_begins_every_session_all_the_same(server: Server) -> None:
    """Ten in a millisecond, of which the first wait of the client takes all."""
    assert run(server, "--duration", "1ms", "--rate", "10000") == 0
    assert len(by_session(server)) == 10


def test_services_are_mixed(server: Server) -> None:
    run(server)
    assert {event.service for event in server.charging.events} >= {"data", "voice", "sms"}


def test_the_same_seed_makes_the_same_sessions(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    for seed in ("7", "7", "8"):
        with Server() as server:
            run(server, "--seed", seed)
            openings = {
                session.rpartition(";")[2]: (events[0].service, events[0].identities, events[0].kind)
                for session, events in by_session(server).items()
            }
            seen.append([openings[str(number)] for number in range(1, 11)])
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_what_is_refused_is_not_used_and_counts(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.charging.answer = lambda event: ChargingAnswer(Result.NO_CREDIT)
    assert run(server, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["results"] == {"4012": shown["answers"]}
    assert {event.kind for event in server.charging.events} <= {EventKind.INITIAL, EventKind.EVENT}


def test_final_units_are_used_and_the_session_ends(server: Server) -> None:
    def last(event: ChargingEvent) -> ChargingAnswer:
        answer = granted(event)
        final = FinalUnit(FinalUnitAction.TERMINATE)
        grants = [msgspec.structs.replace(grant, final_unit=final) for grant in answer.grants]
        return ChargingAnswer(Result.SUCCESS, tuple(grants))

    server.charging.answer = last
    assert run(server) == 0
    assert EventKind.UPDATE not in {event.kind for event in server.charging.events}
    assert EventKind.TERMINATION in {event.kind for event in server.charging.events}


def test_subscribers_are_those_asked_for(server: Server) -> None:
    run(server, "--first", "0049100", "--subscribers", "3")
    numbers = {event.identities[0].value for event in server.charging.events}
    assert numbers <= {"0049100", "0049101", "0049102"}
    assert numbers


def test_no_server_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "traffic", "--server", f"127.0.0.1:{free_port()}"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_a_wrong_duration_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "traffic", "--duration", "long"]) == 2
    assert "duration" in capsys.readouterr().err
