"""Options and flags as dialplans and scripts write them."""

import pytest

from ocs.agents.voice.options import flags_of, options_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("*accounts", {"*accounts": ""}),
        ("*attributes;*accounts; *routes", {"*attributes": "", "*accounts": "", "*routes": ""}),
        ("*attributes&*accounts:x", {"*attributes": "", "*accounts": "x"}),
        ("*attributes:*ids:A&B;*resources", {"*attributes": "*ids:A&B", "*resources": ""}),
        ("*routes:*event_cost&*max_cost:1", {"*routes": "*event_cost&*max_cost:1"}),
    ],
)
def test_flags_keep_what_follows_their_colon(text: str, expected: dict[str, str]) -> None:
    assert flags_of(text) == expected


def test_options_are_pairs() -> None:
    assert options_of("*sessionsDebitInterval:5s,*x:a:b, y:") == (
        ("*sessionsDebitInterval", "5s"),
        ("*x", "a:b"),
        ("y", ""),
    )
    assert options_of("") == options_of("novalue") == ()
