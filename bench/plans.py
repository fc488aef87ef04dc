"""How many runs of action plans become durable in a second, against plain top-ups of the same accounts.

Run with `python -m bench.plans [accounts]`. SQLite with `synchronous=full`; the last column is the ratio of times
to the first row.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.actions.model import Accounting, Action, ActionPlan, ActionSet, Do, PlanEntry, When
from ocs.charging.cron import cron
from ocs.charging.decision import Change
from ocs.charging.quota import ChargingPolicy
from ocs.charging.scheduler import RUN_TOGETHER, Scheduler
from ocs.charging.service import ChargingService
from ocs.charging.store.sqlite import SqliteStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Plan, Tariff
from ocs.metrics import Metrics

ACCOUNTS = 5_000
MONTH_NS = 31 * 86_400 * 10**9
BUNDLE = ActionSet(
    "bundle",
    (Action(Do.DEBIT, amount=10**7, overdraws=True), Action(Do.TOP_UP, "gift", amount=10**7, resets=True)),
)
MONTHLY = ActionPlan("monthly", (PlanEntry(When(cron("@monthly")), "bundle"),))
RULES = Accounting(sets={"bundle": BUNDLE}, plans={"monthly": MONTHLY})


class Clock:
    """A wall clock that can be set a month ahead."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self.ahead_ns


async def measure(count: int) -> None:
    """Opens the accounts, tops them up, runs their plans, looks through them."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        store = SqliteStore(Path(name) / "ocs.db")
        catalogue = Catalogue(Tariff("EUR", (Plan("standard", ()),), accounting=RULES))
        service = ChargingService(store, catalogue, ChargingPolicy(), Metrics(), wall_ns=clock)
        scheduler = Scheduler(service)
        keys = [f"t:{number}" for number in range(count)]
        await together(keys, lambda key: opened(service, key))
        plain_s = await timed(together(keys, lambda key: topped_up(service, key)))
        tell("plain top-ups", count, plain_s, plain_s)
        await scheduler.look()
        clock.ahead_ns = MONTH_NS
        tell("runs of a plan, two actions each", count, await timed(scheduler.look()), plain_s)
        fresh = Scheduler(service)
        tell("looking through all accounts", count, await timed(fresh.look()), plain_s)
        await store.close()


async def together(keys: list[str], work: Callable[[str], Awaitable[object]]) -> None:
    """Some accounts at a time, as the scheduler does."""
    for start in range(0, len(keys), RUN_TOGETHER):
        await asyncio.gather(*[work(key) for key in keys[start : start + RUN_TOGETHER]])


async def opened(service: ChargingService, key: str) -> None:
    """A new account with the plan."""
    new = acts.NewAccount(key, "standard", (), (acts.TopUp(10**9),), action_plans=("monthly",))
    account, posting = acts.create(new, acts.Act("seed", service.now_ns(), "bench"))
    assert posting is not None
    await service.create(Change(account, (posting,)))


async def topped_up(service: ChargingService, key: str) -> None:
    """The account with more credit."""

    def act(account: Account) -> Change:
        changed, posting = acts.top_up(account, acts.TopUp(10**7), acts.Act("t", service.now_ns(), "bench"))
        assert posting is not None
        return Change(changed, (posting,))

    await service.apply(key, act)


async def timed(work: Awaitable[object]) -> float:
    """Seconds that something takes."""
    began_s = time.perf_counter()
    await work
    return time.perf_counter() - began_s


def tell(what: str, count: int, took_s: float, plain_s: float) -> None:
    """One row."""
    print(f"{what:<34} {count / took_s:10.0f} a second {took_s / plain_s:8.2f}")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else ACCOUNTS))
