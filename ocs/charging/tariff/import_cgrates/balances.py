"""The balance columns of the accounting files: what a balance counts, and where and how it pays. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ocs.charging.account import Factor, Terms
from ocs.charging.cgrates import values
from ocs.charging.cgrates.csv_folder import Row
from ocs.charging.events import Unit
from ocs.charging.ledger import MAIN
from ocs.charging.tariff.import_cgrates.cells import Cells
from ocs.charging.tariff.import_cgrates.rates import ANY

ALWAYS = frozenset((ANY, "*always"))


class Kind(NamedTuple):
    """What a type of balance is here: its unit, the services it is for, its name where a row gives none."""

    unit: Unit
    services: tuple[str, ...]
    name: str


KINDS: Mapping[str, Kind] = {
    "*monetary": Kind(Unit.MONEY, (), MAIN),
    "*voice": Kind(Unit.TIME, ("voice",), "voice"),
    "*data": Kind(Unit.OCTETS, ("data",), "data"),
    "*sms": Kind(Unit.EVENTS, ("sms",), "sms"),
    "*mms": Kind(Unit.EVENTS, ("mms",), "mms"),
    "*generic": Kind(Unit.GENERIC, (), "generic"),
}


class Names(NamedTuple):
    """What the folder has: destinations, and whether a timing is a window (False: it is always)."""

    known_destinations: Mapping[str, object]
    windows: Mapping[str, bool]

    def destinations(self, cells: Cells, row: Row, column: int) -> tuple[str, ...]:
        """Names of destinations, `!` before those that are taken out; nothing is any."""
        found = []
        for word in values.words(row.cells[column]):
            if word in ALWAYS:
                continue
            if word.lstrip("!") not in self.known_destinations:
                cells.unknown(row, column, "destination", self.known_destinations)
            found.append(word)
        return tuple(found)

    def timings(self, cells: Cells, row: Row, column: int) -> tuple[str, ...]:
        """Names of windows; one that is always open is none."""
        found = []
        for word in values.words(row.cells[column]):
            is_window = self.windows.get(word.lstrip("!"))
            if is_window is None:
                cells.unknown(row, column, "timing", self.windows)
            elif is_window:
                found.append(word)
            elif word.startswith("!"):
                cells.error(row, column, f'"{word}" would never let the balance pay')
            else:
                return ()
        return tuple(found)


def kind_of(cells: Cells, row: Row, column: int) -> Kind | None:
    """The kind of a balance, None with a finding where there is none."""
    word = row.cells[column] or "*monetary"
    found = KINDS.get(word)
    if found is None:
        cells.unknown(row, column, "type of balance", KINDS)
    return found


def read_terms(
    cells: Cells, row: Row, columns: Sequence[int], names: Names, factors: tuple[Factor, ...]
) -> Terms | None:
    """The terms that the cells of a balance give it: `columns` are those of Actions.csv in its order."""
    categories, destinations, subject, groups, timings, blocker, disabled = columns
    text = row.cells[subject]
    terms = Terms(
        names.destinations(cells, row, destinations),
        tuple(word for word in values.words(row.cells[categories]) if word not in ALWAYS),
        "" if text in ALWAYS else text,
        names.timings(cells, row, timings),
        values.words(row.cells[groups]),
        factors,
        cells.read(row, blocker, values.flag, False),
        cells.read(row, disabled, values.flag, False),
    )
    return None if terms == Terms() else terms


def extra_json(cells: Cells, row: Row, column: int) -> dict[str, Any]:
    """ExtraParameters that are an object; nothing is an empty one."""
    text = row.cells[column]
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        cells.lose(row, column, "is not a JSON object")
        return {}
    return found
