"""Claims about balances with terms, shared groups, and sessions charged anew, over the wire."""

import asyncio

from ocs.charging.money import NANOS
from tests.rpc.world import running

TERMS = {
    "destinations": ["germany", "!premium"],
    "subject": "*zero60s",
    "factors": {"voice": "1/2"},
    "blocker": True,
}


def test_a_balance_is_set_with_its_terms_and_shown_with_them() -> None:
    async def body() -> None:
        async with running() as world:
            named = {"account": "1001", "balance": "weekend"}
            more = {"amount": "1h", "unit": "time", "priority": 7, "terms": TERMS}
            shown = await world.call("AccountSetBalance", **named, **more)
            found = next(each for each in shown["balances"] if each["id"] == "weekend")
            assert found["posted"] == {"ns": 3600 * NANOS}
            assert found["terms"] == TERMS
            topped = await world.call("AccountTopup", **named, amount="1h", unit="time")
            assert topped["after"] == {"ns": 7200 * NANOS}
            shown = await world.call("AccountRemoveBalance", **named)
            assert all(each["id"] != "weekend" for each in shown["balances"])
            assert "no balance" in await world.fail("AccountRemoveBalance", **named)
            wrong = {**more, "terms": {"factors": {"voice": "1e9"}}}
            assert "factor" in await world.fail("AccountSetBalance", **named, **wrong)
            assert (await world.call("AccountVerify", account="1001"))["ok"] is True

    asyncio.run(body())


def test_accounts_share_a_group_and_pay_for_each_other() -> None:
    async def body() -> None:
        async with running() as world:
            await world.call(
                "AccountCreate", account="2002", plan="standard", identities=["msisdn:15550100002"]
            )
            shared = {"shared_groups": ["family"]}
            await world.call("AccountSetBalance", account="1001", balance="pool", amount="3.00", terms=shared)
            await world.call("AccountSetBalance", account="2002", balance="mine", amount="0", terms=shared)
            told = await world.call(
                "AccountShare", group="family", accounts=["1001", "2002"], strategy="lowest"
            )
            assert told["strategy"] == "lowest"
            assert len(told["members"]) == 2
            charged = await world.call(
                "Charge",
                kind="event",
                account="2002",
                service="sms",
                called="15551",
                requested="1",
                session="e1",
                event="1",
            )
            assert charged["result"] == "SUCCESS"
            account = await world.call("AccountShow", account="1001")
            pool = next(each for each in account["balances"] if each["id"] == "pool")
            assert pool["posted"]["nanos"] < 3 * NANOS
            for key in ("1001", "2002"):
                assert (await world.call("AccountVerify", account=key))["ok"] is True
            explained = await world.call("Explain", session="e1")
            [[charge]] = [event["charges"] for event in explained["events"]]
            assert [each["balance"] for each in charge["balances"]] == ["default:1001/pool"]
            assert (explained["is_complete"], charge["note"]) == (True, "")

    asyncio.run(body())


def test_what_several_accounts_paid_together_is_explained_as_one_usage() -> None:
    async def body() -> None:
        async with running() as world:
            await world.call(
                "AccountCreate", account="2002", plan="standard", identities=["msisdn:15550100002"]
            )
            shared = {"terms": {"shared_groups": ["family"]}, "priority": 5, "balance": "pool"}
            await world.call("AccountSetBalance", account="1001", amount="3.00", **shared)
            await world.call("AccountSetBalance", account="2002", amount="0.04", **shared)
            for strategy in ("mine_lowest", "highest"):
                await world.call("AccountShare", group="family", accounts=["1001", "2002"], strategy=strategy)
                call = {"session": strategy, "service": "voice", "called": "15551"}
                await world.call("Charge", kind="INITIAL", account="2002", requested="10s", **call)
                used = {"mine_lowest": "60s", "highest": "3000s"}[strategy]
                await world.call("AccountSetBalance", account="2002", amount="0.04", **shared)
                done = await world.call("Charge", kind="TERMINATION", used=used, **call)
                told = await world.call("Explain", session=strategy)
                [event] = told["events"]
                [charge] = event["charges"]
                mine, theirs = "pool", "default:1001/pool"
                order = [mine, theirs] if strategy == "mine_lowest" else [theirs, mine]
                assert [each["balance"] for each in charge["balances"]][:2] == order
                assert (charge["amount_nanos"], charge["note"]) == (done["cost_nanos"], "")
                assert charge["breakdown"]["cost_nanos"] == done["cost_nanos"]
                assert told["is_complete"] is True

    asyncio.run(body())


def test_a_call_is_authorized_with_a_hold_and_metered() -> None:
    async def body() -> None:
        async with running() as world:
            ring = {"kind": "event", "event": "1", "account": "1001", "service": "voice", "called": "15551"}
            ring |= {"action": "authorize", "reserve": "60s", "requested": "60s", "session": "c1"}
            assert (await world.call("Charge", **ring))["result"] == "SUCCESS"
            account = await world.call("AccountShow", account="1001")
            assert account["available_nanos"] < 10 * NANOS
            limit = {**ring, "event": "2", "session": "c0", "max_price_per": "60s"}
            assert (await world.call("Charge", **limit, max_price="0.10"))["result"] == "SUCCESS"
            assert (await world.call("Charge", **limit | {"event": "3"}, max_price="0.09"))[
                "result"
            ] == "NO_CREDIT"
            assert "stand together" in await world.fail("Charge", **limit)
            assert "max_price_per" in await world.fail(
                "Charge", **limit | {"max_price_per": "1MB"}, max_price=1
            )
            start = {
                "kind": "initial",
                "account": "1001",
                "service": "voice",
                "called": "15551",
                "session": "c1",
            }
            answer = await world.call("Charge", **start, requested="10s", meter="10s")
            assert answer["grants"][0]["granted"] == {"ns": 10 * NANOS}
            assert (await world.call("Charge", kind="termination", session="c1"))["result"] == "SUCCESS"
            assert "at least" in await world.fail("Charge", **{**start, "session": "c2"}, meter="10ms")
            assert "request_type" in await world.fail("Charge", **start, request_type="later")

    asyncio.run(body())


def test_a_call_told_by_totals_gives_back_what_the_last_one_does_not_confirm() -> None:
    async def body() -> None:
        async with running() as world:
            call = {"session": "call", "service": "voice", "account": "1001"}
            await world.call("Charge", kind="INITIAL", **call, requested="1m")
            step = await world.call(
                "Charge", kind="UPDATE", event=1, **call, used_in_all="120s", requested="1m"
            )
            assert step["cost_nanos"] == 200_000_000
            last = await world.call("Charge", kind="TERMINATION", **call, used_in_all="60s")
            assert (last["cost_nanos"], last["remaining_nanos"]) == (100_000_000, 10 * NANOS - 100_000_000)
            assert await world.call("Charge", kind="TERMINATION", **call, used_in_all="60s") == last
            [record] = (await world.call("CdrList", account="1001"))["cdrs"]
            assert (record["cost_nanos"], record["usage"][0]["used"]) == (100_000_000, {"ns": 60 * NANOS})
            both = await world.fail("Charge", kind="UPDATE", event=2, **call, used="1s", used_in_all="2s")
            assert both == "used: is given, and used_in_all beside it"

    asyncio.run(body())


def test_a_stored_session_is_given_back_and_charged_anew() -> None:
    async def body() -> None:
        async with running() as world:
            charge = {
                "kind": "event",
                "account": "1001",
                "service": "sms",
                "called": "15551",
                "requested": "2",
                "session": "e1",
                "event": "1",
            }
            cost_nanos = (await world.call("Charge", **charge))["cost_nanos"]
            assert cost_nanos > 0
            record = (await world.call("CdrList", account="1001"))["cdrs"][0]
            named = {"account": "1001", "client": record["client"], "session": record["session"]}
            assert (await world.call("SessionRefund", **named))["available_nanos"] == 10 * NANOS
            assert (await world.call("SessionRefund", **named))["cost_nanos"] == 0
            again = await world.call("SessionRerate", account="1001", session="e1")
            assert again["cost_nanos"] == cost_nanos
            assert again["available_nanos"] == 10 * NANOS - cost_nanos
            assert "no record" in await world.fail("SessionRerate", **{**named, "session": "nobody"})
            for number in range(520):  # a page of records later
                await world.call("Charge", **charge | {"session": f"later {number}", "requested": "1"})
            await world.call("SessionRefund", **named, note="it was never delivered")
            told = await world.call("Explain", session="e1")
            assert told["opened_at_ns"] == record["opened_at_ns"]
            assert (told["cost_nanos"], told["entries_nanos"], told["is_complete"]) == (0, 0, True)
            assert told["events"][-1]["reason"] == "it was never delivered"

    asyncio.run(body())


def test_a_refund_of_a_message_says_of_which() -> None:
    async def body() -> None:
        async with running() as world:
            message = {"kind": "event", "account": "1001", "service": "sms", "called": "15551", "event": "1"}
            sent = await world.call("Charge", **message, session="m1", requested="1")
            back = {**message, "action": "refund", "session": "m2", "refund_token": sent["refund_token"]}
            assert (await world.call("Charge", **back))["result"] == "SUCCESS"
            [event] = (await world.call("Explain", session="m2"))["events"]
            assert event["reason"] == "refund of jsonrpc|m1|1"

    asyncio.run(body())
