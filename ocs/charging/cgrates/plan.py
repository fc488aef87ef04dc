"""Compiled tariff data: what the CSV files of a folder say once their rows are joined.

Prices stay doubles on purpose: the incumbent divides and multiplies them as such (see `grid`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ocs.charging.cgrates.actions_model import AccountAction, Action, ActionPlanEntry, ActionTrigger
from ocs.charging.cgrates.grid import Rounding

ANY = "*any"
HOUR_NS = 3600 * 10**9
MAX_USAGE: Mapping[str, int] = {
    ANY: 189 * HOUR_NS,
    "*voice": 72 * HOUR_NS,
    "*data": 107_374_182_400,
    "*sms": 10_000,
    "*mms": 10_000,
}
DEFAULT_USAGE: Mapping[str, int] = {ANY: 3 * HOUR_NS, "*voice": 3 * HOUR_NS, "*data": 1_048_576, "*sms": 1}
DEFAULT_SUBJECT: Mapping[str, str] = {ANY: "*zero1ns", "*voice": "*zero1s"}


class Timing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of Timings.csv; an empty tuple means any. Weekdays count 0 (Sunday) to 6."""

    tag: str
    years: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()
    start_ns: int = 0
    schedule: str = ""  # what the Time column says when it is no time of day: *asap, +10m, *monthly_estimated

    def same_hours(self, other: "Timing") -> bool:
        """Whether both describe the same moments, whatever their tags."""
        return msgspec.structs.replace(self, tag="") == msgspec.structs.replace(other, tag="")


class Slot(msgspec.Struct, frozen=True, gc=False):
    """Price from a position inside the call on; zero unit and increment count as one second."""

    start_ns: int
    price: float  # for `unit_ns`
    unit_ns: int
    increment_ns: int


class Rate(msgspec.Struct, frozen=True, gc=False):
    """All rows of one tag in Rates.csv; the fee is the one of the first row."""

    tag: str
    fee_nanos: int
    slots: tuple[Slot, ...]  # by start


class RateInterval(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One price of a destination in a plan, with the hours at which it holds."""

    timing: Timing
    weight: float
    rate: Rate
    rounding: Rounding = Rounding.NONE
    rounding_decimals: int = 0
    max_cost_nanos: int = 0
    max_cost_strategy: str = ""


class RatingPlan(msgspec.Struct, frozen=True):
    """Prices by destination id, in file order."""

    plan_id: str
    intervals: Mapping[str, tuple[RateInterval, ...]]


class Activation(msgspec.Struct, frozen=True):
    """The plan of a subject from a moment on, and whom to ask where it has no price."""

    active_ns: int
    plan_id: str
    fallback_subjects: tuple[str, ...] = ()


class SharedGroup(msgspec.Struct, frozen=True):
    """Strategy and subject per account of one group; `*any` holds for the accounts not named."""

    group_id: str
    strategies: Mapping[str, str]

    def strategy(self, account: str) -> str:
        """The strategy that orders the members' balances for an account."""
        return self.strategies.get(account, self.strategies.get(ANY, ""))


class Found:
    """What rating has found in the maps of a tariff and would find at any later time; empty it when they change."""

    __slots__ = ("destinations", "matches", "plans", "profiles")

    def __init__(self, destinations: object, plans: object, profiles: object) -> None:
        self.destinations = destinations
        self.plans = plans
        self.profiles = profiles
        self.matches: dict[
            tuple[str, str, str, str], tuple[int, Any]
        ] = {}  # with the moment from which each holds


class Tariff(msgspec.Struct, frozen=True):
    """Everything of the tariff folders that rating and accounting read."""

    destinations: Mapping[str, tuple[str, ...]] = {}  # destination ids by exact prefix, in file order
    plans: Mapping[str, RatingPlan] = {}
    profiles: Mapping[
        tuple[str, str, str], tuple[Activation, ...]
    ] = {}  # by tenant, category, subject; by time
    timings: Mapping[str, Timing] = {}
    shared_groups: Mapping[str, SharedGroup] = {}
    actions: Mapping[str, tuple[Action, ...]] = {}
    action_plans: Mapping[str, tuple[ActionPlanEntry, ...]] = {}
    action_triggers: Mapping[str, tuple[ActionTrigger, ...]] = {}
    account_actions: tuple[AccountAction, ...] = ()
    found: Found | None = None


class Settings(msgspec.Struct, frozen=True):
    """Settings of the incumbent that change a figure, with its defaults."""

    rounding_decimals: int = 5
    max_increments: int = 1_000_000
    fallback_depth: int = 3
    subject_prefix_matching: bool = False
    remove_expired: bool = True
    drifts_below_zero: bool = (
        False  # copy the loss of debts to rounding, at the price of a loop over increments
    )
    max_usage: Mapping[str, int] = msgspec.field(default_factory=lambda: MAX_USAGE)
    default_usage: Mapping[str, int] = msgspec.field(default_factory=lambda: DEFAULT_USAGE)
    default_subject: Mapping[str, str] = msgspec.field(default_factory=lambda: DEFAULT_SUBJECT)
