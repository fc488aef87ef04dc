"""Profiles from a YAML text: filters by name, profiles of each kind as lists. Pure.

Members have the names of the API in small letters: `filter_ids`, `usage_ttl`, `run_id`, `rating_plan_ids`.
"""

import re
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from ocs.charging.cgrates import values as cells
from ocs.charging.profiles.api import ACTIVE, FLAG, MEMBERS, WORDS, Member
from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.csv_reader import Profiles
from ocs.charging.profiles.filters import Filter, compile_filter, is_inline, parse_inline
from ocs.charging.profiles.model import (
    AttributeProfile,
    ChargerProfile,
    ProfileBase,
    ResourceProfile,
    RouteProfile,
    StatProfile,
    ThresholdProfile,
)
from ocs.charging.tariff.yaml_marks import Field, Problem, read_fields

P = TypeVar("P", bound=ProfileBase)

TENANT = "cgrates.org"
SECTIONS: dict[str, type[ProfileBase]] = {
    "attributes": AttributeProfile,
    "chargers": ChargerProfile,
    "resources": ResourceProfile,
    "routes": RouteProfile,
    "stats": StatProfile,
    "thresholds": ThresholdProfile,
}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def read_yaml(text: str, file: str, tenant: str = TENANT) -> tuple[Profiles | None, list[Problem]]:
    """The profiles a text says, and no problems; or None and all of them by place."""
    problems: list[Problem] = []
    root = read_fields(text, file, problems)
    if root is None:
        return None, problems
    members = root.members(("tenant", "filters", *SECTIONS))
    if "tenant" in members:
        tenant = members["tenant"].text() or tenant
    filters = tuple(_filters(members["filters"], tenant)) if "filters" in members else ()
    book = _book_of(filters)
    found: dict[str, Any] = {
        name: tuple(_profile(item, kind, tenant, book) for item in members[name].items())
        for name, kind in SECTIONS.items()
        if name in members
    }
    problems.sort()
    return (None, problems) if problems else (Profiles(filters=filters, **found), problems)


def _filters(field: Field, tenant: str) -> list[Filter]:
    """`NAME: [rule, rule]`, each rule as it is written in place."""
    found = []
    for name, own in field.entries().items():
        rules = tuple(rule for item in own.items() if (rule := item.value(parse_inline)) is not None)
        made = Filter(tenant, name, rules)
        try:
            compile_filter(made)
        except ValueError as error:
            own.problem(str(error))
        found.append(made)
    return found


def _book_of(filters: tuple[Filter, ...]) -> ProfileBook:
    book = ProfileBook()
    for each in filters:
        with suppress(ValueError):  # told with its own place
            book.put_filter(each)
    return book


def _profile(field: Field, kind: type[P], tenant: str, book: ProfileBook) -> P:
    """A profile, tried in a book as the server will put it there."""
    made = _struct(field, kind, {"tenant": tenant, "id": ""})
    try:
        book.put(_with_known(made, tenant, book))
    except ValueError as error:
        field.problem(str(error))
    return made


S = TypeVar("S", bound=msgspec.Struct)


def _with_known(found: S, tenant: str, book: ProfileBook) -> S:
    """A profile or a part of one without the filters that are of another file, or of the API."""
    changes: dict[str, Any] = {}
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if name == "filter_ids":
            changes[name] = tuple([each for each in value if _is_known(each, tenant, book)])
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            changes[name] = tuple([_with_known(part, tenant, book) for part in value])
    return msgspec.structs.replace(found, **changes)


def _is_known(filter_id: str, tenant: str, book: ProfileBook) -> bool:
    if is_inline(filter_id):
        return True
    try:
        book.filters.rules(tenant, (filter_id,))
    except ValueError:
        return False
    return True


def _struct(field: Field, kind: type[S], fields: dict[str, Any]) -> S:
    by_name = {_snake(member.name): member for member in MEMBERS[kind]}
    needed = "path" if "path" in by_name else "metric_id" if "metric_id" in by_name else "id"
    given = field.members(by_name)
    for name, own in given.items():
        fields[by_name[name].field] = _member(own, by_name[name])
    if needed not in given:
        field.problem(f"{needed} is missing")
        fields.setdefault(by_name[needed].field, "")
    return kind(**fields)


def _member(field: Field, member: Member) -> Any:
    codec = member.codec
    if codec.part is not None:
        part = codec.part
        return tuple(_struct(item, part, {}) for item in field.items())
    if codec is WORDS:
        return tuple(field.values(str))
    if codec is FLAG:
        return field.value(cells.flag) or False
    if codec is ACTIVE:
        edges = {name: own.text() for name, own in field.members(("ActivationTime", "ExpiryTime")).items()}
        return _read(field, codec.read, edges)
    text = field.text()
    return "" if text is None else _read(field, codec.read, text)


def _read(field: Field, read: Any, value: object) -> Any:
    try:
        return read(value)
    except ValueError as error:
        field.problem(str(error))
        return read("0") if isinstance(value, str) else read({})


def _snake(name: str) -> str:
    return _WORD.sub("_", name.replace("IDs", "Ids")).lower()
