"""Netstrings, the framing of Kamailio's evapi: decimal length, colon, octets, comma. Pure.

https://cr.yp.to/proto/netstrings.txt; evapi's parameter `netstring_format` is 1 by default.
"""

from typing import Final

LONGEST: Final = 16 * 1024 * 1024  # a dialog list of a busy proxy is long
_COLON: Final = 0x3A
_COMMA: Final = 0x2C
_BLANKS: Final = b" \t\r\n"


class NetstringError(ValueError):
    """What came is no netstring; where the next one begins cannot be known."""


def encode_netstring(payload: bytes) -> bytes:
    """One netstring, to be written in one piece: evapi loses a message whose length arrives in two."""
    return b"%d:%b," % (len(payload), payload)


class NetstringDecoder:
    """Takes the octets of a stream as they come and gives the payloads that are complete."""

    __slots__ = ("_buffer", "_digits_limit", "_limit")

    def __init__(self, limit: int = LONGEST) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._digits_limit = len(str(limit))

    @property
    def pending(self) -> int:
        """Octets of a netstring that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Every payload that `data` completes; NetstringError where there is none to be found any more."""
        buffer = self._buffer
        buffer += data
        found: list[bytes] = []
        start = 0
        while True:
            while start < len(buffer) and buffer[start] in _BLANKS:  # evapi may end messages with a line end
                start += 1
            colon = buffer.find(_COLON, start, start + self._digits_limit + 1)
            if colon < 0:
                self._check_digits(buffer[start : start + self._digits_limit + 1])
                break
            end = colon + 1 + self._length(buffer[start:colon])
            if end >= len(buffer):
                break
            if buffer[end] != _COMMA:
                raise NetstringError(f"no comma after {end - colon - 1} octets")
            found.append(bytes(buffer[colon + 1 : end]))
            start = end + 1
        del buffer[:start]
        return found

    def _length(self, digits: bytearray) -> int:
        self._check_digits(digits)
        if not digits:
            raise NetstringError("no length before the colon")
        length = int(digits)
        if length > self._limit:
            raise NetstringError(f"{length} octets are more than {self._limit}")
        return length

    def _check_digits(self, octets: bytearray) -> None:
        if len(octets) > self._digits_limit or (octets and not octets.isdigit()):
            raise NetstringError(f"no length: {bytes(octets[:20])!r}")
