"""Reads a tariff folder's texts: rows, columns, and the place of every problem in them.

`read_texts` is pure; `read_folder` walks a directory and hands it the texts of all files with a standard name.
Rows of equal names in several folders are merged. The join of the rows is in `compile`.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Timings.csv": ("Tag", "Years", "Months", "MonthDays", "WeekDays", "Time"),
    "Destinations.csv": ("Tag", "Prefix"),
    "Rates.csv": ("Tag", "ConnectFee", "Rate", "RateUnit", "RateIncrement", "GroupIntervalStart"),
    "DestinationRates.csv": (
        "Tag",
        "DestinationsTag",
        "RatesTag",
        "RoundingMethod",
        "RoundingDecimals",
        "MaxCost",
        "MaxCostStrategy",
    ),
    "RatingPlans.csv": ("Tag", "DestratesTag", "TimingTag", "Weight"),
    "RatingProfiles.csv": (
        "Tenant",
        "Category",
        "Subject",
        "ActivationTime",
        "RatingPlanTag",
        "FallbackSubjects",
    ),
    "SharedGroups.csv": ("Tag", "Account", "Strategy", "RatingSubject"),
    "Actions.csv": (
        "Tag",
        "Action",
        "ExtraParameters",
        "Filters",
        "BalanceTag",
        "BalanceType",
        "Categories",
        "DestinationTags",
        "RatingSubject",
        "SharedGroups",
        "ExpiryTime",
        "TimingTags",
        "Units",
        "BalanceWeight",
        "BalanceBlocker",
        "BalanceDisabled",
        "Weight",
    ),
    "ActionPlans.csv": ("Tag", "ActionsTag", "TimingTag", "Weight"),
    "ActionTriggers.csv": (
        "Tag",
        "UniqueId",
        "ThresholdType",
        "ThresholdValue",
        "Recurrent",
        "MinSleep",
        "ExpiryTime",
        "ActivationTime",
        "BalanceTag",
        "BalanceType",
        "BalanceCategories",
        "BalanceDestinationTags",
        "BalanceRatingSubject",
        "BalanceSharedGroups",
        "BalanceExpiryTime",
        "BalanceTimingTags",
        "BalanceWeight",
        "BalanceBlocker",
        "BalanceDisabled",
        "ActionsTag",
        "Weight",
    ),
    "AccountActions.csv": (
        "Tenant",
        "Account",
        "ActionPlanTag",
        "ActionTriggersTag",
        "AllowNegative",
        "Disabled",
    ),
    "Filters.csv": ("Tenant", "ID", "Type", "Element", "Values", "ActivationInterval"),
    "Attributes.csv": (
        *("Tenant", "ID", "Contexts", "FilterIDs", "ActivationInterval"),
        *("AttributeFilterIDs", "Path", "Type", "Value", "Blocker", "Weight"),
    ),
    "Chargers.csv": ("Tenant", "ID", "FilterIDs", "ActivationInterval", "RunID", "AttributeIDs", "Weight"),
    "Resources.csv": (
        *("Tenant", "ID", "FilterIDs", "ActivationInterval", "UsageTTL", "Limit"),
        *("AllocationMessage", "Blocker", "Stored", "Weight", "ThresholdIDs"),
    ),
    "Routes.csv": (
        *("Tenant", "ID", "FilterIDs", "ActivationInterval", "Sorting", "SortingParameters"),
        *("RouteID", "RouteFilterIDs", "RouteAccountIDs", "RouteRatingPlanIDs", "RouteResourceIDs"),
        *("RouteStatIDs", "RouteWeight", "RouteBlocker", "RouteParameters", "Weight"),
    ),
    "Stats.csv": (
        *("Tenant", "ID", "FilterIDs", "ActivationInterval", "QueueLength", "TTL", "MinItems"),
        *("MetricIDs", "MetricFilterIDs", "Stored", "Blocker", "Weight", "ThresholdIDs"),
    ),
    "Thresholds.csv": (
        *("Tenant", "ID", "FilterIDs", "ActivationInterval", "MaxHits", "MinHits", "MinSleep"),
        *("Blocker", "Weight", "ActionIDs", "Async", "EeIDs"),
    ),
    "Trends.csv": (
        *("Tenant", "ID", "Schedule", "StatID", "Metrics", "TTL", "QueueLength", "MinItems"),
        *("CorrelationType", "Tolerance", "Stored", "ThresholdIDs"),
    ),
    "Rankings.csv": (
        *("Tenant", "ID", "Schedule", "StatIDs", "MetricIDs", "Sorting", "SortingParameters"),
        *("Stored", "ThresholdIDs"),
    ),
    "IPs.csv": (
        *("Tenant", "ID", "FilterIDs", "ActivationInterval", "TTL", "Stored", "Weight", "PoolID"),
        *("PoolFilterIDs", "PoolType", "PoolRange", "PoolStrategy", "PoolMessage", "PoolWeight"),
        "PoolBlocker",
    ),
}


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in a file; `column` counts from 1, 0 means the whole row."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class Row(msgspec.Struct, frozen=True):
    """One data row with its place."""

    file: str
    line: int
    cells: tuple[str, ...]

    def problem(self, column: int, message: str) -> Problem:
        """A problem of one cell, named after its column."""
        names = COLUMNS[self.file.rpartition("/")[2]]
        return Problem(self.file, self.line, column + 1, f"{names[column]}: {message}")


class UnreadableText(ValueError):
    """A file is no text; `problem` says where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


Rows = Mapping[str, tuple[Row, ...]]


def read_texts(files: Iterable[tuple[str, str]]) -> tuple[Rows, tuple[Problem, ...]]:
    """Rows by standard file name from (path, text) pairs, in the order given; other names are passed over."""
    rows: dict[str, list[Row]] = {}
    problems: list[Problem] = []
    for path, text in files:
        name = path.rpartition("/")[2]
        if name in COLUMNS:
            rows.setdefault(name, []).extend(_rows(path, text, len(COLUMNS[name]), problems))
    return {name: tuple(found) for name, found in rows.items()}, tuple(problems)


def read_folder(folder: Path) -> list[tuple[str, str]]:
    """(path relative to the folder, text) of every file with a standard name in it and below.

    Raises OSError, and UnreadableText where one is not UTF-8.
    """
    paths = sorted(path for path in folder.rglob("*.csv") if path.name in COLUMNS)
    return [(path.relative_to(folder).as_posix(), _text(path, path.relative_to(folder))) for path in paths]


def _text(path: Path, name: Path) -> str:
    octets = path.read_bytes()
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise UnreadableText(
            Problem(name.as_posix(), line, column, f"is not UTF-8: {error.reason}")
        ) from None


def _rows(path: str, text: str, width: int, problems: list[Problem]) -> list[Row]:
    found = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            first, line = line, reader.line_num + 1
            if not cells or cells[0].startswith("#"):
                continue
            if len(cells) != width:
                problems.append(Problem(path, first, 0, f"{len(cells)} columns, {width} expected"))
            else:
                found.append(Row(path, first, tuple(cell.strip() for cell in cells)))
    except csv.Error as error:
        problems.append(Problem(path, line, 0, str(error)))
    return found
