"""One-time events on the pipeline (RFC 8506 6): debits, refunds, balance checks, price enquiries, authorizations.

All parts of an event are charged or none. Every part is a session of one step, with a record of its own.
"""

import msgspec

from ocs.cgrates.agents.events import with_usage
from ocs.cgrates.charging import outcomes, purse
from ocs.cgrates.charging.charges import Charges
from ocs.cgrates.charging.record import Bucket, KeptEvent, named
from ocs.charging.account import session_key
from ocs.charging.cgrates.call import DIRECT_DEBIT
from ocs.charging.decision import encode_answer
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingEvent,
    Grant,
    RequestedUnits,
    Result,
    Unit,
    UsageReport,
)
from ocs.sessions import values
from ocs.sessions.accounting import Rated
from ocs.sessions.cdrs import BOOKED, DEFAULT_RUN, cdr_of
from ocs.sessions.errors import ServiceError
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import Cdr, CgrEvent, Run

UNLIMITED = -1
TOO_LARGE = "MAX_USAGE_EXCEEDED"
CREDIT_GONE = (Result.NO_CREDIT, Result.DENIED)  # of a balance check: there is none


def key_of(event: ChargingEvent) -> str:
    """Where the answer to a one-time event is kept; it is the token of a refund too."""
    return f"{session_key(event.client, event.session_id)}|{event.event_id}"


class OneTime:
    """One event, whose answer is not kept yet."""

    def __init__(
        self, charges: Charges, event: ChargingEvent, base: CgrEvent, now_ns: int, retention_ns: int
    ) -> None:
        self._charges = charges
        self._runtime = charges.runtime
        self._event = event
        self._base = base
        self._account = charges.account_id(base)
        self._expires_at_ns = now_ns + retention_ns
        self._now_ns = now_ns
        self._at = values.moment_text((event.occurred_at_ns or now_ns, 0))

    def answer(self, refundable: KeptEvent | None) -> tuple[ChargingAnswer, KeptEvent | None]:
        """The answer, and what is kept of an event that changed something. Raises ServiceError."""
        if any(not _is_possible(report, self._event) for report in self._reports()):
            return ChargingAnswer(Result.INVALID_VALUE, failed="requested"), None
        match self._event.action:
            case Action.CHECK_BALANCE:
                return self._check(), None
            case Action.PRICE_ENQUIRY:
                return self._price(), None
            case Action.AUTHORIZE:
                return self._authorize(), None
            case Action.REFUND_ACCOUNT:
                return self._refund(refundable)
            case Action.DIRECT_DEBITING | None:
                return self._debit()

    def _reports(self) -> tuple[UsageReport, ...]:
        """What the event is about; money alone is a report of money, nothing at all is one unit."""
        if self._event.reports:
            return self._event.reports
        if self._event.money_nanos is not None:
            return (UsageReport(requested=RequestedUnits(Unit.MONEY, self._event.money_nanos)),)
        return (UsageReport(requested=RequestedUnits(None, 1)),)

    def _part(self, number: int, report: UsageReport) -> tuple[CgrEvent, Unit, int]:
        """A report as an event of the pipeline, what it counts, and how much."""
        unit = outcomes.unit_of(self._event, report, None)
        amount = 1 if report.requested is None or report.requested.amount is None else report.requested.amount
        if report.requested is None and report.used:
            amount = outcomes.used_of(report, unit, 0)
        bucket = Bucket(report.rating_group, report.service_identifiers, unit)
        fields = named(self._base.event, self._event.session_id, bucket, 1)
        mark = "".join(f"-{each}" for each in (self._event.event_id, number) if each not in (0, "0"))
        fields |= {"OriginID": f"{fields['OriginID']}{mark}", "SetupTime": self._at, "AnswerTime": self._at}
        if report.called:
            fields["Destination"] = report.called
        event = self._charges.altered(msgspec.structs.replace(self._base, event=fields))
        return with_usage(event, amount), unit, amount

    # --- debits

    def _debit(self) -> tuple[ChargingAnswer, KeptEvent | None]:
        before = self._recorded()
        if before is not None:
            return before, None
        done: list[Cdr] = []
        grants: list[Grant] = []
        nanos, taken = 0, purse.Taken()
        for number, report in enumerate(self._reports()):
            try:
                event, unit, amount = self._part(number, report)
                if unit is Unit.MONEY:
                    cdr, paid = self._debit_money(event, amount)
                    made, taken = [cdr], (*taken, *paid)
                else:
                    made = self._debit_units(event, report)
            except ServiceError:
                self._give_back(done, taken)
                raise
            done += made
            cost_nanos = max(made[0].cost_nanos, 0) if made else 0
            nanos += cost_nanos
            grants.append(_debited(report, unit, amount, cost_nanos))
        answer = self._debit_answer(grants, nanos)
        return answer, self._kept(answer, done, taken)

    def _recorded(self) -> ChargingAnswer | None:
        """The answer to an event that was debited, by its records, where its own is not kept any more."""
        grants: list[Grant] = []
        nanos = 0
        for number, report in enumerate(self._reports()):
            event, unit, amount = self._part(number, report)
            record = self._charges.first_record(cgrid_of(event.event))
            if record is None:
                return None
            cost_nanos = max(record.cost_nanos, 0)
            nanos += cost_nanos
            grants.append(_debited(report, unit, amount, cost_nanos))
        return self._debit_answer(grants, nanos)

    def _debit_answer(self, grants: list[Grant], nanos: int) -> ChargingAnswer:
        return ChargingAnswer(
            Result.SUCCESS,
            tuple(grants),
            nanos,
            self._charges.money_nanos(self._account),
            refund_token=key_of(self._event).encode("utf-8", "backslashreplace"),
        )

    def _kept(
        self, answer: ChargingAnswer, records: list[Cdr] | None = None, taken: purse.Taken = ()
    ) -> KeptEvent:
        names = tuple((cdr.cgrid, cdr.run_id) for cdr in records or ())
        return KeptEvent(self._account, encode_answer(answer), self._expires_at_ns, names, taken)

    def _debit_units(self, event: CgrEvent, report: UsageReport) -> list[Cdr]:
        """All the units, or none; what was used already is debited be it paid for or not."""
        sessions, state = self._runtime.sessions, self._runtime.state
        cgrid = cgrid_of(event.event)
        if report.requested is None and report.used:
            sessions.terminate(event)
        else:
            sessions.message(event, forces=True)
        self._charges.record(CgrEvent(event.tenant, {"CGRID": cgrid}))
        runs = state.closed[cgrid].runs if cgrid in state.closed else ()
        found = (state.cdrs.get(cgrid, run.run_id) for run in runs)
        return [cdr for cdr in found if cdr is not None]

    def _debit_money(self, event: CgrEvent, nanos: int) -> tuple[Cdr, purse.Taken]:
        """An amount of money that the client has priced, if there is so much; who paid it."""
        account = self._runtime.state.accounts.get(self._account)
        if account is None or account.is_disabled:
            word = "ACCOUNT_NOT_FOUND" if account is None else "ACCOUNT_DISABLED"
            raise ServiceError(f"RALS_ERROR:{word}")
        drawn = purse.draw(account, nanos, self._now_ns)
        if drawn is None:
            raise ServiceError("RALS_ERROR:INSUFFICIENT_CREDIT")
        self._runtime.state.put_accounts({self._account: drawn[0]})
        return self._booked(event, nanos), drawn[1]

    def _booked(self, event: CgrEvent, nanos: int) -> Cdr:
        """The record of an amount of money, which is not rated again."""
        cdrs = self._runtime.cdrs
        run = Run(DEFAULT_RUN, {**event.event, "RequestType": DIRECT_DEBIT}, DIRECT_DEBIT, None)
        made = cdr_of(event.tenant, cgrid_of(event.event), run, Rated(1, nanos, BOOKED), self._now_ns)
        cdr = msgspec.structs.replace(
            made, order_id=cdrs.next_order(), created_ns=self._now_ns, updated_ns=self._now_ns
        )
        self._runtime.state.put_cdr(cdr)
        cdrs.exported(cdr)
        return cdr

    def _give_back(self, records: list[Cdr], taken: purse.Taken) -> None:
        """As if a part had never been debited: the event has another that cannot be."""
        self._return_money(taken)
        for cdr in records:
            self._refunded(cdr)
            self._runtime.state.remove_cdr(cdr)
            self._runtime.state.forget_closed(cdr.cgrid)

    def _return_money(self, taken: purse.Taken) -> None:
        if taken:
            account = purse.give(self._runtime.account(self._account), taken)
            self._runtime.state.put_accounts({self._account: account})

    def _refunded(self, cdr: Cdr) -> None:
        if cdr.cost_details is None:
            return
        event = self._runtime.cdrs.event(cdr)
        run = self._runtime.sessions.open_run(cdr.tenant, cdr.run_id, event.event, 0)
        self._runtime.sessions.accounting.refund(run, cdr.cost_details)

    # --- refunds

    def _refund(self, refundable: KeptEvent | None) -> tuple[ChargingAnswer, KeptEvent | None]:
        """Takes back a named debit, or credits the money or the price of the units that the event names."""
        if self._event.refund_token is not None:
            if refundable is None or refundable.is_refunded or refundable.account != self._account:
                return ChargingAnswer(Result.INVALID_VALUE, failed="refund_token"), None
            nanos = self._take_back(refundable)
        else:
            nanos = sum(self._price_of(number, each) for number, each in enumerate(self._reports()))
            booked = self._part(0, self._reports()[0])[0]
            if self._charges.first_record(cgrid_of(booked.event)) is not None:
                return ChargingAnswer(Result.SUCCESS, cost_nanos=nanos), None
            account = purse.credit(self._runtime.account(self._account), nanos)
            self._runtime.state.put_accounts({self._account: account})
            self._booked(booked, -nanos)
        answer = ChargingAnswer(
            Result.SUCCESS,
            tuple(_named_units(report) for report in self._event.reports),
            nanos,
            self._charges.money_nanos(self._account),
        )
        return answer, self._kept(answer)

    def _take_back(self, refundable: KeptEvent) -> int:
        """Gives every record of a debit back to who paid; the record says so, and costs nothing any more."""
        state, nanos, mains = self._runtime.state, 0, set[str]()
        self._return_money(refundable.taken)
        for name in refundable.records:
            cdr = state.cdrs.get(*name)
            if cdr is None:
                continue
            self._refunded(cdr)
            if cdr.cgrid not in mains:
                mains.add(cdr.cgrid)
                nanos += max(cdr.cost_nanos, 0)
            state.put_cdr(
                msgspec.structs.replace(
                    cdr,
                    cost_nanos=0,
                    cost_details=None,
                    extra_info="REFUNDED",
                    updated_ns=self._runtime.wall_ns(),
                )
            )
        return nanos

    # --- what changes nothing

    def _check(self) -> ChargingAnswer:
        """Whether all that the event names could be paid now."""
        for number, report in enumerate(self._reports()):
            event, unit, amount = self._part(number, report)
            try:
                if unit is Unit.MONEY:
                    account = self._runtime.account(self._account)
                    allowed = amount if purse.draw(account, amount, self._now_ns) else 0
                else:
                    allowed = self._runtime.sessions.authorize(event)
            except ServiceError as error:
                if outcomes.result_of(str(error), refuses_unplanned=False) not in CREDIT_GONE:
                    raise
                allowed = 0
            if allowed != UNLIMITED and allowed < amount:
                return ChargingAnswer(Result.SUCCESS, has_credit=False)
        return ChargingAnswer(
            Result.SUCCESS, remaining_nanos=self._charges.money_nanos(self._account), has_credit=True
        )

    def _price(self) -> ChargingAnswer:
        nanos = sum(self._price_of(number, each) for number, each in enumerate(self._reports()))
        return ChargingAnswer(Result.SUCCESS, cost_nanos=nanos)

    def _price_of(self, number: int, report: UsageReport) -> int:
        """What a report costs by price alone, to the subscriber."""
        event, unit, amount = self._part(number, report)
        if unit is Unit.MONEY:
            return amount
        sessions = self._runtime.sessions
        rated = sessions.accounting.price(sessions.open_runs(event, 0)[0])
        if rated.extra_info:
            raise ServiceError(f"RALS_ERROR:{rated.extra_info}")
        return max(rated.cost_nanos, 0)

    def _authorize(self) -> ChargingAnswer:
        """How much of the first report may be used; nothing is set aside for it.

        An amount that is too large to be rated in one is asked for in halves; all of a half is as good as all.
        """
        report = self._reports()[0]
        event, unit, wanted = self._part(0, report)
        usage, asked = 0, wanted
        while usage == 0 and asked:
            usage = self._allowed(event, asked)
            usage = wanted if usage in (UNLIMITED, asked) else usage
            asked = asked // 2 if unit is Unit.OCTETS else 0
        usage = outcomes.whole(unit, usage, self._event)
        if usage <= 0:
            return ChargingAnswer(Result.SUCCESS, (outcomes.refused(report, Result.NO_CREDIT),))
        grant = Grant(report.rating_group, report.service_identifiers, Result.SUCCESS, unit, usage)
        return ChargingAnswer(Result.SUCCESS, (grant,))

    def _allowed(self, event: CgrEvent, amount: int) -> int:
        """How much of an amount; nothing of one that is larger than any session may be."""
        try:
            return self._runtime.sessions.authorize(with_usage(event, amount))
        except ServiceError as error:
            if str(error).endswith(TOO_LARGE):
                return 0
            raise


def _is_possible(report: UsageReport, event: ChargingEvent) -> bool:
    """Whether an event can be about so much."""
    asked = report.requested
    amounts = [(used.unit, used.amount) for used in report.used]
    if asked is not None and asked.amount is not None:
        amounts.append((asked.unit or outcomes.unit_of(event, report, None), asked.amount))
    return all(0 <= amount <= outcomes.MOST[unit] for unit, amount in amounts)


def _debited(report: UsageReport, unit: Unit, amount: int, cost_nanos: int) -> Grant:
    """The answer to a report that was debited."""
    group, services = report.rating_group, report.service_identifiers
    return Grant(group, services, Result.SUCCESS, unit, amount, cost_nanos=cost_nanos)


def _named_units(report: UsageReport) -> Grant:
    """What a refund was about."""
    asked = report.requested
    unit, amount = (None, None) if asked is None else (asked.unit, asked.amount)
    return Grant(report.rating_group, report.service_identifiers, Result.SUCCESS, unit, amount or 0)
