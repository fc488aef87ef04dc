"""Records that FreeSWITCH's mod_json_cdr posts, as events of the switch that ended the call. Pure.

The module may encode values (`encode-values`) and the whole record (`encode`, as a form with a field `cdr`); a
record has the variables of the channel, and the profile of the caller where the call first was.
"""

from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from ocs.agents.freeswitch.esl import SwitchEvent

ENDED = "CHANNEL_HANGUP_COMPLETE"
FORM_FIELD = "cdr"
MICROSECONDS = 1_000_000
TIMES = {
    "start": "Caller-Channel-Created-Time",
    "answer": "Caller-Channel-Answered-Time",
    "end": "Caller-Channel-Hangup-Time",
}
CALLER = {
    "username": "Caller-Username",
    "caller_id_number": "Caller-Caller-ID-Number",
    "destination_number": "Caller-Destination-Number",
    "dialplan": "Caller-Dialplan",
}


class RecordError(ValueError):
    """A body that is no record; the text says why."""


def event_of(body: bytes, content_type: str) -> SwitchEvent:
    """The record as the event of the call's end. Raises RecordError."""
    try:
        text = body.decode("utf-8")
        if content_type == "application/x-www-form-urlencoded":
            text = parse_qs(text, strict_parsing=True, max_num_fields=8)[FORM_FIELD][0]
        read = msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, KeyError, RecursionError) as error:
        raise RecordError(f"no record of mod_json_cdr: {str(error)[:100]}") from None
    variables = read.get("variables")
    if not isinstance(variables, dict) or not variables.get("uuid"):
        raise RecordError("no record of mod_json_cdr: variables.uuid is missing")
    said = {f"variable_{name}": unquote(str(value)) for name, value in variables.items()}
    fields = said | {
        "Event-Name": ENDED,
        "Unique-ID": said["variable_uuid"],
        "Call-Direction": said.get("variable_direction", "inbound"),
        "Hangup-Cause": said.get("variable_hangup_cause", ""),
        "FreeSWITCH-IPv4": said.get("variable_local_ip_v4", ""),
    }
    for name, header in TIMES.items():
        fields[header] = said.get(f"variable_{name}_uepoch") or _micro(
            said.get(f"variable_{name}_epoch", "0")
        )
    for name, value in _caller(read).items():
        if name in CALLER:
            fields[CALLER[name]] = unquote(str(value))
    return SwitchEvent(fields)


def _caller(read: dict[str, Any]) -> dict[str, Any]:
    """The caller's profile where the call began: the last of the flow."""
    flow = read.get("callflow")
    stages = flow if isinstance(flow, list) else [flow]
    profile = stages[-1].get("caller_profile") if stages and isinstance(stages[-1], dict) else None
    return profile if isinstance(profile, dict) else {}


def _micro(seconds: str) -> str:
    return str(int(seconds) * MICROSECONDS) if seconds.isascii() and seconds.isdigit() else "0"
