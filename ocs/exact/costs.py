"""What a record of the exact core cost, as the `EventCost` of the session API. Pure.

Every balance that paid is one charge, in the order it paid, with one increment of all its usage: the exact core
prices totals and has no steps. `RatingPlanID` is the rule that priced it; what the rule says is told by
`OcsV1.Explain`, so `Rates` and `Timings` are empty.
"""

import hashlib
from typing import Any

import msgspec

from ocs.charging.entry import Entry, EntryKind, Posting
from ocs.charging.events import Unit
from ocs.sessions import values

ID_LETTERS = 7
NONE = "*none"
TABLES = ("Rating", "Accounting", "RatingFilters", "Rates", "Timings")
Form = dict[str, Any]


def cost_details(cgrid: str, run_id: str, details: Any) -> Form:
    """A record's details: its cost, and every balance in the order it paid; of a price the cost alone."""
    is_price = isinstance(details, int)
    postings = msgspec.convert((() if is_price else details) or (), tuple[Posting, ...])
    paid = [(posting.account, entry) for posting in postings for entry in posting.entries]
    cost_nanos = -sum(entry.amount for _, entry in paid if entry.balance_unit is Unit.MONEY)
    writer = _Writer()
    charges = [writer.charge(account, entry) for account, entry in paid]
    return {
        "CGRID": cgrid,
        "RunID": run_id,
        "Usage": None if is_price else sum(entry.units for _, entry in paid if entry.kind is EntryKind.DEBIT),
        "Cost": values.number(details if is_price else cost_nanos),
        "Charges": charges,
        "AccountSummary": None,
        **writer.named,
    }


class _Writer:
    """Collects what charges name; equal things have one id."""

    def __init__(self) -> None:
        self.named: dict[str, Form] = {table: {} for table in TABLES}

    def charge(self, account: str, entry: Entry) -> Form:
        """What one balance paid, with the entry of its account beside it."""
        kind = "debit" if entry.kind is EntryKind.DEBIT else entry.kind.name.lower()
        is_money = entry.balance_unit is Unit.MONEY
        rating_id = self._rating(account, entry.rule) if entry.rule else ""
        payer = {
            "AccountID": account,
            "BalanceUUID": entry.balance_id,
            "RatingID": "" if is_money else rating_id,
            "Units": values.number(-entry.amount) if is_money else -entry.amount,
            "BalanceFactor": 0 if is_money else 1,
            "ExtraChargeID": "" if is_money else NONE,
        }
        increment = {
            "Usage": entry.units,
            "Cost": values.number(-entry.amount) if is_money else 0,
            "AccountingID": self._name("Accounting", payer),
            "CompressFactor": 1,
        }
        return {
            "RatingID": rating_id,
            "Increments": [increment],
            "CompressFactor": 1,
            "Account": account,
            "BalanceID": entry.balance_id,
            "Kind": kind,
            "Usage": entry.units,
            "Amount": -entry.amount,
            "After": entry.after,
            "Rating": entry.rule,
        }

    def _rating(self, account: str, rule: str) -> str:
        filters = {"DestinationID": "", "DestinationPrefix": "", "RatingPlanID": rule, "Subject": account}
        rating = {"ConnectFee": 0, "RoundingMethod": "", "RoundingDecimals": 0, "MaxCost": 0}
        rating |= {"MaxCostStrategy": "", "TimingID": "", "RatesID": ""}
        return self._name("Rating", {**rating, "RatingFiltersID": self._name("RatingFilters", filters)})

    def _name(self, table: str, thing: Form) -> str:
        """The id of a thing: letters of its own digest, so that equal answers are equal."""
        said = f"{table}{thing}".encode("utf-8", "surrogatepass")
        short = hashlib.sha1(said, usedforsecurity=False).hexdigest()[:ID_LETTERS]
        self.named[table][short] = thing
        return short
