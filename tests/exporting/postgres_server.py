"""A PostgreSQL of a test: a temporary cluster of an unprivileged user, on the loopback address."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S

DEBIAN = Path("/usr/lib/postgresql")
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB")


def program(name: str) -> str:
    """The path of a program of PostgreSQL, which Debian does not put on the path."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(DEBIAN.glob(f"*/bin/{name}"), reverse=True)), None
    )
    assert found is not None, f"{name} is missing: the Debian package postgresql"
    return found


class Cluster:
    """One server, which may be ended and begun again."""

    def __init__(self, folder: Path, user: str) -> None:
        self._folder, self._user = folder, user
        (self._port,) = free_ports(1)
        self.dsn = f"postgresql://ocs@127.0.0.1:{self._port}/postgres"
        self._run(
            "initdb",
            "-N",
            "-U",
            "ocs",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-instructions",
            "-D",
            str(folder / "data"),
        )

    def start(self) -> None:
        """Begin, and wait until it takes connections."""
        settings = [f"-c {each}" for each in QUICK]
        where = f"-k {self._folder} -h 127.0.0.1 -p {self._port}"
        options = " ".join((where, *settings))
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-D", str(self._folder / "data"), "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """End at once, as if the machine had."""
        self._run("pg_ctl", "-w", "-m", "immediate", "-D", str(self._folder / "data"), "stop")

    def _run(self, name: str, *arguments: str) -> None:
        as_root = os.geteuid() == 0
        subprocess.run(
            (program(name), *arguments),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=2 * PATIENCE_S,
            user=self._user if as_root else None,
            env={**os.environ, "HOME": str(self._folder), "PGCTLTIMEOUT": str(int(PATIENCE_S))},
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server that runs; it refuses to do so as root."""
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        made = Cluster(folder, user)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)
