"""`ocs cdr export`: charging records of a running server as CSV, JSON Lines or Parquet, page by page.

A record with several rating groups is one row for each of them; `session_cost` is then the same in all. Amounts are
exact: money as decimal text in CSV, as nanos elsewhere.
"""

import argparse
import csv
import datetime
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from ocs.charging.money import NANOS, format_nanos
from ocs.cli.jsonrpc import CallError, rows
from ocs.cli.remote import given

FAILED, WRONG = 1, 2
MEMBERS = (
    "account",
    "client",
    "session",
    "service",
    "opened_at_ns",
    "closed_at_ns",
    "cause",
    "called",
    "apn",
)
COLUMNS = (*MEMBERS, "session_cost_nanos", "rating_group", "used", "unit", "cost_nanos", "extra")
ROW_GROUP = 10_000  # rows of a Parquet file that are written together
NO_PYARROW = "Parquet needs the package pyarrow: pip install 'ocs[parquet]'"


def export(arguments: argparse.Namespace) -> int:
    """Write the records; 2 where the arguments cannot be used, 1 where the server says no."""
    try:
        since_ns, until_ns = _moment(arguments.since), _moment(arguments.until)
    except ValueError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return WRONG
    wanted = given(account=arguments.account, session=arguments.session)
    found = _between(rows(arguments.server, "OcsV1.CdrList", wanted, "cdrs"), since_ns, until_ns)
    try:
        count = _write(arguments, found)
    except CallError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"ocs: {arguments.output}: cannot be written: {error.strerror}", file=sys.stderr)
        return FAILED
    except ImportError:
        print(f"ocs: {NO_PYARROW}", file=sys.stderr)
        return WRONG
    if arguments.json:
        print(json.dumps({"records": count, "file": arguments.output}), file=sys.stderr)
    elif arguments.output != "-":
        print(f"{count} records in {arguments.output}", file=sys.stderr)
    return 0


def _write(arguments: argparse.Namespace, records: Iterator[Mapping[str, Any]]) -> int:
    if arguments.format == "parquet":
        return _parquet(arguments.output, records)
    records = _begun(records)
    with _opened(arguments.output) as file:
        if arguments.format == "jsonl":
            return _jsonl(file, records)
        return _csv(file, records)


def _begun(records: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The records, the first of them asked for already: where there is no server, there is no file."""
    return itertools.chain(list(itertools.islice(records, 1)), records)


@contextmanager
def _opened(output: str) -> Iterator[TextIO]:
    if output == "-":
        yield sys.stdout
        return
    with open(output, "w", encoding="utf-8", newline="") as file:
        yield file


def _jsonl(file: TextIO, records: Iterator[Mapping[str, Any]]) -> int:
    """The records as the server has them, one a line."""
    count = 0
    for record in records:
        file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
        count += 1
    return count


def _csv(file: TextIO, records: Iterator[Mapping[str, Any]]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.removesuffix("_ns").removesuffix("_nanos") for column in COLUMNS])
    count = 0
    for record in records:
        for row in flat(record):
            writer.writerow([_text(column, row[column]) for column in COLUMNS])
        count += 1
    return count


def _parquet(output: str, records: Iterator[Mapping[str, Any]]) -> int:
    import pyarrow
    from pyarrow import parquet

    if output == "-":
        raise OSError(0, "Parquet needs --output FILE")
    records = _begun(records)
    numbers = {"session_cost_nanos", "rating_group", "used", "cost_nanos"}
    fields = [
        (
            column,
            pyarrow.timestamp("ns", "UTC")
            if column.endswith("_at_ns")
            else pyarrow.int64()
            if column in numbers
            else pyarrow.string(),
        )
        for column in COLUMNS
    ]
    schema = pyarrow.schema(fields)
    count = 0
    with parquet.ParquetWriter(output, schema) as writer:
        while some := list(itertools.islice(records, ROW_GROUP)):
            count += len(some)
            table = [row for record in some for row in flat(record)]
            writer.write_table(pyarrow.Table.from_pylist(table, schema=schema))
    return count


def flat(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A record as rows, one for each rating group; one without usage has one row."""
    common = {member: record[member] for member in MEMBERS}
    common["session_cost_nanos"] = record["cost_nanos"]
    common["extra"] = json.dumps(record["extra"], ensure_ascii=False) if record["extra"] else ""
    if not record["usage"]:
        yield {**common, "rating_group": None, "used": None, "unit": "", "cost_nanos": 0}
    for usage in record["usage"]:
        [(unit, used)] = usage["used"].items()
        group, cost = usage["rating_group"], usage["cost_nanos"]
        yield {**common, "rating_group": group, "used": used, "unit": unit, "cost_nanos": cost}


def _between(
    records: Iterator[Mapping[str, Any]], since_ns: int | None, until_ns: int | None
) -> Iterator[Mapping[str, Any]]:
    """Records that were closed in a time; they come the newest first, so that older ones need not be read."""
    for record in records:
        closed_ns = record["closed_at_ns"]
        if since_ns is not None and closed_ns < since_ns:
            return
        if until_ns is None or closed_ns < until_ns:
            yield record


def _moment(text: str | None) -> int | None:
    """A time with a zone, in ns since 1970. Raises ValueError."""
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a time such as 2026-11-01T00:00:00Z') from None
    if moment.tzinfo is None:
        raise ValueError(f'"{text}" has no time zone: write {text}Z for UTC')
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * NANOS + since.microseconds * 1_000


def _text(column: str, value: Any) -> str:
    """A cell: money as a decimal, times in RFC 3339; what a spreadsheet takes for a formula gets an apostrophe."""
    if value is None:
        return ""
    if column.endswith("_nanos"):
        return format_nanos(value)
    if column.endswith("_at_ns"):
        seconds, rest = divmod(value, NANOS)
        return (
            f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{rest // 10**6:03d}Z"
        )
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and column != "used" else text
