"""Records into a real PostgreSQL: once each, whatever is delivered again, and none lost while it is away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ocs.charging.decision import Change
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.config.exchange import ExporterSettings, ExportField, RecordSettings
from ocs.config.settings import SessionSettings
from ocs.exact.sessions import ExactRuntime
from ocs.exporting.delivery import Exporter, deliver, replay
from ocs.exporting.postgres import PostgresSink
from ocs.exporting.records import Row
from ocs.exporting.sinks import SinkFailed
from ocs.sessions.model import CgrEvent
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import account, balance, catalogue
from tests.exporting.postgres_server import Cluster, cluster
from tests.exporting.test_exporting import record
from tests.support.door import Counts

FIELDS = (ExportField("Account", "~*req.Account"), ExportField("Cost", "~*req.Cost"))


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


async def rows(dsn: str, table: str = "cdrs") -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(each) for each in await connection.fetch(f"select * from {table} order by 1")]
    finally:
        await connection.close()


async def made(dsn: str, table: str, columns: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"drop table if exists {table}")
    await connection.execute(f"create table {table} (export_key text primary key, {columns})")
    await connection.close()


async def test_a_row_that_is_copied_again_is_there_once(server: Cluster) -> None:
    await made(server.dsn, "twice", '"A" text, "B" text')
    sink = PostgresSink(server.dsn, "twice")
    first, second = Row("k1", (("A", "1"), ("B", "it's\t\\N"))), Row("k2", (("A", "2"), ("B", "")))
    await sink.write([first])
    await sink.write([first, second])
    await sink.close()
    assert await rows(server.dsn, "twice") == [("k1", "1", "it's\t\\N"), ("k2", "2", "")]


async def test_a_batch_with_a_bad_column_leaves_nothing_and_the_sink_goes_on(server: Cluster) -> None:
    await made(server.dsn, "strict", '"A" text')
    sink = PostgresSink(server.dsn, "strict")
    with pytest.raises(SinkFailed, match="strict"):
        await sink.write([Row("k1", (("A", "1"), ("Nobody", "x")))])
    await sink.write([Row("k2", (("A", "2"),))])
    await sink.close()
    assert await rows(server.dsn, "strict") == [("k2", "2")]


async def test_what_cannot_be_delivered_is_kept_and_replayed(server: Cluster, tmp_path: Path) -> None:
    await made(server.dsn, "later", '"CGRID" text, "Usage" text')
    sink = PostgresSink(server.dsn, "later")
    exporter = Exporter("later", sink, attempts=2, failed_folder=tmp_path)
    assert await deliver(exporter, [record(1)], _at_once)
    server.stop()
    assert not await deliver(exporter, [record(1), record(2)], _at_once)
    server.start()
    assert await replay(tmp_path, {"later": exporter}) == (1, 0)
    await sink.close()
    assert await rows(server.dsn, "later") == [("c1:*default", "c1", "90s"), ("c2:*default", "c2", "90s")]


async def test_records_of_sessions_reach_the_table_of_ocs_yaml(server: Cluster, tmp_path: Path) -> None:
    await made(server.dsn, "cdrs", '"Account" text, "Cost" text')
    settings = RecordSettings((ExporterSettings("pg", "postgres", server.dsn, fields=FIELDS),))
    store = MemoryStore()
    service = ChargingService(store, catalogue(Price("0 1/1s/1s")), ChargingPolicy(), Counts())
    runtime = ExactRuntime(service, store, SessionSettings(default_tenant="t"), settings, folder=tmp_path)
    await service.create(Change(account(balance("100", "cash"))))
    event = CgrEvent(
        "t",
        {"OriginID": "o1", "RequestType": "*prepaid", "Account": "a", "Destination": "33", "Usage": "7s"}
        | {"ToR": "*voice", "Category": "call"},
    )
    await runtime.make_ready((event,))
    runtime.cdrs.process(event)
    await runtime.durable()
    await runtime.exchange.exports.drain()
    (row,) = await rows(server.dsn)
    assert row[1:] == ("a", "7")
    await runtime.stop()


async def _at_once(seconds: float) -> None:
    """No pause."""
