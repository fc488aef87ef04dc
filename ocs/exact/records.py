"""Records of the core as events that can be counted and exported."""

from ocs.charging.account import RUN_MARK, first_run_of
from ocs.charging.entry import Cdr
from ocs.exact.accounting import DEFAULT_TENANT
from ocs.sessions import values
from ocs.sessions.model import CgrEvent
from ocs.sessions.network_events import TORS
from ocs.sessions.values import Event


def event_of(cdr: Cdr, tenant: str) -> CgrEvent:
    """A record of the core as an event that can be counted."""
    owner, colon, name = cdr.account.partition(":")
    usage = sum(total.used for total in cdr.usage)
    opened = values.moment_text((cdr.opened_at_ns, 0))
    found: Event = {
        **dict(cdr.context.extra),
        "OriginID": first_run_of(cdr.session_id),
        "OriginHost": cdr.client,
        "Source": cdr.client,
        "RunID": cdr.session_id.partition(RUN_MARK)[2] or "*default",
        "ToR": TORS.get(cdr.service, "*generic"),
        "Tenant": owner if colon and owner != DEFAULT_TENANT else tenant,
        "Category": cdr.context.category,
        "Account": name if colon else cdr.account,
        "Destination": cdr.context.called,
        "APN": cdr.context.apn,
        "PLMN": cdr.context.plmn,
        "RAT": cdr.context.rat,
        "SetupTime": opened,
        "AnswerTime": opened if usage else "",
        "Usage": usage,
        "Cost": values.number(cdr.cost_nanos),
        "DisconnectCause": cdr.cause,
    }
    shown = {name: value for name, value in found.items() if value != ""}
    return CgrEvent(str(found["Tenant"]), shown, {}, f"{cdr.client}|{cdr.session_id}|{cdr.closed_at_ns}")
