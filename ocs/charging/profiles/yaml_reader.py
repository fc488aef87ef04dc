"""Profiles from a YAML text: filters by name, profiles of each kind as lists. Pure.

Members have the names of the API in small letters: `filter_ids`, `usage_ttl`, `run_id`, `rating_plan_ids`.
"""

import re
from typing import Any, TypeVar

import msgspec

from ocs.charging.cgrates import values as cells
from ocs.charging.profiles.api import ACTIVE, FLAG, MEMBERS, WORDS, Member
from ocs.charging.profiles.csv_reader import Profiles
from ocs.charging.profiles.filters import Filter, compile_filter, parse_inline
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
    found: dict[str, Any] = {
        name: tuple(_profile(item, kind, tenant) for item in members[name].items())
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


def _profile(field: Field, kind: type[P], tenant: str) -> P:
    return _struct(field, kind, {"tenant": tenant, "id": ""})


S = TypeVar("S", bound=msgspec.Struct)


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
