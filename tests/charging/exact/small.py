"""Small tariffs and accounts for the exact core, made from the same rows as those of the incumbent's arithmetic."""

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from ocs.charging.account import Account, Balance, Extras, Factor, SharedGroup, Strategy, Terms
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    RequestedUnits,
    RequestType,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.money import parse_nanos
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from tests.charging.cgrates.small import Price, texts_of
from tests.charging.exact import brute
from tests.support.family import Family

S = 10**9
NANOS = 10**9
KINDS = {
    "voice": Unit.TIME,
    "data": Unit.OCTETS,
    "sms": Unit.EVENTS,
    "mms": Unit.EVENTS,
    "generic": Unit.EVENTS,
}
CATEGORIES = {"call": tuple(KINDS)}
KEY = "t:a"


def catalogue(*prices: Price, timings: str = "") -> Catalogue:
    """A tariff of CSV rows; the category `call` prices every service, as it does for the incumbent."""
    texts = texts_of(*prices, timings=timings)
    tariff, findings = read_cgrates(texts, ImportOptions(services=CATEGORIES))
    assert tariff is not None, findings
    return Catalogue(tariff)


def brute_tariff(price: Price, step: int = S) -> brute.Tariff:
    """The same row for the brute force; quantities of time count `step` ns."""
    fee, *slots = price.slots.split()
    method, decimals = price.rounding.split(",")
    cap, strategy = price.cap.split(",")
    found = []
    for slot in slots:
        terms, _, start = slot.partition("@")
        cost, per, increment = terms.split("/")
        found.append(
            brute.Slot(steps(start or "0s", step), Fraction(cost), steps(per, step), steps(increment, step))
        )
    return brute.Tariff(
        Fraction(fee),
        tuple(found),
        method,
        int(decimals),
        Fraction(cap) if Fraction(cap) else None,
        strategy == "*disconnect",
    )


def steps(text: str, step: int) -> int:
    """`60s` or `1m` in steps, a bare number as it is."""
    for suffix, ns in (("ms", 10**6), ("m", 60 * S), ("s", S)):
        if text.endswith(suffix):
            return int(text.removesuffix(suffix)) * ns // step
    return int(text)


def balance(
    value: str,
    name: str = "",
    *,
    unit: Unit | None = None,
    weight: int = 0,
    expires_at_ns: int | None = None,
    factor: str = "",
    **terms: object,
) -> Balance:
    """A balance of money, of time where the value ends in `s`, or of a unit."""
    if unit is None:
        unit = Unit.TIME if value.endswith("s") else Unit.MONEY
    amount = steps(value, 1) if unit is not Unit.MONEY else parse_nanos(value)
    if unit is Unit.GENERIC:
        amount *= NANOS
    if factor:
        fraction = Fraction(factor)
        terms["factors"] = tuple(
            Factor(service, fraction.numerator, fraction.denominator) for service in KINDS
        )
    made = Terms(**terms)  # type: ignore[arg-type]
    return Balance(
        name or value, unit, amount, 0, weight, expires_at_ns, terms=None if made == Terms() else made
    )


def account(*balances: Balance, key: str = KEY, plan: str = "t:*any", **settings: object) -> Account:
    """An account with its balances in the order of use."""
    ordered = sorted(balances, key=lambda each: -each.priority)
    return Account(key, plan, tuple(ordered), version=1, **settings)  # type: ignore[arg-type]


def sharing(strategy: Strategy, *members: str) -> Extras:
    """The extras of the members of a group `SG`."""
    return Extras(groups=(SharedGroup("SG", strategy, members),))


@dataclass
class Live:
    """One account and its sessions at the exact core, asked as the incumbent's clients ask."""

    tariff: Catalogue
    accounts: tuple[Account, ...]
    service: str = "voice"
    destination: str = "33"
    at: str = "2025-03-05T10:00:00+00:00"
    request_type: RequestType | None = None
    number: int = 0
    total: int = 0
    world: Family = field(init=False)

    def __post_init__(self) -> None:
        self.world = Family({each.key: each for each in self.accounts}, self.tariff)
        self.world.now_ns = int(datetime.fromisoformat(self.at).timestamp()) * S

    def take(self, kind: EventKind, session: str, *reports: UsageReport, **more: object) -> ChargingAnswer:
        """Say something to the core; the books are right afterwards."""
        self.number += 1
        event = ChargingEvent(
            kind,
            "test",
            session,
            self.number,
            self.service,
            reports=reports,
            context=ChargingContext(called=self.destination, category="call"),
            account=KEY,
            slices_itself=True,
            request_type=self.request_type,
            **more,  # type: ignore[arg-type]
        )
        answer = self.world.take(KEY, event).answer
        assert self.world.problems() == []
        return answer

    def _wish(self, units: int) -> UsageReport:
        return UsageReport(requested=RequestedUnits(KINDS[self.service], units))

    def max_usage(self, units: int, **more: object) -> int:
        """How much of a wish may be used."""
        answer = self.take(EventKind.EVENT, "max", self._wish(units), action=Action.AUTHORIZE, **more)
        return answer.grants[0].amount if answer.grants else 0

    def debit(self, units: int) -> int:
        """Charge a usage that has happened, beyond what balances hold; its cost in nanos."""
        used = UsageReport(
            used=(UsedUnits(KINDS[self.service], units, at_ns=self.world.now_ns + self._span(units)),)
        )
        answer = self.take(EventKind.EVENT, f"d{self.number}", used, action=Action.DIRECT_DEBITING)
        assert answer.cost_nanos is not None, answer
        return answer.cost_nanos

    def charge(self, units: int) -> ChargingAnswer:
        """Charge a usage in full, or refuse it and take nothing."""
        return self.take(EventKind.EVENT, f"c{self.number}", self._wish(units), action=Action.DIRECT_DEBITING)

    def max_debit(self, units: int) -> tuple[int, int]:
        """Charge as much of a wish as is covered: how much that was, and its cost in nanos."""
        covered = self.max_usage(units)
        return covered, self.debit(covered) if covered else 0

    def grant(self, more: int, used: int | None = None) -> int:
        """Open a session or go on: what the last grant was used for is settled, and more is granted."""
        if used is not None:
            self.total = self.used_before + used
        self.used_before = self.total
        kind = EventKind.INITIAL if not self.world.accounts[KEY].sessions else EventKind.UPDATE
        answer = self.take(kind, "s", self._wish(self.total + more))
        granted = answer.grants[0].amount if answer.grants else 0
        self.total = max(granted, self.used_before)
        return max(granted - self.used_before, 0)

    used_before: int = 0

    def end(self, usage: int) -> int:
        """End the session at its whole usage; its cost in nanos."""
        self.world.now_ns += self._span(usage)
        used = UsageReport(used=(UsedUnits(KINDS[self.service], usage),))
        answer = self.take(EventKind.TERMINATION, "s", used)
        assert answer.cost_nanos is not None
        return answer.cost_nanos

    def _span(self, units: int) -> int:
        return units if self.service == "voice" else 0

    def held(self, *names: str, key: str = KEY) -> list[Fraction]:
        """What is available on balances: money in the currency, time in seconds, the rest as it is."""
        found = {each.id: each for each in self.world.accounts[key].balances}
        return [
            Fraction(0)
            if name not in found
            else Fraction(found[name].posted - found[name].reserved, _scale(found[name].unit))
            for name in names
        ]

    def money(self) -> Fraction:
        """Money available on the account."""
        return sum(
            (
                Fraction(each.posted - each.reserved, NANOS)
                for each in self.world.accounts[KEY].balances
                if each.unit is Unit.MONEY
            ),
            Fraction(0),
        )


def _scale(unit: Unit) -> int:
    return NANOS if unit in (Unit.MONEY, Unit.TIME, Unit.GENERIC) else 1
