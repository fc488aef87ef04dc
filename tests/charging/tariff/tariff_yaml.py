"""A tariff as the text of a YAML file: what prices it has, in the words of docs/tariffs.md."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ocs.charging.events import Unit
from ocs.charging.money import DECIMALS, format_nanos
from ocs.charging.rating import Rate, Slot
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff
from ocs.charging.tariff.windows import Period, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SUFFIXES = {Unit.TIME: "ns", Unit.OCTETS: "B", Unit.EVENTS: ""}
UNITS = {Unit.TIME: "time", Unit.OCTETS: "octets", Unit.EVENTS: "events"}


def tariff_yaml(tariff: Tariff) -> str:
    """The text; JSON is YAML."""
    rules = [rule for plan in tariff.plans for version in plan.versions for rule in version.rules]
    choices = [(rule, choice) for rule in rules for choice in rule.choices]
    windows = {choice.window.name: choice.window for _, choice in choices if choice.window is not None}
    rates = {_rate_name(choice, rule): _rate(choice, rule) for rule, choice in choices}
    whole = {
        "currency": tariff.currency,
        "fallback_depth": tariff.fallback_depth,
        "destinations": {name: list(prefixes) for name, prefixes in tariff.destinations.items()},
        "windows": {name: list(map(_period, window.periods)) for name, window in windows.items()},
        "rates": rates,
        "plans": {plan.name: _plan(plan) for plan in tariff.plans if _is_said(plan)},
    }
    zones = {window.zone_name for window in windows.values()}
    whole["time_zone"] = zones.pop() if zones else "UTC"
    return json.dumps({key: value for key, value in whole.items() if value != {}})


def _is_said(plan: Plan) -> bool:
    return bool(plan.fallbacks) or any(version.rules for version in plan.versions)


def _plan(plan: Plan) -> dict[str, Any]:
    said: dict[str, Any] = {
        "versions": [_version(number, version) for number, version in enumerate(plan.versions)]
    }
    return said | ({"fallback": list(plan.fallbacks)} if plan.fallbacks else {})


def _version(number: int, version: PlanVersion) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if version.valid_from_ns is not None:
        said["valid_from"] = (EPOCH + timedelta(microseconds=version.valid_from_ns // 1000)).isoformat()
    for place, rule in enumerate(version.rules):
        said.setdefault(rule.service, []).append(_rule(f"{number}/{place}", rule))
    return said


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    said: dict[str, Any] = {"name": name, "weight": rule.weight}
    if rule.destinations is not None:
        said["to"] = list(rule.destinations)
    for choice in rule.choices:
        if choice.window is None:
            said["rate"] = _rate_name(choice, rule)
            break
        opened = {
            "during": choice.window.name,
            "rate": _rate_name(choice, rule),
            "weight": choice.weight,
        }
        said.setdefault("windows", []).append(opened)
    return said


def _rate_name(choice: Choice, rule: Rule) -> str:
    """A rate of a folder counts whatever it is asked about; one of a file counts one thing."""
    return f"{choice.rate_id} of {UNITS[_unit(rule)]}"


def _unit(rule: Rule) -> Unit:
    assert rule.unit is not None
    return rule.unit


def _rate(choice: Choice, rule: Rule) -> dict[str, Any]:
    rate, unit = choice.rate, _unit(rule)
    assert isinstance(rate, Rate)
    said: dict[str, Any] = {"unit": UNITS[unit], "slots": [_slot(slot, unit) for slot in _slots(rate)]}
    said["connect_fee"] = format_nanos(rate.connect_fee_nanos)
    if rate.decimals != DECIMALS:
        said["rounding"] = {"method": rate.rounding.name.lower(), "decimals": rate.decimals}
    if rate.cap_nanos is not None:
        said["max_cost"] = {
            "amount": format_nanos(rate.cap_nanos),
            "strategy": rate.cap_strategy.name.lower(),
        }
    return said


def _slots(rate: Rate) -> Iterator[Slot]:
    if rate.slots[0].start_units:
        yield Slot(0, 0, 1, 1)
    yield from rate.slots


def _slot(slot: Slot, unit: Unit) -> dict[str, str]:
    counted = (slot.start_units, slot.per_units, slot.increment_units)
    start, per, increment = (f"{units}{SUFFIXES[unit]}" for units in counted)
    return {"from": start, "price": format_nanos(slot.price_nanos), "per": per, "increment": increment}


def _period(period: Period) -> dict[str, Any]:
    said: dict[str, Any] = {"from": _clock(period.start_s), "to": _clock(period.end_s)}
    for name in ("years", "months", "month_days"):
        numbers = getattr(period, name)
        if numbers is not None:
            said[name] = [str(number) for number in sorted(numbers)]
    if period.weekdays is not None:
        said["weekdays"] = [WEEKDAYS[day] for day in sorted(period.weekdays)]
    return said


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


__all__ = ["Window", "tariff_yaml"]
