"""Calls over lost links, dead servers and dead proxies, on virtual time; and a thousand of them."""

import asyncio

from tests.agents.kamailio.world import HOUR_S, dialog, world

VIRTUAL_TIME = True


async def test_a_call_of_a_dead_server_is_found_again_and_debited_on() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(11)
    assert calls.money() == "991000-13000"
    calls.calls.stop()
    await asyncio.sleep(30)
    await calls.restart()
    assert await calls.heard() == [{"Event": "CGR_DLG_LIST"}]
    await calls.list_dialogs(dialog(), dialog("other", 99))
    assert calls.money() == "960000-13000", "debited up to now, a second behind"
    await calls.end(41)
    assert calls.money() == "959000"
    (record,) = calls.records()
    assert record.cost_nanos == 41_000
    assert record.context.called == "2001"


async def test_a_call_that_ended_while_the_server_was_dead_is_not_billed_on() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(11)
    calls.calls.stop()
    await asyncio.sleep(300)
    await calls.restart()
    await calls.list_dialogs()
    await asyncio.sleep(3)
    assert calls.money() == "991000", "no more than before, and nothing is held"
    await calls.end(12)
    assert calls.money() == "988000", "unless its end is told after all"


async def test_a_promise_of_a_dead_server_is_given_back() -> None:
    calls = await world(25_000)
    await calls.authorise()
    await calls.restart()
    assert calls.money() == "25000-25000"
    await asyncio.sleep(61)
    assert calls.money() == "25000"


async def test_a_start_lost_with_the_server_is_learnt_from_the_list() -> None:
    calls = await world(100_000)
    await calls.authorise()
    calls.calls.stop()
    answered_s = calls.clock_s()
    await asyncio.sleep(20)
    await calls.restart()
    await calls.list_dialogs(dialog(state=4, start_ts=answered_s))
    assert calls.money() == "82000-13000"
    await calls.end(20)
    assert calls.money() == "80000"


async def test_a_call_rings_on_as_long_as_its_proxy_has_it() -> None:
    calls = await world(25_000)
    await calls.authorise()
    await asyncio.sleep(50)
    calls.calls.ask_for_dialogs()
    await calls.list_dialogs(dialog(state=2))
    await asyncio.sleep(50)
    assert calls.money() == "25000-25000"
    await asyncio.sleep(11)
    assert calls.money() == "25000"


async def test_a_call_whose_proxy_is_lost_is_paid_for_until_then() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(17)
    calls.is_up = False
    calls.calls.lost()
    await asyncio.sleep(100)
    assert calls.money() == "991000-13000", "no debit without the proxy"
    calls.is_up = True
    calls.calls.connected()
    await calls.list_dialogs()
    await asyncio.sleep(3)
    assert calls.money() == "983000"
    (record,) = calls.records()
    assert record.cost_nanos == 17_000


async def test_a_call_that_is_still_there_after_a_lost_link_is_debited_on() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(5)
    calls.calls.lost()
    await asyncio.sleep(20)
    calls.calls.connected()
    await calls.list_dialogs(dialog())
    assert calls.money() == "976000-13000"


async def test_a_proxy_that_does_not_list_its_dialogs_has_its_calls_charged_at_their_end() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    calls.calls.lost()
    calls.calls.connected()
    await asyncio.sleep(30)
    assert await calls.heard() == [{"Event": "CGR_DLG_LIST"}]
    assert calls.money() == "1000000-12000", "nobody has seen it since"
    await calls.end(30)
    assert calls.money() == "970000"


async def test_a_call_whose_end_was_lost_is_closed_by_the_next_list() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(20.5)
    calls.calls.ask_for_dialogs()
    await calls.list_dialogs()
    await asyncio.sleep(1)
    assert calls.money() == "981000-13000", "its end may be on the way"
    await asyncio.sleep(2)
    assert calls.money() == "981000"
    await calls.end(20)
    assert calls.money() == "980000"


async def test_a_list_nobody_asked_for_and_one_that_is_older_than_a_call_say_nothing() -> None:
    calls = await world(1_000_000)
    await calls.authorise("c0")
    await calls.start("c0", h_id="1")
    await calls.list_dialogs()
    calls.calls.ask_for_dialogs()
    await asyncio.sleep(0.5)
    assert await calls.heard() == [{"Event": "CGR_DLG_LIST"}]
    await calls.authorise("c1")
    await calls.start("c1")
    await calls.list_dialogs(dialog("c0", 1))
    await asyncio.sleep(4)
    assert set(calls.calls.calls) == {"c0", "c1"}


async def test_a_promise_whose_dialog_is_gone_is_given_back_where_lists_have_names() -> None:
    calls = await world(1_000_000)
    await calls.authorise("c0")
    await calls.start("c0", h_id="1")
    await calls.authorise("c1")
    await asyncio.sleep(6)
    calls.calls.ask_for_dialogs()
    await calls.list_dialogs(dialog("c0", 1))
    assert set(calls.calls.calls) == {"c0"}


async def test_a_call_of_a_proxy_that_never_comes_back_is_given_up() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(5)
    calls.calls.lost()
    await asyncio.sleep(3 * HOUR_S + 1)
    assert calls.money() == "995000"
    assert calls.calls.calls == {}


async def test_a_lost_end_does_not_bill_on_for_ever() -> None:
    calls = await world(10**9)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(3 * HOUR_S + 60)
    assert await calls.cuts() == ["MAX_USAGE_REACHED"] * 3
    assert calls.calls.calls == {}
    assert "-" not in calls.money()


# --- many


async def test_a_thousand_calls_are_each_paid_for_in_full_and_once() -> None:
    calls = await world(10**12)
    for number in range(1_000):
        await calls.authorise(f"c{number}", Destination=str(2_000 + number))
        await calls.start(f"c{number}", h_id=str(number), Destination=str(2_000 + number))
        await asyncio.sleep(0.01)
    await asyncio.sleep(15)
    for number in range(1_000):
        usage = 5 + number % 40
        await calls.end(25 + usage, f"c{number}", h_id=str(number))
        await calls.end(25 + usage, f"c{number}", h_id=str(number))
    total_s = sum(25 + 5 + number % 40 for number in range(1_000))
    assert calls.money() == str(10**12 - total_s * 1_000)
    assert sum(record.cost_nanos for record in calls.records()) == total_s * 1_000
    assert await calls.door.problems("default:1001") == []
