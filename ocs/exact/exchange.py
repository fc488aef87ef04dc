"""Section `records` of ocs.yaml in the words of exporters and readers. Pure."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from ocs.config.exchange import ExporterSettings, ExportField, ReaderSettings, RecordSettings

TYPES = {
    "csv": "*file_csv",
    "json": "*file_json",
    "http": "*http_json_map",
    "http_form": "*http_post",
    "postgres": "*sql",
    "kafka": "*kafka_json_map",
    "log": "*log",
}
FILES = ("csv", "json")


def sections(settings: RecordSettings, folder: PurePath) -> dict[str, Any]:
    """Sections `ees` and `ers`; folders that are not absolute are in the data folder."""
    return {
        "ees": {
            "enabled": True,
            "failed_posts": {"dir": str(folder / settings.failed)},
            "exporters": [_exporter(each, folder) for each in settings.exporters],
        },
        "ers": {"enabled": True, "readers": [_reader(each, folder) for each in settings.readers]},
    }


def of_all_records(settings: RecordSettings) -> list[str]:
    """Exporters that every record goes to."""
    return [each.id for each in settings.exporters if each.all_records]


def _exporter(settings: ExporterSettings, folder: PurePath) -> dict[str, Any]:
    path = str(folder / settings.path) if settings.type in FILES else settings.path
    fields = [_field("*exp", each) for each in settings.fields]
    if settings.header and settings.type == "csv":
        names = [
            {"path": f"*hdr.{each.name}", "type": "*constant", "value": each.name} for each in settings.fields
        ]
        fields = [*names, *fields]
    return {
        "id": settings.id,
        "type": TYPES[settings.type],
        "export_path": path,
        "attempts": settings.attempts,
        "field_separator": settings.separator,
        "filters": list(settings.filters),
        "fields": fields,
        "opts": {"sqlTableName": settings.table, "kafkaTopic": settings.topic},
    }


def _reader(settings: ReaderSettings, folder: PurePath) -> dict[str, Any]:
    is_remote = settings.path.startswith(("http://", "https://"))
    return {
        "id": settings.id,
        "type": "*file_csv",
        "run_delay": f"{settings.every_ns}ns",
        "source_path": settings.path if is_remote else str(folder / settings.path),
        "processed_path": str(folder / settings.processed) if settings.processed else "",
        "tenant": settings.tenant or "",
        "flags": ["*cdrs"],
        "filters": list(settings.filters),
        "fields": list(_members(settings.fields)),
        "opts": {"csvFieldSeparator": settings.separator},
    }


def _members(fields: Iterable[ExportField]) -> Iterable[dict[str, Any]]:
    for each in fields:
        is_option = each.name.startswith("*")
        yield _field("*opts", each) if is_option else _field("*cgreq", each)


def _field(root: str, field: ExportField) -> dict[str, Any]:
    kind = "*variable" if "~" in field.value else "*constant"
    return {"path": f"{root}.{field.name}", "type": kind, "value": field.value}
