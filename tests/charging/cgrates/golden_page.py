"""Writes docs/golden.md, how far we agree with recorded answers: `python -m tests.charging.cgrates.golden_page`."""

import json
from pathlib import Path
from typing import Any

from tests.charging.cgrates.golden import EXCEPTIONS, KINDS, compare
from tests.charging.published import COMPAT, EXACT, NOT_COMPAT, NOT_EXACT, NUMBERS, proven

PAGE = Path(__file__).parents[3] / "docs" / "golden.md"
LEVELS = (("rating", 1), ("rating", 2), ("debit", 1), ("debit", 2), ("session", 1), ("action", 1))
WHAT = {
    "rating": "cost of a call, no account",
    "debit": "usage, debits and authorizations on accounts with several balances",
    "session": "sessions, messages, charging records",
    "action": "action sets, balance calls, transfers, full account state",
}
INTRO = """# Agreement with CGRateS

`rounding: cgrates`, and so `ocs cgrates`, gives the figures of CGRateS (v0.11 development head, June 2026).
195 worlds were recorded on a running engine: a tariff folder, accounts made by seeded generators, and what
the engine answered, step by step. They are in `tests/vectors/golden`; its README has the format. The tests
replay every step and compare it on the grid of the engine's `rounding_decimals`:

- *level 1*: errors, costs, usage, replies of session calls, every balance after the step, and charging
  records but for their cost details;
- *level 2*: also the increments (length, cost, count), their compression, the matched prefix, and the times
  of spans.

This page is written by `python -m tests.charging.cgrates.golden_page`; a test compares it with the
recordings, and another fails on any difference that is not in the table below.
"""
RULE = """## What differs: debts

**The engine's defect.** It keeps balances as doubles and rounds after every debit. The fraction of a
negative number is negative, so each of its rounding methods takes a value below zero to the next *lower*
step. Where a double lies a residue under the grid, -0.051 held as -5100.0000001 steps of 10^-5, it becomes
-0.05101: a debt grows by up to one step per increment beyond its price. A voice debit of 9.95 in 1 000
increments leaves `*default` at -9.95021.

**Ours.** A debt is what was used: -9.95. Above zero the figures are the same.
`plan.Settings.drifts_below_zero` copies the engine's loss as well, and with it every step of every group
agrees; a test holds that, so that the table has this one cause and no other. `ocs cgrates` has it switched on:
who puts it in the place of an engine wants the engine's figures, through its methods every step agrees.

Other defects of the engine are reproduced: connect fees that count once per merged span, `*free` caps that
add their total again, later activations that do not change the price, reports and refunds distorted by
shared increments, free use where a price rounds to zero, failing actions of a trigger that leave it
executed. Where the engine itself ends (a price missing in the middle of a call, a plan without any
interval), there is no recording; we answer `UNAUTHORIZED_DESTINATION`.

"""
ALONE = """## From the rules alone

`ocs/charging/cgrates` is a description of the engine's rules as code, written from that text and not from the
engine's: pure, with a model of its own, and nothing of the exact core but how money is written. So the text
suffices: with `drifts_below_zero` every answer is the recorded one, defects included.
`python -m tests.charging.cgrates.golden` counts them again.

| recordings | level | steps | equal |
|---|---|---|---|
"""
PUBLISHED = """## Published results

The engine's own tests publish what calls, debits and sessions are to come to. 93 of these results, by number,
and the tests that hold them: in `rounding: cgrates`, and in exact arithmetic, where the expected value is
computed by fractions in the test. A test fails if a number has neither a test nor a reason.

What is published and not reached:

- **55** (a data bundle of 0 and 160 of money, 80 units at 2 each in increments of 60): published is that no
  money is left. An increment costs 120 and 160 pay for one, so 40 are left, in both modes. To leave none, the
  80 units would have to cost 160: either an increment is priced by the part of it that was asked for, or one is
  paid in part. The engine does neither where it rates: in `debit_2013`, group 8, step 54, 100 units of data
  take a whole increment of 1 024 (0.10), and in `debit_2002`, group 1, step 5, a balance keeps the 0.0117
  that do not pay the sixth increment of 0.09766. That test of the engine (`TestDebitDataMoney`) hands a
  finished call cost to the debit through a hook of its own (`testCallcost`), and no tariff is asked: its figure
  says nothing about rating, like those of 47 and 48, which are left out of the list for it.

What no recording decides, and the published figure does:

- **76** (a call of two minutes, 30 s of it reported, two minutes more, then silence): the 50 ms that
  `*sessionsTTLLastUsage` adds are a charge of their own, rounded on its own: 1.20 for fee and first minute, 0.30
  for nine increments of 10 s (0.29997) and 0.0334 for the last (0.03333), 1.5334 of 5.59. Other late debits
  join the charge before them, at updates and at ends that are told: without that, `session_3006` group 11,
  `session_3037` group 12 and `session_hard_3031` group 12 come out wrong. No session of the recordings falls
  silent. In exact arithmetic the call comes to 1.53333..., which is rounded up to 1.5334.
- **86** (a record that an expired balance has paid a part of is rated again, at a second): what has expired by
  then is removed before the record is charged anew, and 3 599 s are left. A first charge may be paid by a
  balance that expires meanwhile, for it has to last until the start of a call only. In exact arithmetic what
  has expired has its second back, and pays no more: 3 599 s.

"""


def page() -> str:
    """The whole text."""
    entries = json.loads(EXCEPTIONS.read_text("utf-8"))
    lines = [INTRO, "| recordings | level | steps | equal | groups | equal |", "|---|---|---|---|---|---|"]
    lines += [_counts(kind, level) for kind, level in LEVELS]
    groups = {kind: sum(entry["file"].startswith(kind) for entry in entries) for kind in KINDS}
    told = ", ".join(f"{count} of {kind}" for kind, count in groups.items() if count)
    lines += ["", RULE + f"The first difference of each of the {len(entries)} groups ({told}):", ""]
    lines += [
        "| recording | group | step | call | balance | CGRateS | ours |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [row for entry in entries for row in _rows(entry)]
    lines += ["", ALONE + "\n".join(_alone(kind, level) for kind, level in LEVELS)]
    lines += ["", PUBLISHED + "| result | `rounding: cgrates` | exact |", "|---|---|---|"]
    lines += _published()
    return "\n".join(lines) + "\n"


def _alone(kind: str, level: int) -> str:
    found = compare(kind, level, drifts=True)
    return f"| {kind} | {level} | {found.steps} | {found.equal_steps} |"


def _published() -> list[str]:
    """A row for every published result: its tests in either mode, or why there is none."""
    compat, exact = proven(COMPAT), proven(EXACT)
    return [
        f"| {number} | {_tests(compat, NOT_COMPAT, number)} | {_tests(exact, NOT_EXACT, number)} |"
        for number in NUMBERS
    ]


def _tests(found: dict[int, list[str]], excused: dict[int, str], number: int) -> str:
    names = sorted({test.rpartition("::")[2].removeprefix("test_") for test in found.get(number, ())})
    return ", ".join(f"`{name}`" for name in names) or excused.get(number, "none")


def _counts(kind: str, level: int) -> str:
    found = compare(kind, level, drifts=False)
    equal = found.groups - len(found.differences)
    return (
        f"| {kind}: {WHAT[kind]} | {level} | {found.steps} | {found.equal_steps} | {found.groups} | {equal} |"
    )


def _rows(entry: dict[str, Any]) -> list[str]:
    theirs, ours = _values(entry["incumbent"]), _values(entry["ours"])
    place = f"| `{entry['file']}` | {entry['group']} | {entry['step']} | {entry['call'].partition('.')[2]}"
    return [
        f"{place} | {account} `{kind}` `{name}` | {theirs[key]:.9g} | {ours[key]:.9g} |"
        for key in ours
        if abs(theirs[key] - ours[key]) > 1e-9
        for account, kind, name, _ in [key]
    ]


def _values(answer: dict[str, Any]) -> dict[tuple[str, str, str, int], float]:
    return {
        (account, kind, name, place): float(value)
        for account, held in answer["balances"].items()
        for kind, rows in (held or {}).items()
        for place, (name, value) in enumerate(rows)
    }


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
