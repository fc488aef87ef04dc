"""The parts of a tariff file about who pays which rate: rules and plans.

Pure. Works on `Field`s; what is wrong is recorded there.
"""

from collections.abc import Mapping
from datetime import tzinfo
from functools import partial
from typing import NamedTuple

from ocs.charging.events import Unit
from ocs.charging.rating import Rate
from ocs.charging.tariff.catalogue import network_identifier
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Verdict
from ocs.charging.tariff.quantities import moment_ns, number_range, whole
from ocs.charging.tariff.rate_reader import UNITS, ReadRate, read_rate
from ocs.charging.tariff.windows import Window
from ocs.charging.tariff.yaml_marks import Field, closest

SERVICES = {  # what a service counts unless the rule says otherwise
    "data": Unit.OCTETS,
    "voice": Unit.TIME,
    "sms": Unit.EVENTS,
    "mms": Unit.EVENTS,
    "generic": Unit.EVENTS,
}
OUTCOME_KEYS = ("rate", "free", "denied")
CONDITION_KEYS = ("rating_group", "service_identifier", "apn", "zone", "to", "category", "rat", "facts")
FACT_KEYS = ("charging_characteristics", "home_plmn", "qci", "role", "rule_base", "visited_network")
RULE_KEYS = ("name", "unit", *CONDITION_KEYS, *OUTCOME_KEYS, "windows", "weight")
WINDOW_CHOICE_KEYS = ("during", *OUTCOME_KEYS, "weight")
VERSION_KEYS = ("valid_from", "valid_until", *SERVICES)
PLAN_KEYS = ("fallback", "versions", *VERSION_KEYS)
MAX_NUMBER = 2**32 - 1  # of a rating group or service identifier (RFC 8506 8.29, 8.28)
MAX_WEIGHT = 1_000_000


class Known(NamedTuple):
    """What rules may name."""

    destinations: Mapping[str, tuple[str, ...]]
    zones: Mapping[str, tuple[str, ...]]
    windows: Mapping[str, Window]
    rates: Mapping[str, ReadRate]
    zone: tzinfo


class Asked(NamedTuple):
    """The rating groups of a rule: ranges, and whether usage without one is meant."""

    ranges: tuple[tuple[int, int], ...] | None = None
    without: bool = False


def read_plans(field: Field | None, known: Known) -> tuple[Plan, ...]:
    """Named plans; fallbacks must exist and not lead back."""
    entries = {} if field is None else field.entries()
    if not entries and field is not None:
        field.problem("there is no plan")
    plans = {name: _plan(name, item, entries, known) for name, item in entries.items()}
    for name, item in entries.items():
        if _leads_to(name, name, plans, set()):
            item.problem("falls back to itself")
    return tuple(plans.values())


def _plan(name: str, field: Field, plans: Mapping[str, Field], known: Known) -> Plan:
    members = field.members(PLAN_KEYS)
    fallbacks: tuple[str, ...] = ()
    if "fallback" in members:
        fallbacks = members["fallback"].names_of(plans, "plan")
    names: set[str] = set()
    versions = []
    if any(key in members for key in VERSION_KEYS):
        versions.append(_version(field, members, name, names, known))
    for item in members["versions"].items() if "versions" in members else ():
        label = f"{name}.versions[{len(versions)}]"
        versions.append(_version(item, item.members(VERSION_KEYS), label, names, known))
    if not fallbacks and not any(version.rules for version in versions):
        field.problem("has neither rules nor a fallback")
    return Plan(name, tuple(versions), fallbacks)


def _leads_to(start: str, goal: str, plans: Mapping[str, Plan], seen: set[str]) -> bool:
    for fallback in plans[start].fallbacks:
        if fallback == goal:
            return True
        if fallback not in seen:
            seen.add(fallback)
            if _leads_to(fallback, goal, plans, seen):
                return True
    return False


def _version(
    field: Field, members: dict[str, Field], label: str, names: set[str], known: Known
) -> PlanVersion:
    from_ns, until_ns = (
        members[key].value(partial(moment_ns, zone=known.zone)) if key in members else None
        for key in ("valid_from", "valid_until")
    )
    if from_ns is not None and until_ns is not None and until_ns <= from_ns:
        members["valid_until"].problem("is not after valid_from")
    rules: list[Rule] = []
    for service in SERVICES:
        for index, item in enumerate(members[service].items() if service in members else ()):
            rule = _rule(item, service, f"{label}.{service}[{index}]", known)
            if rule.name in names:
                item.problem(f'there is another rule "{rule.name}" in this plan')
            names.add(rule.name)
            rules.append(rule)
    return PlanVersion(tuple(rules), from_ns, until_ns)


def _rule(field: Field, service: str, label: str, known: Known) -> Rule:
    members = field.members(RULE_KEYS)
    name = (members["name"].text() or label) if "name" in members else label
    unit = _unit(members, service)
    choices = _choices(field, members, name, unit, known)
    is_rated = "unit" in members or any(choice.rate is not None for choice in choices)
    asked = _rating_groups(members["rating_group"]) if "rating_group" in members else Asked()
    return Rule(
        name,
        service,
        unit if is_rated else None,
        choices,
        asked.ranges,
        asked.without,
        _identifiers(members.get("service_identifier")),
        _words(members.get("apn"), is_apn=True),
        members["zone"].names_of(known.zones, "zone") if "zone" in members else None,
        members["to"].names_of(known.destinations, "destination") if "to" in members else None,
        _words(members.get("category")),
        _weight(members.get("weight")),
        field.source,
        None if "rat" not in members else frozenset(members["rat"].values(str.upper)),
        _facts(members.get("facts")),
    )


def _unit(members: dict[str, Field], service: str) -> Unit:
    name = members["unit"].name_of(UNITS, "unit") if "unit" in members else None
    return SERVICES[service] if name is None else UNITS[name]


def _choices(
    field: Field, members: dict[str, Field], name: str, unit: Unit, known: Known
) -> tuple[Choice, ...]:
    """The windows by weight, then what holds when none of them is open."""
    choices: list[Choice] = []
    for index, item in enumerate(members["windows"].items() if "windows" in members else ()):
        parts = item.members(WINDOW_CHOICE_KEYS)
        during = parts["during"].name_of(known.windows, "window") if "during" in parts else None
        if "during" not in parts:
            item.problem("during is missing: the name of a window")
        choice = _outcome(item, parts, f"{name}.windows[{index}]", unit, known)
        if choice is not None and during is not None:
            choices.append(_opened(choice, known.windows[during], _weight(parts.get("weight"))))
    choices.sort(key=lambda choice: -choice.weight)
    if "windows" not in members or any(key in members for key in OUTCOME_KEYS):
        otherwise = _outcome(field, members, name, unit, known)
        if otherwise is not None:
            choices.append(otherwise)
    return tuple(choices)


def _opened(choice: Choice, window: Window, weight: int) -> Choice:
    return Choice(choice.verdict, choice.rate, choice.rate_id, window, weight)


def _outcome(field: Field, members: dict[str, Field], name: str, unit: Unit, known: Known) -> Choice | None:
    """The one of `rate`, `free: true` and `denied: true` that is given."""
    given = [key for key in OUTCOME_KEYS if key in members]
    if len(given) != 1:
        field.problem("needs exactly one of rate, free: true and denied: true")
        return None
    outcome = members[given[0]]
    if given[0] == "rate":
        return _rated(outcome, name, unit, known)
    if outcome.text() != "true":
        outcome.problem("can only be true", "true")
    return Choice(Verdict.FREE if given[0] == "free" else Verdict.DENIED)


def _rated(field: Field, name: str, unit: Unit, known: Known) -> Choice | None:
    """A rate by its name, or written in place and then named like the rule."""
    if field.is_mapping:
        rate_id, found = name, read_rate(field)
    else:
        named = field.name_of(known.rates, "rate")
        if named is None:
            return None
        rate_id, found = named, known.rates[named]
    if unit not in found.units:
        counted = " or ".join(sorted(unit.name.lower() for unit in found.units))
        field.problem(f"the rate counts {counted}, the rule {unit.name.lower()}")
    rate: Rate = found.rate
    return Choice(Verdict.RATED, rate, rate_id)


def _rating_groups(field: Field) -> Asked:
    """Numbers and ranges; `none` is usage without a rating group, `any` all usage."""
    ranges: list[tuple[int, int]] = []
    without = is_any = False
    for item in field.items():
        text = item.text()
        if text == "any":
            is_any = True
        elif text == "none":
            without = True
        elif text is not None and text[:1].isdigit():
            found = item.value(partial(number_range, least=0, most=MAX_NUMBER))
            ranges += [] if found is None else [found]
        elif text is not None:
            item.problem(f'"{text}" is not a rating group', closest(text, ("any", "none")))
    if is_any:
        if ranges or without:
            field.problem("any stands alone")
        return Asked()
    return Asked(tuple(ranges), without)


def _identifiers(field: Field | None) -> frozenset[int] | None:
    if field is None:
        return None
    return frozenset(field.values(partial(whole, least=0, most=MAX_NUMBER)))


def _words(field: Field | None, is_apn: bool = False) -> frozenset[str] | None:
    if field is None:
        return None
    return frozenset(field.values(network_identifier if is_apn else str))


def _facts(field: Field | None) -> tuple[tuple[str, frozenset[str]], ...]:
    """Facts of a session by name, each with the values that will do."""
    if field is None:
        return ()
    members = field.members(FACT_KEYS)
    return tuple((name, frozenset(item.values(str))) for name, item in sorted(members.items()))


def _weight(field: Field | None) -> int:
    if field is None:
        return 0
    return field.value(partial(whole, least=-MAX_WEIGHT, most=MAX_WEIGHT)) or 0
