"""Conversations recorded from real clients: what they sent, in order, and where they waited for an answer."""

import json
from typing import NamedTuple

from tests.replay.wire import VECTORS, Packet


class Burst(NamedTuple):
    """What a client sent to one server node without waiting; the nodes are numbered from 1."""

    node: int
    packets: tuple[Packet, ...]


class Recording(NamedTuple):
    """One conversation."""

    name: str
    bursts: tuple[Burst, ...]

    def packets(self) -> list[Packet]:
        """Everything the client sent."""
        return [packet for burst in self.bursts for packet in burst.packets]

    def requests(self) -> list[Packet]:
        """Its Credit-Control-Requests, each once: a repeat says nothing new."""
        found = {
            (packet.session, packet.kind, packet.avps.number("CC-Request-Number")): packet
            for packet in reversed(self.packets())
            if packet.command == 272
        }
        return list(found.values())[::-1]


def _bursts(entries: list[tuple[int, bool, bytes]]) -> tuple[Burst, ...]:
    """Entries of node, from the client or not, and bytes; a CER always stands alone."""
    found: list[Burst] = []
    is_open = False
    for node, is_from_client, frame in entries:
        if not is_from_client:
            is_open = False
            continue
        packet = Packet(frame)
        if is_open and found[-1].node == node and packet.command != 257:
            found[-1] = Burst(node, (*found[-1].packets, packet))
        else:
            found.append(Burst(node, (packet,)))
        is_open = packet.command != 257
    return tuple(found)


def open5gs() -> list[Recording]:
    """The conversations of an Open5GS SMF; some of them went to two servers."""
    found = []
    for path in sorted((VECTORS / "open5gs").glob("*.json")):
        entries = [
            (entry.get("peer", 1), entry["dir"] == "c2s", bytes.fromhex(entry["hex"]))
            for entry in json.loads(path.read_text())
        ]
        found.append(Recording(path.stem, _bursts(entries)))
    return found


def from_files(prefix: str) -> Recording:
    """The conversation in files `PREFIX_NNN_{c2s,s2c}_NAME.bin`."""
    paths = sorted((VECTORS / "diameter").glob(f"{prefix}_*.bin"))
    return Recording(prefix, _bursts([(1, "_c2s_" in path.name, path.read_bytes()) for path in paths]))


def sample(name: str) -> Packet:
    """One of the constructed requests."""
    messages = json.loads((VECTORS / "gy" / "samples.json").read_text())["messages"]
    return next(Packet(bytes.fromhex(each["hex"])) for each in messages if each["name"] == name)
