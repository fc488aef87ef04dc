"""What looks wrong in a tariff that can be used: rules never reached, times without a price, names never used.

Pure. Only what is certain is told: a rule is unreachable where others that are always open come before it for
whatever it is about.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from ocs.charging.tariff.model import Plan, PlanVersion, Rule, Tariff
from ocs.charging.tariff.prefixes import NOT
from ocs.charging.tariff.windows import DAY_S, SECOND_NS, Window

LOOKED_AHEAD_NS = 366 * DAY_S * SECOND_NS
MOST_STEPS = 4_000  # openings and closings looked at in one search for a gap
MOST_PREFIXES = 1_000  # of a rule that are compared with those of a more general one
MOST_GENERAL = 100  # rules asked whether they fill a gap


class Suspicion(NamedTuple):
    """Something about a rule of a plan; the plan is the first one that has it."""

    plan: str
    rule: Rule
    message: str


class Unused(NamedTuple):
    """A name that no rule leads to: of the section `rates`, `destinations`, `zones` or `windows`."""

    section: str
    name: str


def lint_rules(tariff: Tariff, at_ns: int) -> Iterator[Suspicion]:
    """What is suspicious about rules; times without a price are looked for from `at_ns` on, for a year."""
    seen: set[int] = set()
    gaps = _Gaps(tariff, at_ns)
    for plan in tariff.plans:
        for version in plan.versions:
            if id(version.rules) not in seen:
                seen.add(id(version.rules))
                yield from _unreachable(plan, version, tariff)
                yield from gaps.of(plan, version)


def unused(tariff: Tariff) -> Iterator[Unused]:
    """Rates, destinations and zones that no rule names."""
    rules = [rule for plan in tariff.plans for version in plan.versions for rule in version.rules]
    rates = {choice.rate_id for rule in rules for choice in rule.choices}
    yield from (Unused("rates", name) for name in tariff.rates if name not in rates)
    destinations = _named(rule.destinations for rule in rules) | tariff.accounting.destinations()
    yield from (Unused("destinations", name) for name in tariff.destinations if name not in destinations)
    zones = _named(rule.zones for rule in rules)
    yield from (Unused("zones", name) for name in tariff.zones if name not in zones)


def used_windows(tariff: Tariff) -> set[str]:
    """The names of the windows that rules and balances of actions ask."""
    rules = (rule for plan in tariff.plans for version in plan.versions for rule in version.rules)
    asked = {choice.window.name for rule in rules for choice in rule.choices if choice.window is not None}
    return asked | tariff.accounting.windows()


def _named(lists: Iterable[tuple[str, ...] | None]) -> set[str]:
    return {name for names in lists for name in names or ()}


# --- rules that are never reached


def _unreachable(plan: Plan, version: PlanVersion, tariff: Tariff) -> Iterator[Suspicion]:
    covered: dict[object, set[str | None]] = {}
    for rule in sorted(
        version.rules, key=lambda rule: -rule.weight
    ):  # equal weights stay in the file's order
        places = set(_places(rule, tariff))
        if not places:
            yield Suspicion(plan.name, rule, "is never reached: its destinations have no prefixes")
        known = covered.setdefault(_conditions(rule), set())
        if places and places <= known:
            yield Suspicion(plan.name, rule, "is never reached: rules before it hold for all it is about")
        elif is_always_open(rule):
            known |= places
        for choice in _after_the_always_open(rule):
            window = "price" if choice is None else f'window "{choice}"'
            yield Suspicion(
                plan.name, rule, f"its {window} never counts: a price that always holds is asked before"
            )


def _places(rule: Rule, tariff: Tariff) -> Iterator[str | None]:
    """What tells the numbers of a rule: prefixes, or the names of sets that something is taken out of."""
    if rule.destinations is None:
        yield None
    for name in rule.destinations or ():
        prefixes = tariff.destinations.get(name, ())
        if any(prefix.startswith(NOT) for prefix in prefixes):
            yield f"={name}"
        else:
            yield from prefixes


def _conditions(rule: Rule) -> object:
    return (
        rule.service,
        rule.unit,
        rule.rating_groups,
        rule.without_rating_group,
        rule.service_identifiers,
        rule.apns,
        rule.zones,
        rule.categories,
        rule.destinations is None,
    )


def is_always_open(rule: Rule) -> bool:
    """Whether a rule has something to say at any time."""
    return any(choice.window is None for choice in rule.choices)


def _after_the_always_open(rule: Rule) -> Iterator[str | None]:
    is_after = False
    for choice in rule.choices:
        if is_after:
            yield None if choice.window is None else choice.window.name
        is_after = is_after or choice.window is None


# --- times without a price


class _Gaps:
    """Looks for moments at which no window of a rule is open and no other rule takes over."""

    def __init__(self, tariff: Tariff, at_ns: int) -> None:
        self._tariff = tariff
        self._plans = {plan.name: plan for plan in tariff.plans}
        self._at_ns = at_ns
        self._found: dict[tuple[int, ...], tuple[int, int] | None] = {}

    def of(self, plan: Plan, version: PlanVersion) -> Iterator[Suspicion]:
        """The rules of a version with a gap; those with the same windows are told once, with their number."""
        alike: dict[tuple[str, int, int], list[Rule]] = {}
        general: list[Rule] | None = None
        for rule in version.rules:
            gap = None if is_always_open(rule) else self._gap([choice.window for choice in rule.choices])
            if gap is None:
                continue
            if general is None:
                general = self._general(plan, version)
            if not any(self._is_filled(rule, other) for other in general):
                alike.setdefault((rule.service, *gap), []).append(rule)
        for (_, start_ns, end_ns), rules in alike.items():
            others = f", and {len(rules) - 1} rules like it" if len(rules) > 1 else ""
            message = f"has no price from {_moment(start_ns)} until {_moment(end_ns)}{others}"
            yield Suspicion(plan.name, rules[0], message)

    def _gap(self, windows: list[Window | None]) -> tuple[int, int] | None:
        asked = [window for window in windows if window is not None]
        key = tuple(id(window) for window in asked)
        if key not in self._found:
            self._found[key] = _first_gap(asked, self._at_ns)
        return self._found[key]

    def _general(self, plan: Plan, version: PlanVersion) -> list[Rule]:
        """Rules of the version and of the plans it falls back to that are always open and may fill a gap."""
        rules = [*version.rules]
        for name in plan.fallbacks:
            rules += [rule for each in self._plans[name].versions for rule in each.rules]
        return [rule for rule in rules if is_always_open(rule) and self._is_general(rule)][:MOST_GENERAL]

    def _is_general(self, rule: Rule) -> bool:
        return rule.destinations is None or len(list(_places(rule, self._tariff))) <= MOST_GENERAL

    def _is_filled(self, rule: Rule, other: Rule) -> bool:
        """Whether another rule holds for all that a rule is about."""
        pairs = (
            (other.rating_groups, rule.rating_groups),
            (other.service_identifiers, rule.service_identifiers),
            (other.apns, rule.apns),
            (other.zones, rule.zones),
            (other.categories, rule.categories),
        )
        if rule.service != other.service or other.unit not in (None, rule.unit):
            return False
        if any(theirs is not None and theirs != mine for theirs, mine in pairs):
            return False
        return other.destinations is None or self._is_within(rule, other)

    def _is_within(self, rule: Rule, other: Rule) -> bool:
        places = list(_places(rule, self._tariff))
        wide = tuple(place for place in _places(other, self._tariff) if place is not None)
        if not places or len(places) > MOST_PREFIXES:
            return False
        return all(place is not None and place.startswith(wide) for place in places)


def _first_gap(windows: list[Window], at_ns: int) -> tuple[int, int] | None:
    """The first span of time, from a moment on, in which no window is open."""
    now_ns = at_ns
    for _ in range(MOST_STEPS):
        if now_ns >= at_ns + LOOKED_AHEAD_NS:
            break
        spans = [window.span(now_ns) for window in windows]
        open_until = [span.end_ns for span in spans if span.is_open]
        if not open_until:
            return now_ns, min(span.end_ns for span in spans)
        now_ns = max(open_until)
    return None


def _moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S}Z"
