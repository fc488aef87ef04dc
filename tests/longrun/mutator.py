"""Recorded credit-control requests with something wrong in them, by one seed. Pure.

A request is taken apart into its tree of AVPs, one to three things are done to it (lengths, flags, codes, nesting,
duplicates, deletions, swaps, sizes, header fields, numbers at their limits), and it is put together again. The
length in the header is always right: a frame whose end cannot be found is `torn`, which is another matter.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path

from bench.load import wire

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
LARGEST_FRAME = 60_000  # octets, below the server's limit of 64 KiB
LIMITS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
LIMITS_64 = (*LIMITS, 2**63 - 1, 2**63, 2**64 - 1)
CODES = (1, 55, 257, 258, 263, 264, 268, 277, 278, 279, 280, 284, 296, 415, 416, 420, 421, 431, 432, 437)
MORE_CODES = (439, 443, 444, 446, 450, 455, 456, 461, 493, 868, 872, 873, 874, 876, 99_999, 0, 2**32 - 1)
TEXTS = (b"", b"\0", b"\xff\xfe", b"\xc3", b"x" * 300, b"%s%n", b"../../x", b"1" * 40, "٣".encode())
Children = list["Node"]


class Node:
    """One AVP; `value` is its data, or the AVPs of a group; `length` is a lie about it."""

    __slots__ = ("code", "flags", "length", "value", "vendor")

    def __init__(self, code: int, flags: int, vendor: int, value: "bytes | Children") -> None:
        self.code = code
        self.flags = flags
        self.vendor = vendor
        self.value = value
        self.length: int | None = None

    def encoded(self) -> bytes:
        """The octets, padded by what is really there."""
        value = self.value
        data = value if isinstance(value, bytes) else b"".join([child.encoded() for child in value])
        if self.flags & wire.VENDOR:
            data = self.vendor.to_bytes(4, "big") + data
        length = len(data) + 8 if self.length is None else self.length
        head = self.code.to_bytes(4, "big") + bytes([self.flags]) + (length & 0xFFFFFF).to_bytes(3, "big")
        return head + data + bytes(-len(data) % 4)

    def copy(self) -> "Node":
        """Another of the same kind."""
        value = self.value
        again = Node(
            self.code,
            self.flags,
            self.vendor,
            value if isinstance(value, bytes) else [each.copy() for each in value],
        )
        again.length = self.length
        return again


def tree(data: bytes) -> Children:
    """The AVPs of a body; data that reads as AVPs to its last octet is taken for a group."""
    nodes = []
    for code, flags, vendor, value in wire.members(data):
        inner: bytes | Children = value
        if len(value) >= 8 and value[:2] == b"\0\0" and not value[4] & 0x1F:
            try:
                inner = tree(value)
            except wire.WireError:
                inner = value
        nodes.append(Node(code, flags, vendor, inner))
    return nodes


def recorded_requests() -> list[bytes]:
    """Every CCR of the recordings, each once."""
    frames = [path.read_bytes() for path in sorted((VECTORS / "diameter").glob("*_c2s_CCR*.bin"))]
    samples = json.loads((VECTORS / "gy" / "samples.json").read_text(encoding="utf-8"))
    frames += [bytes.fromhex(entry["hex"]) for entry in samples["messages"]]
    for path in sorted((VECTORS / "open5gs").glob("*.json")):
        conversation = json.loads(path.read_text(encoding="utf-8"))
        frames += [
            bytes.fromhex(entry["hex"])
            for entry in conversation
            if entry["dir"] == "c2s" and entry["name"].startswith("CCR")
        ]
    return list(dict.fromkeys(frames))


class Mutator:
    """An endless, repeatable supply of broken requests."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._samples = recorded_requests()
        self._changes: tuple[Callable[[Children], None], ...] = (
            self._length,
            self._flags,
            self._code,
            self._vendor,
            self._wrap,
            self._flatten,
            self._duplicate,
            self._delete,
            self._swap,
            self._resize,
            self._number,
            self._number,
            self._text,
            self._octet,
        )

    def frame(self) -> bytearray:
        """One broken request, its end where its header says."""
        chance = self._random
        frame = chance.choice(self._samples)
        header, nodes = bytearray(frame[: wire.HEADER_OCTETS]), tree(frame[wire.HEADER_OCTETS :])
        for _ in range(chance.randint(1, 3)):
            if chance.random() < 0.04:
                self._header(header)
            else:
                chance.choice(self._changes)(self._somewhere(nodes))
        body = b"".join([node.encoded() for node in nodes])[: LARGEST_FRAME // 4 * 4]
        header[1:4] = (wire.HEADER_OCTETS + len(body)).to_bytes(3, "big")
        header[16:20] = chance.getrandbits(32).to_bytes(4, "big")
        return header + body

    def torn(self) -> bytes:
        """A request whose header is wrong about its length, or that ends too early."""
        frame = self.frame()
        if self._random.random() < 0.5:
            length = self._random.choice((0, 1, 19, 20, len(frame) - 1, len(frame) + 1, 0xFFFFFF, 65_537))
            frame[1:4] = length.to_bytes(3, "big")
            return bytes(frame)
        return bytes(frame[: self._random.randrange(1, len(frame))])

    def _somewhere(self, nodes: Children) -> Children:
        """The members of the message, or of a group at any depth."""
        while True:
            groups = [node.value for node in nodes if not isinstance(node.value, bytes) and node.value]
            if not groups or self._random.random() < 0.4:
                return nodes
            nodes = self._random.choice(groups)

    def _one(self, nodes: Children) -> Node:
        if not nodes:
            nodes.append(Node(self._random.choice(CODES), wire.MANDATORY, 0, b"\0\0\0\1"))
        return self._random.choice(nodes)

    def _length(self, nodes: Children) -> None:
        node = self._one(nodes)
        real = int.from_bytes(node.encoded()[5:8], "big")
        near = (real - 1, real + 1, real - 4, real + 4, real * 2)
        node.length = self._random.choice((0, 7, 8, 11, 12, 0xFFFFFF, self._random.randrange(4_000), *near))

    def _flags(self, nodes: Children) -> None:
        self._one(nodes).flags = self._random.randrange(256)

    def _code(self, nodes: Children) -> None:
        code = self._random.choice((*CODES, *MORE_CODES, self._random.getrandbits(32)))
        self._one(nodes).code = code

    def _vendor(self, nodes: Children) -> None:
        node = self._one(nodes)
        node.flags ^= wire.VENDOR if self._random.random() < 0.5 else 0
        node.vendor = self._random.choice((0, 10_415, 12_645, self._random.getrandbits(32)))

    def _wrap(self, nodes: Children) -> None:
        """Nest one AVP in groups of its own code, now and then very deep."""
        node = self._one(nodes)
        place = nodes.index(node)
        for _ in range(self._random.choice((1, 1, 2, 5, 17, 200))):
            node = Node(node.code, node.flags, node.vendor, [node])
        nodes[place] = node

    def _flatten(self, nodes: Children) -> None:
        """Put the members of a group in its place."""
        node = self._one(nodes)
        if not isinstance(node.value, bytes):
            place = nodes.index(node)
            nodes[place : place + 1] = node.value

    def _duplicate(self, nodes: Children) -> None:
        node, place = self._one(nodes), self._random.randrange(len(nodes) + 1)
        count = self._random.choice((1, 1, 1, 2, 9, 70))
        nodes[place:place] = [node.copy() for _ in range(count)]

    def _delete(self, nodes: Children) -> None:
        nodes.remove(self._one(nodes))

    def _swap(self, nodes: Children) -> None:
        if len(nodes) > 1:
            first, second = self._random.sample(range(len(nodes)), 2)
            nodes[first], nodes[second] = nodes[second], nodes[first]

    def _resize(self, nodes: Children) -> None:
        node = self._one(nodes)
        data = node.encoded()[8:]
        size = self._random.choice((0, 1, 3, 4, 5, 7, 8, 9, 12, 100, 5_000, 40_000))
        node.value = (data + bytes(size))[:size]

    def _number(self, nodes: Children) -> None:
        numbers = [node for node in nodes if isinstance(node.value, bytes) and len(node.value) in (4, 8)]
        if numbers:
            node = self._random.choice(numbers)
            size = len(node.value)
            value = self._random.choice(LIMITS if size == 4 else LIMITS_64)
            node.value = value.to_bytes(size, "big")

    def _text(self, nodes: Children) -> None:
        self._one(nodes).value = self._random.choice(TEXTS)

    def _octet(self, nodes: Children) -> None:
        node = self._one(nodes)
        if isinstance(node.value, bytes) and node.value:
            data = bytearray(node.value)
            data[self._random.randrange(len(data))] = self._random.randrange(256)
            node.value = bytes(data)

    def _header(self, header: bytearray) -> None:
        chance = self._random
        match chance.randrange(4):
            case 0:
                header[0] = chance.randrange(256)
            case 1:
                header[4] = chance.randrange(256)
            case 2:
                command = chance.choice((wire.CER, wire.DWR, wire.DPR, 258, 271, 274, 275, 0, 0xFFFFFF))
                header[5:8] = command.to_bytes(3, "big")
            case _:
                header[8:12] = chance.choice((0, 1, 3, 5, 16_777_238, 0xFFFFFFFF)).to_bytes(4, "big")
