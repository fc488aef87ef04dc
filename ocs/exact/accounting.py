"""The exact core as the charging core of the event pipeline (`ocs.sessions.accounting.Accounting`).

A step is decided at once on accounts in memory: `prepare` brings an event's account there first. What a step
changed is durable when `durable` returns; an answer leaves after that.

A run is one session of the core. Everything it was granted is held until it ends, so what a client says of its last
grant, or of the whole, corrects nothing afterwards: the session is debited once, at its usage.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ocs.charging.account import session_key
from ocs.charging.cdr import ORIGIN_ID, SESSION_API
from ocs.charging.decision import Decision
from ocs.charging.entry import Posting
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Identity,
    IdentityKind,
    RequestedUnits,
    RequestType,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.service import ChargingService
from ocs.exact.costs import cost_details
from ocs.sessions import identity, values
from ocs.sessions.accounting import UNLIMITED, Outcome, Rated, Report, Step
from ocs.sessions.model import Run
from ocs.sessions.values import Event

CLIENT = SESSION_API
DEFAULT_TENANT = "default"
KNOWN_NAMES = 200_000
UNRATED_NANOS = -1_000_000_000
SERVICES = {
    "*voice": ("voice", Unit.TIME),
    "*data": ("data", Unit.OCTETS),
    "*sms": ("sms", Unit.EVENTS),
    "*mms": ("mms", Unit.EVENTS),
    "*generic": ("generic", Unit.EVENTS),
}
REQUEST_TYPES = {f"*{kind.name.lower()}": kind for kind in RequestType}
DEFAULT_USAGE = {"*voice": 3 * 3600 * 10**9, "": 3 * 3600 * 10**9, "*data": 1 << 20, "*sms": 1}
REFUSALS = {
    Result.UNKNOWN_SUBSCRIBER: "ACCOUNT_NOT_FOUND",
    Result.DENIED: "UNAUTHORIZED_DESTINATION",
    Result.RATING_FAILED: "UNAUTHORIZED_DESTINATION",
    Result.NOT_AUTHORIZED: "UNAUTHORIZED_DESTINATION",
    Result.LIMIT_EXCEEDED: "MAX_USAGE_EXCEEDED",
    Result.INVALID_VALUE: "MAX_USAGE_EXCEEDED",
}


class Money(msgspec.Struct, frozen=True):
    """What is kept of a run. `granted` is all it was granted so far, `last` the last grant of it."""

    account: str
    session_id: str
    service: str
    unit: Unit
    request_type: RequestType
    context: ChargingContext
    subject: str
    started_ns: int
    period: int
    forces: bool = False
    direct_nanos: int | None = None
    granted: int = 0
    last: int = 0
    paused: int = 0
    number: int = 0
    is_open: bool = False
    cost_nanos: int | None = None
    postings: tuple[Posting, ...] = ()

    @property
    def used(self) -> int:
        """Usage so far, as far as the client has said."""
        return self.granted


class ExactAccounting:
    """Steps of sessions on the accounts of a charging service; none of them suspends."""

    def __init__(
        self,
        service: ChargingService,
        default_tenant: str = "",
        on_change: Callable[[], None] | None = None,
        default_usage: Mapping[str, int] = DEFAULT_USAGE,
    ) -> None:
        """Accounts of tenant `default` are those of `default_tenant` too.

        `on_change` is told of every decision whose answer has to wait for the disk.
        """
        self._service = service
        self._default_tenant = default_tenant
        self._on_change = on_change
        self._default_usage = default_usage
        self._keys: dict[tuple[str, str], str] = {}  # accounts by the tenant and name of events
        self._undurable: set[asyncio.Future[ChargingAnswer]] = set()
        self._acts = 0

    async def prepare(self, tenant: str, event: Event) -> None:
        """Bring the account of an event, and those that share with it, into memory."""
        name = _account_name(event)
        key = await self.key_of(tenant, name)
        if len(self._keys) >= KNOWN_NAMES:
            self._keys.clear()
        self._keys[tenant, name] = key
        account = await self._service.account(key)
        if account is None and values.text(event.get("RequestType")) == "*dynaprepaid":
            await self._service.open_account(key)

    def is_prepared(self, tenant: str, event: Event) -> bool:
        """Whether nothing of an event has to be waited for; a name that moves to another account is looked up."""
        name = _account_name(event)
        key = self._keys.get((tenant, name))
        account = None if key is None else self._service.known(key)
        return account is not None and (
            account.key.partition(":")[2] == name
            or any(each.value == name.removeprefix("+") for each in account.identities)
        )

    def known_key(self, tenant: str, name: str) -> str | None:
        """The key of the account of a name, where it is in memory."""
        key = self._keys.get((tenant, name))
        return None if key is None or self._service.known(key) is None else key

    async def key_of(self, tenant: str, name: str) -> str:
        """The key of the account of a name: of its own tenant alone, by its key or by one of its identities."""
        tenants = (tenant, DEFAULT_TENANT) if tenant == self._default_tenant else (tenant,)
        for each in tenants:
            if await self._service.account(f"{each}:{name}") is not None:
                return f"{each}:{name}"
        for kind in IdentityKind if name else ():
            value = name.removeprefix("+") if kind is IdentityKind.E164 else name
            account = await self._service.find(Identity(kind, value))
            if account is not None and account.key.partition(":")[0] in tenants:
                return account.key
        return f"{tenants[-1]}:{name}"

    async def prepare_runs(self, runs: tuple[Run, ...]) -> None:
        """Bring the accounts of runs into memory."""
        for run in runs:
            money: Money = run.money
            await self._service.account(money.account)

    def are_prepared(self, runs: tuple[Run, ...]) -> bool:
        """Whether the accounts of runs are in memory."""
        return all(self._service.known(run.money.account) is not None for run in runs)

    def keep_open(self, runs: tuple[Run, ...], lifetime_ns: int) -> None:
        """Let the core's sessions of runs be silent for so long: whoever has the runs watches over them."""
        for run in runs:
            money: Money = run.money
            if money.is_open:
                self._service.keep_open(session_key(CLIENT, money.session_id), money.account, lifetime_ns)

    async def durable(self) -> None:
        """Return when everything decided so far is durable."""
        if self._undurable:
            await asyncio.gather(*self._undurable)

    # --- runs

    def open(
        self, tenant: str, event: Event, usage: int, *, forces: bool = False, request_type: str = ""
    ) -> Money:
        """The money of a new run. Raises ValueError for a bad member."""
        now_ns = self._service.now_ns()
        started_ns, _ = values.moment(event.get("AnswerTime"), now_ns)
        if not started_ns:
            started_ns, _ = values.moment(event.get("SetupTime"), now_ns)
        service, unit = SERVICES.get(values.text(event.get("ToR")) or "*voice", SERVICES["*generic"])
        account, subject = values.text(event.get("Account")), values.text(event.get("Subject"))
        cost = event.get("Cost")
        return Money(
            self._account_key(tenant, event),
            f"{identity.cgrid_of(event)}:{values.text(event.get('RunID'))}:{now_ns}",  # an id may come again
            service,
            unit,
            REQUEST_TYPES.get(request_type, RequestType.PREPAID),
            ChargingContext(
                called=values.text(event.get("Destination")).removeprefix("+"),
                category=values.text(event.get("Category")),
                extra=((ORIGIN_ID, values.text(event.get(ORIGIN_ID))),),
            ),
            "" if subject == account else subject,
            started_ns or now_ns,
            usage,
            forces,
            None if cost is None else values.nanos(cost),
        )

    def restore(self, stored: Any) -> Money:
        """Money as it was."""
        return msgspec.convert(stored, Money)

    def default_usage(self, tor: str) -> int:
        """Usage of an event that names none."""
        return self._default_usage.get(tor, 0)

    def period(self, run: Run) -> int:
        """Usage of the event a run was opened for."""
        money: Money = run.money
        return money.period

    def used(self, run: Run) -> int:
        """Usage of a run so far."""
        money: Money = run.money
        return money.used

    def last_granted(self, run: Run) -> int:
        """The last usage a run was granted."""
        money: Money = run.money
        return money.last

    def told(self, run: Run) -> dict[str, Any]:
        """Members of an external session that are the core's."""
        money: Money = run.money
        nothing = {"MaxRate": 0, "MaxRateUnit": 0, "MaxCostSoFar": 0}
        return {"LoopIndex": money.number, "DurationIndex": money.granted, **nothing}

    # --- steps

    def authorize(self, run: Run) -> Outcome:
        """How much of its usage a run may have; -1 for an account without a limit."""
        money: Money = run.money
        account = self._service.known(money.account)
        if account is not None and account.credit_limit_nanos is None:
            return Outcome(UNLIMITED)
        decision = self._event(money, Action.AUTHORIZE, _wish(money, money.period))
        return _granted(money, decision.answer, money.period)

    def reserve(self, run: Run, wanted: int, lifetime_ns: int) -> Outcome:
        """Holds what a run may have of a usage for so long at most, in the place of what it held."""
        money: Money = run.money
        event = _charging_event(money, EventKind.EVENT, _wish(money, wanted))
        event = msgspec.structs.replace(event, action=Action.AUTHORIZE, reserve_ns=lifetime_ns)
        return _granted(money, self._decided(event, None).answer, wanted)

    def let_go(self, run: Run) -> None:
        """Gives back what was reserved."""
        self._take(run.money, EventKind.TERMINATION, UsageReport())

    def update(self, runs: tuple[Run, ...], report: Report, *, is_paused: bool = False) -> Step:
        """Settles the last grant of every run and grants more; the smallest grant is the outcome."""
        after: list[Run] = []
        outcome: Outcome | None = None
        for run in runs:
            money, found = self._updated(run.money, report, is_paused)
            after.append(msgspec.structs.replace(run, money=money))
            if found.refusal:
                return Step((*after, *runs[len(after) :]), found)
            outcome = found if outcome is None or found.usage < outcome.usage else outcome
        return Step(tuple(after), outcome or Outcome())

    def _updated(self, money: Money, report: Report, is_paused: bool) -> tuple[Money, Outcome]:
        used = money.granted if report.last_used is None else money.granted - money.last + report.last_used
        wanted = report.wanted if report.total is None else max(report.total - used, 0)
        if is_paused:
            changed = msgspec.structs.replace(
                money, granted=used + wanted, last=wanted, paused=money.paused + wanted
            )
            return changed, Outcome(wanted)
        if money.is_open and not self._has(money):  # it was ended here meanwhile, and nothing was debited
            money = msgspec.structs.replace(money, session_id=f"{money.session_id}+", number=0, is_open=False)
        kind = EventKind.UPDATE if money.is_open else EventKind.INITIAL
        total = used + wanted - money.paused
        answer = self._take(money, kind, _wish(money, total)).answer
        outcome = _granted(money, answer, total)
        if outcome.refusal:
            return money, outcome
        granted = max(outcome.usage + money.paused, used)
        if money.forces and granted < used + wanted:
            return money, Outcome(refusal="INSUFFICIENT_CREDIT")
        changed = msgspec.structs.replace(
            money,
            granted=granted,
            last=granted - used,
            number=money.number + 1,
            is_open=money.is_open or answer.result is Result.SUCCESS,
        )
        return changed, Outcome(granted - used, is_low=outcome.is_low)

    def terminate(
        self, runs: tuple[Run, ...], usage: int | None, last_used: int | None, further: int = 0
    ) -> Step:
        """Ends every run at its usage, or beyond it, and debits it."""
        after: list[Run] = []
        refusal = ""
        for run in runs:
            money: Money = run.money
            used = money.granted if last_used is None else money.granted - money.last + last_used
            money, told = self._ended(money, (used if usage is None else usage) + further)
            refusal = refusal or told
            after.append(msgspec.structs.replace(run, money=money))
        return Step(tuple(after), Outcome(refusal=refusal))

    def _ended(self, money: Money, usage: int) -> tuple[Money, str]:
        charged = max(usage - money.paused, 0)
        used = (UsedUnits(money.unit, charged, at_ns=money.started_ns + usage),) if charged else ()
        report = UsageReport(used=used)
        if money.is_open and self._has(money):
            decision = self._take(money, EventKind.TERMINATION, report)
        elif charged:
            decision = self._event(money, Action.DIRECT_DEBITING, report)
        else:
            return msgspec.structs.replace(money, granted=usage, last=0, is_open=False), ""
        answer = decision.answer
        changed = msgspec.structs.replace(
            money,
            granted=usage,
            last=0,
            is_open=False,
            cost_nanos=answer.cost_nanos,
            postings=_postings(decision),
        )
        return changed, "" if answer.result is Result.SUCCESS else REFUSALS.get(answer.result, "SERVER_ERROR")

    def message(self, runs: tuple[Run, ...], report: Report, usage: int | None) -> Step:
        """A session of one request: grants, and ends at a usage or at the grant; a refused grant leaves nothing."""
        step = self.update(runs, report)
        if step.outcome.refusal:
            self.terminate(step.runs, 0, None)
            return Step(runs, step.outcome)
        ended = self.terminate(step.runs, step.outcome.usage if usage is None else usage, None)
        return Step(ended.runs, step.outcome)

    # --- records

    def rate_session(self, run: Run) -> Rated:
        """The cost of a session's run, whose usage is known; one that was never charged is charged now."""
        money: Money = run.money
        if money.cost_nanos is None:
            return self.rate(
                msgspec.structs.replace(run, money=msgspec.structs.replace(money, period=money.used))
            )
        return Rated(money.used, money.cost_nanos, "*sessions", details=self.details_of(run))

    def rate(self, run: Run, *, is_rerate: bool = False) -> Rated:
        """The cost of a run that has no session: debited in full, or only told where nobody pays."""
        money: Money = run.money
        usage = money.period
        if money.request_type is RequestType.NONE:
            return Rated(usage, UNRATED_NANOS, "")
        if not usage and money.direct_nanos is None:
            return Rated(0, 0, "*cdrs")
        report = UsageReport(used=(UsedUnits(money.unit, usage, at_ns=money.started_ns + usage),))
        if money.request_type is RequestType.DIRECTDEBIT and money.direct_nanos is not None:
            report = UsageReport(requested=RequestedUnits(Unit.MONEY, money.direct_nanos))
        decision = self._event(money, Action.DIRECT_DEBITING, report)
        answer = decision.answer
        if answer.result is not Result.SUCCESS or any(
            grant.result is not Result.SUCCESS for grant in answer.grants
        ):
            result = answer.result if answer.result is not Result.SUCCESS else answer.grants[0].result
            return Rated(usage, UNRATED_NANOS, "*cdrs", REFUSALS.get(result, "SERVER_ERROR"))
        return Rated(usage, answer.cost_nanos or 0, "*cdrs", details=_postings(decision))

    def told_details(self, run: Run) -> Any:
        """None: costs that others tell are not taken for what was charged here."""
        return None

    def settle(self, run: Run, details: Any, usage: int | None, source: str) -> Rated:
        """The run is charged: what others charged is not known here."""
        return self.rate(run)

    def refund(self, run: Run, details: Any) -> None:
        """Gives back what a record's details say was taken."""
        money: Money = run.money
        for posting in msgspec.convert(details or (), tuple[Posting, ...]):
            token = f"{posting.session_key}|{posting.event_id}".encode("utf-8", "surrogateescape")
            self._event(money, Action.REFUND_ACCOUNT, UsageReport(), token, posting)

    def price(self, run: Run) -> Rated:
        """What a run's usage costs by price alone; nobody pays."""
        money: Money = run.money
        decision = self._event(money, Action.PRICE_ENQUIRY, _wish(money, money.period))
        if decision.answer.result is not Result.SUCCESS:
            extra = REFUSALS.get(decision.answer.result, "SERVER_ERROR")
            return Rated(money.period, UNRATED_NANOS, "", extra)
        cost_nanos = decision.answer.cost_nanos or 0
        return Rated(money.period, cost_nanos, "*cdrs", details=cost_nanos)

    def details_of(self, run: Run) -> Any:
        """Who paid what of a run that has ended; None where nothing was charged."""
        money: Money = run.money
        return money.postings or None

    def cost_details(self, cgrid: str, run_id: str, details: Any) -> dict[str, Any]:
        """A record's details: its cost, and every balance in the order it paid; of a price the cost alone."""
        return cost_details(cgrid, run_id, details)

    # --- within

    def _has(self, money: Money) -> bool:
        """Whether the core has the session of a run: supervision or an operator may have ended it."""
        key = session_key(CLIENT, money.session_id)
        account = self._service.known(money.account)
        return account is not None and any(session.key == key for session in account.sessions)

    def _account_key(self, tenant: str, event: Event) -> str:
        name = _account_name(event)
        return self._keys.get((tenant, name)) or f"{tenant}:{name}"

    def _event(
        self,
        money: Money,
        action: Action,
        report: UsageReport,
        token: bytes | None = None,
        refundable: Posting | None = None,
    ) -> Decision:
        """A one-time event about a run."""
        self._acts += 1
        session_id = f"{money.session_id}:{self._service.now_ns()}:{self._acts}"
        event = msgspec.structs.replace(
            _charging_event(money, EventKind.EVENT, report), session_id=session_id, action=action
        )
        if token is not None:
            event = msgspec.structs.replace(event, reports=(), refund_token=token)
        return self._decided(event, refundable)

    def _take(self, money: Money, kind: EventKind, report: UsageReport) -> Decision:
        return self._decided(_charging_event(money, kind, report), None)

    def _decided(self, event: ChargingEvent, refundable: Posting | None) -> Decision:
        durable: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: ChargingAnswer) -> None:
            self._undurable.discard(durable)
            if not durable.done():
                durable.set_result(answer)

        self._undurable.add(durable)
        decision = self._service.charge_now(event, deliver, refundable)
        if not durable.done() and self._on_change is not None:
            self._on_change()
        return decision


def _account_name(event: Event) -> str:
    return values.text(event.get("Account")) or values.text(event.get("Subject"))


def _charging_event(money: Money, kind: EventKind, report: UsageReport) -> ChargingEvent:
    return ChargingEvent(
        kind,
        CLIENT,
        money.session_id,
        money.number,
        money.service,
        reports=(report,),
        context=money.context,
        account=money.account,
        slices_itself=True,
        request_type=money.request_type,
        subject=money.subject,
    )


def _wish(money: Money, units: int) -> UsageReport:
    return UsageReport(requested=RequestedUnits(money.unit, units))


def _granted(money: Money, answer: ChargingAnswer, wanted: int) -> Outcome:
    """What an answer grants of a run; no credit grants nothing, all else that refuses is a word."""
    result = answer.result
    if result is Result.SUCCESS and answer.grants:
        result = answer.grants[0].result
    if result in (Result.SUCCESS, Result.FREE_OF_CHARGE):
        usage = min(answer.grants[0].amount, wanted) if answer.grants else wanted
        return Outcome(usage, is_low=answer.is_low_balance)
    if result is Result.NO_CREDIT:
        return Outcome(refusal="INSUFFICIENT_CREDIT") if money.forces else Outcome(0)
    if result is Result.DENIED and not answer.grants:
        return Outcome(refusal="ACCOUNT_DISABLED")
    return Outcome(refusal=REFUSALS.get(result, "SERVER_ERROR"))


def _postings(decision: Decision) -> tuple[Posting, ...]:
    own = () if decision.posting is None else (decision.posting,)
    if not decision.other_postings:
        return own
    if not own:
        return decision.other_postings
    return (msgspec.structs.replace(own[0], others=decision.other_postings),)
