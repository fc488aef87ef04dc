"""Prices of a CGRateS folder by brute force: rows, fractions and loops, nothing of the program.

Looks at every moment at which anything may change, finds the price by the rules of docs/tariffs.md, and adds up
increments slot by slot.
"""

import csv
import io
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_NS = 86_400 * 10**9
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


class Price(NamedTuple):
    """One row of DestinationRates.csv."""

    rate: str
    method: str
    decimals: int
    cap: Fraction
    strategy: str


class Interval(NamedTuple):
    """A price with its timing and weight."""

    price: Price
    timing: str
    weight: float


class Folder:
    """The rows of a folder."""

    def __init__(self, files: Mapping[str, str]) -> None:
        rows: dict[str, list[list[str]]] = {}
        for name, text in files.items():
            found = [row for row in csv.reader(io.StringIO(text)) if row and not row[0].startswith("#")]
            rows.setdefault(name.rpartition("/")[2], []).extend(found)
        self.timings = {row[0]: row[1:] for row in rows.get("Timings.csv", [])}
        self.destinations = rows.get("Destinations.csv", [])
        self.rates: dict[str, list[list[str]]] = {}
        for row in rows["Rates.csv"]:
            self.rates.setdefault(row[0], []).append(row)
        self.plans: dict[str, dict[str, list[Interval]]] = {}
        for tag, priced, timing, weight in rows["RatingPlans.csv"]:
            for row in rows["DestinationRates.csv"]:
                if row[0] == priced:
                    price = Price(row[2], row[3], int(row[4]), Fraction(row[5] or 0), row[6])
                    interval = Interval(price, timing, float(weight))
                    self.plans.setdefault(tag, {}).setdefault(row[1], []).append(interval)
        self.profiles: dict[tuple[str, str, str], list[tuple[int, str, list[str]]]] = {}
        for tenant, category, subject, active, plan, fallbacks in rows["RatingProfiles.csv"]:
            entry = (moment_ns(active), plan, [name for name in fallbacks.split(";") if name])
            self.profiles.setdefault((tenant, category, subject), []).append(entry)

    def price_at(self, key: tuple[str, str, str], number: str, at_ns: int, depth: int = 0) -> Price | None:
        """What prices a moment: the profile's own plan, else those of its fallback subjects."""
        profile = sorted(self.profiles[key])
        begun = [entry for entry in profile if entry[0] <= at_ns]
        if not begun and key[2] != "*any":
            general = sorted(self.profiles.get((*key[:2], "*any"), []))
            begun = [entry for entry in general if entry[0] <= at_ns]
        found = self._in_plan(begun[-1][1], number, at_ns) if begun else None
        for name in [] if found is not None or depth == 2 else profile[0][2]:
            other = (key[0], key[1], name)
            if found is None and other in self.profiles and name != key[2]:
                found = self.price_at(other, number, at_ns, depth + 1)
        return found

    def _in_plan(self, tag: str, number: str, at_ns: int) -> Price | None:
        plan = self.plans[tag]
        for length in range(len(number), 0, -1):
            names = [name for name, prefix in self.destinations if prefix == number[:length] and name in plan]
            names.sort(key=lambda name: -max(interval.weight for interval in plan[name]))
            for name in names:
                if (price := self._open(plan[name], at_ns)) is not None:
                    return price
        return self._open(plan.get("*any", []), at_ns)

    def _open(self, intervals: list[Interval], at_ns: int) -> Price | None:
        starts = [(interval, self.start_s(interval.timing, at_ns)) for interval in intervals]
        held = [(interval, start) for interval, start in starts if start is not None]
        held.sort(key=lambda pair: (-pair[0].weight, -(pair[1] or 0)))
        return held[0][0].price if held else None

    def start_s(self, timing: str, at_ns: int) -> int | None:
        """Second of the day at which a timing began to hold; None where it does not hold."""
        if timing.startswith("*"):
            return 0
        years, months, days, weekdays, clock = self.timings[timing]
        at = EPOCH + timedelta(microseconds=at_ns // 1000)
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        start = hours * 3600 + minutes * 60 + seconds
        matches = (
            _in(years, at.year)
            and _in(months, at.month)
            and _in(days, at.day)
            and (_in(weekdays, at.isoweekday()) or (at.isoweekday() == 7 and _in(weekdays, 0)))
        )
        return start if matches and at_ns % DAY_NS >= start * 10**9 else None

    def boundaries(self, start_ns: int, end_ns: int) -> list[int]:
        """Every moment inside a call at which a price may change."""
        found = {entry[0] for profile in self.profiles.values() for entry in profile}
        clocks = {0} | {seconds_of(row[4]) for row in self.timings.values()}
        for day in range(start_ns // DAY_NS, end_ns // DAY_NS + 1):
            found |= {day * DAY_NS + clock * 10**9 for clock in clocks}
        return sorted(moment for moment in found if start_ns < moment < end_ns)

    def cost_nanos(self, price: Price, before: int, units: int) -> int:
        """The rounded price of the session with these units less that without."""
        return self.session_nanos(price, before + units) - self.session_nanos(price, before)

    def session_nanos(self, price: Price, units: int) -> int:
        """All that the first units of a session cost."""
        rows = self.rates[price.rate]
        slots = {duration(row[5]): row for row in rows}
        starts = sorted(slots)
        total = Fraction(rows[0][1] or 0) if units else Fraction(0)
        position = 0
        while position < units:
            begun = [start for start in starts if start <= position]
            if not begun:
                position = min(starts)
                continue
            row = slots[begun[-1]]
            increment = duration(row[4]) or 10**9
            until = min([units, *(start for start in starts if start > position)])
            count = math.ceil(Fraction(until - position, increment))
            total += Fraction(row[2] or 0) / (duration(row[3]) or 10**9) * increment * count
            position += increment * count
        nanos = rounded(total, price.method, price.decimals)
        cap = int(price.cap * 10**9)
        return cap if price.strategy == "*free" and 0 < cap < nanos else nanos


def rounded(amount: Fraction, method: str, decimals: int) -> int:
    """Nanos of an amount rounded as a destination rate says; without decimals up to the nano."""
    steps = amount * 10**decimals
    match method if decimals else "":
        case "*up":
            whole: int = math.ceil(steps)
        case "*down":
            whole = math.floor(steps)
        case "*middle":
            whole = math.floor(steps + Fraction(1, 2))
        case _:
            return math.ceil(amount * 10**9)
    step: int = 10 ** (9 - decimals)
    return whole * step


def duration(text: str) -> int:
    """ns of `1m30s`, or the bare number."""
    if text.isdigit():
        return int(text)
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ns|us|ms|s|m|h)", text))


def seconds_of(clock: str) -> int:
    """Second of the day of `HH:MM:SS`."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return hours * 3600 + minutes * 60 + seconds


def moment_ns(text: str) -> int:
    """ns since 1970 of an RFC 3339 text; nothing is the beginning."""
    if not text:
        return 0
    moment = datetime.fromisoformat(text)
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def _in(listed: str, number: int) -> bool:
    return listed in ("*any", "") or number in [int(part) for part in listed.split(";")]
