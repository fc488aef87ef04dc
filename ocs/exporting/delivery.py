"""Delivers what waits for an exporter: in batches, in order, at least once.

Records stay in the outbox until they are written or kept as a failed batch; a server that ends in between delivers
them again, under the same keys.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from ocs.exporting import failed
from ocs.exporting.records import Record, Row, Template
from ocs.exporting.sinks import Sink, SinkFailed

log = structlog.get_logger()

BATCH = 500
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
INTERRUPTED_PAUSE_S = 1.0


class Outbox(Protocol):
    """What waits, durably, in order."""

    def waiting(self, exporter_id: str, most: int) -> Sequence[Record]:
        """The oldest records of an exporter."""

    def done(self, exporter_id: str, records: Sequence[Record]) -> None:
        """Records need not wait any more."""


class Exporter(msgspec.Struct):
    """One exporter; `attempts` is how often a batch is tried before it is kept aside."""

    id: str
    sink: Sink
    template: Template = Template()
    attempts: int = 1
    failed_folder: Path | None = None
    sent: int = 0
    failed: int = 0


class Delivery:
    """The records of one exporter on their way."""

    def __init__(
        self,
        exporter: Exporter,
        outbox: Outbox,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`settle` returns when what waits is durable: nothing leaves that a crash could take back."""
        self.exporter = exporter
        self._settle = settle
        self._outbox = outbox
        self._pause = pause
        self._arrived = asyncio.Event()

    def wake(self) -> None:
        """Something waits."""
        self._arrived.set()

    async def run(self) -> None:
        """Deliver for ever; cancel to end."""
        while True:
            self._arrived.clear()
            try:
                while await self.step():
                    pass
            except Exception as error:  # nothing is lost: it is in the outbox still
                log.error("export.interrupted", exporter=self.exporter.id, error=repr(error))
                await self._pause(INTERRUPTED_PAUSE_S)
                continue
            await self._arrived.wait()

    async def step(self) -> bool:
        """Deliver one batch; False where nothing waits."""
        records = self._outbox.waiting(self.exporter.id, BATCH)
        if not records:
            return False
        if self._settle is not None:
            await self._settle()
        await deliver(self.exporter, records, self._pause)
        self._outbox.done(self.exporter.id, records)
        return True


async def deliver(
    exporter: Exporter,
    records: Sequence[Record],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> bool:
    """Write records, or keep them as a failed batch; whether they were written.

    Without a folder for failed batches they are tried for ever.
    """
    rows, unusable = _rows(exporter, records)
    if unusable:
        await _keep(exporter, unusable, "a value cannot be made")
    reason, attempt, wait_s = "", 0, FIRST_PAUSE_S
    while exporter.failed_folder is None or attempt < max(exporter.attempts, 1):
        if attempt:
            await pause(wait_s)
            wait_s = min(2 * wait_s, LONGEST_PAUSE_S)
        attempt += 1
        try:
            if rows:
                await exporter.sink.write(rows)
        except SinkFailed as error:
            reason = str(error)
            log.warning(
                "export.failed", exporter=exporter.id, attempt=attempt, records=len(rows), error=reason
            )
            continue
        exporter.sent += len(rows)
        return True
    await _keep(exporter, records, reason)
    return False


async def _keep(exporter: Exporter, records: Sequence[Record], reason: str) -> None:
    exporter.failed += len(records)
    path = None
    if exporter.failed_folder is not None:
        path = await asyncio.to_thread(failed.keep, exporter.failed_folder, exporter.id, records, reason)
    log.error("export.kept_aside", exporter=exporter.id, records=len(records), path=str(path), error=reason)


async def replay(folder: Path, exporters: dict[str, Exporter]) -> tuple[int, int]:
    """Deliver the failed batches of a folder once more; how many were written and how many stay.

    A batch that fails again is kept as it was.
    """
    written, staying = 0, 0
    for path in failed.kept(folder):
        batch = failed.read(path)
        exporter = exporters.get(batch.exporter_id)
        if exporter is None:
            log.warning("export.not_replayed", path=str(path), reason=f"no exporter {batch.exporter_id}")
            staying += 1
            continue
        try:
            rows, unusable = _rows(exporter, batch.records)
            if unusable:
                raise SinkFailed(f"a value of {unusable[0].key} cannot be made")
            if rows:
                await exporter.sink.write(rows)
        except SinkFailed as error:
            log.warning("export.not_replayed", path=str(path), reason=str(error))
            staying += 1
            continue
        exporter.sent += len(rows)
        path.unlink()
        written += 1
    return written, staying


def _rows(exporter: Exporter, records: Sequence[Record]) -> tuple[list[Row], list[Record]]:
    """Records as rows, and those whose values cannot be made."""
    rows, unusable = [], []
    for record in records:
        try:
            rows.append(exporter.template.row(record))
        except ValueError as error:
            log.error("export.row_not_made", exporter=exporter.id, key=record.key, error=str(error))
            unusable.append(record)
    return rows, unusable
