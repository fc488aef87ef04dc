"""What is told to the switch, and that nothing a caller chose becomes more than a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.agents.freeswitch import commands, esl
from ocs.agents.freeswitch.commands import CreditEnd, credit_end
from ocs.config.settings import FreeswitchSettings

SECOND = 10**9


@pytest.mark.parametrize(
    "text", ["1002", "+49301234", "*98#", "alice@example.org", "6b2f0c1e-3a44", "a.b_c~!:=%41"]
)
def test_numbers_and_ids_are_words(text: str) -> None:
    assert commands.is_word(text)


@pytest.mark.parametrize(
    "text",
    ["", "-both", "1 2", "1\n2", "${x}", "a'b", 'a"b', "a,b", "a;b", "a|b", "a\\b", "ü", "1" * 256, "a\0"],
)
def test_what_a_command_would_take_apart_is_no_word(text: str) -> None:
    assert not commands.is_word(text)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("gold; tier=1", "gold; tier=1"),
        ("a\nauth x", "a auth x"),
        ("${system(id)} $${x} `id`", "{system(id)} {x} id"),
        ("a\\nb\\", "anb"),
        ("ünï", "ünï"),
        ("\0\x1b\u2028", ""),
        ("x" * 5_000, "x" * commands.VALUE_LIMIT),
    ],
)
def test_values_lose_what_the_switch_would_interpret(value: str, kept: str) -> None:
    assert commands.value_text(value) == kept


@given(st.text(max_size=200))
def test_any_value_leaves_one_command(value: str) -> None:
    sent = esl.encode_command(f"api {commands.setvar('u', 'cgr_notify', value)}")
    assert sent.count(b"\n") == 2
    assert not set("\\`$") & set(sent.decode())


def test_a_list_begins_with_its_length() -> None:
    assert commands.array(("r1", "r|:2")) == "ARRAY::2|:r1|:r2"
    assert commands.array(()) == "ARRAY::0"


def test_timers_are_rounded_down_but_never_to_nothing() -> None:
    assert [commands.whole_seconds(ns) for ns in (1, SECOND, 2 * SECOND - 1, 90 * SECOND)] == [1, 1, 1, 90]


def test_the_cause_of_a_limit_is_one_that_the_switch_knows() -> None:
    assert CreditEnd().variables("1002", 60 * SECOND) == (
        ("execute_on_answer", "sched_hangup +60 allotted_timeout"),
    )
    assert CreditEnd().rearm("u", "1002", 60 * SECOND) == (
        "sched_del u",
        "sched_hangup +60 u allotted_timeout",
    )


@pytest.mark.parametrize(
    ("end", "variable", "rearmed", "now"),
    [
        (
            CreditEnd(context="empty", announcement="x.wav", extension="topup"),
            "sched_transfer +60 1002 XML empty",
            "sched_transfer +60 u 1002 XML empty",
            "uuid_transfer u 1002 XML empty",
        ),
        (
            CreditEnd(announcement="x.wav", extension="topup"),
            "sched_broadcast +60 playback!manager_request::x.wav aleg",
            "sched_broadcast +60 u playback!manager_request::x.wav aleg",
            "uuid_broadcast u playback!manager_request::x.wav aleg",
        ),
        (
            CreditEnd(extension="topup"),
            "sched_transfer +60 topup XML default",
            "sched_transfer +60 u topup XML default",
            "uuid_transfer u topup XML default",
        ),
    ],
)
def test_the_first_that_is_set_decides_and_has_an_end(
    end: CreditEnd, variable: str, rearmed: str, now: str
) -> None:
    assert end.variables("1002", 60 * SECOND) == (
        ("execute_on_answer", variable),
        ("execute_on_answer_last", "sched_hangup +180 allotted_timeout"),
    )
    assert end.rearm("u", "1002", 60 * SECOND) == (
        "sched_del u",
        rearmed,
        "sched_hangup +180 u allotted_timeout",
    )
    assert end.now("u", "1002", "INSUFFICIENT_CREDIT") == (
        "uuid_setvar u cgr_notify INSUFFICIENT_CREDIT",
        "sched_del u",
        "sched_hangup +120 u allotted_timeout",
        now,
    )
    assert end.now("u", "1002", "operator") == (
        "uuid_setvar u cgr_notify operator",
        "uuid_kill u MANAGER_REQUEST",
    )


def test_the_settings_say_what_happens_when_the_credit_ends() -> None:
    settings = FreeswitchSettings(empty_balance_context="empty", treatment_ns=SECOND)
    assert credit_end(settings) == CreditEnd(context="empty", treatment_ns=SECOND)
    assert credit_end(FreeswitchSettings()).hangs_up
