"""Action sets: order, failure as a whole, filters, and what is left to others."""

import pytest

from ocs.charging.cgrates.account import Account, Balance
from ocs.charging.cgrates.actions import Changed, Moment, execute, set_balance
from ocs.charging.cgrates.actions_model import Action, BalanceFilter
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.cgrates.formula import incremental_nanos
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.values import instant_ns
from tests.charging.cgrates.small import balance, held

NOW_NS = instant_ns("2025-03-05T10:00:00Z")
MOMENT = Moment(Settings(), NOW_NS, "r1")


def _tariff(*rows: str) -> Tariff:
    """Actions of one set from `kind|parameters|filters|id|type|expiry|units|weight`."""
    lines = []
    for row in rows:
        kind, parameters, filters, name, balance_kind, expiry, units, weight = row.split("|")
        cells = [
            "SET",
            kind,
            parameters,
            filters,
            name,
            balance_kind,
            "",
            "",
            "",
            "",
            expiry,
            "",
            units,
            "",
            "",
            "",
        ]
        lines.append(",".join([*cells, weight]))
    found, problems = read_texts([("Actions.csv", "\n".join(lines) + "\n")])
    tariff, more = compile_tariff(found)
    assert (problems, more) == ((), ())
    return tariff


def _run(account: Account, tariff: Tariff) -> Changed:
    return execute({"t:a": account, "t:b": Account("t:b")}, "t:a", "SET", tariff, MOMENT)


def _after(changed: Changed) -> Account:
    account = changed.accounts["t:a"]
    assert account is not None
    return account


def test_heaviest_action_runs_first() -> None:
    tariff = _tariff("*topup|||main|*monetary||5|10", "*topup_reset|||main|*monetary||2|20")
    assert held(_after(_run(Account("t:a", {"*monetary": (balance("9", name="main"),)}), tariff))) == [7]


def test_a_failing_action_undoes_the_set() -> None:
    tariff = _tariff("*topup|||main|*monetary||5|20", "*remove_balance|||other|*monetary|||10")
    changed = _run(Account("t:a"), tariff)
    assert (changed.error, changed.accounts) == ("PARTIALLY_EXECUTED", {})


def test_an_unknown_set_is_not_found() -> None:
    assert execute({"t:a": Account("t:a")}, "t:a", "NONE", Tariff(), MOMENT).error == "NOT_FOUND"


def test_filtered_actions_are_passed_over_and_outside_ones_come_back() -> None:
    tariff = _tariff(
        "*topup||*string:~*req.ID:x|main|*monetary||5|30",
        "*http_post|http://x|||||| 20",
        "*allow_negative|||||||10",
    )
    changed = _run(Account("t:a"), tariff)
    assert _after(changed) == Account("t:a", {}, allows_negative=True)
    assert [action.kind for action in changed.effects] == ["*http_post"]

    def passes(action: Action, account: Account) -> bool:
        return True

    passed = execute({"t:a": Account("t:a")}, "t:a", "SET", tariff, MOMENT, passes)
    assert held(_after(passed)) == [5]


def test_a_relative_expiry_never_matches_what_is_there() -> None:
    tariff = _tariff("*topup||||*monetary|+24h|5|10")
    first = _after(_run(Account("t:a"), tariff))
    later = Moment(Settings(), NOW_NS + 1, "r2")
    second = _after(execute({"t:a": first}, "t:a", "SET", tariff, later))
    assert held(second) == [5, 5]
    ends = [one.expires_ns for one in second.balances["*monetary"]]
    assert ends == [NOW_NS + 86400 * 10**9, NOW_NS + 1 + 86400 * 10**9]


def test_resetting_an_account_leaves_one_nameless_balance_per_kind() -> None:
    before = Account("t:a", {"*monetary": (balance("9"), balance("8")), "*sms": (balance("1"),)})
    after = _after(_run(before, _tariff("*reset_account|||||||10")))
    assert {kind: held(after, kind) for kind in after.balances} == {"*monetary": [0], "*sms": [0]}
    assert len({one.uid for found in after.balances.values() for one in found}) == 2


def test_money_is_collected_on_the_default_balance() -> None:
    before = Account("t:a", {"*monetary": (balance("9", name="x"), balance("1", name="*default"))})
    after = _after(_run(before, _tariff("*transfer_monetary_default||||*monetary|||10")))
    assert held(after) == [0, 10]


def test_a_set_may_pay_another_account() -> None:
    parameters = '"{""DestinationAccountID"":""b"",""DestinationBalanceID"":""gift""}"'
    tariff = _tariff(f"*transfer_balance|{parameters}||main|*monetary||4|10")
    changed = _run(Account("t:a", {"*monetary": (balance("9", name="main"),)}), tariff)
    friend = changed.accounts["t:b"]
    assert friend is not None
    assert (held(_after(changed)), held(friend)) == ([5], [4])


def test_a_removed_account_is_none() -> None:
    assert _run(Account("t:a"), _tariff("*remove_account|||||||10")).accounts == {"t:a": None}


@pytest.mark.parametrize(("removes", "left"), [(True, ["b", "c"]), (False, ["a", "b", "c"])])
def test_the_second_of_two_ended_neighbours_stays(removes: bool, left: list[str]) -> None:
    ended = [Balance(name, name, expires_ns=NOW_NS if name in "ab" else None) for name in "abc"]
    moment = Moment(Settings(remove_expired=removes), NOW_NS, "r1")
    account = Account("t:a", {"*monetary": tuple(ended)})
    after = _after(set_balance(account, "*monetary", BalanceFilter(balance_id="c"), 1, moment))
    assert [one.balance_id for one in after.balances["*monetary"]] == left


def test_a_balance_is_set_by_its_id_only() -> None:
    assert set_balance(Account("t:a"), "*monetary", BalanceFilter(), 1, MOMENT).error.startswith(
        "MANDATORY_IE_MISSING"
    )


@pytest.mark.parametrize(
    ("interval", "increment", "nanos"),
    [
        ("month", "day", 10**10 // 31),
        ("week", "day", 10**10 // 7 + 1),
        ("day", "hour", 416_666_667),
        ("day", "moon", None),
    ],
)
def test_formula_gives_the_part_of_an_increment(interval: str, increment: str, nanos: int | None) -> None:
    params = f'{{"Units":10,"Interval":"{interval}","Increment":"{increment}"}}'
    found = incremental_nanos(f'{{"Method":"*incremental","Params":{params}}}', NOW_NS)
    assert found == nanos


def test_formula_of_an_action_is_evaluated_when_it_runs() -> None:
    formula = '{"Method":"*incremental","Params":{"Units":62,"Interval":"month","Increment":"day"}}'
    action = Action("SET", "*topup", "", (), BalanceFilter("main", "*monetary", units_formula=formula), 10)
    tariff = Tariff(actions={"SET": (action,)})
    assert held(_after(_run(Account("t:a"), tariff))) == [2]
