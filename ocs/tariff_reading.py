"""A tariff read for the server, while it goes on answering.

Reading a million rows takes seconds, lets nobody else work for a tenth of a second at a time, and leaves twice the
memory that the tariff needs. So a large one is read by another process, which hands over what it has read.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import cast

import msgspec

from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.files import open_source
from ocs.charging.tariff.findings import errors
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.sources import Source, read_source
from ocs.config.settings import SHIPPED, ChargingSettings
from ocs.config.shipped import demo_file
from ocs.tariff_versions import CONFIGURED, VersionError, Versions

LARGE_OCTETS = 1_000_000  # of its texts, from which on another process reads a tariff
TURN_S = 0.0005  # after which a busy thread lets others go on, while a tariff is taken over
USUAL_TURN_S = 0.005  # the interpreter's own
NICENESS = 10  # of the process: requests come first

_one_at_a_time = threading.Lock()


class TariffError(Exception):
    """A tariff cannot be used; the message says why, line by line."""


class Wanted(msgspec.Struct, frozen=True):
    """Which tariff: a version in a data folder, or the file that the settings name; and in which currency."""

    data_dir: str
    number: int
    path: str
    currency: str
    time_zone: str


def wanted(charging: ChargingSettings, data_dir: Path, number: int) -> Wanted:
    """A version of a data folder, by the settings of the server."""
    path = demo_file("tariffs.yaml") if charging.tariffs == SHIPPED else Path(charging.tariffs)
    return Wanted(str(data_dir), number, str(path), charging.currency, charging.time_zone)


def read(what: Wanted) -> Tariff:
    """The tariff. TariffError with every problem, VersionError where the version is not there or damaged."""
    place, source = _open(what)
    tariff, findings = read_source(source)
    if tariff is None:
        raise TariffError("\n".join(f"{place}/{finding}" for finding in findings))
    if tariff.currency != what.currency:
        raise TariffError(f"prices are in {tariff.currency}, but charging.currency is {what.currency}")
    return tariff


def _open(what: Wanted) -> tuple[Path, Source]:
    if what.number != CONFIGURED:
        versions = Versions(Path(what.data_dir))
        return versions.place(what.number), versions.source(what.number)
    path = Path(what.path)
    source, problems = open_source(path, ImportOptions(what.currency, what.time_zone))
    if source is None:
        raise TariffError("\n".join(f"{path.parent}/{finding}" for finding in errors(problems)))
    return path.parent, source


def compiled(what: Wanted) -> Catalogue:
    """The tariff compiled, some ten seconds for a million prefixes; while a thread does it, others go on.

    TariffError, VersionError.
    """
    with _one_at_a_time:
        sys.setswitchinterval(TURN_S)
        try:
            return Catalogue(_read_aside(what) if _octets(what) > LARGE_OCTETS else read(what))
        finally:
            sys.setswitchinterval(USUAL_TURN_S)


def _octets(what: Wanted) -> int:
    """How much there is to read; 0 where that cannot be told."""
    path = Path(what.path)
    if what.number != CONFIGURED:
        path = Versions(Path(what.data_dir)).place(what.number)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _read_aside(what: Wanted) -> Tariff:
    paths = [path or str(Path.cwd()) for path in sys.path]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(what))
            process.stdin.close()
            outcome = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            process.kill()
            raise TariffError(f"the process that reads the tariff ended with {process.wait()}") from error
    if isinstance(outcome, Exception):
        raise outcome
    return cast(Tariff, outcome)


def main() -> None:
    """The other process: what is wanted comes in, the tariff or the error goes out."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.nice(NICENESS)
    gc.disable()  # everything that is read stays
    what = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
    outcome: Tariff | Exception
    try:
        outcome = read(what)
    except (TariffError, VersionError) as error:
        outcome = error
    pickle.dump(outcome, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
    sys.stdout.flush()
    os._exit(0)  # nothing is worth being taken apart
