"""A real `ocs serve` in its own process: started, measured, stopped or killed from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
READY = '"server.ready"'
PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """The server did not start, or ended by itself; the message has the end of its log."""


class Usage(NamedTuple):
    """What a process has used: seconds of processor, octets of memory."""

    cpu_s: float
    resident_octets: int


def usage(pid: int) -> Usage:
    """All threads of a process together, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return Usage(cpu_s, int(fields[21]) * PAGE_OCTETS)


def program_folder() -> Path:
    """Where this process would import `ocs` from: the sources, or the installed program with its compiled parts."""
    found = find_spec("ocs")
    if found is None or found.origin is None:
        raise ServerFailed("ocs is not installed, and not on the path")
    return Path(found.origin).resolve().parents[1]


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Processes started inside run on that core only, with all their threads."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """One server on one data folder; `start` again after `kill` goes on where the disk stands."""

    def __init__(
        self,
        folder: Path,
        tariffs: str = "demo",
        accounts: str = "demo",
        core: int | None = None,
        store: dict[str, object] | None = None,
        name: str = "ocs.load.test",
    ) -> None:
        self.folder = folder
        self.diameter_port, self.rpc_port, self.http_port = free_port(), free_port(), free_port()
        self.core = core
        self.log = folder / "server.log"
        self.database = folder / "data" / "ocs.db"
        self.started_s = 0.0
        self.prefix: tuple[str, ...] = ()  # a profiler in front of the interpreter's arguments
        self.process: subprocess.Popen[bytes] | None = None
        self._log_offset = 0
        self.config = folder / "ocs.yaml"
        settings = self._settings(tariffs, accounts) | self._place(name, store)
        self.config.write_text(json.dumps(settings, indent=1), encoding="utf-8")

    def _place(self, name: str, store: dict[str, object] | None) -> dict[str, object]:
        """Who it is and where its accounts are: by default in a file of its own."""
        identity: dict[str, object] = {"identity": {"origin_host": name, "origin_realm": "load.test"}}
        return identity if store is None else identity | {"store": store}

    def _settings(self, tariffs: str, accounts: str) -> dict[str, object]:
        """JSON is YAML too."""
        return {
            "diameter": {
                "listen": [{"address": "127.0.0.1", "port": self.diameter_port}],
                "limits": {"unopened_connections": 200},
            },
            "charging": {"currency": "EUR", "tariffs": tariffs, "accounts": accounts},
            "rpc": {
                "jsonrpc": f"127.0.0.1:{self.rpc_port}",
                "bidirectional": "none",
                "http": f"127.0.0.1:{self.http_port}",
            },
            "log": {"level": "info", "format": "json"},
        }

    @property
    def pid(self) -> int:
        """The process now running."""
        assert self.process is not None
        return self.process.pid

    def start(self, timeout_s: float = PATIENCE_S) -> float:
        """Start and wait until it is ready; returns the seconds that took."""
        started = time.monotonic()
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        command = [
            sys.executable,
            *self.prefix,
            *("-m", "ocs", "serve", "--config", str(self.config), "--data-dir", str(self.folder / "data")),
        ]
        environment = {**os.environ, "PYTHONPATH": str(program_folder())}
        with self.log.open("ab") as log, on_core(self.core):
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        while READY not in self.log_text():
            if self.process.poll() is not None or time.monotonic() - started > timeout_s:
                self.kill()
                raise ServerFailed(f"no {READY} within {timeout_s} s:\n{self.log_text()[-4_000:]}")
            time.sleep(0.005)
        return time.monotonic() - started

    def log_text(self) -> str:
        """What the server has logged since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            return log.read().decode("utf-8", "replace")

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def usage(self) -> Usage:
        """Processor time and memory so far."""
        return usage(self.pid)

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM and the drain, SIGKILL when that takes too long; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode
