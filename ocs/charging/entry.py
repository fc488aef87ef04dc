"""What a turn leaves behind for good: entries, postings and charging data records."""

from enum import IntEnum

import msgspec

from ocs.charging.enums import plain_members
from ocs.charging.events import ChargingContext, EventKind, Unit


@plain_members
class EntryKind(IntEnum):
    """The other side of an entry: where the amount came from or went."""

    TOPUP = 1
    DEBIT = 2  # to revenue
    REFUND = 3  # back from revenue
    EXPIRY = 4
    ADJUSTMENT = 5
    WRITE_OFF = 6  # revenue that the overdraft floor does not let the balance pay
    TRANSFER = 7  # to or from another balance, which has the same entry with the other sign


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of one balance. `amount` is signed as the balance sees it, `after` the balance's posted value.

    `units` of `unit` were used; the price came from `rule`, starting at the position `rated_from` of the rate.
    A write-off changes no balance.
    """

    kind: EntryKind
    balance_id: str
    balance_unit: Unit
    amount: int
    after: int
    rating_group: int | None = None
    unit: Unit | None = None
    units: int = 0
    rule: str = ""
    rated_from: int = 0


class Posting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The entries of one event. Its id is (`session_key`, `kind`, `event_id`); an entry's is its index in it.

    `others` is what the same event changed on other accounts; only what is kept for a refund has it.
    """

    account: str
    session_key: str
    kind: EventKind | None  # None: an operator's act
    event_id: int | str
    at_ns: int
    entries: tuple[Entry, ...]
    by: str = ""
    reason: str = ""
    others: tuple["Posting", ...] = ()


class UsageTotal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that one rating group used in a session."""

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    unit: Unit
    used: int
    cost_nanos: int


class Cdr(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Charging data record of a closed session or a one-time event. `cause` says in words why it ended."""

    account: str
    client: str
    session_id: str
    service: str
    opened_at_ns: int
    closed_at_ns: int
    usage: tuple[UsageTotal, ...]
    cost_nanos: int
    cause: str
    context: ChargingContext
