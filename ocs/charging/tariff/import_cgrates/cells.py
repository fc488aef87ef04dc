"""Cells of a row as exact values; what is wrong becomes a finding at its file, line and column. Pure."""

import math
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from ocs.charging.cgrates import csv_folder, values
from ocs.charging.cgrates.csv_folder import Row
from ocs.charging.money import DECIMALS, MAX_AMOUNT_NANOS
from ocs.charging.tariff.findings import Finding, Severity
from ocs.charging.tariff.yaml_marks import Problem, closest

T = TypeVar("T")

MOST_DIGITS = 40  # of a price, before or after the point
MOST_SEARCHED = 5_000  # names
MOST_HINTS = 100
SECOND_NS = 1_000_000_000


class Exact(NamedTuple):
    """`nanos / scale`: a price of any number of decimals."""

    nanos: int
    scale: int


class Cells:
    """Reads cells and keeps what was found; an unusable cell gives the fallback value."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def read(self, row: Row, column: int, parse: Callable[[str], T], fallback: T) -> T:
        """The value of a cell."""
        try:
            return parse(row.cells[column])
        except ValueError as error:
            self.error(row, column, str(error))
            return fallback

    def error(self, row: Row, column: int, message: str) -> None:
        """The tariff cannot be used with this cell."""
        self._add(Severity.ERROR, row, column, message)

    def unknown(self, row: Row, column: int, what: str, known: Collection[str]) -> None:
        """A cell names what is not there; what was meant is looked for as long as that is quick."""
        name = row.cells[column]
        is_quick = len(known) <= MOST_SEARCHED and len(self.findings) < MOST_HINTS
        near = closest(name, known) if is_quick else ""
        self.error(
            row, column, f'there is no {what} "{name}"' + (f' - did you mean "{near}"?' if near else "")
        )

    def warn(self, row: Row, column: int, message: str) -> None:
        """The cell is allowed, and perhaps not what was meant."""
        self._add(Severity.WARNING, row, column, message)

    def lose(self, row: Row, column: int, message: str) -> None:
        """The cell says what a tariff of this program cannot."""
        self._add(Severity.NOT_CARRIED_OVER, row, column, message)

    def _add(self, severity: Severity, row: Row, column: int, message: str) -> None:
        self.findings.append(Finding(severity, located(row.problem(column, message))))


def located(problem: csv_folder.Problem) -> Problem:
    """A problem of a row as one of a tariff; one of a whole row is at its first column."""
    return Problem(problem.file, problem.line, max(problem.column, 1), "", problem.message)


def price(text: str) -> Exact:
    """A price that is not negative, digit by digit; nothing is 0."""
    try:
        number = Decimal(text.strip() or "0")
    except InvalidOperation:
        raise ValueError(f'"{text}" is not a price') from None
    if (
        not number.is_finite()
        or abs(number.adjusted()) > MOST_DIGITS
        or len(number.as_tuple().digits) > MOST_DIGITS
    ):
        raise ValueError(f'"{text}" is not a price')
    if number < 0:
        raise ValueError(f'"{text}" is negative; a price is 0 or more')
    digits, exponent = number.as_tuple()[1:]
    assert isinstance(exponent, int), "finite"
    whole = int("".join(map(str, digits)))
    shift = DECIMALS + exponent
    nanos, scale = (whole * 10**shift, 1) if shift >= 0 else (whole, 10**-shift)
    if nanos > MAX_AMOUNT_NANOS * scale:
        raise ValueError(f'"{text}" is larger than any price')
    common = math.gcd(nanos, scale)
    return Exact(nanos // common, scale // common)


def length(text: str) -> int:
    """A length in ns, octets or events; 0 and nothing are one second, as the incumbent has it."""
    return values.length_ns(text) or SECOND_NS


def decimals(text: str) -> int:
    """Decimals of a rounding; nothing is 0."""
    number = int(text) if text.isascii() and text.isdigit() else 0 if not text else -1
    if not 0 <= number <= DECIMALS:
        raise ValueError(f'"{text}" is not a number of decimals from 0 to {DECIMALS}')
    return number
