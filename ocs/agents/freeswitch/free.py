"""Events of the switch as free-form events, named as CGRateS' agent names them. Pure.

Moments are RFC 3339 and exact to the microsecond; the usage is the difference of answer and end.
"""

from datetime import UTC, datetime

from ocs.agents.freeswitch import mapping
from ocs.agents.freeswitch.esl import SwitchEvent
from ocs.agents.voice.options import options_of
from ocs.charging.events import FreeEvent

MICROSECONDS = 1_000_000
FIELD_PREFIXES = ("~*req.", "~")


def free_event(event: SwitchEvent, client: str, extra_fields: tuple[str, ...] = ()) -> FreeEvent:
    """Everything an event says that rules may go by; fields without a value are left out."""
    account = event.variable("cgr_account") or event.get("Caller-Username")
    found = {
        "EventName": event.name,
        "Source": f"FS_{event.name}",
        "ToR": "*voice",
        "OriginID": event.get("Unique-ID"),
        "OriginHost": event.variable("cgr_originhost") or event.get("FreeSWITCH-IPv4") or client,
        "RequestType": event.variable("cgr_reqtype"),
        "Tenant": event.variable("cgr_tenant"),
        "Category": event.variable("cgr_category"),
        "Account": account,
        "Subject": event.variable("cgr_subject") or account,
        "Destination": event.variable("cgr_destination") or mapping.dialled(event),
        "SetupTime": _moment(event.number("Caller-Channel-Created-Time")),
        "AnswerTime": _moment(event.number("Caller-Channel-Answered-Time")),
        "PDD": _milliseconds(mapping.ringing_ms(event)),
        "ACD": event.variable("cgr_acd"),
        "DisconnectCause": event.variable("cgr_disconnectcause") or event.get("Hangup-Cause"),
        "Route": event.variable("cgr_route"),
    }
    if event.get("Caller-Channel-Hangup-Time") not in ("", "0"):
        found["Usage"] = f"{mapping.billed_ns(event)}ns"
    for field in extra_fields:
        name = field_name(field)
        found.setdefault(name, event.get(name))
    shown = tuple((name, value[: mapping.EXTRA_VALUE_LIMIT]) for name, value in found.items() if value)
    return FreeEvent(shown, options_of(event.variable("cgr_opts")), event.variable("cgr_flags"))


def field_name(field: str) -> str:
    """The header a configured extra field is about: `~*req.variable_x` is `variable_x`."""
    for prefix in FIELD_PREFIXES:
        if field.startswith(prefix):
            return field.removeprefix(prefix)
    return field


def _moment(since_1970_us: int) -> str:
    if since_1970_us <= 0:
        return ""
    seconds, rest_us = divmod(since_1970_us, MICROSECONDS)
    shown = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{shown}.{rest_us:06d}Z" if rest_us else f"{shown}Z"


def _milliseconds(text: str) -> str:
    return f"{text}ms" if text.isascii() and text.isdigit() else ""
