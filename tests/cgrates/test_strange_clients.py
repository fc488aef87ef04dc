"""What no client should send, to a server process: it gets an answer or its end, and a neighbour is served."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, NamedTuple

import pytest

from tests.cgrates.test_process import Connection, engine
from tests.support.ports import free_ports

PATIENCE_S = 20
PING = b'{"method":"SessionSv1.Ping","params":[{}],"id":1}'
PONG = {"id": 1, "result": "Pong", "error": None}
PING_2 = b'{"jsonrpc":"2.0","method":"SessionSv1.Ping","params":[{}],"id":1}'
PONG_2 = {"jsonrpc": "2.0", "id": 1, "result": "Pong"}
BACKGROUND = b'{"jsonrpc":"2.0","method":"SessionSv1.Ping","params":[{}]}'
BEGINS = "a message begins with { or ["


def sessions_of(name: bytes) -> bytes:
    filters = b'{"Filters":["*string:~*req.Account:' + name + b'"]}'
    return b'{"method":"SessionSv1.GetActiveSessions","params":[' + filters + b'],"id":1}'


def topup(value: bytes) -> bytes:
    params = b'{"Account":"h","BalanceType":"*monetary","Value":' + value + b"}"
    return b'{"method":"APIerSv1.AddBalance","params":[' + params + b'],"id":1}'


def refused(error: str, number: int | None = None) -> dict[str, Any]:
    return {"id": number, "result": None, "error": error}


class Sent(NamedTuple):
    """What a client sends, and what it gets, None for an error in words of its own.

    `ends`: the server ends the connection then; `one_way`: not for the port on which the server asks as well.
    """

    octets: bytes
    answers: tuple[object, ...]
    ends: bool = False
    one_way: bool = False


NO_NUMBER = "json: cannot unmarshal {} into Go struct field Value of type float64"
NO_REQUEST = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "a request is an object"}}
ROWS = {
    "interleaved": Sent(PING + b"\r\n \t" + sessions_of(b"no") + PING, (PONG, refused("NOT_FOUND", 1), PONG)),
    "one after the other without end": Sent(PING * 500, (PONG,) * 500),
    "no object": Sent(b'"hello"', (refused(BEGINS),), ends=True),
    "HTTP": Sent(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", (refused(BEGINS),), ends=True),
    "TLS": Sent(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (refused(BEGINS),), ends=True),
    "byte order mark": Sent(b"\xef\xbb\xbf" + PING, (refused(BEGINS),), ends=True),
    "UTF-16": Sent(PING.decode().encode("utf-16"), (refused(BEGINS),), ends=True),
    "nested": Sent(b'{"params":' + b"[" * 100_000, (refused("brackets nest deeper than 64"),), ends=True),
    "oversized": Sent(
        b'{"method":"' + b"x" * (16 << 20) + b'"}',
        (refused("a message is longer than 16777216 octets"),),
        ends=True,
    ),
    "empty batch": Sent(
        b"[]" + PING,
        ({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "a batch is not empty"}}, PONG),
    ),
    "mixed batch": Sent(b"[" + PING_2 + b"," + BACKGROUND + b",1]", ([PONG_2, NO_REQUEST],)),
    "batch of notifications": Sent(b"[" + BACKGROUND + b"," + BACKGROUND + b"]" + PING, (PONG,)),
    "notification": Sent(BACKGROUND + PING_2, (PONG_2,)),
    "members twice": Sent(
        b'{"method":"No.Way","id":9,"method":"SessionSv1.Ping","params":[{}],"id":1}', (PONG,)
    ),
    "members twice inside": Sent(
        b'{"method":"SessionSv1.GetActiveSessions","params":[{"Tenant":"a","tenant":"b"}],"id":1}',
        (refused("NOT_FOUND", 1),),
    ),
    "pair of surrogates": Sent(sessions_of(b"\\ud83d\\ude00"), (refused("NOT_FOUND", 1),)),
    "half a pair": Sent(sessions_of(b"\\ud83d") + PING, (None, PONG)),
    "no UTF-8": Sent(sessions_of(b"\xff\xfe") + PING, (None, PONG)),
    "number beyond doubles": Sent(topup(b"1e400"), (refused(NO_NUMBER.format("number"), 1),), one_way=True),
    "number beyond money": Sent(topup(b"1e300"), (refused(NO_NUMBER.format("number"), 1),), one_way=True),
    "number of 5000 digits": Sent(topup(b"1" + b"0" * 5000) + PING, (None, PONG)),
    "NaN": Sent(topup(b"NaN") + PING, (None, PONG)),
    "NaN as text": Sent(topup(b'"NaN"'), (refused(NO_NUMBER.format("string"), 1),), one_way=True),
    "infinity": Sent(topup(b"-Infinity") + PING, (None, PONG)),
    "comma at the end": Sent(b'{"method":"SessionSv1.Ping","params":[{}],"id":1,}' + PING, (None, PONG)),
    "no method": Sent(b"{}", (None,), one_way=True),
    "no service": Sent(
        b'{"method":"Ping","params":[{}],"id":1}',
        (refused("rpc: service/method request ill-formed: Ping", 1),),
        one_way=True,
    ),
}


class Ports(NamedTuple):
    """Where a server listens, and a neighbour's connection to it."""

    jsonrpc: int
    bidirectional: int
    http: int
    neighbour: Connection


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """A server process with all three listeners."""
    plain, both_ways, http = free_ports(3)
    listen = {"birpc_json": f"127.0.0.1:{both_ways}", "http": f"127.0.0.1:{http}"}
    folder = tmp_path_factory.mktemp("server")
    with engine(folder, plain, more={"listen": listen}), closing(Connection(plain)) as neighbour:
        yield Ports(plain, both_ways, http, neighbour)


LISTENED = [
    (listener, name)
    for listener in ("jsonrpc", "bidirectional")
    for name, sent in ROWS.items()
    if listener == "jsonrpc" or not sent.one_way
]


@contextmanager
def connected(port: int) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """A connection, and what comes over it."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client, client.makefile("rb") as lines:
        yield client, lines


@pytest.mark.parametrize(("listener", "name"), LISTENED)
def test_odd_octets_are_answered_or_ended_beside_a_neighbour(ports: Ports, listener: str, name: str) -> None:
    sent = ROWS[name]
    with connected(getattr(ports, listener)) as (client, lines):
        client.sendall(sent.octets)
        for wanted in sent.answers:
            found = json.loads(lines.readline())
            if wanted is None:
                assert (found["id"], found["result"], bool(found["error"])) == (None, None, True)
            else:
                assert found == wanted
        if sent.ends:
            assert ended(client)
        else:
            client.sendall(PING)
            assert json.loads(lines.readline()) == PONG
        assert ports.neighbour.call("SessionSv1.Ping", {}) == "Pong"


def ended(client: socket.socket) -> bool:
    """Whether the server ends a connection, be it that it throws away what it did not read."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_sends_octet_by_octet_is_answered(ports: Ports) -> None:
    with connected(ports.jsonrpc) as (client, lines):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, octet in enumerate(PING):
            client.sendall(bytes((octet,)))
            if number % 10 == 0:
                assert ports.neighbour.call("SessionSv1.Ping", {}) == "Pong"
        assert json.loads(lines.readline()) == PONG


def test_a_client_that_sends_no_more_gets_what_it_asked_for(ports: Ports) -> None:
    with connected(ports.jsonrpc) as (client, lines):
        client.sendall(b'{"method":"CoreSv1.Sleep","params":[{"Duration":"50ms"}],"id":1}')
        client.shutdown(socket.SHUT_WR)
        assert json.loads(lines.readline()) == {"id": 1, "result": "OK", "error": None}
        assert lines.readline() == b""
    assert ports.neighbour.call("SessionSv1.Ping", {}) == "Pong"


HEAD = b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"Content-Length: %d\r\n\r\n%b"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
TYPE = b"Content-Type: application/json; charset="
POSTED = {
    "kept alive": ((HEAD + BODY % (len(PING), PING)) * 2, (200, PONG), (200, PONG)),
    "in pieces": (HEAD + CHUNKED % (PING[:5], len(PING) - 5, PING[5:]), (200, PONG)),
    "unknown charset": (HEAD + TYPE + b"klingon\r\n" + BODY % (len(PING), PING), (200, PONG)),
    "batch": (HEAD + BODY % (len(PING_2) + 2, b"[" + PING_2 + b"]"), (200, [PONG_2])),
    "notification": (HEAD + BODY % (len(BACKGROUND), BACKGROUND), (204, None)),
    "two messages": (HEAD + BODY % (2 * len(PING), 2 * PING), (400, None)),
    "byte order mark": (HEAD + BODY % (len(PING) + 3, b"\xef\xbb\xbf" + PING), (400, None)),
    "length below zero": (HEAD + b"Content-Length: -5\r\n\r\n", (400, None)),
    "two lengths": (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", (400, None)),
    "length and pieces": (HEAD + b"Content-Length: 5\r\n" + CHUNKED % (b"00000", 1, b"0"), (400, None)),
    "no post": (b"GET /jsonrpc HTTP/1.1\r\nHost: localhost\r\n\r\n", (405, None)),
}


@pytest.mark.parametrize("name", list(POSTED))
def test_odd_posts_are_answered_beside_a_neighbour(ports: Ports, name: str) -> None:
    octets, *wanted = POSTED[name]
    assert isinstance(octets, bytes)
    with connected(ports.http) as (client, lines):
        client.sendall(octets)
        for status, body in wanted:
            assert (found := replied(lines))[0] == status
            assert body is None or json.loads(found[1]) == body
    assert ports.neighbour.call("SessionSv1.Ping", {}) == "Pong"


def replied(lines: BinaryIO) -> tuple[int, bytes]:
    """Status and body of the next reply."""
    status = int(lines.readline().split()[1])
    length = 0
    while (line := lines.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, lines.read(length)


def framed(octets: bytes, code: int, *, is_last: bool = True) -> bytes:
    """A frame of a WebSocket, masked with nothing."""
    head = struct.pack(">BB", code | (0x80 if is_last else 0), 0x80 | len(octets))
    return head + bytes(4) + octets


def test_a_message_in_fragments_of_a_websocket_is_put_together(ports: Ports) -> None:
    text, go_on, ping, pong = 1, 0, 9, 0x8A
    upgrade = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    upgrade += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with connected(ports.http) as (client, lines):
        client.sendall(upgrade)
        assert replied(lines)[0] == 101
        for part in (
            framed(PING[:9], text, is_last=False),
            framed(b"there?", ping),
            framed(PING[9:20], go_on, is_last=False),
            framed(PING[20:], go_on),
        ):
            client.sendall(part)
            assert ports.neighbour.call("SessionSv1.Ping", {}) == "Pong"
        assert lines.read(8) == bytes((pong, 6)) + b"there?"
        assert lines.read(1)[0] == 0x80 | text
        assert json.loads(lines.read(lines.read(1)[0])) == PONG
