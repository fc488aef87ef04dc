"""Results of the server for people: tables, exact amounts, times. The unit is the end of a field's name."""

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ocs.charging.money import NANOS, format_nanos
from ocs.config.scalars import duration_text

_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_CELL_LIMIT = 80
QUANTITIES = {
    "nanos": "_nanos",
    "octets": "_octets",
    "ns": "_ns",
    "events": "",
}  # member: the unit as of a field


def shown(field: str, value: Any) -> str:
    """Return a value as its field's name asks: `_nanos` is money, `at_ns` a moment, `_ns` a duration."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and field.endswith("_nanos"):
        return format_nanos(value)
    if isinstance(value, int) and (field.endswith("_at_ns") or field == "at_ns"):
        return _moment(value)
    if isinstance(value, int) and field.endswith("_ns"):
        return duration_text(value) if value >= 0 else f"-{duration_text(-value)}"
    if isinstance(value, int) and field.endswith("octets"):
        return _octets(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(field, item) for item in value) or "-"
    if is_quantity(value):
        [(unit, amount)] = value.items()
        return shown(QUANTITIES[unit], amount)
    if isinstance(value, Mapping):
        said = {name: item for name, item in value.items() if item not in (None, [], "")}
        return ", ".join(f"{_without_unit(name)}={shown(name, item)}" for name, item in said.items())
    return _one_line(str(value))


def title(field: str) -> str:
    """Return a column's head: the field without its unit."""
    return _without_unit(field).replace("_", " ").upper()


def _without_unit(field: str) -> str:
    for unit in ("_nanos", "_at_ns", "_ns", "_octets"):
        field = field.removesuffix(unit)
    return field


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows below their heads; columns are the fields in the order they first appear."""
    fields = list(dict.fromkeys(field for row in rows for field in row))
    cells = [[shown(field, row.get(field)) for field in fields] for row in rows]
    heads = [title(field) for field in fields]
    numeric = [all(_is_number(row.get(field)) for row in rows) for field in fields]
    widths = [max(len(line[index]) for line in [heads, *cells]) for index in range(len(fields))]
    return "\n".join(_line(line, widths, numeric) for line in [heads, *cells])


def record(fields: Mapping[str, Any]) -> str:
    """Return one object: its plain fields as lines, its lists of objects as tables below."""
    plain = {name: value for name, value in fields.items() if not _is_rows(value)}
    width = max((len(title(name)) for name in plain), default=0)
    parts = ["\n".join(f"{title(name):<{width}}  {shown(name, value)}" for name, value in plain.items())]
    for name, rows in fields.items():
        if _is_rows(rows):
            parts.append(f"{title(name)}\n{table(rows)}")
    return "\n\n".join(part for part in parts if part)


def _line(cells: list[str], widths: list[int], numeric: list[bool]) -> str:
    padded = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def is_quantity(value: Any) -> bool:
    """Say whether a value is an amount with its unit, such as `{"octets": 1024}`."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in QUANTITIES


def _is_number(value: Any) -> bool:
    return (
        value is None
        or is_quantity(value)
        or (isinstance(value, (int, Decimal)) and not isinstance(value, bool))
    )


def _moment(at_ns: int) -> str:
    seconds, rest_ns = divmod(at_ns, NANOS)
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{at_ns}ns"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def _octets(octets: int) -> str:
    unit = 0
    whole, tenths = octets, 0
    while whole >= 1_024 and unit < len(_BINARY_UNITS) - 1:
        whole, rest = divmod(whole, 1_024)
        tenths, unit = rest * 10 // 1_024, unit + 1
    return f"{whole}.{tenths} {_BINARY_UNITS[unit]}" if unit else f"{whole} B"


def _one_line(text: str) -> str:
    """Keep control characters of foreign text off the terminal, and long text in its column."""
    line = printable(text)
    return line if len(line) <= _CELL_LIMIT else f"{line[: _CELL_LIMIT - 3]}..."


def printable(text: str) -> str:
    """Return a line without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)
