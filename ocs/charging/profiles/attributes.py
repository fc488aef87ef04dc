"""Rewrites events by attribute profiles: aliases, numbers in one form, retrieved passwords, per context. Pure.

Each run applies the first matching profile by weight. A profile is not applied twice in a row; a blocker ends it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal

import msgspec

from ocs.charging.profiles.converters import decimal_of
from ocs.charging.profiles.filters import FilterBook, Rule, passes
from ocs.charging.profiles.model import ANY, AttributeProfile, AttributeRule, tenant_id
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.values import (
    SECOND_NS,
    duration_of,
    duration_text,
    moment_of,
    number_of,
    rfc3339,
    text_of,
)
from ocs.charging.profiles.view import ABSENT, View, getter, split

MOST_RUNS = 100
LARGEST_EXPONENT = 30
REMOVED = "*remove"

Make = Callable[[Value, str, View], str | None]


class AttributeFailed(ValueError):
    """A profile that matched could not be applied."""


class Rewritten(msgspec.Struct, frozen=True):
    """An event after its attributes; `matched` are `tenant:id`, or attributes in place, `altered` are paths."""

    event: dict[str, object]
    opts: dict[str, object]
    tenant: str
    matched: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()

    def digest(self) -> str:
        """`Field:Value,Field2:Value2` of the altered fields that are still there."""
        pairs = []
        for path in self.altered:
            name = path.removeprefix("*req.")
            value = getter(path)(View(self.event, self.opts, tenant=self.tenant))
            if value is not ABSENT:
                pairs.append(f"{name}:{text_of(value)}")
        return ",".join(pairs)


class _Change(msgspec.Struct, frozen=True):
    """A compiled attribute."""

    path: str
    parts: tuple[str, ...]
    make: Make
    value: Value
    rules: tuple[Rule, ...]
    appends: bool


class AttributeShelf:
    """Attribute profiles, compiled."""

    def __init__(self, filters: FilterBook, profiles: Sequence[AttributeProfile] = ()) -> None:
        self._filters = filters
        self.shelf: Shelf[AttributeProfile] = Shelf(filters)
        self._changes: dict[tuple[str, str], tuple[_Change, ...]] = {}
        for profile in profiles:
            self.put(profile)

    def put(self, profile: AttributeProfile) -> None:
        """Add or replace a profile. Raises ValueError for what cannot be compiled."""
        changes = self._compile(profile)
        self.shelf.put(profile)
        self._changes[profile.tenant, profile.id] = changes

    def remove(self, tenant: str, profile_id: str) -> bool:
        """Remove a profile; False where there is none."""
        self._changes.pop((tenant, profile_id), None)
        return self.shelf.remove(tenant, profile_id)

    def refile(self, tenant: str, filter_id: str) -> None:
        """Take over a changed filter."""
        for profile in list(self.shelf):
            used = {*profile.filter_ids, *(each for rule in profile.attributes for each in rule.filter_ids)}
            if profile.tenant == tenant and filter_id in used:
                self.put(profile)

    def matching(
        self, view: View, context: str, ids: Collection[str] = (), *, ignores_filters: bool = False
    ) -> list[AttributeProfile]:
        """Profiles for an event in a context, best first."""
        found = self.shelf.matching(view, ids, ignores_filters=ignores_filters)
        return [profile for profile in found if is_for(profile, context)]

    def process(self, view: View, *, context: str = ANY, runs: int = 1) -> Rewritten | None:
        """The event after its attributes; None where no profile matches.

        Options: `*attrProfileIDs`, `*attrProcessRuns`, `*attrProfileRuns`, `*attrProfileIgnoreFilters`. Raises
        AttributeFailed.
        """
        work = _Work(view)
        named = words_of(view.opts.get("*attrProfileIDs"))
        ids = [each for each in named if not is_inline(each)]
        for attribute_id in named:
            if is_inline(attribute_id):
                self._apply_inline(work, attribute_id)
        most_runs = min(number_in(view.opts, "*attrProcessRuns", runs), MOST_RUNS)
        each_runs = number_in(view.opts, "*attrProfileRuns", 0)
        ignores = view.opts.get("*attrProfileIgnoreFilters") is True
        applied: dict[str, int] = {}
        last = ""
        for _ in range(most_runs if ids or not named else 0):
            choice = self.matching(work.view, context, ids, ignores_filters=ignores)
            profile = next(
                (each for each in choice if each.id != last and not 0 < each_runs <= applied.get(each.id, 0)),
                None,
            )
            if profile is None:
                break
            work.apply(profile, self._changes[profile.tenant, profile.id])
            applied[profile.id] = applied.get(profile.id, 0) + 1
            last = profile.id
            if profile.is_blocker:
                break
        return work.result() if work.matched else None

    def apply_inline(self, view: View, attribute_ids: Sequence[str]) -> Rewritten | None:
        """The event after attributes written in place, in their order: `*constant:*req.RequestType:*none`."""
        work = _Work(view)
        for attribute_id in attribute_ids:
            self._apply_inline(work, attribute_id)
        return work.result() if work.matched else None

    def _apply_inline(self, work: "_Work", attribute_id: str) -> None:
        try:
            profile, changes = self.compile_inline(work.view.tenant, attribute_id)
        except ValueError as error:
            raise AttributeFailed(str(error)) from None
        work.apply(profile, changes)

    def compile_inline(self, tenant: str, attribute_id: str) -> tuple[AttributeProfile, tuple[_Change, ...]]:
        """An attribute written in place as a profile, and what that changes. Raises ValueError."""
        profile = inline_profile(tenant, attribute_id)
        return profile, self._compile(profile, "&")

    def _compile(self, profile: AttributeProfile, separator: str = ";") -> tuple[_Change, ...]:
        return tuple(self._change(profile, rule, separator) for rule in profile.attributes)

    def _change(self, profile: AttributeProfile, rule: AttributeRule, separator: str) -> _Change:
        kind = rule.type or "*variable"
        make = _MAKERS.get(kind)
        if make is None:
            what = "asks another server" if kind.startswith("*http#") else "is not a type of attribute"
            raise ValueError(f"attribute {profile.id}, {rule.path}: {kind[:40]} {what}")
        try:
            parts = split(rule.path)
            if parts[0] not in ("*req", "*opts", "*tenant") or (parts[0] == "*tenant") != (len(parts) == 1):
                raise ValueError("is none of *req.Field, *opts.Field, *tenant")
            value = parse_value(rule.value, separator)
            rules = self._filters.rules(profile.tenant, rule.filter_ids)
        except ValueError as error:
            raise ValueError(f"attribute {profile.id}, {rule.path[:80]}: {error}") from None
        return _Change(rule.path, parts, make, value, rules, kind == "*composed")


class _Work:
    """An event while profiles are applied; it is copied before the first change."""

    def __init__(self, view: View) -> None:
        self.event = dict(view.req)
        self.opts = dict(view.opts)
        self.matched: list[str] = []
        self.altered: dict[str, None] = {}
        self.view = view.of(self.event, self.opts, view.tenant)

    def apply(self, profile: AttributeProfile, changes: Sequence[_Change]) -> None:
        self.matched.append(profile.id if is_inline(profile.id) else tenant_id(profile))
        for change in changes:
            if change.rules and not passes(change.rules, self.view):
                continue
            try:
                made = change.make(change.value, change.path, self.view)
            except (ValueError, ArithmeticError) as error:
                raise AttributeFailed(
                    f"{profile.id}, {change.path}: {error or 'too large a number'}"
                ) from None
            if made is not None:
                self.altered[change.path] = None
                self._set(change, made)

    def _set(self, change: _Change, made: str) -> None:
        root = change.parts[0]
        if root == "*tenant":
            self.view.tenant = self.view.tenant + made if change.appends else made
            return
        target = self.event if root == "*req" else self.opts
        for part in change.parts[1:-1]:
            below = target.get(part)
            copied = dict(below) if isinstance(below, Mapping) else {}
            target[part] = copied
            target = copied
        name = change.parts[-1]
        if made == REMOVED:
            target.pop(name, None)
        elif change.appends:
            target[name] = text_of(target.get(name)) + made
        else:
            target[name] = made

    def result(self) -> Rewritten:
        return Rewritten(self.event, self.opts, self.view.tenant, tuple(self.matched), tuple(self.altered))


def is_for(profile: AttributeProfile, context: str) -> bool:
    """Whether a profile is meant for a context."""
    contexts = profile.contexts
    return not contexts or context in contexts or ANY in contexts


def inline_profile(tenant: str, attribute_id: str) -> AttributeProfile:
    """`Type:Path:Value` as a profile of one attribute. Raises ValueError."""
    kind, _, rest = attribute_id.partition(":")
    path, colon, value = rest.partition(":")
    if not kind.startswith("*") or not colon:
        raise ValueError(f"not an attribute: {attribute_id[:80]!r}")
    return AttributeProfile(
        tenant=tenant, id=attribute_id, attributes=(AttributeRule(path=path, type=kind, value=value),)
    )


def check_inline(tenant: str, attribute_id: str) -> None:
    """Raises ValueError for an attribute written in place that could never be applied."""
    AttributeShelf(FilterBook()).compile_inline(tenant, attribute_id)


def is_inline(attribute_id: str) -> bool:
    """Whether an id is an attribute written in place."""
    return attribute_id.startswith("*") and ":" in attribute_id


def words_of(value: object) -> tuple[str, ...]:
    """An option that is a list of ids, given as a list or as one text."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(text_of(each) for each in value) if isinstance(value, Sequence) else ()


def number_in(opts: Mapping[str, object], name: str, default: int) -> int:
    """An option that is a whole number."""
    number = number_of(opts.get(name))
    return default if number is None else int(number)


# --- what the types make; None changes nothing


def _nothing(value: Value, path: str, view: View) -> str | None:
    return None


def _constant(value: Value, path: str, view: View) -> str:
    return value.constant


def _variable(value: Value, path: str, view: View) -> str:
    return value.text(view)


def _removal(value: Value, path: str, view: View) -> str:
    return REMOVED


def _present(path: str, view: View) -> str:
    found = getter(path)(view)
    return "" if found is ABSENT else text_of(found)


def _prefix(value: Value, path: str, view: View) -> str:
    return value.text(view) + _present(path, view)


def _suffix(value: Value, path: str, view: View) -> str:
    return _present(path, view) + value.text(view)


def _parts(value: Value, view: View, least: int, most: int = 64) -> list[object]:
    if not least <= len(value.parts) <= most:
        raise ValueError(f"{len(value.parts)} values, {least} expected")
    found = [part.value(view) for part in value.parts]
    if any(each is ABSENT for each in found):
        missing = next(part.text for part, each in zip(value.parts, found, strict=True) if each is ABSENT)
        raise ValueError(f"{missing} is not in the event")
    return found


def _length(value: object) -> int:
    length = duration_of(value)
    if length is None:
        raise ValueError(f"not a duration: {text_of(value)[:80]!r}")
    return length


def _usage_difference(value: Value, path: str, view: View) -> str:
    first, second = _parts(value, view, 2, 2)
    return duration_text(_length(first) - _length(second))


def _cc_usage(value: Value, path: str, view: View) -> str:
    """Request number, used time, debit interval: what a session has used before its present request."""
    number, used, interval = _parts(value, view, 3, 3)
    before = max(int(decimal_of(number)) - 1, 0)
    return duration_text(_length(used) + _length(interval) * before)


def _folded(combine: Callable[[Decimal, Decimal], Decimal]) -> Make:
    def make(value: Value, path: str, view: View) -> str:
        found = _parts(value, view, 2)
        total = decimal_of(found[0])
        for each in found[1:]:
            total = combine(total, decimal_of(each))
        is_duration = isinstance(found[0], str) and number_of(found[0]) is None
        return duration_text(int(total)) if is_duration else text_of(total)

    return make


def _quotient(total: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise ValueError("division by 0")
    return total / divisor


def _value_exponent(value: Value, path: str, view: View) -> str:
    number, exponent = (decimal_of(each) for each in _parts(value, view, 2, 2))
    if abs(exponent) > LARGEST_EXPONENT:
        raise ValueError(f"exponent above {LARGEST_EXPONENT}")
    return text_of(number.scaleb(int(exponent)))


def _moment(value: Value, view: View) -> int:
    text = value.text(view)
    at_ns = moment_of(text, view.now_ns)
    if at_ns is None:
        raise ValueError(f"not a point in time: {text[:80]!r}")
    return at_ns


def _unix_timestamp(value: Value, path: str, view: View) -> str:
    return str(_moment(value, view) // SECOND_NS)


def _datetime(value: Value, path: str, view: View) -> str:
    return rfc3339(_moment(value, view))


def _sip_call_id(value: Value, path: str, view: View) -> str:
    """A call's id with its tags in an order of their own, so that both directions have the same."""
    found = [part.value(view) for part in value.parts]
    texts = ["" if each is ABSENT else text_of(each) for each in found[:1]]
    return ";".join(texts + sorted(text_of(each) for each in found[1:] if each is not ABSENT))


_MAKERS: Mapping[str, Make] = {
    "*none": _nothing,
    "*constant": _constant,
    "*variable": _variable,
    "*composed": _variable,
    "*usage_difference": _usage_difference,
    "*cc_usage": _cc_usage,
    "*sum": _folded(lambda total, each: total + each),
    "*difference": _folded(lambda total, each: total - each),
    "*multiply": _folded(lambda total, each: total * each),
    "*divide": _folded(_quotient),
    "*value_exponent": _value_exponent,
    "*unix_timestamp": _unix_timestamp,
    "*datetime": _datetime,
    "*prefix": _prefix,
    "*suffix": _suffix,
    "*sipcid": _sip_call_id,
    "*remove": _removal,
}
