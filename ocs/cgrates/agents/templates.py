"""Field templates of request processors: what an event, variables and a reply are made of. Pure.

A field has a path to write to, a type that says how its value comes about, and filters. What can be read are
`*req`, `*vars`, `*cgreq`, `*opts`, `*tmp`, `*rep`, `*uch`, `*oreq`, and behind a request `*cgrep`, what the
sessions answered.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from ocs.charging.profiles.filters import Rule, passes
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.charging.profiles.values import Event
from ocs.charging.profiles.view import ABSENT, Lookups, View, split, walk

CGREQ, OPTS, VARS, TMP, REPLY, CACHED = "*cgreq", "*opts", "*vars", "*tmp", "*rep", "*uch"
ANSWERED, ORIGINAL, REQUESTED = "*cgrep", "*oreq", "*radDAReq"
ANSWER_READ = "*answer"  # what `*cgrep` is read as: for rules it means an event
WRITABLE = (CGREQ, OPTS, VARS, TMP, REPLY, CACHED, REQUESTED)
TYPES = frozenset(
    (
        *("*none", "*filler", "*constant", "*variable", "*composed", "*group", "*template"),
        *("*usage_difference", "*sum", "*difference", "*multiply", "*divide"),
        *("*unix_timestamp", "*datetime", "*sipcid", "*prefix", "*suffix", "*remove", "*removeall"),
    )
)
MOST_FIELDS = 1_000
Rules = Callable[[str, Sequence[str]], Sequence[Rule]]  # (tenant, filters as written) to rules


class TemplateError(ValueError):
    """A template cannot be used, or a field that must have a value has none."""


class Field(msgspec.Struct, frozen=True):
    """One field, compiled."""

    tag: str
    root: str
    path: tuple[str, ...]
    kind: str
    value: Value
    parts: tuple[Value, ...]
    filters: tuple[str, ...] = ()
    is_mandatory: bool = False
    blocks: bool = False
    layout: str = ""


class Scope:
    """What a request is and becomes, by root; `rules` compiles filters."""

    def __init__(self, tenant: str, request: Event, variables: Event, rules: Rules, lookups: Lookups) -> None:
        self.tenant = tenant
        self.request = request
        self.roots: dict[str, dict[str, Any]] = {
            CGREQ: {}, OPTS: {}, VARS: dict(variables), TMP: {}, CACHED: {}, ANSWERED: {}, ORIGINAL: {},
        }  # fmt: skip
        self.replies: dict[str, list[tuple[str, str]]] = {REPLY: [], REQUESTED: []}
        self._rules = rules
        self._lookups = lookups

    def value(self, kind: str, path: Sequence[str], tenant: str) -> object | None:
        """A value of one of the roots, else of what lies outside the request."""
        if kind == ANSWER_READ:
            kind = ANSWERED
        if kind in self.replies:
            name = ".".join(path)
            return next((text for known, text in self.replies[kind] if known == name), None)
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
        text = made(field, self.view())
        if not text:
            if field.is_mandatory:
                raise TemplateError(f"MANDATORY_IE_MISSING: [{'.'.join(field.path)}]")
            return
        if field.root in self.replies:
            self._reply(field, text)
            return
        target = self.roots[field.root]
        *above, last = field.path
        for part in above:
            target = target.setdefault(part, {})
        target[last] = f"{target.get(last, '')}{text}" if field.kind == "*composed" else text

    def _reply(self, field: Field, text: str) -> None:
        said, name = self.replies[field.root], ".".join(field.path)
        place = next((index for index in range(len(said) - 1, -1, -1) if said[index][0] == name), None)
        if place is None or field.kind == "*group":
            said.append((name, text))
        else:
            said[place] = (name, said[place][1] + text if field.kind == "*composed" else text)

    def _remove(self, field: Field) -> None:
        if field.root in self.replies:
            name = ".".join(field.path)
            self.replies[field.root] = [each for each in self.replies[field.root] if each[0] != name]
        elif field.kind == "*removeall":
            self.roots[field.root].clear()
        else:
            self.roots[field.root].pop(field.path[0], None)


def compiled(fields: Sequence[Mapping[str, Any]], place: str, named: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a template; `named` are templates that others include. Raises TemplateError with the place."""
    found: list[Field] = []
    for number, given in enumerate(fields):
        here = f"{place}[{number}]"
        kind = str(given.get("type") or "*none")
        if kind not in TYPES:
            raise TemplateError(f"{here}.type: {kind[:40]} is not offered")
        if kind == "*template":
            name = str(given.get("value") or "")
            if name not in named or len(found) > MOST_FIELDS:
                raise TemplateError(f"{here}.value: there is no template {name[:40]}")
            rest = {each: fields_ for each, fields_ in named.items() if each != name}
            found += compiled(named[name], f"templates.{name}", rest)
        else:
            found.append(_field(given, kind, here))
    return tuple(found)


def _field(given: Mapping[str, Any], kind: str, place: str) -> Field:
    text = str(given.get("value") or "")
    try:
        root, *path = split(str(given.get("path") or ""))
        if root not in WRITABLE or (not path and kind != "*removeall"):
            raise TemplateError(f"{given.get('path')!r} cannot be written to")
        value, parts = parse_value(behind(text)), tuple(map(parse_value, behind(text).split(";")))
    except ValueError as error:
        raise TemplateError(f"{place}: {error}") from None
    filters = tuple(behind(str(each)) for each in given.get("filters") or ())
    return Field(
        str(given.get("tag") or given.get("path") or place),
        root,
        tuple(path),
        kind,
        value,
        parts,
        filters,
        bool(given.get("mandatory")),
        bool(given.get("blocker")),
        str(given.get("layout") or ""),
    )


def behind(text: str) -> str:
    """A value or filter with `*cgrep` read as what was answered."""
    return text.replace(f"~{ANSWERED}.", f"~{ANSWER_READ}.")


def made(field: Field, view: View) -> str:
    """The value of a field as text. Raises ValueError."""
    match field.kind:
        case "*constant" | "*none" | "*filler":
            return field.value.constant
        case "*usage_difference":
            later, earlier = _two(field, view)
            return f"{_plain(_moment_s(later) - _moment_s(earlier))}s" if later and earlier else ""
        case "*sum" | "*difference" | "*multiply" | "*divide":
            return _reckoned(field, view)
        case "*unix_timestamp":
            text = field.value.text(view)
            return _plain(_moment_s(text)) if text else ""
        case "*datetime":
            text = field.value.text(view)
            return datetime.fromtimestamp(float(_moment_s(text)), UTC).isoformat() if text else ""
        case "*sipcid":
            first, *rest = [part.text(view) for part in field.parts]
            return ";".join((first, *sorted(filter(None, rest))))
        case "*prefix" | "*suffix":
            affix, text = field.parts[0].text(view), "".join(part.text(view) for part in field.parts[1:])
            return affix + text if field.kind == "*prefix" else text + affix
    return field.value.text(view)


def _two(field: Field, view: View) -> tuple[str, str]:
    texts = [part.text(view) for part in field.parts]
    if len(texts) != 2:
        raise TemplateError(f"two values are needed, there are {len(texts)}")
    return texts[0], texts[1]


def _reckoned(field: Field, view: View) -> str:
    texts = [part.text(view) for part in field.parts]
    if not all(texts):
        return ""
    total, *rest = map(Decimal, texts)
    for number in rest:
        match field.kind:
            case "*sum":
                total += number
            case "*difference":
                total -= number
            case "*multiply":
                total *= number
            case _:
                total /= number
    return _plain(total)


def _moment_s(text: str) -> Decimal:
    """A moment in seconds since 1970, as a number or in ISO 8601."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(str(datetime.fromisoformat(text).timestamp()))


def _plain(number: Decimal) -> str:
    whole = number.to_integral_value()
    return str(int(whole)) if whole == number else format(number.normalize(), "f")
