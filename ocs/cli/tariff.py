"""`ocs tariff lint|import|ls|diff`: tariffs and their versions on disk; no server is asked."""

import argparse
import getpass
import json
import sys
import time
from pathlib import Path

import msgspec

from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.difference import Change, differences
from ocs.charging.tariff.findings import Severity
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.sources import read_source
from ocs.cli import tables
from ocs.cli.tariff_files import (
    WRONG,
    Read,
    Unusable,
    findings_json,
    options_of,
    progress_bar,
    read_path,
    show,
)
from ocs.tariff_versions import CONFIGURED, VersionError, Versions

FAILED = 1
MOST_CHANGES = 500  # shown; --json has all


def lint(arguments: argparse.Namespace) -> int:
    """Show every problem, warning and what an import would leave out; 2 where the tariff cannot be used."""
    try:
        read = read_path(arguments.path, options_of(arguments))
    except Unusable:
        return WRONG
    if arguments.json:
        print(findings_json(read.findings, read.place))
    else:
        show(read.findings, read.place)
    return WRONG if read.tariff is None else 0


def import_(arguments: argparse.Namespace) -> int:
    """Keep a tariff as a new version, or with --dry-run show what it would change."""
    try:
        read = read_path(arguments.path, options_of(arguments))
    except Unusable:
        return WRONG
    if read.tariff is None:
        show([finding for finding in read.findings if finding.severity is Severity.ERROR], read.place)
        return WRONG
    with progress_bar() as progress:
        progress("compiling", 0, 1)
        Catalogue(read.tariff)
        progress("compiling", 1, 1)
    versions = Versions(Path(arguments.data_dir))
    try:
        if arguments.dry_run:
            return _dry_run(arguments, versions, read, read.tariff)
        return _keep(arguments, versions, read, read.tariff)
    except (VersionError, OSError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED


def _keep(arguments: argparse.Namespace, versions: Versions, read: Read, tariff: Tariff) -> int:
    origin = str(Path(arguments.path).resolve())
    by, now_ns = getpass.getuser(), time.time_ns()
    with progress_bar() as progress:
        version = versions.add(
            read.source, tariff, read.findings, arguments.note, by, now_ns, origin, progress
        )
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(version), indent=2))
        return 0
    show(read.findings, read.place)
    print(f"version {version.number}: {_counts(tariff)}")
    print(f"use it: ocs tariff activate {version.number} --data-dir {arguments.data_dir}")
    return 0


def _dry_run(arguments: argparse.Namespace, versions: Versions, read: Read, tariff: Tariff) -> int:
    current = versions.current()
    changes = [] if current == CONFIGURED else differences(_version_tariff(versions, current), tariff)
    if arguments.json:
        counts = {"plans": len(tariff.plans), "rates": len(tariff.rates), "prefixes": _prefixes(tariff)}
        shown = {"compared_with": current or None, **counts, "changes": msgspec.to_builtins(changes)}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    show(read.findings, read.place)
    print(f"would be kept: {_counts(tariff)}")
    if current == CONFIGURED:
        print("no version is active to compare it with")
    else:
        print(f"compared with version {current}:")
        _show_changes(changes)
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """List the versions, the active one marked."""
    versions = Versions(Path(arguments.data_dir))
    try:
        found, current = versions.all(), versions.current()
    except (VersionError, OSError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    rows = [
        {
            "version": version.number,
            "active": version.number == current,
            "created_at_ns": version.created_at_ns,
            "by": version.by,
            "kind": version.kind,
            "plans": version.plans,
            "prefixes": version.prefixes,
            "checksum": version.checksum if arguments.json else version.checksum[:12],
            "note": version.note,
        }
        for version in found
    ]
    if arguments.json:
        print(json.dumps({"active": current, "versions": rows}, indent=2, ensure_ascii=False))
    else:
        print(tables.table(rows) if rows else "no versions; the tariff of ocs.yaml is used")
    return 0


def diff(arguments: argparse.Namespace) -> int:
    """Show what changes between two versions or files."""
    try:
        before, after = (_named(arguments, name) for name in (arguments.before, arguments.after))
    except Unusable:
        return WRONG
    except (VersionError, OSError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    changes = differences(before, after)
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(changes), indent=2, ensure_ascii=False))
    else:
        _show_changes(changes)
    return 0


def _named(arguments: argparse.Namespace, name: str) -> Tariff:
    """The tariff of a version's number, of the active version, or of a path."""
    versions = Versions(Path(arguments.data_dir))
    if name == "active":
        name = str(versions.current())
    if name.isascii() and name.isdigit():
        if int(name) == CONFIGURED:
            raise VersionError("version 0 is the tariff of ocs.yaml: name its file")
        return _version_tariff(versions, int(name))
    read = read_path(name, options_of(arguments))
    if read.tariff is None:
        show(read.findings, read.place)
        raise Unusable
    return read.tariff


def _version_tariff(versions: Versions, number: int) -> Tariff:
    with progress_bar() as progress:
        tariff, findings = read_source(versions.source(number), progress)
    if tariff is None:
        raise VersionError(f"version {number} cannot be read by this program: {findings[0]}")
    return tariff


def _show_changes(changes: list[Change]) -> None:
    for change in changes[:MOST_CHANGES]:
        print(change)
    if len(changes) > MOST_CHANGES:
        print(f"and {len(changes) - MOST_CHANGES} more changes")
    if not changes:
        print("nothing changes")


def _counts(tariff: Tariff) -> str:
    return (
        f"{len(tariff.plans)} plans, {len(tariff.rates)} rates, {len(tariff.destinations)} destinations "
        f"with {_prefixes(tariff)} prefixes, prices in {tariff.currency}{_accounting(tariff)}"
    )


def _accounting(tariff: Tariff) -> str:
    """What the tariff says of accounts, where it does."""
    accounting = tariff.accounting
    counts = (
        (len(accounting.sets), "sets of actions"),
        (len(accounting.plans), "action plans"),
        (sum(map(len, accounting.triggers.values())), "triggers"),
        (len(accounting.accounts), "accounts"),
    )
    return "".join(f", {count} {what}" for count, what in counts if count)


def _prefixes(tariff: Tariff) -> int:
    return sum(len(prefixes) for prefixes in tariff.destinations.values())
