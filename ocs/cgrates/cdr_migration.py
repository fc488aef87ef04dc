"""Call detail records of a journal of the second layout, which had them among all other records.

All of it is one transaction: a start that is cut short leaves the file as it was.
"""

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec
import structlog

from ocs.cgrates import cdr_rows
from ocs.sessions.model import Cdr

log = structlog.get_logger()

KIND = "cdr"
PIECE = 5_000
OLDEST = "select number, key, value from record where kind = 'cdr' and number > ? order by number limit ?"
TAKEN = "select 1 from cdr where order_id = ?"
# To copy what stays is quicker than to take away what goes, which is nearly all.
OTHERS = "insert into record select * from old_record where kind != 'cdr' order by number"

_decode = msgspec.json.Decoder(Cdr).decode
_encode = msgspec.json.Encoder().encode


def move(
    connection: sqlite3.Connection, recent: Mapping[str, bytes | None], schema: str, layout: int
) -> None:
    """Bring all records into their table; `recent` are those that changed last, by key, None for one that is gone.

    Raises sqlite3.Error, msgspec.MsgspecError.
    """
    connection.execute("begin immediate")
    try:
        connection.execute(cdr_rows.TABLE)
        _put(connection, [value for value in recent.values() if value is not None])
        last = moved = 0
        while rows := connection.execute(OLDEST, (last, PIECE)).fetchall():
            last, moved = rows[-1][0], moved + len(rows)
            _put(connection, [value for _, key, value in rows if key not in recent])
            log.info("journal.cdrs_moved", records=moved)
        if moved:
            connection.execute("alter table record rename to old_record")
            _execute(connection, schema)
            connection.execute(OTHERS)
        _execute(connection, cdr_rows.INDEXES)
        connection.execute(f"pragma user_version={layout}")
    except BaseException:  # whatever ends it: all records are where they were, or all are moved
        connection.execute("rollback")
        raise
    connection.execute("commit")


def clear(connection: sqlite3.Connection) -> None:
    """Give back the room of what was moved; within the other transaction all of it would be held in memory."""
    connection.execute("drop table if exists old_record")
    connection.execute("pragma wal_checkpoint(truncate)")


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    """Several statements of a transaction, which `executescript` would end."""
    for statement in statements.split(";"):
        connection.execute(statement)


def _put(connection: sqlite3.Connection, values: Iterable[bytes]) -> None:
    """Add records, each with an order id that no other one has."""
    for value in values:
        cdr = _decode(value)
        if cdr.order_id <= 0 or connection.execute(TAKEN, (cdr.order_id,)).fetchone() is not None:
            last: int = connection.execute(cdr_rows.LAST).fetchone()[0]
            cdr = msgspec.structs.replace(cdr, order_id=last + 1)
        connection.execute(cdr_rows.PUT, cdr_rows.row_of(cdr, _encode))
