"""The JSON messages of evapi in both directions, as CGRateS' Kamailio configurations write and read them. Pure.

Kamailio puts its messages together from text, so every value is a string, and line ends or tabs may stand in
the middle of one. Kamailio says `event`, the server says `Event`.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

DEEPEST: Final = 2  # a dialog list inside a string inside a message
MOST_FIELDS: Final = 128
LONGEST_VALUE: Final = 4_096


class Kind(StrEnum):
    """What Kamailio says."""

    AUTHORISE = "CGR_AUTH_REQUEST"
    START = "CGR_CALL_START"
    END = "CGR_CALL_END"
    MESSAGE = "CGR_PROCESS_MESSAGE"
    RECORD = "CGR_PROCESS_CDR"


DEFAULT_REPLY: Final = {
    Kind.AUTHORISE: "CGR_AUTH_REPLY",
    Kind.MESSAGE: "CGR_PROCESS_MESSAGE",
    Kind.RECORD: "CGR_PROCESS_CDR",
}
_NULL: Final = "<null>"  # how Kamailio prints a pseudo-variable without a value
_DIALOG_LISTS: Final = frozenset({"CGR_DLG_LIST", "CGR_DLG_LIST_REPLY"})
_KINDS: Final[dict[str, Kind]] = {kind.value: kind for kind in Kind}


class MessageError(ValueError):
    """A payload that says nothing this agent knows."""


class Message(msgspec.Struct, frozen=True):
    """Something that happened; values are text, whatever they were in JSON."""

    kind: Kind
    fields: dict[str, str]

    def get(self, name: str) -> str:
        """The value of a field without blanks around it; "" where there is none, or Kamailio had none."""
        value = self.fields.get(name, "").strip()
        return "" if value == _NULL else value


class Dialog(msgspec.Struct, frozen=True):
    """One dialog of a list; `state` 4 is confirmed (dialog module), "" and 0 are unknown."""

    h_entry: str
    h_id: str
    names: frozenset[str]  # everything that may be the OriginID of the call
    state: int = 0
    started_at_s: int = 0


class DialogList(msgspec.Struct, frozen=True):
    """The dialogs a proxy has; those of all clients of its evapi, not only of this one."""

    dialogs: tuple[Dialog, ...]


class Reply(msgspec.Struct, frozen=True):
    """The answer to a message that a transaction waits for."""

    Event: str
    TransactionIndex: str
    TransactionLabel: str
    Attributes: str = ""
    ResourceAllocation: str = ""
    MaxUsage: int = 0  # seconds; -1 is no limit
    Routes: str = ""
    Thresholds: str = ""
    StatQueues: str = ""
    Error: str = ""


_encoder = msgspec.json.Encoder()
DIALOG_LIST_REQUEST: Final = b'{"Event":"CGR_DLG_LIST"}'


def encode_reply(reply: Reply) -> bytes:
    """The payload of a reply."""
    return _encoder.encode(reply)


def encode_disconnect(h_entry: str, h_id: str, reason: str) -> bytes:
    """The payload that ends a call."""
    ordered = {"Event": "CGR_SESSION_DISCONNECT", "HashEntry": h_entry, "HashId": h_id, "Reason": reason}
    return _encoder.encode(ordered)


def decode_message(payload: bytes) -> Message | DialogList:
    """What a payload says; MessageError where it is no message of this protocol."""
    found = _parsed(payload)
    if not isinstance(found, dict):
        raise MessageError("no JSON object")
    name = _text(found.get("event", found.get("Event")))
    if name in _DIALOG_LISTS:
        return _dialog_list(found.get("jsonrpl_body"))
    kind = _KINDS.get(name)
    if kind is None:
        raise MessageError(f"unknown event {name[:64]!r}")
    if len(found) > MOST_FIELDS:
        raise MessageError(f"more than {MOST_FIELDS} fields")
    fields = {_text(key): _text(value) for key, value in found.items() if key not in ("event", "Event")}
    return Message(kind, fields)


def _parsed(payload: bytes | str) -> object:
    """JSON as Kamailio writes it; the strict reader is tried first as it is several times as fast."""
    try:
        strict: object = msgspec.json.decode(payload)
        return strict
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
    try:
        lenient: object = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"no JSON: {str(error)[:100]}") from None
    return lenient


def _text(value: object) -> str:
    if isinstance(value, str):
        text = value
    elif value is None:
        text = ""
    else:
        text = json.dumps(value, separators=(",", ":"))
    text = text[:LONGEST_VALUE]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _dialog_list(body: object) -> DialogList:
    """The result of dlg.list or dlg.briefing, as Kamailio's JSON-RPC wrote it into `jsonrpl_body`."""
    for _ in range(DEEPEST):
        if isinstance(body, str):
            body = _parsed(body)
    result = body.get("result") if isinstance(body, dict) else body
    if isinstance(result, dict):  # dlg.list of one dialog
        result = [result]
    if not isinstance(result, list):
        raise MessageError("no list of dialogs")
    return DialogList(tuple(_dialog(each) for each in result if isinstance(each, dict)))


def _dialog(each: Mapping[str, object]) -> Dialog:
    names: set[str] = set()
    caller = each.get("caller")
    call_id = _text(each.get("call-id", each.get("callid")))
    tag = _text(each.get("from_tag") or (caller.get("tag") if isinstance(caller, dict) else ""))
    if call_id:
        names |= {call_id, f"{call_id};{tag}"}
    variables = each.get("variables")
    for variable in variables if isinstance(variables, list) else [variables]:
        if isinstance(variable, dict):
            names |= {value for value in variable.values() if isinstance(value, str) and value}
    return Dialog(
        _text(each.get("h_entry")),
        _text(each.get("h_id")),
        frozenset(names),
        _number(each.get("state")),
        _number(each.get("start_ts")),
    )


def _number(value: object) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
