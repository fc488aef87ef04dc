"""Small tariffs and accounts for tables of expected numbers."""

from collections.abc import Mapping
from typing import NamedTuple

from ocs.charging.cgrates.account import Account, Balance, Snapshot
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.cgrates.grid import nanos_from_decimal
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.values import instant

S = 10**9
MINUTE = 60 * S
G6 = Settings(rounding_decimals=6)


class Price(NamedTuple):
    """`fee rate/unit/increment@start ...` of one destination for one subject."""

    slots: str
    prefix: str = "*any"
    subject: str = "*any"
    category: str = "call"
    rounding: str = "*up,4"
    cap: str = "0,"
    timing: str = "*any"
    weight: int = 10
    fallback: str = ""


def texts_of(*prices: Price, timings: str = "", groups: str = "") -> list[tuple[str, str]]:
    """The files of a tariff with a plan per subject and category."""
    texts: dict[str, list[str]] = {
        name: [] for name in ("Destinations", "Rates", "DestinationRates", "RatingPlans", "RatingProfiles")
    }
    for number, price in enumerate(prices):
        destination = "*any" if price.prefix == "*any" else f"D{price.prefix}"
        if destination != "*any":
            texts["Destinations"].append(f"{destination},{price.prefix}")
        fee, *slots = price.slots.split()
        for slot in slots:
            cost, _, start = slot.partition("@")
            texts["Rates"].append(f"R{number},{fee},{cost.replace('/', ',')},{start or '0s'}")
        texts["DestinationRates"].append(f"DR{number},{destination},R{number},{price.rounding},{price.cap}")
        plan = f"P{price.category}{price.subject}"
        texts["RatingPlans"].append(f"{plan},DR{number},{price.timing},{price.weight}")
        profile = f"t,{price.category},{price.subject},2010-01-01T00:00:00Z,{plan},{price.fallback}"
        if profile not in texts["RatingProfiles"]:
            texts["RatingProfiles"].append(profile)
    files = [(f"{name}.csv", "\n".join(lines) + "\n") for name, lines in texts.items()]
    return [*files, ("Timings.csv", timings), ("SharedGroups.csv", groups)]


def tariff_of(*prices: Price, timings: str = "", groups: str = "") -> Tariff:
    """A tariff with a plan per subject and category."""
    rows, problems = read_texts(texts_of(*prices, timings=timings, groups=groups))
    assert problems == ()
    tariff, problems = compile_tariff(rows)
    assert problems == ()
    return tariff


def call(
    usage: int,
    *,
    at: str = "2025-03-05T10:00:00Z",
    destination: str = "33",
    kind: str = "*voice",
    category: str = "call",
    subject: str = "a",
    loop: int = 0,
    performs_rounding: bool = False,
    forces_duration: bool = False,
    max_rate: tuple[float, int] = (0.0, 0),
    factor_id: str = "",
) -> Call:
    """A call of account `a`."""
    start_ns, offset_ns = instant(at)
    return Call(
        tenant="t",
        category=category,
        destination=destination,
        kind=kind,
        subject=subject,
        account="a",
        start_ns=start_ns,
        end_ns=start_ns + usage,
        offset_ns=offset_ns,
        loop=loop,
        performs_rounding=performs_rounding,
        forces_duration=forces_duration,
        max_rate=max_rate[0],
        max_rate_unit_ns=max_rate[1],
        factor_id=factor_id,
    )


def balance(
    value: str,
    *,
    name: str = "",
    weight: float = 0,
    subject: str = "",
    destinations: tuple[str, ...] = (),
    group: str = "",
    is_blocker: bool = False,
    factors: dict[str, float] | None = None,
) -> Balance:
    """A balance; a value ending in `s` is seconds of voice."""
    nanos = nanos_from_decimal(value.removesuffix("s")) * (S if value.endswith("s") else 1)
    return Balance(
        uid=name or value,
        balance_id=name or value,
        value_nanos=nanos,
        weight=weight,
        rating_subject=subject,
        destinations=dict.fromkeys(destinations, True),
        shared_groups={group: True} if group else {},
        is_blocker=is_blocker,
        factors=factors or {},
    )


def snapshot(
    *money: Balance,
    voice: tuple[Balance, ...] = (),
    other: Mapping[str, tuple[Balance, ...]] | None = None,
    allows_negative: bool = False,
    friends: tuple[Account, ...] = (),
    members: Mapping[str, tuple[str, ...]] | None = None,
) -> Snapshot:
    """Account `t:a` with some balances, and others that share with it."""
    balances = {"*monetary": money, "*voice": voice, **(other or {})}
    account = Account("t:a", balances, allows_negative)
    return Snapshot({one.account_id: one for one in (account, *friends)}, members or {})


def held(account: Account, kind: str = "*monetary") -> list[float]:
    """Values of an account's balances of a kind; voice in seconds."""
    scale = 10**18 if kind == "*voice" else 10**9
    return [balance.value_nanos / scale for balance in account.balances.get(kind, ())]
