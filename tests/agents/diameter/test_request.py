"""Credit-Control-Request to event: who asks, for what service, over which way."""

import pytest

from ocs.agents.diameter.mapping.request import GyReader
from ocs.charging.events import (
    EventKind,
    Identity,
    IdentityKind,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    encode_i32,
    encode_octets,
    encode_u32,
    encode_utf8,
    group,
)
from ocs.diameter.codes import PROXIABLE, REQUEST, RETRANSMITTED
from ocs.diameter.message import Message
from tests.agents.diameter.refusals import failed_keys, refused
from tests.support.gy import (
    CLIENT,
    NOW_NS,
    SESSION,
    ccr,
    event_of,
    options,
    read,
    service,
    standard_avps,
    subscription,
)

# --- the frame of the event


@pytest.mark.parametrize(
    ("number", "kind"), [(1, EventKind.INITIAL), (2, EventKind.UPDATE), (3, EventKind.TERMINATION)]
)
def test_type_number_session_and_client_are_those_of_the_message(number: int, kind: EventKind) -> None:
    event = event_of(ccr(kind=number, number=7))
    assert (event.kind, event.event_id, event.session_id, event.client) == (kind, 7, SESSION, CLIENT)
    assert (event.origin, event.service, event.is_retransmission) == ("peer", "data", False)


def test_the_t_flag_marks_a_retransmission() -> None:
    assert event_of(ccr(flags=REQUEST | PROXIABLE | RETRANSMITTED)).is_retransmission


@pytest.mark.parametrize(
    "key",
    [
        avps.SESSION_ID,
        avps.ORIGIN_HOST,
        avps.ORIGIN_REALM,
        avps.CC_REQUEST_TYPE,
        avps.CC_REQUEST_NUMBER,
        avps.SERVICE_CONTEXT_ID,
    ],
)
def test_a_missing_avp_is_5005_with_an_example_of_it(key: int) -> None:
    error = refused(ccr(without=[key]))
    assert error.result_code == 5005
    assert failed_keys(error) == [key]


def test_an_unknown_request_type_is_5004_with_the_avp() -> None:
    error = refused(ccr(kind=99))
    assert (error.result_code, failed_keys(error)) == (5004, [avps.CC_REQUEST_TYPE])


def test_a_request_type_of_two_octets_is_5014() -> None:
    bad = {avps.CC_REQUEST_TYPE: encode_octets(avps.CC_REQUEST_TYPE, b"\0\1")}
    assert refused(ccr(replaced=bad)).result_code == 5014


@pytest.mark.parametrize(
    "second",
    [
        encode_i32(avps.CC_REQUEST_TYPE, 2),
        encode_u32(avps.CC_REQUEST_NUMBER, 9),
        encode_utf8(avps.SESSION_ID, "other"),
    ],
)
def test_a_second_different_value_is_5009(second: bytes) -> None:
    assert refused(ccr(second)).result_code == 5009


def test_equal_repeats_are_taken() -> None:
    again = standard_avps()
    frame = ccr(again[avps.SESSION_ID], again[avps.ORIGIN_HOST], again[avps.ORIGIN_REALM])
    assert event_of(frame).client == CLIENT


@pytest.mark.parametrize("value", ["", "x" * 1_025])
def test_a_session_id_of_no_use_is_5004(value: str) -> None:
    error = refused(ccr(replaced={avps.SESSION_ID: encode_utf8(avps.SESSION_ID, value)}))
    assert error.result_code == 5004


def test_a_session_id_that_is_no_utf8_is_served_and_can_be_stored() -> None:
    odd = {avps.SESSION_ID: encode_octets(avps.SESSION_ID, b"a\xff;1")}
    assert event_of(ccr(replaced=odd)).session_id.encode("utf-8") == b"a\\xff;1"


def test_an_application_id_that_differs_is_ignored() -> None:
    assert event_of(ccr(replaced={avps.AUTH_APPLICATION_ID: encode_u32(258, 5)})).client == CLIENT


# --- service


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("32251@3gpp.org", "data"),
        ("14.32251@3gpp.org", "data"),
        ("ext.01.001.8.32260@3GPP.org", "voice"),
        ("32274@3gpp.org", "sms"),
        ("32270@3gpp.org", "mms"),
    ],
)
def test_the_service_follows_the_ending_of_the_context(context: str, expected: str) -> None:
    assert event_of(ccr(context=context)).service == expected


def test_an_unknown_context_is_5031_with_the_avp_or_what_the_settings_say() -> None:
    error = refused(ccr(context="voice@vendor.example"))
    assert (error.result_code, failed_keys(error)) == (5031, [avps.SERVICE_CONTEXT_ID])
    assert event_of(ccr(context="gprs"), options(unknown_context="generic")).service == "generic"


# --- routing


def test_own_identity_in_route_record_is_3005() -> None:
    record = encode_utf8(avps.ROUTE_RECORD, "OCS.example.net")
    assert refused(ccr(encode_utf8(avps.ROUTE_RECORD, "dra"), record)).result_code == 3005


def test_another_route_record_is_served() -> None:
    assert event_of(ccr(encode_utf8(avps.ROUTE_RECORD, "dra.example.net"))).client == CLIENT


def test_destination_host_without_realm_is_3002() -> None:
    host = encode_utf8(avps.DESTINATION_HOST, "ocs.example.net")
    assert refused(ccr(host, without=[avps.DESTINATION_REALM])).result_code == 3002


def test_a_foreign_destination_host_is_3002_only_when_hosts_are_listed() -> None:
    frame = ccr(encode_utf8(avps.DESTINATION_HOST, "OTHER.example.net"))
    assert event_of(frame).client == CLIENT
    assert refused(frame, serve_hosts=frozenset({"ocs.example.net"})).result_code == 3002
    assert event_of(frame, options(serve_hosts=frozenset({"other.example.net"}))).client == CLIENT


def test_a_realm_that_is_not_listed_is_3003() -> None:
    assert refused(ccr(), serve_realms=frozenset({"home.example"})).result_code == 3003
    assert event_of(ccr(), options(serve_realms=frozenset({"example.net"}))).client == CLIENT


# --- unknown AVPs

UNKNOWN = 999 << 32 | 4_242


@pytest.mark.parametrize(
    ("extra", "chain"),
    [
        (encode_u32(UNKNOWN, 1), [UNKNOWN]),
        (service(1, encode_u32(UNKNOWN, 1)), [456, UNKNOWN]),
        (
            group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [encode_u32(UNKNOWN, 1)])]),
            [avps.SERVICE_INFORMATION, avps.PS_INFORMATION, UNKNOWN],
        ),
    ],
)
def test_an_unknown_mandatory_avp_is_ignored_or_when_strict_5001_with_its_groups(
    extra: bytes, chain: list[int]
) -> None:
    assert event_of(ccr(extra)).client == CLIENT
    error = refused(ccr(extra), strict=True)
    assert (error.result_code, failed_keys(error)) == (5001, chain)


def test_ignored_avps_are_counted_and_those_without_the_m_bit_are_not() -> None:
    marked = read(ccr(encode_u32(UNKNOWN, 1), service(1, encode_u32(UNKNOWN, 1))))
    assert marked.ignored == 2
    assert read(ccr(encode_u32(UNKNOWN, 1, mandatory=False))).ignored == 0


def test_service_information_without_vendor_is_an_unknown_avp() -> None:
    frame = ccr(group(873, [group(avps.PS_INFORMATION, [encode_utf8(avps.CALLED_STATION_ID, "internet")])]))
    request = read(frame)
    assert (request.event.context, request.ignored) == (None, 1)


# --- who


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (
            [subscription(0, "+15550100000"), subscription(1, "001010000000001")],
            [(IdentityKind.IMSI, "001010000000001"), (IdentityKind.E164, "15550100000")],
        ),
        (
            [
                subscription(1, "001010000000001"),
                subscription(0, "15550100000"),
                subscription(0, "tel:+15550100000"),
            ],
            [(IdentityKind.IMSI, "001010000000001"), (IdentityKind.E164, "15550100000")],
        ),
        (
            [subscription(2, "sip:+15550100000@IMS.example.net;user=phone")],
            [(IdentityKind.E164, "15550100000"), (IdentityKind.SIP_URI, "sip:+15550100000@ims.example.net")],
        ),
        ([subscription(2, "tel:+1-555-010-0000;phone-context=x")], [(IdentityKind.E164, "15550100000")]),
        ([subscription(2, "sip:anna@example.net:5060")], [(IdentityKind.SIP_URI, "sip:anna@example.net")]),
        ([subscription(3, "user@realm")], [(IdentityKind.NAI, "user@realm")]),
        (
            [
                group(
                    avps.SUBSCRIPTION_ID_EXTENSION,
                    [encode_utf8(avps.SUBSCRIPTION_ID_IMSI, "00101", False)],
                    False,
                )
            ],
            [(IdentityKind.IMSI, "00101")],
        ),
    ],
)
def test_identities_are_normalised_distinct_and_in_the_profiles_order(
    groups: list[bytes], expected: list[tuple[IdentityKind, str]]
) -> None:
    event = event_of(ccr(*groups, without=[avps.SUBSCRIPTION_ID]))
    assert event.identities == tuple(Identity(kind, value) for kind, value in expected)


def test_identities_inside_service_information_count_too() -> None:
    information = group(
        avps.SERVICE_INFORMATION, [subscription(0, "15550100000"), subscription(1, "001010000000001")]
    )
    assert event_of(ccr(information)).identities == (
        Identity(IdentityKind.IMSI, "001010000000001"),
        Identity(IdentityKind.E164, "15550100000"),
    )


def test_user_name_is_the_last_resort() -> None:
    name = encode_utf8(avps.USER_NAME, "user@example.net")
    assert event_of(ccr(name)).identities == (Identity(IdentityKind.IMSI, "001010000000001"),)
    alone = event_of(ccr(name, without=[avps.SUBSCRIPTION_ID]))
    assert alone.identities == (Identity(IdentityKind.NAI, "user@example.net"),)


def test_no_identity_at_all_is_served_for_the_session_to_know() -> None:
    assert event_of(ccr(kind=2, without=[avps.SUBSCRIPTION_ID])).identities == ()


@pytest.mark.parametrize(
    ("members", "missing"),
    [
        ([], avps.SUBSCRIPTION_ID_TYPE),
        ([encode_i32(avps.SUBSCRIPTION_ID_TYPE, 1)], avps.SUBSCRIPTION_ID_DATA),
    ],
)
def test_an_incomplete_subscription_id_is_5005(members: list[bytes], missing: int) -> None:
    error = refused(ccr(group(avps.SUBSCRIPTION_ID, members), without=[avps.SUBSCRIPTION_ID]))
    assert (error.result_code, failed_keys(error)) == (5005, [443, missing])


def test_a_ninth_subscription_id_is_refused() -> None:
    groups = [subscription(0, f"1555010000{index}") for index in range(8)]
    assert refused(ccr(*groups)).result_code == 5004
    assert len(event_of(ccr(*groups[:7])).identities) == 8


def test_the_same_groups_give_the_same_identities_from_memory() -> None:
    reader = GyReader(options())
    first = reader.read(Message.decode(ccr()), "peer", None, NOW_NS).event.identities
    again = reader.read(Message.decode(ccr(kind=2)), "peer", None, NOW_NS).event.identities
    assert again is first
