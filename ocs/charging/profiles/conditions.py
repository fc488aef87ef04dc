"""The test of each filter type. Pure."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from ocs.charging.profiles.activation import Activation
from ocs.charging.profiles.regex import Regex
from ocs.charging.profiles.rsr import Part
from ocs.charging.profiles.values import duration_of, moment_of, number_of, text_of
from ocs.charging.profiles.view import ABSENT, View

Test = Callable[[View], bool]
Maker = Callable[[Part, tuple[Part, ...]], Test]

RAW = ("*rsr", "*regex", "*ipnet")  # their values are patterns, not paths


def _read(part: Part, view: View) -> object:
    """A part's value; ABSENT also where it cannot be converted."""
    try:
        return part.value(view)
    except ValueError:
        return ABSENT


def _texts(values: tuple[Part, ...]) -> Callable[[View], Sequence[str]]:
    if all(value.get is None for value in values):
        constant = tuple(value.text for value in values)
        return lambda view: constant
    return lambda view: [text_of(found) for found in _present(values, view)]


def _present(values: tuple[Part, ...], view: View) -> list[object]:
    return [found for value in values if (found := _read(value, view)) is not ABSENT]


def _of_text(holds: Callable[[str, Sequence[str]], bool]) -> Maker:
    """A test of the element's text against the values'."""

    def make(element: Part, values: tuple[Part, ...]) -> Test:
        wanted = _texts(values)

        def test(view: View) -> bool:
            found = _read(element, view)
            return found is not ABSENT and holds(text_of(found), wanted(view))

        return test

    return make


def _string(element: Part, values: tuple[Part, ...]) -> Test:
    if any(value.get is not None for value in values):
        return _of_text(lambda text, wanted: text in wanted)(element, values)
    constant = frozenset(value.text for value in values)

    def test(view: View) -> bool:
        found = _read(element, view)
        return (found if type(found) is str else ABSENT if found is ABSENT else text_of(found)) in constant

    return test


def _contains(text: str, wanted: Sequence[str]) -> bool:
    return any(piece in text for piece in wanted)


def _empty(element: Part, values: tuple[Part, ...]) -> Test:
    def test(view: View) -> bool:
        found = _read(element, view)
        return found is ABSENT or found is None or found in ("", 0, (), [], {})

    return test


def _exists(element: Part, values: tuple[Part, ...]) -> Test:
    return lambda view: _read(element, view) is not ABSENT


def _timings(element: Part, values: tuple[Part, ...]) -> Test:
    names = _texts(values)

    def test(view: View) -> bool:
        at_ns = moment_of(_read(element, view), view.now_ns)
        return at_ns is not None and any(view.lookups.is_timed(name, at_ns) for name in names(view))

    return test


def _destinations(element: Part, values: tuple[Part, ...]) -> Test:
    names = _texts(values)

    def test(view: View) -> bool:
        found = _read(element, view)
        return found is not ABSENT and not view.lookups.destinations(text_of(found)).isdisjoint(names(view))

    return test


def _regex(element: Part, values: tuple[Part, ...]) -> Test:
    patterns = tuple(Regex(value.text) for value in values)

    def test(view: View) -> bool:
        found = _read(element, view)
        return found is not ABSENT and any(pattern.matches(text_of(found)) for pattern in patterns)

    return test


def _ipnet(element: Part, values: tuple[Part, ...]) -> Test:
    networks = tuple(ipaddress.ip_network(value.text, strict=False) for value in values)

    def test(view: View) -> bool:
        try:
            address = ipaddress.ip_address(text_of(_read(element, view)))
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


def _activation(element: Part, values: tuple[Part, ...]) -> Test:
    if len(values) > 2:
        raise ValueError("takes a start and an end")

    def test(view: View) -> bool:
        at_ns = moment_of(_read(element, view), view.now_ns)
        edges = [moment_of(_read(value, view), view.now_ns) for value in values]
        if at_ns is None or None in edges:
            return False
        end = edges[1] if len(edges) > 1 else 0
        return Activation(edges[0] or 0, end or 0).holds(at_ns)

    return test


def ordered(value: object, now_ns: int) -> tuple[str, int | Decimal] | None:
    """A value on its scale: numbers and durations on one, moments on another; None where it has none."""
    number = number_of(value)
    if number is None:
        number = duration_of(value)
    if number is not None:
        return "number", number
    moment = moment_of(value, now_ns) if isinstance(value, str) and value else None
    return None if moment is None else ("moment", moment)


def _compared(holds: Callable[[int | Decimal, int | Decimal], bool]) -> Maker:
    def make(element: Part, values: tuple[Part, ...]) -> Test:
        def test(view: View) -> bool:
            mine = ordered(_read(element, view), view.now_ns)
            if mine is None:
                return False
            others = (ordered(found, view.now_ns) for found in _present(values, view))
            return any(
                other is not None and other[0] == mine[0] and holds(mine[1], other[1]) for other in others
            )

        return test

    return make


def _equal(element: Part, values: tuple[Part, ...]) -> Test:
    as_numbers, as_texts = (
        _compared(lambda mine, other: mine == other)(element, values),
        _string(element, values),
    )
    return lambda view: as_numbers(view) or as_texts(view)


def _rsr(element: Part, values: tuple[Part, ...]) -> Test:
    conditions = tuple(_condition(value.text) for value in values)

    def test(view: View) -> bool:
        found = _read(element, view)
        text = "" if found is ABSENT else text_of(found)
        return all(condition(text) for condition in conditions)

    return test


def _condition(text: str) -> Callable[[str], bool]:
    """`^start`, `end$`, `^whole$`, `~regex`, `>=5`, `<10s`, or the whole text; `!` turns it round."""
    if text.startswith("!"):
        positive = _condition(text[1:])
        return lambda found: not positive(found)
    if text.startswith("~"):
        return Regex(text[1:]).matches
    for sign in (">=", "<=", ">", "<"):
        if text.startswith(sign):
            compare = _SIGNS[sign]
            limit = ordered(text[len(sign) :], 0)
            if limit is None:
                raise ValueError(f"not a number, duration or time: {text[len(sign) :][:40]!r}")
            return lambda found: (
                (mine := ordered(found, 0)) is not None
                and (mine[0] == limit[0] and compare(mine[1], limit[1]))
            )
    if text.startswith("^") and text.endswith("$") and len(text) > 1:
        return lambda found: found == text[1:-1]
    if text.startswith("^"):
        return lambda found: found.startswith(text[1:])
    if text.endswith("$") and text:
        return lambda found: found.endswith(text[:-1])
    return lambda found: found == text


_SIGNS: Mapping[str, Callable[[int | Decimal, int | Decimal], bool]] = {
    ">=": lambda mine, other: mine >= other,
    "<=": lambda mine, other: mine <= other,
    ">": lambda mine, other: mine > other,
    "<": lambda mine, other: mine < other,
}
MAKERS: Mapping[str, Maker] = {
    "*string": _string,
    "*contains": _of_text(_contains),
    "*prefix": _of_text(lambda text, wanted: text.startswith(tuple(wanted))),
    "*suffix": _of_text(lambda text, wanted: text.endswith(tuple(wanted))),
    "*empty": _empty,
    "*exists": _exists,
    "*timings": _timings,
    "*destinations": _destinations,
    "*rsr": _rsr,
    "*lt": _compared(_SIGNS["<"]),
    "*lte": _compared(_SIGNS["<="]),
    "*gt": _compared(_SIGNS[">"]),
    "*gte": _compared(_SIGNS[">="]),
    "*eq": _equal,
    "*ipnet": _ipnet,
    "*ai": _activation,
    "*regex": _regex,
}
