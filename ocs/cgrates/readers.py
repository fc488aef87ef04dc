"""Readers of foreign records: files of a folder or of a URL, row by row into the pipeline.

How far a file is read is kept in the step that charges its row, so a server that ends in the middle goes on behind
the last row that counts: none twice, none left out.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from ocs.cgrates.agents.templates import (
    CGREQ,
    OPTS,
    REPLY,
    TMP,
    VARS,
    Check,
    Field,
    Scope,
    TemplateError,
    compiled,
    filters_of,
)
from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind
from ocs.cgrates.partial_records import PartialRecords, is_partial, partial_settings
from ocs.cgrates.reader_files import FAULTS, HEADER, TRAILER, FileForm, Row
from ocs.cgrates.state import State
from ocs.charging.cgrates import values as cells
from ocs.charging.profiles.rsr import parse_value
from ocs.charging.profiles.values import Event
from ocs.charging.profiles.view import NOTHING
from ocs.lazily import lazily
from ocs.sessions.errors import ServiceError
from ocs.sessions.model import CgrEvent

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazily("aiohttp")

log = structlog.get_logger()

BATCH_ROWS = 200  # between two looks at other work
LARGEST_OCTETS = 1 << 30
FETCH_TIMEOUT_S = 60.0
SWEEP_S = 1.0  # between two looks at parts that are kept too long
Process = Callable[[CgrEvent], None]
Prepare = Callable[[CgrEvent], Awaitable[None]]


class ReaderSettings(msgspec.Struct, frozen=True):
    """One of `ers.readers`."""

    id: str
    type: str = "*none"
    enabled: bool = True
    run_delay: str | int = 0
    source_path: str = ""
    processed_path: str = ""
    start_delay: str | int = 0
    tenant: str = ""
    timezone: str = ""
    flags: list[str] = []
    filters: list[str] = []
    fields: list[dict[str, Any]] = []
    cache_dump_fields: list[dict[str, Any]] = []
    partial_commit_fields: list[dict[str, Any]] = []
    opts: dict[str, Any] = {}


class ErsSettings(msgspec.Struct, frozen=True):
    """Section `ers`."""

    enabled: bool = False
    partial_cache_ttl: str | int = "1s"
    readers: list[ReaderSettings] = []


class Outcome(msgspec.Struct):
    """What came of the rows of a file."""

    rows: int = 0
    processed: int = 0
    passed_over: int = 0
    failed: int = 0


def ers_settings(raw: dict[str, Any]) -> ErsSettings:
    """The section as the configuration has it. Raises ValueError."""
    try:
        return msgspec.convert(raw.get("ers") or {}, ErsSettings, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"ers: {error}") from None


class Reader:
    """One reader; `process` charges the event of a row, in one step."""

    def __init__(
        self,
        settings: ReaderSettings,
        state: State,
        tenant: str,
        process: Process,
        prepare: Prepare | None = None,
        partial_ttl: str | int = "1s",
    ) -> None:
        """`prepare` is waited for before an event is charged; `partial_ttl` is how long parts of a record are kept.

        Raises ValueError for a reader that cannot be as configured.
        """
        self.settings = settings
        self._state = state
        self._default_tenant = tenant
        self._process = process
        self._prepare = prepare
        try:
            self.delay_ns = cells.duration_ns(str(settings.run_delay))
            self._start_ns = cells.duration_ns(str(settings.start_delay))
            self._tenant = parse_value(settings.tenant) if settings.tenant else None
            self._filters = filters_of(settings.filters)
            self._fields = self._compiled("fields", _row_field)
            self._form = FileForm(
                settings.type,
                settings.opts,
                has_header=self._speaks_of(HEADER),
                has_trailer=self._speaks_of(TRAILER),
            )
            parts = partial_settings(
                settings.opts,
                cells.duration_ns(str(partial_ttl)),
                self._compiled("partial_commit_fields", _row_field),
                self._compiled("cache_dump_fields", _dump_field),
            )
        except ValueError as error:
            raise ValueError(f"ers.readers, {settings.id}: {error}") from None
        self._partial = PartialRecords(settings.id, parts, state, self._filled)

    def _compiled(self, key: str, check: Check) -> tuple[Field, ...]:
        """The fields of a key; one without a type is a variable, and `*exp` of dumps is what is written."""
        given = [
            {
                "type": "*variable",
                **each,
                "path": str(each.get("path") or "").replace("*exp.", f"{REPLY}.", 1),
            }
            for each in getattr(self.settings, key)
        ]
        return compiled(given, key, {}, self.settings.timezone, check)

    def _speaks_of(self, root: str) -> bool:
        """Whether fields or filters read what stands around the rows."""
        texts = [*self.settings.filters, *(str(each) for each in self.settings.fields)]
        return any(f"~{root}." in text for text in texts)

    async def run(self) -> None:
        """Read again and again, as often as configured; cancel to end."""
        await asyncio.sleep(max(self._start_ns, 0) / 1e9)
        while True:
            try:
                await self.read()
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("reader.failed", reader=self.settings.id, error=str(error))
            await asyncio.sleep(max(self.delay_ns, 0) / 1e9 or 1.0)

    async def sweep(self) -> None:
        """See again and again to parts of records whose last one does not come; cancel to end."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.end_partial(time.time_ns())

    async def end_partial(self, now_ns: int) -> None:
        """Do with parts that are kept too long what the reader says."""
        for key, kept in self._partial.over(now_ns):
            try:
                event = self._partial.chargeable(kept)
                if event is not None and self._prepare is not None:
                    await self._prepare(event)
                self._partial.end(key, kept)
                if event is not None:
                    self._process(event)
            except (OSError, ValueError, ServiceError) as error:
                log.warning("reader.partial_failed", reader=self.settings.id, record=key, error=str(error))
            self._state.when_durable(_told)

    async def read(self) -> Outcome:
        """Read everything that is there now. Raises OSError, aiohttp.ClientError, TimeoutError."""
        total = Outcome()
        async for name, text in self._sources():
            outcome = await self._read_text(name, text)
            log.info(
                "reader.file_read", reader=self.settings.id, file=name, **msgspec.structs.asdict(outcome)
            )
            for member in Outcome.__struct_fields__:
                setattr(total, member, getattr(total, member) + getattr(outcome, member))
        return total

    async def _sources(self) -> Any:
        source = self.settings.source_path
        if source.startswith(("http://", "https://")):
            yield source, await _fetch(source)
            return
        folder = Path(source)
        for path in await asyncio.to_thread(lambda: sorted(folder.glob(f"*{self._form.suffix}"))):
            yield path.name, await asyncio.to_thread(path.read_text, "utf-8-sig")
            if self.settings.processed_path:
                await self._state.durable()
                await asyncio.to_thread(_move, path, Path(self.settings.processed_path))
                self._state.delete(Kind.READ, self._key(path.name))

    async def _read_text(self, name: str, text: str) -> Outcome:
        outcome = Outcome()
        done = self._state.tables[Kind.READ].get(self._key(name), {"rows": 0})["rows"]
        try:
            for number, row in enumerate(self._form.rows(text), 1):
                outcome.rows += 1
                if number <= done:
                    continue
                event = self._event_of(name, number, row, outcome)
                if event is not None and self._prepare is not None and not is_partial(event.event):
                    await self._prepare(self._partial.whole(event))
                if event is not None:
                    self._charge(name, number, event, outcome)
                self._state.put(Kind.READ, self._key(name), {"rows": number})
                self._state.when_durable(_told)  # with what the row has changed
                if number % BATCH_ROWS == 0:
                    await asyncio.sleep(0)
        except FAULTS as error:
            self._failed(name, outcome.rows + 1, error, outcome)
        await self._state.durable()
        return outcome

    def _event_of(self, name: str, number: int, row: Row, outcome: Outcome) -> CgrEvent | None:
        """The event of a row; None where there is none to charge."""
        try:
            if row.fault:
                raise ValueError(row.fault)
            event = self._event(row)
            outcome.passed_over += event is None
            return event
        except ValueError as error:
            self._failed(name, number, error, outcome)
            return None

    def _charge(self, name: str, number: int, event: CgrEvent, outcome: Outcome) -> None:
        try:
            if is_partial(event.event):
                self._partial.keep(event, time.time_ns())
            else:
                whole = self._partial.whole(event)
                self._partial.forget(event)
                self._process(whole)
        except (ValueError, ServiceError) as error:
            self._failed(name, number, error, outcome)
        else:
            outcome.processed += 1

    def _failed(self, name: str, number: int, error: Exception, outcome: Outcome) -> None:
        outcome.failed += 1
        log.warning("reader.row_failed", reader=self.settings.id, place=f"{name}:{number}", error=str(error))

    def _event(self, row: Row) -> CgrEvent | None:
        """The event of a row; None where the filters do not pass. Raises ValueError."""
        scope = self._scope(row.request, row.around)
        if not scope.passes(self._filters):
            return None
        scope.run(self._fields)
        event, options = scope.roots[CGREQ], scope.roots[OPTS]
        return CgrEvent(str(event.get("Tenant") or scope.tenant), event, options)

    def _scope(self, request: Event, around: Mapping[str, Event]) -> Scope:
        def rules(tenant: str, filters: Sequence[str]) -> Any:
            return self._state.book.filters.rules(tenant, list(filters))

        scope = Scope(self._default_tenant, request, {}, rules, NOTHING)
        scope.roots.update(around)
        if self._tenant is not None:
            scope.tenant = self._tenant.text(scope.view()) or self._default_tenant
        return scope

    def _filled(self, event: Event, fields: Sequence[Field]) -> Mapping[str, Any]:
        scope = self._scope(event, {})
        scope.run(fields)
        return {**scope.roots, **scope.replies}

    def _key(self, name: str) -> str:
        return f"{self.settings.id}:{name}"


def _row_field(field: Field) -> None:
    if field.root not in (CGREQ, OPTS, VARS, TMP):
        raise TemplateError(f"{field.root} cannot be written to")


def _dump_field(field: Field) -> None:
    if field.root not in (REPLY, VARS, TMP):
        raise TemplateError(f"{field.root} cannot be written to")


async def _fetch(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        answer.raise_for_status()
        content = await answer.content.read(LARGEST_OCTETS)
        return content.decode("utf-8-sig")


def _told(error: JournalError | None) -> None:
    """What could not be written is told by the state; the row is read again."""


def _move(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path.rename(folder / path.name)
