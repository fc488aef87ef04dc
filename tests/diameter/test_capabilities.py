"""Capabilities exchange: what is advertised, understood, refused."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, encode_octets, encode_u32, encode_utf8, group
from ocs.diameter.capabilities import (
    LocalCapabilities,
    capabilities_answer_avps,
    capabilities_avps,
    common_applications,
    decode_capabilities,
    judge,
)
from ocs.diameter.codes import RELAY_APPLICATION, ResultCode
from ocs.diameter.events import Closed, PeerRefused
from ocs.diameter.message import Message, encode_message
from tests.diameter.support import LOCAL, cer, connection, open5gs_frames, recorded, result_code, sent

SMF_CER = next(frame for place, frame in open5gs_frames() if "CER" in place)


def refusal_of(frame: bytes) -> tuple[Message, PeerRefused, Closed]:
    made = connection()
    events = made.receive_data(frame, 1)
    (answer,) = sent(made)
    refused, closed = events
    assert isinstance(refused, PeerRefused)
    assert isinstance(closed, Closed)
    return answer, refused, closed


def test_the_cea_advertises_credit_control_in_every_form_clients_look_for() -> None:
    made = connection()
    made.receive_data(cer(), 1)
    (cea,) = sent(made)
    assert [avp[0] for avp in cea.avps] == [268, 264, 296, 257, 266, 269, 278, 265, 265, 258, 260, 267]
    vendor_specific = encode_u32(avps.VENDOR_ID, 10415) + encode_u32(avps.AUTH_APPLICATION_ID, 4)
    assert cea.octets(avps.VENDOR_SPECIFIC_APPLICATION_ID) == vendor_specific
    assert cea.octets(avps.SUPPORTED_VENDOR_ID) == (10415).to_bytes(4, "big")
    assert cea.octets(avps.HOST_IP_ADDRESS) == bytes.fromhex("00017f000001")


def test_product_name_and_firmware_revision_go_without_m() -> None:
    message = Message.decode(encode_message(0x80, 257, 0, 1, 1, [capabilities_avps(LOCAL)]))
    unmarked = [avp[0] for avp in message.avps if not avp[1] & 0x40]
    assert unmarked == [avps.PRODUCT_NAME, avps.FIRMWARE_REVISION]


def test_our_own_cer_is_understood() -> None:
    message = Message.decode(encode_message(0x80, 257, 0, 1, 1, [capabilities_avps(LOCAL)]))
    peer = decode_capabilities(message)
    assert (peer.origin_host, peer.origin_realm) == ("ocs.example.net", "example.net")
    assert peer.applications == LOCAL.applications == {4}
    assert peer.supported_vendors == {10415, 13019}
    assert (peer.origin_state_id, peer.vendor_id, peer.product_name) == (7, 0, "ocs")


@pytest.mark.parametrize(
    ("frame", "host", "applications", "product"),
    [
        (recorded("kamailio_ro_001_c2s_CER"), "scscf.test.invalid", {4}, "CDP"),
        (
            recorded("freediameter_to_ocs_001_c2s_CER"),
            "dra.test.invalid",
            {RELAY_APPLICATION},
            "freeDiameter",
        ),
        (SMF_CER, "smf.localdomain", {4, 16_777_238, 16_777_272}, "freediameter"),
    ],
)
def test_real_peers_are_understood_and_admitted(
    frame: bytes, host: str, applications: set[int], product: str
) -> None:
    peer = decode_capabilities(Message.decode(frame))
    assert (peer.origin_host, set(peer.applications), peer.product_name) == (host, applications, product)
    made = connection()
    made.receive_data(frame, 1)
    assert result_code(sent(made)[0]) == 2001


@pytest.mark.parametrize("vendor", [0, 10415, 99])
@pytest.mark.parametrize("key", [avps.AUTH_APPLICATION_ID, avps.ACCT_APPLICATION_ID])
def test_an_application_inside_a_vendor_specific_group_is_common_whatever_the_vendor(
    vendor: int, key: int
) -> None:
    members = [encode_u32(avps.VENDOR_ID, vendor), encode_u32(key, 4)]
    made = connection()
    made.receive_data(cer(group(avps.VENDOR_SPECIFIC_APPLICATION_ID, members), application=None), 1)
    assert result_code(sent(made)[0]) == 2001


def test_a_relay_on_either_side_shares_every_application() -> None:
    relay = decode_capabilities(Message.decode(cer(application=RELAY_APPLICATION)))
    client = decode_capabilities(Message.decode(cer(application=16_777_238)))
    local_relay = LocalCapabilities(
        "a", "b", (), 1, auth_applications=(RELAY_APPLICATION,), vendor_applications=()
    )
    assert relay.is_relay
    assert common_applications(LOCAL, relay) == {4}
    assert common_applications(local_relay, client) == {16_777_238}
    assert common_applications(LOCAL, client) == frozenset()


def test_no_common_application_is_5010_without_e_and_closes() -> None:
    answer, refused, closed = refusal_of(cer(application=16_777_238))
    assert (result_code(answer), answer.is_error) == (ResultCode.NO_COMMON_APPLICATION, False)
    assert refused.origin_host == "pgw.example.net"
    assert closed.detail == "no common application"
    assert answer.octets(avps.AUTH_APPLICATION_ID) == bytes([0, 0, 0, 4])


def test_an_offer_of_tls_alone_is_5017() -> None:
    answer, _, _ = refusal_of(cer(encode_u32(avps.INBAND_SECURITY_ID, 1)))
    assert (result_code(answer), answer.is_error) == (ResultCode.NO_COMMON_SECURITY, False)


def test_an_offer_of_tls_or_nothing_is_accepted() -> None:
    both = encode_u32(avps.INBAND_SECURITY_ID, 1) + encode_u32(avps.INBAND_SECURITY_ID, 0)
    made = connection()
    made.receive_data(cer(both), 1)
    assert result_code(sent(made)[0]) == 2001


@pytest.mark.parametrize("host", ["ocs.example.net", "OCS.Example.NET"])
def test_a_peer_with_our_own_name_is_refused_3010_with_e(host: str) -> None:
    answer, refused, _ = refusal_of(cer(host=host))
    assert (result_code(answer), answer.is_error) == (ResultCode.UNKNOWN_PEER, True)
    assert refused.reason == "own Origin-Host"


def test_a_cer_without_origin_host_is_5005_with_an_example() -> None:
    answer, refused, _ = refusal_of(cer(host=""))
    assert result_code(answer) == ResultCode.MISSING_AVP == refused.result_code
    assert answer.octets(avps.FAILED_AVP) == encode_octets(avps.ORIGIN_HOST, b"")
    assert not answer.is_error


def test_an_empty_origin_host_is_5004() -> None:
    answer, _, _ = refusal_of(cer(encode_octets(avps.ORIGIN_HOST, b""), host=""))
    assert result_code(answer) == ResultCode.INVALID_AVP_VALUE


def test_a_cer_of_another_version_is_5011_with_e_and_closes() -> None:
    answer, _, _ = refusal_of(b"\x02" + cer()[1:])
    assert (result_code(answer), answer.is_error) == (ResultCode.UNSUPPORTED_VERSION, True)


def test_a_cer_with_a_bad_avp_is_5014_and_closes() -> None:
    answer, _, _ = refusal_of(cer(bytes.fromhex("0000010a40000007")))
    assert result_code(answer) == ResultCode.INVALID_AVP_LENGTH


def test_unknown_avps_of_a_cer_are_ignored_even_with_m() -> None:
    made = connection()
    made.receive_data(cer(encode_octets(99_999 << 32 | 1, b"x")), 1)
    assert result_code(sent(made)[0]) == 2001


def test_the_other_avps_the_grammar_wants_may_be_missing() -> None:
    peer = decode_capabilities(Message.decode(cer()))
    assert (peer.host_addresses, peer.vendor_id, peer.product_name) == ((), None, "")
    assert judge(LOCAL, peer) is None


def test_peers_are_the_same_by_identity_and_applications_alone() -> None:
    one = decode_capabilities(Message.decode(cer()))
    again = decode_capabilities(Message.decode(cer(host="PGW.example.net", state_id=5)))
    more = decode_capabilities(Message.decode(cer(encode_u32(avps.ACCT_APPLICATION_ID, 3))))
    assert one.is_same_peer(again)
    assert not one.is_same_peer(more)


def test_a_realm_is_needed() -> None:
    frame = encode_message(0x80, 257, 0, 1, 1, [encode_utf8(avps.ORIGIN_HOST, "a")])
    with pytest.raises(DecodeError) as caught:
        decode_capabilities(Message.decode(frame))
    assert caught.value.failed_avp == encode_octets(avps.ORIGIN_REALM, b"")


def test_a_refusal_names_its_reason_and_avp() -> None:
    body = capabilities_answer_avps(LOCAL, 5005, "missing", encode_u32(432, 0))
    message = Message.decode(encode_message(0, 257, 0, 1, 1, [body]))
    assert message.octets(avps.ERROR_MESSAGE) == b"missing"
    assert message.octets(avps.FAILED_AVP) == encode_u32(432, 0)
