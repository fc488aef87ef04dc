"""Call detail records as rows of a table, and filters as conditions on them. Pure.

What filters look at has a column; all else of a record is JSON in the column `rest`.
"""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from ocs.cgrates.cdr_filter import EXISTS, CdrFilter, Span
from ocs.sessions.model import Cdr

TABLE = """
create table if not exists cdr (
    order_id integer primary key, cgrid text not null, run_id text not null, origin_host text not null,
    source text not null, origin_id text not null, tor text not null, request_type text not null,
    tenant text not null, category text not null, account text not null, subject text not null,
    destination text not null, setup_ns integer not null, answer_ns integer not null, usage integer not null,
    cost_nanos integer not null, created_ns integer not null, updated_ns integer not null, rest blob not null);
"""
INDEXES = """
create unique index if not exists cdr_by_run on cdr (cgrid, run_id);
create index if not exists cdr_by_origin on cdr (origin_id);
create index if not exists cdr_by_account on cdr (account);
create index if not exists cdr_by_setup on cdr (setup_ns);
create index if not exists cdr_by_answer on cdr (answer_ns);
create index if not exists cdr_by_creation on cdr (created_ns);
"""
# A record that is replaced keeps its order id; one of another run under that id is a mistake that must not pass.
PUT = """
insert into cdr values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
on conflict (order_id) do update set
    cgrid = iif(cgrid = excluded.cgrid and run_id = excluded.run_id, cgrid, null),
    origin_host = excluded.origin_host, source = excluded.source, origin_id = excluded.origin_id,
    tor = excluded.tor, request_type = excluded.request_type, tenant = excluded.tenant,
    category = excluded.category, account = excluded.account, subject = excluded.subject,
    destination = excluded.destination, setup_ns = excluded.setup_ns, answer_ns = excluded.answer_ns,
    usage = excluded.usage, cost_nanos = excluded.cost_nanos, created_ns = excluded.created_ns,
    updated_ns = excluded.updated_ns, rest = excluded.rest
"""
REMOVE = "delete from cdr where cgrid = ? and run_id = ?"
GET = "select * from cdr where cgrid = ? and run_id = ?"
HAS = "select 1 from cdr where cgrid = ? and run_id = ?"
BEGINS = (  # whether the destination begins with one of some prefixes
    "(select 1 from (values {}) where destination >= column1 and destination < column1 || char(1114111))"
)
LAST = "select coalesce(max(order_id), 0) from cdr"

COLUMNS = {  # by the names of `cdr_filter.TEXTS`
    "CGRID": "cgrid",
    "RunID": "run_id",
    "OriginID": "origin_id",
    "OriginHost": "origin_host",
    "Source": "source",
    "ToR": "tor",
    "RequestType": "request_type",
    "Tenant": "tenant",
    "Category": "category",
    "Account": "account",
    "Subject": "subject",
}
ORDERS = {  # by the names of `cdr_filter.ORDERS`
    "orderid": "order_id",
    "answertime": "answer_ns",
    "setuptime": "setup_ns",
    "usage": "usage",
    "cost": "cost_nanos",
}
MOST_VALUES = 30_000  # in one filter
LEAST, MOST = -(1 << 63), (1 << 63) - 1  # of a column
TEXTS = attrgetter(
    *("cgrid", "run_id", "origin_host", "source", "origin_id", "tor", "request_type"),
    *("tenant", "category", "account", "subject", "destination"),
)

Row = tuple[Any, ...]
Id = tuple[str, str]  # cgrid, run id


class Changes(NamedTuple):
    """What is to be done to the table."""

    rows: Sequence[Row] = ()
    gone: Sequence[Id] = ()


NONE = Changes()


class Rest(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What of a record no filter looks at, and numbers that are too large for a column."""

    extra_fields: dict[str, str] = {}
    extra_info: str = ""
    is_partial: bool = False
    is_pre_rated: bool = False
    cost_source: str = ""
    cost_details: Any = None
    setup_offset_ns: int = 0
    answer_offset_ns: int = 0
    beyond: dict[str, int] = {}


_decode_rest = msgspec.json.Decoder(Rest).decode


def plain_text(text: str) -> str:
    """A text without what is no Unicode, as it stands in the table."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def row_of(cdr: Cdr, encode: Any) -> Row:
    """A record as a row; `encode` makes JSON of anything."""
    setup_ns, setup_offset_ns = cdr.setup
    answer_ns, answer_offset_ns = cdr.answer
    texts = TEXTS(cdr)
    if not all(map(str.isascii, texts)):
        texts = tuple(map(plain_text, texts))
    numbers: tuple[int, ...] = (setup_ns, answer_ns, cdr.usage, cdr.cost_nanos)
    beyond = {}
    if max(numbers) > MOST or min(numbers) < LEAST:
        named = zip(("setup_ns", "answer_ns", "usage", "cost_nanos"), numbers, strict=True)
        beyond = {name: number for name, number in named if not LEAST <= number <= MOST}
        numbers = tuple(map(_held, numbers))
    rest = Rest(
        cdr.extra_fields,
        cdr.extra_info,
        cdr.is_partial,
        cdr.is_pre_rated,
        cdr.cost_source,
        cdr.cost_details,
        setup_offset_ns,
        answer_offset_ns,
        beyond,
    )
    return (cdr.order_id, *texts, *numbers, cdr.created_ns, cdr.updated_ns, encode(rest))


def cdr_of(row: Row) -> Cdr:
    """The record of a row. Raises msgspec.MsgspecError."""
    rest = _decode_rest(row[19])
    beyond = rest.beyond
    return Cdr(
        row[1],
        row[2],
        row[0],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        (_exact(beyond, "setup_ns", row[13]), rest.setup_offset_ns),
        (_exact(beyond, "answer_ns", row[14]), rest.answer_offset_ns),
        _exact(beyond, "usage", row[15]),
        rest.extra_fields,
        rest.extra_info,
        rest.is_partial,
        rest.is_pre_rated,
        rest.cost_source,
        _exact(beyond, "cost_nanos", row[16]),
        rest.cost_details,
        row[17],
        row[18],
    )


def _exact(beyond: Mapping[str, int], name: str, held: int) -> int:
    return beyond[name] if beyond and name in beyond else held


class Condition(NamedTuple):
    """A part of a statement with its parameters."""

    text: str
    parameters: tuple[Any, ...]


def which(names: Sequence[Id]) -> Condition:
    """The statement that finds which of some runs have their record."""
    values = ",".join(["(?,?)"] * len(names))
    text = f"select cgrid, run_id from cdr where (cgrid, run_id) in (values {values})"
    return Condition(text, tuple(plain_text(part) for name in names for part in name))


def condition(wanted: CdrFilter) -> Condition:
    """What a row has to be; whether extra fields fit has to be looked at once more, in the record.

    Raises ValueError for a filter of too many values.
    """
    parts: list[str] = []
    parameters: list[Any] = []

    def add(part: str, *values: Any) -> None:
        parts.append(part)
        parameters.extend(values)

    for names, word in ((wanted.wanted, "in"), (wanted.unwanted, "not in")):
        for name, values in names.items():
            add(f"{COLUMNS[name]} {word} ({_places(values)})", *map(plain_text, values))
    for prefixes, word in ((wanted.prefixes, ""), (wanted.not_prefixes, "not")):
        if prefixes:
            add(f"{word} exists {BEGINS.format(_places(prefixes, '(?)'))}", *map(plain_text, prefixes))
    for costs, word in ((wanted.costs, "in"), (wanted.not_costs, "not in")):
        if costs:
            add(f"cost_nanos {word} ({_places(costs)})", *map(_held, costs))
    for name, value in wanted.extra.items():
        add("instr(rest, ?) > 0", _as_written(name, value))
    spans = (
        ("cost_nanos", Span(wanted.min_cost_nanos, wanted.max_cost_nanos)),
        ("order_id", wanted.order_ids),
        ("setup_ns", wanted.setup),
        ("answer_ns", wanted.answer),
        ("created_ns", wanted.created),
        ("updated_ns", wanted.updated),
        ("usage", wanted.usage),
    )
    for column, span in spans:
        if span.start is not None:
            add(f"{column} >= ?", _held(span.start))
        if span.end is not None:
            add(f"{column} < ?", _held(span.end))
    if len(parameters) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values in one filter")
    return Condition(" and ".join(parts) or "true", tuple(parameters))


def order(wanted: CdrFilter) -> str:
    """The order of a filter; what is equal stands in the order in which it came."""
    column = ORDERS[wanted.order or "orderid"]
    return f"{column} {'desc' if wanted.is_descending else 'asc'}, order_id"


def _held(number: int) -> int:
    return max(LEAST, min(number, MOST))


def _as_written(name: str, value: str) -> bytes:
    """What `rest` has somewhere where an extra field is there."""
    member = msgspec.json.encode(plain_text(name)) + b":"
    return member if value in ("", EXISTS) else member + msgspec.json.encode(plain_text(value))


def _places(values: Collection[object], place: str = "?") -> str:
    return ",".join([place] * len(values))
