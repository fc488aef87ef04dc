"""Sessions of access servers as events of the charging core. Pure.

Usage is told as totals since the core opened its session; which of octets and time is charged, the tariff says.
"""

from typing import Final

from ocs.agents.radius.mapping.clients import Client
from ocs.agents.radius.mapping.session import NasSession
from ocs.agents.voice.parties import identities_of, number_or_name
from ocs.charging.events import (
    Action,
    ChargingContext,
    ChargingEvent,
    EventKind,
    RequestedUnits,
    Unit,
    UsageReport,
    UsedUnits,
)

SECOND_NS: Final = 1_000_000_000
STOP: Final = "stop"
MAC_LENGTH: Final = (
    17  # of the access point's address before the network name in Called-Station-Id (RFC 3580 3.20)
)


def account_name(user: str, strips_realm: bool) -> str:
    """The name an account is looked for by."""
    name = user.strip()
    if strips_realm and "@" in name:
        name = name.rpartition("@")[0]
    if strips_realm and "\\" in name:
        name = name.rpartition("\\")[2]
    return name


def context_of(
    client: Client, calling: str, called: str, extra: tuple[tuple[str, str], ...]
) -> ChargingContext:
    """What prices depend on: numbers for voice, the network's name for data."""
    if client.service == "voice":
        return ChargingContext(number_or_name(called), number_or_name(calling), extra=extra)
    return ChargingContext(calling=calling, apn=network_name(called), extra=extra)


def network_name(called: str) -> str:
    """The SSID in a Called-Station-Id of a wireless access point, else all of it."""
    has_mac = len(called) > MAC_LENGTH and called[MAC_LENGTH] == ":" and called[2] in "-:"
    return (called[MAC_LENGTH + 1 :] if has_mac else called).lower()


def authorization(
    client: Client,
    nas: str,
    session_id: str,
    account: str,
    unit: Unit,
    amount: int,
    hold_ns: int,
    context: ChargingContext,
) -> ChargingEvent:
    """How much of a unit may be used; held under the name of the session to come where `hold_ns` says so."""
    return ChargingEvent(
        EventKind.EVENT,
        f"{client.name}/{nas}",
        session_id,
        "authorize",
        client.service,
        reports=(UsageReport(client.settings.rating_group, requested=RequestedUnits(unit, amount)),),
        context=context,
        action=Action.AUTHORIZE,
        account=account,
        reserve_ns=hold_ns or None,
        slices_itself=True,
    )


def initial(client: Client, session: NasSession, wants: bool) -> ChargingEvent:
    """The beginning of a session in the core, with what was used before it knew of it."""
    name = session.account or account_name(session.user, client.settings.strip_realm)
    facts = dict(session.facts)
    context = context_of(
        client,
        facts.get("Calling-Station-Id", ""),
        facts.get("Called-Station-Id", ""),
        session.remembered(),
    )
    return ChargingEvent(
        EventKind.INITIAL,
        session.client,
        session.session_id,
        session.opening,
        client.service,
        identities=identities_of(name),
        reports=(_report(client, session, wants),),
        context=context,
        occurred_at_ns=session.last_s * SECOND_NS,
        origin=session.origin,
        account=name,
        slices_itself=bool(client.debit_interval_ns),
        meter_ns=client.debit_interval_ns or None,
    )


def update(client: Client, session: NasSession, asked: int = 0) -> ChargingEvent:
    """What was used up to the last report, and the wish for more; `asked` numbers wishes without a report."""
    told = f"{session.last_s} {session.seconds.total} {session.octets}"
    event_id = f"again {asked} {told}" if asked else told
    return ChargingEvent(
        EventKind.UPDATE,
        session.client,
        session.session_id,
        event_id,
        client.service,
        reports=(_report(client, session, wants=True),),
        context=ChargingContext(extra=session.remembered()),
        occurred_at_ns=session.last_s * SECOND_NS,
        origin=session.origin,
        slices_itself=bool(client.debit_interval_ns),
    )


def termination(client: Client, session: NasSession, cause: int | None) -> ChargingEvent:
    """The end of a session."""
    return ChargingEvent(
        EventKind.TERMINATION,
        session.client,
        session.session_id,
        STOP,
        client.service,
        reports=(_report(client, session, wants=False),),
        context=ChargingContext(extra=session.remembered()),
        occurred_at_ns=session.last_s * SECOND_NS,
        termination_cause=cause,
        origin=session.origin,
    )


def _report(client: Client, session: NasSession, wants: bool) -> UsageReport:
    used: list[UsedUnits] = []
    octets = session.octets - session.settled_octets
    if octets > 0 and client.service == "data":
        used.append(UsedUnits(Unit.OCTETS, octets, is_total=True))
    seconds = session.seconds.total - session.settled_s
    if seconds > 0:
        used.append(UsedUnits(Unit.TIME, seconds * SECOND_NS, is_total=True))
    requested = None
    if wants:
        step_ns = client.debit_interval_ns
        requested = RequestedUnits(Unit.TIME, step_ns) if step_ns else RequestedUnits()
    return UsageReport(client.settings.rating_group, requested=requested, used=tuple(used))
