"""Rows of the accounting files, parsed: actions, plans of actions, triggers, accounts."""

import msgspec


class BalanceFilter(msgspec.Struct, frozen=True):
    """The balance columns of an action: None where the cell is empty."""

    balance_id: str | None = None
    kind: str | None = None  # *monetary, *voice, ...
    categories: tuple[str, ...] | None = None
    destinations: tuple[tuple[str, bool], ...] | None = None  # (id, included)
    rating_subject: str | None = None
    shared_groups: tuple[str, ...] | None = None
    expiry: str | None = None  # as written: evaluated when the action runs
    timings: tuple[str, ...] | None = None
    units_nanos: int | None = None
    units_formula: str = ""
    weight: float | None = None
    weight_word: str = ""  # *time_asc, *time_desc
    is_blocker: bool | None = None
    is_disabled: bool | None = None
    factors: tuple[tuple[str, float], ...] | None = None
    uid: str | None = None


class Action(msgspec.Struct, frozen=True):
    """One row of Actions.csv."""

    tag: str
    kind: str  # *topup, *debit, ...
    parameters: str
    filters: tuple[str, ...]
    balance: BalanceFilter
    weight: float


class ActionPlanEntry(msgspec.Struct, frozen=True):
    """One row of ActionPlans.csv."""

    tag: str
    actions_tag: str
    timing_tag: str
    weight: float


class ActionTrigger(msgspec.Struct, frozen=True):
    """One row of ActionTriggers.csv."""

    tag: str
    unique_id: str
    threshold_kind: str
    threshold_nanos: int
    is_recurrent: bool
    min_sleep_ns: int
    expiry: str
    activation: str
    balance: BalanceFilter
    actions_tag: str
    weight: float


class AccountAction(msgspec.Struct, frozen=True):
    """One row of AccountActions.csv."""

    tenant: str
    account: str
    action_plan_tag: str
    action_triggers_tag: str
    allow_negative: bool
    is_disabled: bool
