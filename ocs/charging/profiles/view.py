"""What a rule may look at: an event, its options, variables, and named values from outside, by path. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from ocs.charging.profiles.values import Event

ABSENT = object()
EMPTY: Event = {}
MOST_PARTS = 16
CACHED = 4_096  # readers of paths

_PART = re.compile(r"([^\[\]]*)((?:\[[^\[\]]*\])*)")
_PIECES = re.compile(r"(?:[^.\[\]]|\[[^\[\]]*\])+")


class Lookups(Protocol):
    """Values from outside an event; each gives None where it has none."""

    def value(self, kind: str, path: Sequence[str], tenant: str) -> object | None:
        """A value of `*resources`, `*stats`, `*accounts`, `*asm`: its path after the kind."""
        ...

    def destinations(self, number: str) -> frozenset[str]:
        """Ids of the destinations that hold a prefix of the number."""
        ...

    def is_timed(self, timing: str, at_ns: int) -> bool | None:
        """Whether a timing holds at a moment; None where there is no such timing."""
        ...


class NoLookups:
    """Nothing outside the event."""

    def value(self, kind: str, path: Sequence[str], tenant: str) -> object | None:
        """Nothing."""
        return None

    def destinations(self, number: str) -> frozenset[str]:
        """None."""
        return frozenset()

    def is_timed(self, timing: str, at_ns: int) -> bool | None:
        """There is no timing."""
        return None


NOTHING = NoLookups()


class View:
    """One event as rules see it; `now_ns` is the moment of its arrival."""

    __slots__ = ("lookups", "now_ns", "opts", "req", "tenant", "variables")

    def __init__(
        self,
        req: Event,
        opts: Event = EMPTY,
        *,
        tenant: str = "cgrates.org",
        now_ns: int = 0,
        variables: Event = EMPTY,
        lookups: Lookups = NOTHING,
    ) -> None:
        self.req = req
        self.opts = opts
        self.tenant = tenant
        self.now_ns = now_ns
        self.variables = variables
        self.lookups = lookups

    def of(self, req: Event, opts: Event, tenant: str) -> "View":
        """The same moment and surroundings for another event."""
        return View(
            req, opts, tenant=tenant, now_ns=self.now_ns, variables=self.variables, lookups=self.lookups
        )


Getter = Callable[[View], object]


@lru_cache(maxsize=CACHED)
def getter(path: str) -> Getter:
    """The reader of a path such as `*req.Account`, `*opts.*context` or `*stats.SQ.*tcc`; ABSENT where it has none.

    A path without a root is one of the event. Raises ValueError for a path that cannot be.
    """
    parts = split(path)
    root, rest = parts[0], parts[1:]
    match root:
        case "*req" | "*cgrep":
            return _inside(_req, rest, path)
        case "*opts" | "*cgreq.opts":
            return _inside(_opts, rest, path)
        case "*vars":
            return _inside(_variables, rest, path)
        case "*tenant":
            return lambda view: view.tenant
        case "*asm":
            return _account_summary(rest, path)
        case "*now":
            return lambda view: view.now_ns
    if root.startswith("*"):
        return _outside(root, rest, path)
    return _inside(_req, parts, path)


def split(path: str) -> tuple[str, ...]:
    """`a.b[0].c` as its parts, what stands in brackets a part of its own. Raises ValueError."""
    found: list[str] = []
    for piece in _pieces(path):
        match = _PART.fullmatch(piece)
        if match is None or not piece:
            raise ValueError(f"not a path: {path[:80]!r}")
        if match[1]:
            found.append(match[1])
        found += [part[:-1] for part in match[2].split("[")[1:]]
    if len(found) > MOST_PARTS:
        raise ValueError(f"more than {MOST_PARTS} parts in {path[:80]!r}")
    return tuple(found)


def _pieces(path: str) -> list[str]:
    """What stands between the dots; those in brackets do not count."""
    if "[" not in path:
        return path.split(".")
    found = _PIECES.findall(path)
    return found if ".".join(found) == path else [""]


def _req(view: View) -> Event:
    return view.req


def _opts(view: View) -> Event:
    return view.opts


def _variables(view: View) -> Event:
    return view.variables


def _inside(root: Callable[[View], Event], parts: tuple[str, ...], path: str) -> Getter:
    if not parts:
        raise ValueError(f"no field in {path[:80]!r}")
    if len(parts) == 1:
        name = parts[0]
        if root is _req:
            return lambda view: view.req.get(name, ABSENT)
        return lambda view: root(view).get(name, ABSENT)
    return lambda view: walk(root(view), parts)


def _account_summary(parts: tuple[str, ...], path: str) -> Getter:
    """A member of the event of an account, `BalanceSummaries.ID` being the balance of that id."""
    if parts[:1] != ("BalanceSummaries",) or len(parts) == 1:
        return _inside(_req, parts, path)

    def get(view: View) -> object:
        summaries = view.req.get("BalanceSummaries")
        for each in summaries if isinstance(summaries, Sequence) else ():
            if isinstance(each, Mapping) and each.get("ID") == parts[1]:
                return walk(each, parts[2:])
        return ABSENT

    return get


def _outside(kind: str, parts: tuple[str, ...], path: str) -> Getter:
    if not parts:
        raise ValueError(f"no field in {path[:80]!r}")

    def get(view: View) -> object:
        found = view.lookups.value(kind, parts, view.tenant)
        return ABSENT if found is None else found

    return get


class Walked:
    """A mapping that has its own way with paths."""

    def walk(self, parts: Sequence[str]) -> object:
        """The value at the end of a path; ABSENT where it breaks off."""
        raise NotImplementedError


def walk(value: object, parts: Sequence[str]) -> object:
    """The value at the end of a path; ABSENT where it breaks off."""
    if isinstance(value, Walked):
        return value.walk(parts)
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(part, ABSENT)
        elif isinstance(value, Sequence) and not isinstance(value, str) and part.isascii() and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else ABSENT
        else:
            return ABSENT
    return value
