"""What changes between two tariffs, for people: prices by plan, destination and rate.

Pure. A rate that changes is told once with the rules that use it; rules are told where they name other rates, hold
at other times, come or go.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from ocs.charging.events import Unit
from ocs.charging.money import DECIMALS, Rounding, format_nanos
from ocs.charging.rating import CapStrategy, Rate, Slot
from ocs.charging.tariff.accounting_difference import accounting_differences
from ocs.charging.tariff.model import Choice, Plan, Rule, Tariff, Verdict
from ocs.charging.tariff.windows import SECOND_NS

MILLISECOND_NS = 1_000_000

K = TypeVar("K")
V = TypeVar("V")

MOST_USERS = 5  # rules named beside a rate
MOST_PREFIXES = 8  # prefixes named beside a destination


class Change(msgspec.Struct, frozen=True):
    """One thing that differs; before or after is empty where it comes or goes."""

    what: str
    name: str
    before: str
    after: str
    used_by: str = ""

    def __str__(self) -> str:
        users = f"   ({self.used_by})" if self.used_by else ""
        if not self.before:
            return f"+ {self.what} {self.name}: {self.after}{users}"
        if not self.after:
            return f"- {self.what} {self.name}: {self.before}{users}"
        return f"~ {self.what} {self.name}: {self.before} -> {self.after}{users}"


class RuleKey(NamedTuple):
    """What a rule is called across tariffs."""

    plan: str
    valid_from_ns: int | None
    service: str
    name: str

    def __str__(self) -> str:
        since = "" if self.valid_from_ns is None else f" from {_moment(self.valid_from_ns)}"
        return f"{self.plan}{since}/{self.service}/{self.name}"


def differences(before: Tariff, after: Tariff) -> list[Change]:
    """Everything that differs, rates first."""
    found: list[Change] = []
    if before.currency != after.currency:
        found.append(Change("currency", "", before.currency, after.currency))
    old_rules, new_rules = _rules(before), _rules(after)
    found += _rates(old_rules, new_rules)
    found += _plans(before, after)
    found += _rule_changes(old_rules, new_rules)
    found += _prefix_changes("destination", before.destinations, after.destinations)
    found += _prefix_changes("zone", before.zones, after.zones)
    found += [Change(*one) for one in accounting_differences(before.accounting, after.accounting)]
    return found


def _rules(tariff: Tariff) -> dict[RuleKey, Rule]:
    return {
        RuleKey(plan.name, version.valid_from_ns, rule.service, rule.name): rule
        for plan in tariff.plans
        for version in plan.versions
        for rule in version.rules
    }


def _pairs(before: Mapping[K, V], after: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """Both values of every key that has different ones."""
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key), after.get(key)
        if old is not new and old != new:
            yield key, old, new


# --- rates


class _Used(NamedTuple):
    rate: Rate
    unit: Unit | None
    users: list[RuleKey]


def _rates(before: Mapping[RuleKey, Rule], after: Mapping[RuleKey, Rule]) -> Iterator[Change]:
    """Rates by name and unit that cost something else; new and unused ones show up with their rules."""
    old, new = _used_rates(before), _used_rates(after)
    for key in old.keys() & new.keys():
        one, other = old[key], new[key]
        if one.rate != other.rate:
            rules = list(dict.fromkeys(other.users))  # a rule may name a rate at several hours
            users = ", ".join(str(user) for user in rules[:MOST_USERS])
            more = len(rules) - MOST_USERS
            used_by = f"{users} and {more} more" if more > 0 else users
            yield Change(
                "rate", key[0], rate_text(one.rate, one.unit), rate_text(other.rate, other.unit), used_by
            )


def _used_rates(rules: Mapping[RuleKey, Rule]) -> dict[tuple[str, Unit | None], _Used]:
    found: dict[tuple[str, Unit | None], _Used] = {}
    for key, rule in rules.items():
        for choice in rule.choices:
            if choice.rate is not None:
                used = found.setdefault(
                    (choice.rate_id, rule.unit), _Used(choice.rate, rule.unit, list[RuleKey]())
                )
                used.users.append(key)
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


def rate_text(rate: Rate, unit: Unit | None) -> str:
    """A rate in one line: `0.12/1m per 30s, from 1m 0.09/1m per 1s, fee 0.05`."""
    parts = []
    for slot in rate.slots:
        start = f"from {units_text(slot.start_units, unit)} " if slot.start_units else ""
        parts.append(start + _slot_text(slot, unit))
    if rate.connect_fee_nanos:
        parts.append(f"fee {format_nanos(rate.connect_fee_nanos)}")
    if rate.decimals != DECIMALS or rate.rounding is not Rounding.UP:
        parts.append(f"rounded {rate.rounding.name.lower()} to {rate.decimals} decimals")
    if rate.cap_nanos is not None:
        then = "free" if rate.cap_strategy is CapStrategy.FREE else "ended"
        parts.append(f"at most {format_nanos(rate.cap_nanos)}, then {then}")
    return ", ".join(parts) or "nothing"


def _slot_text(slot: Slot, unit: Unit | None) -> str:
    per = units_text(slot.per_units, unit)
    return f"{format_nanos(slot.price_nanos)}/{per} by {units_text(slot.increment_units, unit)}"


def units_text(units: int, unit: Unit | None) -> str:
    """Units of a rate for people: `1m30s`, `100MB`, `3`; exact."""
    if unit is Unit.TIME:
        return _time_text(units)
    if unit is Unit.OCTETS:
        for size, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1024, "KiB")):
            if units and units % size == 0:
                return f"{units // size}{name}"
        return f"{units}B"
    return str(units)


def _time_text(time_ns: int) -> str:
    if time_ns % SECOND_NS and time_ns < SECOND_NS:
        return f"{time_ns}ns" if time_ns % MILLISECOND_NS else f"{time_ns // MILLISECOND_NS}ms"
    minutes, seconds_ns = divmod(time_ns, 60 * SECOND_NS)
    hours, minutes = divmod(minutes, 60)
    seconds = str(seconds_ns // SECOND_NS)
    if seconds_ns % SECOND_NS:
        seconds += f".{seconds_ns % SECOND_NS:09d}".rstrip("0")
    parts = ((str(hours), "h"), (str(minutes), "m"), (seconds, "s"))
    return "".join(f"{number}{name}" for number, name in parts if number != "0") or "0s"


# --- plans, rules, prefixes


def _plans(before: Tariff, after: Tariff) -> Iterator[Change]:
    old = {plan.name: _plan_text(plan) for plan in before.plans}
    new = {plan.name: _plan_text(plan) for plan in after.plans}
    for name, one, other in _pairs(old, new):
        yield Change("plan", name, one or "", other or "")


def _plan_text(plan: Plan) -> str:
    versions = [
        "always" if version.valid_from_ns is None else f"from {_moment(version.valid_from_ns)}"
        for version in plan.versions
    ]
    fallbacks = f", falls back to {', '.join(plan.fallbacks)}" if plan.fallbacks else ""
    return (", ".join(versions) or "no rules") + fallbacks


def _rule_changes(before: Mapping[RuleKey, Rule], after: Mapping[RuleKey, Rule]) -> Iterator[Change]:
    for key, old, new in _pairs(before, after):
        one = "" if old is None else rule_text(old)
        other = "" if new is None else rule_text(new)
        if one == other:
            continue  # the rates it names have changed, which is told with them
        if old is None or new is None:
            prices = _prices(old or new)
            yield Change("rule", str(key), one and f"{one} [{prices}]", other and f"{other} [{prices}]")
        else:
            yield Change("rule", str(key), one, other)


def _prices(rule: Rule | None) -> str:
    choices = () if rule is None else rule.choices
    texts = (rate_text(c.rate, rule.unit if rule else None) for c in choices if c.rate is not None)
    return "; ".join(dict.fromkeys(texts)) or "no price"


def rule_text(rule: Rule) -> str:
    """What a rule is about and what it names, without the terms of its rates."""
    conditions = (
        ("to", rule.destinations),
        ("zone", rule.zones),
        ("rating group", _ranges(rule)),
        ("service", _sorted(rule.service_identifiers)),
        ("apn", _sorted(rule.apns)),
        ("category", _sorted(rule.categories)),
        ("radio access", _sorted(rule.rats)),
        *((name, _sorted(values)) for name, values in rule.facts),
    )
    texts = [f"{name} {', '.join(values)}" for name, values in conditions if values is not None]
    if rule.weight:
        texts.append(f"weight {rule.weight}")
    return " ".join((*texts, "; ".join(_choice_text(choice) for choice in rule.choices)))


def _choice_text(choice: Choice) -> str:
    what = f"rate {choice.rate_id}" if choice.verdict is Verdict.RATED else choice.verdict.name.lower()
    return what if choice.window is None else f"{what} in {choice.window.name}"


def _ranges(rule: Rule) -> tuple[str, ...] | None:
    if rule.rating_groups is None and not rule.without_rating_group:
        return None
    ranges = [f"{first}-{last}" if last > first else str(first) for first, last in rule.rating_groups or ()]
    return (*ranges, "none") if rule.without_rating_group else tuple(ranges)


def _sorted(values: Iterable[object] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(sorted(map(str, values)))


def _prefix_changes(
    what: str, before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> Iterator[Change]:
    for name, old, new in _pairs(before, after):
        gone = _some_of(set(old or ()) - set(new or ()))
        come = _some_of(set(new or ()) - set(old or ()))
        if gone or come or old is None or new is None:
            yield Change(
                what,
                name,
                gone or ("" if old is None else "nothing"),
                come or ("" if new is None else "nothing"),
            )


def _some_of(prefixes: set[str]) -> str:
    ordered = sorted(prefixes)
    shown = ", ".join(prefix or "*" for prefix in ordered[:MOST_PREFIXES])
    more = len(ordered) - MOST_PREFIXES
    return f"{shown} and {more} more" if more > 0 else shown


def _moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // SECOND_NS, UTC):%Y-%m-%d %H:%M}Z"
