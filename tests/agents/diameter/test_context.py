"""Service-Information to the context of a price."""

import pytest

from ocs.charging.events import (
    RequestedUnits,
    Unit,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    encode_i32,
    encode_octets,
    encode_utf8,
    group,
)
from tests.agents.diameter.refusals import failed_keys, refused
from tests.support.gy import (
    ccr,
    event_of,
    events,
    requested,
    service,
)

# --- context


def ps(*members: bytes) -> bytes:
    return group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, members)])


def test_packet_context_names_apn_plmn_and_access() -> None:
    context = event_of(
        ccr(
            ps(
                encode_utf8(avps.CALLED_STATION_ID, "Internet.mnc001.mcc001.gprs"),
                encode_utf8(avps.TGPP_SGSN_MCC_MNC, "00101"),
                encode_octets(avps.TGPP_RAT_TYPE, b"\6"),
                encode_octets(avps.TGPP_CHARGING_ID, b"\0\0\0\5"),
            )
        )
    ).context
    assert context is not None
    assert (context.apn, context.plmn, context.rat) == ("internet", "00101", "EUTRAN")
    assert context.extra == (("charging_id", "00000005"),)


@pytest.mark.parametrize(
    ("location", "plmn"),
    [
        (bytes.fromhex("8200f11000010000f11000000001"), "00101"),
        (bytes.fromhex("0062f2200001ffff"), "26202"),
        (bytes.fromhex("8113401200000001"), "310214"),
        (b"\x82", ""),
        (b"", ""),
        (b"\xff\x00\xf1\x10", ""),
    ],
)
def test_the_plmn_comes_from_the_location_when_nothing_else_says_it(location: bytes, plmn: str) -> None:
    context = event_of(ccr(ps(encode_octets(avps.TGPP_USER_LOCATION_INFO, location)))).context
    assert context is not None
    assert context.plmn == plmn


def test_the_same_facts_at_the_root_count_as_in_the_group() -> None:
    members = [
        encode_utf8(avps.CALLED_STATION_ID, "internet"),
        encode_utf8(avps.TGPP_SGSN_MCC_MNC, "00101"),
        encode_octets(avps.TGPP_RAT_TYPE, b"\6"),
    ]
    assert event_of(ccr(*members)).context == event_of(ccr(ps(*members))).context


def test_no_service_information_is_no_context() -> None:
    assert event_of(ccr()).context is None


def ims(*members: bytes) -> bytes:
    return group(avps.SERVICE_INFORMATION, [group(avps.IMS_INFORMATION, members)])


@pytest.mark.parametrize(
    ("role", "called"),
    [(0, "15550107777"), (1, "15550108888")],
)
def test_the_called_party_is_what_was_dialled_for_the_side_that_dialled(role: int, called: str) -> None:
    frame = ccr(
        ims(
            encode_i32(avps.ROLE_OF_NODE, role),
            encode_utf8(avps.CALLING_PARTY_ADDRESS, "sip:+15550106666@ims.example"),
            encode_utf8(avps.CALLED_PARTY_ADDRESS, "tel:+15550108888"),
            encode_utf8(avps.REQUESTED_PARTY_ADDRESS, "tel:+15550107777"),
        ),
        context="32260@3gpp.org",
    )
    context = event_of(frame).context
    assert context is not None
    assert (context.calling, context.called) == ("15550106666", called)


def test_visited_network_and_access_network_say_where_an_ims_user_is() -> None:
    visited = event_of(
        ccr(ims(encode_utf8(avps.IMS_VISITED_NETWORK_IDENTIFIER, "ims.mnc002.mcc262.3gppnetwork.org")))
    )
    access = event_of(
        ccr(ims(encode_utf8(avps.ACCESS_NETWORK_INFORMATION, "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=26202ab")))
    )
    assert visited.context is not None
    assert access.context is not None
    assert (visited.context.plmn, access.context.plmn) == ("26202", "26202")


def recipient(number: str) -> bytes:
    address = encode_i32(avps.ADDRESS_TYPE, 1), encode_utf8(avps.ADDRESS_DATA, number)
    return group(avps.RECIPIENT_INFO, [group(avps.RECIPIENT_ADDRESS, address)])


@pytest.mark.parametrize(("asked", "each"), [(1, 1), (3, 1), (6, 2)])
def test_a_message_to_three_is_three_reports(asked: int, each: int) -> None:
    information = group(
        avps.SERVICE_INFORMATION,
        [
            group(
                avps.SMS_INFORMATION,
                [recipient("+15550100001"), recipient("15550100002"), recipient("tel:+15550100003")],
            )
        ],
    )
    frame = ccr(
        service(None, requested(events(asked))),
        encode_i32(436, 0),
        information,
        kind=4,
        context="32274@3gpp.org",
    )
    reports = event_of(frame).reports
    assert [report.called for report in reports] == ["15550100001", "15550100002", "15550100003"]
    assert {report.requested for report in reports} == {RequestedUnits(Unit.EVENTS, each)}


def test_one_recipient_is_the_called_party() -> None:
    information = group(avps.SERVICE_INFORMATION, [group(avps.SMS_INFORMATION, [recipient("+15550100001")])])
    event = event_of(ccr(service(None, requested(events(1))), information, context="32274@3gpp.org"))
    assert event.context is not None
    assert event.context.called == "15550100001"
    assert [report.called for report in event.reports] == [None]


def test_facts_are_bounded() -> None:
    long = ims(encode_utf8(avps.USER_SESSION_ID, "x" * 10_000))
    context = event_of(ccr(long)).context
    assert context is not None
    assert context.extra == (("user_session", "x" * 128),)


def test_a_group_that_cannot_be_walked_is_5014_with_its_groups() -> None:
    broken = group(avps.SERVICE_INFORMATION, [encode_octets(avps.PS_INFORMATION, b"\0\0\0\1\0\0\0\3")])
    error = refused(ccr(broken))
    assert error.result_code == 5014
    assert failed_keys(error)[:2] == [avps.SERVICE_INFORMATION, avps.PS_INFORMATION]
