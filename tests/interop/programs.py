"""Programs under test: started in a process group of their own, watched by their output, always ended."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import PATIENCE_S, until

END_S = 3.0  # for ending in order; then it has to
DYING_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # also where the tests are killed before they can clean up


def is_listening(port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def filled(template: Path, **values: object) -> str:
    """The text of a template with every @NAME@ replaced; each must be given."""
    text = template.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    return text


class Program:
    """A running program whose standard output and error go to a file."""

    def __init__(self, command: Sequence[str | Path], log: Path, cwd: Path | None = None) -> None:
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*DYING_WITH_US, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                start_new_session=True,
            )

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; a program that has ended meanwhile fails at once, with its output."""

        def is_done() -> bool:
            met = condition()
            assert met or self.process.poll() is None, f"{self.name} has ended:\n{self.output()[-4000:]}"
            return met

        try:
            until(is_done, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()[-4000:]}") from None

    def wait(self) -> int:
        """Its exit status, when it has ended by itself."""
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it, and what it has started, without a warning."""
        self._signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def ask_to_end(self) -> None:
        """Tell it to end in order."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Ask it to end; after a while it has to."""
        self.ask_to_end()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)
        self.kill()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return  # the whole group is gone already
