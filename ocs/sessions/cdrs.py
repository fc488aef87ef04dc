"""Call detail records: made of sessions or of events, rated, kept once, found again."""

from collections.abc import Callable
from typing import Any

import msgspec

from ocs.sessions import values
from ocs.sessions.accounting import Accounting, Rated
from ocs.sessions.errors import EXISTS, PARTIALLY_EXECUTED, ServiceError
from ocs.sessions.model import NOT_EXTRA, Cdr, CgrEvent, Run, Session, cgrid_of
from ocs.sessions.records import Records
from ocs.sessions.service import SessionService
from ocs.sessions.values import Event


class CdrService:
    """Records of one server."""

    def __init__(
        self, sessions: SessionService, accounting: Accounting, records: Records, wall_ns: Callable[[], int]
    ) -> None:
        self._sessions = sessions
        self._accounting = accounting
        self._records = records
        self._wall_ns = wall_ns
        self._last_order = max((cdr.order_id for cdr in records.cdrs.values()), default=0)

    def process(self, event: CgrEvent) -> None:
        """`SessionSv1.ProcessCDR`: the records of a session, or of an event that has none."""
        cgrid = cgrid_of(event.event)
        session = self._records.closed.get(cgrid) or self._records.sessions.get(cgrid)
        if session is not None:
            self.of_session(session)
        else:
            self.of_event(event)

    def of_session(self, session: Session) -> None:
        """One record per run, at the session's usage and cost."""
        is_partial = False
        for run in session.runs:
            if f"{session.cgrid}:{run.run_id}" in self._records.cdrs:
                is_partial = True
                continue
            rated = self._accounting.rate_session(run)
            self._store(session.tenant, session.cgrid, run, rated)
        if is_partial:
            raise ServiceError(PARTIALLY_EXECUTED)

    def of_event(self, event: CgrEvent) -> None:
        """One record per charger, rated anew."""
        cgrid = cgrid_of(event.event)
        runs = self._sessions.open_runs(event, 0)
        if any(f"{cgrid}:{run.run_id}" in self._records.cdrs for run in runs):
            raise ServiceError(EXISTS)
        for run in runs:
            self._store(event.tenant, cgrid, run, self._accounting.rate(run))

    def _store(self, tenant: str, cgrid: str, run: Run, rated: Rated) -> Cdr:
        now_ns = self._wall_ns()
        cdr = cdr_of(tenant, cgrid, run, rated, now_ns)
        cdr = msgspec.structs.replace(cdr, order_id=self.next_order(), created_ns=now_ns, updated_ns=now_ns)
        if self._sessions.settings.store_cdrs:
            self._records.put_cdr(cdr)
        return cdr

    def next_order(self) -> int:
        """The order id of one more record."""
        self._last_order += 1
        return self._last_order

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
        setup=values.moment(event.get("SetupTime"), now_ns),
        answer=values.moment(event.get("AnswerTime"), now_ns),
        usage=rated.usage,
        extra_fields=_extra_fields(event),
        extra_info=rated.extra_info,
        cost_source=rated.source,
        cost_nanos=rated.cost_nanos,
        cost_details=rated.details,
    )


def _extra_fields(event: Event) -> dict[str, str]:
    return {name: values.text(value) for name, value in event.items() if name not in NOT_EXTRA}
