"""What holds for every debit: no money is made or lost, balances stay above zero, grants stay within limits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ocs.charging.cgrates.account import Account, Snapshot, all_balances
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import COLUMNS, read_texts
from ocs.charging.cgrates.model import Debited, MaxUsage
from ocs.charging.cgrates.plan import Settings
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage
from tests.charging.cgrates.small import Price, S, balance, call, snapshot, tariff_of

PRICES = st.builds(
    "{} {}/{}s/{}s".format,
    st.sampled_from(["0", "0.05", "1.12345"]),
    st.sampled_from(["0", "0.01", "0.1234567", "2.5"]),
    st.sampled_from([1, 7, 60]),
    st.sampled_from([1, 7, 60]),
)
MONEY = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3)), max_size=4)
FREE_VOICE = st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["", "*zero7s"])), max_size=3)
VOICE = st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["", "*zero7s", "own"])), max_size=3)


def _snapshot(money: list[tuple[int, int]], voice: list[tuple[int, str]]) -> Snapshot:
    cash = [
        balance(f"{value / 10**5:.5f}", name=f"m{at}", weight=weight)
        for at, (value, weight) in enumerate(money)
    ]
    units = [
        balance(f"{seconds}s", name=f"v{at}", subject=subject) for at, (seconds, subject) in enumerate(voice)
    ]
    return snapshot(*cash, voice=tuple(units))


def _total_nanos(account: Account) -> int:
    return sum(one.value_nanos for kind, one in all_balances(account) if kind == "*monetary")


@settings(max_examples=200, deadline=None)
@given(PRICES, PRICES, MONEY, VOICE, st.integers(1, 900))
def test_money_taken_is_the_cost_of_the_steps(
    price: str, own: str, money: list[tuple[int, int]], voice: list[tuple[int, str]], seconds: int
) -> None:
    tariff = tariff_of(Price(price), Price(own, subject="own"))
    before = _snapshot(money, voice)
    found = debit_call(before, tariff, call(seconds * S), Settings())
    assert isinstance(found, Debited)
    after = found.accounts.get("t:a", before.accounts["t:a"])
    told = sum(
        steps.cost_nanos * steps.count
        for span in found.paid.spans
        for steps in span.steps
        if steps.payment.money_uid
    )
    assert _total_nanos(before.accounts["t:a"]) - _total_nanos(after) == told
    assert all(one.value_nanos >= 0 for _, one in all_balances(after) if one.balance_id != "*default")


@settings(max_examples=200, deadline=None)
@given(PRICES, MONEY, FREE_VOICE, st.integers(1, 900))
def test_what_is_granted_is_debited_and_no_debt_is_made(
    price: str, money: list[tuple[int, int]], voice: list[tuple[int, str]], seconds: int
) -> None:
    """With priced units it does not hold: their price may become a debt where the dry run found the call free."""
    tariff = tariff_of(Price(price))
    before = _snapshot(money, voice)
    asked = max_usage(before, tariff, call(seconds * S), Settings())
    taken = max_debit(before, tariff, call(seconds * S), Settings())
    assert isinstance(asked, MaxUsage)
    assert isinstance(taken, Debited)
    assert 0 <= asked.usage_ns <= seconds * S
    assert taken.paid.usage_ns >= asked.usage_ns
    after = taken.accounts.get("t:a", before.accounts["t:a"])
    assert all(one.value_nanos >= 0 for _, one in all_balances(after))


@given(st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.text(max_size=200), max_size=5))
def test_no_text_of_a_folder_raises(files: dict[str, str]) -> None:
    rows, problems = read_texts(list(files.items()))
    _, more = compile_tariff(rows)
    assert all(problem.line >= 1 for problem in (*problems, *more))


CELLS = st.sampled_from(
    ["", "*any", "1", "-1", "1e999", "nan", "R", "DR", "60s", "1;x", '{"a":1}', "true", "99:99:99"]
)


@given(st.sampled_from(sorted(COLUMNS)), st.data())
def test_no_cell_of_a_row_raises(name: str, data: st.DataObject) -> None:
    cells = [data.draw(CELLS).replace('"', '""') for _ in COLUMNS[name]]
    rows, problems = read_texts([(name, ",".join(f'"{cell}"' for cell in cells) + "\n")])
    assert problems == ()
    _, more = compile_tariff(rows)
    assert all(str(problem).startswith(f"{name}:1:") for problem in more)
