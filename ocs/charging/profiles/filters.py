"""The filter language of all profiles: rules compiled once, inline (`*string:~*req.Account:1001`) or stored. Pure.

All rules of a filter and all filters of a profile must hold; one value of a rule is enough. `*not...` turns a rule
round, `*ni...` keeps it out of the index. A field that is not there fails `*string`, `*prefix` and the like, passes
`*empty` and every turned-round rule, and is never an error.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ocs.charging.profiles.activation import ALWAYS, Activation
from ocs.charging.profiles.conditions import MAKERS, RAW, Test
from ocs.charging.profiles.rsr import Part, element_end, parse_element
from ocs.charging.profiles.view import View

MOST_VALUES = 10_000
MOST_RULES = 100
CACHED = 16_384  # inline rules, compiled
INDEXED = ("*string", "*prefix", "*suffix", "*exists")


class FilterRule(msgspec.Struct, frozen=True, rename="pascal"):
    """One rule as written."""

    type: str
    element: str = ""
    values: tuple[str, ...] = ()


class Filter(msgspec.Struct, frozen=True):
    """A stored filter; its rules are ANDed."""

    tenant: str
    id: str
    rules: tuple[FilterRule, ...] = ()
    activation: Activation = ALWAYS


class Key(NamedTuple):
    """What an index can look up: `kind` is *string, *prefix, *suffix or *exists; any of the values will do."""

    kind: str
    element: Part
    values: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True):
    """A compiled rule; its key where an index can find it."""

    source: FilterRule
    test: Test
    key: Key | None = None


def parse_inline(text: str) -> FilterRule:
    """`Type:Element:Value1|Value2` as a rule. Raises ValueError."""
    kind, colon, _ = text.partition(":")
    if not colon or not kind.startswith("*"):
        raise ValueError(f"not a filter: {text[:80]!r}")
    if kind.startswith("*http#"):
        raise ValueError(f"a filter may not ask another server: {text[:80]!r}")
    start = len(kind) + 1
    end = element_end(text, start)
    values = text[end + 1 :]
    is_valued = end < len(text) and (values or not kind.endswith(("empty", "exists")))
    return FilterRule(kind, text[start:end], split_values(values) if is_valued else ())


def split_values(text: str, separator: str = "|") -> tuple[str, ...]:
    """Values between separators, which do not count in backticks and braces."""
    found, piece, closer = [], "", ""
    for char in text:
        if closer:
            closer = "" if char == closer else closer
        elif char in "`{":
            closer = "`" if char == "`" else "}"
        elif char == separator:
            found.append(piece)
            piece = ""
            continue
        piece += char
    return (*found, piece)


def is_inline(filter_id: str) -> bool:
    """Whether a filter id is a rule written in place."""
    return filter_id.startswith("*") and ":" in filter_id


def compile_rule(source: FilterRule) -> Rule:
    """The test of a rule. Raises ValueError that names what is wrong."""
    kind, is_negated = source.type, False
    if kind.startswith("*not"):
        kind, is_negated = "*" + kind[4:], True
    is_indexed = not kind.startswith("*ni")
    base = kind if is_indexed else "*" + kind[3:]
    if not is_indexed and base not in INDEXED:
        raise ValueError(f"no filter type is called {source.type[:40]!r}")
    if len(source.values) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")
    maker = MAKERS.get(base)
    if maker is None:
        what = "needs an outside service" if base in ("*apiban", "*sentrypeer") else "is not a filter type"
        raise ValueError(f"{source.type[:40]} {what}")
    try:
        element = parse_element(source.element)
        read = Part if base in RAW else parse_element
        values = tuple(read(value) for value in source.values)
        if not values and base not in ("*empty", "*exists"):
            raise ValueError("has no value")
        test = maker(element, values)
    except ValueError as error:
        raise ValueError(f"filter {describe(source)[:200]}: {error}") from None
    if is_negated:
        return Rule(source, lambda view: not test(view))
    return Rule(source, test, _key(base, element, values) if is_indexed else None)


def describe(rule: FilterRule) -> str:
    """A rule in its inline form."""
    return ":".join((rule.type, rule.element, "|".join(rule.values)))


def compile_filter(found: Filter) -> tuple[Rule, ...]:
    """The rules of a stored filter; outside its activation they all pass. Raises ValueError."""
    if len(found.rules) > MOST_RULES:
        raise ValueError(f"filter {found.id}: more than {MOST_RULES} rules")
    rules = tuple(compile_rule(rule) for rule in found.rules)
    if found.activation == ALWAYS:
        return rules
    return tuple(Rule(rule.source, _while_active(found.activation, rule.test)) for rule in rules)


def _while_active(activation: Activation, test: Test) -> Test:
    return lambda view: not activation.holds(view.now_ns) or test(view)


class FilterBook:
    """Stored filters, compiled."""

    def __init__(self, filters: Iterable[Filter] = ()) -> None:
        self._filters: dict[tuple[str, str], tuple[Filter, tuple[Rule, ...]]] = {}
        for each in filters:
            self.put(each)

    def put(self, found: Filter) -> None:
        """Add or replace a filter. Raises ValueError for one that cannot be compiled."""
        self._filters[found.tenant, found.id] = (found, compile_filter(found))

    def remove(self, tenant: str, filter_id: str) -> bool:
        """Remove a filter; False where there is none."""
        return self._filters.pop((tenant, filter_id), None) is not None

    def get(self, tenant: str, filter_id: str) -> Filter | None:
        """The filter as it was put."""
        found = self._filters.get((tenant, filter_id))
        return None if found is None else found[0]

    def ids(self, tenant: str) -> list[str]:
        """Ids of a tenant's filters, in order."""
        return sorted(name for owner, name in self._filters if owner == tenant)

    def all(self) -> list[Filter]:
        """Every filter."""
        return [found for found, _ in self._filters.values()]

    def rules(self, tenant: str, filter_ids: Sequence[str]) -> tuple[Rule, ...]:
        """The rules of filter ids, inline or stored. Raises ValueError for an id that names nothing."""
        rules: list[Rule] = []
        for filter_id in filter_ids:
            if is_inline(filter_id):
                rules.append(_inline(filter_id))
                continue
            found = self._filters.get((tenant, filter_id))
            if found is None:
                raise ValueError(f"broken reference to filter: {filter_id}")
            rules += found[1]
        return tuple(rules)


@lru_cache(maxsize=CACHED)
def _inline(text: str) -> Rule:
    return compile_rule(parse_inline(text))


def passes(rules: Iterable[Rule], view: View) -> bool:
    """Whether all rules hold for an event."""
    return all(rule.test(view) for rule in rules)


def _key(kind: str, element: Part, values: tuple[Part, ...]) -> Key | None:
    if element.get is None or kind not in INDEXED:
        return None
    if any(value.get is not None for value in values):
        return None
    return Key(kind, element, tuple(value.text for value in values))
