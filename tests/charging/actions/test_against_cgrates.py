"""The same rows of Actions.csv on both cores: where the rules are the same, so are the balances.

Money and data, balances with tags, whole amounts. What differs by rule (docs/tariffs.md) is left out: rows without
tags, ends that are relative, removing what a reset has left without a name there.
"""

from hypothesis import assume, given
from hypothesis import strategies as st

from ocs.charging import account as exact
from ocs.charging.actions.work import Bench
from ocs.charging.acts import Act, ActError
from ocs.charging.cgrates import account as cgrates
from ocs.charging.cgrates.actions import Moment, execute
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.cgrates.plan import Settings
from ocs.charging.events import Unit
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from tests.charging.tariff.test_import_cgrates import FILES

NOW_NS = 1_780_000_000 * 10**9
NANOS = 10**9
Row = tuple[str, str, str, int]

ROWS = st.one_of(
    st.tuples(
        st.sampled_from(
            ["*topup", "*topup_reset", "*debit", "*debit_reset", "*set_balance", "*remove_balance"]
        ),
        st.sampled_from(["*monetary", "*data"]),
        st.sampled_from(["x", "y"]),
        st.integers(1, 50),
    ),
    st.tuples(st.sampled_from(["*reset_account"]), st.just(""), st.just(""), st.just(0)),
    st.tuples(st.just("*transfer_monetary_default"), st.just("*monetary"), st.just(""), st.just(0)),
    st.tuples(
        st.sampled_from(["*allow_negative", "*deny_negative", "*disable_account", "*enable_account"]),
        st.just(""),
        st.just(""),
        st.just(0),
    ),
)


def text(rows: list[Row]) -> str:
    """One set, the first row the heaviest."""
    lines = []
    for number, (kind, balance, tag, units) in enumerate(rows):
        name = f"{tag}{balance.lstrip('*')}" if tag else ""
        cells = ["SET", kind, "", "", name, balance, *[""] * 6, str(units) if units else "", *[""] * 3]
        lines.append(",".join([*cells, str(100 - number)]))
    return "\n".join(lines) + "\n"


def by_cgrates(rows: list[str]) -> tuple[dict[str, float], bool, bool, list[bool]]:
    """Balances that are not empty, whether money may be owed, whether it is disabled, and which sets were done."""
    account, done = cgrates.Account("t:a"), []
    for number, actions in enumerate(rows):
        found, problems = read_texts([("Actions.csv", actions)])
        tariff, more = compile_tariff(found)
        assert (problems, more) == ((), ())
        moment = Moment(Settings(), NOW_NS, f"r{number}")
        changed = execute({"t:a": account}, "t:a", "SET", tariff, moment)
        done.append(not changed.error)
        account = changed.accounts.get("t:a") or account
    held = {
        "main" if one.balance_id == cgrates.DEFAULT_ID else one.balance_id: one.value_nanos / NANOS
        for _, one in cgrates.all_balances(account)
        if one.value_nanos
    }
    return held, account.allows_negative, account.is_disabled, done


def by_exact(rows: list[str]) -> tuple[dict[str, float], bool, bool, list[bool]]:
    """The same on the exact core."""
    bench, done = Bench({"t:a": exact.Account("t:a", "t:*any")}, "UTC"), []
    for number, actions in enumerate(rows):
        tariff, findings = read_cgrates({**FILES, "Actions.csv": actions}.items(), ImportOptions())
        assert tariff is not None, findings
        try:
            bench.run("t:a", tariff.accounting.sets["SET"], Act(f"r{number}", NOW_NS, "test"))
        except ActError:
            done.append(False)
        else:
            done.append(True)
    account = bench.accounts["t:a"]
    held = {
        one.id: one.posted / NANOS if one.unit is Unit.MONEY else one.posted
        for one in account.balances
        if one.posted
    }
    return held, account.credit_limit_nanos is None, account.standing is exact.Standing.BARRED, done


@given(st.lists(st.lists(ROWS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_equal_rows_leave_equal_balances(sets: list[list[Row]]) -> None:
    kinds = {kind for one in sets for kind, *_ in one}
    assume(not kinds >= {"*reset_account", "*remove_balance"})
    rows = [text(one) for one in sets]
    assert by_exact(rows) == by_cgrates(rows)
