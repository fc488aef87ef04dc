"""Claims about sessions of the event pipeline on the exact core."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from ocs.charging.account import Account, Balance
from ocs.charging.decision import Change
from ocs.charging.events import Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.exact.accounting import UNRATED_NANOS, ExactAccounting
from ocs.sessions.accounting import Accounting, Outcome, Report
from ocs.sessions.model import Run
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import KEY, NANOS, S, account, balance, catalogue
from tests.support.door import Counts

FS_40CNT = Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s")


class Live:
    """A charging service with one account, and the pipeline's side of it."""

    def __init__(self, one: Account, *prices: Price) -> None:
        self.service = ChargingService(MemoryStore(), catalogue(*prices), ChargingPolicy(), Counts())
        self.account = one
        self.accounting = ExactAccounting(self.service)

    async def begin(self) -> Accounting:
        await self.service.create(Change(self.account))
        return self.accounting

    async def run(self, usage: int, request_type: str = "*prepaid", **more: Any) -> Run:
        event = {
            "OriginID": "o1",
            "OriginHost": "h",
            "RunID": "*default",
            "ToR": "*voice",
            "Account": "a",
            "Subject": "a",
            "Destination": "33123",
            "Category": "call",
            **more,
        }
        await self.accounting.prepare("t", event)
        money = self.accounting.open("t", event, usage, request_type=request_type)
        return Run("*default", event, request_type, money)

    async def money(self) -> Fraction:
        await self.accounting.durable()
        found = await self.service.store.load(KEY)
        assert found is not None
        nanos = sum(each.posted - each.reserved for each in found.balances if each.unit is Unit.MONEY)
        return Fraction(nanos, NANOS)


async def test_every_grant_is_settled_by_what_was_used_of_it() -> None:
    live = Live(account(balance("8.79", "cash")), FS_40CNT)
    core = await live.begin()
    runs: tuple[Run, ...] = (await live.run(120 * S),)
    assert core.authorize(runs[0]) == Outcome(120 * S)
    found = []
    for used in (None, 90 * S, 150 * S):
        step = core.update(runs, Report(120 * S, used))
        runs = step.runs
        assert step.outcome == Outcome(120 * S)
        found.append(await live.money())
    runs = core.terminate(runs, 60 * S, None).runs
    assert [*found, await live.money()] == [Fraction(text) for text in ("7.39", "7.09", "6.59", "7.59")]
    rated = core.rate_session(runs[0])
    assert (rated.usage, rated.cost_nanos, rated.source) == (60 * S, 1_200_000_000, "*sessions")
    told = core.cost_details("id", "*default", rated.details)
    assert [charge["BalanceID"] for charge in told["Charges"]] == ["cash"]
    assert (told["Usage"], told["Cost"]) == (60 * S, 1.2)
    (charge,) = told["Charges"]
    (increment,) = charge["Increments"]
    assert (increment["Usage"], increment["Cost"], increment["CompressFactor"]) == (60 * S, 1.2, 1)
    payer = told["Accounting"][increment["AccountingID"]]
    assert (payer["AccountID"], payer["BalanceUUID"], payer["Units"]) == (KEY, "cash", 1.2)
    rating = told["Rating"][charge["RatingID"]]
    assert told["RatingFilters"][rating["RatingFiltersID"]]["RatingPlanID"] == charge["Rating"]
    core.refund(runs[0], rated.details)
    assert await live.money() == Fraction("8.79")
    assert await live.service.verify(KEY) == ["balance cash: posted 8790000000, entries sum to 0"], (
        "but for what it began with, everything was given back"
    )


async def test_a_running_total_and_a_pause() -> None:
    live = Live(account(balance("100", "cash")), Price("0 1/1s/1s"))
    core = await live.begin()
    runs = core.update((await live.run(15 * S),), Report(15 * S)).runs
    step = core.update(runs, Report(435 * S, total=105 * S))
    assert step.outcome == Outcome(85 * S), "100 s are paid for, 15 of them were used"
    assert core.update(step.runs, Report(10 * S), is_paused=True).outcome == Outcome(10 * S)
    paused = core.update(step.runs, Report(10 * S, 0), is_paused=True).runs
    ended = core.terminate(paused, 25 * S, None).runs
    assert core.rate_session(ended[0]).cost_nanos == 15 * NANOS
    assert await live.money() == 85


@pytest.mark.parametrize(
    ("request_type", "credit", "grant", "left"),
    [
        ("*prepaid", "0", 0, 0),
        ("*prepaid", "3", 3, 0),
        ("*prepaid", "8", 5, 3),
        ("*postpaid", "3", 5, -2),
        ("*rated", "3", 5, 3),
        ("*none", "3", 5, 3),
    ],
)
async def test_a_message_by_request_type(request_type: str, credit: str, grant: int, left: int) -> None:
    live = Live(account(balance(credit, "cash")), Price("0 1/1/1"))
    core = await live.begin()
    step = core.message((await live.run(5, request_type, ToR="*sms"),), Report(5), None)
    assert step.outcome == Outcome(grant)
    assert await live.money() == left


async def test_records_without_a_session() -> None:
    live = Live(account(balance("10", "cash")), Price("1 1/1/1"))
    core = await live.begin()
    prepaid = await live.run(30, "*prepaid", ToR="*generic")
    rated = core.rate(prepaid)
    assert (rated.cost_nanos, rated.source) == (31 * NANOS, "*cdrs")
    assert await live.money() == -21
    core.refund(prepaid, rated.details)
    assert await live.money() == 10
    assert core.rate(await live.run(30, "*rated", ToR="*generic")).cost_nanos == 31 * NANOS
    assert core.rate(await live.run(30, "*none", ToR="*generic")).cost_nanos == UNRATED_NANOS
    own = core.rate(await live.run(30, "*directdebit", ToR="*generic", Cost="12.5"))
    assert (own.cost_nanos, await live.money()) == (12_500_000_000, Fraction("-2.5"))
    assert core.price(await live.run(3, ToR="*generic")).cost_nanos == 4 * NANOS
    nobody = core.rate(await live.run(3, ToR="*generic", Account="x"))
    assert (nobody.cost_nanos, nobody.extra_info) == (UNRATED_NANOS, "ACCOUNT_NOT_FOUND")


async def test_refusals_are_words() -> None:
    live = Live(account(balance("10", "cash")), Price("0 1/1s/1s", prefix="44"))
    core = await live.begin()
    assert core.authorize(await live.run(30 * S)).refusal == "UNAUTHORIZED_DESTINATION"
    assert core.authorize(await live.run(30 * S, Account="x")).refusal == "ACCOUNT_NOT_FOUND"
    assert core.authorize(await live.run(30 * S, Destination="44123")) == Outcome(10 * S)
    with pytest.raises(ValueError):
        core.open("t", {"Cost": "much"}, 1)


async def test_an_account_without_a_limit_is_granted_without_limit() -> None:
    live = Live(account(Balance("cash", Unit.MONEY, 0), credit_limit_nanos=None), Price("0 1/1s/1s"))
    core = await live.begin()
    assert core.authorize(await live.run(30 * S)) == Outcome(-1)


async def test_money_of_a_run_outlives_a_restart() -> None:
    live = Live(account(balance("100", "cash")), Price("0 1/1s/1s"))
    core = await live.begin()
    runs = core.update((await live.run(15 * S),), Report(15 * S)).runs
    stored = msgspec.to_builtins(runs[0].money)
    again = msgspec.structs.replace(runs[0], money=core.restore(stored))
    ended = core.terminate((again,), 10 * S, None).runs
    assert core.rate_session(ended[0]).cost_nanos == 10 * NANOS
    assert await live.money() == 90
