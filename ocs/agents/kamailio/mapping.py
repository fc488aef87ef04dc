"""From Kamailio's messages to charging events. Pure.

A call is one session: authorisation is its INITIAL, slices are UPDATEs, the end its TERMINATION. Usage is always
said as the total since the answer, so that an end said three times, or after a restart, is charged once.
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from ocs.agents.kamailio.messages import Kind, Message
from ocs.agents.voice.options import flags_of
from ocs.agents.voice.parties import identities_of, number_or_name
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.events import (
    Action,
    ChargingContext,
    ChargingEvent,
    EventKind,
    FreeEvent,
    RequestedUnits,
    Unit,
    UsageReport,
    UsedUnits,
)

LONGEST_USAGE_NS: Final = 366 * 86_400 * SECOND_NS
CLOCK_SKEW_NS: Final = 86_400 * SECOND_NS
MOST_EXTRA: Final = 64
LONGEST_EXTRA: Final = 1_024
LONGEST_NAME: Final = 256
PROVISIONAL: Final = "auth;"  # begins the session of an authorisation that names no OriginID
STARTED_AT: Final = "started_at_ns"  # this server's clock when it heard of the answer, kept in the session
CONTROL_FIELDS: Final = frozenset(
    {"tr_index", "tr_label", "reply_route", "cgr_flags", "Destination", "Category"}
)
MANDATORY: Final = {
    Kind.AUTHORISE: ("tr_index", "tr_label", "Account", "Destination"),
    Kind.START: ("h_entry", "h_id", "OriginID", "AnswerTime", "Account", "Destination"),
    Kind.END: ("OriginID", "Account", "Destination"),
    Kind.MESSAGE: ("tr_index", "tr_label", "Account", "Destination"),
    Kind.RECORD: ("OriginID", "Account", "Destination"),
}
SERVICES: Final = {
    "*voice": ("voice", Unit.TIME),
    "*sms": ("sms", Unit.EVENTS),
    "*mms": ("mms", Unit.EVENTS),
    "*data": ("data", Unit.OCTETS),
    "*generic": ("generic", Unit.EVENTS),
}
ACCOUNTS_FLAG: Final = "*accounts"
CHARGED: Final = frozenset({"*prepaid", "*postpaid", "*pseudoprepaid", "*dynaprepaid"})
_DECIMAL: Final = re.compile(r"(\d{1,18})(?:\.(\d{1,18}))?", re.ASCII)
_GO_PART: Final = re.compile(r"(\d{1,18})(?:\.(\d{1,18}))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_GO_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
}


class MappingError(ValueError):
    """A message that cannot be charged; the text is what Kamailio is told."""


class Facts(msgspec.Struct, frozen=True):
    """What a message says about a call or an event, read and checked."""

    origin_id: str
    tenant: str
    account: str
    destination: str
    service: str
    unit: Unit
    category: str
    setup_time: str
    answer_ns: int | None  # None where there was no answer
    usage: int | None  # ns of a call, else a number; None where nothing is said
    is_charged: bool
    is_postpaid: bool
    extra: tuple[tuple[str, str], ...]
    free: FreeEvent | None = None  # the words of the message, where the core goes by them

    @property
    def party(self) -> tuple[str, str, str]:
        """Who calls whom: what an authorisation without an OriginID is known by."""
        return self.tenant, self.account, self.destination


def facts_of(message: Message, default_tenant: str, now_ns: int, is_free: bool = False) -> Facts:
    """A message read; MappingError for what is missing or makes no sense.

    `is_free` leaves it to the core whether and how something is charged.
    """
    missing = [name for name in MANDATORY[message.kind] if not message.get(name)]
    if missing:
        raise MappingError(f"MANDATORY_IE_MISSING: [{', '.join(missing)}]")
    request_type = message.get("RequestType").lower() or "*prepaid"
    if request_type not in CHARGED and request_type != "*none" and not is_free:
        raise MappingError(f"UNSUPPORTED_REQUEST_TYPE: {request_type[:32]}")
    tor = message.get("ToR") or ("*sms" if message.kind is Kind.MESSAGE else "*voice")
    service, unit = SERVICES.get(tor, SERVICES["*generic"])
    return Facts(
        origin_id=message.get("OriginID")[:LONGEST_NAME],
        tenant=message.get("Tenant")[:LONGEST_NAME] or default_tenant,
        account=message.get("Account")[:LONGEST_NAME],
        destination=message.get("Destination")[:LONGEST_NAME],
        service=service,
        unit=unit,
        category=message.get("Category")[:LONGEST_NAME],
        setup_time=message.get("SetupTime"),
        answer_ns=_answer_time(message, now_ns),
        usage=_usage(message, unit),
        is_charged=request_type != "*none" and (is_free or wants_accounts(message)),
        is_postpaid=request_type == "*postpaid",
        extra=_extra(message),
    )


def wants_accounts(message: Message) -> bool:
    """Whether the message is about money: its flags say so, or it has none; a record always is."""
    flags = message.get("cgr_flags")
    if not flags or message.kind is Kind.RECORD:
        return True
    return ACCOUNTS_FLAG in flags_of(flags)


def _extra(message: Message) -> tuple[tuple[str, str], ...]:
    """Every other field, for the charging record."""
    named = [(name, value) for name, value in message.fields.items() if name not in CONTROL_FIELDS and value]
    return tuple([(name[:LONGEST_NAME], value[:LONGEST_EXTRA]) for name, value in named[:MOST_EXTRA]])


def _answer_time(message: Message, now_ns: int) -> int | None:
    """When the call was answered, as far as that can be true."""
    text = message.get("AnswerTime")
    answer_ns = time_ns(text) if text else 0
    return answer_ns if now_ns - LONGEST_USAGE_NS < answer_ns < now_ns + CLOCK_SKEW_NS else None


def _usage(message: Message, unit: Unit) -> int | None:
    text = message.get("Usage")
    if not text:
        return None
    if unit is Unit.TIME:
        return duration_ns(text)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MappingError(f"INVALID_VALUE: [Usage] {text[:32]}")
    return int(match[1]) + (1 if match[2] and int(match[2]) else 0)


def time_ns(text: str) -> int:
    """Wall clock of seconds since 1970, also with a fraction, or of RFC 3339."""
    match = _DECIMAL.fullmatch(text)
    if match is not None:
        return _decimal_ns(match[1], match[2], SECOND_NS)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MappingError(f"INVALID_VALUE: [time] {text[:32]}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def duration_ns(text: str) -> int:
    """A duration in seconds, `45` or `1.5`, or as Go writes it: `1m30s`, `2.5s`, `500ms`."""
    match = _DECIMAL.fullmatch(text)
    if match is not None:
        total = _decimal_ns(match[1], match[2], SECOND_NS)
    else:
        parts = list(_GO_PART.finditer(text))
        if not parts or "".join(part[0] for part in parts) != text:
            raise MappingError(f"INVALID_VALUE: [Usage] {text[:32]}")
        total = sum(_decimal_ns(part[1], part[2], _GO_UNITS[part[3]]) for part in parts)
    if total > LONGEST_USAGE_NS:
        raise MappingError(f"INVALID_VALUE: [Usage] {text[:32]}")
    return total


def _decimal_ns(whole: str, fraction: str | None, unit_ns: int) -> int:
    """Exact, and rounded down to the ns."""
    total = int(whole) * unit_ns
    return total + int(fraction) * unit_ns // 10 ** len(fraction) if fraction else total


def known_facts(session_id: str, service: str, context: ChargingContext) -> Facts:
    """What a session of an earlier life of this server says about its call."""
    extra = dict(context.extra)
    answer_time = extra.get("AnswerTime", "")
    return Facts(
        origin_id=extra.get("OriginID", session_id),
        tenant=extra.get("Tenant", ""),
        account=extra.get("Account", context.calling),
        destination=context.called,
        service=service,
        unit=Unit.TIME,
        category=context.category,
        setup_time=extra.get("SetupTime", ""),
        answer_ns=time_ns(answer_time) if answer_time else None,
        usage=None,
        is_charged=True,
        is_postpaid=extra.get("RequestType", "") == "*postpaid",
        extra=context.extra,
    )


# --- events


def event(
    kind: EventKind,
    client: str,
    session_id: str,
    event_id: str,
    facts: Facts,
    report: UsageReport | None,
    extra: tuple[tuple[str, str], ...] = (),
) -> ChargingEvent:
    """One event of a call; `extra` is what the whole call is known by, in the place of what one message said."""
    return ChargingEvent(
        kind,
        client=client,
        session_id=session_id,
        event_id=event_id,
        service=facts.service,
        identities=identities_of(facts.account),
        reports=() if report is None else (report,),
        context=ChargingContext(
            called=number_or_name(facts.destination),
            calling=number_or_name(facts.account),
            category=facts.category,
            extra=extra or facts.extra,
        ),
        origin=client,
        account=f"{facts.tenant}:{facts.account}",
        slices_itself=True,
        free=facts.free,
    )


def asking(unit: Unit, amount: int) -> UsageReport:
    """Units wanted, nothing used."""
    return UsageReport(requested=RequestedUnits(unit, amount))


def used(unit: Unit, total: int, answer_ns: int | None, more: int | None = None) -> UsageReport:
    """A total so far, and perhaps units wanted on top of it."""
    at_ns = None if answer_ns is None or unit is not Unit.TIME else answer_ns + total
    requested = None if more is None else RequestedUnits(unit, more)
    return UsageReport(requested=requested, used=(UsedUnits(unit, total, at_ns=at_ns, is_total=True),))


def one_time(
    client: str, session_id: str, event_id: str, facts: Facts, amount: int, action: Action
) -> ChargingEvent:
    """A message: paid for in full or refused, or looked at whether it could be."""
    asked = event(EventKind.EVENT, client, session_id, event_id, facts, asking(facts.unit, amount))
    return msgspec.structs.replace(asked, action=action)


def afterwards(client: str, facts: Facts, amount: int) -> ChargingEvent:
    """A call that nobody was asked about before: paid for whatever the credit; once, by its OriginID."""
    report = used(facts.unit, amount, facts.answer_ns)
    paid = event(EventKind.EVENT, client, facts.origin_id, "record", facts, report)
    return msgspec.structs.replace(paid, action=Action.DIRECT_DEBITING)
