"""`ocs cgrates` with the example folder of docs/kamailio.md in the incumbent's place, behind a real Kamailio.

The proxy's script is the one the exact core is tested with: nothing in it but the tenant is different.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocs.agents.kamailio.mapping import duration_ns
from tests.interop.cgrates_server import SECOND, TENANT, CgratesServer
from tests.interop.kamailio_world import CALLED, World
from tests.support.waiting import until

pytestmark = pytest.mark.peer


def serve(folder: Path, evapi_port: int) -> CgratesServer:
    """The example of Kamailio's evapi."""
    connection = {"address": f"127.0.0.1:{evapi_port}", "alias": "sip1"}
    changed = {"sessions": {"debit_interval": "3s"}, "kamailio_agent": {"evapi_conns": [connection]}}
    return CgratesServer(folder, "kamailio", changed)


class CgratesWorld(World):
    """`ocs cgrates` beside the proxy."""

    server: CgratesServer

    def paid(self, account: str, before: int) -> int:
        """Seconds an account has paid for since."""
        seconds, rest = divmod(before - self.server.nanos(account), SECOND)
        assert rest == 0
        return seconds

    def recorded(self, account: str) -> list[int]:
        """Seconds of the records of an account, whose cost is that of these seconds."""
        records = self.server.records(account)
        usages = [duration_ns(each["Usage"]) // 1_000_000_000 for each in records]
        assert [round(each["Cost"] * 1_000) for each in records] == usages
        return usages


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CgratesWorld]:
    world = CgratesWorld(tmp_path_factory.mktemp("cgrates"), serve, TENANT)
    yield world
    world.end()


def test_a_call_is_paid_for_in_slices_and_in_all_for_what_it_reports(world: CgratesWorld) -> None:
    before = world.server.nanos("1001")
    call = world.call("caller_ends", "1001", "-d", 4_500)
    until(lambda: world.server.sessions("1001") != [], "the call has been answered")
    world.over(call, "1001")
    seconds = world.paid("1001", before)
    assert world.recorded("1001") == [seconds]
    assert seconds >= 4
    (record,) = world.server.records("1001")
    assert (record["OriginHost"], record["Destination"], record["RequestType"]) == (
        "sip1",
        CALLED,
        "*prepaid",
    )


def test_a_caller_without_credit_is_refused(world: CgratesWorld) -> None:
    world.over(world.call("refused", "1002"), "1002")
    assert world.server.nanos("1002") == 0


def test_a_call_is_cut_when_its_credit_is_used_up(world: CgratesWorld) -> None:
    call = world.call("network_ends", "1003")
    until(lambda: world.server.sessions("1003") != [], "the call has been answered")
    debited = (65_000_000 - world.server.nanos("1003")) // SECOND
    world.server.set_money("1003", 0.001)  # one second is left of the 65 s it was promised
    world.over(call, "1003")
    assert world.server.nanos("1003") == 0
    (seconds,) = world.recorded("1003")
    assert seconds > debited, "what was debited before, and the one"
    assert seconds % 3 == 1, "whole slices, and the one"
    assert world.reasons()[-1:] == ["INSUFFICIENT_CREDIT"]


def test_a_cancelled_call_costs_nothing_and_gives_back_its_promise_at_once(world: CgratesWorld) -> None:
    before = world.server.nanos("1004")
    world.use_callee("callee", rings_ms=60_000)
    world.over(world.call("cancelled", "1004"), "1004")
    world.use_callee("callee")
    until(lambda: world.server.nanos("1004") == before, "the promise is given back")
    assert world.recorded("1004") == [0]


def test_a_call_goes_on_over_the_death_of_the_server_and_is_paid_for_once(world: CgratesWorld) -> None:
    before = world.server.nanos("1006")
    call = world.call("network_ends", "1006")
    until(lambda: world.server.sessions("1006") != [], "the call has been answered")
    answered_s = time.monotonic()
    world.server.set_money("1008", 10.0)  # what is answered behind it shows that the session is on disk
    world.server.kill()
    world.server.start()
    world.until_connected()
    assert call.process.poll() is None, "the call goes on"
    until(lambda: world.server.sessions("1006") != [], "the session is there again")
    until(lambda: time.monotonic() > answered_s + 2, "it has lasted for a while")
    world.server.call("SessionSv1.ForceDisconnect")
    world.over(call, "1006")
    seconds = world.paid("1006", before)
    assert world.recorded("1006") == [seconds]
    assert seconds > 0


def test_without_the_server_a_call_ends_at_its_limit_and_is_not_billed_on(world: CgratesWorld) -> None:
    before = world.server.nanos("1005")
    call = world.call("network_ends", "1005")
    until(lambda: world.server.sessions("1005") != [], "the call has been answered")
    world.server.kill()
    assert call.wait() == 0, "Kamailio ends it by itself"
    world.server.start()
    world.until_connected()
    world.over(call, "1005")
    assert 0 <= world.paid("1005", before) <= 3, "nothing is charged that nobody reported"


def test_a_call_whose_proxy_dies_is_paid_for_until_then(world: CgratesWorld) -> None:
    before = world.server.nanos("1007")
    began_s = time.monotonic()
    call = world.call("caller_ends", "1007", "-d", 5_000)
    until(lambda: world.server.sessions("1007") != [], "the call has been answered")
    answered_s = time.monotonic()
    until(lambda: time.monotonic() > answered_s + 3, "it has lasted for a while")
    seen_s = time.monotonic() - answered_s
    world.proxy.kill()
    world.start_proxy()
    world.until_connected()
    until(lambda: not world.server.sessions("1007"), "the call has been missed")
    seconds = world.paid("1007", before)
    assert seen_s - 1.5 < seconds < time.monotonic() - began_s + 1, "it was alive for so long"
    assert call.wait() == 0
    assert world.paid("1007", before) == seconds, "and nothing more"


def test_a_message_is_paid_for_before_it_is_delivered(world: CgratesWorld) -> None:
    world.use_callee("message_receiver")
    before = world.server.nanos("1008")
    call = world.call("message", "1008")
    assert call.wait() == 0, call.output()[-3000:]
    assert world.server.nanos("1008") == before - 50_000_000
    (record,) = world.server.records("1008")
    assert (record["ToR"], str(record["Cost"])) == ("*sms", "0.05")
