"""3GPP-User-Location-Info as rules see it; the octets are laid out by hand after TS 29.061 16.4.7.2."""

import pytest

from ocs.charging.profiles.converters import converter
from ocs.charging.profiles.location import location_of

NETWORK = {"MCC": "262", "MNC": "01"}


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("00 62f210 1234 5678", {"CGI": NETWORK | {"LAC": 0x1234, "CI": 0x5678}}),
        ("01 62f210 1234 abcd", {"SAI": NETWORK | {"LAC": 0x1234, "SAC": 0xABCD}}),
        ("02 62f210 1234 56", {"RAI": NETWORK | {"LAC": 0x1234, "RAC": 0x56}}),
        ("80 130062 04d2", {"TAI": {"MCC": "310", "MNC": "260", "TAC": 1234}}),
        ("81 62f210 f0000101", {"ECGI": NETWORK | {"ECI": 257}}),
        ("82 62f210 0001 62f210 00000101", {"TAI": NETWORK | {"TAC": 1}, "ECGI": NETWORK | {"ECI": 257}}),
        ("87 62f210 0123456789", {"NCGI": NETWORK | {"NCI": 0x123456789}}),
        ("88 62f210 123456", {"TAI5GS": NETWORK | {"TAC": 0x123456}}),
        (
            "89 62f210 000001 62f210 0000000101",
            {"TAI5GS": NETWORK | {"TAC": 1}, "NCGI": NETWORK | {"NCI": 257}},
        ),
    ],
)
def test_a_location_is_taken_apart(octets: str, expected: object) -> None:
    assert location_of(bytes.fromhex(octets)) == expected


def test_a_member_of_it_is_a_value_of_rules() -> None:
    tai = converter("*3gpp_uli:TAI.TAC")
    assert tai("8062f21004d2") == tai("0x8062f21004d2") == tai(bytes.fromhex("8062f21004d2")) == 1234
    assert converter("*3gpp_uli:TAI")("8062f21004d2") == NETWORK | {"TAC": 1234}
    assert converter("*3gpp_uli")("8062f21004d2") == {"TAI": NETWORK | {"TAC": 1234}}


@pytest.mark.parametrize("octets", ["", "03", "80", "8062f21004", "80aaf21004d2", "8062f210"])
def test_what_is_no_location_is_an_error_of_the_value(octets: str) -> None:
    with pytest.raises(ValueError, match=r"location|network"):
        converter("*3gpp_uli")(octets)


@pytest.mark.parametrize("path", ["TAI.NOPE", "TAI.MCC.Name", "X.MCC"])
def test_a_member_that_no_location_has_is_told_when_it_is_written(path: str) -> None:
    with pytest.raises(ValueError, match="a location has no"):
        converter(f"*3gpp_uli:{path}")


def test_a_location_of_another_kind_is_an_error_of_the_value() -> None:
    with pytest.raises(ValueError, match="has no ECGI"):
        converter("*3gpp_uli:ECGI.ECI")("8062f21004d2")
