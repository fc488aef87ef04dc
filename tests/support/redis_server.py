"""A real redis-server of the test's own, on a Unix socket or a free port of this machine, that can be killed."""

import socket
import subprocess
from pathlib import Path

from ocs.config.settings import MS, SECOND, RedisSettings
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until


class RedisServer:
    """Keeps its data in `folder`: killed and started again it has what was confirmed."""

    def __init__(self, folder: Path, *options: str, fsync: str = "always", appendonly: str = "yes") -> None:
        self.folder = folder
        self.port = free_port()
        self.options = (
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *("--appendonly", appendonly, "--appendfsync", fsync, *options),
        )
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> "RedisServer":
        """Start it and wait until it answers."""
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", *self.options], stdout=log, stderr=log)
        until(self._is_up, f"redis-server answers on {self.port}")
        return self

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "redis.log").read_text()
        try:
            return b"PONG" in self.say("PING")
        except OSError:
            return False

    def say(self, command: str) -> bytes:
        """What it answers to one command, as it is on the wire."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65_536)

    def wait_for(self, command: str, answer: bytes) -> None:
        """Wait until a command is answered so."""
        until(lambda: answer in self.say(command), f"{command} is answered {answer!r}")

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def settings(self, prefix: str = "ocs", timeout_ns: int = 20 * SECOND, **more: object) -> RedisSettings:
        """Settings of a store on it."""
        return RedisSettings(url=self.url, prefix=prefix, timeout_ns=max(timeout_ns, 50 * MS), **more)  # type: ignore[arg-type]

    @property
    def pid(self) -> int:
        """The process now running."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut would end a process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP makes it silent."""
        assert self._process is not None
        self._process.send_signal(number)
