"""Diameter messages read with nothing of the server's: thirty lines of TLV and the merged AVP table.

The table comes from six dictionaries of other programs, so what it does not know a client does not know either.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from struct import unpack_from
from typing import NamedTuple

VECTORS = Path(__file__).parents[1] / "vectors"
TABLE = json.loads((VECTORS / "gy" / "avps.json").read_text())
NAMES: dict[tuple[int, int], str] = {(avp["vendor"], avp["code"]): avp["name"] for avp in TABLE}
GROUPED = frozenset(avp["name"] for avp in TABLE if avp["type"] == "Grouped")

REQUEST, PROXIABLE, ERROR, RETRANSMITTED = 0x80, 0x40, 0x20, 0x10
VENDOR, MANDATORY = 0x80, 0x40


class Avp(NamedTuple):
    """One AVP; the name of an unknown one is its number."""

    name: str
    is_mandatory: bool
    octets: bytes
    is_known: bool

    @property
    def number(self) -> int:
        """Its value as an unsigned number of any size."""
        return int.from_bytes(self.octets, "big")

    @property
    def text(self) -> str:
        """Its value as text."""
        return self.octets.decode()

    @property
    def members(self) -> "Avps":
        """What is in a group."""
        assert self.name in GROUPED, f"{self.name} is no group"
        return Avps(read(self.octets))


class Avps(tuple[Avp, ...]):
    """AVPs in their order."""

    def all(self, name: str) -> list[Avp]:
        """Every AVP of that name."""
        return [avp for avp in self if avp.name == name]

    def one(self, name: str) -> Avp:
        """The only AVP of that name."""
        (found,) = self.all(name)
        return found

    def number(self, name: str) -> int | None:
        """The number the first AVP of that name holds; None where there is none."""
        found = self.all(name)
        return found[0].number if found else None

    def deep(self) -> Iterator[Avp]:
        """Every AVP at any depth; what a Failed-AVP quotes is left out."""
        for avp in self:
            yield avp
            if avp.name in GROUPED and avp.name != "Failed-AVP":
                yield from avp.members.deep()


def read(octets: bytes) -> Iterator[Avp]:
    """The AVPs of a message body or a group."""
    place = 0
    while place < len(octets):
        code, flags_length = unpack_from(">II", octets, place)
        flags, length = flags_length >> 24, flags_length & 0xFFFFFF
        head = 12 if flags & VENDOR else 8
        vendor = unpack_from(">I", octets, place + 8)[0] if flags & VENDOR else 0
        assert head <= length <= len(octets) - place, f"AVP {code} has a length of {length}"
        key = vendor, code
        value = octets[place + head : place + length]
        yield Avp(NAMES.get(key, f"{vendor}:{code}"), bool(flags & MANDATORY), value, key in NAMES)
        place += (length + 3) & ~3


class Packet:
    """A whole message."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        length, self.flags, self.command, self.application = (
            int.from_bytes(frame[1:4], "big"),
            frame[4],
            int.from_bytes(frame[5:8], "big"),
            int.from_bytes(frame[8:12], "big"),
        )
        self.hop_by_hop, self.end_to_end = unpack_from(">II", frame, 12)
        assert frame[0] == 1
        assert length == len(frame)

    @cached_property
    def avps(self) -> Avps:
        """The AVPs of the message itself."""
        return Avps(read(self.frame[20:]))

    @property
    def is_request(self) -> bool:
        """Whether the R flag is set."""
        return bool(self.flags & REQUEST)

    @property
    def kind(self) -> str:
        """I, U, T or E of a credit-control message."""
        return "?IUTE"[self.avps.number("CC-Request-Type") or 0]

    @property
    def result(self) -> int:
        """Result-Code."""
        return self.avps.one("Result-Code").number

    @property
    def session(self) -> str:
        """Session-Id."""
        return self.avps.one("Session-Id").text

    def __str__(self) -> str:
        name = {257: "CE", 272: "CC", 280: "DW", 282: "DP"}.get(self.command, str(self.command))
        kind = f"-{self.kind} {self.avps.number('CC-Request-Number')}" if self.command == 272 else ""
        return f"{name}{'R' if self.is_request else 'A'}{kind}"


def used_octets(request: Packet) -> int:
    """Octets a request reports: the total, or what went in and out."""
    amount = 0
    for service in request.avps.all("Multiple-Services-Credit-Control"):
        for unit in service.members.all("Used-Service-Unit"):
            total = unit.members.number("CC-Total-Octets")
            parts = unit.members.number("CC-Input-Octets"), unit.members.number("CC-Output-Octets")
            amount += sum(part or 0 for part in parts) if total is None else total
    return amount


def used_seconds(request: Packet) -> int:
    """Seconds a request reports."""
    return sum(
        unit.members.number("CC-Time") or 0
        for service in request.avps.all("Multiple-Services-Credit-Control")
        for unit in service.members.all("Used-Service-Unit")
    )
