"""Recorded events in CGRateS' words."""

import pytest

from ocs.agents.freeswitch.esl import SwitchEvent
from ocs.agents.freeswitch.free import field_name, free_event
from tests.agents.freeswitch import recorded


def words(name: str, event: str, *fields: str, **variables: str) -> dict[str, str]:
    values = recorded.template(name, event) | {f"variable_{key}": value for key, value in variables.items()}
    return dict(free_event(SwitchEvent(values), "fs1", fields).fields)


def test_a_parked_call_is_said_as_the_incumbents_agent_says_it() -> None:
    park = recorded.template("01-answered-json", "CHANNEL_PARK")
    assert words("01-answered-json", "CHANNEL_PARK", cgr_reqtype="*prepaid", cgr_category="call") == {
        "EventName": "CHANNEL_PARK",
        "Source": "FS_CHANNEL_PARK",
        "ToR": "*voice",
        "OriginID": park["Unique-ID"],
        "OriginHost": park["FreeSWITCH-IPv4"],
        "RequestType": "*prepaid",
        "Category": "call",
        "Account": "1001",
        "Subject": "1001",
        "Destination": "1002",
        "SetupTime": words("01-answered-json", "CHANNEL_ANSWER")["SetupTime"],
    } | ({"PDD": "0ms"} if "variable_progressmsec" in park else {})


def test_moments_and_usage_are_exact_to_the_microsecond() -> None:
    end = recorded.template("01-answered-json", "CHANNEL_HANGUP_COMPLETE")
    said = words("01-answered-json", "CHANNEL_HANGUP_COMPLETE", cgr_originhost="edge7")
    assert said["Usage"] == f"{int(end['variable_billusec']) * 1_000}ns"
    assert said["AnswerTime"].startswith("2026-11-22T")
    assert said["AnswerTime"].endswith(f".{int(end['Caller-Channel-Answered-Time']) % 1_000_000:06d}Z")
    assert (said["OriginHost"], said["DisconnectCause"]) == ("edge7", "NORMAL_CLEARING")


def test_a_call_that_was_not_answered_has_no_answer_and_no_usage() -> None:
    said = words("02-rejected-kill-json", "CHANNEL_HANGUP_COMPLETE")
    assert "AnswerTime" not in said
    assert said["Usage"] == "0ns"
    assert "Usage" not in words("01-answered-json", "CHANNEL_ANSWER")


def test_numbers_stay_as_they_were_dialled() -> None:
    assert words("08-subscriber-json", "CHANNEL_PARK")["Destination"].startswith("+")


@pytest.mark.parametrize("field", ["variable_sip_call_id", "~*req.variable_sip_call_id"])
def test_configured_fields_go_along_under_the_name_of_their_header(field: str) -> None:
    park = recorded.template("01-answered-json", "CHANNEL_PARK")
    assert field_name(field) == "variable_sip_call_id"
    said = words("01-answered-json", "CHANNEL_PARK", field, "Account")
    assert said["variable_sip_call_id"] == park["variable_sip_call_id"]
    assert said["Account"] == "1001"


def test_flags_and_options_are_apart_from_the_fields() -> None:
    values = recorded.template("01-answered-json", "CHANNEL_PARK") | {
        "variable_cgr_flags": "*accounts;*routes",
        "variable_cgr_opts": "*x:1,*y:2",
    }
    said = free_event(SwitchEvent(values), "fs1")
    assert (said.flags, said.options) == ("*accounts;*routes", (("*x", "1"), ("*y", "2")))
