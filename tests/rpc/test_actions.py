"""`OcsV1.Action...`, plans, triggers and transfers through a whole server."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from ocs.charging.actions.model import (
    Accounting,
    Action,
    ActionPlan,
    ActionSet,
    Do,
    PlanEntry,
    Trigger,
    Watches,
    When,
)
from ocs.charging.money import NANOS
from ocs.charging.schedule import Calendar
from ocs.charging.scheduler import Scheduler
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.sources import CGRATES, Source, read_source
from ocs.tariffs import Tariffs
from tests.rpc.test_cli import run as command
from tests.rpc.world import KIB_NANOS, MSISDN, World, running, settings

SETS = {
    "gift": ActionSet("gift", (Action(Do.TOP_UP, "gift", amount=5 * NANOS),)),
    "fee": ActionSet("fee", (Action(Do.DEBIT, amount=500 * NANOS),)),
    "bar": ActionSet("bar", (Action(Do.BAR),)),
}
PLANS = {"yearly": ActionPlan("yearly", (PlanEntry(When(Calendar(months=(1,), month_days=(1,))), "gift"),))}
TRIGGERS = {"safety": (Trigger("low", Watches.AT_MOST, "gift", amount=2 * NANOS),)}


def equip(world: World) -> None:
    """Give the server's tariff something to do."""
    service = world.service
    tariff = msgspec.structs.replace(
        service.catalogue.tariff, accounting=Accounting(sets=SETS, plans=PLANS, triggers=TRIGGERS)
    )
    service.swap(Catalogue(tariff), service.policy)


def check(body: Callable[[World], Awaitable[None]]) -> None:
    """Run something against a server whose tariff has actions."""

    async def whole() -> None:
        async with running() as world:
            equip(world)
            await body(world)
            assert (await world.call("AccountVerify"))["ok"] is True

    asyncio.run(whole())


def test_the_tariff_tells_what_it_has() -> None:
    async def body(world: World) -> None:
        rows = await world.call("ActionList")
        assert rows["actions"][0] == {"name": "gift", "parts": ["top up 5.00 of gift"]}
        assert rows["plans"] == [{"name": "yearly", "parts": ["gift: months 1, month_days 1"]}]
        assert rows["triggers"][0]["parts"] == ["any money balance at most 2.00 runs gift"]

    check(body)


def test_a_set_is_done_once_per_reference_and_told_in_the_history() -> None:
    async def body(world: World) -> None:
        request = {"account": "1001", "actions": "gift", "reference": "r1", "note": "sorry", "by": "anna"}
        ran = await world.call("ActionRun", **request)
        assert await world.call("ActionRun", **request) == ran
        assert (ran["actions"], [entry["balance"] for entry in ran["entries"]]) == ("gift", ["gift"])
        [entry, _] = (await world.call("AccountHistory", account="1001"))["entries"]
        assert (entry["by"], entry["reason"]) == ("anna", "sorry")
        assert "was used for" in await world.fail("ActionRun", account="1001", actions="fee", reference="r1")

    check(body)


def test_a_set_that_changes_no_balance_is_in_the_history_too() -> None:
    async def body(world: World) -> None:
        assert (await world.call("ActionRun", account="1001", actions="bar", by="anna"))["entries"][0][
            "kind"
        ] == "NOTE"
        note = (await world.call("AccountHistory", account="1001"))["entries"][0]
        assert (note["kind"], note["by"], note["reason"], note["balance"]) == ("NOTE", "anna", "bar", "")

    check(body)


def test_a_set_that_fails_says_why_and_changes_nothing() -> None:
    async def body(world: World) -> None:
        error = await world.fail("ActionRun", account="1001", actions="fee")
        assert error.startswith("fee: balance main has")
        assert "no actions" in await world.fail("ActionRun", account="1001", actions="none")
        assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 10 * NANOS

    check(body)


def test_an_amount_moves_to_another_account_once() -> None:
    async def body(world: World) -> None:
        await world.add("1002", 0)
        request = {"account": "1001", "to": "1002", "amount": "4", "reference": "t1"}
        await world.call("AccountTransfer", **request)
        await world.call("AccountTransfer", **request)
        nanos = [
            (await world.call("AccountShow", account=one))["available_nanos"] for one in ("1001", "1002")
        ]
        assert nanos == [6 * NANOS, 4 * NANOS]
        error = await world.fail("AccountTransfer", account="1001", to="1002", amount="7")
        assert "balance main has" in error
        assert "no account" in await world.fail("AccountTransfer", account="1001", to="none", amount="1")
        assert "more than zero" in await world.fail("AccountTransfer", account="1001", to="1002", amount="0")

    check(body)


def test_plans_and_triggers_are_given_and_taken() -> None:
    async def body(world: World) -> None:
        shown = await world.call("PlanAssign", account="1001", plan="yearly")
        assert [plan["plan"] for plan in shown["plans"]] == ["yearly"]
        assert shown["next_due_at_ns"] > shown["plans"][0]["set_at_ns"]
        await world.call("TriggersAssign", account="1001", group="safety")
        await world.call("AccountAdjust", account="1001", amount="-9")
        shown = await world.call("AccountActions", account="1001")
        assert [(one["trigger"], one["executed"]) for one in shown["triggers"]] == [("low", True)]
        assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 6 * NANOS
        shown = await world.call("TriggersReset", account="1001", group="safety")
        assert shown["triggers"] == []
        await world.call("TriggersUnassign", account="1001", group="safety")
        shown = await world.call("PlanUnassign", account="1001", plan="yearly")
        assert (shown["plans"], shown["groups"], shown["next_due_at_ns"]) == ([], [], None)
        assert "no action plan" in await world.fail("PlanAssign", account="1001", plan="none")
        assert "no group" in await world.fail("TriggersAssign", account="1001", group="none")

    check(body)


def test_an_account_is_opened_with_plans_and_triggers() -> None:
    async def body(world: World) -> None:
        new = {"account": "1009", "plan": "standard", "action_plans": ["yearly"], "triggers": ["safety"]}
        await world.call("AccountCreate", **new)
        shown = await world.call("AccountActions", account="1009")
        assert ([one["plan"] for one in shown["plans"]], shown["groups"]) == (["yearly"], ["safety"])
        error = await world.fail("AccountCreate", **{**new, "account": "1010", "triggers": ["none"]})
        assert 'no group of triggers "none"' in error

    check(body)


FOLDER = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "R,0,0.6,60s,1s,0s\n",
    "DestinationRates.csv": "DR,DE,R,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "t,call,*any,2026-01-01T00:00:00Z,RP,\n",
    "Actions.csv": (
        "WELCOME,*topup_reset,,,main,*monetary,,*any,,,*unlimited,,25,10,false,false,10\n"
        "SMALL,*topup,,,gift,*monetary,,,,,+24h,,1,20,,,10\n"
    ),
    "ActionPlans.csv": "AP,WELCOME,*asap,10\nAP,SMALL,*monthly,10\n",
    "ActionTriggers.csv": "TR,low,*min_balance,20,false,0,,,main,*monetary,,,,,,,,,,SMALL,10\n",
    "AccountActions.csv": "t,1001,AP,TR,,\nt,1002,AP,,,true\n",
}


def test_a_folder_that_is_activated_opens_its_accounts_while_sessions_go_on(tmp_path: Path) -> None:
    """The switch itself is at once; accounts, plans and triggers follow, and are done once."""

    async def body(world: World) -> None:
        tariffs = Tariffs(settings(), tmp_path)
        source = Source(CGRATES, tuple(FOLDER.items()))
        tariff, findings = read_source(source)
        assert tariff is not None, findings
        tariffs.versions.add(source, tariff, findings, "", "test", 1)
        world.server.context.tariffs = tariffs
        scheduler = Scheduler(world.service)
        data = {"session": "d;1", "service": "data", "rating_group": 10, "requested": "1MiB"}
        await world.call("Charge", kind="INITIAL", subscriber=MSISDN, **data)
        await world.call("TariffActivate", version=1)
        answer = await world.call("Charge", kind="UPDATE", event=1, used="10KiB", **data)
        assert answer["grants"][0]["cost_nanos"] == 10 * KIB_NANOS, "paid by the tariff it was opened under"
        for _ in range(2):
            await scheduler.look()
        shown = await world.call("AccountShow", account="t:1001")
        assert (shown["available_nanos"], shown["plan"]) == (25 * NANOS, "t:*any")
        assert (await world.call("AccountShow", account="t:1002"))["standing"] == "BARRED"
        plans = await world.call("AccountActions", account="t:1001")
        assert (plans["plans"][0]["plan"], plans["groups"]) == ("AP", ["TR"])
        call = {"session": "v;1", "service": "voice", "subscriber": "1001", "called": "4930"}
        await world.call("Charge", kind="INITIAL", requested="10m", **call)
        answer = await world.call("Charge", kind="TERMINATION", event=1, used="10m", **call)
        assert answer["cost_nanos"] == 6 * NANOS
        assert (await world.call("AccountShow", account="t:1001"))["available_nanos"] == 20 * NANOS
        await scheduler.stop()

    check(body)


def test_commands_show_run_give_and_take(capsys: pytest.CaptureFixture[str]) -> None:
    async def body(world: World) -> None:
        await world.add("1002", 0)
        for words, expected in (
            (["action", "ls"], ["action gift", "  top up 5.00 of gift", "plan yearly", "trigger safety"]),
            (
                ["action", "run", "1001", "gift", "--reference", "r", "--note", "sorry"],
                ["gift", "5.00", "sorry"],
            ),
            (["action", "run", "1001", "gift", "--reference", "r", "--json"], ['"reference": "r"']),
            (["account", "transfer", "1001", "1002", "3"], ["TRANSFER", "-3.00", "3.00"]),
            (["plan", "assign", "1001", "yearly"], ["yearly"]),
            (["trigger", "assign", "1001", "safety"], ["safety"]),
            (["account", "plans", "1001"], ["yearly", "safety"]),
            (["trigger", "reset", "1001", "safety"], ["safety"]),
            (["trigger", "unassign", "1001", "safety"], ["1001"]),
            (["plan", "unassign", "1001", "yearly"], ["1001"]),
        ):
            assert await command(world, *words) == 0, words
            shown = capsys.readouterr().out
            assert all(text in shown for text in expected), (words, expected, shown)
        assert await command(world, "action", "run", "1001", "none") == 1
        assert capsys.readouterr().err == "ocs: there are no actions none\n"
        assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 12 * NANOS

    check(body)
