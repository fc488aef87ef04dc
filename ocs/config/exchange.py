"""Sections `records` and `actions` of ocs.yaml: records out and in, and what actions tell outside. Pure."""

from typing import Annotated, Literal

import msgspec

from ocs.config.constraints import Duration, Integer, Text

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


class ExportField(msgspec.Struct, frozen=True):
    """One member of an exported record: its name, and its value: `~*req.Account`, or a constant."""

    name: Annotated[str, Text(128)]
    value: Annotated[str, Text(1_024)]


class ExporterSettings(msgspec.Struct, frozen=True):
    """Where records go. `path` is a folder, an URL, the DSN of PostgreSQL or the servers of Kafka."""

    id: Annotated[str, Text(64)]
    type: Literal["csv", "json", "http", "http_form", "postgres", "kafka", "log"]
    path: Annotated[str, Text(1_024)] = ""
    table: Annotated[str, Text(128)] = "cdrs"
    topic: Annotated[str, Text(249)] = "cdrs"
    attempts: Annotated[int, Integer(1, 1_000)] = 5
    separator: Annotated[str, Text(1)] = ","
    header: bool = True
    filters: tuple[Annotated[str, Text(1_024)], ...] = ()
    fields: tuple[ExportField, ...] = ()
    all_records: bool = True


class ReaderSettings(msgspec.Struct, frozen=True):
    """Where records of others come from: the CSV files of a folder, or an URL; without `every` when asked."""

    id: Annotated[str, Text(64)]
    path: Annotated[str, Text(1_024)]
    fields: tuple[ExportField, ...]
    every_ns: Annotated[int, Duration(0, 30 * DAY_NS)] = 0
    processed: Annotated[str, Text(1_024)] | None = None
    separator: Annotated[str, Text(1)] = ","
    filters: tuple[Annotated[str, Text(1_024)], ...] = ()
    tenant: Annotated[str, Text(64)] | None = None


class RecordSettings(msgspec.Struct, frozen=True):
    """Records out of the server and in; `failed` is relative to the data folder."""

    exporters: tuple[ExporterSettings, ...] = ()
    readers: tuple[ReaderSettings, ...] = ()
    failed: Annotated[str, Text(1_024)] = "failed_exports"


class ActionSettings(msgspec.Struct, frozen=True):
    """How actions tell something outside; `failed` is relative to the data folder, mail needs a server."""

    attempts: Annotated[int, Integer(1, 1_000)] = 20
    timeout_ns: Annotated[int, Duration(100_000_000, 300 * SECOND_NS)] = 10 * SECOND_NS
    failed: Annotated[str, Text(1_024)] = "failed_actions"
    mail_server: Annotated[str, Text(255)] | None = None
    mail_port: Annotated[int, Integer(1, 65_535)] = 25
    mail_sender: Annotated[str, Text(255)] = "ocs@localhost"
