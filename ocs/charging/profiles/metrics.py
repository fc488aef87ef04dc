"""Metrics over a window of events: what each takes from an event, and its value as events come and go. Pure.

A metric sees contributions in the order of their events and gives them back in the same order. Sums, means and
shares are a number each; counts of distinct values keep those, extremes what can still become one.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Protocol

from ocs.charging.profiles.converters import decimal_of
from ocs.charging.profiles.rsr import parse_value
from ocs.charging.profiles.values import Number, duration_of, duration_text, moment_of, plain, text_of
from ocs.charging.profiles.view import ABSENT, View, getter

NOT_AVAILABLE = "N/A"
NO_VALUE = -1
DECIMALS = 5
GRID = Decimal(1).scaleb(-DECIMALS)
WIDE = Context(prec=200)  # a sum of numbers of any size there is keeps all its digits

Contribution = int | str  # a number with decimals is its text
Take = Callable[[View], Contribution | None]
Kept = tuple[tuple[Contribution, int], ...]  # values and how often


class Window(Protocol):
    """The contributions that count now."""

    def add(self, value: Contribution) -> None:
        """One more."""
        ...

    def remove(self, value: Contribution) -> None:
        """The oldest goes."""
        ...

    def value(self, count: int) -> Number:
        """The metric over `count` contributions, at least one."""
        ...

    def kept(self) -> "Kept":
        """What brings the window back when its contributions are gone."""
        ...

    def bring_back(self, kept: "Kept") -> None:
        """Take over what was kept."""
        ...


class Total:
    """A sum."""

    def __init__(self) -> None:
        self.sum = Decimal(0)

    def add(self, value: Contribution) -> None:
        """One more."""
        self.sum = WIDE.add(self.sum, Decimal(value))

    def remove(self, value: Contribution) -> None:
        """The oldest goes."""
        self.sum = WIDE.subtract(self.sum, Decimal(value))

    def value(self, count: int) -> Number:
        """The sum."""
        return self.sum

    def kept(self) -> Kept:
        """The sum, once."""
        return ((str(self.sum), 1),)

    def bring_back(self, kept: Kept) -> None:
        """Take over what was kept."""
        self.sum = Decimal(kept[0][0])


class Mean(Total):
    """An average."""

    def value(self, count: int) -> Number:
        """The sum over how many there are."""
        return WIDE.divide(self.sum, Decimal(count))


class Percent(Total):
    """A share, in percent."""

    def value(self, count: int) -> Number:
        """How many of a hundred."""
        return WIDE.divide(WIDE.multiply(self.sum, Decimal(100)), Decimal(count))


class Distinct:
    """How many different values."""

    def __init__(self) -> None:
        self.counts: Counter[Contribution] = Counter()

    def add(self, value: Contribution) -> None:
        """One more."""
        self.counts[value] += 1

    def remove(self, value: Contribution) -> None:
        """The oldest goes."""
        self.counts[value] -= 1
        if not self.counts[value]:
            del self.counts[value]

    def value(self, count: int) -> Number:
        """The number of different values."""
        return len(self.counts)

    def kept(self) -> Kept:
        """Every value."""
        return tuple(self.counts.items())

    def bring_back(self, kept: Kept) -> None:
        """Take over what was kept."""
        self.counts = Counter(dict(kept))


class Extreme:
    """The highest or lowest value: those that can still become it, in order."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._line: deque[Decimal] = deque()

    def add(self, value: Contribution) -> None:
        """One more; smaller ones before it will never count again."""
        number = Decimal(value)
        while self._line and (number - self._line[-1]) * self._sign > 0:
            self._line.pop()
        self._line.append(number)

    def remove(self, value: Contribution) -> None:
        """The oldest goes."""
        if self._line and self._line[0] == Decimal(value):
            self._line.popleft()

    def value(self, count: int) -> Number:
        """The extreme."""
        return self._line[0] if self._line else NO_VALUE

    def kept(self) -> Kept:
        """The extreme alone: without removals no other can take its place."""
        return tuple((str(value), 1) for value in list(self._line)[:1])

    def bring_back(self, kept: Kept) -> None:
        """Take over what was kept."""
        self._line = deque(Decimal(value) for value, _ in kept)


class Kind:
    """A metric as named: what it takes, how it counts, and how it is written."""

    __slots__ = ("_is_duration", "_suffix", "id", "make", "take")

    def __init__(
        self,
        metric_id: str,
        take: Take,
        make: Callable[[], Window],
        *,
        is_duration: bool = False,
        suffix: str = "",
    ) -> None:
        self.id = metric_id
        self.take = take
        self.make = make
        self._is_duration = is_duration
        self._suffix = suffix

    def number(self, value: Number) -> Number:
        """The value as it is told: whole ns for a duration, else rounded."""
        return int(value) if self._is_duration else rounded(value)

    def text(self, value: Number) -> str:
        """The value as text."""
        if self._is_duration:
            return duration_text(int(value))
        return plain(Decimal(rounded(value))) + self._suffix


def rounded(value: Number) -> Number:
    """A number with at most five decimals, half away from zero; whole where it is whole."""
    exact = Decimal(value)
    if exact == exact.to_integral_value():
        return int(exact)
    return exact.quantize(GRID, rounding=ROUND_HALF_UP, context=WIDE).normalize(WIDE)


def kind_of(metric_id: str) -> Kind:
    """The kind of a metric such as `*acd` or `*sum#~*req.Cost`. Raises ValueError."""
    name, _, parameter = metric_id.partition("#")
    if name in _FIELDS:
        kind = _FIELDS[name]
        return Kind(metric_id, kind.take, kind.make, is_duration=kind._is_duration, suffix=kind._suffix)
    if name in _WITH_VALUE:
        if not parameter:
            raise ValueError(f"metric {metric_id}: names no value")
        return Kind(metric_id, _value(parameter, is_text=name == "*distinct"), _WITH_VALUE[name])
    if name in ("*repsc", "*repfc"):
        return Kind(metric_id, _reply(name == "*repsc", parameter), Total)
    raise ValueError(f"no metric is called {metric_id[:60]!r}")


def _field(name: str, read: Callable[[object], Contribution | None]) -> Take:
    get = getter(f"*req.{name}")

    def take(view: View) -> Contribution | None:
        found = get(view)
        return None if found is ABSENT else read(found)

    return take


def _answered(view: View) -> Contribution | None:
    answered_ns = moment_of(view.req.get("AnswerTime"), view.now_ns)
    return 1 if answered_ns else 0


def _number(value: object) -> Contribution | None:
    try:
        number = decimal_of(value)
    except ValueError:
        return None
    return int(number) if number == number.to_integral_value() else str(number)


def _value(text: str, *, is_text: bool) -> Take:
    value = parse_value(text)

    def take(view: View) -> Contribution | None:
        try:
            found = value.value(view)
        except ValueError:
            return None
        if found is ABSENT:
            return None
        return text_of(found) if is_text else _number(found)

    return take


def _reply(is_success: bool, state: str) -> Take:
    get = getter("*req.ReplyState")

    def take(view: View) -> Contribution | None:
        found = get(view)
        if found is ABSENT:
            return None
        told = text_of(found)
        return int(told == "OK") if is_success else int(told == state if state else told != "OK")

    return take


_FIELDS: Mapping[str, Kind] = {
    kind.id: kind
    for kind in (
        Kind("*asr", _answered, Percent, suffix="%"),
        Kind("*acd", _field("Usage", duration_of), Mean, is_duration=True),
        Kind("*tcd", _field("Usage", duration_of), Total, is_duration=True),
        Kind("*acc", _field("Cost", _number), Mean),
        Kind("*tcc", _field("Cost", _number), Total),
        Kind("*pdd", _field("PDD", duration_of), Mean, is_duration=True),
        Kind("*ddc", _field("Destination", text_of), Distinct),
    )
}
_WITH_VALUE: Mapping[str, Callable[[], Window]] = {
    "*sum": Total,
    "*average": Mean,
    "*distinct": Distinct,
    "*highest": lambda: Extreme(1),
    "*lowest": lambda: Extreme(-1),
}
