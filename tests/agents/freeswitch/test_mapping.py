"""Events to common events: who pays, what for, what was used."""

import pytest

from ocs.agents.freeswitch import mapping
from ocs.agents.freeswitch.calls import Call, charged_ns
from ocs.agents.freeswitch.esl import SwitchEvent
from ocs.charging.events import EventKind, Unit, UsedUnits
from tests.agents.freeswitch import recorded

SECOND = 10**9
PARK = recorded.template("01-answered-json", "CHANNEL_PARK")
END = recorded.template("01-answered-json", "CHANNEL_HANGUP_COMPLETE")


def park(**fields: str) -> SwitchEvent:
    """A parked call with variables of its own."""
    return SwitchEvent(PARK | {f"variable_{name}": value for name, value in fields.items()})


def test_a_recorded_call_says_who_calls_whom() -> None:
    facts = mapping.facts_of(SwitchEvent(PARK))
    assert (facts.uuid, facts.account, facts.called, facts.calling) == (
        PARK["Unique-ID"],
        "1001",
        "1002",
        "1001",
    )
    assert facts.created_us == int(PARK["Caller-Channel-Created-Time"])
    assert (facts.is_limited, facts.is_charged, facts.parent, facts.dialled) == (True, True, "", "1002")


def test_the_variables_of_the_dialplan_come_first() -> None:
    facts = mapping.facts_of(park(cgr_account="acc", cgr_destination="+49 30-12", cgr_category="vip"))
    assert (facts.account, facts.called, facts.category, facts.dialled) == ("acc", "493012", "vip", "1002")


def test_an_authenticated_user_is_known_by_the_directory() -> None:
    event = recorded.template("08-subscriber-json", "CHANNEL_PARK")
    facts = mapping.facts_of(SwitchEvent(event))
    assert (facts.account, facts.category) == ("1001", "call")
    assert SwitchEvent(event).name == "CHANNEL_PARK"


@pytest.mark.parametrize(
    ("variables", "limited", "charged"),
    [
        ({}, True, True),
        ({"cgr_reqtype": "*prepaid"}, True, True),
        ({"cgr_reqtype": "*pseudoprepaid"}, True, True),
        ({"cgr_reqtype": "*postpaid"}, False, True),
        ({"cgr_reqtype": "*rated"}, False, True),
        ({"cgr_flags": "*attributes;*accounts;*routes"}, True, True),
        ({"cgr_flags": "*attributes&*accounts:x"}, True, True),
        ({"cgr_flags": "*attributes;*routes"}, False, False),
    ],
)
def test_the_request_type_and_the_flags_say_how_a_call_is_charged(
    variables: dict[str, str], limited: bool, charged: bool
) -> None:
    facts = mapping.facts_of(park(**variables))
    assert (facts.is_limited, facts.is_charged) == (limited, charged)


def test_what_is_missing_is_said() -> None:
    nobody = mapping.facts_of(SwitchEvent({"Unique-ID": "u", "Caller-Destination-Number": "1"}))
    nowhere = mapping.facts_of(SwitchEvent({"Unique-ID": "u", "Caller-Username": "1"}))
    assert mapping.missing_facts(nobody) == "MANDATORY_IE_MISSING: [Account]"
    assert mapping.missing_facts(nowhere) == "MANDATORY_IE_MISSING: [Destination]"
    assert mapping.missing_facts(mapping.facts_of(SwitchEvent(PARK))) == ""


@pytest.mark.parametrize("name", [name for name in recorded.NAMES if name != "10-xml-events"])
def test_time_used_is_the_difference_of_answer_and_end_in_every_recording(name: str) -> None:
    for fields in recorded.events(name):
        if fields["Event-Name"] != "CHANNEL_HANGUP_COMPLETE":
            continue
        answered, ended = (int(fields[f"Caller-Channel-{what}-Time"]) for what in ("Answered", "Hangup"))
        billed_ns = mapping.billed_ns(SwitchEvent(fields))
        assert billed_ns == (ended - answered if answered else 0) * 1_000
        without = {key: value for key, value in fields.items() if key != "variable_billusec"}
        assert mapping.billed_ns(SwitchEvent(without)) == billed_ns


def test_seconds_of_the_clock_are_not_what_was_used() -> None:
    odd = recorded.events("03-limit-transfer-plain")
    ends = [event for event in odd if event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE"]
    assert [(end["variable_billsec"], mapping.billed_ns(SwitchEvent(end))) for end in ends] == [
        ("3", 2_520_005_000),
        ("4", 3_220_003_000),
    ]


def test_facts_reach_the_record_under_their_names() -> None:
    extra = dict(mapping.extra_of(SwitchEvent(END), ("variable_sip_h_X-Customer", "variable_nothing")))
    assert extra["hangup_cause"] == "NORMAL_CLEARING"
    assert extra["billusec"] == END["variable_billusec"]
    assert extra["variable_sip_h_X-Customer"] == "gold; tier=1"
    assert "variable_nothing" not in extra
    assert mapping.merged((("a", "1"), ("b", "2")), (("b", "3"), ("c", "4"))) == (
        ("a", "1"),
        ("b", "3"),
        ("c", "4"),
    )


def test_facts_are_bounded() -> None:
    fields = {f"variable_{number}": "x" * 5_000 for number in range(500)}
    extra = mapping.extra_of(SwitchEvent(END | fields), tuple(fields))
    assert len(extra) == mapping.EXTRA_LIMIT
    assert max(len(value) for _, value in extra) <= mapping.EXTRA_VALUE_LIMIT


def test_events_of_a_call_are_told_apart() -> None:
    facts = mapping.facts_of(SwitchEvent(PARK))
    used = UsedUnits(Unit.TIME, 5, at_ns=7)
    begun = mapping.initial("fs1", facts, 60, (), facts.created_us)
    after = mapping.afterwards("fs1", facts, used, ())
    ended = mapping.termination("fs1", facts.uuid, None)
    assert (begun.kind, begun.event_id, begun.service) == (EventKind.INITIAL, facts.created_us, "voice")
    assert begun.reports[0].requested is not None
    assert begun.reports[0].requested.amount == 60
    assert (after.kind, after.reports[0].used, after.occurred_at_ns) == (EventKind.EVENT, (used,), 7)
    assert (ended.kind, ended.reports, ended.context) == (EventKind.TERMINATION, (), None)


def test_a_list_of_calls_is_complete_or_none() -> None:
    reply = next(
        body.decode() for _, body in recorded.frames("07-hupall-plain") if body.startswith(b'{"row_count"')
    )
    channels = mapping.channels_of(reply)
    assert channels is not None
    assert [channel.direction for channel in channels.values()] == ["inbound", "inbound"]
    assert mapping.channels_of('{"row_count": 0}') == {}
    for wrong in (
        reply[:-1],
        '{"row_count": 1}',
        "",
        "0 total.",
        "-ERR",
        "{}",
        "null",
        '{"row_count": 1, "rows": [{}]}',
    ):
        assert mapping.channels_of(wrong) is None


@pytest.mark.parametrize(
    ("billed", "limit", "hangs_up", "charged"),
    [
        (5.0, 10, True, 5.0),
        (10.0, 10, True, 10.0),
        (10.5, 10, True, 10.0),  # the switch's timer was late
        (12.5, 10, True, 12.5),  # it was not a timer that was late
        (99.0, 10, False, 10.0),  # an announcement after the credit
        (99.0, 0, True, 99.0),
    ],
)
def test_what_follows_the_limit_is_not_charged(
    billed: float, limit: int, hangs_up: bool, charged: float
) -> None:
    assert charged_ns(round(billed * SECOND), limit * SECOND, hangs_up) == round(charged * SECOND)


def test_what_is_reported_stays_behind_the_clock_and_never_goes_back() -> None:
    call = Call(mapping.facts_of(SwitchEvent(PARK)), 0.0)
    assert call.reportable_ns(50.0) == 0
    call.answered_s = 10.0
    assert [call.reportable_ns(at_s) // SECOND for at_s in (10.5, 11.9, 12.0, 15.9)] == [0, 0, 1, 4]
    call.reported_ns = 30 * SECOND
    assert call.reportable_ns(15.0) == 30 * SECOND


def test_more_is_asked_for_before_the_time_or_its_validity_ends() -> None:
    call = Call(mapping.facts_of(SwitchEvent(PARK)), 0.0)
    call.answered_s = 0.0
    call.granted_ns = call.limit_ns = 60 * SECOND
    assert call.next_look_ns(0.0, 10 * SECOND) == 50 * SECOND
    call.validity_ns = 20 * SECOND
    assert call.next_look_ns(0.0, 10 * SECOND) == 20 * SECOND
    call.validity_ns = 0
    call.is_final = True
    assert call.next_look_ns(0.0, 10 * SECOND) == 63 * SECOND
    call.is_final = False
    call.granted_ns = call.limit_ns = 4 * SECOND
    assert call.next_look_ns(0.0, 10 * SECOND) == 2 * SECOND
