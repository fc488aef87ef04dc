"""AVPs by path: groups, places, neighbours, branches, and what each type is read and written as."""

from typing import Any

import pytest

from ocs.cgrates.agents.diameter_avps import AvpsSaid, AvpTree, check_read, check_written
from ocs.cgrates.agents.templates import compiled
from ocs.charging.profiles.view import ABSENT, split
from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    encode_address,
    encode_e164_address,
    encode_i32,
    encode_i64,
    encode_octets,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    group,
)
from ocs.diameter.codes import REQUEST
from ocs.diameter.dictionary import standard
from ocs.diameter.message import Message, encode_message
from tests.support.gy import requested, seconds, service, subscription, total, used
from tests.support.gy import split as octets

MOMENT_NS = 1_795_348_900_000_000_000


def tree(*parts: bytes) -> AvpTree:
    message = Message.decode(encode_message(REQUEST, 272, 4, 1, 1, parts))
    return AvpTree(message, standard())


def message() -> AvpTree:
    return tree(
        encode_utf8(avps.SESSION_ID, "s;1"),
        encode_utf8(avps.ORIGIN_HOST, "first"),
        encode_utf8(avps.ORIGIN_HOST, "second"),
        subscription(1, "imsi"),
        subscription(0, "e164"),
        subscription(0, "e164-2"),
        service(10, requested(), used(octets(7, 8)), used(octets(70, 80))),
        service(20, requested(total(5)), used(total(9)), identifiers=(1, 2)),
        encode_time(avps.EVENT_TIMESTAMP, MOMENT_NS),
        encode_i32(avps.CC_REQUEST_TYPE, 1),
        encode_octets(avps.CLASS, b"\0\1"),
        encode_octets(avps.FRAMED_IP_ADDRESS, b"text"),
        group(avps.CC_MONEY, [group(avps.UNIT_VALUE, [encode_i64(avps.VALUE_DIGITS, -5)])]),
        encode_address(avps.HOST_IP_ADDRESS, "192.0.2.1"),
    )


MSCC = "Multiple-Services-Credit-Control"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Session-Id", "s;1"),
        ("Origin-Host", "first"),
        ("Origin-Host[1]", "second"),
        ("Origin-Host[2]", ABSENT),
        ("Subscription-Id.Subscription-Id-Data", "imsi"),
        ("Subscription-Id.Subscription-Id-Data[1]", "e164"),
        ("Subscription-Id[2].Subscription-Id-Data", "e164-2"),
        ("Subscription-Id.Subscription-Id-Data[~Subscription-Id-Type(0)]", "e164"),
        ("Subscription-Id.Subscription-Id-Data[~Subscription-Id-Type(END_USER_E164)]", "e164"),
        ("Subscription-Id.Subscription-Id-Data[~Subscription-Id-Type(7)]", ABSENT),
        (f"{MSCC}.Rating-Group[1]", 20),
        (f"{MSCC}.Used-Service-Unit.CC-Input-Octets", 7),
        (f"{MSCC}.Used-Service-Unit.CC-Input-Octets[1]", 70),
        (f"{MSCC}.Used-Service-Unit.CC-Total-Octets[~Rating-Group(20)]", 9),
        (f"{MSCC}.Used-Service-Unit.CC-Total-Octets[~Rating-Group(10)]", ABSENT),
        (f"{MSCC}.Used-Service-Unit.CC-Output-Octets[~CC-Input-Octets(70)]", 80),
        (f"{MSCC}.Rating-Group[~Used-Service-Unit.CC-Input-Octets(70)]", 10),
        (f"{MSCC}.Rating-Group[~Used-Service-Unit.CC-Total-Octets(9)|~Service-Identifier(2)]", 20),
        (f"{MSCC}.Rating-Group[~Used-Service-Unit.CC-Total-Octets(9)|~Service-Identifier(3)]", ABSENT),
        (f"{MSCC}[1].Requested-Service-Unit.CC-Total-Octets", 5),
        (f"{MSCC}.Requested-Service-Unit", {}),
        (f"{MSCC}[1].Requested-Service-Unit", {"CC-Total-Octets": 5}),
        ("Event-Timestamp", "2026-11-22T12:01:40Z"),
        ("CC-Request-Type", 1),
        ("Class", "0x0001"),
        ("Framed-IP-Address", "text"),
        ("CC-Money.Unit-Value.Value-Digits", -5),
        ("Host-IP-Address", "192.0.2.1"),
        ("User-Name", ABSENT),
        ("Session-Id.Rating-Group", ABSENT),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    assert message().walk(split(path)) == value


def test_a_message_is_a_mapping_of_what_is_known() -> None:
    found = tree(encode_utf8(avps.SESSION_ID, "s"), encode_u32(99 << 32 | 4_000_000, 1), service(1))
    assert dict(found) == {"Session-Id": "s", MSCC: {"Rating-Group": 1}}
    assert len(found) == 2
    with pytest.raises(KeyError):
        found["User-Name"]


def test_an_avp_of_the_wrong_size_is_an_error_of_its_sender() -> None:
    with pytest.raises(DecodeError) as caught:
        tree(encode_octets(avps.CC_REQUEST_NUMBER, b"\0")).walk(("CC-Request-Number",))
    assert caught.value.result_code == 5014


def test_a_group_is_read_once_however_often_it_is_asked_for() -> None:
    found = message()
    for _ in range(10_000):  # scanned each time it would be past the bound of AVPs
        assert found.walk((MSCC, "Rating-Group")) == 10


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("Sesion-Id", "no dictionary has an AVP named Sesion-Id"),
        ("Session-Id.Rating-Group", "AVP Session-Id is no group, and has no Rating-Group"),
        ("Subscription-Id.Subscription-Id-Data[~Typo(0)]", "no dictionary has an AVP named Typo"),
        ("Subscription-Id.Subscription-Id-Data[~Subscription-Id-Type]", "is no condition such as"),
    ],
)
def test_a_path_that_no_message_can_have_is_told(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_read(standard(), split(path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("Reslt-Code", "no dictionary has an AVP named Reslt-Code"),
        (MSCC, f"AVP {MSCC} is a group and needs members"),
        (f"{MSCC}.Rating-Group[1]", "takes no brackets"),
    ],
)
def test_a_path_that_cannot_be_written_is_told(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_written(standard(), split(path))


# --- writing


def said(*fields: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> list[bytes]:
    """What fields of constants make."""
    found = AvpsSaid(standard())
    for path, value, *keys in fields:
        given = {"path": f"*rep.{path}", "type": "*constant", "value": value, **(keys[0] if keys else {})}
        (field,) = compiled([given], "x", {})
        found.put(field, value)
    return [encoded for _, encoded in found.encoded()]


def test_values_go_into_the_last_group_of_their_name_and_branches_begin_another() -> None:
    branch = {"new_branch": True}
    assert said(
        (f"{MSCC}.Rating-Group", "1", branch),
        (f"{MSCC}.Granted-Service-Unit.CC-Time", "10"),
        (f"{MSCC}.Rating-Group", "2", branch),
        (f"{MSCC}.Granted-Service-Unit.CC-Time", "20"),
        (f"{MSCC}.Granted-Service-Unit.CC-Time", "21"),
        (f"{MSCC}.Service-Identifier", "5", {"type": "*group"}),
        (f"{MSCC}.Service-Identifier", "6", {"type": "*group"}),
    ) == [
        group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, [rating_group(1), granted(10)]),
        group(
            avps.MULTIPLE_SERVICES_CREDIT_CONTROL,
            [
                rating_group(2),
                granted(21),
                *(encode_u32(avps.SERVICE_IDENTIFIER, number) for number in (5, 6)),
            ],
        ),
    ]


def rating_group(number: int) -> bytes:
    return encode_u32(avps.RATING_GROUP, number)


def granted(count: int) -> bytes:
    return group(avps.GRANTED_SERVICE_UNIT, [seconds(count)])


@pytest.mark.parametrize(
    ("name", "text", "encoded"),
    [
        ("CC-Time", "2.9", encode_u32(avps.CC_TIME, 2)),
        ("CC-Total-Octets", "18446744073709551615", encode_u64(avps.CC_TOTAL_OCTETS, (1 << 64) - 1)),
        ("CC-Request-Type", "UPDATE_REQUEST", encode_i32(avps.CC_REQUEST_TYPE, 2)),
        ("CC-Request-Type", "2", encode_i32(avps.CC_REQUEST_TYPE, 2)),
        ("Event-Timestamp", "2026-11-22T12:01:40Z", encode_time(avps.EVENT_TIMESTAMP, MOMENT_NS)),
        ("Event-Timestamp", "1795348900", encode_time(avps.EVENT_TIMESTAMP, MOMENT_NS)),
        ("Host-IP-Address", "2001:db8::1", encode_address(avps.HOST_IP_ADDRESS, "2001:db8::1")),
        ("SGSN-Address", "4917012", encode_e164_address(avps.SGSN_ADDRESS, "4917012")),
        ("Class", "0x00ff", encode_octets(avps.CLASS, b"\0\xff")),
        ("User-Name", "ü", encode_utf8(avps.USER_NAME, "ü")),
    ],
)
def test_a_type_takes_what_a_template_says(name: str, text: str, encoded: bytes) -> None:
    assert said((name, text)) == [encoded]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CC-Time", "soon"),
        ("CC-Time", "-1"),
        ("CC-Time", "4294967296"),
        ("CC-Request-Type", "SOMETIMES"),
        ("Event-Timestamp", "yesterday"),
        ("Host-IP-Address", "nowhere"),
    ],
)
def test_a_type_that_cannot_hold_a_text_is_told_at_its_field(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"time|number|cannot hold"):
        said((name, text))


def test_what_was_said_is_read_and_taken_away() -> None:
    found = AvpsSaid(standard())
    for path, value in (
        ("Result-Code", "2001"),
        (f"{MSCC}.Rating-Group", "1"),
        (f"{MSCC}.Validity-Time", "9"),
    ):
        (field,) = compiled([{"path": f"*rep.{path}", "type": "*constant", "value": value}], "x", {})
        found.put(field, value)
    assert found.value(("Result-Code",)) == "2001"
    assert found.value((MSCC, "Rating-Group")) == "1"
    assert found.value((MSCC, "Nothing")) is None
    found.remove((MSCC, "Validity-Time"))
    assert [name for name, _ in found.encoded()] == ["Result-Code", MSCC]
    assert found.value((MSCC, "Validity-Time")) is None
    found.remove(())
    assert found.encoded() == []
