"""A charging service on virtual time: clocks that the test moves, a store that the test holds back."""

import asyncio
from dataclasses import dataclass, field

from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.events import (
    ChargingAnswer,
    ChargingEvent,
    Identity,
    Unit,
)
from ocs.charging.quota import ChargingPolicy, Supervision
from ocs.charging.service import ChargingService, Limits
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    NOON_NS,
    SECOND_NS,
    TARIFF,
    answer_text,
    books_text,
    rg,
)
from tests.support.stores import ProcessStore, Truth
from tests.support.virtual_time import running

HOUR_NS = 3600 * SECOND_NS
POLICY = ChargingPolicy(supervision=Supervision(2, 0))
SMS = rg(None, 1, unit=Unit.EVENTS, called="15551")


@dataclass
class Counts:
    """Counts what the door observes."""

    duplicates: int = 0
    shed: int = 0
    forgotten: int = 0
    expired: int = 0
    depths: list[int] = field(default_factory=list)

    def duplicate_answered(self) -> None:
        self.duplicates += 1

    def answer_forgotten(self) -> None:
        self.forgotten += 1

    def request_shed(self) -> None:
        self.shed += 1

    def debited(self, service: str, amount_nanos: int) -> None:
        raise AssertionError("debits are counted from entries")

    def session_expired(self) -> None:
        self.expired += 1

    def sessions_open(self, count: int) -> None:
        self.depths.append(count)

    def queue_depth(self, waiting: int) -> None:
        self.depths.append(waiting)


class Door:
    """A service on a truth, with clocks that the test moves."""

    def __init__(
        self, truth: Truth | None = None, limits: Limits | None = None, latency_s: float = 0.0
    ) -> None:
        self.truth = truth or Truth()
        self.store = ProcessStore(self.truth, lambda: latency_s)
        self.counts = Counts()
        self.wall_step_ns = 0
        self.service = ChargingService(
            self.store, TARIFF, POLICY, self.counts, limits, self.wall_ns, lambda: running().now_ns()
        )

    def wall_ns(self) -> int:
        return NOON_NS + running().now_ns() + self.wall_step_ns

    async def open_account(self, nanos: int, key: str = ACCOUNT, identity: Identity = ALICE) -> None:
        new = acts.NewAccount(key, "standard", (identity,), (acts.TopUp(nanos),))
        account, posting = acts.create(new, acts.Act(f"seed {key}", 0, "test"))
        assert posting is not None
        await self.service.create(Change(account, (posting,), has_new_identities=True))

    async def say(self, event: ChargingEvent) -> str:
        return answer_text(await self.service.handle(event))

    def submit(self, event: ChargingEvent) -> list[ChargingAnswer]:
        answers: list[ChargingAnswer] = []
        self.service.submit(event, answers.append)
        return answers

    def books(self, key: str = ACCOUNT) -> str:
        return books_text(self.truth.accounts[key])

    async def problems(self, key: str = ACCOUNT) -> list[str]:
        return await self.service.verify(key)


async def door(nanos: int = 10_000, latency_s: float = 0.0, limits: Limits | None = None) -> Door:
    opened = Door(None, limits, latency_s)
    await opened.open_account(nanos)
    return opened


async def settle() -> None:
    """Let everything happen that waits for nothing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def top_up(world: Door, nanos: int, act: str = "t1") -> Account | None:
    def credit(account: Account) -> Change:
        changed, posting = acts.top_up(account, acts.TopUp(nanos), acts.Act(act, world.wall_ns(), "test"))
        assert posting is not None
        return Change(changed, (posting,))

    return await world.service.apply(ACCOUNT, credit)
