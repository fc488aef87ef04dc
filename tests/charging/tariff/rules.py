"""Shorthand for tariffs in tests."""

from datetime import datetime
from zoneinfo import ZoneInfo

from ocs.charging.events import Unit
from ocs.charging.rating import Rate, Slot
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Query, Rule, Tariff, Verdict
from ocs.charging.tariff.windows import Period, Window

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
RATES = {name: Rate(0, (Slot(0, nanos, 1, 1),)) for nanos, name in enumerate("abcdef", 1)}
PEAK = Window("peak", (Period(8 * 3600, 18 * 3600, weekdays=frozenset(range(5))),), "Europe/Berlin")
NIGHT = Window("night", (Period(22 * 3600, 6 * 3600),), "Europe/Berlin")
MONDAY_NOON_NS = int(datetime(2026, 6, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND_NS


def rated(name: str, window: Window | None = None, weight: int = 0) -> Choice:
    return Choice(Verdict.RATED, RATES[name], name, window, weight)


def rule(name: str, *choices: Choice, service: str = "voice", **conditions: object) -> Rule:
    unit = conditions.pop("unit", {"voice": Unit.TIME, "data": Unit.OCTETS}.get(service, Unit.EVENTS))
    return Rule(name, service, unit, choices or (rated("a"),), **conditions)  # type: ignore[arg-type]


def plan(name: str, *rules: Rule, fallbacks: tuple[str, ...] = ()) -> Plan:
    return Plan(name, (PlanVersion(rules),), fallbacks)


def catalogue(*plans: Plan, fallback_depth: int = 8) -> Catalogue:
    destinations = {"germany": ("49",), "mobile": ("4915", "4916"), "world": ("",), "same": ("49",)}
    zones = {"europe": ("262", "208"), "abroad": ("", "!00101"), "one": ("26201",)}
    return Catalogue(Tariff("EUR", plans, destinations, zones, RATES, fallback_depth))


def chosen(tariff: Catalogue, query: Query, at_ns: int = MONDAY_NOON_NS, plan_name: str = "p") -> str | None:
    """The name of the rule that prices a query, "" where none is open, None where none is about it."""
    line = tariff.line(plan_name, query)
    return None if line is None else line.at(at_ns).rule
