"""How long a price takes: one event, one look-up, a million prefixes, from a kilobyte to a terabyte.

Run with `python -m bench.rating`. Prints a table; the last column is the ratio to the first row of its group.
"""

import gc
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count

from ocs.charging.events import Unit
from ocs.charging.rating import Rate, Slot, affordable, cost, price
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Query, Rule, Tariff, Verdict
from ocs.charging.tariff.prefixes import PrefixTable
from ocs.charging.tariff.windows import Period, Window

PREFIXES = 1_000_000
REPEATS = 5
SECOND_NS = 10**9
NOW_NS = 1_780_000_000 * SECOND_NS

DATA = Rate(0, (Slot(0, 10**9, 10**8, 1_000),))
VOICE = Rate(
    5 * 10**7,
    (
        Slot(0, 12 * 10**7, 60 * SECOND_NS, 30 * SECOND_NS),
        Slot(60 * SECOND_NS, 9 * 10**7, 60 * SECOND_NS, SECOND_NS),
    ),
)
DATA_TWO_SLOTS = Rate(0, (Slot(0, 10**9, 10**8, 1_000), Slot(10**6, 5 * 10**8, 10**8, 1_000)))


def main() -> None:
    """Measures everything in turn."""
    prices()
    flatness()
    look_ups()
    prefixes()


def prices() -> None:
    """One event over one slot and over two."""
    group(
        "price",
        ("data, one slot", lambda: price(DATA, 5_000_000)),
        ("data, two slots", lambda: price(DATA_TWO_SLOTS, 5_000_000)),
        ("voice, two slots", lambda: price(VOICE, 130 * SECOND_NS)),
        ("cost of a part, two slots", lambda: cost(VOICE, 30 * SECOND_NS, 60 * SECOND_NS)),
        ("affordable, one slot", lambda: affordable(DATA, 5_000_000, 10**9)),
        ("affordable, two slots", lambda: affordable(VOICE, 30 * SECOND_NS, 10**9)),
    )


def flatness() -> None:
    """The same price for more and more octets."""
    sizes = {"1 kB": 10**3, "1 MB": 10**6, "1 GB": 10**9, "1 TB": 10**12}
    rows = [(name, pricer(octets)) for name, octets in sizes.items()]
    group("price, two slots, by volume", *rows)


def pricer(octets: int) -> Callable[[], object]:
    return lambda: price(DATA_TWO_SLOTS, octets)


def look_ups() -> None:
    """Hot, with a number never seen before, and with a line never seen before."""
    catalogue = Catalogue(tariff())
    hot = Query("voice", Unit.TIME, called="49151234567")
    line = catalogue.line("standard", hot)
    assert line is not None
    numbers = (Query("voice", Unit.TIME, called=str(number)) for number in count(4915 * 10**8))
    groups = (Query("data", Unit.OCTETS, number) for number in count())
    group(
        "catalogue",
        ("line, hot", lambda: catalogue.line("standard", hot)),
        ("line, new number of a known prefix", lambda: catalogue.line("standard", next(numbers))),
        ("line, new rating group", lambda: catalogue.line("standard", next(groups))),
        ("at, same window", lambda: line.at(NOW_NS)),
        ("at, after a window has changed", changing(line.at)),
        ("split of an hour", lambda: line.split(NOW_NS, 3600 * SECOND_NS)),
    )


def changing(at: Callable[[int], object]) -> Callable[[], object]:
    hours = (NOW_NS + hour * 14 * 3600 * SECOND_NS for hour in count())
    return lambda: at(next(hours) % (2 * NOW_NS))


def tariff() -> Tariff:
    peak = Window("peak", (Period(8 * 3600, 18 * 3600, weekdays=frozenset(range(5))),), "Europe/Berlin")
    choices = (Choice(Verdict.RATED, VOICE, "peak", peak), Choice(Verdict.RATED, DATA, "off_peak"))
    rules = [
        Rule(f"to_{number}", "voice", Unit.TIME, choices, destinations=(f"d{number}",))
        for number in range(1_000)
    ]
    rules += [
        Rule(f"group_{number}", "data", Unit.OCTETS, choices[1:], rating_groups=((number, number),))
        for number in range(20)
    ]
    rules.append(Rule("data", "data", Unit.OCTETS, choices[1:]))
    destinations: dict[str, tuple[str, ...]] = {f"d{number}": (str(number),) for number in range(1_000)}
    return Tariff("EUR", (Plan("standard", (PlanVersion(tuple(rules)),)),), destinations)


def prefixes() -> None:
    """Memory and match time of a table of a million prefixes, six to twelve digits long."""
    gc.collect()
    tracemalloc.start()
    table = PrefixTable({f"d{part}": part_of(part) for part in range(1_000)})
    used_octets = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"\n{len(table):,} prefixes: {used_octets / 1e6:.0f} MB")
    longest, shortest = max(part_of(500), key=len), min(part_of(500), key=len)
    group(
        "longest prefix",
        ("twelve digits known", lambda: table.longest(longest + "00000000")),
        ("six digits known", lambda: table.longest(shortest + "00000000000000")),
        ("unknown", lambda: table.longest("00000000000000000000")),
        ("all prefixes of a number", lambda: table.matches(longest + "00000000")),
    )


def part_of(part: int) -> Iterator[str]:
    """A thousandth of the prefixes: of 6 to 12 digits, spread evenly, each once."""
    for index in range(part * PREFIXES // 1_000, (part + 1) * PREFIXES // 1_000):
        least = 10 ** (5 + index % 7)
        yield str(least + index // 7 * (9 * least // (PREFIXES // 7 + 1)))


def group(title: str, *rows: tuple[str, Callable[[], object]]) -> None:
    """Prints the best of some repeats of every row, in us."""
    print(f"\n{title:<40} {'us':>8} {'ratio':>7}")
    first_us = 0.0
    for name, work in rows:
        timer = timeit.Timer(work)
        number = max(timer.autorange()[0] // 4, 1)
        best_us = min(timer.repeat(REPEATS, number)) / number * 1e6
        first_us = first_us or best_us
        print(f"  {name:<38} {best_us:8.2f} {best_us / first_us:7.2f}")


if __name__ == "__main__":
    main()
