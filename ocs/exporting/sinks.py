"""Where rows go. A sink has written rows when `write` returns; it raises SinkFailed where it may not have."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from ocs.exporting.records import Row, Template, csv_line, json_line
from ocs.lazily import lazily

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazily("aiohttp")

log = structlog.get_logger()

TIMEOUT_S = 10.0
FORM, JSON = "*http_post", "*http_json_map"


class SinkFailed(Exception):
    """Rows were not written; all of them may be tried again."""


class Sink(Protocol):
    """One destination."""

    async def write(self, rows: Sequence[Row]) -> None:
        """Write rows durably. Raises SinkFailed."""

    async def close(self) -> None:
        """Finish; nothing is written any more."""


class FileSink:
    """A CSV or JSON Lines file, appended to and forced to the disk batch by batch."""

    def __init__(
        self, path: Path, template: Template, *, is_json: bool = False, separator: str = ","
    ) -> None:
        self._path = path
        self._template = template
        self._is_json = is_json
        self._separator = separator

    async def write(self, rows: Sequence[Row]) -> None:
        """Append rows; the header comes first in a new file."""
        try:
            await asyncio.to_thread(self._append, self._encoded(rows))
        except OSError as error:
            raise SinkFailed(f"{self._path}: {error.strerror}") from error

    async def close(self) -> None:
        """Append the trailer."""
        tail = self._template.tail()
        if tail and not self._is_json and self._path.exists():
            await asyncio.to_thread(self._append, csv_line(tail, self._separator).encode())

    def _encoded(self, rows: Sequence[Row]) -> bytes:
        if self._is_json:
            return b"".join(json_line(row) for row in rows)
        return "".join(csv_line(row.texts(), self._separator) for row in rows).encode()

    def _append(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        head = self._template.head()
        with self._path.open("ab") as file:
            if head and not self._is_json and file.tell() == 0:
                file.write(csv_line(head, self._separator).encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


class HttpSink:
    """One POST per row, as a form or as a JSON object, with the row's key as `Idempotency-Key`."""

    def __init__(self, url: str, kind: str = JSON, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._kind = kind
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def write(self, rows: Sequence[Row]) -> None:
        """Post rows one after the other; the first that is refused ends it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        for row in rows:
            members = dict(row.members)
            headers = {"Idempotency-Key": row.key}
            sent = {"json": members, "data": None} if self._kind == JSON else {"json": None, "data": members}
            try:
                async with self._session.post(
                    self._url, headers=headers, json=sent["json"], data=sent["data"]
                ) as answer:
                    if answer.status >= 300:
                        raise SinkFailed(f"{self._url}: answered {answer.status}")
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise SinkFailed(f"{self._url}: {error or 'no answer in time'}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class LogSink:
    """The log."""

    async def write(self, rows: Sequence[Row]) -> None:
        """One line per row."""
        for row in rows:
            log.info(
                "record.exported", key=row.key, **{f"field_{name}": value for name, value in row.members}
            )

    async def close(self) -> None:
        """Nothing to do."""


class NoSink:
    """Nowhere: the row is what is wanted (`*virt`)."""

    async def write(self, rows: Sequence[Row]) -> None:
        """Done at once."""

    async def close(self) -> None:
        """Nothing to do."""
