"""Kamailio's ims_charging asks for calls of sipp: every second talked is paid for, and none more."""

from collections.abc import Iterator

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import RawAvp, decode_u32
from ocs.diameter.message import Message
from tests.interop.capture import sent_by
from tests.interop.freediameter_rules import judged
from tests.interop.ims_world import CALLED, Ims
from tests.interop.server import NANOS_PER_SECOND, Server

pytestmark = pytest.mark.peer

GRANT_S = 16  # tests/interop/ocs/ocs.yaml


class ExactIms(Ims):
    """`ocs serve` beside Kamailio."""

    server: Server


@pytest.fixture(scope="module")
def ims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExactIms]:
    world = ExactIms(tmp_path_factory.mktemp("kamailio"), Server)
    yield world
    world.end()


def paid(server: Server, account: str, before: int) -> int:
    """Seconds the account has paid for since; the money adds up and nothing is held any more."""
    posted, reserved = server.money(account)
    seconds, rest = divmod(before - posted, NANOS_PER_SECOND)
    assert (rest, reserved) == (0, 0)
    assert server.is_consistent()
    return seconds


def debits(server: Server, account: str) -> list[int]:
    """Seconds of every debit of an account."""
    entries = server.call("AccountHistory", account=account, limit=100)["entries"]
    amounts = [int(entry["amount"]["nanos"]) for entry in entries if entry["kind"] == "DEBIT"]
    return [-nanos // NANOS_PER_SECOND for nanos in amounts]


def reported(record: dict[str, object]) -> int:
    """Seconds in a charging record."""
    usage = record["usage"]
    assert isinstance(usage, list)
    return sum(int(each["used"]["ns"]) for each in usage) // 1_000_000_000


def test_a_call_pays_for_what_its_end_reports(ims: ExactIms) -> None:
    before, _ = ims.server.money("1001")
    ims.over(ims.call("caller_ends", ["1001"], "-d", 4_000), "1001")
    (record,) = ims.server.records("1001")
    seconds = paid(ims.server, "1001", before)
    assert reported(record) == seconds >= 3, "Kamailio counts whole seconds"
    assert (record["service"], record["called"], record["cause"]) == ("voice", CALLED, "terminated")
    assert record["cost_nanos"] == seconds * NANOS_PER_SECOND
    assert sum(debits(ims.server, "1001")) == seconds


def test_a_caller_without_credit_is_refused_before_the_call_is_set_up(ims: ExactIms) -> None:
    ims.over(ims.call("refused", ["1002"]), "1002")
    view = ims.server.call("AccountShow", account="1002")
    assert (view["available_nanos"], view["holds"], view["open_sessions"]) == (0, [], 0)
    assert ims.server.is_consistent()


def test_a_call_is_cut_on_both_sides_when_the_credit_is_used_up(ims: ExactIms) -> None:
    before, _ = ims.server.money("1003")
    assert before == 10 * NANOS_PER_SECOND
    ims.over(ims.call("network_ends", ["1003"]), "1003")
    (record,) = ims.server.records("1003")
    seconds = paid(ims.server, "1003", before)
    assert reported(record) == seconds >= 10, "the grant, and what Kamailio takes to look at its clock"


def test_a_call_survives_the_death_of_the_server_and_is_paid_for_once(ims: ExactIms) -> None:
    before, _ = ims.server.money("1004")
    call = ims.call("caller_ends", ["1004"], "-d", (GRANT_S + 1) * 1_000)
    call.until(lambda: bool(ims.server.sessions("1004")), "the call has begun")
    (session,) = ims.server.sessions("1004")
    assert ims.server.money("1004") == (before, GRANT_S * NANOS_PER_SECOND)
    ims.server.kill()
    ims.server.start()
    assert ims.server.money("1004") == (before, GRANT_S * NANOS_PER_SECOND), "what is held is held still"
    assert [each["session"] for each in ims.server.sessions("1004")] == [session["session"]]
    ims.until_connected()
    ims.over(call, "1004")
    (record,) = ims.server.records("1004")
    seconds = paid(ims.server, "1004", before)
    assert reported(record) == seconds >= GRANT_S
    updates = debits(ims.server, "1004")
    assert len(updates) >= 2, "Kamailio came back in time for its update"
    assert sum(updates) == seconds


def test_twenty_calls_at_once_are_each_paid_for_by_their_caller(ims: ExactIms) -> None:
    ims.until_connected()
    callers = [str(number) for number in range(1100, 1120)]
    before = {caller: ims.server.money(caller)[0] for caller in callers}
    ims.over(ims.call("caller_ends", callers, "-d", 3_000, "-r", 20, "-l", 20), *callers)
    for caller in callers:
        (record,) = ims.server.records(caller)
        seconds = paid(ims.server, caller, before[caller])
        assert reported(record) == seconds >= 2


def used_seconds(message: Message) -> int:
    """CC-Time of every Used-Service-Unit of a request."""
    return sum(
        decode_u32(message.frame, units)
        for service in message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
        for used in message.members(service)
        if used[0] == avps.USED_SERVICE_UNIT
        for units in message.members(used)
        if units[0] == avps.CC_TIME
    )


def final_units(message: Message) -> list[RawAvp]:
    """Final-Unit-Indication of every service of an answer."""
    return [
        member
        for service in message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
        for member in message.members(service)
        if member[0] == avps.FINAL_UNIT_INDICATION
    ]


def test_nothing_on_the_wire_is_wrong_and_every_second_on_it_was_paid(ims: ExactIms) -> None:
    port = ims.server.diameter_port
    ims.capture.end()
    messages = ims.capture.messages()
    requests = [each.message for each in messages if each.target == port]
    credit_control = [request for request in requests if request.command_code == 272]
    accounts = "1001", "1003", "1004", *map(str, range(1100, 1120))
    assert sum(map(used_seconds, credit_control)) == sum(
        sum(debits(ims.server, account)) for account in accounts
    )
    answers = [each.message for each in messages if each.source == port]
    assert [answer for answer in answers if final_units(answer)], "the call that was cut was told so"
    assert ims.capture.complaints(port) == []
    assert ims.capture.unanswered(port) == []
    assert judged(sent_by(messages, port), ims.folder) == []
