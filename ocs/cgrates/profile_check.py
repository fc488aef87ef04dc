"""What is wrong in the profile files of a tariff folder, at file, line and column: unknown words and missing names.

Stricter than loading, which takes what an event may never reach.
"""

from collections.abc import Iterable, Iterator

from ocs.cgrates import tariff
from ocs.cgrates.ip_pools import network_of
from ocs.cgrates.state import State
from ocs.charging.cgrates.csv_folder import COLUMNS, Problem, Row, Rows, read_texts
from ocs.charging.profiles.csv_reader import words
from ocs.charging.profiles.rankings import SORTINGS
from ocs.charging.profiles.trends import CORRELATIONS

# Cells that name rows of another file, by its first column that is a name.
REFERENCES = (
    ("Chargers.csv", "AttributeIDs", "Attributes.csv"),
    ("Resources.csv", "ThresholdIDs", "Thresholds.csv"),
    ("Stats.csv", "ThresholdIDs", "Thresholds.csv"),
    ("Trends.csv", "StatID", "Stats.csv"),
    ("Trends.csv", "ThresholdIDs", "Thresholds.csv"),
    ("Rankings.csv", "StatIDs", "Stats.csv"),
    ("Rankings.csv", "ThresholdIDs", "Thresholds.csv"),
    ("Thresholds.csv", "ActionIDs", "Actions.csv"),
    ("Routes.csv", "RouteRatingPlanIDs", "RatingPlans.csv"),
    ("Routes.csv", "RouteResourceIDs", "Resources.csv"),
    ("Routes.csv", "RouteStatIDs", "Stats.csv"),
)
CHOICES = (
    ("Trends.csv", "CorrelationType", frozenset(CORRELATIONS)),
    ("Rankings.csv", "Sorting", frozenset(SORTINGS)),
    ("IPs.csv", "PoolType", frozenset({"*ipv4", "*ipv6"})),
    ("IPs.csv", "PoolStrategy", frozenset({"*ascending", "*descending"})),
)
WITHOUT_TENANT = frozenset({"Actions.csv", "RatingPlans.csv"})


def check_profiles(files: Iterable[tuple[str, str]]) -> list[Problem]:
    """Every problem of the profile files among (path, text) pairs, by place."""
    wanted = {*tariff.PROFILE_FILES, *WITHOUT_TENANT}
    rows, _ = read_texts((path, text) for path, text in files if path.rpartition("/")[2] in wanted)
    if not any(rows.get(file) for file in tariff.PROFILE_FILES):
        return []
    found = [*tariff.put_profiles(State(), rows), *_choices(rows), *_ranges(rows), *_references(rows)]
    return sorted(found, key=lambda problem: (problem.file, problem.line, problem.column))


def _cells(rows: Rows, file: str, column: str) -> Iterator[tuple[Row, int, str]]:
    place = COLUMNS[file].index(column)
    for row in rows.get(file, ()):
        for word in words(row.cells[place]):
            yield row, place, word


def _choices(rows: Rows) -> Iterator[Problem]:
    for file, column, allowed in CHOICES:
        for row, place, word in _cells(rows, file, column):
            if word not in allowed:
                yield row.problem(place, f'"{word}" is none of {", ".join(sorted(allowed))}')


def _ranges(rows: Rows) -> Iterator[Problem]:
    for row, place, word in _cells(rows, "IPs.csv", "PoolRange"):
        try:
            network_of(word)
        except ValueError as error:
            yield row.problem(place, str(error))


def _references(rows: Rows) -> Iterator[Problem]:
    for file, column, other in REFERENCES:
        known = {_name(row, other) for row in rows.get(other, ())}
        for row, place, word in _cells(rows, file, column):
            name = word.partition(":")[0] if file == "Rankings.csv" else word
            tenant = "" if other in WITHOUT_TENANT else row.cells[0]
            if not name.startswith("*") and (tenant, name) not in known:
                yield row.problem(place, f'there is no "{name}" in {other} of this folder')


def _name(row: Row, file: str) -> tuple[str, str]:
    return ("", row.cells[0]) if file in WITHOUT_TENANT else (row.cells[0], row.cells[1])
