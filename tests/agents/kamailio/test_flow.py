"""The life of calls on virtual time: what is promised, debited, cut and paid for."""

import asyncio

import pytest

from ocs.charging import acts
from ocs.charging.account import Account, Standing
from ocs.charging.control import ControlResult
from ocs.charging.decision import Change
from ocs.charging.events import EventKind, Identity, IdentityKind, Result
from tests.agents.kamailio.world import HOUR_S, ProxyWorld, world
from tests.support.stores import Fault

VIRTUAL_TIME = True

# --- authorisation


async def test_a_call_is_promised_what_its_caller_can_pay_for() -> None:
    calls = await world(25_000)
    reply = await calls.authorise(reply_route="CGR_SESSIONAUTH_REPLY")
    assert (reply["Event"], reply["MaxUsage"], reply["Error"]) == ("CGR_SESSIONAUTH_REPLY", 25, "")
    assert calls.money() == "25000-25000"
    assert calls.metrics.results == [(EventKind.INITIAL, Result.SUCCESS)]


async def test_two_ringing_calls_are_never_promised_the_same_credit() -> None:
    calls = await world(25_000)
    first = await calls.authorise("c1")
    second = await calls.authorise("c2")
    assert (first["MaxUsage"], second["MaxUsage"], second["Error"]) == (25, 0, "")
    assert calls.money() == "25000-25000"


async def test_two_ringing_calls_without_a_name_are_never_promised_the_same_credit() -> None:
    calls = await world(25_000)
    promised = [(await calls.authorise(""))["MaxUsage"] for _ in range(3)]
    assert promised == [25, 0, 0]


async def test_a_promise_is_bounded_by_the_settings_and_postpaid_without_a_limit_is_unlimited() -> None:
    calls = await world(10**12)
    assert (await calls.authorise("c1"))["MaxUsage"] == 3 * HOUR_S
    assert (await calls.authorise("c2", RequestType="*postpaid"))["MaxUsage"] == -1


async def test_nothing_is_charged_where_nothing_is_to_be() -> None:
    calls = await world(0)
    assert (await calls.authorise("c1", RequestType="*none"))["MaxUsage"] == -1
    assert (await calls.authorise("c2", cgr_flags="*attributes"))["MaxUsage"] == -1
    assert await calls.start("c1", RequestType="*none") == []
    await calls.end(30, "c1", RequestType="*none")
    assert calls.money() == "0"
    assert calls.records() == []


async def test_less_than_a_second_of_credit_is_none_and_held_by_nobody() -> None:
    calls = await world(900)
    assert (await calls.authorise())["MaxUsage"] == 0
    assert calls.money() == "900"


async def test_refusals_say_why() -> None:
    calls = await world()
    assert (await calls.authorise(Account="nobody"))["Error"] == "RALS_ERROR:ACCOUNT_NOT_FOUND"
    assert (await calls.authorise(Account=""))["Error"] == "MANDATORY_IE_MISSING: [Account]"
    assert (await calls.authorise(RequestType="*rated"))["Error"] == "UNSUPPORTED_REQUEST_TYPE: *rated"
    await bar(calls)
    reply = await calls.authorise("c9")
    assert (reply["MaxUsage"], reply["Error"]) == (0, "RALS_ERROR:ACCOUNT_DISABLED")


async def bar(calls: ProxyWorld) -> None:
    def act(account: Account) -> Change:
        return Change(acts.set_standing(account, Standing.BARRED))

    await calls.door.service.apply("default:1001", act)


async def test_an_account_is_found_by_its_number_where_no_key_is_it() -> None:
    calls = await world(5_000)
    assert (await calls.authorise(Account="+49-30"))["MaxUsage"] == 5
    await calls.door.open_account(9_000, "default:4930", Identity(IdentityKind.E164, "999"))
    assert (await calls.authorise("c2", Account="4930"))["MaxUsage"] == 9, "the key comes first"


async def test_a_repeated_authorisation_gets_the_same_promise_and_a_new_one_replaces_it() -> None:
    calls = await world(25_000)
    fields = {"tr_index": "1", "tr_label": "2", "OriginID": "c1", "Account": "1001", "Destination": "2001"}
    calls.tell("CGR_AUTH_REQUEST", **fields)
    calls.tell("CGR_AUTH_REQUEST", **fields)
    assert [reply["MaxUsage"] for reply in await calls.heard()] == [25, 25]
    calls.tell("CGR_AUTH_REQUEST", **(fields | {"tr_index": "9"}))
    assert [reply["MaxUsage"] for reply in await calls.heard()] == [25]
    assert calls.money() == "25000-25000"
    await asyncio.sleep(61)
    assert calls.money() == "25000"


async def test_a_call_that_is_not_answered_in_time_gives_its_promise_back() -> None:
    calls = await world(25_000)
    await calls.authorise("c1")
    await asyncio.sleep(59)
    assert calls.money() == "25000-25000"
    await asyncio.sleep(2)
    assert calls.money() == "25000"
    assert await calls.start("c1") == [], "answered after all: it is reserved anew"
    await asyncio.sleep(3)
    await calls.end(3)
    assert calls.money() == "22000"


async def test_a_failed_call_gives_its_promise_back_with_its_record() -> None:
    calls = await world(25_000)
    await calls.authorise("c1")
    calls.tell("CGR_PROCESS_CDR", OriginID="c1", Account="1001", Destination="2001", Usage="0", cgr_flags="")
    assert await calls.heard() == []
    assert calls.money() == "25000"
    assert calls.calls.calls == {}


# --- slices


async def test_a_running_call_is_debited_slice_by_slice_a_second_behind() -> None:
    calls = await world(1_000_000)
    await calls.authorise()
    assert calls.money() == "1000000-1000000"
    await calls.start()
    assert calls.money() == "1000000-12000", "the next slice is held, and a little more"
    await asyncio.sleep(10.5)
    assert calls.money() == "991000-13000"
    await asyncio.sleep(10)
    assert calls.money() == "981000-13000"
    await calls.end(21)
    assert calls.money() == "979000"
    (record,) = calls.records()
    assert (record.cost_nanos, record.context.called, record.context.calling) == (21_000, "2001", "1001")
    assert dict(record.context.extra)["Usage"] == "21"


async def test_a_call_is_cut_within_a_second_of_its_last_credit() -> None:
    calls = await world(25_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(24.9)
    assert await calls.heard() == []
    await asyncio.sleep(0.2)
    (said,) = await calls.heard()
    assert said == {
        "Event": "CGR_SESSION_DISCONNECT", "HashEntry": "7", "HashId": "12", "Reason": "INSUFFICIENT_CREDIT",
    }  # fmt: skip
    await calls.end(26)
    assert calls.money() == "0", "a clock that ticks once more costs nothing"


async def test_a_report_well_over_the_limit_is_paid_for() -> None:
    calls = await world(5_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(9)
    assert await calls.cuts() == ["INSUFFICIENT_CREDIT"]
    await calls.end(9)
    assert calls.money() == "-4000"


async def test_a_call_is_told_again_to_end_and_then_believed_to_have() -> None:
    calls = await world(5_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(21)
    assert await calls.cuts() == ["INSUFFICIENT_CREDIT"] * 3
    assert calls.money() == "0"
    assert calls.calls.calls == {}


async def test_a_call_that_was_cut_and_whose_end_is_lost_is_closed_by_the_list() -> None:
    calls = await world(5_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(6.1)
    assert [said["Event"] for said in await calls.heard()] == ["CGR_SESSION_DISCONNECT", "CGR_DLG_LIST"]
    await calls.list_dialogs()
    await asyncio.sleep(0.6)
    assert calls.money() == "0"
    assert calls.calls.calls == {}
    await calls.end(5)
    assert calls.money() == "0"


async def test_a_call_that_runs_comes_before_one_that_rings() -> None:
    calls = await world(60_000)
    await calls.authorise("c1")
    await calls.start("c1")
    assert (await calls.authorise("c2"))["MaxUsage"] == 48
    assert calls.money() == "60000-60000", "all that is left is promised to the one that rings"
    await asyncio.sleep(35)
    assert await calls.heard() == []
    await calls.end(35, "c1")
    await calls.start("c2", "13")
    await asyncio.sleep(24.8)
    assert await calls.cuts() == []
    await asyncio.sleep(0.4)
    assert await calls.cuts() == ["INSUFFICIENT_CREDIT"]
    await calls.end(25, "c2", "13")
    assert calls.money() == "0"


async def test_credit_another_call_gives_back_lets_this_one_go_on() -> None:
    calls = await world(30_000)
    await calls.authorise("c1")
    await calls.start("c1")
    assert (await calls.authorise("c2"))["MaxUsage"] == 18, "what the first one does not hold"
    await asyncio.sleep(11)
    calls.tell("CGR_PROCESS_CDR", OriginID="c2", Account="1001", Destination="2001", Usage="0")
    await asyncio.sleep(18)
    assert await calls.heard() == []
    await asyncio.sleep(1.5)
    assert await calls.cuts() == ["INSUFFICIENT_CREDIT"]


async def test_a_top_up_lets_a_call_go_on() -> None:
    calls = await world(5_000)
    await calls.authorise()
    await calls.start()

    def credit(account: Account) -> Change:
        act = acts.Act("t1", calls.door.wall_ns(), "test")
        changed, posting = acts.top_up(account, acts.TopUp(5_000), act)
        assert posting is not None
        return Change(changed, (posting,))

    await asyncio.sleep(4)
    changed = await calls.door.service.apply("default:1001", credit)
    assert changed is not None
    calls.door.service.session_control["kamailio"] = Control(calls)
    await calls.door.service.reauthorize_starved(changed)
    await asyncio.sleep(5.5)
    assert await calls.heard() == []
    await asyncio.sleep(1)
    assert await calls.cuts() == ["INSUFFICIENT_CREDIT"]


class Control:
    """The agent's part for one proxy."""

    def __init__(self, calls: ProxyWorld) -> None:
        self.calls = calls

    async def reauthorize(self, session: object) -> ControlResult:
        return self.calls.calls.reauthorize("c1")

    async def warn(self, session: object) -> ControlResult:
        return ControlResult.UNSUPPORTED

    async def disconnect(self, session: object, cause: str) -> ControlResult:
        return self.calls.calls.disconnect("c1", cause)


async def test_an_operator_ends_a_call_with_the_true_reason() -> None:
    calls = await world()
    await calls.authorise()
    await calls.start()
    assert calls.calls.disconnect("c1", "FRAUD") is ControlResult.ACCEPTED
    assert calls.calls.disconnect("c2", "FRAUD") is ControlResult.NO_ANSWER
    await asyncio.sleep(0.01)
    assert await calls.cuts() == ["FRAUD"]


async def test_a_barred_account_ends_its_call_with_the_true_reason() -> None:
    calls = await world()
    await calls.authorise()
    await calls.start()
    await bar(calls)
    await asyncio.sleep(11)
    assert await calls.cuts() == ["RALS_ERROR:ACCOUNT_DISABLED"]
    await calls.end(11)
    assert calls.money() == "989000"


@pytest.mark.parametrize("name", ["AnswerTime", "Account", "Destination"])
async def test_a_start_without_what_it_needs_is_ended_at_once(name: str) -> None:
    calls = await world()
    (said,) = await calls.start(**{name: ""})
    assert (said["Event"], said["Reason"]) == ("CGR_SESSION_DISCONNECT", f"MANDATORY_IE_MISSING: [{name}]")
    assert calls.money() == "1000000"


async def test_a_call_nobody_asked_about_is_charged_from_its_start() -> None:
    calls = await world(25_000)
    assert await calls.start("c1") == []
    await asyncio.sleep(12)
    assert calls.money() == "16000-13000"
    await calls.end(12)
    assert calls.money() == "13000"


async def test_a_call_nobody_asked_about_and_nobody_can_pay_for_is_ended() -> None:
    calls = await world(0)
    (said,) = await calls.start("c1")
    assert said["Reason"] == "INSUFFICIENT_CREDIT"


async def test_an_authorisation_without_a_name_becomes_the_call_of_the_same_parties() -> None:
    calls = await world(25_000)
    assert (await calls.authorise(""))["MaxUsage"] == 25
    await calls.start("c1")
    assert calls.money() == "25000-12000", "held once"
    await asyncio.sleep(5)
    await calls.end(5)
    assert calls.money() == "20000"
    assert calls.calls.calls == {}


# --- the end


async def test_an_end_said_three_times_is_charged_once() -> None:
    calls = await world(100_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(7)
    for _ in range(3):
        await calls.end(7)
    await asyncio.sleep(3 * HOUR_S)
    await calls.end(7)
    assert calls.money() == "93000"
    assert len(calls.records()) == 1


async def test_an_end_said_again_after_a_restart_is_charged_once() -> None:
    calls = await world(100_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(7)
    await calls.end(7, AnswerTime=str(calls.clock_s() - 7))
    for pause_s in (1, HOUR_S):
        await calls.restart()
        await asyncio.sleep(pause_s)
        await calls.end(7, AnswerTime=str(calls.clock_s() - pause_s - 7))
    assert calls.money() == "93000"


async def test_a_start_that_overtakes_its_end_does_not_open_the_call_again() -> None:
    calls = await world(100_000)
    await calls.authorise()
    await calls.end(1)
    assert await calls.start() == []
    await asyncio.sleep(100)
    assert calls.money() == "99000"


async def test_a_name_used_again_by_another_call_is_charged_again() -> None:
    calls = await world(100_000)
    for h_id in ("1", "2"):
        await calls.authorise()
        await calls.start(h_id=h_id)
        await asyncio.sleep(3)
        await calls.end(3, h_id=h_id)
    assert calls.money() == "94000"


async def test_a_call_whose_start_and_promise_were_lost_is_paid_for_once() -> None:
    calls = await world(100_000)
    await asyncio.sleep(30)
    for _ in range(2):
        await calls.end(20, AnswerTime=str(calls.clock_s() - 20))
    assert calls.money() == "80000"
    (record,) = calls.records()
    assert record.cause == "event"


async def test_an_end_of_before_this_server_began_is_not_guessed_at() -> None:
    calls = await world(100_000)
    await calls.end(20, AnswerTime=str(calls.clock_s() - 20))
    assert calls.money() == "100000"
    assert calls.calls.calls == {}


async def test_a_record_of_a_call_nobody_told_about_is_paid_for_once() -> None:
    calls = await world(100_000)
    fields = {"OriginID": "c7", "Account": "1001", "Destination": "2001", "Usage": "20s", "tr_index": "4"}
    for _ in range(2):
        calls.tell("CGR_PROCESS_CDR", **fields, AnswerTime=str(calls.clock_s() - 20))
        (reply,) = await calls.heard()
        assert (reply["Event"], reply["Error"]) == ("CGR_PROCESS_CDR", "")
    await calls.restart()
    calls.tell("CGR_PROCESS_CDR", **fields)
    await calls.heard()
    assert calls.money() == "80000"


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
async def test_an_end_the_store_cannot_take_is_tried_until_it_can(fault: Fault) -> None:
    calls = await world(100_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(5)
    calls.door.store.is_held = True
    await calls.end(5)
    assert calls.door.store.flush(fault) == 1
    calls.door.store.is_held = False
    await asyncio.sleep(10)
    assert calls.money() == "95000"
    assert calls.calls.calls == {}
    assert len(calls.records()) == 1


async def test_a_slice_the_store_cannot_take_is_tried_again_and_the_call_goes_on() -> None:
    calls = await world(100_000)
    await calls.authorise()
    await calls.start()
    calls.door.store.is_held = True
    await asyncio.sleep(10.5)
    assert calls.door.store.flush(Fault.BEFORE) == 1
    calls.door.store.is_held = False
    await asyncio.sleep(1.5)
    assert calls.money() == "90000-13500"
    assert await calls.heard() == []


async def test_usage_as_go_writes_it_and_none_at_all() -> None:
    calls = await world(100_000)
    await calls.authorise()
    await calls.start()
    await asyncio.sleep(8.6)
    await calls.end("8s500ms")
    assert calls.money() == "91500"
    await calls.start("c2", h_id="13")
    await asyncio.sleep(4.2)
    await calls.end("", "c2", h_id="13")
    assert calls.money() == "87500", "as long as it ran here"


# --- messages


async def test_a_message_is_paid_for_once_or_refused() -> None:
    calls = await world(7)
    fields = {"tr_index": "1", "tr_label": "2", "OriginID": "m1", "ToR": "*sms", "Usage": "1"}
    parties = {"Account": "1001", "Destination": "1555"}
    for _ in range(2):
        calls.tell("CGR_PROCESS_MESSAGE", **fields, **parties)
        (reply,) = await calls.heard()
        assert (reply["Event"], reply["MaxUsage"], reply["Error"]) == ("CGR_PROCESS_MESSAGE", 1, "")
    assert calls.money() == "2"
    calls.tell("CGR_PROCESS_MESSAGE", **(fields | {"tr_index": "2", "reply_route": "CGR_MSG"}), **parties)
    (reply,) = await calls.heard()
    assert (reply["Event"], reply["MaxUsage"], reply["Error"]) == ("CGR_MSG", 0, "INSUFFICIENT_CREDIT")
    assert calls.money() == "2"


async def test_a_message_can_be_asked_for_before_it_is_sent() -> None:
    calls = await world(7)
    assert (await calls.authorise("m1", ToR="*sms", Destination="1555"))["MaxUsage"] == 1
    assert (await calls.authorise("m2", ToR="*sms", Destination="1555", Usage="2"))["MaxUsage"] == 0
    assert calls.money() == "7"
