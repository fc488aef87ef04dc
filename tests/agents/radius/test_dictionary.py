"""Dictionaries: FreeRADIUS' own are read whole, mistakes are told with their place, values go both ways."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.agents.radius.loading import LoadError, load_clients, problems_of, read_dictionary
from ocs.agents.radius.wire.dictionary import Dictionary
from ocs.agents.radius.wire.dictionary_reader import read
from ocs.agents.radius.wire.packet import Attribute, decode, encode_request
from ocs.agents.radius.wire.values import NUMBERS, InvalidText, as_octets, as_text
from ocs.config.settings import RadiusClient, RadiusSettings
from ocs.config.shipped import shipped_dictionaries
from tests.agents.radius.packets import SECRET, recorded

SHIPPED = shipped_dictionaries("radius")
FREERADIUS = Path("/usr/share/freeradius/dictionary")  # of the package freeradius-common
# What FreeRADIUS knows under other numbers, for its own use, or not at all.
OTHERWISE = (
    "digest-",
    "sip-aor",
    "saml-",
    "chillispot-max-input-g",
    "chillispot-max-output-g",
    "chillispot-max-total-g",
)
BASE = """
VENDOR Acme 32473
VENDOR Wide 429 format=2,1
ATTRIBUTE Name 1 string
ATTRIBUTE Kind 6 integer
ATTRIBUTE Tunnel 64 integer has_tag
ATTRIBUTE Group 81 string has_tag
ATTRIBUTE Key 69 string has_tag,encrypt=2
ATTRIBUTE Message 18 string
ATTRIBUTE Ext 241.5 integer
ATTRIBUTE Long 245.1 octets
ATTRIBUTE Box 241.6 tlv
BEGIN-TLV Box
ATTRIBUTE Inner 1 integer
END-TLV Box
BEGIN-VENDOR Acme
ATTRIBUTE Acme-Pair 1 string
END-VENDOR Acme
BEGIN-VENDOR Wide
ATTRIBUTE Wide-One 0x101 integer
END-VENDOR Wide
VALUE Kind Framed 2
VALUE Later Soon 1
ATTRIBUTE Later 200 integer
"""


def dictionary(more: str = "") -> Dictionary:
    found = Dictionary()
    assert read(found, "base", BASE + more) == []
    return found


def shipped() -> Dictionary:
    return read_dictionary(Dictionary(), SHIPPED / "dictionary")


def shown(found: Dictionary, *attributes: Attribute) -> list[tuple[str, str]]:
    packet = decode(encode_request(4, 1, attributes, SECRET, has_authenticator=False))
    return [(definition.name, text) for definition, text in found.named(packet)]


def test_the_dictionaries_of_freeradius_are_read_and_say_the_same() -> None:
    theirs = read_dictionary(Dictionary(), FREERADIUS)
    assert len(theirs.by_name) > 7_000
    for name, ours in shipped().by_name.items():
        if name.startswith(OTHERWISE):
            continue
        other = theirs.by_name[name]
        assert (ours.path, ours.kind, ours.has_tag, ours.encryption) == (
            other.path, other.kind, other.has_tag, other.encryption,
        )  # fmt: skip
        for value, number in shipped().numbers.get(name, {}).items():
            assert theirs.numbers[name][value] == number, (name, value)


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ("ATTRIBUTE Foo 300 strin", "25:19", 'there is no type "strin"'),
        ("ATTRIBUTE Foo", "25:1", "expected ATTRIBUTE name number type"),
        ("ATTRIBUTE Foo x string", "25:15", '"x" is no number'),
        ("  ATTRIBUTE Foo 1.y string", "25:17", '"1.y" is no number'),
        ("ATTRIBUTE F$o 1 string", "25:11", '"F$o" is no name'),
        ("ATTRIBUTE Foo 1 string bogus", "25:24", '"bogus" is neither a flag nor a vendor'),
        ("VALUE Nothing One 1", "25:7", 'there is no attribute "Nothing"'),
        ("VALUE Kind One one", "25:16", '"one" is no number'),
        ("VALUE Kind One", "25:1", "expected VALUE attribute name number"),
        ("VENDOR Foo 0", "25:12", '"0" is no number of a vendor'),
        ("VENDOR Foo 5 format=3,1", "25:14", '"format=3,1" is no format'),
        ("BEGIN-VENDOR Nobody", "25:14", 'there is no vendor "Nobody"'),
        ("END-VENDOR Acme", "25:1", "ends no BEGIN-VENDOR"),
        ("BEGIN-VENDOR Acme", "25:1", "the file ends inside"),
        ("BEGIN-TLV Name", "25:1", "expected BEGIN-TLV"),
        ("END-TLV Box", "25:1", "ends no BEGIN-TLV"),
        ("$INCLUDE nowhere", "25:10", "there is no file nowhere"),
        ("ATRIBUTE Foo 1 string", "25:1", '"ATRIBUTE" is no word of a dictionary'),
    ],
)
def test_a_mistake_is_told_with_its_place(line: str, place: str, message: str) -> None:
    problems = read(Dictionary(), "mine", BASE + line)
    assert len(problems) == 1
    assert str(problems[0]).startswith(f"mine:{place}: ")
    assert message in problems[0].message


def test_a_number_of_a_vendor_fits_its_format() -> None:
    (problem,) = read(
        Dictionary(), "mine", BASE + "BEGIN-VENDOR Acme\nATTRIBUTE A 256 string\nEND-VENDOR Acme"
    )
    assert "is no number of an attribute" in problem.message


def test_files_that_include_each_other_are_told() -> None:
    problems = read(Dictionary(), "a", "$INCLUDE a", lambda named, by: (named, "$INCLUDE a"))
    assert [problem.message for problem in problems] == ["more than 8 files include each other"]


def test_older_dictionaries_name_the_vendor_on_the_line() -> None:
    found = dictionary("ATTRIBUTE Acme-Old 7 string Acme\n")
    assert found.by_name["acme-old"].path == (26, 32473, 7)


@pytest.mark.parametrize(
    ("name", "text", "attributes"),
    [
        ("Name", "1001", [(1, b"1001")]),
        ("name", "1001", [(1, b"1001")]),
        ("Kind", "Framed", [(6, b"\0\0\0\2")]),
        ("Kind", "0x10", [(6, b"\0\0\0\x10")]),
        ("Tunnel:3", "2", [(64, b"\3\0\0\2")]),
        ("Tunnel", "2", [(64, b"\0\0\0\2")]),
        ("Group:1", "7", [(81, b"\x017")]),
        ("Group", "7", [(81, b"7")]),
        ("Acme-Pair", "a=b", [(26, b"\0\0\x7e\xd9\1\5a=b")]),
        ("Acme.Acme-Pair", "a=b", [(26, b"\0\0\x7e\xd9\1\5a=b")]),
        ("Wide-One", "5", [(26, b"\0\0\1\xad\1\1\7\0\0\0\5")]),
        ("Ext", "9", [(241, b"\5\0\0\0\x09")]),
        ("Inner", "9", [(241, b"\6\1\6\0\0\0\x09")]),
        ("Long", "0x" + "ab" * 300, [(245, b"\1\x80" + b"\xab" * 251), (245, b"\1\0" + b"\xab" * 49)]),
        ("Message", "x" * 300, [(18, b"x" * 253), (18, b"x" * 47)]),
    ],
)
def test_attributes_are_written_and_shown(name: str, text: str, attributes: list[Attribute]) -> None:
    found = dictionary()
    assert found.encode(name, text) == attributes
    ((said, back), *_) = shown(found, *attributes)
    assert said.lower() == name.partition(":")[0].rpartition(".")[2].lower()
    assert back in (text, "16", text[:253])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Nothing", "1"),
        ("Box", "1"),
        ("Name", "x" * 254),
        ("Acme-Pair", "x" * 250),
        ("Kind", "-1"),
        ("Kind", str(1 << 32)),
        ("Kind", "Unframed"),
        ("Tunnel:32", "1"),
        ("Key", "secret"),
        ("Other.Acme-Pair", "x"),
    ],
)
def test_what_cannot_be_written_is_told(name: str, text: str) -> None:
    with pytest.raises(InvalidText):
        dictionary().encode(name, text)


def test_a_salted_value_keeps_its_tag_outside() -> None:
    ((kind, value),) = dictionary().encode("Key:2", "secret", lambda plain: b"\x80\0" + plain[::-1])
    assert (kind, value) == (69, b"\2\x80\0terces")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ipaddr", "192.0.2.1"),
        ("ipv6addr", "2001:db8::1"),
        ("ipv6prefix", "2001:db8::/32"),
        ("ipv4prefix", "192.0.2.0/24"),
        ("ether", "00:11:22:33:44:55"),
        ("ifid", "0011:2233:4455:6677"),
        ("signed", "-5"),
        ("integer64", str(1 << 40)),
        ("byte", "7"),
        ("short", "700"),
        ("date", "1780315200"),
        ("octets", "0x00ff"),
        ("combo-ip", "192.0.2.1"),
    ],
)
def test_values_go_both_ways(kind: str, text: str) -> None:
    assert as_text(kind, as_octets(kind, text, {}), {}) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ipaddr", "2001:db8::1"),
        ("ipaddr", "x"),
        ("ipv6prefix", "192.0.2.0/24"),
        ("byte", "256"),
        ("octets", "0xfg"),
    ],
)
def test_text_that_is_no_value_is_refused(kind: str, text: str) -> None:
    with pytest.raises(InvalidText, match="no value of type"):
        as_octets(kind, text, {})


@given(
    st.binary(max_size=30),
    st.sampled_from([*NUMBERS, "string", "ipaddr", "ipv6prefix", "ether", "tlv", "octets"]),
)
def test_any_octets_can_be_shown(value: bytes, kind: str) -> None:
    assert isinstance(as_text(kind, value, {}), str)


def test_a_proxy_has_its_own_names_for_numbers_of_others(tmp_path: Path) -> None:
    clients = RadiusClient("192.0.2.1", "nas", "x"), RadiusClient("192.0.2.2", "sip", "x", profile="kamailio")
    nas, sip = load_clients(RadiusSettings(clients), SHIPPED)
    start = next(each.packet for each in recorded("kamailio") if each.packet.code == 4)
    seen = {definition.name: text for definition, text in sip.dictionary.named(start)}
    assert (seen["Sip-From-Tag"], seen["Sip-Response-Code"], seen["Acct-Status-Type"]) == (
        "31703c1",
        "200",
        "Start",
    )
    assert "Sip-From-Tag" not in nas.dictionary.by_name
    asked = next(each.packet for each in recorded("kamailio") if each.packet.code == 1)
    nested = {definition.name: text for definition, text in sip.dictionary.named(asked)}
    assert (nested["Sterman-Digest-User-Name"], nested["Sterman-Digest-Method"]) == ("1001", "INVITE")


def test_files_of_the_configuration_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("ATTRIBUTE Own 224 string\n$INCLUDE- missing\n$INCLUDE wrong\n")
    (tmp_path / "wrong").write_text("\nATTRIBUTE Own\n")
    settings = RadiusSettings((RadiusClient("192.0.2.1", "nas", "x", dictionaries=(str(mine),)),))
    (problem,) = problems_of(settings, SHIPPED)
    assert str(problem).startswith(f"{tmp_path}/wrong:2:1: expected ATTRIBUTE")
    with pytest.raises(LoadError, match="wrong:2:1"):
        load_clients(settings, SHIPPED)
    (tmp_path / "wrong").write_text("VALUE Own One 1\n")
    (client,) = load_clients(settings, SHIPPED)
    assert client.dictionary.encode("Own", "x") == [(224, b"x")]


def test_a_secret_in_a_file_is_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("  s3cret \nmore\n")
    settings = RadiusSettings((RadiusClient("192.0.2.1", "nas", secret_file=str(file)),))
    (client,) = load_clients(settings, SHIPPED)
    assert client.secret == b"s3cret"
    assert "s3cret" not in repr(client)
    file.write_text("\n")
    with pytest.raises(LoadError, match="is empty"):
        load_clients(settings, SHIPPED)
