"""Field templates of request processors: what an event, variables and a reply are made of. Pure.

A field has a path to write to, a type that says how its value comes about, and filters. What can be read are
`*req`, `*vars`, `*cgreq`, `*opts`, `*tmp`, `*rep`, `*uch`, `*oreq`, and behind a request `*cgrep`, what the
sessions answered.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ocs.cgrates.agents.template_values import TYPES, Making, fit_of, made, zone_of
from ocs.charging.profiles.filters import Rule, compile_rule, is_inline, parse_inline, passes
from ocs.charging.profiles.rsr import parse_value
from ocs.charging.profiles.values import Event
from ocs.charging.profiles.view import ABSENT, Lookups, View, split, walk

CGREQ, OPTS, VARS, TMP, REPLY, CACHED = "*cgreq", "*opts", "*vars", "*tmp", "*rep", "*uch"
ANSWERED, ORIGINAL, REQUESTED, DIAMETER_REQUEST = "*cgrep", "*oreq", "*radDAReq", "*diamreq"
ANSWER_READ = "*answer"  # what `*cgrep` is read as: for rules it means an event
WRITABLE = (CGREQ, OPTS, VARS, TMP, REPLY, CACHED, REQUESTED, DIAMETER_REQUEST)
MOST_FIELDS = 1_000
CACHED_AT_MOST = 10_000
KEYS = frozenset(
    (
        *("tag", "path", "type", "value", "filters", "mandatory", "blocker", "new_branch"),
        *("width", "strip", "padding", "layout", "timezone"),
    )
)
Rules = Callable[[str, Sequence[str]], Sequence[Rule]]  # (tenant, filters as written) to rules


class TemplateError(ValueError):
    """A template cannot be used, or a field that must have a value has none."""


class Field(msgspec.Struct, frozen=True):
    """One field, compiled."""

    tag: str
    root: str
    path: tuple[str, ...]
    making: Making
    filters: tuple[str, ...] = ()
    is_mandatory: bool = False
    blocks: bool = False
    new_branch: bool = False

    @property
    def kind(self) -> str:
        """Its type."""
        return self.making.kind


Check = Callable[[Field], None]  # raises ValueError for a field that a protocol cannot have


class Said(Protocol):
    """What is written for the other side, in order."""

    def put(self, field: Field, text: str) -> None:
        """Write one value. Raises ValueError."""

    def value(self, path: Sequence[str]) -> object | None:
        """The first value of a path; None where it has none."""
        ...

    def remove(self, path: Sequence[str]) -> None:
        """Take all values of a path away."""


class Texts(list[tuple[str, str]]):
    """Names with a text each; a name is there once, but for what is written as `*group`."""

    def put(self, field: Field, text: str) -> None:
        """Write one value: over the last one of its name, behind it, or beside it."""
        name = ".".join(field.path)
        place = next((index for index in range(len(self) - 1, -1, -1) if self[index][0] == name), None)
        if place is None or field.kind == "*group":
            self.append((name, text))
        else:
            self[place] = (name, self[place][1] + text if field.kind == "*composed" else text)

    def value(self, path: Sequence[str]) -> object | None:
        """The first text of a name."""
        name = ".".join(path)
        return next((text for known, text in self if known == name), None)

    def remove(self, path: Sequence[str]) -> None:
        """Take all texts of a name away."""
        name = ".".join(path)
        self[:] = [each for each in self if each[0] != name]


class Scope:
    """What a request is and becomes, by root; `rules` compiles filters, `said` is what goes to the other side."""

    def __init__(
        self,
        tenant: str,
        request: Event,
        variables: Event,
        rules: Rules,
        lookups: Lookups,
        said: Mapping[str, Said] | None = None,
    ) -> None:
        self.tenant = tenant
        self.request = request
        self.roots: dict[str, Any] = {
            CGREQ: {}, OPTS: {}, VARS: dict(variables), TMP: {}, CACHED: {}, ANSWERED: {}, ORIGINAL: {},
        }  # fmt: skip
        self.replies: Mapping[str, Said] = {REPLY: Texts(), REQUESTED: Texts()} if said is None else said
        self._rules = rules
        self._lookups = lookups

    def value(self, kind: str, path: Sequence[str], tenant: str) -> object | None:
        """A value of one of the roots, else of what lies outside the request."""
        if kind == ANSWER_READ:
            kind = ANSWERED
        if kind in self.replies:
            return self.replies[kind].value(path)
        if kind in self.roots:
            found = walk(self.roots[kind], path)
            return None if found is ABSENT else found
        return self._lookups.value(kind, path, tenant)

    def destinations(self, number: str) -> frozenset[str]:
        """Ids of the destinations that hold a prefix of the number."""
        return self._lookups.destinations(number)

    def is_timed(self, timing: str, at_ns: int) -> bool | None:
        """Whether a timing holds at a moment."""
        return self._lookups.is_timed(timing, at_ns)

    def view(self) -> View:
        """Everything as rules and values see it."""
        return View(
            self.request, self.roots[OPTS], tenant=self.tenant, variables=self.roots[VARS], lookups=self
        )

    def passes(self, filters: Sequence[str]) -> bool:
        """Whether filters let the request pass. Raises ValueError."""
        return not filters or passes(self._rules(self.tenant, filters), self.view())

    # --- running templates

    def run(self, fields: Sequence[Field]) -> None:
        """Do what the fields say, in order. Raises TemplateError."""
        for field in fields:
            try:
                if not self.passes(field.filters):
                    continue
                self._set(field)
            except (ValueError, ArithmeticError) as error:
                raise TemplateError(f"{field.tag}: {error}") from None
            if field.blocks:
                return

    def _set(self, field: Field) -> None:
        if field.kind in ("*remove", "*removeall"):
            self._remove(field)
            return
        text = made(field.making, self.view())
        if not text:
            if field.is_mandatory:
                raise TemplateError(f"MANDATORY_IE_MISSING: [{'.'.join(field.path)}]")
            return
        if field.root in self.replies:
            self.replies[field.root].put(field, text)
            return
        target = self.roots[field.root]
        *above, last = field.path
        for part in above:
            target = target.setdefault(part, {})
        target[last] = f"{target.get(last, '')}{text}" if field.kind == "*composed" else text

    def _remove(self, field: Field) -> None:
        if field.root in self.replies:
            self.replies[field.root].remove(field.path)
        elif field.kind == "*removeall":
            self.roots[field.root].clear()
        else:
            self.roots[field.root].pop(field.path[0], None)


def forget_oldest(cached: dict[str, Any], most: int = CACHED_AT_MOST) -> None:
    """Keep what `*uch` holds within its bound."""
    while len(cached) > most:
        del cached[next(iter(cached))]


def _anything(field: Field) -> None:
    """No protocol asks for more."""


def compiled(
    fields: Sequence[Mapping[str, Any]],
    place: str,
    named: Mapping[str, Any],
    timezone: str = "",
    check: Check = _anything,
) -> tuple[Field, ...]:
    """The fields of a template; `named` are templates that others include. Raises TemplateError with the place."""
    found: list[Field] = []
    for number, given in enumerate(fields):
        here = f"{place}[{number}]"
        kind = str(given.get("type") or "*none")
        if kind not in TYPES:
            raise TemplateError(f"{here}.type: {kind[:40]} is not offered{_tagged(given)}")
        if kind == "*template":
            name = str(given.get("value") or "")
            if name not in named or len(found) > MOST_FIELDS:
                raise TemplateError(f"{here}.value: there is no template {name[:40]}")
            rest = {each: fields_ for each, fields_ in named.items() if each != name}
            found += compiled(named[name], f"templates.{name}", rest, timezone, check)
        else:
            found.append(_field(given, kind, here, timezone, check))
    return tuple(found)


def _tagged(given: Mapping[str, Any]) -> str:
    tag = str(given.get("tag") or "")
    return f" (field {tag[:40]})" if tag else ""


def _field(given: Mapping[str, Any], kind: str, place: str, timezone: str, check: Check) -> Field:
    text = behind(str(given.get("value") or ""))
    try:
        root, *path = split(str(given.get("path") or ""))
        if root not in WRITABLE or (not path and kind != "*removeall"):
            raise TemplateError(f"{given.get('path')!r} cannot be written to")
        making = Making(
            kind,
            parse_value(text),
            tuple(map(parse_value, text.split(";"))),
            str(given.get("layout") or ""),
            zone_of(str(given.get("timezone") or timezone)),
            fit_of(given),
        )
        field = Field(
            str(given.get("tag") or given.get("path") or place),
            root,
            tuple(path),
            making,
            filters_of(given.get("filters") or ()),
            bool(given.get("mandatory")),
            bool(given.get("blocker")),
            bool(given.get("new_branch")),
        )
        check(field)
    except ValueError as error:
        raise TemplateError(f"{place}: {error}{_tagged(given)}") from None
    return field


def filters_of(texts: Sequence[object]) -> tuple[str, ...]:
    """Filters as they are used; those written in place can be. Raises ValueError."""
    found = tuple(behind(str(each)) for each in texts)
    for each in found:
        if is_inline(each):
            compile_rule(parse_inline(each))
    return found


def unread_keys(fields: object) -> Iterator[str]:
    """Keys of fields that nobody reads."""
    for given in fields if isinstance(fields, list) else ():
        if isinstance(given, Mapping):
            yield from (str(key) for key in given if key not in KEYS)


def behind(text: str) -> str:
    """A value or filter with `*cgrep` read as what was answered."""
    return text.replace(f"~{ANSWERED}.", f"~{ANSWER_READ}.")
