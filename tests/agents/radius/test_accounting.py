"""Accounting: what sessions of access servers cost, whatever is lost, repeated, late or counted anew."""

import asyncio

import pytest

from ocs.agents.radius.wire import codes
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.events import Identity, IdentityKind, Result
from ocs.config.settings import SECOND
from tests.agents.radius.packets import NAS, NOON_S, accounting, at, number, text, usage
from tests.agents.radius.world import like, settle, top_up, world
from tests.support.stores import Fault

VIRTUAL_TIME = True
GIGAWORD = 1 << 32
NAME = f"ap/{NAS}"


async def test_a_session_costs_its_octets_in_both_directions() -> None:
    radius = await world(100_000)
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 1_000, 200)
    assert radius.posted() == 98_800
    await asyncio.sleep(10)
    await radius.stop(20, 5_000, 300)
    assert radius.money() == "94700"
    (record,) = radius.records()
    assert (record.cost_nanos, record.client, record.session_id) == (5_300, NAME, "s1")
    assert record.opened_at_ns == NOON_S * SECOND


async def test_gigawords_count() -> None:
    radius = await world(20 * GIGAWORD)
    await radius.start()
    await radius.stop(20, 2 * GIGAWORD + 7, GIGAWORD)
    assert radius.posted() == 20 * GIGAWORD - 3 * GIGAWORD - 7


async def test_a_report_that_comes_again_under_another_identifier_costs_nothing_more() -> None:
    radius = await world(100_000)
    for _ in range(2):
        await radius.start()
    for _ in range(3):
        await radius.interim(10, 1_000)
    for _ in range(3):
        await radius.stop(20, 5_000)
    assert radius.money() == "95000"
    assert len(radius.records()) == 1


async def test_the_same_datagram_gets_the_same_octets_and_is_charged_once() -> None:
    radius = await world(100_000)
    datagram = accounting(codes.STOP, at(NOON_S), *usage(10, 1_000))
    first = await radius.say(datagram)
    again = await radius.say(datagram)
    assert first is not None
    assert again is not None
    assert (first.octets, radius.metrics.repeats, radius.posted()) == (again.octets, 1, 99_000)


async def test_a_datagram_that_comes_again_while_the_first_is_under_way_is_not_answered_twice() -> None:
    radius = await world(100_000)
    radius.door.store.is_held = True
    datagram = accounting(codes.STOP, at(NOON_S), *usage(10, 1_000))
    assert await radius.say(datagram) is None
    assert await radius.say(datagram) is None
    assert radius.metrics.dropped == ["under_way"]
    radius.door.store.is_held = False
    radius.door.store.flush()
    await settle()
    radius.door.store.flush()
    await settle()
    assert len(radius.sent) == 1
    assert radius.posted() == 99_000


async def test_nothing_is_answered_before_it_is_durable_and_a_failed_store_is_silence() -> None:
    radius = await world(100_000)
    await radius.start()
    radius.door.store.is_held = True
    assert not await radius.report(codes.INTERIM_UPDATE, *usage(10, 1_000))
    radius.door.store.flush(Fault.BEFORE)
    await settle()
    assert (radius.sent, radius.metrics.dropped, radius.posted()) == ([], ["too_busy"], 100_000)
    radius.door.store.is_held = False
    await radius.interim(10, 1_000)
    assert radius.posted() == 99_000


async def test_a_lost_start_is_made_up_by_the_first_interim() -> None:
    radius = await world(100_000)
    await asyncio.sleep(10)
    await radius.interim(10, 1_000)
    assert radius.posted() == 99_000
    assert await radius.report(codes.START, at(NOON_S)), "it was late"
    await radius.stop(12, 1_500)
    assert radius.money() == "98500"
    assert len(radius.records()) == 1


async def test_a_stop_alone_is_charged_whole_and_once() -> None:
    radius = await world(100_000)
    await asyncio.sleep(60)
    await radius.stop(50, 3_000)
    await radius.stop(50, 3_000)
    assert radius.money() == "97000"
    assert await radius.report(codes.START, at(NOON_S + 10)), "it was overtaken by its Stop"
    assert await radius.report(codes.INTERIM_UPDATE, at(NOON_S + 30), *usage(20, 2_000), timed=False)
    assert radius.money() == "97000"
    assert radius.agent.accounting.sessions == {}


async def test_a_stop_that_comes_again_after_a_restart_is_known_from_the_records() -> None:
    radius = await world(100_000)
    await radius.start()
    await asyncio.sleep(60)
    await radius.stop(60, 3_000)
    await radius.restart()
    await asyncio.sleep(900)  # what the account remembers of closed sessions is gone
    stop = [at(NOON_S + 60), *usage(60, 3_000)]
    assert await radius.report(codes.STOP, *stop, timed=False)
    assert radius.money() == "97000"


@pytest.mark.parametrize("status", [codes.INTERIM_UPDATE, codes.STOP])
async def test_a_server_that_did_not_see_a_session_begin_goes_on_with_what_the_store_has(status: int) -> None:
    radius = await world(1_000_000)
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 70_000)
    await asyncio.sleep(10)
    await radius.interim(20, 2_000)  # its counters began anew
    radius.agent.accounting.sessions.clear()  # as another server of the same store
    await asyncio.sleep(10)
    assert await radius.report(status, *usage(30, 3_000))
    assert radius.posted() == 1_000_000 - 73_000
    await radius.stop(31, 4_000)
    assert radius.money() == str(1_000_000 - 74_000)
    assert radius.records()[0].cause == "terminated"


async def test_an_interim_in_the_wrong_order_says_nothing_new() -> None:
    radius = await world(100_000)
    await radius.start()
    await asyncio.sleep(30)
    await radius.interim(30, 3_000)
    assert await radius.report(codes.INTERIM_UPDATE, at(NOON_S + 10), *usage(10, 1_000), timed=False)
    assert await radius.report(codes.INTERIM_UPDATE, *usage(20, 2_000), timed=False)
    await radius.stop(40, 4_000)
    assert radius.posted() == 96_000


async def test_a_counter_of_32_bits_that_wraps_goes_on() -> None:
    radius = await world(20 * GIGAWORD)

    def counted(octets: int) -> list[tuple[int, bytes]]:
        return [number(codes.ACCT_INPUT_OCTETS, octets)]

    await radius.start()
    await asyncio.sleep(10)
    near = GIGAWORD - 1_000
    assert await radius.report(codes.INTERIM_UPDATE, number(codes.ACCT_SESSION_TIME, 10), *counted(near))
    await asyncio.sleep(10)
    assert await radius.report(codes.STOP, number(codes.ACCT_SESSION_TIME, 20), *counted(500))
    assert radius.posted() == 20 * GIGAWORD - near - 1_500


@pytest.mark.parametrize("seconds", [20, 5])
async def test_a_counter_that_begins_anew_in_mid_session_loses_nothing(seconds: int) -> None:
    radius = await world(1_000_000)
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 70_000)
    await asyncio.sleep(10)
    await radius.interim(seconds, 2_000)
    await asyncio.sleep(10)
    await radius.stop(seconds + 10, 3_000)
    assert radius.posted() == 1_000_000 - 73_000


async def test_a_session_goes_on_over_a_restart_also_where_its_counters_had_begun_anew() -> None:
    radius = await world(1_000_000)
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 70_000)
    await asyncio.sleep(10)
    await radius.interim(20, 2_000)
    await radius.restart()
    await asyncio.sleep(10)
    await radius.interim(30, 3_000)
    await radius.stop(31, 4_000)
    assert radius.posted() == 1_000_000 - 74_000
    assert len(radius.records()) == 1


async def test_credit_that_ends_ends_the_session_at_its_access_server() -> None:
    radius = await world(5_000)
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 4_000)
    assert radius.nas.asked == []
    await asyncio.sleep(10)
    await radius.interim(20, 7_000)
    assert radius.nas.asked == [("s1", "INSUFFICIENT_CREDIT")]
    await radius.stop(21, 7_500)
    assert radius.money() == "-2500", "what was used is always debited"


async def test_who_has_no_credit_is_cut_off_at_the_start_and_pays_for_what_is_used_all_the_same() -> None:
    radius = await world(0)
    await radius.start()
    assert radius.nas.asked == [("s1", "INSUFFICIENT_CREDIT")]
    await asyncio.sleep(10)
    await radius.interim(10, 1_000)
    await asyncio.sleep(10)
    await radius.interim(20, 3_000)
    await radius.stop(21, 3_500)
    assert radius.posted() == -3_500


async def test_an_access_server_that_does_not_know_the_session_has_it_closed() -> None:
    radius = await world(5_000)
    await radius.start()
    radius.nas.says = ControlResult.UNKNOWN_SESSION
    await radius.interim(20, 7_000)
    assert radius.money() == "-2000"
    (record,) = radius.records()
    assert record.cause == "unknown to its access server"


async def test_time_that_is_paid_for_is_all_that_is_had() -> None:
    radius = await world(20_000, like(profile="voice", debit_interval_ns=0))
    await radius.start()
    await asyncio.sleep(10)
    assert await radius.report(codes.INTERIM_UPDATE, number(codes.ACCT_SESSION_TIME, 10))
    await asyncio.sleep(9)
    assert radius.nas.asked == []
    await asyncio.sleep(2)
    assert radius.nas.asked == [("s1", "INSUFFICIENT_CREDIT")]


async def test_a_call_without_interims_is_debited_by_the_server_and_cut_when_its_credit_ends() -> None:
    radius = await world(90_000, like(profile="voice"))
    radius.door.service.session_control["radius"] = radius.agent
    await radius.start()
    await radius.metered(70)
    assert 20_000 < radius.posted() <= 30_000, "a step of a minute"
    await radius.metered(25)
    assert radius.nas.asked == [("s1", "credit exhausted")]
    await radius.metered(120)  # it cannot be cut; its Stop says how long it lasted
    assert await radius.report(codes.STOP)
    assert radius.posted() == 90_000 - 215_000


async def test_a_call_costs_the_time_between_its_timestamps() -> None:
    radius = await world(1_000_000, like(profile="kamailio"))
    parties = text(codes.CALLED_STATION_ID, "2001"), text(codes.CALLING_STATION_ID, "1001")
    await radius.start(*parties)
    await asyncio.sleep(42)
    assert await radius.report(codes.STOP)
    assert radius.money() == str(1_000_000 - 42_000)
    (record,) = radius.records()
    assert (record.service, record.context.called, record.context.calling) == ("voice", "2001", "1001")


async def test_accounting_on_closes_what_the_access_server_had_before_and_only_that() -> None:
    radius = await world(100_000)
    await radius.start(session="old")
    await asyncio.sleep(10)
    await radius.interim(10, 1_000, session="old")
    await asyncio.sleep(60)
    began_s = radius.now_s()
    await asyncio.sleep(5)
    await radius.start(session="new")
    on = accounting(codes.ACCOUNTING_ON, at(began_s), session="")
    assert await radius.say(on) is not None
    assert [record.session_id for record in radius.records()] == ["old"]
    assert list(radius.agent.accounting.sessions[NAME]) == ["new"]
    assert radius.posted() == 99_000


async def test_an_id_that_is_used_again_without_a_stop_is_another_session() -> None:
    radius = await world(100_000)
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 1_000)
    await asyncio.sleep(600)
    await radius.start()
    await asyncio.sleep(10)
    await radius.stop(10, 500)
    assert radius.money() == "98500"
    assert [record.cost_nanos for record in radius.records()] == [1_000, 500]


@pytest.mark.parametrize("is_start_lost", [False, True])
async def test_an_id_that_another_user_has_now_is_that_users(is_start_lost: bool) -> None:
    radius = await world(100_000)
    await radius.door.open_account(50_000, "1002", Identity(IdentityKind.E164, "4931"))
    await radius.start()
    await asyncio.sleep(10)
    await radius.interim(10, 1_000)
    await asyncio.sleep(600)
    if not is_start_lost:
        assert await radius.report(codes.START, user="1002")
    await asyncio.sleep(30)
    assert await radius.report(codes.INTERIM_UPDATE, *usage(30, 300), user="1002")
    assert await radius.report(codes.STOP, *usage(31, 500), user="1002")
    assert (radius.money(), radius.money("1002")) == ("99000", "49500")
    assert [record.cause for record in radius.records()] == ["its id was used again", "terminated"]
    assert radius.nas.asked == []


async def test_a_start_that_is_sent_again_for_minutes_without_a_timestamp_is_the_same() -> None:
    radius = await world(100_000)
    assert await radius.report(codes.START, timed=False)
    await asyncio.sleep(10)
    assert await radius.report(codes.INTERIM_UPDATE, *usage(10, 1_000), timed=False)
    await asyncio.sleep(100)
    assert await radius.report(codes.START, timed=False)
    assert await radius.report(codes.STOP, *usage(110, 3_000), timed=False)
    assert radius.money() == "97000"
    assert len(radius.records()) == 1


async def test_a_session_whose_interims_stop_is_closed_and_goes_on_when_they_come_again() -> None:
    radius = await world(100_000)
    supervision = asyncio.create_task(radius.door.service.run())
    await radius.start()
    await asyncio.sleep(300)
    await radius.interim(300, 1_000)
    await asyncio.sleep(4 * 300 + 5)
    assert [record.cause for record in radius.records()] == ["client silent"]
    assert radius.money() == "99000"
    await asyncio.sleep(900)
    await radius.interim(2_405, 5_000)
    await radius.stop(2_405, 6_000)
    assert radius.money() == "94000"
    supervision.cancel()


async def test_a_session_without_interims_may_be_silent_for_long() -> None:
    radius = await world(100_000)
    supervision = asyncio.create_task(radius.door.service.run())
    await radius.start()
    await asyncio.sleep(3 * 3_600)
    await radius.stop(3 * 3_600, 6_000)
    assert radius.money() == "94000"
    assert [record.cause for record in radius.records()] == ["terminated"]
    supervision.cancel()


async def test_sessions_that_nobody_speaks_of_are_forgotten() -> None:
    radius = await world(100_000, silence_ns=60 * SECOND)
    sweeping = asyncio.create_task(radius.agent.accounting.sweep())
    assert await radius.report(codes.START, user="stranger", session="lost")
    await radius.start()
    for sessions in radius.agent.accounting.sessions.values():
        for session in sessions.values():
            session.heard_ns -= 61 * SECOND
    await asyncio.sleep(61)
    assert list(radius.agent.accounting.sessions[NAME]) == ["s1"], "the core has it still"
    sweeping.cancel()


async def test_usage_of_nobody_is_told_and_answered() -> None:
    radius = await world()
    assert await radius.report(codes.STOP, *usage(10, 1_000), user="stranger")
    assert radius.metrics.results[-1][1] is Result.UNKNOWN_SUBSCRIBER
    assert radius.records() == []


async def test_the_account_that_an_access_accept_named_pays_whatever_the_user_is_called() -> None:
    radius = await world(100_000)
    assert await radius.report(codes.START, text(codes.CLASS, "ocs:1001"), user="anonymous")
    assert await radius.report(codes.STOP, text(codes.CLASS, "ocs:1001"), *usage(10, 1_000), user="anonymous")
    assert radius.posted() == 99_000


async def test_a_top_up_lets_a_session_that_was_told_its_end_go_on() -> None:
    radius = await world(20_000, like(profile="voice", debit_interval_ns=0, change_of_authorization=True))
    await radius.start()
    await top_up(radius, 1_000_000)
    address = SessionAddress(NAME, "s1", NAS, "voice")
    assert await radius.agent.reauthorize(address) is ControlResult.ACCEPTED
    await asyncio.sleep(40)
    assert radius.nas.asked == []
    assert radius.nas.changed == [("s1", [number(codes.SESSION_TIMEOUT, 300)])], "a quota of five minutes"
    assert await radius.report(codes.STOP)
    assert radius.posted() == 1_020_000 - 40_000


async def test_sessions_of_others_are_not_this_agents() -> None:
    radius = await world()
    other = SessionAddress("smf.example", "s1", "", "data")
    assert await radius.agent.disconnect(other, "x") is ControlResult.UNSUPPORTED
    unknown = SessionAddress(NAME, "nosuch", "", "data")
    assert await radius.agent.disconnect(unknown, "x") is ControlResult.UNKNOWN_SESSION


async def test_two_access_servers_may_use_one_session_id() -> None:
    radius = await world(100_000)
    first = accounting(codes.STOP, text(codes.NAS_IDENTIFIER, "one"), at(NOON_S), *usage(10, 1_000))
    second = accounting(codes.STOP, text(codes.NAS_IDENTIFIER, "two"), at(NOON_S), *usage(10, 1_000))
    assert await radius.say(first) is not None
    assert await radius.say(second) is not None
    assert radius.posted() == 98_000
