"""`ocs tariff activate` and `ocs tariff rollback`: on the server that uses the data folder, or without one."""

import argparse
import fcntl
import getpass
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.sources import read_source
from ocs.cli.jsonrpc import CallError, call
from ocs.cli.tariff_files import progress_bar
from ocs.tariff_versions import CONFIGURED, Activation, VersionError, Versions

FAILED = 1
ASKED_EVERY_S = 1.0
PATIENCE_S = 900.0  # until a running server has compiled a tariff


def activate(arguments: argparse.Namespace) -> int:
    """Make a version the active one."""
    return _switch(arguments, arguments.version)


def rollback(arguments: argparse.Namespace) -> int:
    """Make the version before the active one active again."""
    return _switch(arguments, None)


def _switch(arguments: argparse.Namespace, number: int | None) -> int:
    """Switch to a version; None is the one before."""
    data_dir = Path(arguments.data_dir)
    if not data_dir.is_dir():
        print(f"ocs: {data_dir} is not a data folder", file=sys.stderr)
        return FAILED
    try:
        with _is_served(data_dir) as is_served:
            if is_served:
                return _on_server(arguments, number)
            activation = _on_disk(Versions(data_dir), number)
    except (VersionError, CallError, OSError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    _tell(arguments, activation.number, "active when the server starts")
    return 0


def _tell(arguments: argparse.Namespace, number: int, state: str) -> None:
    print(
        json.dumps({"version": number, "state": state}) if arguments.json else f"{_named(number)} is {state}"
    )


@contextmanager
def _is_served(data_dir: Path) -> Iterator[bool]:
    """Whether a server uses the data folder; where none does, none can start meanwhile."""
    with (data_dir / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield True
        else:
            yield False


def _on_disk(versions: Versions, number: int | None) -> Activation:
    target = versions.before() if number is None else number
    if target != CONFIGURED:
        with progress_bar() as progress:
            tariff, findings = read_source(versions.source(target), progress)
        if tariff is None:
            raise VersionError(f"version {target} cannot be used: {findings[0]}")
        Catalogue(tariff)
    by, now_ns = getpass.getuser(), time.time_ns()
    return versions.rollback(by, now_ns) if number is None else versions.activate(target, by, now_ns)


def _on_server(arguments: argparse.Namespace, number: int | None) -> int:
    server = arguments.server
    params: dict[str, Any] = {"by": getpass.getuser()}
    if arguments.reauthorize:
        params["reauthorize"] = True
    if number is None:
        outcome = call(server, "OcsV1.TariffRollback", params)
    else:
        outcome = call(server, "OcsV1.TariffActivate", {"version": number, **params})
    outcome = _when_done(server, outcome)
    if outcome["state"] != "active":
        print(
            f"ocs: version {outcome['version']} is not used: {outcome['error'] or outcome['state']}",
            file=sys.stderr,
        )
        return FAILED
    for warning in outcome.get("warnings", ()):
        print(f"warning: {warning}", file=sys.stderr)
    _tell(arguments, outcome["version"], "active")
    return 0


def _when_done(server: str, outcome: Any) -> Any:
    """The outcome of a switch, asked for until it is there."""
    deadline_s = time.monotonic() + PATIENCE_S
    number = outcome["version"]
    with progress_bar() as progress:
        while outcome["state"] == "compiling" and time.monotonic() < deadline_s:
            progress(f"the server compiles version {number}", 0, 1)
            time.sleep(ASKED_EVERY_S)
            outcome = call(server, "OcsV1.TariffList", {})["switch"]
    return outcome


def _named(number: int) -> str:
    return f"version {number}" if number != CONFIGURED else "the tariff of ocs.yaml"
