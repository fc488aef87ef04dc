"""Exports: rows by template, every sink, at least once, failed batches kept and replayed."""

import asyncio
import sys
import types
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from ocs.exporting import failed
from ocs.exporting.delivery import Delivery, Exporter, deliver, replay
from ocs.exporting.records import Record, Row, Template, is_wanted, parse_template
from ocs.exporting.sinks import FORM, FileSink, HttpSink, SinkFailed

FIELDS = [
    {"tag": "Id", "path": "*exp.CGRID", "type": "*variable", "value": "~*req.CGRID"},
    {"path": "*exp.Seconds", "type": "*variable", "value": "~*req.Usage{*duration_seconds}"},
    {"path": "*exp.From", "type": "*constant", "value": "ocs"},
    {"path": "*hdr.CGRID", "type": "*constant", "value": "CGRID"},
    {"path": "*hdr.Seconds", "type": "*constant", "value": "Seconds"},
    {"path": "*trl.End", "type": "*constant", "value": "end"},
]


def record(number: int, **more: object) -> Record:
    return Record(f"c{number}:*default", "cgrates.org", {"CGRID": f"c{number}", "Usage": "90s", **more})


class Unsteady:
    """A sink that fails as often as told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.rows: list[Row] = []

    async def write(self, rows: Sequence[Row]) -> None:
        if self.failures:
            self.failures -= 1
            raise SinkFailed("not now")
        self.rows += rows

    async def close(self) -> None:
        return None


class Waiting:
    """An outbox in memory."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)

    def waiting(self, exporter_id: str, most: int) -> Sequence[Record]:
        return self.records[:most]

    def done(self, exporter_id: str, records: Sequence[Record]) -> None:
        self.records = [each for each in self.records if each not in records]


def no_pause(waits: list[float]) -> Callable[[float], Awaitable[None]]:
    async def pause(seconds: float) -> None:
        waits.append(seconds)

    return pause


def test_a_template_makes_rows_with_a_header_and_a_trailer() -> None:
    template = parse_template(FIELDS)
    row = template.row(record(1))
    assert row == Row("c1:*default", (("CGRID", "c1"), ("Seconds", "90"), ("From", "ocs")))
    assert (template.head(), template.tail()) == (("CGRID", "Seconds"), ("end",))
    assert Template().row(record(1)).members == (("CGRID", "c1"), ("Usage", "90s"))
    with pytest.raises(ValueError, match="field 1: path"):
        parse_template([{"path": "CGRID"}])
    with pytest.raises(ValueError, match="field 1, X: no converter"):
        parse_template([{"path": "*exp.X", "value": "~*req.A{*nothing}"}])


def test_filters_choose_records() -> None:
    from ocs.charging.profiles.filters import FilterBook

    rules = FilterBook().rules("cgrates.org", ("*string:~*req.CGRID:c1",))
    assert is_wanted(rules, record(1))
    assert not is_wanted(rules, record(2))


async def _files(folder: Path) -> None:
    template = parse_template(FIELDS)
    sink = FileSink(folder / "out" / "cdrs.csv", template, separator=";")
    for number in (1, 2):
        await sink.write([template.row(record(number))])
    await sink.close()
    lines = FileSink(folder / "cdrs.jsonl", Template(), is_json=True)
    await lines.write([Template().row(record(1))])
    await lines.close()


def test_files_are_appended_to(tmp_path: Path) -> None:
    asyncio.run(_files(tmp_path))
    assert (tmp_path / "out" / "cdrs.csv").read_text() == "CGRID;Seconds\nc1;90;ocs\nc2;90;ocs\nend\n"
    assert msgspec.json.decode((tmp_path / "cdrs.jsonl").read_bytes()) == {"CGRID": "c1", "Usage": "90s"}


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = FileSink(tmp_path / "file" / "cdrs.csv", Template())
    with pytest.raises(SinkFailed, match=r"cdrs\.csv"):
        asyncio.run(sink.write([Template().row(record(1))]))


async def _posts(kind: str, status: int) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        content = await request.json() if kind != FORM else dict(await request.post())
        seen.append((request.headers["Idempotency-Key"], content))
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/cdrs", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sink = HttpSink(f"http://127.0.0.1:{port}/cdrs", kind)
    try:
        await sink.write([Template().row(record(1))])
    finally:
        await sink.close()
        await runner.cleanup()
    return seen


@pytest.mark.parametrize("kind", [FORM, "*http_json_map"])
def test_posts_carry_their_key(kind: str) -> None:
    assert asyncio.run(_posts(kind, 200)) == [("c1:*default", {"CGRID": "c1", "Usage": "90s"})]
    with pytest.raises(SinkFailed, match="answered 503"):
        asyncio.run(_posts(kind, 503))


def test_a_batch_is_tried_again_with_longer_pauses() -> None:
    sink, waits = Unsteady(3), list[float]()
    exporter = Exporter("E", sink)
    assert asyncio.run(deliver(exporter, [record(1)], no_pause(waits)))
    assert waits == [0.1, 0.2, 0.4]
    assert [row.key for row in sink.rows] == ["c1:*default"]


def test_a_batch_that_fails_too_often_is_kept_and_replayed(tmp_path: Path) -> None:
    sink = Unsteady(3)
    exporter = Exporter("E/1", sink, attempts=2, failed_folder=tmp_path)
    outbox = Waiting([record(1), record(2)])
    asyncio.run(Delivery(exporter, outbox, no_pause([])).step())
    assert (outbox.records, exporter.failed) == ([], 2)
    [path] = failed.kept(tmp_path)
    assert failed.read(path).reason == "not now"
    assert asyncio.run(replay(tmp_path, {})) == (0, 1)
    assert asyncio.run(replay(tmp_path, {"E/1": exporter})) == (0, 1), "it fails once more and stays"
    assert asyncio.run(replay(tmp_path, {"E/1": exporter})) == (1, 0)
    assert [row.key for row in sink.rows] == ["c1:*default", "c2:*default"]
    assert failed.kept(tmp_path) == []


def test_a_record_that_makes_no_row_is_kept_and_the_others_go_on(tmp_path: Path) -> None:
    sink = Unsteady(0)
    exporter = Exporter("E", sink, parse_template(FIELDS), failed_folder=tmp_path)
    asyncio.run(deliver(exporter, [record(1, Usage="soon"), record(2)]))
    assert [row.key for row in sink.rows] == ["c2:*default"]
    assert [each.key for each in failed.read(failed.kept(tmp_path)[0]).records] == ["c1:*default"]


async def _interrupted(outbox: Waiting, sink: Unsteady) -> None:
    """A delivery that is stopped while its sink fails, as a server that ends."""
    failed_once = asyncio.Event()

    async def for_ever(seconds: float) -> None:
        failed_once.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Delivery(Exporter("E", sink), outbox, for_ever).run())
    await failed_once.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_what_was_not_written_waits_for_the_next_start() -> None:
    outbox, sink = Waiting([record(1)]), Unsteady(1)
    asyncio.run(_interrupted(outbox, sink))
    assert [each.key for each in outbox.records] == ["c1:*default"]
    asyncio.run(Delivery(Exporter("E", sink), outbox).step())
    assert (outbox.records, len(sink.rows)) == ([], 1)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from ocs.exporting.kafka import KafkaSink
    from ocs.exporting.postgres import PostgresSink

    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(SinkFailed, match=r"ocs\[postgres\]"):
        PostgresSink("postgres://x", "cdrs")
    with pytest.raises(SinkFailed, match=r"ocs\[kafka\]"):
        KafkaSink("127.0.0.1:9092", "cdrs")
    with pytest.raises(ValueError, match="not the name of a table"):
        PostgresSink("postgres://x", "cdrs; drop table x")


class FakeConnection:
    """What asyncpg's connection is asked."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def transaction(self) -> "FakeConnection":
        return self

    async def __aenter__(self) -> None:
        self.said.append("begin")

    async def __aexit__(self, *error: object) -> None:
        self.said.append("commit")

    async def execute(self, text: str) -> None:
        self.said.append(text)

    async def copy_records_to_table(
        self, table: str, *, records: list[Any], columns: list[str], **more: float
    ) -> None:
        self.said.append((table, records, columns))

    def terminate(self) -> None:
        self.said.append("end")


def test_rows_are_copied_and_repeats_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from ocs.exporting.postgres import PostgresSink

    connection = FakeConnection()

    async def connect(dsn: str, **more: float) -> FakeConnection:
        return connection

    driver = types.SimpleNamespace(connect=connect, PostgresError=KeyError, InterfaceError=KeyError)
    monkeypatch.setitem(sys.modules, "asyncpg", driver)
    sink = PostgresSink("postgres://x", "cdrs")
    asyncio.run(sink.write([Template().row(record(1))]))
    assert connection.said[2] == (
        "arriving",
        [("c1:*default", "c1", "90s")],
        ["export_key", "CGRID", "Usage"],
    )
    assert connection.said[3].endswith("on conflict do nothing")
