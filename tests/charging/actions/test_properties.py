"""Whatever actions do: balances are the sum of their entries, holds stay held, and transfers make no money."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.account import Account, Balance, Hold, Quota, Session
from ocs.charging.actions.model import Action, ActionSet, Do
from ocs.charging.actions.work import Bench
from ocs.charging.acts import Act, ActError
from ocs.charging.entry import EntryKind
from ocs.charging.events import Unit
from ocs.charging.ledger import check

NOW_NS = 1_780_000_000 * 10**9
NAMES = st.sampled_from(["main", "gift", "data"])
UNITS = {"main": Unit.MONEY, "gift": Unit.MONEY, "data": Unit.OCTETS}


@st.composite
def balances(draw: Any) -> tuple[Balance, ...]:
    """Some balances, of which something may be held, and some may have ended."""
    found = []
    for name in draw(st.sets(NAMES)):
        reserved = draw(st.integers(0, 50))
        ends = draw(st.sampled_from([None, NOW_NS, NOW_NS + 1]))
        found.append(Balance(name, UNITS[name], draw(st.integers(-20, 100)), reserved, 0, ends))
    return tuple(found)


def account(key: str, held: tuple[Balance, ...]) -> Account:
    """An account whose only session holds what is reserved."""
    holds = tuple(Hold(balance.id, balance.reserved) for balance in held)
    quota = Quota(1, (), Unit.OCTETS, holds=holds)
    session = Session("c|s", "c", "s", "data", "standard", 0, 0, 0, 0, quotas=(quota,))
    return Account(key, "standard", held, (session,), credit_limit_nanos=5, version=1)


ACTIONS = st.builds(
    lambda do, name, amount, flags, expires, to: Action(
        do,
        name,
        UNITS[name],
        amount,
        flags & 1 > 0,
        flags & 2 > 0,
        flags & 4 > 0,
        expires=expires,
        to_account=to,
        to_balance="data" if name == "data" else "main",
    ),
    st.sampled_from(list(Do)),
    NAMES,
    st.integers(0, 120),
    st.integers(0, 7),
    st.sampled_from(["", "+1d", "never", "now"]),
    st.sampled_from(["", "b", "t:b", "t:none"]),
)


@given(balances(), balances(), st.lists(st.lists(ACTIONS, max_size=5), max_size=4))
def test_books_stay_right(
    one: tuple[Balance, ...], other: tuple[Balance, ...], sets: list[list[Action]]
) -> None:
    before = {"t:a": account("t:a", one), "t:b": account("t:b", other)}
    bench = Bench(before, "UTC")
    for number, actions in enumerate(sets):
        kept, postings = dict(bench.accounts), list(bench.postings)
        try:
            bench.run("t:a", ActionSet("s", tuple(actions)), Act(f"r{number}", NOW_NS, "test"))
        except ActError:
            assert (bench.accounts, bench.postings) == (kept, postings), "a set that fails does nothing"
    sums: dict[tuple[str, str], int] = {}
    moved: dict[Unit, int] = {}
    for posting in bench.postings:
        for entry in posting.entries:
            place = posting.account, entry.balance_id
            sums[place] = sums.get(place, 0) + entry.amount
            if entry.kind is EntryKind.TRANSFER:
                moved[entry.balance_unit] = moved.get(entry.balance_unit, 0) + entry.amount
    assert not any(moved.values()), "a transfer takes what it gives"
    for key, after in bench.accounts.items():
        assert check(after) == [], "what sessions hold stays held"
        now = {balance.id: balance.posted for balance in after.balances}
        was = {balance.id: balance.posted for balance in before[key].balances}
        for name in {*now, *was}:
            assert now.get(name, 0) - was.get(name, 0) == sums.get((key, name), 0)
    assert all(changed.version == 2 for changed in bench.changed().values())
