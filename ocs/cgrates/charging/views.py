"""A session of a network element as others know it: the forms of the exact core, names, kept answers. Pure."""

import msgspec

from ocs.cgrates.charging.record import NetworkSession
from ocs.charging.account import Quota, Session
from ocs.charging.control import OpenSession, SessionAddress
from ocs.charging.decision import decode_answer
from ocs.charging.events import ChargingAnswer, ChargingContext, ChargingEvent, Grant, Result
from ocs.charging.session import stored_answer


def session_of(key: str, event: ChargingEvent, now_ns: int) -> Session:
    """The life of a session that begins."""
    return Session(
        key,
        event.client,
        event.session_id,
        event.service,
        "",
        now_ns,
        now_ns,
        now_ns,
        event.event_id,
        event.origin,
        event.context or ChargingContext(),
        meter_ns=event.meter_ns or 0,
    )


def with_quotas(known: NetworkSession) -> Session:
    """A session as the exact core shows it."""
    quotas = tuple(
        Quota(
            *bucket.key,
            bucket.unit,
            bucket.granted,
            used=bucket.before + bucket.used,
            is_final=bucket.is_final,
        )
        for bucket in known.buckets
    )
    return msgspec.structs.replace(known.session, quotas=quotas)


def repeated(known: NetworkSession, event: ChargingEvent) -> ChargingAnswer:
    """The stored answer again; where it has been let go, what the session still has out."""
    stored = stored_answer(known.session, event.kind, event.event_id)
    if stored is not None:
        return decode_answer(stored)
    grants = tuple(
        Grant(
            bucket.rating_group,
            bucket.service_identifiers,
            Result.SUCCESS,
            bucket.unit if bucket.granted else None,
            bucket.granted,
        )
        for bucket in known.buckets
    )
    return ChargingAnswer(Result.SUCCESS, grants)


def address_of(known: NetworkSession) -> SessionAddress:
    """Where its client is."""
    session = known.session
    return SessionAddress(session.client, session.session_id, session.origin, session.service)


def stems(name: str) -> list[str]:
    """What a name may be of a bucket's session, without what tells the bucket."""
    plain = name.partition("#")[0]
    found = [name, plain]
    for mark in ("_s", "_rg"):
        stem, is_there, _ = plain.rpartition(mark)
        if is_there:
            found.append(stem)
    both = plain.rpartition("_s")[0].rpartition("_rg")[0]
    return [*found, both] if both else found


def shown(known: NetworkSession) -> OpenSession:
    """A session as its agent finds it again."""
    session = known.session
    return OpenSession(
        session.session_id,
        session.service,
        known.account,
        session.opened_at_ns,
        session.context,
        sum(bucket.before + bucket.used for bucket in known.buckets),
        sum(bucket.granted for bucket in known.buckets),
        0,
        session.client,
    )
