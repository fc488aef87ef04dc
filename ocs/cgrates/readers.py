"""Readers of foreign records: CSV files of a folder or of a URL, row by row into the pipeline.

How far a file is read is kept in the step that charges its row, so a server that ends in the middle goes on behind
the last row that counts: none twice, none left out.
"""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates import values as cells
from ocs.charging.profiles.filters import passes
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.charging.profiles.view import View, split
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
ROOTS = ("*cgreq", "*opts")
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
    tenant: str = ""
    flags: list[str] = []
    filters: list[str] = []
    fields: list[dict[str, Any]] = []
    opts: dict[str, Any] = {}


class ErsSettings(msgspec.Struct, frozen=True):
    """Section `ers`."""

    enabled: bool = False
    readers: list[ReaderSettings] = []


class _Field(msgspec.Struct, frozen=True):
    parts: tuple[str, ...]
    value: Value
    is_constant: bool
    is_mandatory: bool


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
    ) -> None:
        """`prepare` is waited for before an event is charged.

        Raises ValueError for a reader that cannot be as configured.
        """
        self.settings = settings
        self._state = state
        self._tenant = settings.tenant or tenant
        self._process = process
        self._prepare = prepare
        self._separator = str(settings.opts.get("csvFieldSeparator") or ",")
        try:
            self.delay_ns = cells.duration_ns(str(settings.run_delay))
            self._fields = tuple(_field(each) for each in settings.fields)
        except ValueError as error:
            raise ValueError(f"ers.readers, {settings.id}: {error}") from None
        if settings.type != "*file_csv":
            raise ValueError(f"ers.readers, {settings.id}: type {settings.type[:40]} is not offered")

    async def run(self) -> None:
        """Read again and again, as often as configured; cancel to end."""
        while True:
            try:
                await self.read()
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("reader.failed", reader=self.settings.id, error=str(error))
            await asyncio.sleep(max(self.delay_ns, 0) / 1e9 or 1.0)

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
        for path in await asyncio.to_thread(lambda: sorted(folder.glob("*.csv"))):
            yield path.name, await asyncio.to_thread(path.read_text, "utf-8-sig")
            if self.settings.processed_path:
                await self._state.durable()
                await asyncio.to_thread(_move, path, Path(self.settings.processed_path))
                self._state.delete(Kind.READ, self._key(path.name))

    async def _read_text(self, name: str, text: str) -> Outcome:
        outcome = Outcome()
        done = self._state.tables[Kind.READ].get(self._key(name), {"rows": 0})["rows"]
        for number, row in enumerate(_rows(text, self._separator), 1):
            outcome.rows += 1
            if number <= done:
                continue
            event = self._event_of(name, number, row, outcome)
            if event is not None and self._prepare is not None:
                await self._prepare(event)
            if event is not None:
                self._charge(name, number, event, outcome)
            self._state.put(Kind.READ, self._key(name), {"rows": number})
            self._state.when_durable(_told)  # with what the row has changed
            if number % BATCH_ROWS == 0:
                await asyncio.sleep(0)
        await self._state.durable()
        return outcome

    def _event_of(self, name: str, number: int, row: list[str], outcome: Outcome) -> CgrEvent | None:
        """The event of a row; None where there is none to charge."""
        try:
            event = self._event(row)
        except ValueError as error:
            self._failed(name, number, error, outcome)
            return None
        outcome.passed_over += event is None
        return event

    def _charge(self, name: str, number: int, event: CgrEvent, outcome: Outcome) -> None:
        try:
            self._process(event)
        except (ValueError, ServiceError) as error:
            self._failed(name, number, error, outcome)
        else:
            outcome.processed += 1

    def _failed(self, name: str, number: int, error: Exception, outcome: Outcome) -> None:
        outcome.failed += 1
        log.warning("reader.row_failed", reader=self.settings.id, place=f"{name}:{number}", error=str(error))

    def _event(self, row: list[str]) -> CgrEvent | None:
        """The event of a row; None where the filters do not pass. Raises ValueError."""
        view = View({str(at): cell for at, cell in enumerate(row)}, tenant=self._tenant)
        rules = self._state.book.filters.rules(self._tenant, self.settings.filters)
        if not passes(rules, view):
            return None
        made: dict[str, dict[str, Any]] = {root: {} for root in ROOTS}
        for field in self._fields:
            text = field.value.constant if field.is_constant else field.value.text(view)
            if not text and field.is_mandatory:
                raise ValueError(f"{'.'.join(field.parts)} is empty")
            if text:
                _put(made[field.parts[0]], field.parts[1:], text)
        tenant = made["*cgreq"].get("Tenant") or self._tenant
        return CgrEvent(str(tenant), made["*cgreq"], made["*opts"])

    def _key(self, name: str) -> str:
        return f"{self.settings.id}:{name}"


def _field(given: dict[str, Any]) -> _Field:
    parts = split(str(given.get("path") or ""))
    if parts[0] not in ROOTS or len(parts) < 2:
        raise ValueError(f"{given.get('path')!r} is neither *cgreq.NAME nor *opts.NAME")
    value = parse_value(str(given.get("value") or ""))
    return _Field(parts, value, given.get("type") == "*constant", bool(given.get("mandatory")))


def _put(target: dict[str, Any], parts: Iterable[str], text: str) -> None:
    *above, last = parts
    for part in above:
        target = target.setdefault(part, {})
    target[last] = text


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Rows with something in them, but for comments."""
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        if row and not row[0].startswith("#"):
            yield row


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
