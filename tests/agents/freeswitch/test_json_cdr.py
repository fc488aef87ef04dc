"""Records of mod_json_cdr as events."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from ocs.agents.freeswitch import mapping
from ocs.agents.freeswitch.free import free_event
from ocs.agents.freeswitch.json_cdr import RecordError, event_of

RECORD: dict[str, Any] = {
    "core-uuid": "eb8bcdd2",
    "channel_data": {"state": "CS_REPORTING", "direction": "inbound"},
    "variables": {
        "uuid": "6b2f0c1e",
        "direction": "inbound",
        "cgr_reqtype": "%2Aprepaid",
        "cgr_originhost": "fs1",
        "start_uepoch": "1763805600000000",
        "answer_uepoch": "1763805604250000",
        "end_uepoch": "1763805615500000",
        "billsec": "12",
        "billusec": "11250000",
        "hangup_cause": "NORMAL_CLEARING",
        "sip_call_id": "a%40b",
    },
    "callflow": [
        {"caller_profile": {"username": "1001", "destination_number": "700"}},
        {"caller_profile": {"username": "1001", "destination_number": "1002", "caller_id_number": "1001"}},
    ],
}


def words(body: bytes, content_type: str = "application/json") -> dict[str, str]:
    return dict(free_event(event_of(body, content_type), "fs", ("variable_sip_call_id",)).fields)


def test_a_record_says_what_the_end_of_the_call_would_have_said() -> None:
    assert words(json.dumps(RECORD).encode()) == {
        "EventName": "CHANNEL_HANGUP_COMPLETE",
        "Source": "FS_CHANNEL_HANGUP_COMPLETE",
        "ToR": "*voice",
        "OriginID": "6b2f0c1e",
        "OriginHost": "fs1",
        "RequestType": "*prepaid",
        "Account": "1001",
        "Subject": "1001",
        "Destination": "1002",
        "SetupTime": "2025-11-22T10:00:00Z",
        "AnswerTime": "2025-11-22T10:00:04.250000Z",
        "DisconnectCause": "NORMAL_CLEARING",
        "Usage": "11250000000ns",
        "variable_sip_call_id": "a@b",
    }


def test_a_record_may_come_as_a_form() -> None:
    form = urlencode({"cdr": json.dumps(RECORD)}).encode()
    assert words(form, "application/x-www-form-urlencoded") == words(json.dumps(RECORD).encode())


def test_times_in_seconds_do() -> None:
    variables = {"uuid": "u", "start_epoch": "1763805600", "answer_epoch": "0", "end_epoch": "1763805610"}
    event = event_of(json.dumps({"variables": variables}).encode(), "application/json")
    assert (mapping.answered_at_ns(event), mapping.billed_ns(event)) == (0, 0)
    assert event.number("Caller-Channel-Created-Time") == 1_763_805_600_000_000


def test_an_ignored_call_is_known_by_its_variables() -> None:
    variables = {"uuid": "u", "process_cdr": quote("false")}
    assert mapping.is_ignored(event_of(json.dumps({"variables": variables}).encode(), "application/json"))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"variables": {}}', b'{"variables": 1}', b"\xff"]
)
def test_anything_else_is_no_record(body: bytes) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        with pytest.raises(RecordError):
            event_of(body, content_type)
