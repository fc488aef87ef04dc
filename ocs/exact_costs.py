"""What a record of the exact core cost, as the `EventCost` of the session API. Pure."""

from typing import Any

import msgspec

from ocs.charging.entry import Entry, EntryKind, Posting
from ocs.charging.events import Unit
from ocs.sessions import values


def cost_details(cgrid: str, run_id: str, details: Any) -> dict[str, Any]:
    """A record's details: its cost, and every balance in the order it paid; of a price the cost alone."""
    if isinstance(details, int):
        return {"CGRID": cgrid, "RunID": run_id, "Cost": values.number(details), "Charges": []}
    postings = msgspec.convert(details or (), tuple[Posting, ...])
    paid = [(posting.account, entry) for posting in postings for entry in posting.entries]
    cost_nanos = -sum(entry.amount for _, entry in paid if entry.balance_unit is Unit.MONEY)
    return {
        "CGRID": cgrid,
        "RunID": run_id,
        "Cost": values.number(cost_nanos),
        "Charges": [_charge(account, entry) for account, entry in paid],
    }


def _charge(account: str, entry: Entry) -> dict[str, Any]:
    kind = "debit" if entry.kind is EntryKind.DEBIT else entry.kind.name.lower()
    return {
        "Account": account,
        "BalanceID": entry.balance_id,
        "Kind": kind,
        "Usage": entry.units,
        "Amount": -entry.amount,
        "After": entry.after,
        "Rating": entry.rule,
    }
