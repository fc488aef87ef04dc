"""The rules of docs/accounts.md and docs/actions.md, each as a program sees it that speaks to the server."""

from typing import Any

import msgspec
import pytest

from ocs.charging.actions.model import Accounting, Action, ActionSet, Do
from ocs.charging.money import NANOS
from ocs.charging.quota import ChargingPolicy
from ocs.charging.tariff.catalogue import Catalogue
from tests.rpc.world import KIB_NANOS, World, in_world

KIB = {"service": "data", "rating_group": 10, "session": "s"}
MAIN = 10 * NANOS

# What each kind of action leaves in the history: the kinds of its entries.
ACTIONS: dict[str, tuple[Action, list[str]]] = {
    "top_up": (Action(Do.TOP_UP, amount=NANOS), ["TOPUP"]),
    "top_up_reset": (Action(Do.TOP_UP, amount=NANOS, resets=True), ["TOPUP", "ADJUSTMENT"]),
    "debit": (Action(Do.DEBIT, amount=NANOS), ["DEBIT"]),
    "set": (Action(Do.SET, "bonus", amount=NANOS), ["ADJUSTMENT"]),
    "remove": (Action(Do.REMOVE, "main"), ["ADJUSTMENT"]),
    "transfer": (Action(Do.TRANSFER, amount=NANOS, to_account="1002"), ["TRANSFER"]),
    "set_expiry": (Action(Do.SET_EXPIRY, "main", expires="+1h"), ["NOTE"]),
    "bar": (Action(Do.BAR), ["NOTE"]),
    "credit_limit": (Action(Do.CREDIT_LIMIT, credit_limit_nanos=None), ["NOTE"]),
    "notify": (Action(Do.NOTIFY, text="hello"), ["NOTE"]),
    "empty": (Action(Do.EMPTY), ["ADJUSTMENT"]),
}


async def balances(world: World, account: str = "1001") -> dict[str, int]:
    shown = await world.call("AccountShow", account=account)
    return {each["id"]: each["posted"]["nanos"] for each in shown["balances"]}


async def history(world: World, account: str = "1001") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.call("AccountHistory", account=account))["entries"]
    return found


@pytest.mark.parametrize("name", ACTIONS)
@in_world
async def test_every_kind_of_action_is_in_the_history_with_who_and_why(world: World, name: str) -> None:
    await world.add("1002", 0)
    action, kinds = ACTIONS[name]
    service = world.service
    accounting = Accounting(sets={name: ActionSet(name, (action,))})
    tariff = msgspec.structs.replace(service.catalogue.tariff, accounting=accounting)
    service.swap(Catalogue(tariff), service.policy)
    before = len(await history(world))
    await world.call("ActionRun", account="1001", actions=name, by="anna", note="as agreed")
    added = (await history(world))[:-before]
    assert added, "it is told"
    assert {entry["kind"] for entry in added} <= set(kinds), added
    assert {(entry["by"], entry["reason"]) for entry in added} == {("anna", "as agreed")}


@in_world
async def test_usage_beyond_the_credit_overdraws_to_the_floor_and_the_rest_is_written_off(
    world: World,
) -> None:
    world.service.swap(world.service.catalogue, ChargingPolicy(floor_nanos=-NANOS))
    await world.call("Charge", kind="INITIAL", account="1001", **KIB)
    used_kib = 12_000  # 12.00 of 10.00
    answer = await world.call("Charge", kind="TERMINATION", event=1, used=f"{used_kib}KiB", **KIB)
    assert answer["cost_nanos"] == used_kib * KIB_NANOS
    assert await balances(world) == {"main": -NANOS}
    told = dict.fromkeys(("DEBIT", "WRITE_OFF"), 0)
    for entry in await history(world):
        if entry["kind"] in told:
            told[entry["kind"]] += entry["amount"]["nanos"]
    assert told == {"DEBIT": -11 * NANOS, "WRITE_OFF": -NANOS}


@in_world
async def test_a_credit_limit_is_granted_and_nothing_behind_it(world: World) -> None:
    names = ["msisdn:15550100077"]
    await world.call("AccountCreate", account="post", plan="standard", credit_limit="0.10", identities=names)
    message = {
        "kind": "EVENT",
        "subscriber": "15550100077",
        "service": "sms",
        "called": "15551",
        "requested": "1",
    }
    results = [
        (await world.call("Charge", **message, session=f"m{number}", event="1"))["result"]
        for number in range(3)
    ]
    assert results == ["SUCCESS", "SUCCESS", "NO_CREDIT"]
    assert await balances(world, "post") == {"main": -NANOS // 10}


@in_world
async def test_who_comes_for_the_first_time_is_opened_where_the_request_says_so(world: World) -> None:
    message = {
        "kind": "EVENT",
        "subscriber": "15550100088",
        "service": "sms",
        "called": "15551",
        "requested": "1",
    }
    message |= {"session": "m", "event": "1", "request_type": "dynaprepaid"}
    assert (await world.call("Charge", **message))["result"] == "UNKNOWN_SUBSCRIBER"
    world.service.swap(world.service.catalogue, ChargingPolicy(dynaprepaid_plan="standard"))
    refused = await world.call("Charge", **{**message, "request_type": "prepaid", "session": "m1"})
    assert refused["result"] == "UNKNOWN_SUBSCRIBER"
    assert (await world.call("Charge", **{**message, "session": "m2"}))["result"] == "NO_CREDIT"
    shown = await world.call("AccountShow", account="15550100088")
    assert (shown["account"], shown["plan"]) == ("default:15550100088", "standard")


@in_world
async def test_a_pause_costs_nothing_and_moves_no_rate_on(world: World) -> None:
    call = {"service": "data", "rating_group": 10, "session": "s"}
    await world.call("Charge", kind="INITIAL", account="1001", **call)
    for event, chargeable in ((1, False), (2, True)):
        await world.call(
            "Charge",
            kind="UPDATE",
            event=event,
            used="100KiB",
            chargeable=chargeable,
            requested="none",
            **call,
        )
    ended = await world.call("Charge", kind="TERMINATION", event=3, **call)
    assert ended["cost_nanos"] == 100 * KIB_NANOS
    [record] = (await world.call("CdrList", account="1001"))["cdrs"]
    assert [usage["used"] for usage in record["usage"]] == [{"octets": 200 * 1024}]


@in_world
async def test_what_an_expired_balance_paid_comes_back_to_it_and_pays_nothing_more(world: World) -> None:
    clock = [1_800_000_000 * NANOS]
    world.service._wall_ns = lambda: clock[0]
    gift = {"amount": "1.00", "balance": "gift", "priority": 9, "expires": "2027-01-15T08:01:00Z"}
    await world.call("AccountTopup", account="1001", **gift)
    message = {"kind": "EVENT", "account": "1001", "service": "sms", "called": "15551", "requested": "2"}
    await world.call("Charge", **message, session="m", event="1")
    assert await balances(world) == {"gift": NANOS - NANOS // 10, "main": MAIN}
    clock[0] += 3600 * NANOS
    await world.call("SessionRefund", account="1001", session="m", by="anna", note="never came")
    refund = (await history(world))[0]
    assert (refund["kind"], refund["balance"], refund["amount"]) == ("REFUND", "gift", {"nanos": NANOS // 10})
    assert (refund["by"], refund["reason"]) == ("anna", "never came")
    shown = await world.call("AccountShow", account="1001")
    assert (await balances(world))["gift"] == NANOS
    assert shown["available_nanos"] == MAIN, "it has expired"
    await world.call("Charge", **message, session="m2", event="1")
    assert await balances(world) == {"gift": NANOS, "main": MAIN - NANOS // 10}
