"""Kamailio with the example configuration of docs/kamailio.md asks over evapi for calls of sipp.

The proxy counts whole seconds, so a call is paid for exactly when the money taken is the price of the seconds it
reported; what it reported is in the charging record.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.kamailio_world import CALLED, HERE, World
from tests.interop.programs import filled
from tests.interop.server import NANOS_PER_SECOND, TEMPLATES, Server
from tests.support.ports import free_ports
from tests.support.waiting import until

pytestmark = pytest.mark.peer

MESSAGE_NANOS = 50_000_000


class ChargingServer(Server):
    """`ocs serve` that connects to a proxy."""

    def __init__(self, folder: Path, evapi_port: int) -> None:
        self.folder = folder
        self.diameter_port, self.rpc_port = free_ports(2)
        (folder / "accounts.yaml").write_text((HERE / "accounts.yaml").read_text())
        (folder / "tariffs.yaml").write_text((TEMPLATES / "tariffs.yaml").read_text())
        ports = {"diameter_port": self.diameter_port, "rpc_port": self.rpc_port, "evapi_port": evapi_port}
        (folder / "ocs.yaml").write_text(filled(HERE / "ocs.yaml", **ports))
        self.program = self.start()

    def has_started(self, caller: str) -> bool:
        """Whether the caller's call has been answered."""
        sessions = self.sessions(caller)
        if not sessions:
            return False
        shown = self.call("SessionShow", session=sessions[0]["session"], client="sip1")
        return "AnswerTime" in shown["extra"]


class ExactWorld(World):
    """The exact core's server beside the proxy."""

    server: ChargingServer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExactWorld]:
    world = ExactWorld(tmp_path_factory.mktemp("evapi"), ChargingServer)
    yield world
    world.end()


def paid(server: Server, account: str, before: int) -> int:
    """Seconds an account has paid for since; the books are right and nothing is held any more."""
    posted, reserved = server.money(account)
    seconds, rest = divmod(before - posted, NANOS_PER_SECOND)
    assert (rest, reserved) == (0, 0)
    assert server.is_consistent()
    return seconds


def reported(record: dict[str, object]) -> int:
    """The seconds Kamailio said the call had lasted."""
    extra = record["extra"]
    assert isinstance(extra, dict)
    return int(extra["Usage"])


def duration(record: dict[str, object]) -> int:
    """The seconds the record charges."""
    usage = record["usage"]
    assert isinstance(usage, list)
    return sum(int(each["used"]["ns"]) for each in usage) // 1_000_000_000


def test_a_call_is_paid_for_in_slices_and_in_all_for_what_it_reports(world: ExactWorld) -> None:
    before, _ = world.server.money("1001")
    world.over(world.call("caller_ends", "1001", "-d", 4_500), "1001")
    (record,) = world.server.records("1001")
    seconds = paid(world.server, "1001", before)
    assert seconds == reported(record) == duration(record)
    assert seconds >= 4
    assert (record["service"], record["called"], record["cause"]) == ("voice", CALLED, "terminated")
    assert record["extra"]["SourceIP"] == "127.0.0.1", "a field of the configuration's own"
    entries = world.server.call("AccountHistory", account="1001", limit=100)["entries"]
    assert sum(entry["kind"] == "DEBIT" for entry in entries) >= 2, "while it lasts, and at its end"


def test_a_caller_without_credit_is_refused(world: ExactWorld) -> None:
    call = world.call("refused", "1002")
    world.over(call, "1002")
    assert world.server.call("AccountShow", account="1002")["holds"] == []
    assert world.server.records("1002") == []


def test_a_call_is_cut_when_its_credit_is_used_up(world: ExactWorld) -> None:
    call = world.call("network_ends", "1003")
    until(lambda: world.server.has_started("1003"), "the call has been answered")
    booked = world.server.call("AccountAdjust", account="1003", amount="-0.06")
    world.over(call, "1003")
    assert world.server.is_consistent()
    assert world.reasons()[-1:] == ["INSUFFICIENT_CREDIT"]
    if booked["after"]["nanos"] > 0:  # else the call has lasted too long already
        assert world.server.money("1003") == (0, 0)
        assert duration(world.server.records("1003")[0]) == 5, "of the 65 it was promised, what is left"


def test_an_operator_ends_a_call_and_the_proxy_is_told_why(world: ExactWorld) -> None:
    before, _ = world.server.money("1009")
    call = world.call("network_ends", "1009")
    until(lambda: world.server.has_started("1009"), "the call has been answered")
    (session,) = world.server.sessions("1009")
    named = {"session": session["session"], "client": "sip1"}
    asked = world.server.call("SessionDisconnect", **named, cause="FRAUD")
    assert asked["answer"] == "ACCEPTED"
    world.over(call, "1009")
    (record,) = world.server.records("1009")
    assert paid(world.server, "1009", before) == reported(record) == duration(record)
    assert world.reasons()[-1] == "FRAUD"


def test_a_cancelled_call_costs_nothing_and_gives_back_its_promise_at_once(world: ExactWorld) -> None:
    before, _ = world.server.money("1004")
    world.use_callee("callee", rings_ms=60_000)
    world.over(world.call("cancelled", "1004"), "1004")
    world.use_callee("callee")
    assert paid(world.server, "1004", before) == 0
    (record,) = world.server.records("1004")
    assert duration(record) == 0


def test_a_call_goes_on_over_the_death_of_the_server_and_is_paid_for_once(world: ExactWorld) -> None:
    before, _ = world.server.money("1006")
    call = world.call("network_ends", "1006")
    until(lambda: world.server.has_started("1006"), "the call has been answered")
    world.server.kill()
    world.server.start()
    world.until_connected()
    until(lambda: world.server.money("1006")[0] < before, "the call is debited again while it runs")
    assert call.process.poll() is None, "the call goes on"
    (session,) = world.server.sessions("1006")
    world.server.call("SessionDisconnect", session=session["session"], client="sip1")
    world.over(call, "1006")
    (record,) = world.server.records("1006")
    assert paid(world.server, "1006", before) == reported(record) == duration(record)


def test_without_the_server_a_call_ends_at_its_limit_and_is_not_billed_on(world: ExactWorld) -> None:
    before, _ = world.server.money("1005")
    call = world.call("network_ends", "1005")
    until(lambda: world.server.has_started("1005"), "the call has been answered")
    world.server.kill()
    assert call.wait() == 0, "Kamailio ends it by itself"
    world.server.start()
    world.until_connected()
    world.over(call, "1005")
    assert 0 <= paid(world.server, "1005", before) <= 3, "nothing is charged that nobody reported"


def test_a_call_whose_proxy_dies_is_paid_for_until_then(world: ExactWorld) -> None:
    before, _ = world.server.money("1007")
    began_s = time.monotonic()
    call = world.call("caller_ends", "1007", "-d", 5_000)
    until(lambda: world.server.money("1007")[0] < before, "the call has been debited")
    debited = (before - world.server.money("1007")[0]) // NANOS_PER_SECOND
    world.proxy.kill()
    world.start_proxy()
    world.until_connected()
    until(lambda: not world.server.sessions("1007"), "the call has been missed")
    seconds = paid(world.server, "1007", before)
    assert debited <= seconds < time.monotonic() - began_s + 1, "while it was alive"
    assert call.wait() == 0
    assert paid(world.server, "1007", before) == seconds, "and nothing more"


def test_a_message_is_paid_for_before_it_is_delivered(world: ExactWorld) -> None:
    world.use_callee("message_receiver")
    before, _ = world.server.money("1008")
    call = world.call("message", "1008")
    assert call.wait() == 0, call.output()[-3000:]
    assert world.server.money("1008") == (before - MESSAGE_NANOS, 0)
    (record,) = world.server.records("1008")
    assert (record["service"], record["called"], record["cost_nanos"]) == ("sms", CALLED, MESSAGE_NANOS)
