"""Records into a topic: acknowledged by all replicas, under their keys, kept while the broker cannot take them."""

import json
from pathlib import Path

import pytest

from ocs.exporting.delivery import Exporter, deliver, replay
from ocs.exporting.kafka import KafkaSink
from ocs.exporting.records import Row
from ocs.exporting.sinks import SinkFailed
from tests.exporting.kafka_broker import MESSAGE_TOO_LARGE, Broker
from tests.exporting.test_exporting import record
from tests.support.waiting import PATIENCE_S

TOPIC = "cdrs"


async def _at_once(seconds: float) -> None:
    """No pause."""


async def test_rows_are_messages_with_the_key_of_their_record() -> None:
    broker = Broker(TOPIC)
    await broker.start()
    sink = KafkaSink(f"127.0.0.1:{broker.port}", TOPIC)
    await sink.write([Row("k1", (("A", "1"),)), Row("k2", (("A", "ü"),))])
    await sink.write([Row("k3", (("A", "3"),))])
    await sink.close()
    await broker.stop()
    told = [(key, json.loads(value or b"")) for key, value in broker.kept]
    assert told == [(b"k1", {"A": "1"}), (b"k2", {"A": "ü"}), (b"k3", {"A": "3"})]


async def test_what_the_broker_refuses_is_told() -> None:
    broker = Broker(TOPIC)
    await broker.start()
    broker.error = MESSAGE_TOO_LARGE
    sink = KafkaSink(f"127.0.0.1:{broker.port}", TOPIC)
    with pytest.raises(SinkFailed, match="cdrs"):
        await sink.write([Row("k1", (("A", "1"),))])
    broker.error = 0
    await sink.write([Row("k2", (("A", "2"),))])
    await sink.close()
    await broker.stop()
    assert [key for key, _ in broker.kept] == [b"k2"]


async def test_what_cannot_be_delivered_is_kept_and_replayed(tmp_path: Path) -> None:
    broker = Broker(TOPIC)
    await broker.start()
    sink = KafkaSink(f"127.0.0.1:{broker.port}", TOPIC)
    exporter = Exporter("topic", sink, attempts=1, failed_folder=tmp_path)
    assert await deliver(exporter, [record(1)], _at_once)
    await broker.stop()
    sink._timeout_s = 0.5
    assert not await deliver(exporter, [record(2)], _at_once)
    sink._timeout_s = PATIENCE_S
    await broker.start()
    assert await replay(tmp_path, {"topic": exporter}) == (1, 0)
    await sink.close()
    await broker.stop()
    assert [key for key, _ in broker.kept] == [b"c1:*default", b"c2:*default"]
