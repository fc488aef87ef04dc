"""Rows into a PostgreSQL table by COPY; a row whose key is there already is left out. Needs `ocs[postgres]`."""

import re
from collections.abc import Sequence
from typing import Any

from ocs.exporting.records import Row
from ocs.exporting.sinks import TIMEOUT_S, SinkFailed

KEY = "export_key"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_]{0,62})?", re.ASCII)


class PostgresSink:
    """A table with one text column per member and `export_key text primary key`."""

    def __init__(self, dsn: str, table: str, timeout_s: float = TIMEOUT_S) -> None:
        """Raises ValueError for a table's name that is none, SinkFailed where asyncpg is not installed."""
        if not _NAME.fullmatch(table):
            raise ValueError(f"not the name of a table: {table[:80]!r}")
        try:
            import asyncpg
        except ImportError:
            raise SinkFailed("exporting to PostgreSQL needs asyncpg: pip install 'ocs[postgres]'") from None
        self._driver: Any = asyncpg
        self._dsn = dsn
        self._table = table
        self._timeout_s = timeout_s
        self._connection: Any = None

    async def write(self, rows: Sequence[Row]) -> None:
        """Copy rows in one transaction. Raises SinkFailed, and nothing is written."""
        names = tuple(name for name, _ in rows[0].members)
        _check(names)
        columns = ", ".join(f'"{name}"' for name in (KEY, *names))
        try:
            connection = await self._connected()
            async with connection.transaction():
                await connection.execute(
                    f"create temp table arriving (like {self._table} including defaults) on commit drop"
                )
                await connection.copy_records_to_table(
                    "arriving",
                    records=[(row.key, *row.texts()) for row in rows],
                    columns=[KEY, *names],
                    timeout=self._timeout_s,
                )
                await connection.execute(
                    f"insert into {self._table} ({columns}) select {columns} from arriving on conflict do nothing"
                )
        except (OSError, TimeoutError, self._driver.PostgresError, self._driver.InterfaceError) as error:
            await self._drop()
            raise SinkFailed(f"{self._table}: {error}") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _connected(self) -> Any:
        if self._connection is None:
            self._connection = await self._driver.connect(self._dsn, timeout=self._timeout_s)
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _check(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name) or "." in name:
            raise SinkFailed(f"not the name of a column: {name[:80]!r}")
