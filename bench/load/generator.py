"""The load: one process that keeps a window of CCRs full over one connection, told what to do line by line.

    {"do": "open", "host": "127.0.0.1", "port": 3868, "sessions": 1000, "subscribers": 1000, ...}
    {"do": "update", "window": 64, "requests": 100000, "groups": [10, 11], "used": 700123, ...}
    {"do": "close"}

Every line of standard input gets one line of JSON on standard output. Frames are built before the clock starts
and patched in place (identifiers, session, CC-Request-Number); an answer counts when it says Result-Code 2001
and grants both rating groups. The first answer is taken apart, later ones are compared with it octet by octet
where they must be equal.
"""

import json
import os
import random
import resource
import socket
import sys
import time
from array import array
from struct import Struct
from typing import Any

from bench.load import wire
from bench.load.wire import INITIAL, TERMINATION, UPDATE, Service, Subscriber

RECEIVE_OCTETS = 1 << 18
REALM = "load.test"
DIGITS = 10
FIRST_MSISDN, FIRST_IMSI = 15_550_000_000, 1_010_000_000_000
ANSWER_S = 30.0
STRIDE = 7_919  # prime: neighbours in the order of opening are far apart in the store
_words = Struct(">II")
_word = Struct(">I")


def subscriber(number: int) -> Subscriber:
    """The subscriber of that number; the server's accounts count up the same way."""
    return Subscriber(f"{FIRST_IMSI + number:015d}", f"{FIRST_MSISDN + number}")


def session_name(client: str, number: int) -> str:
    """All names of a client are of one length, so that they can be patched."""
    return f"{client};{number:0{DIGITS}d}"


class Template:
    """A request of one kind, with the places that differ from request to request."""

    def __init__(self, client: str, kind: int, services: tuple[Service, ...], at_s: int) -> None:
        name, someone = session_name(client, 0), subscriber(0)
        frame = wire.credit_control(client, REALM, name, kind, 0, someone, services, at_s=at_s)
        self.frame = bytearray(frame)
        self.session = frame.index(name.encode()) + len(name) - DIGITS
        self.number = frame.index(wire.u32(wire.REQUEST_NUMBER, 0)) + 8
        self.msisdn = frame.index(someone.msisdn.encode())
        self.imsi = frame.index(someone.imsi.encode())


class Check:
    """Whether an answer is the good one: the first is decoded, the others are compared with it."""

    def __init__(self, client: str, groups: tuple[int, ...]) -> None:
        self._groups = groups
        self._fixed_from = wire.HEADER_OCTETS + 8 + len(session_name(client, 0))
        self._fixed_from += -self._fixed_from % 4
        self._head = self._tail = b""
        self._number = 0
        self.decoded = 0

    def is_good(self, data: bytearray, start: int, end: int) -> bool:
        """Result-Code 2001, and every rating group granted something."""
        head, tail = start + self._fixed_from, start + self._number + 4
        if self._head and data[head : start + self._number] == self._head and data[tail:end] == self._tail:
            return True
        frame = bytes(data[start:end])
        self.decoded += 1
        found = wire.answer(frame)
        good = found.result_code == wire.SUCCESS and all(
            found.services.get(group, (0, 0))[1] > 0 for group in self._groups
        )
        mark = _words.pack(wire.REQUEST_NUMBER, wire.MANDATORY << 24 | 12)
        if good and mark in frame:
            self._number = frame.index(mark) + 8
            self._head = frame[self._fixed_from : self._number]
            self._tail = frame[self._number + 4 :]
        return good


class Load:
    """One connection and the sessions on it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.client: str = order["client"]
        self.subscribers: int = order["subscribers"]
        self.first_subscriber: int = order.get("first", 0)
        self.groups: tuple[int, ...] = tuple(order["groups"])
        self.requested: int = order["requested"]
        self.random = random.Random(order.get("seed", 1))
        self.numbers = array("I")  # the next CC-Request-Number by session
        self.owners = array("I")
        self.sent = 0
        self.socket = socket.create_connection((order["host"], order["port"]), ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(wire.capabilities(self.client, REALM))
        answers: list[bytes] = []
        buffer = bytearray()
        while not answers:
            buffer += self._receive()
            answers = wire.split(buffer)
        if wire.answer(answers[0]).result_code != wire.SUCCESS:
            raise SystemExit("the server does not take the load generator as a peer")

    def _receive(self) -> bytes:
        data = self.socket.recv(RECEIVE_OCTETS)
        if not data:
            raise SystemExit("the server has closed the connection")
        return data

    def open(self, count: int, window: int) -> dict[str, Any]:
        """Begin sessions, each on another subscriber as long as there are enough."""
        first = len(self.numbers)
        for index in range(first, first + count):
            self.owners.append(self.first_subscriber + index * STRIDE % self.subscribers)
        self.numbers.extend([1] * count)
        services = tuple(Service(group, self.requested) for group in self.groups)
        return self._run(INITIAL, services, list(range(first, first + count)), window)

    def update(self, requests: int, window: int, used: int, groups: tuple[int, ...]) -> dict[str, Any]:
        """Report and ask, for sessions in random order, never two requests of one session at a time."""
        services = tuple(Service(group, self.requested, used) for group in groups)
        total = len(self.numbers)
        block = list(range(total))
        order: list[int] = []
        while len(order) < requests:
            self.random.shuffle(block)
            order += block
        return self._run(UPDATE, services, order[:requests], window)

    def close(self, used: int, window: int) -> dict[str, Any]:
        """End all sessions."""
        services = tuple(Service(group, None, used) for group in self.groups)
        found = self._run(TERMINATION, services, list(range(len(self.numbers))), window)
        del self.numbers[:], self.owners[:]
        return found

    def _run(self, kind: int, services: tuple[Service, ...], order: list[int], window: int) -> dict[str, Any]:
        """Keep `window` requests under way until all have their answer."""
        template = Template(self.client, kind, services, int(time.time()))
        wanted = tuple(part.rating_group for part in services if part.requested_octets is not None)
        check = Check(self.client, wanted)
        frames = [bytearray(template.frame) for _ in range(min(window, len(order)))]
        digits = [f"{number:0{DIGITS}d}".encode() for number in range(len(self.numbers))]
        cpu_s, started_ns = _cpu_s(), time.perf_counter_ns()
        latencies, bad = self._exchange(template, frames, digits, order, check, kind)
        took_ns = time.perf_counter_ns() - started_ns
        return _result(latencies, bad, took_ns, _cpu_s() - cpu_s, check.decoded)

    def _exchange(
        self,
        template: Template,
        frames: list[bytearray],
        digits: list[bytes],
        order: list[int],
        check: Check,
        kind: int,
    ) -> "tuple[array[int], int]":
        clock, count, bad = time.perf_counter_ns, len(order), 0
        latencies, sent_ns = array("q", [0]) * count, [0] * len(frames)
        slots = list(range(len(frames)))
        buffer, following, received = bytearray(), 0, 0
        while received < count:
            ready, slots = slots, []
            out: list[bytearray] = []
            for slot in ready:
                if following == count:
                    break
                out.append(self._patched(template, frames[slot], slot, digits, order[following], kind))
                following += 1
            if out:
                now = clock()
                for slot in ready:
                    sent_ns[slot] = now
                self.socket.sendall(b"".join(out))
            buffer += self._receive()
            now = clock()
            place, end = 0, len(buffer)
            while end - place >= wire.HEADER_OCTETS:
                length = _word.unpack_from(buffer, place)[0] & 0xFFFFFF
                if end - place < length:
                    break
                slot = _word.unpack_from(buffer, place + 12)[0]
                latencies[received] = now - sent_ns[slot]
                received += 1
                if not check.is_good(buffer, place, place + length):
                    bad += 1
                slots.append(slot)
                place += length
            del buffer[:place]
        return latencies, bad

    def _patched(
        self,
        template: Template,
        frame: bytearray,
        slot: int,
        digits: list[bytes],
        session: int,
        kind: int,
    ) -> bytearray:
        self.sent += 1
        _words.pack_into(frame, 12, slot, self.sent)
        frame[template.session : template.session + DIGITS] = digits[session]
        owner = self.owners[session]
        frame[template.imsi : template.imsi + 15] = b"%015d" % (FIRST_IMSI + owner)
        frame[template.msisdn : template.msisdn + 11] = b"%d" % (FIRST_MSISDN + owner)
        if kind != INITIAL:
            number = self.numbers[session]
            self.numbers[session] = number + 1
            _word.pack_into(frame, template.number, number)
        return frame


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _result(latencies: "array[int]", bad: int, took_ns: int, cpu_s: float, decoded: int) -> dict[str, Any]:
    ordered = sorted(latencies)
    count = len(ordered)
    return {
        "requests": count,
        "bad": bad,
        "decoded": decoded,
        "seconds": took_ns / 1e9,
        "per_s": count / (took_ns / 1e9),
        "p50_ms": ordered[count // 2] / 1e6,
        "p99_ms": ordered[min(count - 1, count * 99 // 100)] / 1e6,
        "max_ms": ordered[-1] / 1e6,
        "generator_cpu_share": cpu_s / (took_ns / 1e9),
    }


def main() -> None:
    """Obey the lines of standard input."""
    load: Load | None = None
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "core":
            os.sched_setaffinity(0, {order["core"]})
            answer: dict[str, Any] = {}
        elif order["do"] == "open":
            load = load or Load(order)
            answer = load.open(order["sessions"], order["window"])
        elif load is None:
            raise SystemExit(f"nothing is open to {order['do']}")
        elif order["do"] == "update":
            groups = tuple(order["groups"])
            answer = load.update(order["requests"], order["window"], order["used"], groups)
        else:
            answer = load.close(order["used"], order["window"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
