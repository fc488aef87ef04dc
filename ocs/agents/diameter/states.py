"""The last Origin-State-Id of every client, in a file: a restart of this server must not hide one of theirs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger()

MOST_CLIENTS = 100_000  # peers choose the names: the oldest goes
SPARE_LINES = 1_000  # beyond twice the clients the file is written anew


class ClientStates:
    """Origin-State-Ids by Origin-Host in lower case; without a path they are forgotten at the end."""

    def __init__(self, path: Path | None = None) -> None:
        self.known: dict[str, int] = {}
        self._path = path
        self._lines = 0
        if path is not None and path.exists():
            for name, state_id in _read(path):
                self._set(name, state_id)
            self._lines = len(self.known)

    def keep(self, origin_host: str, state_id: int) -> None:
        """A client has said another one; what cannot be written is kept in memory alone."""
        name = origin_host.lower()
        if self.known.get(name) == state_id:
            return
        self._set(name, state_id)
        if self._path is None:
            return
        try:
            self._write(self._path, name, state_id)
        except OSError as error:
            log.warning("diameter.state_not_kept", path=str(self._path), error=str(error))

    def _set(self, name: str, state_id: int) -> None:
        self.known.pop(name, None)
        self.known[name] = state_id
        if len(self.known) > MOST_CLIENTS:
            del self.known[next(iter(self.known))]

    def _write(self, path: Path, name: str, state_id: int) -> None:
        self._lines += 1
        if self._lines > 2 * len(self.known) + SPARE_LINES:
            fresh = path.with_name(path.name + ".new")
            fresh.write_text("".join(_line(*each) for each in self.known.items()), encoding="utf-8")
            os.replace(fresh, path)
            self._lines = len(self.known)
            return
        with path.open("a", encoding="utf-8") as lines:
            lines.write(_line(name, state_id))


def _line(name: str, state_id: int) -> str:
    return json.dumps([name, state_id]) + "\n"


def _read(path: Path) -> Iterator[tuple[str, int]]:
    """The lines that are whole: a kill may have cut the last one."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            name, state_id = json.loads(line)
        except ValueError:
            continue
        if isinstance(name, str) and isinstance(state_id, int):
            yield name, state_id
