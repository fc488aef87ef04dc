"""The number grid of the incumbent: IEEE doubles rounded to a fixed number of decimals.

The incumbent computes in doubles and rounds nearly every result to `rounding_decimals` (called G here).
A double so rounded stands for exactly one multiple of 10^-G, so this package keeps such values as `int` nanos
(10^-9 of a currency unit, or of a balance unit) and adds, subtracts and divides them exactly: a run of equal
increments against a balance is one division. A double appears only where the incumbent rounds the outcome of a
multiplication, a division or a final sum: there its order of operations decides ties, so the same operations are
done on the same doubles and the result goes back onto the grid at once.
"""

import math
from enum import StrEnum
from operator import truediv

NANOS = 1_000_000_000
DECIMALS_MAX = 9
_TENS = tuple(int(f"1{'0' * zeros}") for zeros in range(64))


class Rounding(StrEnum):
    """RoundingMethod of a destination rate; an unknown word rounds nothing."""

    UP = "*up"
    DOWN = "*down"
    MIDDLE = "*middle"
    NONE = ""


def round_double(value: float, decimals: int, method: Rounding = Rounding.MIDDLE) -> float:
    """Rounds a double the incumbent's way: scale, look at the fraction, scale back.

    A fraction below 10^-max(7, decimals) is not worth a step up. The fraction of a negative number is negative, so
    every method takes it to the next lower step.
    """
    if method is Rounding.NONE:
        return value
    return _steps(value, decimals, method) / 10.0**decimals


def round_to_nanos(value: float, decimals: int, method: Rounding = Rounding.MIDDLE) -> int:
    """`round_double` with the result as nanos, exact for up to nine decimals."""
    return _steps(value, decimals, method) * grid_step(decimals)


def snap_nanos(nanos: int, decimals: int) -> int:
    """The multiple of 10^-decimals nearest to `nanos`: a half goes up, below zero everything goes down."""
    step = grid_step(decimals)
    if nanos < 0:
        return nanos // step * step
    return (nanos + step // 2) // step * step


def grid_step(decimals: int) -> int:
    """Nanos of one step of the grid."""
    return _TENS[DECIMALS_MAX - decimals]


def drift_nanos(nanos: int, price_nanos: int, count: int, decimals: int) -> int:
    """What the incumbent's doubles leave of a value after `count` debits that take it below zero.

    A double that lies a residue under the grid is taken one step further down, so a debt grows faster than its
    price. No formula tells how often that happens: this is the one loop over increments, and only
    `drifts_below_zero` leads here.
    """
    value, price, scale = to_double(nanos), to_double(price_nanos), 10.0**decimals
    for _ in range(count):
        value = math.floor((value - price) * scale) / scale
    return round(value * scale) * grid_step(decimals)


def to_double(nanos: int) -> float:
    """The double nearest to `nanos`, which is the one the incumbent holds.

    Compiled, `/` would first make doubles of both and round twice from 2^53 nanos on; the function does not.
    """
    value: float = truediv(nanos, NANOS)
    return value


def nanos_from_decimal(text: str) -> int:
    """Nanos of a decimal number, exact for nine decimals; more are rounded. Raises ValueError."""
    mantissa, mark, exponent = text.strip().lower().partition("e")
    sign = -1 if mantissa.startswith("-") else 1
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    digits = whole + fraction
    if not digits.isascii() or not digits.isdigit() or mantissa.count("-") + mantissa.count("+") > 1:
        raise ValueError(f"not a decimal number: {text!r}")
    shift = DECIMALS_MAX - len(fraction) + (int(exponent) if mark else 0)
    if abs(shift) >= len(_TENS):
        raise ValueError(f"number out of range: {text!r}")
    if shift >= 0:
        return sign * int(digits) * _TENS[shift]
    divisor = _TENS[-shift]
    return sign * ((int(digits) + divisor // 2) // divisor)


def _steps(value: float, decimals: int, method: Rounding) -> int:
    scaled = value * 10.0**decimals
    fraction, _ = math.modf(scaled)
    if method is Rounding.UP and fraction >= 10.0 ** -max(7, decimals):
        return math.ceil(scaled)
    if method is Rounding.MIDDLE and fraction >= 0.5:
        return math.ceil(scaled)
    return math.floor(scaled)
