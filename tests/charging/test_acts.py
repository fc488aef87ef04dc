"""Claims about what operators do to accounts."""

import pytest

from ocs.charging.account import Account, Balance, Extras, Standing, Terms
from ocs.charging.acts import (
    MOST,
    Act,
    ActError,
    NewAccount,
    TopUp,
    adjust,
    create,
    expire,
    remove_balance,
    set_balance,
    set_extras,
    set_standing,
    top_up,
)
from ocs.charging.entry import Posting
from ocs.charging.events import Unit
from ocs.charging.ledger import check
from tests.support.charging import ALICE, books_text, entries_text, money

ACT = Act("a1", 1000, "ops", "gift")
Outcome = tuple[Account, Posting | None]


def line(outcome: Outcome) -> str:
    changed, posting = outcome
    assert check(changed) == []
    return f"{books_text(changed)} | {entries_text(posting)}"


def test_a_new_account_begins_with_top_ups() -> None:
    topups = (TopUp(100), TopUp(5, Unit.OCTETS, "gift", priority=3, expires_at_ns=9000, rating_groups=(10,)))
    created, posting = create(NewAccount("k", "standard", (ALICE,), topups, 7, 3), ACT)
    assert line((created, posting)) == "gift 5, main 100 | main+100 topup gift+5 topup"
    assert (created.version, created.credit_limit_nanos, created.low_balance_nanos) == (1, 7, 3)
    assert created.balances[0] == Balance("gift", Unit.OCTETS, 5, 0, 3, 9000, (), (10,))
    assert posting is not None
    assert (posting.event_id, posting.kind, posting.by, posting.reason) == ("a1", None, "ops", "gift")


def test_a_new_account_may_begin_with_nothing() -> None:
    created, posting = create(NewAccount("k", "standard"), ACT)
    assert (created.version, created.balances, posting) == (1, (), None)


def test_a_top_up_adds_and_moves_the_expiry() -> None:
    promo = Balance("promo", Unit.MONEY, 5, expires_at_ns=2000)
    assert line(top_up(money(10, promo), TopUp(7), ACT)) == "promo 5, main 17 | main+7 topup"
    changed, _ = top_up(money(10, promo), TopUp(7, balance_id="promo", expires_at_ns=5000), ACT)
    assert changed.balances[0] == Balance("promo", Unit.MONEY, 12, expires_at_ns=5000)
    assert changed.version == 2


def test_an_adjustment_may_take_away() -> None:
    assert line(adjust(money(10), "main", -25, ACT)) == "main -15 | main-25 adjustment"


@pytest.mark.parametrize(
    "topup",
    [
        TopUp(0),
        TopUp(-1),
        TopUp(1, Unit.OCTETS),
        TopUp(1, Unit.TIME, "data"),
        TopUp(MOST + 1),
        TopUp(MOST),
    ],
)
def test_top_ups_that_make_no_sense(topup: TopUp) -> None:
    account = money(10, Balance("data", Unit.OCTETS, 1))
    with pytest.raises(ActError):
        top_up(account, topup, ACT)


def test_adjustments_that_make_no_sense() -> None:
    with pytest.raises(ActError, match="no balance"):
        adjust(money(10), "gone", 1, ACT)
    with pytest.raises(ActError, match="at most"):
        adjust(money(10), "main", -MOST - 1, ACT)


def test_the_main_balance_is_never_anything_but_money() -> None:
    with pytest.raises(ActError, match="holds money"):
        create(NewAccount("k", "standard", topups=(TopUp(1, Unit.EVENTS),)), ACT)


def test_expiry_takes_what_nobody_holds() -> None:
    balances = (
        Balance("held", Unit.MONEY, 10, expires_at_ns=1000),
        Balance("debt", Unit.MONEY, -4, expires_at_ns=1000),
        Balance("late", Unit.MONEY, 10, expires_at_ns=1001),
    )
    changed, posting = expire(money(5, *balances), ACT)
    assert (books_text(changed), entries_text(posting)) == (
        "held 0, debt -4, late 10, main 5",
        "held-10 expiry",
    )
    again, nothing = expire(changed, ACT)
    assert (books_text(again), nothing) == (books_text(changed), None)


def test_standing() -> None:
    barred = set_standing(money(1), Standing.BARRED)
    assert (barred.standing, barred.version) == (Standing.BARRED, 2)


def test_a_balance_is_set_as_it_is_described() -> None:
    weekend = Balance("weekend", Unit.TIME, 60, 0, 5, 9000, (), (), Terms(timings=("weekend",)))
    made, posting = set_balance(money(10), weekend, ACT)
    assert line((made, posting)) == "weekend 60, main 10 | weekend+60 adjustment"
    assert made.balances[0] == weekend
    plain = Balance("weekend", Unit.TIME, 20, terms=Terms())
    changed, posting = set_balance(made, plain, ACT)
    assert line((changed, posting)) == "main 10, weekend 20 | weekend-40 adjustment"
    assert changed.balances[1] == Balance("weekend", Unit.TIME, 20)
    with pytest.raises(ActError):
        set_balance(made, Balance("weekend", Unit.MONEY, 1), ACT)


def test_what_is_held_stays_held_when_a_balance_is_set() -> None:
    account = money(10, Balance("data", Unit.OCTETS, 100, 30))
    changed, _ = set_balance(account, Balance("data", Unit.OCTETS, 50), ACT)
    assert books_text(changed) == "main 10, data 50-30"


def test_a_removed_balance_takes_its_credit_with_it_and_a_held_one_stays() -> None:
    account = money(10, Balance("data", Unit.OCTETS, 100), Balance("held", Unit.OCTETS, 9, 3))
    changed, posting = remove_balance(account, "data", ACT)
    assert books_text(changed) == "held 9-3, main 10"
    assert entries_text(posting) == "data-100 adjustment"
    for name in ("held", "nobody"):
        with pytest.raises(ActError):
            remove_balance(account, name, ACT)


def test_a_top_up_gives_terms_and_takes_them() -> None:
    terms = Terms(destinations=("germany",))
    made, _ = top_up(money(0), TopUp(5, balance_id="b", terms=terms), ACT)
    kept, _ = top_up(made, TopUp(5, balance_id="b"), ACT)
    plain, _ = top_up(made, TopUp(5, balance_id="b", terms=Terms()), ACT)
    found = [account.balances[1].terms for account in (made, kept, plain)]
    assert found == [terms, terms, None]


def test_extras_that_say_nothing_are_none() -> None:
    account = set_extras(money(0), Extras("call"))
    assert (account.extras, account.version) == (Extras("call"), 2)
    assert set_extras(account, Extras()).extras is None
