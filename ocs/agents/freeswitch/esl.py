"""Event Socket wire: bytes to frames, frames to events and replies, commands to bytes. Pure.

A frame is a block of `Name: value` lines, an empty line, and as many octets of body as its Content-Length says.
The body of an api/response need not end in a line end, so a frame may begin anywhere in a line. Values of plain
events are percent-encoded (a "+" stays a plus sign), those of JSON events are as they are.
Source: mod_event_socket's documentation, and streams recorded from FreeSWITCH 1.11.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

HEADER_LIMIT = 64 * 1024  # octets of the lines before a body
BODY_LIMIT = 32 * 1024 * 1024  # `show channels` of a busy switch has some 600 octets a call
LINE_ENDS = b"\r\n"
ARRAY = "ARRAY::"
ARRAY_SEPARATOR = "|:"

AUTH_REQUEST = "auth/request"
COMMAND_REPLY = "command/reply"
API_RESPONSE = "api/response"
EVENT_PLAIN = "text/event-plain"
EVENT_JSON = "text/event-json"
DISCONNECT_NOTICE = "text/disconnect-notice"
RUDE_REJECTION = "text/rude-rejection"


class WireError(Exception):
    """What came is no Event Socket frame, or is larger than any should be; the connection is of no more use."""


class CommandError(ValueError):
    """A command that would be more than one line: it is not sent."""


class Frame(msgspec.Struct, frozen=True):
    """One frame: its headers as text, its body as it came."""

    headers: dict[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """What kind of frame this is."""
        return self.headers.get("Content-Type", "")


class Reply(msgspec.Struct, frozen=True):
    """What the switch said to a command; `text` is without the line end."""

    text: str

    @property
    def is_ok(self) -> bool:
        """Every refusal begins with a minus: -ERR, -USAGE, -ERROR."""
        return not self.text.startswith("-")

    @property
    def is_unknown_channel(self) -> bool:
        """Whether the switch has no such call (any more)."""
        return self.text.startswith("-") and "no such channel" in self.text.lower()


class SwitchEvent:
    """The fields of an event by name; plain values are decoded when they are asked for."""

    __slots__ = ("_fields", "_is_encoded", "body")

    def __init__(
        self, fields: Mapping[str, str | list[str]], is_encoded: bool = False, body: str = ""
    ) -> None:
        self._fields = fields
        self._is_encoded = is_encoded
        self.body = body

    def get(self, name: str) -> str:
        """A field's value, "" where there is none."""
        value = self._fields.get(name, "")
        if isinstance(value, list):
            return _joined(value)
        return unquote(value) if self._is_encoded and "%" in value else value

    def variable(self, name: str) -> str:
        """The value of a channel variable."""
        return self.get(f"variable_{name}")

    def number(self, name: str) -> int:
        """A whole number that is not negative; 0 where there is none."""
        value = self.get(name)
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else 0

    @property
    def name(self) -> str:
        """Event-Name, which is never encoded."""
        return self.get("Event-Name")

    def __len__(self) -> int:
        return len(self._fields)


class FrameReader:
    """Cuts a stream of bytes into frames, however it was split on the way."""

    def __init__(self, body_limit: int = BODY_LIMIT) -> None:
        self._buffer = bytearray()
        self._headers: dict[str, str] | None = None  # of the frame whose body is awaited
        self._needed = 0
        self._searched = 0  # up to here no end of headers was found
        self._body_limit = body_limit

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with `data`; raises WireError, after which nothing more can be read."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    @property
    def pending(self) -> int:
        """Octets of a frame that is not complete."""
        return len(self._buffer) + (1 if self._headers is not None else 0)

    def _next(self) -> Frame | None:
        buffer = self._buffer
        if self._headers is None and not self._read_headers():
            return None
        if len(buffer) < self._needed:
            return None
        headers, self._headers = self._headers, None
        body = bytes(buffer[: self._needed])
        del buffer[: self._needed]
        assert headers is not None, "a body is read after its headers"
        return Frame(headers, body)

    def _read_headers(self) -> bool:
        buffer = self._buffer
        surplus = 0
        while surplus < len(buffer) and buffer[surplus] in LINE_ENDS:
            surplus += 1
        if surplus:
            del buffer[:surplus]
            self._searched = 0
        end = buffer.find(b"\n\n", max(0, self._searched - 1))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > HEADER_LIMIT:
                raise WireError("headers without an end")
            return False
        if end > HEADER_LIMIT:
            raise WireError("headers too long")
        headers = _headers(bytes(buffer[:end]).decode("utf-8", "replace"))
        del buffer[: end + 2]
        self._searched = 0
        self._needed = _length(headers, self._body_limit)
        self._headers = headers
        return True


def _headers(block: str) -> dict[str, str]:
    headers = {}
    for line in block.split("\n"):
        name, colon, value = line.partition(":")
        if not colon:
            raise WireError(f"no header: {line[:40]!r}")
        headers[name.strip()] = value.strip()
    return headers


def _length(headers: dict[str, str], limit: int) -> int:
    text = headers.get("Content-Length", "0")
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise WireError(f"no length: {text[:40]!r}")
    length = int(text)
    if length > limit:
        raise WireError(f"a body of {length} octets")
    return length


def reply_of(frame: Frame) -> Reply:
    """The answer to a command: Reply-Text of a command/reply, the body of an api/response."""
    if frame.content_type == API_RESPONSE:
        return Reply(frame.body.decode("utf-8", "replace").strip("\r\n"))
    return Reply(frame.headers.get("Reply-Text", ""))


def event_of(frame: Frame) -> SwitchEvent:
    """The event in a frame; raises WireError where its body is none."""
    return json_event(frame.body) if frame.content_type == EVENT_JSON else plain_event(frame.body)


def plain_event(data: bytes) -> SwitchEvent:
    """An event of `event plain`, or what uuid_dump prints; what follows the empty line is its body."""
    head, _, body = data.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, str | list[str]] = {}
    for line in head.split("\n"):
        name, colon, value = line.partition(": ")
        if colon:
            fields[name] = value
    return SwitchEvent(fields, True, body)


_json = msgspec.json.Decoder(dict[str, str | list[str]])


def json_event(data: bytes) -> SwitchEvent:
    """An event of `event json`; a list becomes the text that plain events have for it."""
    try:
        read = _json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        read = _repaired(data)
    body = read.pop("_body", "")
    return SwitchEvent(read, False, body if isinstance(body, str) else _joined(body))


def _repaired(data: bytes) -> dict[str, str | list[str]]:
    """Callers choose their names: octets that are no UTF-8 are replaced, not the whole event lost."""
    try:
        return _json.decode(data.decode("utf-8", "replace"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no event: {error}") from error


def _joined(values: list[str]) -> str:
    return ARRAY + ARRAY_SEPARATOR.join(values)


def encode_command(text: str, **headers: str) -> bytes:
    """A command with its headers; CommandError where a line end would make another command of its rest."""
    lines = [text, *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if any(character in line for line in lines for character in "\r\n\0"):
        raise CommandError("a command is one line")
    return "\n".join((*lines, "", "")).encode("utf-8", "replace")
