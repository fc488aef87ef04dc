"""Charging data records of sessions; those of one session add up to what it cost. Pure."""

import msgspec

from ocs.charging.account import Quota, Session
from ocs.charging.entry import Cdr, UsageTotal

CAUSE_LATE = "late report"
SESSION_API = "sessions"  # client of the sessions that the session API keeps; their ids begin with the CGRID
ORIGIN_ID = "OriginID"  # what their own clients call them, in the record's extra facts


def cdr_of(account_key: str, session: Session, now_ns: int, cause: str) -> Cdr:
    """The charging data record of a session as it stands."""
    return Cdr(
        account_key,
        session.client,
        session.session_id,
        session.service,
        session.opened_at_ns,
        now_ns,
        tuple(_total(quota) for quota in session.quotas),
        session.cost_nanos,
        cause,
        session.context,
    )


def late_cdr(account_key: str, before: Session, after: Session, now_ns: int) -> Cdr:
    """The record of what a late report adds to that of its session, so that records can be added up."""
    old = {(quota.rating_group, quota.service_identifiers, quota.unit): quota for quota in before.quotas}
    added = []
    for quota in after.quotas:
        known = old.get((quota.rating_group, quota.service_identifiers, quota.unit))
        used = quota.used - (known.used if known else 0)
        if used:
            cost_nanos = quota.cost_nanos - (known.cost_nanos if known else 0)
            added.append(msgspec.structs.replace(quota, used=used, cost_nanos=cost_nanos))
    late = msgspec.structs.replace(
        after, quotas=tuple(added), cost_nanos=after.cost_nanos - before.cost_nanos
    )
    return cdr_of(account_key, late, now_ns, CAUSE_LATE)


def _total(quota: Quota) -> UsageTotal:
    return UsageTotal(quota.rating_group, quota.service_identifiers, quota.unit, quota.used, quota.cost_nanos)
