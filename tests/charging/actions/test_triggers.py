"""Triggers: thresholds of balances and of use, recurrence, order, and changes that become durable together."""

from typing import Any

import msgspec
import pytest

from ocs.charging.account import Account, Balance, Extras, Mark, Watched
from ocs.charging.actions.assign import unwatch, watch
from ocs.charging.actions.model import Accounting, Action, ActionSet, Do, Trigger, Watches
from ocs.charging.actions.triggers import Followed, Use, follow, next_end_ns, others_of
from ocs.charging.entry import Entry, EntryKind
from ocs.charging.events import Unit

NOW_NS = 1_780_000_000 * 10**9
VOICE = Use("voice", "", "49155")
SETS = {
    "gift": ActionSet("gift", (Action(Do.TOP_UP, "gift", amount=5),)),
    "fail": ActionSet("fail", (Action(Do.TOP_UP, "gift", amount=5), Action(Do.REMOVE, "none"))),
    "send": ActionSet("send", (Action(Do.TRANSFER, amount=1, to_account="t:b"),)),
}


def trigger(watches: Watches = Watches.AT_MOST, amount: int = 2, **fields: Any) -> Trigger:
    """A trigger `low` on money that gives 5."""
    return Trigger(**{"id": "low", "watches": watches, "actions": "gift", "amount": amount, **fields})


def account(posted: int, *marks: Mark, reserved: int = 0) -> Account:
    """An account with one money balance."""
    extras = Extras(watched=(Watched("g", marks),))
    return Account(
        "t:a", "standard", (Balance("main", Unit.MONEY, posted, reserved),), extras=extras, version=3
    )


def change(
    before: Account,
    after: Account,
    *triggers: Trigger,
    entries: tuple[Entry, ...] = (),
    use: Use = VOICE,
    now_ns: int = NOW_NS,
) -> Followed | None:
    """What a change sets off."""
    rules = Accounting(sets=SETS, triggers={"g": triggers})
    accounts = {"t:a": after, "t:b": Account("t:b", "standard")}
    return follow(
        before, accounts, entries, use, rules, now_ns, "e1", lambda called, names: called[:2] in names
    )


def fires(before: Account, after: Account, *triggers: Trigger, **how: Any) -> bool:
    followed = change(before, after, *triggers, **how)
    return followed is not None and bool(followed.fired)


def marks(followed: Followed | None) -> tuple[Mark, ...]:
    assert followed is not None
    extras = followed.accounts["t:a"].extras
    assert extras is not None
    return extras.watched[0].marks


def taken(amount: int, unit: Unit = Unit.MONEY, kind: EntryKind = EntryKind.DEBIT) -> Entry:
    return Entry(kind, "main", unit, -amount, 0)


def test_an_account_without_triggers_is_left_alone() -> None:
    plain = Account("t:a", "standard")
    assert change(plain, plain, trigger()) is None
    assert watch(watch(plain, "g"), "g") == watch(plain, "g")
    assert unwatch(watch(plain, "g"), "g") == plain


def test_a_low_balance_runs_once() -> None:
    followed = change(account(9), account(2), trigger())
    assert followed is not None
    assert [balance.posted for balance in followed.accounts["t:a"].balances] == [2, 5]
    assert (followed.postings[0].by, followed.postings[0].event_id) == ("trigger g/low", "trigger|g|low|e1")
    assert followed.accounts["t:a"].version == 3
    again = msgspec.structs.replace(account(1), extras=followed.accounts["t:a"].extras)
    assert change(account(9), again, trigger()) is None


@pytest.mark.parametrize(
    ("watches", "before", "after", "expected"),
    [
        (Watches.AT_MOST, account(9), account(3), False),
        (Watches.AT_MOST, account(2), account(2), False),
        (Watches.AT_MOST, account(9), account(9, reserved=7), True),
        (Watches.AT_LEAST, account(1), account(2), True),
        (Watches.AT_LEAST, account(1), account(1), False),
    ],
)
def test_what_is_free_on_a_changed_balance_counts(
    watches: Watches, before: Account, after: Account, expected: bool
) -> None:
    assert fires(before, after, trigger(watches)) == expected


def test_an_ended_balance_is_seen() -> None:
    ended = msgspec.structs.replace(
        account(1), balances=(Balance("main", Unit.MONEY, 1, expires_at_ns=NOW_NS),)
    )
    assert fires(ended, ended, trigger(Watches.EXPIRED))
    assert not fires(ended, ended, trigger(Watches.EXPIRED), now_ns=NOW_NS - 1)


def test_a_recurring_trigger_runs_once_for_every_balance_that_ends() -> None:
    recurring = trigger(Watches.EXPIRED, recurs=True, min_sleep_ns=10)
    rules = Accounting(sets=SETS, triggers={"g": (recurring,)})
    ends = (
        Balance("x", Unit.MONEY, 1, expires_at_ns=NOW_NS),
        Balance("y", Unit.MONEY, 1, expires_at_ns=NOW_NS + 5),
    )
    fresh = msgspec.structs.replace(account(1), balances=ends)
    assert next_end_ns(fresh, rules) == NOW_NS
    asleep = msgspec.structs.replace(account(1, Mark("low", False, NOW_NS)), balances=ends)
    assert next_end_ns(asleep, rules) == NOW_NS + 10
    assert not fires(asleep, asleep, recurring, now_ns=NOW_NS + 9)
    assert fires(asleep, asleep, recurring, now_ns=NOW_NS + 10)
    done = msgspec.structs.replace(account(1, Mark("low", False, NOW_NS + 10)), balances=ends)
    assert next_end_ns(done, rules) is None
    assert not fires(done, done, recurring, now_ns=NOW_NS + 10**12)


def test_recurring_triggers_sleep_and_all_have_their_time() -> None:
    recurring = trigger(recurs=True, min_sleep_ns=60, from_ns=NOW_NS - 5, until_ns=NOW_NS + 100)
    asleep = account(1, Mark("low", False, NOW_NS - 59))
    awake = account(1, Mark("low", False, NOW_NS - 60))
    assert not fires(account(9), asleep, recurring)
    assert fires(account(9), awake, recurring)
    assert not marks(change(account(9), awake, recurring))[0].executed
    assert not fires(account(9), account(1), recurring, now_ns=NOW_NS - 6)
    assert not fires(account(9), account(1), recurring, now_ns=NOW_NS + 100)


def test_use_is_counted_until_it_is_enough() -> None:
    counting = trigger(Watches.USED_AT_LEAST, 5, services=("voice",), destinations=("49",))
    first = change(account(9), account(6), counting, entries=(taken(3),))
    assert (marks(first), first.fired if first else None) == ((Mark("low", counted=3),), ())
    assert change(account(9), account(6), counting, entries=(taken(3),), use=Use("sms", "", "49")) is None
    assert change(account(9), account(6), counting, entries=(taken(3),), use=Use("voice", "", "33")) is None
    assert change(account(9), account(6), counting, entries=(taken(3, Unit.OCTETS),)) is None
    second = change(account(9), account(6, *marks(first)), counting, entries=(taken(2),))
    assert marks(second) == (Mark("low", True, NOW_NS, 5),)
    refunded = change(
        account(9), account(6, *marks(first)), counting, entries=(taken(-9, kind=EntryKind.REFUND),)
    )
    assert marks(refunded) == (Mark("low", counted=0),)


def test_a_set_that_fails_changes_nothing_and_counts_as_run() -> None:
    followed = change(account(9), account(1), trigger(actions="fail"))
    assert followed is not None
    assert followed.fired[0].error == "fail: there is no balance none"
    assert len(followed.accounts["t:a"].balances) == 1
    assert marks(followed)[0].executed
    [note] = followed.postings
    assert (note.entries, note.reason) == ((), "fail, not done: fail: there is no balance none")


def test_the_heavier_trigger_comes_first_and_the_lighter_sees_its_work() -> None:
    full = trigger(Watches.AT_LEAST, 5, id="full", balance_id="gift", actions="none")
    followed = change(account(9), account(1), full, trigger(weight=10))
    assert followed is not None
    assert [(one.trigger, one.error) for one in followed.fired] == [
        ("low", ""),
        ("full", "there are no actions none"),
    ]


def test_a_trigger_may_pay_another_account() -> None:
    paying = trigger(actions="send")
    followed = change(account(9), account(1), paying)
    assert followed is not None
    assert followed.accounts["t:b"].balances[0].posted == 1
    assert others_of(account(9), Accounting(sets=SETS, triggers={"g": (paying,)})) == {"t:b"}
