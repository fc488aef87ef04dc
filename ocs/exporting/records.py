"""Events as rows of an export: which members, under which names, in which order. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ocs.charging.profiles.filters import Rule, passes
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.charging.profiles.values import text_of
from ocs.charging.profiles.view import View

BODY, HEADER, TRAILER = "*exp", "*hdr", "*trl"


class Record(msgspec.Struct, frozen=True):
    """An event to export; a receiver that has seen its key has seen the event."""

    key: str
    tenant: str
    event: dict[str, Any]
    options: dict[str, Any] = {}


class Row(msgspec.Struct, frozen=True):
    """A record as an exporter writes it."""

    key: str
    members: tuple[tuple[str, str], ...]

    def texts(self) -> tuple[str, ...]:
        """The values alone."""
        return tuple(value for _, value in self.members)


class Field(msgspec.Struct, frozen=True):
    """One member of a row."""

    name: str
    value: Value
    is_constant: bool = False


class Template(msgspec.Struct, frozen=True):
    """The members of rows, and texts before the first and after the last; without fields a row has every member."""

    body: tuple[Field, ...] = ()
    header: tuple[Field, ...] = ()
    trailer: tuple[Field, ...] = ()

    def row(self, record: Record) -> Row:
        """A record as a row. Raises ValueError where a value cannot be made."""
        if not self.body:
            named = sorted(record.event.items())
            return Row(record.key, tuple((name, text_of(value)) for name, value in named))
        return Row(record.key, _members(self.body, _view(record)))

    def head(self) -> tuple[str, ...]:
        """What stands before the first row; nothing where nothing is configured."""
        return tuple(value for _, value in _members(self.header, View({})))

    def tail(self) -> tuple[str, ...]:
        """What stands behind the last row."""
        return tuple(value for _, value in _members(self.trailer, View({})))


def parse_template(fields: Iterable[Mapping[str, Any]]) -> Template:
    """The template of configured fields: `{"path": "*exp.Account", "type": "*variable", "value": "~*req.Account"}`.

    Raises ValueError that names the field.
    """
    places: dict[str, list[Field]] = {BODY: [], HEADER: [], TRAILER: []}
    for number, field in enumerate(fields):
        root, dot, name = str(field.get("path") or "").partition(".")
        if root not in places or not dot:
            raise ValueError(f"field {number + 1}: path: is none of *exp.NAME, *hdr.NAME, *trl.NAME")
        try:
            value = parse_value(str(field.get("value") or ""))
        except ValueError as error:
            raise ValueError(f"field {number + 1}, {name}: {error}") from None
        places[root].append(Field(name, value, field.get("type") == "*constant"))
    return Template(tuple(places[BODY]), tuple(places[HEADER]), tuple(places[TRAILER]))


def is_wanted(rules: Sequence[Rule], record: Record) -> bool:
    """Whether an exporter's filters let a record pass."""
    return passes(rules, _view(record))


def csv_line(texts: Sequence[str], separator: str = ",") -> str:
    """One line of a CSV file (RFC 4180)."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerow(texts)
    return out.getvalue()


def json_line(row: Row) -> bytes:
    """One line of a JSON Lines file."""
    return msgspec.json.encode(dict(row.members)) + b"\n"


def _view(record: Record) -> View:
    return View(record.event, record.options, tenant=record.tenant)


def _members(fields: Iterable[Field], view: View) -> tuple[tuple[str, str], ...]:
    return tuple(
        (field.name, field.value.constant if field.is_constant else field.value.text(view))
        for field in fields
    )
