"""Stored records go out through exporters."""

from pathlib import Path
from typing import Any

from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import TARIFF, event

FIELDS = [
    {"path": "*exp.Account", "type": "*variable", "value": "~*req.Account"},
    {"path": "*exp.Cost", "type": "*variable", "value": "~*req.Cost"},
]


def test_stored_records_are_exported_by_filter(tmp_path: Path) -> None:
    exporter: dict[str, Any] = {
        "id": "CSV",
        "type": "*file_csv",
        "export_path": str(tmp_path),
        "fields": FIELDS,
        "synchronous": True,
    }
    api = Api({"ees": {"enabled": True, "exporters": [exporter]}})
    api.engine.load(TARIFF)
    for name in ("a", "b"):
        api("SessionSv1.ProcessCDR", Tenant="cgrates.org", ID=name, Event=event(name, RequestType="*rated"))
    assert api("APIerSv1.ExportCDRs", ExporterIDs=["CSV"], OriginIDs=["b"]) == {"CSV": {}}
    [path] = tmp_path.rglob("*.csv")
    assert path.read_text() == "1001,0.6\n"
    verbose = api("APIerSv1.ExportCDRs", OriginIDs=["a"], Verbose=True)
    assert verbose["CSV"] != {}
    assert api.error("APIerSv1.ExportCDRs", OriginIDs=["none"]) == "NOT_FOUND"
    assert api.error("APIerSv1.ExportCDRs", ExporterIDs=["NONE"]) == "NOT_FOUND"
    api.close()


def test_without_exporters_the_subsystem_is_not_connected(api: Api) -> None:
    assert api.error("APIerSv1.ExportCDRs") == "NOT_CONNECTED: EEs"
