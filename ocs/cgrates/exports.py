"""The exporters of a configuration: what waits for them lies in the state, durable with the step that made it."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import structlog

from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.profiles.filters import Rule
from ocs.exporting.delivery import Delivery, Exporter, deliver, replay
from ocs.exporting.kafka import KafkaSink
from ocs.exporting.postgres import PostgresSink
from ocs.exporting.records import Record, is_wanted, parse_template
from ocs.exporting.sinks import FileSink, HttpSink, LogSink, NoSink, Sink, SinkFailed

log = structlog.get_logger()

DIGITS = 20  # of a sequence in a key
ATTRIBUTES = "*attributes"  # the flag of an exporter whose records are changed first
MOST_WAITING = 1_000_000  # records of one exporter
OFFERED = frozenset(
    (
        *("*file_csv", "*file_json", "*http_post", "*http_json_map", "*sql", "*kafka_json_map"),
        *("*log", "*virt", "*none"),
    )
)
Alter = Callable[[Record, tuple[str, ...], str], Record]  # by profiles of some ids, in a context
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class ExporterSettings(msgspec.Struct, frozen=True):
    """One of `ees.exporters`."""

    id: str
    type: str = "*none"
    export_path: str = ""
    attempts: int = 1
    synchronous: bool = False
    fields: list[dict[str, Any]] = []
    field_separator: str = ","
    filters: list[str] = []
    failed_posts_dir: str = ""
    flags: list[str] = []
    attribute_ids: list[str] = []
    attribute_context: str = ""
    opts: dict[str, Any] = {}


class EesSettings(msgspec.Struct, frozen=True):
    """Section `ees`."""

    enabled: bool = False
    attributes_conns: list[str] = []
    failed_posts: dict[str, Any] = {}
    exporters: list[ExporterSettings] = []


def ees_settings(raw: dict[str, Any]) -> EesSettings:
    """The section as the configuration has it. Raises ValueError."""
    try:
        return msgspec.convert(raw.get("ees") or {}, EesSettings, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"ees: {error}") from None


class StateOutbox:
    """What waits for exporters, as records of a state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: dict[str, deque[tuple[str, Record]]] = {}
        self._sequence = 0
        self.restore()

    def restore(self) -> None:
        """Takes over what the state has."""
        self._waiting.clear()
        for key, record in sorted(self._state.tables[Kind.EXPORT].items()):
            exporter_id, _, number = key.rpartition(":")
            self._sequence = max(self._sequence, int(number))
            self._waiting.setdefault(exporter_id, deque()).append((key, record))

    def lines(self) -> list[str]:
        """The exporters that something waits for."""
        return [name for name, line in self._waiting.items() if line]

    def add(self, exporter_id: str, record: Record) -> None:
        """One more record, in the present step. Raises ValueError where too many wait."""
        line = self._waiting.setdefault(exporter_id, deque())
        if len(line) >= MOST_WAITING:
            raise ValueError(f"exporter {exporter_id}: {MOST_WAITING} records wait already")
        self._sequence += 1
        key = f"{exporter_id}:{self._sequence:0{DIGITS}d}"
        line.append((key, record))
        self._state.put(Kind.EXPORT, key, record)

    def waiting(self, exporter_id: str, most: int) -> Sequence[Record]:
        """The oldest records of an exporter."""
        line = self._waiting.get(exporter_id, ())
        return [record for _, record in islice(line, most)]

    def done(self, exporter_id: str, records: Sequence[Record]) -> None:
        """The oldest records need not wait any more."""
        line = self._waiting.get(exporter_id, deque())
        for _ in records:
            key, _ = line.popleft()
            self._state.delete(Kind.EXPORT, key)


class Exports:
    """The exporters of one server."""

    def __init__(self, settings: EesSettings, state: State) -> None:
        """Raises ValueError for an exporter that cannot be as configured; one not in OFFERED is not there."""
        self._state = state
        self.outbox = self._outbox = StateOutbox(state)
        told = settings.exporters if settings.enabled else []
        self._settings = {each.id: each for each in told if each.type in OFFERED}
        folder = settings.failed_posts.get("dir")
        self._failed_folder = Path(folder) if isinstance(folder, str) and folder else None
        self._exporters = {each.id: self._exporter(each) for each in self._settings.values()}
        self._deliveries = {
            name: Delivery(exporter, self._outbox, settle=state.durable)
            for name, exporter in self._exporters.items()
        }
        self._alters = bool(settings.attributes_conns)
        self.alter: Alter = _as_it_is
        self._tasks: list[asyncio.Task[None]] = []

    def __contains__(self, exporter_id: str) -> bool:
        return exporter_id in self._exporters

    def start(self, spawn: Spawn) -> None:
        """Deliver what waits, and what will."""
        self._tasks = [spawn(each.run()) for each in self._deliveries.values()]

    async def stop(self) -> None:
        """Let what waits wait for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for exporter in self._exporters.values():
            await exporter.sink.close()

    async def drain(self) -> None:
        """Deliver what waits now."""
        for delivery in self._deliveries.values():
            while await delivery.step():
                pass

    def wanted(self, record: Record, ids: Iterable[str] = ()) -> list[str]:
        """Exporters whose filters let a record pass, of some or of all."""
        asked = tuple(ids)
        known = [name for name, each in self._settings.items() if each.type != "*none"]
        names = [name for name in known if name in asked] if asked else known
        return [name for name in names if is_wanted(self._rules(self._settings[name], record.tenant), record)]

    def put(self, record: Record, ids: Iterable[str]) -> list[str]:
        """Let a record wait for exporters, in the present step; the ids of those that want it."""
        names = self.wanted(record, ids)
        for name in names:
            try:
                altered = self._altered(name, record)
            except ValueError as error:  # what the record is about has been done: nothing of it is taken back
                log.error("exporter.record_left_out", exporter=name, record=record.key, error=str(error))
                continue
            self._outbox.add(name, altered)
            self._deliveries[name].wake()
        return names

    def _altered(self, name: str, record: Record) -> Record:
        """A record as an exporter wants it. Raises ValueError where its attributes cannot be applied."""
        settings = self._settings[name]
        if ATTRIBUTES not in settings.flags:
            return record
        if not self._alters:
            raise ValueError(f"exporter {name}: NOT_CONNECTED: AttributeS")
        return self.alter(record, tuple(settings.attribute_ids), settings.attribute_context)

    async def export(self, record: Record, ids: Iterable[str] = ()) -> list[str]:
        """Put a record; where an exporter is synchronous, it is delivered or kept aside on return."""
        names = self.wanted(record, ids)
        for name in names:
            altered = self._altered(name, record)
            if self._settings[name].synchronous:
                if not await deliver(self._exporters[name], [altered]):
                    raise SinkFailed(f"exporter {name}: the record is kept aside")
            else:
                self._outbox.add(name, altered)
                self._deliveries[name].wake()
        return names

    async def replay(self, folder: Path | None = None) -> tuple[int, int]:
        """Deliver failed batches once more; how many were and how many stay."""
        found = folder or self._failed_folder
        return (0, 0) if found is None else await replay(found, self._exporters)

    def reset(self) -> None:
        """Counts begin anew."""
        for exporter in self._exporters.values():
            exporter.sent = exporter.failed = 0

    def counts(self) -> dict[str, dict[str, int]]:
        """How many records each exporter has sent and kept aside."""
        return {name: {"sent": each.sent, "failed": each.failed} for name, each in self._exporters.items()}

    def _rules(self, settings: ExporterSettings, tenant: str) -> tuple[Rule, ...]:
        try:
            return self._state.book.filters.rules(tenant, settings.filters)
        except ValueError as error:
            log.warning("exporter.filter_unknown", exporter=settings.id, error=str(error))
            return ()

    def _exporter(self, settings: ExporterSettings) -> Exporter:
        strange = [flag for flag in settings.flags if flag not in ("", ATTRIBUTES)]
        if strange:
            log.warning("exporter.flags_without_effect", exporter=settings.id, flags=strange)
        try:
            template = parse_template(settings.fields)
            sink = sink_of(settings)
        except (ValueError, SinkFailed) as error:
            raise ValueError(f"ees.exporters, {settings.id}: {error}") from None
        folder = Path(settings.failed_posts_dir) if settings.failed_posts_dir else self._failed_folder
        if settings.synchronous and folder is None:
            folder = Path(settings.export_path if settings.type.startswith("*file") else ".") / "failed_posts"
        return Exporter(settings.id, sink, template, max(settings.attempts, 1), folder)


def _as_it_is(record: Record, ids: tuple[str, ...], context: str) -> Record:
    return record


def sink_of(settings: ExporterSettings) -> Sink:
    """Where an exporter writes. Raises ValueError, SinkFailed."""
    path, template = settings.export_path, parse_template(settings.fields)
    match settings.type:
        case "*file_csv":
            return FileSink(Path(path) / f"{settings.id}.csv", template, separator=settings.field_separator)
        case "*file_json":
            return FileSink(Path(path) / f"{settings.id}.jsonl", template, is_json=True)
        case "*http_post" | "*http_json_map":
            return HttpSink(path, settings.type)
        case "*sql":
            return PostgresSink(path, str(settings.opts.get("sqlTableName") or "cdrs"))
        case "*kafka_json_map":
            return KafkaSink(path, str(settings.opts.get("kafkaTopic") or "cgrates"))
        case "*log":
            return LogSink()
        case "*virt" | "*none":
            return NoSink()
    raise ValueError(f"type {settings.type[:40]} is not offered")
