"""Records out of the server and in: its exporters and its readers."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from ocs.cgrates import config
from ocs.cgrates.exports import Exports, Spawn, ees_settings
from ocs.cgrates.reader_files import KINDS
from ocs.cgrates.readers import Prepare, Process, Reader, ReaderSettings, ers_settings
from ocs.cgrates.state import State
from ocs.exporting.records import Record
from ocs.sessions.cdrs import CONTEXT, CdrService
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import Cdr, CgrEvent
from ocs.sessions.surroundings import Surroundings

log = structlog.get_logger()

READER_FLAGS = ("*cdrs", "*dryRun", "*dryrun", "*log", "*none")


class Exchange:
    """One per server. Raises ConfigError for an exporter or reader that cannot be as configured."""

    def __init__(
        self,
        settings: config.Settings,
        state: State,
        cdrs: CdrService,
        surroundings: Surroundings,
        prepare: Prepare | None = None,
    ) -> None:
        """`prepare` brings what charging an event needs into memory."""
        self._settings = settings
        self._cdrs = cdrs
        self._surroundings = surroundings
        self._tasks: list[asyncio.Task[None]] = []
        try:
            self.exports = Exports(ees_settings(settings.raw), state)
            told = ers_settings(settings.raw)
            found = [each for each in told.readers if told.enabled and each.enabled and each.type in KINDS]
            tenant = settings.general.default_tenant
            self.readers = {
                each.id: Reader(each, state, tenant, self._process_of(each), prepare, told.partial_cache_ttl)
                for each in found
            }
        except ValueError as error:
            raise config.ConfigError(str(error)) from None
        self.exports.alter = self._altered
        cdrs.exported = self._export

    def put(self, event: CgrEvent, exporter_ids: Sequence[str]) -> None:
        """Lets an event wait for exporters."""
        self.exports.put(Record(event.event_id, event.tenant, event.event, event.options), exporter_ids)

    def start(self, spawn: Spawn) -> None:
        """Delivers what waits, and reads what is there as often as configured."""
        self.exports.start(spawn)
        self._tasks = [spawn(each.run()) for each in self.readers.values() if each.delay_ns]
        self._tasks += [spawn(each.sweep()) for each in self.readers.values()]

    async def stop(self) -> None:
        """Ends reading and delivering; both go on at the next start where they were."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.exports.stop()

    def _export(self, cdr: Cdr) -> None:
        """Lets a record wait for the exporters of the configuration."""
        record = Record(f"{cdr.cgrid}:{cdr.run_id}", cdr.tenant, self._cdrs.form(cdr))
        self.exports.put(record, self._settings.cdrs.online_cdr_exports)

    def _altered(self, record: Record, ids: tuple[str, ...], context: str) -> Record:
        """A record after its attributes; one that no profile matches stays as it is. Raises ValueError."""
        named = record.options.get("*context")
        event = CgrEvent(record.tenant, dict(record.event), dict(record.options), record.key)
        try:
            found = self._surroundings.attributes(event, ids, context or str(named or CONTEXT)).event
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                return record
            raise ValueError(f"ATTRIBUTES_ERROR:{error}") from None
        return msgspec.structs.replace(record, tenant=found.tenant, event=found.event, options=found.options)

    def _process_of(self, reader: ReaderSettings) -> Process:
        """What is done with the events of a reader. Raises ValueError for a flag that is not offered."""
        unknown = [flag for flag in reader.flags if flag.partition(":")[0] not in READER_FLAGS]
        if unknown:
            raise ValueError(f"ers.readers, {reader.id}: flag {unknown[0][:40]} is not offered")
        if "*cdrs" not in reader.flags or {"*dryRun", "*dryrun"} & set(reader.flags):
            return lambda event: log.info("reader.row_read", reader=reader.id, members=sorted(event.event))
        steps = self._cdrs.steps.with_flags(("*rals",))

        def process(event: CgrEvent) -> None:
            self._cdrs.of_event(event, steps)

        return process
