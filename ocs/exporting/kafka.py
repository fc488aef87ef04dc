"""Rows as JSON messages of a Kafka topic, the row's key as the message's. Needs `ocs[kafka]`."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ocs.exporting.records import Row, json_line
from ocs.exporting.sinks import TIMEOUT_S, SinkFailed


class KafkaSink:
    """One topic; a batch is written when all of its messages are acknowledged by all replicas."""

    def __init__(self, servers: str, topic: str, timeout_s: float = TIMEOUT_S) -> None:
        """Raises SinkFailed where aiokafka is not installed."""
        try:
            import aiokafka
        except ImportError:
            raise SinkFailed("exporting to Kafka needs aiokafka: pip install 'ocs[kafka]'") from None
        self._driver: Any = aiokafka
        self._servers = servers
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer: Any = None

    async def write(self, rows: Sequence[Row]) -> None:
        """Send rows and wait for all of them. Raises SinkFailed."""
        try:
            async with asyncio.timeout(2 * self._timeout_s):  # the producer itself would wait for ever
                await self._write(rows)
        except (OSError, TimeoutError, self._driver.errors.KafkaError) as error:
            await self.close()  # with what it has not sent: that is told again
            raise SinkFailed(f"{self._topic}: {error or 'no answer in time'}") from error

    async def _write(self, rows: Sequence[Row]) -> None:
        producer = await self._started()
        sent = [
            await producer.send(self._topic, json_line(row).rstrip(b"\n"), key=row.key.encode())
            for row in rows
        ]
        for each in sent:
            await each

    async def close(self) -> None:
        """Stop the producer; one that cannot get rid of what it has is let go."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.stop()
        except TimeoutError:  # it waits for what cannot be sent: its sender has to go before its connections
            await producer._sender.close()
            await producer.client.close()

    async def _started(self) -> Any:
        if self._producer is None:
            producer = self._driver.AIOKafkaProducer(
                bootstrap_servers=self._servers,
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=int(self._timeout_s * 1000),
            )
            self._producer = producer
            await producer.start()
        return self._producer
