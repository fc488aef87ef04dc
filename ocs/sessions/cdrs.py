"""Call detail records: made of sessions or of events, rated, kept once, found again.

A record goes through the steps its flags name: attributes, one run per charger, a refund of what it had cost
before, rating, storing, thresholds and statistics.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from ocs.sessions import values
from ocs.sessions.accounting import Accounting, Rated
from ocs.sessions.cdr_steps import CdrSteps
from ocs.sessions.errors import EXISTS, NOT_FOUND, PARTIALLY_EXECUTED, ServiceError, wrapped
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import NOT_EXTRA, Cdr, CgrEvent, Run, Session
from ocs.sessions.records import Records
from ocs.sessions.service import SessionService
from ocs.sessions.values import Event

log = structlog.get_logger()

UNRATED_NANOS = -1_000_000_000
DEFAULT_RUN = "*default"
CONTEXT = "*cdrs"
FREE = "*none"
BOOKED = "*cdrlog"  # cost source of records that actions make of what they did
PREPAID = frozenset(("*prepaid", "*dynaprepaid"))
CHARGED_ONCE = frozenset(("*prepaid", "*postpaid", "*pseudoprepaid"))
WITH_DETAILS = frozenset(("*prepaid", "*postpaid", "*pseudoprepaid", "*dynaprepaid"))


class CdrService:
    """Records of one server. `steps` is what its configuration has done to a record without flags."""

    def __init__(
        self,
        sessions: SessionService,
        accounting: Accounting,
        records: Records,
        wall_ns: Callable[[], int],
        steps: CdrSteps | None = None,
    ) -> None:
        self.steps = steps or CdrSteps()
        self._sessions = sessions
        self._accounting = accounting
        self._records = records
        self._wall_ns = wall_ns
        self._last_order = records.last_order()
        self.exported: Callable[[Cdr], None] = _not_exported

    # --- from sessions

    def process(self, event: CgrEvent) -> None:
        """`SessionSv1.ProcessCDR`: the records of a session, or of an event that has none."""
        if not self._sessions.settings.has_cdrs:
            raise ServiceError("NOT_CONNECTED: CDRs")
        cgrid = cgrid_of(event.event)
        session = self._records.closed.get(cgrid) or self._records.sessions.get(cgrid)
        if session is not None:
            self.of_session(session)
        else:
            self.of_event(event, self.steps.with_flags(("*rals",)))

    def of_session(self, session: Session) -> None:
        """One record per run, at the session's usage and cost."""
        is_partial = False
        for run in session.runs:
            if self._records.cdrs.has(session.cgrid, run.run_id):
                is_partial = True
                continue
            rated = self._accounting.rate_session(run)
            self._finish(session.tenant, session.cgrid, run, rated, self.steps)
        if is_partial:
            raise ServiceError(PARTIALLY_EXECUTED)

    # --- from events

    def of_event(self, event: CgrEvent, steps: CdrSteps) -> list[Cdr]:
        """The records of an event; EXISTS where one of them is there, and may not be replaced."""
        event = self._altered(event) if steps.attributes else event
        cgrid = cgrid_of(event.event)
        runs = self._runs(event, steps)
        known = [self._records.cdrs.get(cgrid, run.run_id) for run in runs]
        if any(known) and not steps.reprocesses:
            raise ServiceError(EXISTS)
        made = []
        for run, old in zip(runs, known, strict=True):
            if steps.refunds:
                self._refund(run, old)
            rated = self._rated(cgrid, run, steps)
            made.append(self._finish(event.tenant, cgrid, run, rated, steps, old))
        return made

    def _altered(self, event: CgrEvent) -> CgrEvent:
        try:
            return self._sessions.surroundings.attributes(event, (), CONTEXT).event
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                return event
            raise wrapped("ATTRIBUTES", str(error)) from None

    def _runs(self, event: CgrEvent, steps: CdrSteps) -> tuple[Run, ...]:
        named = self._completed(event)
        if steps.chargers:
            return self._sessions.open_runs(msgspec.structs.replace(event, event=named), 0)
        return (self._sessions.open_run(event.tenant, values.text(named["RunID"]), named, 0),)

    def _completed(self, event: CgrEvent) -> Event:
        """An event that no charger looked at, with what a record must have."""
        settings = self._sessions.settings
        return {
            "RunID": DEFAULT_RUN,
            "ToR": "*voice",
            "Category": settings.default_category,
            "RequestType": settings.default_request_type,
            **{name: value for name, value in event.event.items() if value not in (None, "")},
        }

    def _refund(self, run: Run, old: Cdr | None) -> None:
        if run.request_type not in WITH_DETAILS:
            return
        details = old.cost_details if old is not None else self._told_details(run)
        if details:
            self._accounting.refund(run, details)

    def _told_details(self, run: Run) -> Any:
        try:
            return self._accounting.told_details(run)
        except ValueError as error:
            raise ServiceError(f"SERVER_ERROR: {error}") from None

    def _rated(self, cgrid: str, run: Run, steps: CdrSteps) -> Rated:
        """The cost of a run; one that is not rated keeps what it came with."""
        if steps.rates and not (_flag(run.event, "PreRated") and not steps.reprocesses):
            settled = None if steps.refunds else self._settled(cgrid, run)
            return settled or self._accounting.rate(run, is_rerate=steps.reprocesses)
        usage = self._accounting.period(run)
        given = run.event.get("Cost")
        if given is None:
            return Rated(usage, UNRATED_NANOS, "")
        try:
            return Rated(usage, values.nanos(given), values.text(run.event.get("CostSource")))
        except ValueError as error:
            raise ServiceError(f"SERVER_ERROR: {error}") from None

    def _settled(self, cgrid: str, run: Run) -> Rated | None:
        """The cost of a run that somebody else charged: its event has it, or it was told before."""
        details = self._told_details(run) if run.request_type in CHARGED_ONCE else None
        if details is not None:
            return self._accounting.settle(run, details, None, values.text(run.event.get("CostSource")))
        cost = self._records.costs.get(f"{cgrid}:{run.run_id}")
        if cost is None or run.request_type not in PREPAID:
            return None
        self._records.forget_cost(cost)
        return self._accounting.settle(run, cost.details, cost.usage, cost.source)

    def _finish(
        self, tenant: str, cgrid: str, run: Run, rated: Rated, steps: CdrSteps, old: Cdr | None = None
    ) -> Cdr:
        """Makes the record, keeps it, and tells those that count records."""
        now_ns = self._wall_ns()
        cdr = msgspec.structs.replace(
            cdr_of(tenant, cgrid, run, rated, now_ns),
            order_id=self.next_order() if old is None else old.order_id,
            created_ns=now_ns if old is None else old.created_ns,
            updated_ns=now_ns,
        )
        if steps.stores:
            self._records.put_cdr(cdr)
        if steps.exports:
            self.exported(cdr)
        self._count(cdr, steps)
        return cdr

    def next_order(self) -> int:
        """The order id of one more record."""
        self._last_order += 1
        return self._last_order

    def _count(self, cdr: Cdr, steps: CdrSteps) -> None:
        """Thresholds and statistics of a record; what fails there is not its fault."""
        surroundings = self._sessions.surroundings
        event = self.event(cdr)
        for is_wanted, count in (
            (steps.thresholds, surroundings.thresholds),
            (steps.stats, surroundings.stats),
        ):
            if not is_wanted:
                continue
            try:
                count(event, ())
            except ServiceError as error:
                if str(error) != NOT_FOUND:
                    log.warning("cdr.not_counted", error=str(error))

    # --- records that are there

    def rate_again(self, cdr: Cdr, steps: CdrSteps) -> list[Cdr]:
        """Refunds what a record had cost and rates it by the tariff of now; not that of a booked amount."""
        if cdr.cost_source == BOOKED:
            return [cdr]
        return self.of_event(self.event(cdr), steps)

    def event(self, cdr: Cdr) -> CgrEvent:
        """A record as the event it was made of, with its cost."""
        event: Event = {
            **cdr.extra_fields,
            "CGRID": cdr.cgrid,
            "RunID": cdr.run_id,
            "OriginHost": cdr.origin_host,
            "Source": cdr.source,
            "OriginID": cdr.origin_id,
            "ToR": cdr.tor,
            "RequestType": cdr.request_type,
            "Tenant": cdr.tenant,
            "Category": cdr.category,
            "Account": cdr.account,
            "Subject": cdr.subject,
            "Destination": cdr.destination,
            "SetupTime": values.moment_text(cdr.setup) if cdr.setup[0] else "",
            "AnswerTime": values.moment_text(cdr.answer) if cdr.answer[0] else "",
            "Usage": cdr.usage,
            "Cost": values.number(cdr.cost_nanos),
        }
        return CgrEvent(cdr.tenant, event, {}, f"{cdr.cgrid}:{cdr.run_id}")

    def form(self, cdr: Cdr) -> dict[str, Any]:
        """A record as the API shows it."""
        details = cdr.cost_details
        return {
            "CGRID": cdr.cgrid,
            "RunID": cdr.run_id,
            "OrderID": cdr.order_id,
            "OriginHost": cdr.origin_host,
            "Source": cdr.source,
            "OriginID": cdr.origin_id,
            "ToR": cdr.tor,
            "RequestType": cdr.request_type,
            "Tenant": cdr.tenant,
            "Category": cdr.category,
            "Account": cdr.account,
            "Subject": cdr.subject,
            "Destination": cdr.destination,
            "SetupTime": values.moment_text(cdr.setup),
            "AnswerTime": values.moment_text(cdr.answer),
            "Usage": cdr.usage,
            "ExtraFields": cdr.extra_fields,
            "ExtraInfo": cdr.extra_info,
            "Partial": cdr.is_partial,
            "PreRated": cdr.is_pre_rated,
            "CostSource": cdr.cost_source,
            "Cost": values.number(cdr.cost_nanos),
            "CostDetails": None
            if details is None
            else self._accounting.cost_details(cdr.cgrid, cdr.run_id, details),
        }


def cdr_of(tenant: str, cgrid: str, run: Run, rated: Rated, now_ns: int) -> Cdr:
    """The record of a run."""
    event, text = run.event, values.text
    account = text(event.get("Account"))
    return Cdr(
        cgrid=cgrid,
        run_id=run.run_id,
        origin_host=text(event.get("OriginHost")),
        source=text(event.get("Source")),
        origin_id=text(event.get("OriginID")),
        tor=text(event.get("ToR")),
        request_type=run.request_type,
        tenant=tenant,
        category=text(event.get("Category")),
        account=account,
        subject=text(event.get("Subject")) or account,
        destination=text(event.get("Destination")),
        setup=_moment(event, "SetupTime", now_ns),
        answer=_moment(event, "AnswerTime", now_ns),
        usage=rated.usage,
        extra_fields={name: text(value) for name, value in event.items() if name not in NOT_EXTRA},
        extra_info=rated.extra_info or text(event.get("ExtraInfo")),
        is_partial=_flag(event, "Partial"),
        is_pre_rated=_flag(event, "PreRated"),
        cost_source=rated.source,
        cost_nanos=rated.cost_nanos,
        cost_details=rated.details,
    )


def _moment(event: Event, name: str, now_ns: int) -> values.Moment:
    """A moment of an event that is charged already: what cannot be read is not known."""
    try:
        return values.moment(event.get(name), now_ns)
    except ValueError:
        return values.NO_MOMENT


def _flag(event: Event, name: str) -> bool:
    try:
        return values.flag(event.get(name))
    except ValueError:
        return False


def _not_exported(cdr: Cdr) -> None:
    """There are no exporters."""
