"""Exporters and readers of a configuration: every record leaves once it is durable, every row counts once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates import config
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.exporting import failed
from tests.cgrates.engine import Engine

TARIFF = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "RT,0,0.01,60s,60s,0s\n",
    "DestinationRates.csv": "DR,DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
}
FIELDS = [
    {"path": "*exp.Account", "type": "*variable", "value": "~*req.Account"},
    {"path": "*exp.Cost", "type": "*variable", "value": "~*req.Cost"},
]
ROWS = "c1,1001,49301,60\n#comment\nc2,1002,49302,120\nbad,,49302,x\n"


def exporting(folder: Path, **more: Any) -> dict[str, Any]:
    exporter = {"id": "CSV", "type": "*file_csv", "export_path": str(folder), "fields": FIELDS, **more}
    return {"ees": {"enabled": True, "exporters": [exporter]}, "cdrs": {"online_cdr_exports": ["CSV"]}}


def reading(folder: Path) -> dict[str, Any]:
    fields = [
        {"path": "*cgreq.OriginID", "value": "~*req.0", "mandatory": True},
        {"path": "*cgreq.Account", "value": "~*req.1", "mandatory": True},
        {"path": "*cgreq.Destination", "value": "~*req.2"},
        {"path": "*cgreq.Usage", "value": "~*req.3;s"},
        {"path": "*cgreq.RequestType", "type": "*constant", "value": "*rated"},
        {"path": "*cgreq.ToR", "type": "*constant", "value": "*voice"},
        {"path": "*cgreq.Category", "type": "*constant", "value": "call"},
        {"path": "*cgreq.AnswerTime", "type": "*constant", "value": "2026-06-15T10:00:00Z"},
    ]
    reader = {
        "id": "IN",
        "type": "*file_csv",
        "source_path": str(folder / "in"),
        "processed_path": str(folder / "done"),
        "flags": ["*cdrs"],
        "fields": fields,
    }
    return {"ers": {"enabled": True, "readers": [reader]}}


async def _read_and_export(folder: Path) -> Engine:
    (folder / "in").mkdir()
    (folder / "in" / "cdrs.csv").write_text(ROWS)
    engine = Engine(exporting(folder) | reading(folder))
    engine.load(TARIFF)
    assert await engine.result("ErSv1.RunReader", {"ID": "IN"}) == "OK"
    await engine.runtime.exchange.exports.drain()
    assert engine.runtime.state.tables[Kind.EXPORT] == {}
    return engine


def test_foreign_records_are_rated_and_go_out_again(tmp_path: Path) -> None:
    engine = asyncio.run(_read_and_export(tmp_path))
    assert (tmp_path / "CSV.csv").read_text() == "1001,0.01\n1002,0.02\n"
    assert [cdr.origin_id for cdr in engine.runtime.state.tables[Kind.CDR].values()] == ["c1", "c2"]
    assert (tmp_path / "done" / "cdrs.csv").exists()
    assert list((tmp_path / "in").iterdir()) == []


async def _resume(folder: Path, state: State) -> list[str]:
    engine = Engine(reading(folder), state)
    engine.load(TARIFF)
    await engine.runtime.exchange.readers["IN"].read()
    return sorted(cdr.origin_id for cdr in engine.runtime.state.tables[Kind.CDR].values())


def test_a_file_goes_on_behind_the_last_row_that_counts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cdrs.csv").write_text(ROWS)
    state = State()
    state.put(Kind.READ, "IN:cdrs.csv", {"rows": 1})
    assert asyncio.run(_resume(tmp_path, state)) == ["c2"]


async def _event_out(folder: Path, **more: Any) -> tuple[Engine, dict[str, Any]]:
    engine = Engine(exporting(folder, synchronous=True, **more))
    answer = await engine.call(
        "EeSv1.ProcessEvent",
        {"ID": "e1", "Event": {"OriginID": "x", "Account": "1001", "Cost": 1}, "EeIDs": ["CSV"]},
    )
    return engine, answer


def test_an_event_is_exported_on_request(tmp_path: Path) -> None:
    _, answer = asyncio.run(_event_out(tmp_path))
    assert answer["result"] == {"CSV": {"sent": 1, "failed": 0}}
    assert (tmp_path / "CSV.csv").read_text() == "1001,1\n"
    _, answer = asyncio.run(_event_out(tmp_path, filters=["*string:~*req.Account:1002"]))
    assert answer["error"] == "NOT_FOUND"


def test_what_cannot_be_exported_is_kept_aside_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = tmp_path / "kept"
    engine, answer = asyncio.run(_event_out(tmp_path / "file", failed_posts_dir=str(kept)))
    assert answer["error"] == "SERVER_ERROR: exporter CSV: the record is kept aside"
    assert len(failed.kept(kept)) == 1
    (tmp_path / "file").unlink()
    assert asyncio.run(engine.result("APIerSv1.ReplayFailedPosts", {"SourcePath": str(kept)})) == "OK"
    assert (tmp_path / "file" / "CSV.csv").read_text() == "1001,1\n"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"ers": {"enabled": True, "readers": [{"id": "R", "type": "*file_csv", "flags": ["*sy"]}]}},
            r"ers.readers, R: flag \*sy is not offered",
        ),
    ],
)
def test_what_cannot_be_is_said_at_the_start(section: dict[str, Any], said: str) -> None:
    with pytest.raises(config.ConfigError, match=said):
        Engine(section)


def test_exporters_and_readers_of_types_not_offered_are_told_and_not_there(tmp_path: Path) -> None:
    given = exporting(tmp_path) | reading(tmp_path)
    given["ees"]["exporters"].append({"id": "SEARCH", "type": "*els"})
    given["ers"]["readers"].append({"id": "QUEUE", "type": "*nats_json_map"})
    (tmp_path / "cgrates.json").write_text(json.dumps(given))
    settings, unsupported = config.load(tmp_path)
    told = {each.key: each.meaning for each in unsupported}
    assert told["ees.exporters[SEARCH]"] == "*els is not offered: it is not there"
    assert told["ers.readers[QUEUE]"] == "*nats_json_map is not offered: it is not there"
    exchange = Engine(settings.raw).runtime.exchange
    assert (set(exchange.readers), set(exchange.exports.counts())) == ({"IN"}, {"CSV"})


async def _record_out(folder: Path, settings: dict[str, Any]) -> str:
    engine = Engine(exporting(folder) | settings)
    engine.load(
        TARIFF | {"Attributes.csv": "cgrates.org,MASK,*cdrs,,,,*req.Account,*constant,masked,false,10\n"}
    )
    event = {
        "OriginID": "x",
        "RequestType": "*rated",
        "Account": "1001",
        "Destination": "49301",
        "Usage": "60s",
    }
    event |= {"ToR": "*voice", "Category": "call", "AnswerTime": "2026-06-15T10:00:00Z"}
    await engine.result("CDRsV1.ProcessEvent", {"Flags": ["*rals", "*chargers:false"], "Event": event})
    await engine.runtime.exchange.exports.drain()
    assert next(iter(engine.runtime.state.tables[Kind.CDR].values())).account == "1001"
    out = folder / "CSV.csv"
    return out.read_text() if out.exists() else ""


def test_all_exporters_get_records_where_they_are_connected(tmp_path: Path) -> None:
    wired = {"cdrs": {"ees_conns": ["*internal"]}}
    assert asyncio.run(_record_out(tmp_path, wired)) == "1001,0.01\n"
    assert asyncio.run(_record_out(tmp_path / "none", {"cdrs": {}})) == ""


def test_an_exporter_changes_its_records_by_attributes(tmp_path: Path) -> None:
    changing = exporting(tmp_path, flags=["*attributes"], attribute_ids=["MASK"])
    changing["ees"]["attributes_conns"] = ["*internal"]
    assert asyncio.run(_record_out(tmp_path, changing)) == "masked,0.01\n"
    other = exporting(tmp_path / "other", flags=["*attributes"], attribute_context="*sessions")
    other["ees"]["attributes_conns"] = ["*internal"]
    assert asyncio.run(_record_out(tmp_path / "other", other)) == "1001,0.01\n"
    unwired = exporting(tmp_path / "unwired", flags=["*attributes"])
    assert asyncio.run(_record_out(tmp_path / "unwired", unwired)) == ""
