"""What rating, debits and sessions hand to each other.

Apart from the arithmetic, which is compiled: mypyc does not keep the keywords of a `Struct`.
"""

from collections.abc import Mapping

import msgspec

from ocs.charging.cgrates.account import Account, Snapshot
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.plan import RateInterval, Settings, Tariff


class Match(msgspec.Struct, frozen=True, gc=False):
    """Why a price applies."""

    destination_id: str
    prefix: str
    plan_id: str
    subject: str  # profile key, or the id of the balance that gave free units


class Matched(msgspec.Struct, frozen=True, gc=False):
    """The candidates that price a call, and the moment at which another activation cuts it."""

    match: Match
    intervals: tuple[RateInterval, ...]
    cut_ns: int | None = None


class Increments(msgspec.Struct, frozen=True, gc=False):
    """`count` equal steps of a span."""

    duration_ns: int
    cost_nanos: int
    count: int = 1


class RatedSpan(msgspec.Struct, frozen=True, gc=False):
    """Part of a call with its price; `factor` equal neighbours are one span (times are UTC)."""

    start_ns: int
    end_ns: int
    index_ns: int
    match: Match
    interval: RateInterval | None = None  # None for a call without duration
    factor: int = 1
    fee: Increments | None = None  # step without duration in front of the others
    increments: Increments | None = None  # None where there are too many, and before the first slot
    whole_nanos: int = 0  # cost of one part before it is divided into increments


class CallCost(msgspec.Struct, frozen=True, gc=False):
    """A rated call."""

    cost_nanos: int
    usage_ns: int
    spans: tuple[RatedSpan, ...]


class Payment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who paid one step: units of a balance, money of a balance, both or nobody."""

    account_id: str = ""
    unit_uid: str = ""
    unit_nanos: int = 0
    factor: float = 1.0
    money_uid: str = ""


UNPAID = Payment()


class Steps(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`count` equal steps paid alike."""

    duration_ns: int
    cost_nanos: int
    count: int
    payment: Payment = UNPAID


class PaidSpan(msgspec.Struct, frozen=True, gc=False):
    """Part of a call with its payments; `factor` equal neighbours are one span (times are UTC)."""

    start_ns: int
    end_ns: int
    index_ns: int
    match: Match
    interval: RateInterval | None
    steps: tuple[Steps, ...] = ()
    factor: int = 1
    cost_nanos: int = 0  # as the debit adds it up
    whole_nanos: int = 0  # cost of one part that has no steps
    rounding_nanos: int = 0  # correction of the first step's payer


class PaidCall(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a debit."""

    cost_nanos: int = 0
    usage_ns: int = 0
    spans: tuple[PaidSpan, ...] = ()


class Spent(msgspec.Struct, frozen=True, gc=False):
    """What a debit covered; `owes_fee` says that the connect fee went below zero.

    `is_final` says of a dry run that a real one would take the very same steps.
    """

    paid: PaidCall
    owes_fee: bool
    max_cost_so_far_nanos: int
    is_final: bool = False


class Debited(msgspec.Struct, frozen=True, gc=False):
    """A paid call and the accounts it changed."""

    paid: PaidCall
    accounts: Mapping[str, Account] = {}


class MaxUsage(msgspec.Struct, frozen=True, gc=False):
    """How much of a call an account can pay; -1 where it may go below zero.

    `accounts` is not empty in one case only: a dry run asked to round books the correction, although nothing else
    of it is kept.
    """

    usage_ns: int
    accounts: Mapping[str, Account] = {}


class Charge(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Equal parts of a session; `is_late` says that a later debit than the first one brought it."""

    match: Match
    interval: RateInterval | None
    steps: tuple[Steps, ...]
    factor: int = 1
    rounding_nanos: int = 0
    is_late: bool = False


Charges = tuple[Charge, ...]


class Run(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One charged view of a session; `call` is the period of its last debit."""

    run_id: str
    request_type: str
    call: Call
    extra_ns: int = 0  # debited, not yet used
    last_usage_ns: int = 0
    total_usage_ns: int = 0
    charges: Charges | None = None  # None until something was charged


class Context(msgspec.Struct, frozen=True, gc=False):
    """What every step reads: accounts, tariff, settings and the present time."""

    snapshot: Snapshot
    tariff: Tariff
    settings: Settings
    now_ns: int


class Stepped(msgspec.Struct, frozen=True, gc=False):
    """A step of a session: the runs after it, the context after it, and the usage granted or why not."""

    runs: tuple[Run, ...]
    context: Context
    outcome: int | Refusal


class Report(msgspec.Struct, frozen=True, gc=False):
    """What an update says: `wanted_ns` more, `last_used_ns` of the last grant, or a running total."""

    wanted_ns: int
    last_used_ns: int | None = None
    total_ns: int | None = None


class RatedCdr(msgspec.Struct, frozen=True, gc=False):
    """Cost of one run; a refusal leaves cost -1 and its word."""

    usage_ns: int
    cost_nanos: int
    source: str
    extra: str = ""
