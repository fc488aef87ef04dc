"""Recorded action sets and balance calls, sent as JSON through the methods: every answer and every balance."""

import asyncio
from typing import Any

from ocs.charging.cgrates.values import instant_ns
from tests.cgrates.engine import NOW_NS, Engine
from tests.charging.cgrates.worlds import Step, World, same, worlds

TENANT = "acme.test"
NO_TIME = "0001-01-01T00:00:00Z"
FAR_NS = 500 * 86_400 * 10**9
WORLDS = 15
HOUR_NS = 3_600 * 10**9
KEPT = (
    *("DestinationIDs", "Categories", "SharedGroups", "TimingIDs", "Factors", "RatingSubject", "Disabled"),
    "Blocker",
)


def test_the_wire_says_what_was_recorded() -> None:
    different = {world.name: asyncio.run(replayed(world)) for world in worlds("action")}
    assert len(different) == WORLDS
    assert {name: steps for name, steps in different.items() if steps} == {}


async def replayed(world: World) -> list[str]:
    """The steps of a world whose answer or balances differ."""
    engine = Engine({"schedulers": {"enabled": True}, "apiers": {"enabled": True}})
    await engine.runtime.load_files(list(world.files.items()))
    different = []
    for number, step in enumerate(world.steps):
        answer = await engine.call(step["call"], step["params"])
        if not _is_equal(step, answer, world.grid):
            different.append(f"{number} {step['call']}: {answer['error'] or answer['result']}")
        for name, recorded in step["balances"].items():
            held = await engine.call("APIerSv2.GetAccount", {"Tenant": TENANT, "Account": name})
            shown = None if held["error"] else _balances(held["result"])
            if not same(recorded, shown, world.grid):
                different.append(f"{number} {step['call']}: {name}: {recorded} is {shown}")
    return different


def _is_equal(step: Step, answer: dict[str, Any], grid: float) -> bool:
    if "error" in step or answer["error"] is not None:
        return bool(answer["error"] == step.get("error"))
    shown = answer["result"]
    if step["call"] == "APIerSv2.GetAccount":
        shown = _account(shown)
    return same(step["result"], shown, grid)


def _balances(account: dict[str, Any]) -> dict[str, list[list[Any]]]:
    held = account["BalanceMap"] or {}
    return {kind: [[one["ID"], one["Value"]] for one in found] for kind, found in held.items() if found}


def _account(account: dict[str, Any]) -> dict[str, Any]:
    """An account in the recording's reduced form."""
    balances = {
        kind: [_balance(one) for one in found] for kind, found in (account["BalanceMap"] or {}).items()
    }
    return {"balances": balances, **{name: True for name in ("AllowNegative", "Disabled") if account[name]}}


def _balance(shown: dict[str, Any]) -> dict[str, Any]:
    reduced = {name: shown[name] for name in ("ID", "Value", "Weight")}
    if shown["ExpirationDate"] != NO_TIME:
        ahead_ns = instant_ns(shown["ExpirationDate"]) - NOW_NS
        is_far = abs(ahead_ns) > FAR_NS
        reduced["ExpirationDate"] = shown["ExpirationDate"] if is_far else f"now+{round(ahead_ns / HOUR_NS)}h"
    return reduced | {name: shown[name] for name in KEPT if shown[name]}
