"""A Kafka broker of one topic with one partition: what a producer with acknowledgements needs of the protocol.

ApiVersions 0, Metadata 1, InitProducerId 0 and Produce 3, with record batches of magic 2. A batch whose sequence
was seen before is acknowledged and not kept again, as by a broker for an idempotent producer.
"""

import asyncio
import struct
from contextlib import suppress

from tests.support.ports import free_port

PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID = 0, 3, 18, 22
OFFERED = ((PRODUCE, 3, 3), (METADATA, 1, 1), (API_VERSIONS, 0, 0), (INIT_PRODUCER_ID, 0, 0))
NOT_ENOUGH_REPLICAS, MESSAGE_TOO_LARGE = 19, 10
BATCH_HEAD = struct.Struct(">qiibIhiqqqhii")


class Octets:
    """Reads a request from the front."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self._at = octets, 0

    def take(self, count: int) -> bytes:
        found = self._octets[self._at : self._at + count]
        assert len(found) == count, "a request is complete"
        self._at += count
        return found

    def number(self, form: str) -> int:
        (found,) = struct.unpack(f">{form}", self.take(struct.calcsize(form)))
        return int(found)

    def text(self) -> str | None:
        length = self.number("h")
        return None if length < 0 else self.take(length).decode()

    def varint(self) -> int:
        shift = found = 0
        while True:
            octet = self.take(1)[0]
            found |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return (found >> 1) ^ -(found & 1)

    def field(self) -> bytes | None:
        length = self.varint()
        return None if length < 0 else self.take(length)


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


class Broker:
    """Keeps what it acknowledged, as (key, value). `error` is what every Produce is answered while it is set."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.kept: list[tuple[bytes | None, bytes | None]] = []
        self.error = 0
        self.port = free_port()  # its own over restarts
        self._producers = 0
        self._seen: set[tuple[int, int, int]] = set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Die, with every connection."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                request = Octets(await reader.readexactly(length))
                key, _, correlation = request.number("h"), request.number("h"), request.number("i")
                request.text()  # who asks
                answer = struct.pack(">i", correlation) + self._answer(key, request)
                writer.write(struct.pack(">i", len(answer)) + answer)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, key: int, request: Octets) -> bytes:
        if key == API_VERSIONS:
            rows = b"".join(struct.pack(">hhh", *each) for each in OFFERED)
            return struct.pack(">hi", 0, len(OFFERED)) + rows
        if key == METADATA:
            return self._metadata()
        if key == INIT_PRODUCER_ID:
            self._producers += 1
            return struct.pack(">ihqh", 0, 0, self._producers, 0)
        assert key == PRODUCE, key
        return self._produced(request)

    def _metadata(self) -> bytes:
        brokers = struct.pack(">ii", 1, 0) + text("127.0.0.1") + struct.pack(">ih", self.port, -1)
        partition = struct.pack(">hiiiiii", 0, 0, 0, 1, 0, 1, 0)
        topic = struct.pack(">h", 0) + text(self._topic) + struct.pack(">bi", 0, 1) + partition
        return brokers + struct.pack(">ii", 0, 1) + topic

    def _produced(self, request: Octets) -> bytes:
        request.text()  # no transaction
        acks, _, topics = request.number("h"), request.number("i"), request.number("i")
        assert (acks, topics) == (-1, 1), "all replicas are waited for"
        assert request.text() == self._topic
        assert request.number("i") == 1
        partition = request.number("i")
        batch = Octets(request.take(request.number("i")))
        if not self.error:
            self._keep(batch)
        told = struct.pack(">iihqq", 1, partition, self.error, len(self.kept), -1)
        return struct.pack(">i", 1) + text(self._topic) + told + struct.pack(">i", 0)

    def _keep(self, batch: Octets) -> None:
        head = BATCH_HEAD.unpack(batch.take(BATCH_HEAD.size))
        assert head[3] == 2, "record batches of magic 2"
        sequence = head[9:12]
        if sequence in self._seen:
            return
        self._seen.add(sequence)
        for _ in range(head[12]):
            record = Octets(batch.take(batch.varint()))
            record.take(1)
            record.varint(), record.varint()  # times and offsets, from those of the batch
            self.kept.append((record.field(), record.field()))
