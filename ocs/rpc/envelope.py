"""JSON-RPC envelopes: octets of a stream to requests, results to octets. Pure.

JSON-RPC 1.0 as Go's net/rpc speaks it (`params` is an array of one object, an error is a plain text), and
JSON-RPC 2.0 (https://www.jsonrpc.org/specification) for a request that says `"jsonrpc": "2.0"`. Messages stand on
the stream one after the other, with or without white space between; an answer ends with a newline.
"""

import re
from decimal import Decimal

import msgspec
from msgspec import UNSET

from ocs.rpc.errors import INVALID_REQUEST, PARSE_ERROR, RpcError
from ocs.rpc.messages import (
    Answer,
    Call,
    Call2,
    EnvelopeLimits,
    Error,
    ErrorBody,
    Incoming,
    Message,
    Reply,
    Request,
    Result,
)

VERSION = "2.0"
# What lies between two brackets: anything but brackets and quotation marks, and whole strings. There is one way
# to match them; possessive repeats would say so more shortly, but go wrong in Python before 3.11.5.
_BETWEEN = re.compile(rb'[^{}\[\]"]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^{}\[\]"]*)*', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*")
_QUOTE = 0x22
_skimmer = msgspec.json.Decoder(msgspec.Raw)  # sees whether JSON is well formed, and makes nothing of it
_incoming = msgspec.json.Decoder(Incoming, float_hook=Decimal)
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")  # an id that is a decimal is echoed as it came
_NOT_READ = (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError, ArithmeticError)
_OPENING = b"{["
_BLANKS = b" \t\r"


class Framer:
    """Cuts a stream into messages, looking at every octet once.

    A message ends where its brackets do; whether it is JSON is not asked here. `failure` says why a stream cannot
    be cut any further; what comes after is ignored.
    """

    def __init__(self, limits: EnvelopeLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._start = 0  # of the message under way
        self._position = 0  # how far it has been looked at
        self._depth = 0
        self._objects = 0
        self._in_string = False
        self.failure: RpcError | None = None

    @property
    def is_mid_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._depth > 0

    @property
    def buffered_octets(self) -> int:
        """How much of a message is there."""
        return len(self._buffer)

    def receive(self, data: bytes) -> list[bytes]:
        """Take octets; return the messages they complete."""
        return [frame for frame in self._received(data, reads=False) if isinstance(frame, bytes)]

    def read(self, data: bytes) -> list[bytes | Request]:
        """The same, but what is a plain request comes as one: the parser goes over it once and not twice."""
        return self._received(data, reads=True)

    def _received(self, data: bytes, *, reads: bool) -> list[bytes | Request]:
        frames: list[bytes | Request] = []
        if not self._buffer and self.failure is None:
            data = self._whole(data, frames, reads)
            if not data:
                return frames
        self._buffer += data
        while self.failure is None:
            frame = self._next()
            if frame is None:
                break
            frames.append(frame)
        if self.failure is not None:
            self._buffer.clear()
            self._start = self._position = self._depth = 0
        elif self._start:
            del self._buffer[: self._start]
            self._position -= self._start
            self._start = 0
        return frames

    def _whole(self, data: bytes, frames: list[bytes | Request], reads: bool) -> bytes:
        """Take the lines at the beginning that are whole messages, and return the rest.

        This is a short cut for what clients send nearly always. A line that is JSON as a whole is one message, and
        with no more brackets than may nest it is within the limits; the parser is faster than counting.
        """
        limits = self._limits
        position, length = 0, len(data)
        while position < length:
            end = data.find(b"\n", position)
            if end < 0:
                end = length
            line = data[position:end].strip(_BLANKS)
            if line:
                if line[0] not in _OPENING or len(line) > limits.message_octets:
                    break
                if len(line) - len(line.translate(None, _OPENING)) > limits.depth:
                    break
                request = _plain_request(line) if reads else None
                if request is not None:
                    frames.append(request)
                elif _is_json(line):
                    frames.append(line)
                else:
                    break
            position = end + 1
        return data[position:]

    def _next(self) -> bytes | None:
        if not self._depth and not self._begin():
            return None
        end = self._to_end()
        length = (len(self._buffer) if end is None else end) - self._start
        if self.failure is None and length > self._limits.message_octets:
            self._fail(f"a message is longer than {self._limits.message_octets} octets")
        if end is None or self.failure is not None:
            return None
        frame = bytes(self._buffer[self._start : end])
        self._start = end
        return frame

    def _begin(self) -> bool:
        """Go over white space; False where no message begins."""
        self._start = self._position = _end(_SPACE, self._buffer, self._position)
        if self._start == len(self._buffer):
            return False
        if self._buffer[self._start] not in _OPENING:
            self._fail("a message begins with { or [")
            return False
        self._objects = 0
        return True

    def _to_end(self) -> int | None:
        """Go on to the end of the message; None where it is not there yet."""
        buffer, position, depth = self._buffer, self._position, self._depth
        end = len(buffer)
        while True:
            if self._in_string:
                position = _end(_IN_STRING, buffer, position)
                if position == end or buffer[position] != _QUOTE:
                    break
                position += 1
                self._in_string = False
            position = _end(_BETWEEN, buffer, position)
            if position == end:
                break
            octet = buffer[position]
            position += 1
            if octet == _QUOTE:
                self._in_string = True
            elif octet in _OPENING:
                depth += 1
                self._objects += 1
                if depth > self._limits.depth:
                    self._fail(f"brackets nest deeper than {self._limits.depth}")
                    return None
                if self._objects > self._limits.objects:
                    self._fail(f"a message has more than {self._limits.objects} objects and arrays")
                    return None
            else:
                depth -= 1
                if not depth:
                    self._position, self._depth = position, 0
                    return position
        self._position, self._depth = position, depth
        return None

    def _fail(self, text: str) -> None:
        self.failure = RpcError(text, PARSE_ERROR)


def _end(pattern: re.Pattern[bytes], buffer: bytearray, position: int) -> int:
    """Where a pattern that fits everywhere stops to fit."""
    found = pattern.match(buffer, position)
    assert found is not None, "the pattern may be empty"
    return found.end()


def _is_json(line: bytes) -> bool:
    try:
        _skimmer.decode(line)
    except _NOT_READ:
        return False
    return True


def _plain_request(frame: bytes) -> Request | None:
    """A request with the one object of its parameters in an array, as clients send them; None for all else."""
    try:
        found = _incoming.decode(frame)
    except _NOT_READ:
        return None
    params = found.params
    if not found.method or type(params) is not list or not params:
        return None
    name = None if found.id is UNSET else found.id
    if found.jsonrpc is None:
        return Request(found.method, params[0], name)
    if found.jsonrpc == VERSION and len(params) == 1:
        return Request(found.method, params[0], name, True, found.id is UNSET)
    return None


def decode(frame: bytes, limits: EnvelopeLimits) -> Message:
    """The requests of a frame; what is wrong with one becomes its `failure`."""
    request = _plain_request(frame)
    return _decode_slowly(frame, limits) if request is None else Message((request,))


def decode_either(frame: bytes, limits: EnvelopeLimits) -> Message | Reply:
    """What comes on a connection where both ends ask: without a method it is a reply."""
    try:
        found = _incoming.decode(frame)
    except _NOT_READ:
        return _decode_slowly(frame, limits)
    if found.method or (found.result is UNSET and found.error is UNSET):
        return decode(frame, limits)
    name = None if found.id is UNSET else found.id
    error = None if found.error is UNSET or found.error is None else _text_of(found.error)
    return Reply(name, None if found.result is UNSET else found.result, error)


def _text_of(error: object) -> str:
    """The text of an error of 1.0 or 2.0."""
    if isinstance(error, dict):
        error = error.get("message", "error without a message")
    return str(error)[:1_024]


def _decode_slowly(frame: bytes, limits: EnvelopeLimits) -> Message:
    try:
        value = _decoder.decode(frame)
    except _NOT_READ as error:
        return _failed(RpcError(f"not JSON: {error}", PARSE_ERROR))
    if not isinstance(value, list):
        return Message((_request(value),))
    if not value:
        return _failed(RpcError("a batch is not empty", INVALID_REQUEST), is_v2=True)
    if len(value) > limits.batch:
        text = f"a batch has at most {limits.batch} requests"
        return _failed(RpcError(text, INVALID_REQUEST), is_v2=True)
    return Message(tuple([_request(item, is_v2=True) for item in value]), is_batch=True)


def _failed(failure: RpcError, is_v2: bool = False) -> Message:
    return Message((Request("", None, None, is_v2, failure=failure),))


def _request(value: object, is_v2: bool = False) -> Request:
    if not isinstance(value, dict):
        failure = RpcError("a request is an object", INVALID_REQUEST)
        return Request("", None, None, is_v2, failure=failure)
    if "method" not in value:  # members may be in any case, as Go reads them
        value = {name.casefold(): item for name, item in value.items()}
    is_v2 = is_v2 or value.get("jsonrpc") == VERSION
    method, name = value.get("method"), value.get("id")
    if isinstance(name, (dict, list, bool)):
        failure = RpcError("id: is a text, a number or null", INVALID_REQUEST)
        return Request("", None, None, is_v2, failure=failure)
    if not isinstance(method, str) or not method:
        failure = RpcError("method: is the name of a method, such as OcsV1.Status", INVALID_REQUEST)
        return Request("", None, name, is_v2, failure=failure)
    try:
        params = _params(value.get("params"), is_v2)
    except RpcError as error:
        return Request(method, None, name, is_v2, failure=error)
    return Request(method, params, name, is_v2, is_notification=is_v2 and "id" not in value)


def _params(value: object, is_v2: bool) -> object:
    """The one object of the parameters: element 0 of an array, or in 2.0 also the object itself.

    In 1.0 what stands behind element 0 is not looked at, as Go's net/rpc does not.
    """
    if isinstance(value, list):
        if len(value) > 1 and is_v2:
            raise RpcError("params: has more than one element", INVALID_REQUEST)
        return value[0] if value else None
    if not is_v2:
        raise RpcError("jsonrpc: request body missing params", INVALID_REQUEST)
    if value is not None and not isinstance(value, dict):
        raise RpcError("params: is an object or an array of one", INVALID_REQUEST)
    return value


def encode_request(method: str, params: object, name: int, is_v2: bool = False) -> bytes:
    """A request of ours; OpenSIPS wants exactly one element in `params`, in either version."""
    return encode(Call2(VERSION, method, (params,), name) if is_v2 else Call(method, (params,), name))


def encode_result(request: Request, result: object) -> bytes:
    """The answer with what a method returned."""
    if request.is_v2:
        return encode(Result(VERSION, request.id, result))
    return encode(Answer(request.id, result, None))


def encode_error(request: Request, error: RpcError) -> bytes:
    """The answer of a request that failed."""
    if request.is_v2:
        return encode(Error(VERSION, request.id, ErrorBody(error.code, error.text)))
    return encode(Answer(request.id, None, error.text))


def encode_batch(answers: list[bytes]) -> bytes:
    """One answer of the answers to the requests of a batch."""
    return b"[" + b",".join(answers) + b"]"


def encode(value: object) -> bytes:
    """JSON of any result. Texts that came as octets which are no UTF-8 keep them as escapes."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_printable(msgspec.to_builtins(value)))


def _printable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        case dict():
            return {_printable(name): _printable(item) for name, item in value.items()}
        case list() | tuple():
            return [_printable(item) for item in value]
        case _:
            return value
