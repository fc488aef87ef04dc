"""Sessions as clients see them, found by filters. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from ocs.sessions import values
from ocs.sessions.accounting import Accounting
from ocs.sessions.model import NOT_EXTRA, Run, Session
from ocs.sessions.surroundings import Surroundings
from ocs.sessions.values import NO_MOMENT, Event


def matching(
    sessions: Iterable[Session], surroundings: Surroundings, filter_ids: list[str], tenant: str
) -> Iterator[tuple[Session, Run]]:
    """Every run of a tenant's sessions that passes the filters. Raises ServiceError for an unknown filter."""
    for session in sessions:
        if session.tenant != tenant:
            continue
        for run in session.runs:
            if not filter_ids or surroundings.passes(filter_ids, tenant, seen(session, run)):
                yield session, run


def seen(session: Session, run: Run) -> Event:
    """What filters look at: the run's event with the names of session and run."""
    return {**run.event, "CGRID": session.cgrid, "RunID": run.run_id, "RequestType": run.request_type}


def form(session: Session, run: Run, accounting: Accounting, node_id: str, now_ns: int) -> dict[str, Any]:
    """One run as an `ExternalSession`."""
    event, text = run.event, values.text
    account = text(event.get("Account"))
    next_ns = run.next_debit_ns
    return {
        "CGRID": session.cgrid,
        "RunID": run.run_id,
        "ToR": text(event.get("ToR")),
        "OriginID": text(event.get("OriginID")),
        "OriginHost": text(event.get("OriginHost")),
        "Source": f"SessionS_{text(event.get('EventName'))}",
        "RequestType": run.request_type,
        "Tenant": session.tenant,
        "Category": text(event.get("Category")),
        "Account": account,
        "Subject": text(event.get("Subject")) or account,
        "Destination": text(event.get("Destination")),
        "SetupTime": values.moment_text(values.moment(event.get("SetupTime"), now_ns)),
        "AnswerTime": values.moment_text(values.moment(event.get("AnswerTime"), now_ns)),
        "Usage": accounting.used(run),
        "ExtraFields": {name: text(value) for name, value in event.items() if name not in NOT_EXTRA},
        "NodeID": node_id,
        **accounting.told(run),
        "DebitInterval": session.debit_interval_ns,
        "NextAutoDebit": values.moment_text((next_ns, 0) if next_ns else NO_MOMENT),
    }
