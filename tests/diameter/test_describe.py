"""Messages as text."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8, group
from ocs.diameter.describe import describe, headline
from ocs.diameter.dictionary import standard
from ocs.diameter.limits import Limits
from ocs.diameter.message import Message, encode_message
from tests.diameter.support import ccr


def lines_of(*parts: bytes) -> list[str]:
    message = Message(encode_message(0xC0, 272, 4, 1, 2, parts))
    return describe(message, standard()).splitlines()[1:]


def test_the_headline_names_the_command_and_every_flag() -> None:
    message = Message(encode_message(0xF5, 272, 4, 0x11, 0x22, []))
    assert headline(message, standard()) == (
        "Credit-Control-Request flags=RPET+5 application=4 hop-by-hop=00000011 end-to-end=00000022 octets=20"
    )
    assert "flags=- " in headline(Message(encode_message(0, 999, 4, 1, 1, [])), standard())


def test_groups_are_indented_and_values_named() -> None:
    assert lines_of(group(avps.SUBSCRIPTION_ID, [encode_u32(450, 1), encode_utf8(444, "001")])) == [
        "  Subscription-Id (443) M",
        "    Subscription-Id-Type (450) M 1 END_USER_IMSI",
        '    Subscription-Id-Data (444) M "001"',
    ]


@pytest.mark.parametrize(
    ("part", "line"),
    [
        (encode_octets(99_999 << 32 | 5, b"\x01\x02"), "  AVP 99999:5 VM 0x0102"),
        (
            encode_octets(avps.RATING_GROUP, b"ab", mandatory=False),
            "  Rating-Group (432) - 0x6162 !! 5014 AVP 432 has 2",
        ),
        (encode_octets(avps.USER_NAME, b'a"\n\xff\\'), '  User-Name (1) M "a\\"\\u{a}\\xff\\\\"'),
        (encode_u32(avps.REPORTING_REASON, 42), "  Reporting-Reason (10415:872) VM 42"),
        (encode_u32(avps.EVENT_TIMESTAMP, 0), "  Event-Timestamp (55) M 2036-02-07T06:28:16Z"),
        (encode_octets(avps.SMSC_ADDRESS, b"\0\x08123"), '  SMSC-Address (10415:2017) VM "123"'),
        (encode_octets(avps.SMSC_ADDRESS, b"\0\x63\x01"), "  SMSC-Address (10415:2017) VM family 99 01"),
        (
            encode_octets(avps.PROXY_STATE, b"\0" * 200),
            "  Proxy-State (33) M 0x" + "00" * 128 + "... (200 octets)",
        ),
        (
            encode_utf8(avps.SESSION_ID, "x" * 300),
            '  Session-Id (263) M "' + "x" * 256 + '"... (300 characters)',
        ),
    ],
)
def test_odd_values_are_shown_not_refused(part: bytes, line: str) -> None:
    (shown,) = lines_of(part)
    assert shown.startswith(line)


def test_a_broken_group_shows_what_could_be_read_and_the_fault() -> None:
    broken = encode_u32(avps.RATING_GROUP, 1) + bytes(8)
    assert lines_of(group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, [broken])) == [
        "  Multiple-Services-Credit-Control (456) M",
        "    Rating-Group (432) M 1",
        "    !! 5014 AVP 0 does not fit in what contains it",
    ]


def test_no_more_avps_are_shown_than_allowed() -> None:
    message = Message(ccr(*[encode_u32(avps.RATING_GROUP, 1)] * 50), Limits(avps=10))
    lines = describe(message, standard()).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  !! 5012 more than 10 AVPs"
