"""Call detail records of a journal of the second layout, which had them among all other records.

They move in pieces, each a transaction; a start that is cut short goes on at the next one.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
import structlog

from ocs.cgrates import cdr_rows
from ocs.sessions.model import Cdr

log = structlog.get_logger()

KIND = "cdr"
PIECE = 5_000
OLDEST = "select number, value from record where kind = 'cdr' and number > ? order by number limit ?"
GONE = "delete from record where kind = 'cdr' and number <= ?"
FORGET = "delete from record where kind = 'cdr' and key = ?"

_decode = msgspec.json.Decoder(Cdr).decode
_encode = msgspec.json.Encoder().encode


def move(connection: sqlite3.Connection, recent: Mapping[str, bytes | None]) -> None:
    """Bring all records into their table; `recent` are those that changed last, by key, None for one that is gone.

    Raises sqlite3.Error, msgspec.MsgspecError.
    """
    moved = 0
    with _transaction(connection):
        connection.executemany(FORGET, [(key,) for key in recent])
        _put(connection, [value for value in recent.values() if value is not None])
    last = 0
    while rows := connection.execute(OLDEST, (last, PIECE)).fetchall():
        last = rows[-1][0]
        with _transaction(connection):
            _put(connection, [value for _, value in rows])
            connection.execute(GONE, (last,))
        moved += len(rows)
        log.info("journal.cdrs_moved", records=moved)


def _put(connection: sqlite3.Connection, values: Iterable[bytes]) -> None:
    for value in values:
        cdr = _decode(value)
        connection.execute(cdr_rows.PUT, cdr_rows.row_of(_with_order(connection, cdr), _encode))


def _with_order(connection: sqlite3.Connection, cdr: Cdr) -> Cdr:
    """A record with an order id that no other one has."""
    query = "select 1 from cdr where order_id = ? and not (cgrid = ? and run_id = ?)"
    is_taken = connection.execute(query, (cdr.order_id, cdr.cgrid, cdr.run_id)).fetchone() is not None
    if cdr.order_id > 0 and not is_taken:
        return cdr
    last: int = connection.execute(cdr_rows.LAST).fetchone()[0]
    return msgspec.structs.replace(cdr, order_id=last + 1)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
