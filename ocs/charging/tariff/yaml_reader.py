"""Reads a tariff file (YAML) into a `Tariff`, or says everything that is wrong with it at once.

Pure. docs/tariffs.md describes the file.
"""

import re
from collections.abc import Callable
from functools import partial
from zoneinfo import ZoneInfo

from ocs.charging.actions import reader
from ocs.charging.tariff.calendar_reader import read_holidays, read_time_zone, read_windows
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.prefixes import NOT
from ocs.charging.tariff.quantities import network_prefix, number_prefix, whole
from ocs.charging.tariff.rate_reader import read_rates
from ocs.charging.tariff.rule_reader import Known, read_plans
from ocs.charging.tariff.yaml_marks import Field, Problem, read_fields

KEYS = (
    "currency",
    "time_zone",
    "fallback_depth",
    "destinations",
    "zones",
    "holidays",
    "windows",
    "rates",
    "plans",
    *reader.KEYS,
)
MAX_FALLBACK_DEPTH = 64

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def read_yaml(text: str, file: str) -> tuple[Tariff | None, list[Problem]]:
    """The tariff a text says, and no problems; or None and all of them by place."""
    problems: list[Problem] = []
    root = read_fields(text, file, problems)
    tariff = None if root is None else _tariff(root)
    problems.sort()
    return (None, problems) if problems else (tariff, problems)


def _tariff(root: Field) -> Tariff:
    members = root.members(KEYS)
    for name in ("currency", "plans"):
        if name not in members and root.is_mapping:
            root.problem(f"{name} is missing")
    zone = read_time_zone(members.get("time_zone"), "UTC")
    holidays = read_holidays(members.get("holidays"))
    destinations = _prefixes(members.get("destinations"), is_network=False)
    zones = _prefixes(members.get("zones"), is_network=True)
    windows = read_windows(members.get("windows"), holidays, zone)
    rates = read_rates(members.get("rates"))
    known = Known(destinations, zones, windows, rates, ZoneInfo(zone))
    plans = read_plans(members.get("plans"), known)
    currency = members["currency"].value(_currency) if "currency" in members else None
    depth = None
    if "fallback_depth" in members:
        depth = members["fallback_depth"].value(partial(whole, least=0, most=MAX_FALLBACK_DEPTH))
    return Tariff(
        currency or "",
        plans,
        destinations,
        zones,
        {name: found.rate for name, found in rates.items()},
        8 if depth is None else depth,
        reader.read_accounting(members, zone, destinations),
        windows=windows,
    )


def _prefixes(field: Field | None, is_network: bool) -> dict[str, tuple[str, ...]]:
    parse = network_prefix if is_network else number_prefix
    entries = {} if field is None else field.entries()
    found: dict[str, tuple[str, ...]] = {}
    for name, item in entries.items():
        if name.startswith(NOT):
            item.problem(f"a name does not begin with {NOT}")
        found[name] = tuple(item.values(partial(_included_or_not, parse=parse)))
    return found


def _included_or_not(text: str, parse: Callable[[str], str]) -> str:
    """A prefix, with `!` before it where it is taken out."""
    return NOT + parse(text[len(NOT) :]) if text.startswith(NOT) else parse(text)


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f'"{text}" is not an ISO 4217 currency such as EUR')
    return text
