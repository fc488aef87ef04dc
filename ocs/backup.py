"""A copy of the embedded store, taken beside the running server: as it was at one moment, whole or not at all."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

BUSY_S = 30.0


class BackupError(Exception):
    """No copy was made; the message says why."""


class Copied(msgspec.Struct, frozen=True):
    """What the copy holds; `octets` is the size of its file."""

    file: str
    octets: int
    accounts: int
    postings: int


def copy(store: Path, to: Path) -> Copied:
    """Copy a store; raises BackupError. A file of that name is replaced once the copy is complete and sound."""
    if not store.is_file():
        raise BackupError(f"{store}: there is no store")
    part = to.with_name(f"{to.name}.part")
    try:
        part.unlink(missing_ok=True)
        accounts, postings = _copied(store, part)
        _durable(part)
        part.replace(to)
        _durable(to.parent)
    except (sqlite3.Error, OSError, BackupError) as error:
        part.unlink(missing_ok=True)
        raise BackupError(f"{store}: {error}") from error
    return Copied(str(to), to.stat().st_size, accounts, postings)


def _copied(store: Path, part: Path) -> tuple[int, int]:
    """Copy and check; how many accounts and postings there are."""
    with _opened(store, "ro") as source, _opened(part, "rwc") as target:
        # In one step: a copy of one moment. The server's write-ahead log grows meanwhile, nobody waits.
        source.backup(target, pages=-1)
        target.execute("pragma journal_mode = delete")  # one file, nothing beside it
        [[verdict]] = target.execute("pragma integrity_check(1)").fetchall()
        if verdict != "ok":
            raise BackupError(verdict)
        [[accounts]] = target.execute("select count(*) from account").fetchall()
        [[postings]] = target.execute("select count(*) from posting").fetchall()
    return accounts, postings


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_S)
    try:
        yield connection
    finally:
        connection.close()


def _durable(path: Path) -> None:
    """What was written to a file, or renamed in a folder, outlasts a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
