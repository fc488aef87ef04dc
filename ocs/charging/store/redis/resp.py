"""The protocol of Redis, version 2 (RESP2): commands to octets, octets to replies. Pure."""

from typing import TypeAlias

Reply: TypeAlias = "int | bytes | list[Reply] | ReplyError | None"

LINE_LIMIT = 64 * 1024  # of a line that has not ended: a server that talks something else
DEPTH_LIMIT = 8
ELEMENTS_LIMIT = 10_000_000


class ReplyError(Exception):
    """The server refused a command; `code` is the first word it says."""

    @property
    def code(self) -> str:
        """What kind of refusal: `OOM`, `READONLY`, `ERR`, ..."""
        return str(self).partition(" ")[0]


class ProtocolError(Exception):
    """What came is not RESP2."""


class _Incomplete(Exception):
    """More octets are needed."""


def encode(parts: tuple[bytes | str | int, ...]) -> bytes:
    """A command as an array of bulk strings."""
    pieces = [b"*%d\r\n" % len(parts)]
    for part in parts:
        octets = part if isinstance(part, bytes) else str(part).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(octets), octets))
    return b"".join(pieces)


class Decoder:
    """Replies out of a stream of octets."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = 0  # octets without which trying again is for nothing

    def feed(self, octets: bytes) -> list[Reply]:
        """The replies that are complete now. Raises ProtocolError."""
        self._buffer += octets
        replies: list[Reply] = []
        at = 0
        if len(self._buffer) >= self._wanted:
            try:
                while at < len(self._buffer):
                    reply, at = self._reply(at, 0)
                    replies.append(reply)
                self._wanted = 0
            except _Incomplete as incomplete:
                self._wanted = incomplete.args[0] - at
        del self._buffer[:at]
        return replies

    def _line(self, at: int) -> tuple[bytes, int]:
        end = self._buffer.find(b"\r\n", at)
        if end < 0:
            if len(self._buffer) - at > LINE_LIMIT:
                raise ProtocolError("a line without an end")
            raise _Incomplete(len(self._buffer) + 1)
        return bytes(self._buffer[at:end]), end + 2

    def _reply(self, at: int, depth: int) -> tuple[Reply, int]:
        line, at = self._line(at)
        kind, text = line[:1], line[1:]
        if kind == b"$":
            return self._bulk(_number(text), at)
        if kind == b"*":
            return self._array(_number(text), at, depth)
        if kind == b":":
            return _number(text), at
        if kind == b"+":
            return text, at
        if kind == b"-":
            return ReplyError(text.decode("utf-8", "replace")), at
        raise ProtocolError(f"a reply begins with {line[:20]!r}")

    def _bulk(self, length: int, at: int) -> tuple[Reply, int]:
        if length < 0:
            return None, at
        end = at + length
        if len(self._buffer) < end + 2:
            raise _Incomplete(end + 2)
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolError("a bulk string does not end where it should")
        return bytes(self._buffer[at:end]), end + 2

    def _array(self, length: int, at: int, depth: int) -> tuple[Reply, int]:
        if length < 0:
            return None, at
        if depth >= DEPTH_LIMIT or length > ELEMENTS_LIMIT:
            raise ProtocolError("a reply that is too deep or too long")
        elements: list[Reply] = []
        for _ in range(length):
            element, at = self._reply(at, depth + 1)
            elements.append(element)
        return elements, at


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise ProtocolError(f"not a number: {text[:20]!r}") from None
