"""Rows of a folder that nothing leads to. Pure."""

from collections.abc import Iterable

from ocs.charging.cgrates import values
from ocs.charging.cgrates.csv_folder import COLUMNS, Row, Rows
from ocs.charging.tariff.import_cgrates.cells import Cells

# File, what its rows are, and the columns that name them.
USES = (
    (
        "Destinations.csv",
        "destination",
        (
            ("DestinationRates.csv", "DestinationsTag"),
            ("Actions.csv", "DestinationTags"),
            ("ActionTriggers.csv", "BalanceDestinationTags"),
        ),
    ),
    ("Rates.csv", "rate", (("DestinationRates.csv", "RatesTag"),)),
    ("DestinationRates.csv", "destination rate", (("RatingPlans.csv", "DestratesTag"),)),
    ("RatingPlans.csv", "rating plan", (("RatingProfiles.csv", "RatingPlanTag"),)),
    (
        "Timings.csv",
        "timing",
        (
            ("RatingPlans.csv", "TimingTag"),
            ("ActionPlans.csv", "TimingTag"),
            ("Actions.csv", "TimingTags"),
            ("ActionTriggers.csv", "BalanceTimingTags"),
        ),
    ),
    (
        "Actions.csv",
        "set of actions",
        (("ActionPlans.csv", "ActionsTag"), ("ActionTriggers.csv", "ActionsTag")),
    ),
    ("ActionPlans.csv", "action plan", (("AccountActions.csv", "ActionPlanTag"),)),
    ("ActionTriggers.csv", "group of triggers", (("AccountActions.csv", "ActionTriggersTag"),)),
)


def find_unused(cells: Cells, rows: Rows) -> None:
    """Warns at the first row of every tag that no other file names."""
    for file, what, uses in USES:
        named = set(_named(rows, uses))
        seen: set[str] = set()
        for row in rows.get(file, ()):
            tag = row.cells[0]
            if tag not in named and tag not in seen:
                cells.warn(row, 0, f'the {what} "{tag}" is never used')
            seen.add(tag)


def _named(rows: Rows, uses: Iterable[tuple[str, str]]) -> Iterable[str]:
    for file, column in uses:
        index = COLUMNS[file].index(column)
        for row in rows.get(file, ()):
            yield from _words(row, index)


def _words(row: Row, index: int) -> Iterable[str]:
    return (word.lstrip("!") for word in values.words(row.cells[index]))
