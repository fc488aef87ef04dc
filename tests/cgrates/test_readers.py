"""Readers of foreign records: every form of file, fields made by templates, records that come in parts."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates import config
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from tests.cgrates.engine import Engine
from tests.cgrates.test_exchange import TARIFF

COMMON = [
    {"path": "*cgreq.RequestType", "type": "*constant", "value": "*rated"},
    {"path": "*cgreq.ToR", "type": "*constant", "value": "*voice"},
    {"path": "*cgreq.Category", "type": "*constant", "value": "call"},
    {"path": "*cgreq.AnswerTime", "type": "*constant", "value": "2026-06-15T10:00:00Z"},
]
NAMES = ("OriginID", "Account", "Destination", "Usage")
HOUR_NS = 3_600_000_000_000


def fields(*values: str) -> list[dict[str, Any]]:
    """A field for each of the names."""
    paths = (f"*cgreq.{name}" for name in NAMES)
    return [{"path": path, "value": value} for path, value in zip(paths, values, strict=True)] + COMMON


def engine_of(folder: Path, reader: dict[str, Any], state: State | None = None, **section: Any) -> Engine:
    given = {
        "id": "IN",
        "source_path": str(folder / "in"),
        "processed_path": str(folder / "done"),
        "flags": ["*cdrs"],
        "type": "*file_csv",
    }
    made = Engine({"ers": {"enabled": True, "readers": [given | reader], **section}}, state)
    if state is None:
        made.load(TARIFF)
    return made


def read(folder: Path, name: str, content: str, engine: Engine) -> dict[str, tuple[str, float]]:
    """What records a file leaves: account and cost by OriginID."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text(content, encoding="utf-8")

    async def run() -> None:
        assert await engine.result("ErSv1.RunReader", {"ID": "IN"}) == "OK"

    asyncio.run(run())
    assert [path.name for path in (folder / "done").iterdir()].count(name) == 1
    return records(engine)


def records(engine: Engine) -> dict[str, tuple[str, float]]:
    cdrs = engine.runtime.state.tables[Kind.CDR].values()
    return {cdr.origin_id: (cdr.account, cdr.cost_nanos / 1e9) for cdr in cdrs}


BOTH = {"c1": ("1001", 0.01), "c2": ("1002", 0.02)}


@pytest.mark.parametrize(
    ("kind", "name", "options", "values", "content"),
    [
        (
            "*file_csv",
            "a.csv",
            {},
            ("~*req.0", "~*req.1", "~*req.2", "~*req.3;s"),
            "c1,1001,49301,60\nc2,1002,49302,90\n",
        ),
        (
            "*file_csv",
            "a.csv",
            {"csvHeaderDefineChar": ":", "csvFieldSeparator": ";"},
            ("~*req.id", "~*req.from", "~*req.to", "~*req.secs;s"),
            ":secs;:id;:from;:to\n60;c1;1001;49301\n90;c2;1002;49302\n",
        ),
        (
            "*file_json",
            "a.json",
            {},
            ("~*req.id", "~*req.call.from", "~*req.call.to", "~*req.secs;s"),
            '{"id":"c1","call":{"from":"1001","to":"49301"},"secs":60}\n'
            '{"id":"c2","call":{"from":"1002","to":"49302"},"secs":90}\n',
        ),
        (
            "*file_json",
            "a.json",
            {},
            ("~*req.id", "~*req.from", "~*req.to", "~*req.secs;s"),
            '[{"id":"c1","from":"1001","to":"49301","secs":60},\n{"id":"c2","from":"1002","to":"49302","secs":90}]',
        ),
        (
            "*file_xml",
            "a.xml",
            {"xmlRootPath": "calls.call"},
            ("~*req.id", "~*req.calls.call.from", "~*req.to", "~*req.leg[1].secs;s"),
            "<calls><call><id>c1</id><from>1001</from><to>49301</to><leg/><leg><secs>60</secs></leg></call>"
            "<call><id>c2</id><from>1002</from><to>49302</to><leg/><leg><secs>90</secs></leg></call></calls>",
        ),
        (
            "*file_fwv",
            "a.fwv",
            {},
            ("~*hdr.0-1;~*req.0-1", "~*req.1-5", "~*req.5-10", "~*req.10-12;s"),
            "c HEADER\n110014930160\n210024930290\n",
        ),
    ],
    ids=["csv", "csv with names", "json lines", "json list", "xml", "fixed width"],
)  # fmt: skip
def test_every_form_of_file_is_read(
    tmp_path: Path, kind: str, name: str, options: dict[str, Any], values: tuple[str, ...], content: str
) -> None:
    engine = engine_of(tmp_path, {"type": kind, "opts": options, "fields": fields(*values)})
    assert read(tmp_path, name, content, engine) == BOTH


def test_fields_are_made_by_all_types_of_templates(tmp_path: Path) -> None:
    made = [
        {"path": "*cgreq.OriginID", "type": "*prefix", "value": "c;~*req.0"},
        {"path": "*vars.digits", "type": "*variable", "value": "~*req.1"},
        {"path": "*cgreq.Account", "type": "*composed", "value": "~*vars.digits"},
        {"path": "*cgreq.Account", "type": "*composed", "value": "~*req.2"},
        {"path": "*cgreq.Destination", "type": "*constant", "value": "49301"},
        {"path": "*cgreq.Usage", "type": "*usage_difference", "value": "~*req.4;~*req.3"},
        {
            "path": "*cgreq.Destination",
            "type": "*constant",
            "value": "49302",
            "filters": ["*string:~*req.0:2"],
        },
        *COMMON,
    ]
    rows = (
        "1,10,01,2026-06-15 10:00:00,2026-06-15 10:01:00\n2,10,02,2026-06-15 10:00:00,2026-06-15 10:01:30\n"
    )
    reader = {"fields": made, "timezone": "Europe/Berlin", "filters": ["*prefix:~*req.1:1"]}
    assert read(tmp_path, "a.csv", f"{rows}3,20,01,,\n", engine_of(tmp_path, reader)) == BOTH


CELLS = ("~*req.0", "~*req.1", "~*req.2", "~*req.3;s")


@pytest.mark.parametrize(
    ("reader", "name", "content"),
    [
        ({"opts": {"csvRowLength": 0}}, "a.csv", "c1,1001,49301,60\nc2,1002,49302\nc2,1002,49302,90\n"),
        ({"type": "*file_json"}, "a.json", '[{"0":"c1","1":"1001","2":"49301","3":60}, 7]'),
    ],
)
def test_a_row_that_is_none_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reader: dict[str, Any], name: str, content: str
) -> None:
    found = read(tmp_path, name, content, engine_of(tmp_path, {"fields": fields(*CELLS), **reader}))
    assert found.get("c1") == BOTH["c1"]
    assert f"{name}:2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [("*file_xml", "a.xml", "<calls><call>"), ("*file_json", "a.json", "{")],
)
def test_a_file_that_is_none_is_told_and_put_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, content: str
) -> None:
    assert read(tmp_path, name, content, engine_of(tmp_path, {"type": kind, "fields": fields(*CELLS)})) == {}
    assert f"{name}:1" in capsys.readouterr().out


PART = [
    *fields(*CELLS),
    {"path": "*cgreq.Partial", "value": "~*req.4"},
    {"path": "*cgreq.Order", "value": "~*req.5"},
]
LATER_FIRST = "c1,,49301,60,true,2\nc1,1001,4900,10,true,1\n"
LAST = "c1,,,60,false,3\n"


def parted(folder: Path, action: str, state: State | None = None, **more: Any) -> Engine:
    options = {
        "partialCacheAction": action,
        "partialPath": str(folder / "parts"),
        "partialOrderField": "~*req.Order",
    }
    return engine_of(folder, {"fields": PART, "opts": options, **more}, state, partial_cache_ttl="1h")


def kept(engine: Engine) -> int:
    return len(engine.runtime.state.tables[Kind.PARTIAL])


def test_parts_are_one_record_in_their_order_when_the_last_has_come_also_after_a_restart(
    tmp_path: Path,
) -> None:
    engine = parted(tmp_path, "*none")
    assert read(tmp_path, "a.csv", LATER_FIRST, engine) == {}
    engine = parted(tmp_path, "*none", engine.runtime.state)
    assert kept(engine) == 1
    assert read(tmp_path, "b.csv", LAST, engine) == {"c1": BOTH["c1"]}
    assert kept(engine) == 0


def test_what_the_parts_make_can_be_changed_before_it_counts(tmp_path: Path) -> None:
    committed = [*fields("~*req.OriginID", "~*req.Account", "~*req.Destination", "~*req.Usage"), *COMMON]
    committed.append({"path": "*cgreq.Account", "type": "*constant", "value": "1002"})
    engine = parted(tmp_path, "*none", partial_commit_fields=committed)
    assert read(tmp_path, "a.csv", LATER_FIRST + LAST, engine) == {"c1": ("1002", 0.01)}


def end(engine: Engine, later_ns: int) -> None:
    reader = engine.runtime.exchange.readers["IN"]
    asyncio.run(reader.end_partial(time.time_ns() + later_ns))


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize(
    ("action", "found", "written"),
    [
        ("*none", {}, None),
        ("*post_cdr", {"c1": BOTH["c1"]}, None),
        ("*dump_to_file", {}, ["c1,49301", "c1,4900"]),
        ("*dump_to_json", {}, ['{"id":"c1","to":"49301"}', '{"id":"c1","to":"4900"}']),
    ],
)
def test_parts_that_are_kept_too_long(
    tmp_path: Path, action: str, found: dict[str, Any], written: list[str] | None
) -> None:
    dumped = [
        {"path": "*exp.id", "type": "*variable", "value": "~*req.OriginID"},
        {"path": "*exp.to", "type": "*variable", "value": "~*req.Destination"},
    ]
    engine = parted(tmp_path, action, cache_dump_fields=dumped)
    assert read(tmp_path, "a.csv", LATER_FIRST, engine) == {}
    end(engine, HOUR_NS - 60_000_000_000)
    assert kept(engine) == 1, "they are not kept too long yet"
    end(engine, HOUR_NS)
    assert (kept(engine), records(engine)) == (0, found)
    folder = tmp_path / "parts"
    files = list(folder.iterdir()) if folder.exists() else []
    assert [lines_of(path) for path in files] == ([] if written is None else [written])


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        ({"opts": {"partialCacheAction": "*burn"}}, r"partialCacheAction: \*burn is none of"),
        ({"opts": {"partialCacheAction": "*dump_to_file"}}, r"partialPath: \*dump_to_file needs a folder"),
        ({"opts": {"csvFieldSeparator": "::"}}, "csvFieldSeparator: '::' is not one character"),
        ({"opts": {"csvRowLength": "x"}}, "csvRowLength: x is no number"),
        ({"fields": [{"path": "*rep.A", "value": "1"}]}, r"fields\[0\]: \*rep cannot be written to"),
        ({"fields": [{"path": "*cgreq.A", "type": "*contant"}]}, r"fields\[0\].type: \*contant is not offered"),
        ({"cache_dump_fields": [{"path": "*cgreq.A", "value": "1"}]}, r"cache_dump_fields\[0\]: \*cgreq cannot"),
        ({"timezone": "Mars/Port"}, r"fields\[0\]: timezone: there is no zone Mars/Port"),
    ],
)  # fmt: skip
def test_what_a_reader_cannot_do_is_said_at_the_start(
    tmp_path: Path, reader: dict[str, Any], said: str
) -> None:
    given = {"fields": fields(*CELLS), **reader}
    with pytest.raises(config.ConfigError, match=f"ers.readers, IN: {said}"):
        engine_of(tmp_path, given)


def test_a_failing_dump_keeps_the_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = parted(tmp_path, "*dump_to_file")
    (tmp_path / "parts").write_text("no folder")
    read(tmp_path, "a.csv", LATER_FIRST, engine)
    end(engine, HOUR_NS)
    assert kept(engine) == 1
    assert "reader.partial_failed" in capsys.readouterr().out
