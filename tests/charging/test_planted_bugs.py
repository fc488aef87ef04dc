"""Tests of the tests: known mistakes are planted, and the checks must find every one of them."""

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from ocs.charging import endings, engine, onetime, service, session, turn, working
from ocs.charging.account import Account, Hold
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Cdr
from ocs.charging.events import Unit
from ocs.charging.ledger import Ledger
from ocs.charging.rating import Rate, price
from ocs.charging.service import ChargingService
from ocs.charging.store import Done, StoreError
from tests.charging import test_engine_time
from tests.charging.test_engine import SESSIONS
from tests.simulation.worlds import World as SimulatedWorld
from tests.support.charging import World
from tests.support.stores import ProcessStore, Truth
from tests.support.virtual_time import run

SEEDS = 12
Plant = Callable[[pytest.MonkeyPatch], None]


def wrong_lines() -> int:
    """How many sessions of the engine's table do not come out as they should."""
    wrong = 0
    for account, steps in SESSIONS.values():
        world = World(account)
        try:
            wrong += [world.line(event) for event, _ in steps] != [line for _, line in steps]
        except AssertionError:
            wrong += 1
    return wrong


def wrong_histories() -> int:
    """How many of some simulated histories the auditor finds fault with."""

    async def play(seed: int) -> bool:
        world = SimulatedWorld(seed)
        await world.play()
        return bool(world.audit())

    return sum(run(play(seed)) for seed in range(SEEDS))


def forget_to_release(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "release", lambda self, holds: None)


def release_twice(patch: pytest.MonkeyPatch) -> None:
    once = Ledger.release

    def twice(self: Ledger, holds: tuple[Hold, ...]) -> None:
        once(self, holds)
        once(self, holds)

    patch.setattr(Ledger, "release", twice)


def round_every_report(patch: pytest.MonkeyPatch) -> None:
    def alone(rate: Rate, before: int, units: int) -> int:
        return price(rate, units)

    patch.setattr(turn, "cost", alone)


def grant_before_all_is_settled(patch: pytest.MonkeyPatch) -> None:
    settle, grant = turn.Turn.settle, turn.Turn.grant
    postponed: list[tuple[object, ...]] = []

    def later(self: turn.Turn, part: working.Part, context: object) -> None:
        postponed.append((self, part, context))

    def grant_at_once(self: turn.Turn, part: working.Part) -> object:
        for _, due, context in [each for each in postponed if each[0] is self and each[1] is part]:
            settle(self, due, context)  # type: ignore[arg-type]
        return grant(self, part)

    patch.setattr(turn.Turn, "settle", later)
    patch.setattr(turn.Turn, "grant", grant_at_once)


def grant_in_the_order_of_the_reports(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "_in_order", lambda parts: parts)


def ignore_what_others_hold(patch: pytest.MonkeyPatch) -> None:
    def all_of_it(self: Ledger, indexes: list[int]) -> int:
        return sum(self._posted[index] for index in indexes)

    patch.setattr(Ledger, "free_amount", all_of_it)


def debit_repeats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(session, "is_answered", lambda *arguments: False)


def debit_no_late_report(patch: pytest.MonkeyPatch) -> None:
    unknown = session.Admission.UNKNOWN
    admit = session.admit
    patch.setattr(engine, "admit", lambda *a: unknown if admit(*a) is session.Admission.LATE else admit(*a))


def change_the_version_twice(patch: pytest.MonkeyPatch) -> None:
    ended = endings.ended

    def changed(*arguments: Any) -> tuple[Account, Cdr]:
        account, cdr = ended(*arguments)
        return msgspec.structs.replace(account, version=account.version + 1), cdr

    patch.setattr(engine, "ended", changed)


def answer_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    commit = ProcessStore.commit

    def hasty(self: ProcessStore, change: Change, done: Done) -> None:
        commit(self, change, lambda error: None)
        done(None)

    patch.setattr(ProcessStore, "commit", hasty)


def keep_memory_after_a_failure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChargingService, "_forget_account", lambda self, key: None)


def answer_success_after_a_failure(patch: pytest.MonkeyPatch) -> None:
    committed = ChargingService.committed

    def deaf(self: ChargingService, pending: service.Pending, error: StoreError | None) -> None:
        committed(self, pending, None)

    patch.setattr(ChargingService, "committed", deaf)


def overwrite_what_others_changed(patch: pytest.MonkeyPatch) -> None:
    def take(self: Truth, change: Change) -> None:
        self._apply(change, self.accounts.get(change.account.key))

    patch.setattr(Truth, "take", take)


def forget_one_time_answers(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: ChargingService, key: str) -> EventAnswer | None:
        return None if not key.startswith("refund") else await kept(self, key)

    kept = ChargingService._kept_answer
    patch.setattr(ChargingService, "_kept_answer", nothing)


def forget_refunds(patch: pytest.MonkeyPatch) -> None:
    numbers = count()
    patch.setattr(onetime, "refund_key", lambda token: f"refund {next(numbers)}")


def charge_what_the_clock_says(patch: pytest.MonkeyPatch) -> None:
    pay = turn.Turn._pay

    def since_the_last_report(self: Any, part: Any, used: Any, line: Any, quota: Any, units: int) -> Any:
        if used.unit is Unit.TIME and quota.rated_at_ns is not None:
            units = max((used.at_ns or self.used_at_ns) - quota.rated_at_ns, 0)
        return pay(self, part, used, line, quota, units)

    patch.setattr(turn.Turn, "_pay", since_the_last_report)


FOUND_BY_THE_TABLE = (
    forget_to_release,
    release_twice,
    round_every_report,
    grant_before_all_is_settled,
    grant_in_the_order_of_the_reports,
    ignore_what_others_hold,
    debit_repeats,
    debit_no_late_report,
    change_the_version_twice,
)
FOUND_BY_THE_AUDITOR = (
    debit_repeats,
    debit_no_late_report,
    answer_before_it_is_durable,
    keep_memory_after_a_failure,
    answer_success_after_a_failure,
    overwrite_what_others_changed,
    forget_one_time_answers,
    forget_refunds,
)


@pytest.mark.parametrize("plant", FOUND_BY_THE_TABLE, ids=lambda plant: plant.__name__)
def test_the_table_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong_lines() == 0
    plant(monkeypatch)
    assert wrong_lines() > 0


def test_a_clock_that_is_set_back_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    test_engine_time.test_a_clock_set_back_charges_no_time_twice()
    charge_what_the_clock_says(monkeypatch)
    with pytest.raises(AssertionError):
        test_engine_time.test_a_clock_set_back_charges_no_time_twice()


@pytest.mark.parametrize("plant", FOUND_BY_THE_AUDITOR, ids=lambda plant: plant.__name__)
def test_the_auditor_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert wrong_histories() > 0


def test_the_auditor_finds_nothing_where_nothing_is_planted() -> None:
    assert wrong_histories() == 0
