"""What the accounting keeps of a run, and beside the cost of one. Apart from it, for it is compiled."""

import msgspec

from ocs.charging.cgrates import model
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.model import Charges

Held = tuple[tuple[str, int], ...]  # nanos by the uid of a balance


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
    """Who paid what of a run, with the account as the last debit left it; `before` is what its balances held before
    the first one."""

    charges: Charges
    start_ns: int
    offset_ns: int
    kind: str
    account_id: str = ""
    balances: tuple[BalanceSummary, ...] = ()
    allows_negative: bool = False
    is_disabled: bool = False
    before: Held = ()


class Money(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is kept of a run: its state in the core, the period of its first event, and what the balances of its
    account held before it was charged anything."""

    run: model.Run
    first: Call
    before: Held = ()
