"""Actions, plans, triggers and the accounts they are for, as a tariff says them: plain immutable data."""

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from ocs.charging.account import Terms
from ocs.charging.enums import plain_members
from ocs.charging.events import Unit
from ocs.charging.ledger import MAIN
from ocs.charging.schedule import Schedule


@plain_members
class Do(IntEnum):
    """What one action does."""

    TOP_UP = 1
    DEBIT = 2
    SET = 3
    REMOVE = 4
    TRANSFER = 5
    EXPIRE = 6  # what is left on ended balances is taken off
    SET_EXPIRY = 7
    BAR = 8
    UNBAR = 9
    CREDIT_LIMIT = 10
    RESET_TRIGGERS = 11
    RESET_COUNTERS = 12
    NOTIFY = 13  # the log and whoever watches it are told
    COLLECT = 14  # all money goes to the main balance
    EMPTY = 15  # every balance loses what is free on it
    POST = 16  # somebody is told over HTTP
    MAIL = 17  # ... or by mail
    RECORD = 18  # charging records of what the set did


class Share(msgspec.Struct, frozen=True):
    """The part of an amount that one increment of an interval has: of a month's amount, that of a day of it."""

    interval: str  # minute, hour, day, week, month, year
    increment: str


class Action(msgspec.Struct, frozen=True):
    """One step of a set. Which fields count depends on `do`.

    `expires` is a word such as `+30d` or `month_end`, read when the action runs. `resets` empties the balance
    first, `resets_debt` only where it is below zero. A debit that does not overdraw fails where the balance lacks
    the amount.
    """

    do: Do
    balance_id: str = MAIN
    unit: Unit = Unit.MONEY
    amount: int = 0
    resets: bool = False
    resets_debt: bool = False
    overdraws: bool = False
    priority: int | None = None
    expires: str = ""
    services: tuple[str, ...] = ()
    rating_groups: tuple[int, ...] = ()
    terms: Terms | None = None
    to_account: str = ""  # of a transfer; empty: the same account; without a tenant: that of the account
    to_balance: str = MAIN
    credit_limit_nanos: int | None = 0
    text: str = ""  # of a notice, a post or a mail; name of the group of triggers to reset
    target: str = ""  # of a post or a mail: an URL, an address
    source: str = ""  # file:line
    keeps: bool = False  # a balance that is set keeps what is on it
    share: Share | None = None
    filters: tuple[
        str, ...
    ] = ()  # inline rules on the account; where one does not hold the action is passed over
    fields: tuple[tuple[str, str], ...] = ()  # members of records


class Move(msgspec.Struct, frozen=True):
    """What an action of a set did to a balance."""

    do: Do
    unit: Unit
    balance_id: str
    amount: int
    resets: bool = False
    resets_debt: bool = False
    services: tuple[str, ...] = ()


class Notice(msgspec.Struct, frozen=True):
    """Something an action wants people to know: in the log, at a target outside, or as records.

    `id` names it among all notices, also where it is told again.
    """

    account: str
    text: str
    by: str
    do: Do = Do.NOTIFY
    target: str = ""
    actions: str = ""
    reason: str = ""
    id: str = ""
    at_ns: int = 0
    fields: tuple[tuple[str, str], ...] = ()  # of records: members that are given
    moves: tuple[Move, ...] = ()  # ... of these actions


class ActionSet(msgspec.Struct, frozen=True):
    """Actions in their order; all of them are done, or none."""

    name: str
    actions: tuple[Action, ...]


class When(msgspec.Struct, frozen=True):
    """A schedule, or a word such as `*monthly` that counts from when an account got the plan."""

    schedule: Schedule | None = None
    word: str = ""


class PlanEntry(msgspec.Struct, frozen=True):
    """When a set runs; of sets due at one moment the heavier one runs first."""

    when: When
    actions: str
    weight: float = 0.0


class ActionPlan(msgspec.Struct, frozen=True):
    """Entries under one name."""

    name: str
    entries: tuple[PlanEntry, ...]


@plain_members
class Watches(IntEnum):
    """What a trigger looks at."""

    AT_MOST = 1  # what is free on a balance that has changed
    AT_LEAST = 2
    EXPIRED = 3
    USED_AT_LEAST = 4  # what events have taken from balances since the last reset
    USED_AT_MOST = 5


class Trigger(msgspec.Struct, frozen=True):
    """Runs a set when its threshold is reached.

    An empty `balance_id` means any balance of the unit. Services, categories and destinations are those of the
    events that count as use. One that does not recur runs once until it is reset.
    """

    id: str
    watches: Watches
    actions: str
    unit: Unit = Unit.MONEY
    amount: int = 0
    balance_id: str = ""
    services: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    recurs: bool = False
    min_sleep_ns: int = 0
    from_ns: int | None = None
    until_ns: int | None = None
    weight: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it looks at use rather than at a balance."""
        return self.watches in (Watches.USED_AT_LEAST, Watches.USED_AT_MOST)


class Provision(msgspec.Struct, frozen=True):
    """An account the tariff names: opened where it is missing, and given plans and triggers where it lacks them."""

    key: str
    plan: str
    action_plans: tuple[str, ...] = ()
    trigger_groups: tuple[str, ...] = ()
    credit_limit_nanos: int | None = 0
    is_barred: bool = False


class Group(msgspec.Struct, frozen=True):
    """Strategy and subject of a shared group; its members are the accounts with a balance of it."""

    name: str
    strategy: str = ""
    subject: str = ""


class Accounting(msgspec.Struct, frozen=True):
    """Everything of a tariff that is about accounts rather than prices."""

    time_zone: str = "UTC"
    sets: Mapping[str, ActionSet] = {}
    plans: Mapping[str, ActionPlan] = {}
    triggers: Mapping[str, tuple[Trigger, ...]] = {}  # by group, in their order
    groups: Mapping[str, Group] = {}
    accounts: tuple[Provision, ...] = ()

    def destinations(self) -> set[str]:
        """Names of the destinations that balances and triggers are about."""
        triggers = [one.destinations for group in self.triggers.values() for one in group]
        return _plain([*triggers, *(terms.destinations for terms in self._terms())])

    def windows(self) -> set[str]:
        """Names of the windows in which balances pay."""
        return _plain([terms.timings for terms in self._terms()])

    def _terms(self) -> list[Terms]:
        found = [action.terms for one in self.sets.values() for action in one.actions]
        return [terms for terms in found if terms is not None]

    @property
    def is_empty(self) -> bool:
        """Whether the tariff says nothing of accounts."""
        return not (self.sets or self.plans or self.triggers or self.accounts or self.groups)


def _plain(lists: list[tuple[str, ...]]) -> set[str]:
    """All names, without the `!` of those taken out."""
    return {name.lstrip("!") for names in lists for name in names}
