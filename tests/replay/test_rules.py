"""The rules themselves: they find what is wrong with the wrong answers Open5GS was given, and only that."""

import json

import pytest

from tests.replay.rules import open5gs_faults
from tests.replay.wire import VECTORS, Packet


def answered(name: str) -> list[tuple[Packet, Packet]]:
    """The requests of a recording with the answers they were given there."""
    entries = json.loads((VECTORS / "open5gs" / f"{name}.json").read_text())
    packets = [(entry["dir"], Packet(bytes.fromhex(entry["hex"]))) for entry in entries]
    asked = {packet.hop_by_hop: packet for way, packet in packets if way == "c2s" and packet.command == 272}
    return [
        (asked[packet.hop_by_hop], packet)
        for way, packet in packets
        if way == "s2c" and packet.command == 272 and packet.hop_by_hop in asked
    ]


def said(name: str) -> str:
    """Everything the rules say about the answers in a recording."""
    found = [open5gs_faults(request, answer) for request, answer in answered(name)]
    assert found, "there are answers"
    return "; ".join(fault for faults in found for fault in faults)


@pytest.mark.parametrize(
    "name",
    [
        "001-normal",
        "003-minimal-ue",
        "016-fui-terminate-i",
        "020-threshold",
        "035-cmd-4012-i",
        "046-e-3004-i",
    ],
)
def test_nothing_is_wrong_with_good_answers(name: str) -> None:
    assert said(name) == ""


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("012-fui-no-gsu-u", "unmetered"),
        ("013-mscc-4011-i", "4011"),
        ("019-fui-empty-i", "without an action"),
        ("021-threshold-over", "not below the grant"),
        ("023-inout-only", "no octets"),
        ("024-no-gsu", "unmetered"),
        ("025-zero-gsu", "no octets"),
        ("026-no-mscc", "0 services"),
        ("027-no-validity", "no Validity-Time"),
        ("034-cmd-4011-i", "4011"),
        ("050-no-auth-app", "begins with"),
        ("051-no-cc-type-number", "begins with"),
        ("052-no-session-id", "Session-Id is not that"),
        ("053-no-origin-host", "0 times Origin-Host"),
        ("054-no-origin-realm", "0 times Origin-Realm"),
        ("055-no-result-code", "0 times Result-Code"),
        ("057-wrong-number", "CC-Request-Number is not that"),
        ("059-wrong-sid", "Session-Id is not that"),
        ("060-sid-last", "begins with"),
        ("062-two-mscc", "2 services"),
        ("065-unknown-avp-m", "unknown AVPs with M"),
        ("066-unknown-avp-m-mscc", "unknown AVPs with M"),
    ],
)
def test_what_the_smf_stumbles_over_is_found(name: str, fault: str) -> None:
    assert fault in said(name)
