"""How long a price takes: one event, one look-up, a million prefixes, from a kilobyte to a terabyte.

Run with `python -m bench.rating`. Prints a table: the ratio is that to the first row of the group, and where a
figure is asked for, whether it is met. The exit status is 1 where one is not.
"""

import gc
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count

from ocs.charging import engine, onetime
from ocs.charging.account import Account, Balance, Terms
from ocs.charging.events import (
    ChargingEvent,
    EventKind,
    RequestedUnits,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rating import Rate, Slot, affordable, cost, price
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Query, Rule, Tariff, Verdict
from ocs.charging.tariff.prefixes import PrefixTable
from ocs.charging.tariff.windows import Period, Window

PREFIXES = 1_000_000
DESTINATIONS = 20_000
MOST_EVENT_US = 15.0  # asked for: the price of an event over two slots
MOST_RATIO = 1.5  # asked for: flat; what is left is what a busy machine measures
MOST_MEMORY_MB = 300.0  # asked for: a catalogue of a million prefixes
MOST_IMPORT_S = 60.0  # asked for: a million prefixes
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


missed: list[str] = []


def main() -> int:
    """Measures everything in turn; 1 where something that is asked for is not met."""
    prices()
    flatness()
    look_ups()
    events()
    lengths()
    debits()
    prefixes()
    memory()
    imports()
    print("\n" + ("missed: " + "; ".join(missed) if missed else "every figure that is asked for is met"))
    return 1 if missed else 0


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
    group("price, two slots, by volume", *rows, most_ratio=MOST_RATIO)


def pricer(octets: int) -> Callable[[], object]:
    return lambda: price(DATA_TWO_SLOTS, octets)


def events() -> None:
    """A whole event on an account: find the line, price it, take the money, by kind; two slots each."""
    kinds = {
        "voice": (Unit.TIME, 130 * SECOND_NS),
        "data": (Unit.OCTETS, 5_000_000),
        "sms": (Unit.EVENTS, 1),
        "mms": (Unit.EVENTS, 3),
        "generic": (Unit.EVENTS, 30),
    }
    priced, charged = [], []
    catalogue = Catalogue(two_slots())
    for service, (unit, units) in kinds.items():
        priced.append((f"price of a {service} event", event_price(catalogue, service, unit, units)))
        charged.append((f"decide a {service} event", decider(catalogue, service, unit, units)))
    group("event over two slots: line, moment, price", *priced, most_us=MOST_EVENT_US)
    group("event over two slots: decided, money taken", *charged)


def two_slots() -> Tariff:
    messages = Rate(0, (Slot(0, 5 * 10**7, 1, 1), Slot(2, 3 * 10**7, 1, 1)))
    rates = {"voice": VOICE, "data": DATA_TWO_SLOTS, "sms": messages, "mms": messages, "generic": messages}
    units = {"voice": Unit.TIME, "data": Unit.OCTETS}
    rules = tuple(
        Rule(service, service, units.get(service, Unit.EVENTS), (Choice(Verdict.RATED, rate, service),))
        for service, rate in rates.items()
    )
    return Tariff("EUR", (Plan("standard", (PlanVersion(rules),)),))


def event_price(catalogue: Catalogue, service: str, unit: Unit, units: int) -> Callable[[], object]:
    query = Query(service, unit, called="4915123")

    def work() -> int:
        line = catalogue.line("standard", query)
        assert line is not None
        pieces = line.split(NOW_NS, units) if unit is Unit.TIME else [(line.at(NOW_NS), units)]
        nanos = before = 0
        for priced, piece in pieces:
            assert priced.rate is not None
            nanos += cost(priced.rate, before, piece)
            before += piece
        return nanos

    return work


def decider(
    catalogue: Catalogue, service: str, unit: Unit, units: int, *balances: Balance
) -> Callable[[], object]:
    main = Balance("main", Unit.MONEY, 10**15)
    account = Account("default:1", "standard", (*balances, main), version=1)
    policy = ChargingPolicy()
    report = UsageReport(requested=RequestedUnits(unit, units))
    event = ChargingEvent(EventKind.EVENT, "bench", "s", 1, service, reports=(report,), account="default:1")
    assert onetime.decide(account, event, catalogue, policy, NOW_NS).answer.result is Result.SUCCESS
    return lambda: onetime.decide(account, event, catalogue, policy, NOW_NS)


def lengths() -> None:
    """One more report of a session after many: told as what was used since the last one, and as a total."""
    catalogue = Catalogue(two_slots())
    for title, is_total in (("since the last report", False), ("since the session began", True)):
        rows = [(f"after {number:,}", one_more(catalogue, number, is_total)) for number in (1, 100, 10_000)]
        group(f"report of data used {title}", *rows, most_ratio=MOST_RATIO)


def one_more(catalogue: Catalogue, number: int, is_total: bool) -> Callable[[], object]:
    account = Account("default:1", "standard", (Balance("main", Unit.MONEY, 10**15),), version=1)
    policy = ChargingPolicy()

    def report(each: int) -> ChargingEvent:
        kind = EventKind.UPDATE if each else EventKind.INITIAL
        used = (UsedUnits(Unit.OCTETS, 5_000 * (each if is_total else 1), is_total=is_total),) if each else ()
        reports = (UsageReport(1, (), RequestedUnits(Unit.OCTETS, 10_000), used),)
        return ChargingEvent(kind, "bench", "s", each, "data", reports=reports, account="default:1")

    for each in range(number + 1):
        account = engine.decide(account, report(each), catalogue, policy, NOW_NS).account
    event = report(number + 1)
    return lambda: engine.decide(account, event, catalogue, policy, NOW_NS)


def debits() -> None:
    """One debit by size, by increments, by number of balances: the work follows the balances alone."""
    catalogue = Catalogue(two_slots())
    sizes = {"1 kB": 10**3, "1 MB": 10**6, "1 GB": 10**9}
    group(
        "debit of data in increments of 1 B, by volume",
        *[
            (name, decider(catalogue, "data", Unit.OCTETS, octets, bundle("b", 10**12, "*zero1B")))
            for name, octets in sizes.items()
        ],
        most_ratio=MOST_RATIO,
    )
    for balances in (1, 10, 100):
        group(
            f"debit over {balances} balances, each used up, by volume",
            *[
                (name, decider(catalogue, "data", Unit.OCTETS, octets, *bundles(balances, octets)))
                for name, octets in sizes.items()
            ],
            most_ratio=MOST_RATIO,
        )


def bundle(name: str, octets: int, subject: str) -> Balance:
    return Balance(name, Unit.OCTETS, octets, priority=1, terms=Terms(subject=subject))


def bundles(count: int, octets: int) -> list[Balance]:
    return [bundle(f"b{number}", octets // count, "*zero1B") for number in range(count)]


def imports() -> None:
    """How fast a folder of rows becomes a catalogue; `bench.tariff_import` does all of a million prefixes."""
    rows = 100_000
    texts = [
        ("Destinations.csv", "".join(f"D{number % 400},{100_000 + number}\n" for number in range(rows))),
        ("Rates.csv", "R,0.05,0.12,60s,30s,0s\nR,0,0.09,60s,1s,60s\n"),
        ("DestinationRates.csv", "".join(f"DR,D{number},R,*up,4,0,\n" for number in range(400))),
        ("RatingPlans.csv", "P,DR,*any,10\n"),
        ("RatingProfiles.csv", "t,call,*any,2026-01-01T00:00:00Z,P,\n"),
    ]

    def work() -> None:
        tariff, findings = read_cgrates(texts, ImportOptions())
        assert tariff is not None, findings
        Catalogue(tariff)

    seconds = min(timeit.repeat(work, number=1, repeat=3))
    whole_s = seconds * PREFIXES / rows
    verdict = judge("import of a million prefixes", whole_s, MOST_IMPORT_S, "s")
    print(f"{rows:,} prefixes imported in {seconds:.2f} s: {rows / seconds:,.0f} a second  {verdict}")


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


def memory() -> None:
    """What a catalogue of a million prefixes takes, with its rules: two windows for every destination."""
    gc.collect()
    tracemalloc.start()
    catalogue = Catalogue(million())
    used_mb = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    assert catalogue.line("standard", Query("voice", Unit.TIME, called="1000000123")) is not None
    verdict = judge("memory of the catalogue", used_mb, MOST_MEMORY_MB, "MB")
    print(f"\ncatalogue of {PREFIXES:,} prefixes, {DESTINATIONS:,} rules: {used_mb:.0f} MB  {verdict}")


def million() -> Tariff:
    night = Window("night", (Period(0, 8 * 3600),), "UTC")
    each = PREFIXES // DESTINATIONS
    destinations = {
        f"d{number}": tuple(str(10**6 + prefix) for prefix in range(number * each, (number + 1) * each))
        for number in range(DESTINATIONS)
    }
    rules = tuple(
        Rule(
            name,
            "voice",
            Unit.TIME,
            (Choice(Verdict.RATED, DATA, "night", night), Choice(Verdict.RATED, VOICE, "day")),
            destinations=(name,),
        )
        for name in destinations
    )
    return Tariff("EUR", (Plan("standard", (PlanVersion(rules),)),), destinations)


def part_of(part: int) -> Iterator[str]:
    """A thousandth of the prefixes: of 6 to 12 digits, spread evenly, each once."""
    for index in range(part * PREFIXES // 1_000, (part + 1) * PREFIXES // 1_000):
        least = 10 ** (5 + index % 7)
        yield str(least + index // 7 * (9 * least // (PREFIXES // 7 + 1)))


def group(
    title: str,
    *rows: tuple[str, Callable[[], object]],
    most_us: float | None = None,
    most_ratio: float | None = None,
) -> None:
    """Prints the best of some repeats of every row, in us, and whether it is within what is asked for."""
    print(f"\n{title:<46} {'us':>8} {'ratio':>7}")
    first_us = 0.0
    for name, work in rows:
        timer = timeit.Timer(work, timer=time.process_time)  # what others do on the machine does not count
        number = max(timer.autorange()[0] // 4, 1)
        best_us = min(timer.repeat(REPEATS, number)) / number * 1e6
        first_us = first_us or best_us
        verdicts = []
        if most_us is not None:
            verdicts.append(judge(f"{title}: {name}", best_us, most_us, "us"))
        if most_ratio is not None and best_us != first_us:
            verdicts.append(judge(f"{title}: {name}", best_us / first_us, most_ratio, "times the first"))
        print(f"  {name:<44} {best_us:8.2f} {best_us / first_us:7.2f}  {' '.join(verdicts)}".rstrip())


def judge(what: str, measured: float, most: float, unit: str) -> str:
    """Whether a figure is met, and what of it is used; remembered where it is not."""
    if measured <= most:
        return f"ok: {measured / most:.2f} of {most:g} {unit}"
    missed.append(what)
    return f"MISSED: {measured / most:.2f} of {most:g} {unit}"


if __name__ == "__main__":
    raise SystemExit(main())
