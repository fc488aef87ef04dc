"""Cutting a byte stream into messages by the length in their headers (RFC 6733 3)."""

from enum import Enum, auto

from ocs.diameter.codes import HEADER_OCTETS


class FramingFault(Enum):
    """Why a stream cannot be followed any further; Diameter has no resynchronisation."""

    TOO_SHORT = auto()  # a length below that of a header
    TOO_LONG = auto()
    UNALIGNED = auto()  # the last frame returned has a length that is no multiple of four


class Framer:
    """Collects octets until messages are whole. Lengths are judged before anything is kept for them.

    A message longer than `maximum_octets` and not than `skipped_octets` is read past: `oversized` is what is there
    of it, the header at least, and `resume` goes on behind it.
    """

    def __init__(self, maximum_octets: int, skipped_octets: int = 0) -> None:
        self.fault: FramingFault | None = None
        self.oversized: bytes | None = None
        self._maximum = maximum_octets
        self._skipped = skipped_octets
        self._skip = 0  # octets of an oversized message that are still to come
        self._buffer = bytearray()
        self._needed = 4

    @property
    def incomplete(self) -> bool:
        """Whether a message has begun and is not whole yet."""
        return bool(self._buffer) or self._skip > 0

    def resume(self) -> list[bytes]:
        """The messages behind an oversized one, as far as they are there."""
        self.oversized = None
        data = bytes(self._buffer)
        self._buffer.clear()
        return self.take(data)

    def take(self, data: bytes) -> list[bytes]:
        """The messages completed by `data`. After a fault nothing more is taken."""
        if self.fault is not None:
            return []
        if self._skip:
            data, self._skip = data[self._skip :], max(self._skip - len(data), 0)
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
            if length > self._maximum and length <= self._skipped and not length & 3:
                return frames, self._pass_over(data, position, length)
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

    def _pass_over(self, data: bytes, position: int, length: int) -> int:
        """Note an oversized message as soon as its header is there; where what comes behind it begins."""
        if len(data) - position < HEADER_OCTETS:
            self._needed = HEADER_OCTETS
            return position
        end = min(position + length, len(data))
        self.oversized = data[position : min(end, position + self._maximum)]
        self._skip = position + length - end
        self._needed = 4
        return end
