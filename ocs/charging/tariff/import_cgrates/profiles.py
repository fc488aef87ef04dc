"""RatingProfiles.csv: plans with their versions and fallbacks. Pure.

A profile becomes the plan `tenant:category:subject`. As an account has one plan for all services, a subject's
profiles are also put together in a plan `tenant:subject`, each with the services its category stands for.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ocs.charging.cgrates import values
from ocs.charging.cgrates.csv_folder import COLUMNS, Row
from ocs.charging.tariff.import_cgrates.cells import Cells
from ocs.charging.tariff.import_cgrates.plans import UNITS, RatingPlan, rules
from ocs.charging.tariff.import_cgrates.rates import ANY
from ocs.charging.tariff.model import Plan, PlanVersion, Rule

TENANT, CATEGORY, SUBJECT, ACTIVATION, RATING_PLAN, FALLBACKS = range(6)
SERVICES: Mapping[str, tuple[str, ...]] = {  # what a category stands for; others stand for every service
    "call": ("voice",),
    **{service: (service,) for service in UNITS},
}
ALL_SERVICES = tuple(UNITS)


class Key(NamedTuple):
    """What a profile is for."""

    tenant: str
    category: str
    subject: str

    @property
    def plan(self) -> str:
        """The name of its plan."""
        return f"{self.tenant}:{self.category}:{self.subject}"


class Activation(NamedTuple):
    """The rating plan from a moment on; None: always."""

    at_ns: int | None
    rating_plan: str


class Profile(NamedTuple):
    """All rows of one key."""

    activations: tuple[Activation, ...]
    fallbacks: tuple[str, ...]
    row: Row


def read_profiles(cells: Cells, rows: tuple[Row, ...], known: Mapping[str, RatingPlan]) -> dict[Key, Profile]:
    """Profiles by key, their activations by time."""
    grouped: dict[Key, list[Row]] = {}
    for row in rows:
        grouped.setdefault(Key(*row.cells[:3]), []).append(row)
    return {key: _profile(cells, key, same, known, grouped) for key, same in grouped.items()}


def _profile(
    cells: Cells, key: Key, rows: list[Row], known: Mapping[str, RatingPlan], keys: Mapping[Key, object]
) -> Profile:
    activations: dict[int, Activation] = {}
    for row in rows:
        name = row.cells[RATING_PLAN]
        if name not in known:
            cells.unknown(row, RATING_PLAN, "rating plan", known)
        at_ns = cells.read(row, ACTIVATION, values.instant_ns, 0)
        if at_ns in activations:
            cells.warn(row, ACTIVATION, "another row of this profile begins then; the last one counts")
        activations[at_ns] = Activation(at_ns or None, name)
    ordered = tuple(activations[at_ns] for at_ns in sorted(activations))
    return Profile(ordered, tuple(_fallbacks(cells, key, rows, keys)), rows[0])


def _fallbacks(cells: Cells, key: Key, rows: list[Row], keys: Mapping[Key, object]) -> Iterator[str]:
    """The names of the plans to fall back to; one for every subject that has a profile."""
    lists = [values.words(row.cells[FALLBACKS]) for row in rows]
    for row, names in zip(rows[1:], lists[1:], strict=True):
        if names != lists[0]:
            cells.lose(
                row, FALLBACKS, "differ from those of the row before; all of them are asked at any time"
            )
    seen = {key.subject}
    for row, names in zip(rows, lists, strict=True):
        for name in names:
            other = Key(key.tenant, key.category, name)
            if name in seen:
                continue
            seen.add(name)
            if other in keys:
                yield other.plan
            else:
                cells.warn(
                    row, FALLBACKS, f'there is no profile of "{name}" to fall back to; it is passed over'
                )


class Plans:
    """Makes plans; rules of equal rating plan and services are made once and shared."""

    def __init__(
        self,
        profiles: Mapping[Key, Profile],
        known: Mapping[str, RatingPlan],
        services: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._profiles = profiles
        self._known = known
        self._services = {**SERVICES, **services}
        self._rules: dict[tuple[str, tuple[str, ...]], tuple[Rule, ...]] = {}

    def of_profiles(self) -> Iterator[Plan]:
        """A plan for every profile."""
        for key, profile in self._profiles.items():
            yield Plan(key.plan, self._versions(key), profile.fallbacks)

    def of_subjects(self, cells: Cells, taken: set[str]) -> Iterator[Plan]:
        """A plan for every subject, where it is clear which category prices which service."""
        by_subject: dict[tuple[str, str], list[Key]] = {}
        for key in self._profiles:
            if key.category in self._services:
                by_subject.setdefault((key.tenant, key.subject), []).append(key)
        for (tenant, subject), keys in by_subject.items():
            name = f"{tenant}:{subject}"
            row = self._profiles[keys[0]].row
            services = [service for key in keys for service in self._services[key.category]]
            if len(set(services)) < len(services):
                cells.lose(
                    row, CATEGORY, f'no plan "{name}": several categories of it price the same service'
                )
            elif name in taken:
                cells.lose(row, SUBJECT, f'no plan "{name}" of all categories: another plan has this name')
            else:
                fallbacks = [plan for key in keys for plan in self._profiles[key].fallbacks]
                yield Plan(name, _together([self._versions(key) for key in keys]), tuple(fallbacks))

    def of_routes(self, rows: Iterable[Row], taken: Collection[str]) -> Iterator[Plan]:
        """A plan for every rating plan that a carrier is said to charge by, under its own name."""
        column = COLUMNS["Routes.csv"].index("RouteRatingPlanIDs")
        named = dict.fromkeys(name for row in rows for name in values.words(row.cells[column]))
        for name in named:
            if name in self._known and name not in taken:
                yield Plan(name, (PlanVersion(self._rules_of(name, ANY)),))

    def _versions(self, key: Key) -> tuple[PlanVersion, ...]:
        """The versions of a profile; before its first one the profile of `*any` holds."""
        own = self._profiles[key].activations
        first_ns = own[0].at_ns
        general = self._profiles.get(Key(key.tenant, key.category, ANY))
        before: tuple[Activation, ...] = ()
        if first_ns is not None and general is not None and key.subject != ANY:
            before = tuple(each for each in general.activations if (each.at_ns or 0) < first_ns)
        return tuple(
            PlanVersion(self._rules_of(each.rating_plan, key.category), each.at_ns)
            for each in (*before, *own)
        )

    def _rules_of(self, rating_plan: str, category: str) -> tuple[Rule, ...]:
        services = self._services.get(category, ALL_SERVICES)
        found = self._rules.get((rating_plan, services))
        if found is None:
            plan = self._known.get(rating_plan)
            found = () if plan is None else rules(plan, services)
            self._rules[rating_plan, services] = found
        return found


def _together(parts: list[tuple[PlanVersion, ...]]) -> tuple[PlanVersion, ...]:
    """One list of versions for several: a new one begins whenever one of any begins."""
    if len(parts) == 1:
        return parts[0]
    times = sorted({version.valid_from_ns or 0 for versions in parts for version in versions})
    found = []
    for at_ns in times:
        current: list[Rule] = []
        for versions in parts:
            begun = [version for version in versions if (version.valid_from_ns or 0) <= at_ns]
            current += begun[-1].rules if begun else ()
        found.append(PlanVersion(tuple(current), at_ns or None))
    return tuple(found)
