"""The processes of a measurement, each on the core it is given: the load generator and what it is aimed at."""

import json
import os
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from bench.load.server import ROOT, Usage, on_core, program_folder, usage
from tests.support.ports import free_port

CLIENT = "load{:02d}.load.test"
READY_S = 20.0


class Generator:
    """A load generator process and the sessions it keeps."""

    def __init__(self, core: int | None, port: int, groups: tuple[int, ...], number: int = 0) -> None:
        self.client = CLIENT.format(number)
        self._port = port
        self._groups = groups
        with on_core(core):
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.load.generator"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
            )

    def __enter__(self) -> "Generator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the load generator has ended; its error is above")
        found: dict[str, Any] = json.loads(line)
        return found

    def open(
        self, sessions: int, subscribers: int, first: int = 0, requested: int = 1_000_000
    ) -> dict[str, Any]:
        """Open sessions on some of the subscribers."""
        return self._ask(
            {
                "do": "open",
                "host": "127.0.0.1",
                "port": self._port,
                "client": self.client,
                "sessions": sessions,
                "subscribers": subscribers,
                "first": first,
                "groups": self._groups,
                "requested": requested,
                "window": 64,
            }
        )

    def update(self, requests: int, window: int, used: int) -> dict[str, Any]:
        """Updates of these sessions, in random order."""
        order = {"do": "update", "requests": requests, "window": window, "used": used}
        return self._ask({**order, "groups": self._groups})


class Target:
    """A server to compare with: `bench.load.echo` or `bench.load.constant`."""

    def __init__(self, module: str, core: int | None, client: str, groups: tuple[int, ...]) -> None:
        self.port = free_port()
        command = [sys.executable, "-P", "-m", module, str(self.port), client, *map(str, groups)]
        path = os.pathsep.join((str(program_folder()), str(ROOT)))  # the same `ocs` as that of the server
        with on_core(core):
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
            )
        assert self.process.stdout is not None
        started = time.monotonic()
        while self.process.stdout.readline().strip() != b"ready":
            if self.process.poll() is not None or time.monotonic() - started > READY_S:
                raise SystemExit(f"{module} does not start")

    def __enter__(self) -> "Target":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    def usage(self) -> Usage:
        """Processor time and memory so far."""
        return usage(self.pid)
