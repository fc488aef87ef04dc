"""The compiled tariff: from a plan and a query to the line that prices it.

Pure and immutable but for bounded memories of what was asked last. Rules are indexed by service and, where
they name destinations, by destination, so that a plan of many destinations is searched by the few prefixes a
number has.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple, TypeVar

from ocs.charging.rating import Rate
from ocs.charging.tariff.explanation import explain
from ocs.charging.tariff.line import Candidate, Line
from ocs.charging.tariff.matching import Place, match, place
from ocs.charging.tariff.model import Explanation, Plan, PlanVersion, Query, Rule, Tariff
from ocs.charging.tariff.prefixes import PrefixTable

REMEMBERED_QUERIES = 50_000  # exact queries
REMEMBERED_LINES = 20_000  # lines, shared by queries that differ only behind the matched prefixes

LONGEST_REMEMBERED = 128  # characters of a query; longer ones are nobody's number or APN
ELSEWHERE = "?"  # a known network that only the empty prefix matches
UNLISTED = -1  # any rating group that no rule names
FORGOTTEN_AT_ONCE = 16  # a full memory forgets the oldest of so many parts
KEPT_FORMER = 2  # tariffs that sessions opened under them still find

Value = TypeVar("Value", int, str)
Words = tuple[object, ...]  # those of a `Query`
Key = tuple[str, Words]
Indexed = list[tuple[int, Rule]]


class Former(NamedTuple):
    """The catalogue that held until a moment."""

    catalogue: "Catalogue"
    until_ns: int


class Catalogue:
    """A tariff to ask; safe to share, replaced as a whole when the tariff changes."""

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.currency = tariff.currency
        self._destinations = PrefixTable(tariff.destinations)
        self._zones = PrefixTable(tariff.zones)
        indexes: dict[int, _Index] = {}  # by identity of the rules, which plans may share
        self._plans = {plan.name: _CompiledPlan(plan, indexes) for plan in tariff.plans}
        rules = [rule for index in indexes.values() for rule in index.rules]
        self._service_identifiers = _mentioned(rule.service_identifiers for rule in rules)
        self._rating_groups = {listed for rule in rules for listed in rule.rating_groups or ()}
        self._wide_ranges = tuple(listed for listed in self._rating_groups if listed[0] != listed[1])
        self._apns = _mentioned(rule.apns for rule in rules)
        self._categories = _mentioned(rule.categories for rule in rules)
        self._rats = _mentioned(rule.rats for rule in rules)
        self._fact_names = {name for rule in rules for name, _ in rule.facts}
        self._queries: dict[Key, Line | None] = {}
        self._lines: dict[Key, Line | None] = {}
        self._joined: dict[tuple[Line | None, Line], Line] = {}
        self.former: Former | None = None

    def succeed(self, former: "Catalogue", at_ns: int) -> "Catalogue | None":
        """Take the place of another catalogue, which sessions opened before that moment may still need.

        Returned is the one that nobody needs any more, for `let_go`.
        """
        self.former = Former(former, at_ns)
        self._fact_names |= former._fact_names
        oldest = former
        for _ in range(KEPT_FORMER - 1):
            if oldest.former is not None:
                oldest = oldest.former.catalogue
        gone, oldest.former = oldest.former, None
        return None if gone is None else gone.catalogue

    def pieces(self) -> list[object]:
        """What most of it is made of; forgotten one by one, the last one first, none of them takes long."""
        return [*self.tariff.destinations.values(), *self._destinations.pieces()]

    def has_plan(self, plan: str) -> bool:
        """Whether there is a plan of that name."""
        return plan in self._plans

    def plan_of(self, account_key: str, category: str, subject: str) -> str:
        """The plan that prices a subject: its profile of the category, its profile, a plan of that name, `*any`.

        The tenant is what stands before the first colon of the account's key. Where there is none of these the
        subject's own name is returned, which nothing prices.
        """
        tenant = account_key.partition(":")[0]
        for name in (
            f"{tenant}:{category}:{subject}",
            f"{tenant}:{subject}",
            subject,
            f"{tenant}:{category}:*any",
            f"{tenant}:*any",
        ):
            if name in self._plans:
                return name
        return subject

    def serves(self, plan: str, service: str) -> bool:
        """Whether a plan, or one it falls back to, has any rule for a service."""
        return any(self._plans[name].rules(service) for name in self._chain(plan))

    def rate(self, rate_id: str) -> Rate | None:
        """The rate of that name."""
        return self.tariff.rates.get(rate_id)

    def prefixes(self, called: str) -> list[tuple[str, tuple[str, ...]]]:
        """The known prefixes of a number with their destinations, the longest first."""
        return self._destinations.matches(called)

    def begins(self, called: str, destinations: tuple[str, ...]) -> bool:
        """Whether a called number belongs to one of some destinations."""
        return any(name in destinations for _, names in self.prefixes(called) for name in names)

    def line(self, plan: str, words: Words) -> Line | None:
        """The line that prices a query in a plan; None where no rule is about it, or the plan is unknown.

        A plain tuple of the same words will do: it finds what a `Query` would, and costs a third of making one.
        """
        key = (plan, words)
        try:
            return self._queries[key]
        except KeyError:
            query = Query._make(words)
            line = self._shared_line(plan, self._reduced(query))
            if self.former is not None:
                line = self._with_former(line, self.former.catalogue.line(plan, query), self.former.until_ns)
            said = [query.called, query.apn, query.plmn, query.category, query.rat]
            said += [value for _, value in query.facts]
            if sum(map(len, said)) < LONGEST_REMEMBERED:
                _remember(self._queries, key, line, REMEMBERED_QUERIES)
            return line

    def explain(self, plan: str, query: Query, at_ns: int) -> Explanation:
        """Which rules were looked at for a query, which one won, and why the others did not."""
        reduced = self._reduced(query)
        rules = [
            (name, rule) for name in self._chain(plan) for rule in self._plans[name].rules(query.service)
        ]
        full = query._replace(apn=network_identifier(query.apn))
        where = place(reduced, self._destinations, self._zones)
        return explain(plan, full, at_ns, self._shared_line(plan, reduced), rules, where)

    def _reduced(self, query: Query) -> Query:
        """The query with what no rule mentions left out: equal ones share a line."""
        service, unit, rating_group, service_identifier, called, apn, plmn, category, rat, facts = query
        apn = network_identifier(apn) if apn else ""
        network = self._zones.longest(plmn) if plmn else None
        return Query(
            service,
            unit,
            rating_group if rating_group is None or self._is_listed(rating_group) else UNLISTED,
            service_identifier if service_identifier in self._service_identifiers else None,
            (called and self._destinations.longest(called)) or "",
            apn if apn in self._apns else "",
            "" if network is None else network or ELSEWHERE,
            category if category in self._categories else "",
            rat if rat in self._rats else "",
            self.facts(facts),
        )

    def facts(self, known: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Those facts of a session that a rule of this tariff, or of a former one, names."""
        names = self._fact_names
        return tuple([fact for fact in known if fact[0] in names]) if names else ()

    def _is_listed(self, rating_group: int) -> bool:
        if (rating_group, rating_group) in self._rating_groups:
            return True
        return any(first <= rating_group <= last for first, last in self._wide_ranges)

    def _with_former(self, line: Line | None, former: Line | None, until_ns: int) -> Line | None:
        """The line with what priced the same before; queries that share both share it."""
        if former is None:
            return line
        joined = self._joined.get((line, former))
        if joined is None:
            if len(self._joined) >= REMEMBERED_LINES:
                self._joined.clear()
            joined = Line(() if line is None else line.candidates, former, until_ns)
            self._joined[line, former] = joined
        return joined

    def _shared_line(self, plan: str, query: Query) -> Line | None:
        key = (plan, query)
        if key not in self._lines:
            candidates = self._candidates(plan, query)
            line = Line(candidates) if candidates else None
            _remember(self._lines, key, line, REMEMBERED_LINES)
        return self._lines[key]

    def _candidates(self, plan: str, query: Query) -> tuple[Candidate, ...]:
        where = place(query, self._destinations, self._zones)
        found: list[Candidate] = []
        for name in self._chain(plan):
            found += self._plans[name].candidates(query, where)
        return tuple(found)

    def _chain(self, plan: str) -> list[str]:
        """The plan and its fallbacks, depth first, each once, as deep as the tariff allows."""
        depths: dict[str, int] = {}  # the least at which a plan was met, in the order of first meeting
        self._visit(plan, 0, depths)
        return list(depths)

    def _visit(self, name: str, depth: int, depths: dict[str, int]) -> None:
        if name not in self._plans or depths.get(name, depth + 1) <= depth:
            return
        depths[name] = depth
        if depth < self.tariff.fallback_depth:
            for fallback in self._plans[name].plan.fallbacks:
                self._visit(fallback, depth + 1, depths)


def _mentioned(values: Iterable[frozenset[Value] | None]) -> frozenset[Value]:
    """Everything that any rule names."""
    return frozenset().union(*(value for value in values if value is not None))


class _CompiledPlan:
    """A plan with its rules indexed."""

    __slots__ = ("_versions", "plan")

    def __init__(self, plan: Plan, indexes: "dict[int, _Index]") -> None:
        self.plan = plan
        ordered = sorted(plan.versions, key=_valid_from_ns)
        self._versions = [
            (
                version.valid_from_ns,
                _valid_until_ns(version, following),
                _shared_index(version.rules, indexes),
            )
            for version, following in zip(ordered, (*ordered[1:], None), strict=bool(ordered))
        ]

    def rules(self, service: str) -> list[Rule]:
        """Every rule for a service, in the order of the file."""
        return [rule for _, _, index in self._versions for rule in index.rules if rule.service == service]

    def candidates(self, query: Query, where: Place) -> list[Candidate]:
        """The rules that meet a query, in the order in which they are asked."""
        found: list[Candidate] = []
        for valid_from_ns, valid_until_ns, index in self._versions:
            for position, rule in index.near(query.service, where):
                if (met := match(rule, query, where, position)) is not None:
                    found.append(Candidate(self.plan.name, rule, met, valid_from_ns, valid_until_ns))
        found.sort(key=lambda candidate: candidate.met.order)
        return found


class _Index:
    """The rules of one version by service, and by destination where they name one.

    Rules stand there by their place in the file: tuples of numbers are nothing the garbage collector looks through.
    """

    __slots__ = ("_anywhere", "_towards", "rules")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        anywhere: dict[str, list[int]] = {}
        towards: dict[str, dict[str, list[int]]] = {}
        for position, rule in enumerate(rules):
            if rule.destinations is None:
                anywhere.setdefault(rule.service, []).append(position)
                continue
            places = towards.setdefault(rule.service, {})
            for destination in rule.destinations:
                places.setdefault(destination, []).append(position)
        self._anywhere = {service: tuple(positions) for service, positions in anywhere.items()}
        self._towards = {
            service: {name: tuple(positions) for name, positions in places.items()}
            for service, places in towards.items()
        }

    def near(self, service: str, where: Place) -> Indexed:
        """The rules that may match: those for anywhere and those for a destination of the number, once."""
        found = dict.fromkeys(self._anywhere.get(service, ()))
        towards = self._towards.get(service, {})
        for _, names in where.called:
            for name in names:
                found.update(dict.fromkeys(towards.get(name, ())))
        return [(position, self.rules[position]) for position in found]


def _shared_index(rules: tuple[Rule, ...], indexes: dict[int, _Index]) -> _Index:
    index = indexes.get(id(rules))
    if index is None:
        index = indexes[id(rules)] = _Index(rules)
    return index


def network_identifier(apn: str) -> str:
    """An APN in lower case without its operator identifier (TS 23.003 9.1)."""
    labels = apn.lower().split(".")
    if labels[-1] == "gprs" and len(labels) > 3 and labels[-2][:3] == "mcc" and labels[-3][:3] == "mnc":
        return ".".join(labels[:-3])
    return ".".join(labels)


def _remember(memory: dict[Key, Line | None], key: Key, line: Line | None, most: int) -> None:
    """Keeps a line, forgetting the oldest ones when there are too many."""
    if len(memory) >= most:
        for oldest in list(islice(memory, max(most // FORGOTTEN_AT_ONCE, 1))):
            del memory[oldest]
    memory[key] = line


def _valid_from_ns(version: PlanVersion) -> int:
    return -(2**63) if version.valid_from_ns is None else version.valid_from_ns


def _valid_until_ns(version: PlanVersion, following: PlanVersion | None) -> int | None:
    """A version ends when the next one begins, or by its own end."""
    ends = [version.valid_until_ns, following.valid_from_ns if following else None]
    return min((end for end in ends if end is not None), default=None)
