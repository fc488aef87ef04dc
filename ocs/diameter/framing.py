"""Cutting a byte stream into messages by the length in their headers (RFC 6733 3)."""

from enum import Enum, auto

from ocs.diameter.codes import HEADER_OCTETS


class FramingFault(Enum):
    """Why a stream cannot be followed any further; Diameter has no resynchronisation."""

    TOO_SHORT = auto()  # a length below that of a header
    TOO_LONG = auto()
    UNALIGNED = auto()  # the last frame returned has a length that is no multiple of four


class Framer:
    """Collects octets until messages are whole. Lengths are judged before anything is kept for them."""

    def __init__(self, maximum_octets: int) -> None:
        self.fault: FramingFault | None = None
        self._maximum = maximum_octets
        self._buffer = bytearray()
        self._needed = 4

    @property
    def incomplete(self) -> bool:
        """Whether a message has begun and is not whole yet."""
        return bool(self._buffer)

    def take(self, data: bytes) -> list[bytes]:
        """The messages completed by `data`. After a fault nothing more is taken."""
        if self.fault is not None:
            return []
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        frames, position = self._cut(data)
        self._buffer += data[position:]
        return frames

    def _cut(self, data: bytes) -> tuple[list[bytes], int]:
        """The whole messages, and where what has to wait for more begins; nothing waits after a fault."""
        frames: list[bytes] = []
        position, size = 0, len(data)
        while size - position >= 4:
            length = int.from_bytes(data[position + 1 : position + 4], "big")
            if length < HEADER_OCTETS or length > self._maximum:
                self.fault = FramingFault.TOO_SHORT if length < HEADER_OCTETS else FramingFault.TOO_LONG
                return frames, size
            if size - position < length:
                self._needed = length
                return frames, position
            frames.append(data[position : position + length])
            position += length
            if length & 3:
                self.fault = FramingFault.UNALIGNED
                return frames, size
        self._needed = 4
        return frames, position
