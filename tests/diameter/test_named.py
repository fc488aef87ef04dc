"""AVPs by name."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import (
    encode_address,
    encode_e164_address,
    encode_i32,
    encode_octets,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    group,
)
from ocs.diameter.dictionary import standard
from ocs.diameter.named import NamedAvpError, NamedValue, encode_named


@pytest.mark.parametrize(
    ("name", "value", "encoded"),
    [
        ("Rating-Group", 7, encode_u32(avps.RATING_GROUP, 7)),
        ("Rating-Group", "7", encode_u32(avps.RATING_GROUP, 7)),
        ("CC-Total-Octets", 1 << 40, encode_u64(avps.CC_TOTAL_OCTETS, 1 << 40)),
        ("Exponent", -2, encode_i32(avps.EXPONENT, -2)),
        ("Reporting-Reason", "QUOTA_EXHAUSTED", encode_i32(avps.REPORTING_REASON, 3)),
        ("Reporting-Reason", "4", encode_i32(avps.REPORTING_REASON, 4)),
        ("Product-Name", "ocs", encode_utf8(avps.PRODUCT_NAME, "ocs", mandatory=False)),
        ("Event-Timestamp", 0, encode_time(avps.EVENT_TIMESTAMP, 0)),
        ("SGSN-Address", "192.0.2.1", encode_address(avps.SGSN_ADDRESS, "192.0.2.1")),
        ("SGSN-Address", "+4917012", encode_e164_address(avps.SGSN_ADDRESS, "+4917012")),
        ("3GPP-RAT-Type", "0x06", encode_octets(avps.TGPP_RAT_TYPE, b"\x06")),
        ("Class", "text", encode_octets(25, b"text")),
        (
            "Subscription-Id",
            [("Subscription-Id-Type", "END_USER_IMSI"), ("Subscription-Id-Data", "001010000000001")],
            group(443, [encode_i32(450, 1), encode_utf8(444, "001010000000001")]),
        ),
    ],
)
def test_values_become_the_avp_their_name_says(name: str, value: NamedValue, encoded: bytes) -> None:
    assert encode_named(standard(), name, value) == encoded


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("No-Such-AVP", 1, "no dictionary has an AVP named No-Such-AVP"),
        ("Rating-Group", -1, "Unsigned32 cannot hold -1"),
        ("Rating-Group", 1 << 32, "cannot hold"),
        ("Rating-Group", "seven", "cannot hold 'seven'"),
        ("Rating-Group", [], "is no group"),
        ("Subscription-Id", "x", "is a group and needs members"),
        ("SGSN-Address", "somewhere", "Address cannot hold"),
        ("3GPP-RAT-Type", "0xg", "cannot hold"),
        ("Event-Timestamp", "now", "Time cannot hold"),
        ("Subscription-Id", [("Subscription-Id-Type", "NICKNAME")], "Enumerated cannot hold 'NICKNAME'"),
    ],
)
def test_what_cannot_be_encoded_is_said_by_name(name: str, value: NamedValue, message: str) -> None:
    with pytest.raises(NamedAvpError, match=message):
        encode_named(standard(), name, value)


def test_groups_nest_only_so_deep() -> None:
    value: NamedValue = []
    for _ in range(20):
        value = [("Failed-AVP", value)]
    with pytest.raises(NamedAvpError, match="deeper than 16"):
        encode_named(standard(), "Failed-AVP", value)
