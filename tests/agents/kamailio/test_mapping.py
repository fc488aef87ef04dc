"""From messages to facts and events: times, durations, who pays, what is answered."""

import pytest

from ocs.agents.kamailio import mapping
from ocs.agents.kamailio.mapping import (
    MappingError,
    duration_ns,
    facts_of,
    time_ns,
)
from ocs.agents.kamailio.messages import Kind, Message
from ocs.charging.events import (
    EventKind,
    Identity,
    IdentityKind,
    Unit,
)

SECOND_NS = 1_000_000_000
NOW_NS = 1_763_805_700 * SECOND_NS
START = {
    "h_entry": "4105", "h_id": "12046", "cgr_flags": "*attributes;*accounts;*resources",
    "OriginID": "a84b", "RequestType": "*prepaid", "Tenant": "cgrates.org", "Account": "1001",
    "Destination": "+49 151 1234", "SetupTime": "1763805600", "AnswerTime": "1763805604", "Trunk": "north",
}  # fmt: skip


def message(kind: Kind = Kind.START, **fields: str) -> Message:
    return Message(kind, START | fields)


def facts(kind: Kind = Kind.START, **fields: str) -> mapping.Facts:
    return facts_of(message(kind, **fields), "default", NOW_NS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45", 45 * SECOND_NS), ("0", 0), ("1.5", 1_500_000_000), ("0.000000001", 1), ("10s", 10 * SECOND_NS),
        ("1m30s", 90 * SECOND_NS), ("1h2m3.5s", 3_723_500_000_000), ("500ms", 500_000_000), ("7us", 7_000),
        ("7\u00b5s", 7_000), ("9ns", 9), ("2.5m", 150 * SECOND_NS),
    ],
)  # fmt: skip
def test_durations_are_seconds_or_as_go_writes_them(text: str, expected: int) -> None:
    assert duration_ns(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-1", "1 s", "10x", "s", "1s2", "1e3", "\u0661", "99999999999s", "1..5"]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(MappingError, match="Usage"):
        duration_ns(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1763805604", 1_763_805_604 * SECOND_NS),
        ("1763805604.25", 1_763_805_604_250_000_000),
        ("2025-11-22T10:00:04Z", 1_763_805_604 * SECOND_NS),
        ("2025-11-22T11:00:04+01:00", 1_763_805_604 * SECOND_NS),
        ("2025-11-22T10:00:04", 1_763_805_604 * SECOND_NS),
    ],
)
def test_times_are_unix_seconds_or_rfc_3339(text: str, expected: int) -> None:
    assert time_ns(text) == expected


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(MappingError):
        time_ns("yesterday")


@pytest.mark.parametrize("answered", ["0", "1", "9999999999", ""])
def test_an_answer_that_cannot_be_true_is_none(answered: str) -> None:
    assert facts(Kind.END, AnswerTime=answered).answer_ns is None


def test_facts_of_a_start() -> None:
    found = facts()
    assert (found.origin_id, found.tenant, found.account, found.service) == (
        "a84b",
        "cgrates.org",
        "1001",
        "voice",
    )
    assert found.answer_ns == 1_763_805_604 * SECOND_NS
    assert found.usage is None
    assert found.is_charged
    assert not found.is_postpaid
    assert dict(found.extra)["Trunk"] == "north"
    assert "cgr_flags" not in dict(found.extra)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(MappingError, match=r"MANDATORY_IE_MISSING: \[h_id, AnswerTime\]"):
        facts(h_id="", AnswerTime="<null>")


@pytest.mark.parametrize(
    ("request_type", "flags", "is_charged"),
    [
        ("*prepaid", "*accounts", True), ("*postpaid", "", True), ("*pseudoprepaid", "*accounts:x", True),
        ("", "*attributes; *accounts", True), ("*none", "*accounts", False), ("*prepaid", "*attributes", False),
    ],
)  # fmt: skip
def test_request_type_and_flags_say_whether_it_is_about_money(
    request_type: str, flags: str, is_charged: bool
) -> None:
    assert facts(RequestType=request_type, cgr_flags=flags).is_charged is is_charged


@pytest.mark.parametrize("request_type", ["*rated", "prepaid", "*direct"])
def test_other_request_types_are_refused_and_not_free(request_type: str) -> None:
    with pytest.raises(MappingError, match="UNSUPPORTED_REQUEST_TYPE"):
        facts(RequestType=request_type)


@pytest.mark.parametrize(
    ("tor", "usage", "service", "unit", "amount"),
    [
        ("*voice", "10s", "voice", Unit.TIME, 10 * SECOND_NS), ("*sms", "2", "sms", Unit.EVENTS, 2),
        ("*mms", "1", "mms", Unit.EVENTS, 1), ("*data", "1024", "data", Unit.OCTETS, 1024),
        ("*generic", "1.5", "generic", Unit.EVENTS, 2), ("", "1", "sms", Unit.EVENTS, 1),
    ],
)  # fmt: skip
def test_types_of_record_are_services(tor: str, usage: str, service: str, unit: Unit, amount: int) -> None:
    found = facts(Kind.MESSAGE, tr_index="1", tr_label="2", ToR=tor, Usage=usage)
    assert (found.service, found.unit, found.usage) == (service, unit, amount)


def test_an_account_is_looked_for_by_key_then_number_then_uri_then_name() -> None:
    event = mapping.event(EventKind.INITIAL, "kam1", "a84b", "x", facts(), mapping.asking(Unit.TIME, 5))
    assert event.account == "cgrates.org:1001"
    assert event.identities == (Identity(IdentityKind.E164, "1001"), Identity(IdentityKind.PRIVATE, "1001"))


def test_usage_is_a_total_and_ends_where_it_says() -> None:
    (used,) = mapping.used(Unit.TIME, 9 * SECOND_NS, 100 * SECOND_NS).used
    assert (used.amount, used.at_ns, used.is_total) == (9 * SECOND_NS, 109 * SECOND_NS, True)
