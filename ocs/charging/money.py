"""Exact money: integer nanos (10^-9 of the currency) and the only places that round them, by name.

Pure leaf of the charging domain. No float and no Decimal: amounts are read from their decimal text and
written back digit by digit.
"""

import re
from enum import IntEnum
from typing import Final

NANOS = 1_000_000_000  # nanos in one unit of currency
DECIMALS = 9
MOST_NANOS: Final = 1 << 62  # of any balance, debt or cost: more no store can keep
MAX_AMOUNT_NANOS = 10**27  # 10^18 units of currency; longer amounts are typing errors

_AMOUNT = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?", re.ASCII)


class Rounding(IntEnum):
    """How the one division at the end of a price is rounded."""

    UP = 1
    MIDDLE = 2  # half goes up
    DOWN = 3


def round_quotient(numerator: int, divisor: int, rounding: Rounding) -> int:
    """The rounded `numerator / divisor`; `divisor` is positive."""
    if rounding is Rounding.UP:
        return -(-numerator // divisor)
    if rounding is Rounding.DOWN:
        return numerator // divisor
    return (2 * numerator + divisor) // (2 * divisor)


def largest_numerator(quotient: int, divisor: int, rounding: Rounding) -> int:
    """The largest numerator that `round_quotient` still rounds to `quotient` or less: its inverse."""
    if rounding is Rounding.UP:
        return quotient * divisor
    if rounding is Rounding.DOWN:
        return (quotient + 1) * divisor - 1
    return (2 * (quotient + 1) * divisor - divisor - 1) // 2


def charge_nanos(numerator: int, divisor: int) -> int:
    """What the customer pays for an exact amount: up to the next nano."""
    return -(-numerator // divisor)


def grant_units(numerator: int, divisor: int) -> int:
    """What the customer gets for an exact amount: down to the whole unit."""
    return numerator // divisor


def parse_nanos(text: str) -> int:
    """Nanos of a decimal such as `12`, `-0.05` or `+1.000000001`; ValueError where nanos cannot hold it."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a decimal amount')
    sign, whole, fraction = match.group(1), match.group(2), (match.group(3) or "").rstrip("0")
    if len(fraction) > DECIMALS:
        raise ValueError(f'"{text}" has more than {DECIMALS} decimals')
    if len(whole.lstrip("0")) > 18:
        raise ValueError(f'"{text}" is larger than any amount of money')
    nanos = int(whole) * NANOS + int(fraction.ljust(DECIMALS, "0"))
    return -nanos if sign == "-" else nanos


def format_nanos(nanos: int, decimals: int = 2) -> str:
    """The exact decimal of an amount with at least `decimals` digits after the point."""
    whole, fraction = divmod(abs(nanos), NANOS)
    digits = f"{fraction:09d}".rstrip("0").ljust(decimals, "0")
    sign = "-" if nanos < 0 else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
