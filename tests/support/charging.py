"""Shorthand for charging in tests: a tariff with round prices, events in one line, books as text."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from ocs.charging import engine, onetime
from ocs.charging.account import Account, Balance, Standing
from ocs.charging.decision import Decision
from ocs.charging.entry import Cdr, EntryKind, Posting
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Grant,
    Identity,
    IdentityKind,
    ReportingReason,
    RequestedUnits,
    Result,
    TariffChange,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.ledger import check
from ocs.charging.quota import ChargingPolicy, QuotaMatch, QuotaRule
from ocs.charging.rating import CapStrategy, Rate, Slot
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff, Verdict
from ocs.charging.tariff.windows import Period, Window

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
NOON_NS = int(datetime(2026, 6, 1, 12, tzinfo=ZoneInfo("UTC")).timestamp()) * SECOND_NS
CLIENT = "smf.example"
ACCOUNT = "default:alice"
ALICE = Identity(IdentityKind.IMSI, "001010000000001")

# Nanos per octet, message or ms of time. 30 is billed by the thousand, 40 has a fee of 100 and tiers; 60 costs 1
# until the evening at 18:00 and 3 from then on, 61 the other way round; 70 costs at most 500.
RATES = {
    "one": Rate(0, (Slot(0, 1, 1, 1),)),
    "three": Rate(0, (Slot(0, 3, 1, 1),)),
    "thousand": Rate(0, (Slot(0, 1000, 1000, 1000),)),
    "tiers": Rate(100, (Slot(0, 2, 1, 1), Slot(1000, 1, 1, 1))),
    "capped": Rate(0, (Slot(0, 1, 1, 1),), cap_nanos=500, cap_strategy=CapStrategy.DISCONNECT),
    "ms": Rate(0, (Slot(0, 1, 1_000_000, 1_000_000),)),
    "ms_evening": Rate(0, (Slot(0, 3, 1_000_000, 1_000_000),)),
    "fraction": Rate(0, (Slot(0, 1, 3, 1),)),
    "message": Rate(0, (Slot(0, 5, 1, 1),)),
    "far_message": Rate(0, (Slot(0, 9, 1, 1),)),
}
EVENING = Window("evening", (Period(18 * 3600, 24 * 3600),), "UTC")


def _choice(rate: str, window: Window | None = None) -> Choice:
    return Choice(Verdict.RATED, RATES[rate], rate, window)


def _data(name: str, rating_group: int, *choices: Choice, unit: Unit | None = Unit.OCTETS) -> Rule:
    return Rule(name, "data", unit, choices, rating_groups=((rating_group, rating_group),))


RULES = (
    Rule("plain", "data", Unit.OCTETS, (_choice("one"),), ((10, 15),), without_rating_group=True),
    Rule("abroad", "data", Unit.OCTETS, (_choice("three"),), ((10, 10),), zones=("abroad",)),
    _data("dear", 20, _choice("three")),
    _data("thousand", 30, _choice("thousand")),
    _data("tiers", 40, _choice("tiers")),
    _data("free", 50, Choice(Verdict.FREE), unit=None),
    _data("denied", 51, Choice(Verdict.DENIED), unit=None),
    _data("rising", 60, _choice("three", EVENING), _choice("one")),
    _data("falling", 61, _choice("one", EVENING), _choice("three")),
    _data("capped", 70, _choice("capped")),
    _data("fraction", 80, _choice("fraction")),
    Rule("call", "voice", Unit.TIME, (_choice("ms_evening", EVENING), _choice("ms"))),
    Rule("message", "sms", Unit.EVENTS, (_choice("message"),), destinations=("near",)),
    Rule("far", "sms", Unit.EVENTS, (_choice("far_message"),), destinations=("far",)),
    Rule("barred", "sms", None, (Choice(Verdict.DENIED),), destinations=("premium",)),
)


def catalogue(*rules: Rule) -> Catalogue:
    """The tariff of the tests, or one of other rules; the plan is `standard`."""
    plan = Plan("standard", (PlanVersion(rules or RULES),))
    destinations: dict[str, tuple[str, ...]] = {"near": ("1",), "far": ("4",), "premium": ("1900",)}
    return Catalogue(Tariff("EUR", (plan,), destinations, {"abroad": ("262",)}, RATES))


TARIFF = catalogue()


def policy(rule: QuotaRule | None = None, floor_nanos: int | None = None) -> ChargingPolicy:
    """The default policy with one quota rule for everything."""
    return ChargingPolicy(() if rule is None else (QuotaMatch(rule),), floor_nanos=floor_nanos)


def money(posted: int, *more: Balance, **settings: object) -> Account:
    """An account with money and perhaps other balances, those of higher priority first."""
    balances = (*more, Balance("main", Unit.MONEY, posted))
    return account(*balances, **settings)


def account(*balances: Balance, **settings: object) -> Account:
    """An account with these balances."""
    return Account(ACCOUNT, "standard", balances, identities=(ALICE,), version=1, **settings)  # type: ignore[arg-type]


def rg(
    rating_group: int | None,
    want: int | None = None,
    used: int | tuple[UsedUnits, ...] | None = None,
    unit: Unit = Unit.OCTETS,
    reason: ReportingReason | None = None,
    services: tuple[int, ...] = (),
    called: str | None = None,
) -> UsageReport:
    """One report; `want` 0 leaves unit and amount to the server, None wants nothing."""
    requested = None if want is None else RequestedUnits(unit, want) if want else RequestedUnits()
    amounts = used if isinstance(used, tuple) else () if used is None else (UsedUnits(unit, used),)
    return UsageReport(rating_group, services, requested, amounts, reason, called)


def around(before: int, after: int, either: int = 0) -> tuple[UsedUnits, ...]:
    """Octets used before, after and somewhere around a tariff change."""
    return tuple(
        UsedUnits(Unit.OCTETS, amount, TariffChange(place))
        for place, amount in enumerate((before, after, either))
        if amount
    )


def event(
    kind: EventKind, event_id: int | str, *reports: UsageReport, session: str = "s1", **more: object
) -> ChargingEvent:
    """An event of alice's data session, or what `more` makes of it."""
    settings: dict[str, object] = {
        "client": CLIENT,
        "session_id": session,
        "service": "data",
        "identities": (ALICE,),
        "reports": reports,
    } | more
    return ChargingEvent(kind, event_id=event_id, **settings)  # type: ignore[arg-type]


def initial(*reports: UsageReport, **more: object) -> ChargingEvent:
    return event(EventKind.INITIAL, more.pop("number", 0), *reports, **more)  # type: ignore[arg-type]


def update(number: int | str, *reports: UsageReport, **more: object) -> ChargingEvent:
    return event(EventKind.UPDATE, number, *reports, **more)  # type: ignore[arg-type]


def terminate(number: int | str, *reports: UsageReport, **more: object) -> ChargingEvent:
    return event(EventKind.TERMINATION, number, *reports, **more)  # type: ignore[arg-type]


def once(action: Action | None, *reports: UsageReport, session: str = "e1", **more: object) -> ChargingEvent:
    more.setdefault("service", "sms")
    return event(EventKind.EVENT, 0, *reports, session=session, action=action, **more)


def grant_text(grant: Grant) -> str:
    """A grant as `10=700`, with `!` and the action where the units are the last ones."""
    name = "-" if grant.rating_group is None else str(grant.rating_group)
    if grant.service_identifiers:
        name += "/" + "+".join(map(str, grant.service_identifiers))
    said = str(grant.amount) if grant.result is Result.SUCCESS else grant.result.name
    if grant.result is Result.FREE_OF_CHARGE:
        said = f"free {grant.amount}"
    return f"{name}={said}" + ("" if grant.final_unit is None else f"!{grant.final_unit.action.name}")


def answer_text(answer: ChargingAnswer) -> str:
    """An answer as `SUCCESS 10=700 20=NO_CREDIT`."""
    return " ".join((answer.result.name, *map(grant_text, answer.grants)))


def books_text(account: Account) -> str:
    """Balances as `main 1000-300`: posted, and what of it is reserved."""
    return ", ".join(
        f"{each.id} {each.posted}" + (f"-{each.reserved}" if each.reserved else "")
        for each in account.balances
    )


def entries_text(posting: Posting | None) -> str:
    """Entries as `main-300`, others than debits with their kind."""
    return " ".join(
        f"{each.balance_id}{each.amount:+}"
        + ("" if each.kind is EntryKind.DEBIT else f" {each.kind.name.lower()}")
        for each in (posting.entries if posting else ())
    )


@dataclass
class World:
    """One account under the engine: events go in, the account moves on, everything written is kept."""

    account: Account
    policy: ChargingPolicy = field(default_factory=ChargingPolicy)
    now_ns: int = NOON_NS
    tariff: Catalogue = TARIFF
    postings: list[Posting] = field(default_factory=list)
    cdrs: list[Cdr] = field(default_factory=list)
    answers: dict[str, Decision] = field(default_factory=dict)

    def take(self, event: ChargingEvent, refundable: Posting | None = None) -> Decision:
        """Decide, check the books and move on; a repeated one-time event gets the answer kept for it."""
        if event.kind is EventKind.EVENT:
            key = onetime.answer_key(event)
            if key in self.answers:
                return self.answers[key]
            decision = onetime.decide(self.account, event, self.tariff, self.policy, self.now_ns, refundable)
            if decision.answered is not None:
                self.answers[key] = decision
        else:
            decision = engine.decide(self.account, event, self.tariff, self.policy, self.now_ns)
        assert decision.account.version - self.account.version in (0, 1), "one change is one version"
        assert check(decision.account) == []
        self.account = decision.account
        if decision.posting is not None:
            self.postings.append(decision.posting)
        self.cdrs.extend(decision.cdrs)
        return decision

    def line(self, event: ChargingEvent) -> str:
        """What an event comes to, in one line: answer | balances | entries."""
        decision = self.take(event)
        parts = (answer_text(decision.answer), books_text(self.account), entries_text(decision.posting))
        return " | ".join(part for part in parts if part)

    def bar(self) -> None:
        """Bar the account."""
        self.account = msgspec.structs.replace(self.account, standing=Standing.BARRED)


ABROAD = ChargingContext(plmn="26201")
