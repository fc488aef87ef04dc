"""Events of the switch to common events: who pays for a call, what it is, and what was used. Pure.

The names of the `cgr_*` channel variables are those of CGRateS' agent, so that dialplans made for it go on working.
"""

from urllib.parse import unquote

import msgspec

from ocs.agents.freeswitch.esl import SwitchEvent
from ocs.agents.voice.options import flags_of
from ocs.agents.voice.parties import identities_of, number_or_name
from ocs.charging.events import (
    ChargingContext,
    ChargingEvent,
    EventKind,
    Identity,
    RequestedUnits,
    Unit,
    UsageReport,
    UsedUnits,
)

SERVICE = "voice"
ENDED = "end"  # event ids; those of updates are numbers from 1, that of the INITIAL is the time of the set-up
AFTERWARDS = "afterwards"
MICROSECOND_NS = 1_000
EXTRA_LIMIT = 64
EXTRA_VALUE_LIMIT = 512
TEXT_LIMIT = 256
AFTER_THE_CALL = frozenset({"*postpaid", "*rated", "postpaid", "rated"})
ACCOUNTS_FLAG = "*accounts"
# Facts of the call for its record, by the name they have there.
FACTS = {
    "setup_time_us": "Caller-Channel-Created-Time",
    "answer_time_us": "Caller-Channel-Answered-Time",
    "end_time_us": "Caller-Channel-Hangup-Time",
    "hangup_cause": "Hangup-Cause",
    "hangup_cause_q850": "variable_hangup_cause_q850",
    "hangup_disposition": "variable_sip_hangup_disposition",
    "billusec": "variable_billusec",
    "caller_name": "Caller-Caller-ID-Name",
    "sip_call_id": "variable_sip_call_id",
    "switch_address": "FreeSWITCH-IPv4",
    "core": "Core-UUID",
    "tenant": "variable_cgr_tenant",
    "subject": "variable_cgr_subject",
    "request_type": "variable_cgr_reqtype",
    "route": "variable_cgr_route",
    "flags": "variable_cgr_flags",
    "options": "variable_cgr_opts",
    "acd": "variable_cgr_acd",
    "origin_host": "variable_cgr_originhost",
    "disconnect_cause": "variable_cgr_disconnectcause",
}


class CallFacts(msgspec.Struct, frozen=True):
    """Who calls whom, as the first event of the call says it."""

    uuid: str
    created_us: int
    account: str
    identities: tuple[Identity, ...]
    called: str
    calling: str
    category: str
    dialled: str  # what the dialplan is entered with again
    is_limited: bool  # credit is reserved before, and the call ends with it
    is_charged: bool
    parent: str  # the call that a loopback leg continues


def dialled(event: SwitchEvent) -> str:
    """The number a call asks for: it changes when the call is sent on, and then that is it."""
    return event.get("Caller-Destination-Number") or event.variable("sip_req_user")


def ringing_ms(event: SwitchEvent) -> str:
    """How long it took until there was something to hear, in milliseconds; "" where nothing is said."""
    found = event.variable("progress_mediamsec")
    return event.variable("progressmsec") if found in ("", "0") else found


def is_ignored(event: SwitchEvent) -> bool:
    """Calls that are nobody's: outbound legs, and those the dialplan says not to charge."""
    return (
        event.get("Call-Direction") == "outbound"
        or event.variable("process_cdr").lower() == "false"
        or event.get("Caller-Dialplan") == "inline"
        or event.variable("cgr_reqtype") in ("*none", "none")
    )


def facts_of(event: SwitchEvent, is_free: bool = False) -> CallFacts:
    """The call an event is about; an empty account or called number is missing.

    `is_free` leaves it to the core whether and when a call is charged: it is told of every one.
    """
    account = event.variable("cgr_account") or event.get("Caller-Username")
    called = event.variable("cgr_destination") or dialled(event)
    flags = flags_of(event.variable("cgr_flags"))
    is_charged = is_free or not flags or ACCOUNTS_FLAG in flags
    is_limited = is_charged and (is_free or event.variable("cgr_reqtype") not in AFTER_THE_CALL)
    return CallFacts(
        event.get("Unique-ID"),
        event.number("Caller-Channel-Created-Time"),
        account[:TEXT_LIMIT],
        identities_of(account[:TEXT_LIMIT]),
        number_or_name(called)[:TEXT_LIMIT],
        number_or_name(event.get("Caller-Caller-ID-Number"))[:TEXT_LIMIT],
        event.variable("cgr_category")[:TEXT_LIMIT],
        dialled(event),
        is_limited,
        is_charged,
        event.variable("other_loopback_from_uuid"),
    )


def missing_facts(facts: CallFacts) -> str:
    """What `cgr_notify` says when the call cannot be charged for want of a fact; "" when nothing is missing."""
    if not facts.account:
        return "MANDATORY_IE_MISSING: [Account]"
    return "" if facts.called else "MANDATORY_IE_MISSING: [Destination]"


def answered_at_ns(event: SwitchEvent) -> int:
    """When the call was answered, by the switch's clock; 0 when it was not."""
    return event.number("Caller-Channel-Answered-Time") * MICROSECOND_NS


def event_at_ns(event: SwitchEvent) -> int:
    """When the switch made the event, by its clock."""
    return event.number("Event-Date-Timestamp") * MICROSECOND_NS


def billed_ns(event: SwitchEvent) -> int:
    """Time from answer to end, exactly: `billsec` is a difference of clock seconds, and up to one second wrong."""
    if event.variable("billusec"):
        return event.number("variable_billusec") * MICROSECOND_NS
    ended_us = event.number("Caller-Channel-Hangup-Time")
    answered_us = event.number("Caller-Channel-Answered-Time")
    return max(0, ended_us - answered_us) * MICROSECOND_NS if answered_us and ended_us else 0


def extra_of(event: SwitchEvent, fields: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """The facts of an event for the record of the call: the known ones, then the configured fields as they are."""
    found = [("source", "freeswitch"), ("event", event.name)]
    found += [(name, value) for name, field in FACTS.items() if (value := event.get(field)) not in ("", "0")]
    delay_ms = ringing_ms(event)
    if delay_ms:
        found.append(("post_dial_delay_ms", delay_ms))
    found += [(field, value) for field in fields if (value := event.get(field))]
    return tuple((name, value[:EXTRA_VALUE_LIMIT]) for name, value in found[:EXTRA_LIMIT])


def merged(
    before: tuple[tuple[str, str], ...], after: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """The facts known so far with newer ones laid over them."""
    return tuple((dict(before) | dict(after)).items())


def initial(
    client: str,
    facts: CallFacts,
    wanted_ns: int,
    extra: tuple[tuple[str, str], ...],
    event_id: int | str,
    used: UsedUnits | None = None,
) -> ChargingEvent:
    """Reserve the first time for a call that may be answered; what is reserved here is promised to nobody else."""
    report = UsageReport(requested=RequestedUnits(Unit.TIME, wanted_ns), used=() if used is None else (used,))
    context = ChargingContext(
        called=facts.called, calling=facts.calling, category=facts.category, extra=extra
    )
    return ChargingEvent(
        EventKind.INITIAL,
        client,
        facts.uuid,
        event_id,
        SERVICE,
        facts.identities,
        (report,),
        context,
        origin=client,
    )


def update(
    client: str,
    uuid: str,
    number: int,
    used: UsedUnits | None = None,
    wanted_ns: int | None = None,
    extra: tuple[tuple[str, str], ...] = (),
) -> ChargingEvent:
    """Report time used since the last report and ask for more; with neither, the call was answered."""
    reports: tuple[UsageReport, ...] = ()
    if used is not None or wanted_ns is not None:
        requested = None if wanted_ns is None else RequestedUnits(Unit.TIME, wanted_ns)
        reports = (UsageReport(requested=requested, used=() if used is None else (used,)),)
    context = ChargingContext(extra=extra) if extra else None
    return ChargingEvent(EventKind.UPDATE, client, uuid, number, SERVICE, (), reports, context, origin=client)


def termination(
    client: str, uuid: str, used: UsedUnits | None, extra: tuple[tuple[str, str], ...] = ()
) -> ChargingEvent:
    """Report the rest of the time used; what is reserved goes back."""
    reports = () if used is None else (UsageReport(used=(used,)),)
    context = ChargingContext(extra=extra) if extra else None
    return ChargingEvent(
        EventKind.TERMINATION, client, uuid, ENDED, SERVICE, (), reports, context, origin=client
    )


def afterwards(
    client: str, facts: CallFacts, used: UsedUnits, extra: tuple[tuple[str, str], ...]
) -> ChargingEvent:
    """Charge a call that has ended and that no session is there for: postpaid, or missed while away."""
    context = ChargingContext(
        called=facts.called, calling=facts.calling, category=facts.category, extra=extra
    )
    return ChargingEvent(
        EventKind.EVENT,
        client,
        facts.uuid,
        AFTERWARDS,
        SERVICE,
        facts.identities,
        (UsageReport(used=(used,)),),
        context,
        occurred_at_ns=used.at_ns,
        origin=client,
    )


def used_time(from_ns: int, until_ns: int, answered_ns: int) -> UsedUnits | None:
    """The part of a call between two of its moments; None where there is nothing between them."""
    if until_ns <= from_ns:
        return None
    return UsedUnits(Unit.TIME, until_ns - from_ns, at_ns=answered_ns + until_ns if answered_ns else None)


class Channel(msgspec.Struct, frozen=True):
    """One line of `show channels as json`; only what is of use here."""

    uuid: str
    direction: str = ""
    created_epoch: str = ""
    callstate: str = ""
    application: str = ""


class _Channels(msgspec.Struct):
    row_count: int
    rows: list[Channel] = []


_channels = msgspec.json.Decoder(_Channels)


def channels_of(reply: str) -> dict[str, Channel] | None:
    """The calls of a switch by id; None where the reply is anything else than their complete list.

    An error, silence or a cut answer must never be taken for "no calls": that would end them all.
    """
    try:
        read = _channels.decode(reply)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if len(read.rows) != read.row_count:
        return None
    return {unquote(row.uuid): row for row in read.rows}
