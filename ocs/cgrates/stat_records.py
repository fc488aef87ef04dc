"""Items of statistics as records of the journal, their exact decimals told apart from texts. Pure."""

from decimal import Decimal
from typing import Any

from ocs.charging.profiles.stats import Change, Item, Totals

Record = dict[str, Any]


def record_of(change: Change) -> Record:
    """A change that adds something, as a record."""
    item, totals = change.item, change.totals
    return {
        "tenant": change.tenant,
        "queue": change.queue_id,
        "sequence": change.sequence,
        "item": None
        if item is None
        else [item.sequence, item.event_id, item.expires_ns, [_told(value) for value in item.values]],
        "totals": None
        if totals is None
        else [
            list(totals.counts),
            [[[_told(value), count] for value, count in kept] for kept in totals.kept],
        ],
    }


def change_of(record: Record) -> Change:
    """The change a record was made of."""
    item = totals = None
    if record["item"] is not None:
        sequence, event_id, expires_ns, found = record["item"]
        item = Item(sequence, event_id, expires_ns, tuple(_read(value) for value in found))
    if record["totals"] is not None:
        counts, kept = record["totals"]
        totals = Totals(
            tuple(counts), tuple(tuple((_read(value), count) for value, count in each) for each in kept)
        )
    return Change(record["tenant"], record["queue"], record["sequence"], item, totals)


def _told(value: Any) -> Any:
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def _read(value: Any) -> Any:
    return Decimal(value["decimal"]) if isinstance(value, dict) else value
