"""Profiles of one kind, found by event: an index leaves only those whose most telling rule can match. Pure.

Each profile is filed under one of its rules that an index can look up: the one under whose values the fewest others
stand. Finding costs by the fields the index looks at and by the profiles filed under what the event says, not by
how many profiles there are; only profiles without such a rule are always tried.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from ocs.charging.profiles.activation import ALWAYS, Activation
from ocs.charging.profiles.filters import INDEXED, FilterBook, Key, Rule, passes
from ocs.charging.profiles.rsr import Part
from ocs.charging.profiles.values import text_of
from ocs.charging.profiles.view import ABSENT, View


class Profile(Protocol):
    """What every kind of profile has."""

    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def filter_ids(self) -> tuple[str, ...]: ...
    @property
    def activation(self) -> Activation: ...
    @property
    def weight(self) -> float: ...


P = TypeVar("P", bound=Profile)


class _Filed(Generic[P]):
    """A profile with its rules and its place in the index."""

    __slots__ = ("key", "profile", "rules")

    def __init__(self, profile: P, rules: tuple[Rule, ...], key: Key | None) -> None:
        self.profile = profile
        self.rules = rules
        self.key = key


class Shelf(Generic[P]):
    """All profiles of a kind, of every tenant."""

    def __init__(self, filters: FilterBook, profiles: Iterable[P] = ()) -> None:
        self._filters = filters
        self._filed: dict[str, dict[str, _Filed[P]]] = {}
        self._indexes: dict[str, _Index] = {}
        for profile in profiles:
            self.put(profile)

    def put(self, profile: P) -> None:
        """Add or replace a profile. Raises ValueError for a filter it cannot have."""
        rules = self._filters.rules(profile.tenant, profile.filter_ids)
        self.remove(profile.tenant, profile.id)
        index = self._indexes.setdefault(profile.tenant, _Index())
        keys = [rule.key for rule in rules if rule.key is not None]
        key = index.add(profile.id, keys)
        self._filed.setdefault(profile.tenant, {})[profile.id] = _Filed(profile, rules, key)

    def remove(self, tenant: str, profile_id: str) -> bool:
        """Remove a profile; False where there is none."""
        filed = self._filed.get(tenant, {}).pop(profile_id, None)
        if filed is not None:
            self._indexes[tenant].discard(profile_id, filed.key)
        return filed is not None

    def refile(self, tenant: str, filter_id: str) -> None:
        """Take over a changed filter. Raises ValueError where profiles still need one that is gone."""
        for filed in list(self._filed.get(tenant, {}).values()):
            if filter_id in filed.profile.filter_ids:
                self.put(filed.profile)

    def uses(self, tenant: str, filter_id: str) -> bool:
        """Whether a profile has a filter."""
        return any(filter_id in filed.profile.filter_ids for filed in self._filed.get(tenant, {}).values())

    def get(self, tenant: str, profile_id: str) -> P | None:
        """A profile by id."""
        filed = self._filed.get(tenant, {}).get(profile_id)
        return None if filed is None else filed.profile

    def ids(self, tenant: str) -> list[str]:
        """Ids of a tenant's profiles, in order."""
        return sorted(self._filed.get(tenant, ()))

    def __iter__(self) -> Iterator[P]:
        return (filed.profile for found in self._filed.values() for filed in found.values())

    def __len__(self) -> int:
        return sum(len(found) for found in self._filed.values())

    def matching(self, view: View, ids: Collection[str] = (), *, ignores_filters: bool = False) -> list[P]:
        """The active profiles whose filters pass, by weight and then by id; only of `ids` where there are some."""
        filed = self._filed.get(view.tenant)
        if not filed:
            return []
        names: Iterable[str] = [name for name in dict.fromkeys(ids) if name in filed]
        if not ids:
            names = self._indexes[view.tenant].candidates(view)
        found = []
        for name in names:
            each = filed[name]
            activation, rules = each.profile.activation, each.rules
            if activation is not ALWAYS and not activation.holds(view.now_ns):
                continue
            if not rules or ignores_filters or passes(rules, view):
                found.append(each.profile)
        if len(found) > 1:
            found.sort(key=_rank)
        return found


def _rank(profile: Profile) -> tuple[float, str]:
    return (-profile.weight, profile.id)


Names = dict[str, None]  # a set that keeps its order


class _Field:
    """What is filed under one element."""

    __slots__ = ("element", "existing", "prefixes", "strings", "suffixes")

    def __init__(self, element: Part) -> None:
        self.element = element
        self.strings: dict[str, Names] = {}
        self.prefixes: dict[int, dict[str, Names]] = {}
        self.suffixes: dict[int, dict[str, Names]] = {}
        self.existing: dict[str, Names] = {}

    def table(self, kind: str, length: int) -> dict[str, Names]:
        """Where keys of a kind with values of a length are filed."""
        match kind:
            case "*string":
                return self.strings
            case "*prefix":
                return self.prefixes.setdefault(length, {})
            case "*suffix":
                return self.suffixes.setdefault(length, {})
        return self.existing

    def crowd(self, kind: str, value: str) -> int:
        """How many stand under a value already."""
        match kind:
            case "*string":
                return len(self.strings.get(value, ()))
            case "*prefix":
                return len(self.prefixes.get(len(value), {}).get(value, ()))
            case "*suffix":
                return len(self.suffixes.get(len(value), {}).get(value, ()))
        return len(self.existing.get("", ()))

    def tidy(self) -> None:
        """Forget lengths under which nothing stands any more."""
        self.prefixes = {length: table for length, table in self.prefixes.items() if table}
        self.suffixes = {length: table for length, table in self.suffixes.items() if table}

    def find(self, view: View, found: Names) -> None:
        """Add the names an event can match."""
        try:
            value = self.element.value(view)
        except ValueError:
            return
        if value is ABSENT:
            return
        text = text_of(value)
        if text in self.strings:
            found.update(self.strings[text])
        for length, names in self.prefixes.items():
            if length <= len(text) and (start := text[:length]) in names:
                found.update(names[start])
        for length, names in self.suffixes.items():
            if length <= len(text) and (end := text[len(text) - length :]) in names:
                found.update(names[end])
        for everyone in self.existing.values():
            found.update(everyone)


class _Index:
    """Names of profiles by what their chosen rule wants."""

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}
        self._always: Names = {}

    def add(self, name: str, keys: list[Key]) -> Key | None:
        """File a name under the key with the fewest others; under none where there is no key."""
        if not keys:
            self._always[name] = None
            return None
        key = min(keys, key=self._crowd)
        field = self._fields.setdefault(key.element.text, _Field(key.element))
        for value in _values(key):
            field.table(key.kind, len(value)).setdefault(value, {})[name] = None
        return key

    def discard(self, name: str, key: Key | None) -> None:
        """Take a name out, and what nothing stands under any more."""
        if key is None:
            self._always.pop(name, None)
            return
        field = self._fields[key.element.text]
        for value in _values(key):
            table = field.table(key.kind, len(value))
            names = table.get(value, {})
            names.pop(name, None)
            if not names:
                table.pop(value, None)
        field.tidy()
        if not (field.strings or field.prefixes or field.suffixes or field.existing):
            del self._fields[key.element.text]

    def candidates(self, view: View) -> Names:
        """Names of the profiles that may match."""
        found = dict(self._always)
        for field in self._fields.values():
            field.find(view, found)
        return found

    def _crowd(self, key: Key) -> tuple[int, int]:
        rank = INDEXED.index(key.kind)
        field = self._fields.get(key.element.text)
        return (0 if field is None else sum(field.crowd(key.kind, value) for value in _values(key)), rank)


def _values(key: Key) -> tuple[str, ...]:
    return ("",) if key.kind == "*exists" else key.values
