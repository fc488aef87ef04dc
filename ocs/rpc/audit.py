"""The record of administrative calls: who, from where, what, when, and what came of it; subscribers masked.

Each line has a digest over itself and the line before it: a line that was changed or taken out is noticed.
"""

import asyncio
import datetime
import hashlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from ocs.log import masked
from ocs.rpc.caller import Caller
from ocs.rpc.envelope import encode
from ocs.rpc.errors import RpcError
from ocs.rpc.values import folded

log = structlog.get_logger()

LARGEST_OCTETS: Final = 64 << 20
KEPT_FILES: Final = 8
LONGEST: Final = 200  # characters of a value, members of an object
DEEPEST: Final = 4
SECRET: Final = ("password", "secret", "token", "apikey")
# What says nothing about a subscriber, by folded name.
PLAIN: Final = frozenset(
    (
        *(
            "amount",
            "amountnanos",
            "units",
            "value",
            "unit",
            "balance",
            "balancetype",
            "balanceid",
            "priority",
        ),
        *("plan", "version", "tenant", "expires", "expirytime", "weight", "overwrite", "limit", "kind"),
        *("actionsid", "actionplanid", "categories", "category", "service", "services", "force", "cause"),
    )
)
START: Final = "0" * 64


class Audit:
    """Appends to a file; what cannot be written is logged.

    A line is forced to the disk before its call is answered, together with those that came while the disk was busy.
    """

    def __init__(self, path: Path, wall_ns: Callable[[], int]) -> None:
        self._path = path
        self._wall_ns = wall_ns
        self._last = _last_digest(path)
        self._waiting: list[Callable[[], None]] = []
        self._is_forcing = False

    def write(
        self,
        caller: Caller,
        method: str,
        params: object,
        error: Exception | None,
        then: Callable[[], None],
    ) -> None:
        """Put one call on record; `then` is called when it is there, or cannot be."""
        now_ns = self._wall_ns()
        line = {
            "at": datetime.datetime.fromtimestamp(now_ns // 10**9, datetime.UTC).isoformat(),
            "at_ns": now_ns,
            "who": caller.name,
            "from": caller.peer,
            "method": method,
            "params": _shown("", params, 0),
            "outcome": _outcome(error),
        }
        body = encode(line)
        digest = hashlib.sha256(self._last.encode() + body).hexdigest()
        try:
            _rotate(self._path)
            with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
                file.write(body[:-1] + b',"chain":"' + digest.encode() + b'"}\n')
        except OSError as failure:
            log.error("rpc.audit_failed", error=str(failure), method=method)
            then()
            return
        self._last = digest
        self._waiting.append(then)
        if not self._is_forcing:
            self._force()

    def _force(self) -> None:
        """Force what is written to the disk, in a thread; what is written meanwhile comes next."""
        waiting, self._waiting = self._waiting, []
        self._is_forcing = True
        forced = asyncio.get_running_loop().run_in_executor(None, _force, self._path)
        forced.add_done_callback(partial(self._forced, waiting))

    def _forced(self, waiting: list[Callable[[], None]], done: "asyncio.Future[None]") -> None:
        failure = done.exception()
        if failure is not None:
            log.error("rpc.audit_failed", error=str(failure), lines=len(waiting))
        self._is_forcing = False
        if self._waiting:
            self._force()
        for then in waiting:
            then()


def broken_at(lines: list[bytes]) -> int | None:
    """The number of the first line that does not follow from the one before it; None where all do.

    The first line of a file may follow from one of an older file, so it counts as right.
    """
    last: str | None = None
    for number, line in enumerate(lines, 1):
        body, mark, rest = line.rstrip(b"\n").rpartition(b',"chain":"')
        digest = rest.removesuffix(b'"}').decode("ascii", "replace")
        expected = None if last is None else hashlib.sha256(last.encode() + body + b"}").hexdigest()
        if not mark or (expected is not None and digest != expected):
            return number
        last = digest
    return None


def _outcome(error: Exception | None) -> str:
    if error is None:
        return "done"
    return f"refused {error.code}" if isinstance(error, RpcError) else f"failed: {type(error).__name__}"


def _shown(name: str, value: object, depth: int) -> object:
    """A parameter as it may be kept: what could name a subscriber is masked, secrets are left out."""
    plain_name = folded(name).lstrip("*")
    if any(word in plain_name for word in SECRET):
        return "***"
    match value:
        case None | bool():
            return value
        case Mapping() | list() if depth >= DEEPEST:
            return "..."
        case Mapping():
            shown = list(value.items())[:LONGEST]
            return {str(key)[:LONGEST]: _shown(str(key), item, depth + 1) for key, item in shown}
        case list():
            return [_shown(name, item, depth + 1) for item in value[:LONGEST]]
        case _:
            text = str(value)[:LONGEST]
            return text if plain_name in PLAIN else masked(text)


def _force(path: Path) -> None:
    """Wait until the disk has a file; one that was just begun anew was forced when it was full."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rotate(path: Path) -> None:
    """Begin a new file where this one is long; the oldest goes."""
    try:
        if path.stat().st_size < LARGEST_OCTETS:
            return
    except FileNotFoundError:
        return
    _force(path)
    for number in range(KEPT_FILES, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if newer.exists():
            newer.replace(older)


def _last_digest(path: Path) -> str:
    """The digest of the last line, to go on from it."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - (1 << 20)))
            lines = file.read().splitlines()
    except OSError:
        return START
    digest = (
        lines[-1].rpartition(b',"chain":"')[2].removesuffix(b'"}').decode("ascii", "replace") if lines else ""
    )
    return digest if len(digest) == len(START) else START
