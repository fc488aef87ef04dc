"""Text of one scalar to one exact value: durations, sizes, money, currencies. Never through a float."""

import re
import zoneinfo
from collections.abc import Callable

from ocs.charging.money import NANOS, parse_nanos
from ocs.config.currencies import CURRENCIES

Shown = Callable[[int], str]

_DURATION = re.compile(r"(?:\d{1,12}(?:ns|us|ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)(ns|us|ms|s|m|h|d)", re.ASCII)
_DURATION_UNITS = {
    "d": 86_400 * NANOS,
    "h": 3_600 * NANOS,
    "m": 60 * NANOS,
    "s": NANOS,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_SIZE = re.compile(r"(\d{1,18})\s*(B|[kKMGT]B|[KMGT]iB)?", re.ASCII)
_SIZE_UNITS = {
    "TiB": 1 << 40,
    "TB": 10**12,
    "GiB": 1 << 30,
    "GB": 10**9,
    "MiB": 1 << 20,
    "MB": 10**6,
    "KiB": 1 << 10,
    "kB": 1_000,
    "KB": 1_000,
    "B": 1,
}
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)


class InvalidValue(ValueError):
    """A value is not what the key asks for; the text says why, `suggestion` names what was perhaps meant."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.suggestion = suggestion


def integer(text: str) -> int:
    """Return a whole number written in decimal digits."""
    if not _INTEGER.fullmatch(text):
        raise InvalidValue(f'"{text}" is not a whole number')
    return int(text)


def duration(text: str) -> int:
    """Return ns of `500ms`, `30s`, `5m`, `1h`, `2d` or a sum such as `1m30s`; a bare 0 is no time at all."""
    if text == "0":
        return 0
    if _INTEGER.fullmatch(text):
        raise InvalidValue(f'"{text}" has no unit', suggestion=f"{text}s")
    if not _DURATION.fullmatch(text):
        raise InvalidValue(f'"{text}" is not a duration such as 500ms, 30s, 5m or 1h30m')
    return sum(int(amount) * _DURATION_UNITS[unit] for amount, unit in _DURATION_PART.findall(text))


def size(text: str) -> int:
    """Return octets of `100MB` (10^6), `64KiB` (2^10), `512B` or a bare number."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise InvalidValue(f'"{text}" is not a size such as 100MB or 64KiB')
    return int(match[1]) * _SIZE_UNITS[match[2] or "B"]


def money(text: str) -> int:
    """Return nanos of a decimal amount with at most nine decimals, exactly."""
    try:
        return parse_nanos(text)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def currency(text: str) -> str:
    """Return the letters of a known ISO 4217 currency."""
    if text in CURRENCIES:
        return text
    suggestion = text.upper() if text.upper() in CURRENCIES else ""
    raise InvalidValue(f'"{text}" is not an ISO 4217 currency', suggestion)


def time_zone(text: str) -> str:
    """Return the name of a time zone the system knows."""
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue(f'"{text}" is not a time zone such as UTC or Europe/Berlin') from None
    return text


def duration_text(nanos: int) -> str:
    """Return a duration as the file would say it: `90s` is `1m30s`."""
    parts: list[str] = []
    rest = nanos
    for unit, worth in _DURATION_UNITS.items():
        amount, rest = divmod(rest, worth)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0"


def size_text(octets: int) -> str:
    """Return a size in the largest unit that divides it."""
    for unit, worth in _SIZE_UNITS.items():
        if octets and octets % worth == 0:
            return f"{octets // worth}{unit}"
    return "0B"
