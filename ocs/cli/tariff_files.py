"""Tariffs named on the command line: reading them, with a progress bar, and showing what was found."""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from ocs.charging.tariff.files import open_source
from ocs.charging.tariff.findings import Finding, Severity, errors, in_order
from ocs.charging.tariff.import_cgrates.cells import located
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, Progress, no_progress
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.rule_reader import SERVICES
from ocs.charging.tariff.sources import CGRATES, Source, lint_source, read_source

WRONG = 2
MOST_SHOWN = 200  # findings; --json has all
BAR_COLUMNS = 30
REDRAWN_S = 0.1


class Unusable(Exception):
    """A tariff or an argument cannot be used, and that was said."""


class Read:
    """A tariff as it was read: its texts, itself, and everything that was found."""

    def __init__(self, source: Source, tariff: Tariff | None, findings: list[Finding], place: str) -> None:
        self.source = source
        self.tariff = tariff
        self.findings = findings
        self.place = place


def read_path(path: str, options: ImportOptions) -> Read:
    """A YAML file or a CGRateS folder with all findings. Unusable where there is nothing to read."""
    gc.disable()  # millions of rows that all stay; looking through them again and again doubles the time
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    place = "" if str(folder) == "." else os.path.join(folder, "")
    source, problems = open_source(path, options)
    if source is None:
        show(errors(problems), place)
        raise Unusable
    with progress_bar() as progress:
        tariff, findings = read_source(source, progress)
        progress("checking", 0, 1)
        findings = _with_profiles(source, findings)
        if tariff is not None:
            findings = findings + lint_source(source, tariff, time.time_ns())
        progress("checking", 1, 1)
    return Read(source, tariff, findings, place)


def _with_profiles(source: Source, findings: list[Finding]) -> list[Finding]:
    """The findings, and what is wrong in the profile files of a folder; no price depends on them."""
    if source.kind != CGRATES:
        return findings
    from ocs.cgrates.profile_check import check_profiles  # what it imports takes a while

    told = {finding.problem for finding in findings}
    found = map(located, check_profiles(source.files))
    added = [Finding(Severity.WARNING, problem) for problem in found if problem not in told]
    return in_order(findings + added)


def options_of(arguments: argparse.Namespace) -> ImportOptions:
    """What the arguments say of a folder. Unusable where they are wrong."""
    services: dict[str, tuple[str, ...]] = {}
    for text in getattr(arguments, "category", None) or ():
        name, _, listed = text.partition("=")
        services[name] = tuple(listed.split(","))
        unknown = [service for service in services[name] if service not in SERVICES]
        if not name or unknown:
            print(
                f'--category: "{text}" is not like call=voice,data ({", ".join(SERVICES)})', file=sys.stderr
            )
            raise Unusable
    try:
        ZoneInfo(arguments.time_zone)
    except (KeyError, ValueError, OSError):
        print(f'--time-zone: "{arguments.time_zone}" is not one such as Europe/Berlin', file=sys.stderr)
        raise Unusable from None
    if not (len(arguments.currency) == 3 and arguments.currency.isascii() and arguments.currency.isupper()):
        print(f'--currency: "{arguments.currency}" is not one such as EUR', file=sys.stderr)
        raise Unusable
    return ImportOptions(arguments.currency, arguments.time_zone, services)


def show(findings: Sequence[Finding], place: str) -> None:
    """Findings on standard error, the errors first where there are too many, with their number."""
    shown = list(findings)
    if len(shown) > MOST_SHOWN:
        shown.sort(key=lambda finding: list(Severity).index(finding.severity))
    for finding in shown[:MOST_SHOWN]:
        print(f"{place}{finding}", file=sys.stderr)
    if len(shown) > MOST_SHOWN:
        print(f"and {len(shown) - MOST_SHOWN} more", file=sys.stderr)
    counts = [
        f"{count} {severity.value}"
        for severity in Severity
        if (count := sum(finding.severity is severity for finding in findings))
    ]
    print(", ".join(counts) or "no problems", file=sys.stderr)


def findings_json(findings: Sequence[Finding], place: str) -> str:
    """Findings for editors."""
    return json.dumps(
        [
            {
                "severity": finding.severity.value,
                "file": f"{place}{finding.problem.file}",
                "line": finding.problem.line,
                "column": finding.problem.column,
                "path": finding.problem.path,
                "message": finding.problem.message,
                "suggestion": finding.problem.suggestion,
            }
            for finding in findings
        ],
        indent=2,
        ensure_ascii=False,
    )


class progress_bar:  # noqa: N801 - used like a function
    """Shows how far something is on a terminal, and nothing elsewhere; the line is gone when it is done."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._drawn_s = 0.0
        self._width = 0

    def __enter__(self) -> Progress:
        return self._draw if self._is_shown else no_progress

    def __exit__(self, *error: object) -> None:
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)

    def _draw(self, stage: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._drawn_s < REDRAWN_S and 0 < done < total:
            return
        self._drawn_s = now_s
        filled = BAR_COLUMNS * done // max(total, 1)
        percent = 100 * done // max(total, 1)
        line = f"[{'#' * filled}{'-' * (BAR_COLUMNS - filled)}] {percent:3d} % {stage[:40]}"
        print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
        self._width = len(line)
