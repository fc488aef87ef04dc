"""What the accounting keeps of a run, and beside the cost of one. Apart from it, for it is compiled."""

import msgspec

from ocs.charging.cgrates import model
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.model import Charges


class BalanceSummary(msgspec.Struct, frozen=True, gc=False):
    """A balance beside a cost: what it held before the debit, and after it."""

    uid: str
    balance_id: str
    kind: str
    value_nanos: int
    weight: float
    is_disabled: bool
    initial_nanos: int | None = None  # None: as after it
    factors: dict[str, float] = {}


class Details(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who paid what of a run, with the account as the last debit left it."""

    charges: Charges
    start_ns: int
    offset_ns: int
    kind: str
    account_id: str = ""
    balances: tuple[BalanceSummary, ...] = ()
    allows_negative: bool = False
    is_disabled: bool = False


class Money(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a run: its state in the core, and the period of its first event."""

    run: model.Run
    first: Call
