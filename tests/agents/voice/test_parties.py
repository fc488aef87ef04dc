"""Names of parties: numbers, addresses, and names that are neither."""

import pytest

from ocs.agents.voice.parties import identities_of, number_or_name
from ocs.charging.events import Identity, IdentityKind

E164, SIP, NAI, NAME = IdentityKind.E164, IdentityKind.SIP_URI, IdentityKind.NAI, IdentityKind.PRIVATE


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("1001", [(E164, "1001"), (NAME, "1001")]),
        ("+49 30 12", [(E164, "493012"), (NAME, "+49 30 12")]),
        ("alice", [(NAME, "alice")]),
        ("a@B.c", [(SIP, "sip:a@b.c"), (NAI, "a@B.c"), (NAME, "a@B.c")]),
        ("sip:a@B.c:5060;x=1", [(SIP, "sip:a@b.c"), (NAME, "sip:a@B.c:5060;x=1")]),
        ("sip:+4915@B.c", [(E164, "4915"), (SIP, "sip:+4915@b.c"), (NAME, "sip:+4915@B.c")]),
        (" ", []),
    ],
)
def test_an_account_may_be_a_number_an_address_or_a_name(
    account: str, expected: list[tuple[IdentityKind, str]]
) -> None:
    assert list(identities_of(account)) == [Identity(*each) for each in expected]


def test_the_user_of_another_realm_is_not_the_number() -> None:
    assert all(each.kind is not E164 for each in identities_of("1001@other.example"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 151 1234", "491511234"),
        ("tel:+49-151", "49151"),
        ("sip:2001@x;a=b", "2001"),
        ("bob;a", "bob"),
        ("*86", "*86"),
        ("", ""),
    ],
)
def test_parties_are_numbers_where_they_can_be(text: str, expected: str) -> None:
    assert number_or_name(text) == expected
