"""Claims about the ledger: the one place where balances change."""

import pytest

from ocs.charging.account import Account, Balance, Hold, Quota, Session
from ocs.charging.entry import EntryKind
from ocs.charging.events import Unit
from ocs.charging.ledger import Ledger, check, serves, use_order

NOW_NS = 1000


def ledger(*balances: Balance) -> Ledger:
    return Ledger(tuple(sorted(balances, key=use_order)), NOW_NS)


def money(name: str, posted: int, reserved: int = 0, **more: object) -> Balance:
    return Balance(name, Unit.MONEY, posted, reserved, **more)  # type: ignore[arg-type]


def text(books: Ledger) -> str:
    return ", ".join(f"{each.id} {each.posted}-{each.reserved}" for each in books.balances())


def draw(books: Ledger, nanos: int, floor_nanos: int | None = None, held: tuple[Hold, ...] = ()) -> list[int]:
    indexes = books.usable(Unit.MONEY, "data", 10, held)
    books.draw_money(indexes, nanos, 10, Unit.OCTETS, nanos, "rule", 0, floor_nanos)
    return [entry.amount for entry in books.entries]


def test_higher_priority_then_earlier_expiry_is_used_first() -> None:
    late, soon = money("late", 1, expires_at_ns=9000), money("soon", 1, expires_at_ns=5000)
    first, last = money("first", 1, priority=5), money("last", 1, priority=-1)
    order = sorted((last, late, money("main", 1), soon, first), key=use_order)
    assert [each.id for each in order] == ["first", "soon", "late", "main", "last"]


@pytest.mark.parametrize(
    ("balance", "is_usable"),
    [
        (money("a", 1), True),
        (money("a", 1, services=("voice", "data")), True),
        (money("a", 1, services=("voice",)), False),
        (money("a", 1, rating_groups=(10,)), True),
        (money("a", 1, rating_groups=(11,)), False),
        (Balance("a", Unit.OCTETS, 1), False),
        (money("a", 1, expires_at_ns=NOW_NS + 1), True),
        (money("a", 1, expires_at_ns=NOW_NS), False),
    ],
)
def test_which_balances_may_pay(balance: Balance, is_usable: bool) -> None:
    assert bool(ledger(balance).usable(Unit.MONEY, "data", 10)) is is_usable
    if balance.expires_at_ns is None:
        assert serves(balance, Unit.MONEY, "data", 10) is is_usable


def test_holding_takes_no_more_than_there_is() -> None:
    books = ledger(money("a", 10, 4, priority=1), money("b", 5))
    assert books.hold([0, 1], 20) == (11, (Hold("a", 6), Hold("b", 5)))
    assert books.hold([0, 1], 1) == (0, ())
    assert text(books) == "a 10-10, b 5-5"


def test_holding_beyond_goes_to_the_last_balance() -> None:
    books = ledger(money("a", 10, priority=1), money("b", 5))
    held, holds = books.hold([0, 1], 20, beyond=True)
    assert (held, holds) == (20, (Hold("a", 10), Hold("b", 5), Hold("b", 5)))
    books.release(holds)
    assert text(books) == "a 10-0, b 5-0"


def test_overdrawn_balances_count_against_the_others() -> None:
    assert ledger(money("a", -5, priority=1), money("b", 12, 3)).free_amount([0, 1]) == 4


@pytest.mark.parametrize(
    ("floor_nanos", "entries", "after"),
    [
        (None, [-10, -5, -15], "a 0-0, b -15-0"),
        (0, [-10, -5, -15], "a 0-0, b 0-0"),
        (-6, [-10, -5, -6, -9], "a 0-0, b -6-0"),
    ],
)
def test_what_cannot_be_paid_overdraws_the_last_down_to_the_floor(
    floor_nanos: int | None, entries: list[int], after: str
) -> None:
    books = ledger(money("a", 10, priority=1), money("b", 5))
    assert draw(books, 30, floor_nanos) == entries
    assert text(books) == after
    assert (books.entries[-1].kind is EntryKind.WRITE_OFF) is (floor_nanos is not None)


def test_entries_count_units_once_and_carry_the_balance_after() -> None:
    books = ledger(money("a", 10, priority=1), money("b", 50))
    draw(books, 30)
    assert [(entry.units, entry.after) for entry in books.entries] == [(30, 0), (0, 30)]


def test_a_debit_without_balances_makes_the_main_one() -> None:
    books = ledger()
    assert draw(books, 7) == [-7]
    assert text(books) == "main -7-0"


def test_an_expired_balance_pays_what_was_promised() -> None:
    promo = money("promo", 100, 30, priority=1, expires_at_ns=NOW_NS)
    books = ledger(promo, money("main", 50))
    books.release((Hold("promo", 30),))
    assert draw(books, 40, held=(Hold("promo", 30),)) == [-30, -10]
    assert books.money_free_nanos() == 40


def test_units_are_drawn_as_far_as_they_go() -> None:
    books = ledger(Balance("a", Unit.OCTETS, 10, 3), Balance("b", Unit.OCTETS, 4))
    assert books.draw_units(books.usable(Unit.OCTETS, "data", 10), Unit.OCTETS, 20, 10, "bundle") == 11
    assert text(books) == "a 3-3, b 0-0"


def test_moving_an_expiry_keeps_money_and_holds_and_moves_the_balance() -> None:
    books = ledger(money("a", 5, 1, expires_at_ns=2000), money("b", 6, expires_at_ns=3000))
    books.extend("a", 4000)
    assert text(books) == "b 6-0, a 5-1"
    assert books.balances()[1].expires_at_ns == 4000


def test_unchanged_balances_are_the_same_objects() -> None:
    balances = (money("a", 5),)
    assert Ledger(balances, NOW_NS).balances() is balances


def test_a_hold_on_nothing_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="lacks"):
        ledger().release((Hold("gone", 1),))


def test_check_names_what_is_wrong() -> None:
    quota = Quota(10, (), Unit.OCTETS, holds=(Hold("a", 3), Hold("gone", 1)))
    session = Session("k", "c", "s", "data", "p", 0, 0, 0, 0, quotas=(quota,))
    account = Account("x", "p", (money("a", 5, 4), money("b", 1)), (session,))
    assert check(account) == [
        "balance a: 4 reserved, but holds sum to 3",
        "held on unknown balance gone: 1",
    ]
