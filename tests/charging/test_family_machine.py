"""The machine over accounts that share, and known mistakes it must find."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ocs.charging import (
    authorize,
    correction,
    endings,
    engine,
    following,
    full_turn,
    onetime,
    rerate,
    spending,
)
from ocs.charging.account import Account, Hold, Mark
from ocs.charging.actions import triggers, work
from ocs.charging.entry import EntryKind
from ocs.charging.ledger import Ledger
from tests.charging.family_machine import Charging
from tests.support import family

RUNS = settings(max_examples=40, stateful_step_count=40, deadline=None)
SEARCH = settings(
    max_examples=1_000,  # it stops at the first that fails
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,  # a search by chance would now and then find nothing
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Charging.TestCase.settings = RUNS
TestFamily = Charging.TestCase
Plant = Callable[[pytest.MonkeyPatch], None]


def forget_what_is_lent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        full_turn.FullTurn,
        "others_after",
        lambda self, key, session: tuple(owner.account for owner in self.others.values()),
    )


def keep_what_was_lent(patch: pytest.MonkeyPatch) -> None:
    def unchanged(others: tuple[Account, ...], key: str, now_ns: int) -> tuple[Account, ...]:
        return others

    for module in (endings, engine):
        patch.setattr(module, "given_back", unchanged)


def hold_and_tell_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spending.Spending, "holds", property(lambda self: ()))


def set_nothing_aside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "hold_at", lambda self, index, amount: None)


def debit_only_the_own_account(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(full_turn.FullTurn, "other_postings", lambda self, key: ())


def promise_the_same_twice(patch: pytest.MonkeyPatch) -> None:
    free = Ledger.free_at

    def posted(self: Ledger, index: int) -> int:
        return free(self, index) + self._reserved[index]

    patch.setattr(Ledger, "free_at", posted)


def refund_to_the_caller(patch: pytest.MonkeyPatch) -> None:
    def here(turn: Any, posting: Any) -> int:
        return onetime.reverse(turn.ledger, posting)

    patch.setattr(onetime, "_reverse", here)


def keep_promises_for_ever(patch: pytest.MonkeyPatch) -> None:
    def kept(account: Account, promise: Any, now_ns: int) -> Account:
        return msgspec.structs.replace(
            account, sessions=tuple(each for each in account.sessions if each.key != promise.key)
        )

    for module in (authorize, endings, engine):
        patch.setattr(module, "without_promise", kept)


def release_own_holds_only(patch: pytest.MonkeyPatch) -> None:
    def own(self: full_turn.FullTurn, holds: tuple[Hold, ...]) -> None:
        self.ledger.release(tuple(hold for hold in holds if not hold.account))

    patch.setattr(full_turn.FullTurn, "release", own)


def keep_what_was_charged_beyond_the_total(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "give_back", lambda *arguments: 0)


def give_back_and_tell_no_record(patch: pytest.MonkeyPatch) -> None:
    correct = correction.give_back

    def silent(*arguments: Any) -> int:
        correct(*arguments)
        return 0

    patch.setattr(engine, "give_back", silent)


def lose_what_actions_did(patch: pytest.MonkeyPatch) -> None:
    def kept(self: work.Bench, key: str, ledger: Ledger, entries: Any) -> None:
        self.accounts[key] = msgspec.structs.replace(self.accounts[key], balances=ledger.balances())

    patch.setattr(work.Bench, "_keep", kept)


def lose_what_triggers_did(patch: pytest.MonkeyPatch) -> None:
    follow = following.follow_decision

    def unsaid(before: Account, decision: Any, *arguments: Any) -> Any:
        after, followed = follow(before, decision, *arguments)
        return msgspec.structs.replace(after, other_postings=decision.other_postings), followed

    patch.setattr(family, "follow_decision", unsaid)


def transfer_out_of_nothing(patch: pytest.MonkeyPatch) -> None:
    def gift(self: work.Bench, key: str, action: Any, act: Any, entries: Any) -> None:
        target = work.target_of(action, key)
        account = self.accounts[target]
        more = tuple(msgspec.structs.replace(each, posted=each.posted + 1) for each in account.balances)
        self.accounts[target] = msgspec.structs.replace(account, balances=more)

    patch.setattr(work.Bench, "_transfer", gift)


def charge_anew_without_giving_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rerate, "_give_back", lambda turn, postings: None)


def give_back_as_often_as_asked(patch: pytest.MonkeyPatch) -> None:
    paid = rerate.paid

    def once_more(postings: Any) -> rerate.Paid:
        only = (
            msgspec.structs.replace(
                each, entries=tuple(entry for entry in each.entries if entry.kind is not EntryKind.REFUND)
            )
            for each in postings
        )
        return paid(only)

    patch.setattr(rerate, "paid", once_more)


def lose_refunds_of_what_has_expired(patch: pytest.MonkeyPatch) -> None:
    credit = Ledger.credit

    def unless_expired(self: Ledger, balance_id: str, kind: EntryKind, *rest: Any, **named: Any) -> Any:
        found = self.find(balance_id)
        ends_ns = None if found is None else found.expires_at_ns
        if kind is EntryKind.REFUND and ends_ns is not None and ends_ns <= self.now_ns:
            return None
        return credit(self, balance_id, kind, *rest, **named)

    patch.setattr(Ledger, "credit", unless_expired)


def pay_with_what_has_expired(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "may_pay", lambda self, balance, service, rating_group, held: True)


def fire_once_and_again(patch: pytest.MonkeyPatch) -> None:
    with_mark = triggers._with_mark

    def forgotten(account: Account, group: str, mark: Mark) -> Account:
        return with_mark(account, group, msgspec.structs.replace(mark, executed=False))

    patch.setattr(triggers, "_with_mark", forgotten)


PLANTS = (
    give_back_as_often_as_asked,
    lose_refunds_of_what_has_expired,
    pay_with_what_has_expired,
    fire_once_and_again,
    keep_what_was_charged_beyond_the_total,
    give_back_and_tell_no_record,
    lose_what_actions_did,
    lose_what_triggers_did,
    transfer_out_of_nothing,
    charge_anew_without_giving_back,
    forget_what_is_lent,
    keep_what_was_lent,
    hold_and_tell_nobody,
    set_nothing_aside,
    debit_only_the_own_account,
    promise_the_same_twice,
    refund_to_the_caller,
    keep_promises_for_ever,
    release_own_holds_only,
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_the_machine_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(BaseException):  # noqa: B017 - an assertion, or several of them in a group
        run_state_machine_as_test(Charging, settings=SEARCH)
