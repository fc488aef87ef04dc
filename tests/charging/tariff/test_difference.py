"""What changes between two tariffs, line by line."""

import pytest

from ocs.charging.events import Unit
from ocs.charging.tariff.difference import differences, units_text
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.yaml_reader import read_yaml

BASE = """currency: EUR
destinations: {de: ["49"], fr: ["33"]}
windows: {day: {from: "08:00", to: "18:00"}}
rates:
  r: {price: "0.10", per: 1m, increment: 1s}
  s: {price: "0.20", per: 1m, increment: 1s}
plans:
  p:
    voice:
      - {name: germany, to: de, rate: r}
      - {name: france, to: fr, rate: r}
"""


def read(text: str) -> Tariff:
    tariff, problems = read_yaml(text, "t.yaml")
    assert tariff is not None, problems
    return tariff


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"0.10"', '"0.10"', []),
        (
            '"0.10"',
            '"0.12"',
            ["~ rate r: 0.10/1m by 1s -> 0.12/1m by 1s   (p/voice/germany, p/voice/france)"],
        ),
        ("to: fr, rate: r", "to: fr, rate: s", ["~ rule p/voice/france: to fr rate r -> to fr rate s"]),
        (
            "to: fr, rate: r",
            "to: fr, rate: r, windows: [{during: day, free: true}]",
            ["~ rule p/voice/france: to fr rate r -> to fr free in day; rate r"],
        ),
        (
            "      - {name: france, to: fr, rate: r}\n",
            "",
            ["- rule p/voice/france: to fr rate r [0.10/1m by 1s]"],
        ),
        (
            "  p:\n",
            "  q: {sms: {name: x, rate: {price: '1'}}}\n  p:\n",
            ["+ plan q: always", "+ rule q/sms/x: rate x [1.00/1 by 1]"],
        ),
        ('["33"]', '["33", "331"]', ["~ destination fr: nothing -> 331"]),
        ('["33"]', '["34"]', ["~ destination fr: 33 -> 34"]),
        ("EUR", "USD", ["~ currency : EUR -> USD"]),
        (
            "increment: 1s}\n  s",
            "increment: 1s, max_cost: {amount: '3'}, rounding: {decimals: 2}, connect_fee: '0.05'}\n  s",
            [
                "~ rate r: 0.10/1m by 1s -> 0.10/1m by 1s, fee 0.05, rounded up to 2 decimals, at most 3.00, "
                "then free   (p/voice/germany, p/voice/france)"
            ],
        ),
    ],
)
def test_a_change_is_told_in_one_line(old: str, new: str, expected: list[str]) -> None:
    assert old in BASE
    found = differences(read(BASE), read(BASE.replace(old, new, 1)))
    assert [str(change) for change in found] == expected


@pytest.mark.parametrize(
    ("units", "unit", "expected"),
    [
        (0, Unit.TIME, "0s"),
        (3_725 * 10**9, Unit.TIME, "1h2m5s"),
        (5, Unit.TIME, "5ns"),
        (10**8, Unit.OCTETS, "100MB"),
        (2048, Unit.OCTETS, "2KiB"),
        (1, Unit.OCTETS, "1B"),
        (3, Unit.EVENTS, "3"),
    ],
)
def test_units_are_exact(units: int, unit: Unit, expected: str) -> None:
    assert units_text(units, unit) == expected


ACTIONS = """actions:
  fee: {debit: {money: "1.00"}}
  gift: {top_up: {money: "5.00"}, balance: gift, expires: month_end}
action_plans: {monthly: [{run: fee, every: month}]}
triggers: {safety: {id: low, at_most: {money: "2.00"}, run: gift}}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("1.00", "1.00", []),
        ("1.00", "1.50", ["~ actions fee: debit 1.00 of main -> debit 1.50 of main"]),
        (
            "every: month",
            "at: asap",
            ["~ action plan monthly: fee: *monthly_estimated -> fee: *asap"],
        ),
        (
            "run: gift",
            "run: fee",
            [
                "~ triggers safety: any money balance at most 2.00 runs gift -> any money balance at most 2.00",
            ],
        ),
        (
            '"2.00"}, run: gift}}',
            '"2.00"}, run: gift}, more: {ended: money, run: fee}}',
            ["+ triggers more: any"],
        ),
        (
            "month_end",
            "never",
            ["~ actions gift: top up 5.00 of gift, until month_end -> top up 5.00 of gift, until"],
        ),
    ],
)
def test_what_changes_about_accounts_is_told(old: str, new: str, expected: list[str]) -> None:
    found = [
        str(change) for change in differences(read(BASE + ACTIONS), read(BASE + ACTIONS.replace(old, new)))
    ]
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found


def test_a_rule_that_names_a_rate_at_several_hours_is_told_once() -> None:
    twice = BASE.replace("to: fr, rate: r", "to: fr, rate: r, windows: [{during: day, rate: r}]")
    found = differences(read(twice), read(twice.replace('"0.10"', '"0.12"')))
    assert [str(each) for each in found] == [
        "~ rate r: 0.10/1m by 1s -> 0.12/1m by 1s   (p/voice/germany, p/voice/france)"
    ]
