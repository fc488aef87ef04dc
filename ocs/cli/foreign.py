"""`ocs cdr rate`: what the records of somebody else cost by a tariff, row by row, from a file or a URL.

The result is the input with its cost behind it. A run that was ended goes on where its output ends.
"""

import argparse
import csv
import os
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import BinaryIO, TextIO

from ocs.charging.money import format_nanos
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Query
from ocs.charging.tariff.quantities import moment_ns
from ocs.charging.what_if import what_if
from ocs.cli.rating import amount
from ocs.cli.tariff_files import WRONG, Unusable, options_of, progress_bar, read_path, show

FAILED = 1
ADDED = ("result", "cost", "currency")
NEEDED = ("called", "usage", "at")
OPTIONAL = ("plan", "service", "category")
TIMEOUT_S = 60
FORCED_ROWS = 10_000  # between two times the output is forced to the disk


class Wrong(Exception):
    """The input cannot be read as records; the text says where."""


def rate(arguments: argparse.Namespace) -> int:
    """Rate every row of a file that has no result yet."""
    try:
        read = read_path(arguments.tariff, options_of(arguments))
    except Unusable:
        return WRONG
    if read.tariff is None:
        show(read.findings, read.place)
        return WRONG
    try:
        failed = _rate(arguments, Catalogue(read.tariff))
    except (OSError, Wrong, csv.Error, UnicodeDecodeError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    if failed:
        print(f"{failed} rows without a price: see the column result", file=sys.stderr)
    return FAILED if failed else 0


def _rate(arguments: argparse.Namespace, catalogue: Catalogue) -> int:
    out = Path(arguments.out)
    done = _complete_lines(out)
    failed = 0
    with (
        _opened(arguments.file) as (source, size),
        out.open("a", newline="", encoding="utf-8") as target,
        progress_bar() as progress,
    ):
        rows = csv.reader(
            _lines(source, lambda at: progress("rating", at, size)), delimiter=arguments.separator
        )
        head = next(rows, None)
        if head is None:
            raise Wrong(f"{arguments.file}: is empty")
        columns = _columns(arguments, head)
        writer = csv.writer(target, delimiter=arguments.separator, lineterminator="\n")
        if not done:
            writer.writerow([*head, *ADDED])
        for number, row in enumerate(rows, 1):
            if number < done:
                continue
            result = _result(arguments, catalogue, columns, row)
            failed += result[0] not in ("RATED", "FREE")
            writer.writerow([*row, *result])
            if number % FORCED_ROWS == 0:
                _force(target)
        _force(target)
    return failed


def _result(
    arguments: argparse.Namespace, catalogue: Catalogue, columns: dict[str, int], row: list[str]
) -> tuple[str, str, str]:
    """Result, cost and currency of a row; what is wrong with it is its result."""
    cells = {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}
    plan = cells.get("plan") or arguments.plan
    service = cells.get("service") or arguments.service
    if not plan or not catalogue.has_plan(plan):
        return (f'there is no plan "{plan or ""}"', "", "")
    try:
        unit, units = amount(service, cells["usage"], None)
        at_ns = moment_ns(cells["at"], UTC)
    except (ValueError, KeyError) as error:
        return (str(error), "", "")
    called = cells["called"].removeprefix("+").removeprefix("00")
    found = what_if(
        catalogue, plan, Query(service, unit, called=called, category=cells.get("category", "")), units, at_ns
    )
    return (found.result, format_nanos(found.cost_nanos), found.currency)


def _columns(arguments: argparse.Namespace, head: list[str]) -> dict[str, int]:
    """Where the columns are. Raises Wrong."""
    named = dict(arguments.column)
    places = {}
    for name in (*NEEDED, *OPTIONAL):
        title = named.get(name, name)
        if title in head:
            places[name] = head.index(title)
        elif name in NEEDED or name in named:
            raise Wrong(f'{arguments.file}:1: has no column "{title}"; name another: --column {name}=TITLE')
    return places


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int]]:
    """A file or a URL, and how many octets it has, 0 where that is not known."""
    if name.startswith(("http://", "https://")):
        with urllib.request.urlopen(name, timeout=TIMEOUT_S) as answer:
            yield answer, int(answer.headers.get("Content-Length") or 0)
        return
    with Path(name).open("rb") as file:
        yield file, os.fstat(file.fileno()).st_size


def _lines(source: Iterable[bytes], tell: Callable[[int], None]) -> Iterator[str]:
    at = 0
    for line in source:
        at += len(line)
        tell(at)
        yield line.decode("utf-8-sig" if at == len(line) else "utf-8")


def _complete_lines(path: Path) -> int:
    """Whole lines of an output; what a kill left of the last one is cut off."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        count = end = 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            count, end = count + 1, end + len(line)
        file.truncate(end)
    return count


def _force(target: TextIO) -> None:
    target.flush()
    os.fsync(target.fileno())
