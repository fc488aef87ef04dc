"""The account: balances, open sessions, what is held back for them, and the answers already given.

An account is one small immutable record; a turn loads it, `engine` decides on it, a store compares and replaces
it. A *balance* is credit on the account, a *hold* is the part of it set aside for a session, a *quota* is what
one rating group of a session was told it may use.
"""

from enum import IntEnum

import msgspec

from ocs.charging.enums import plain_members
from ocs.charging.events import ChargingContext, EventKind, Identity, RequestType, Unit

RUN_MARK = "#run="  # between a session's id and the name of a run that is not its first


@plain_members
class Standing(IntEnum):
    """Whether the account may be charged for new service."""

    ACTIVE = 1
    BARRED = 2


class Factor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How much of a balance one unit of a service uses up: `numerator / denominator`; 1 where nothing is said."""

    service: str
    numerator: int
    denominator: int = 1


class Terms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What few balances have; one that has none of it carries no terms at all, and costs a turn nothing.

    `destinations` and `timings` are names of the tariff, `!name` takes out. `subject` is the plan the balance is
    rated by, or `*zero60s`: units for nothing in started increments of that length. After a blocker nothing pays.
    """

    destinations: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subject: str = ""
    timings: tuple[str, ...] = ()
    shared_groups: tuple[str, ...] = ()
    factors: tuple[Factor, ...] = ()
    is_blocker: bool = False
    is_disabled: bool = False


class Balance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Credit of one unit; available is `posted - reserved`.

    Higher `priority` is used first, then the earlier expiry, then the older balance; where balances have terms,
    a longer prefix of the called number comes before priority. Empty `services` and `rating_groups` mean any.
    """

    id: str
    unit: Unit
    posted: int
    reserved: int = 0
    priority: int = 0
    expires_at_ns: int | None = None
    services: tuple[str, ...] = ()
    rating_groups: tuple[int, ...] = ()
    terms: Terms | None = None


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of one balance, set aside for one quota; `account` is empty where it is the session's own."""

    balance_id: str
    amount: int
    account: str = ""


class Drawn(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How much of a quota one balance (its `*zero` increments) or one subject (its rate) has covered so far."""

    name: str
    units: int
    has_fee: bool = False  # the connect fee was due here, and is due nowhere else


class Paid(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one balance paid; `account` is empty where it is the session's own, `balance_id` where none did."""

    account: str
    balance_id: str
    unit: Unit
    amount: int


class Stretch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Usage that a client told as a total, with the state of its quota before it and what paid, in order.

    It began at `began_ns` and was charged at `charged_at_ns`. A smaller total at the end gives back from the last.
    """

    began_ns: int
    charged_at_ns: int
    used: int
    rated: int
    cost_nanos: int
    rated_at_ns: int | None
    drawn: tuple[Drawn, ...]
    rules: tuple[str, ...]
    paid: tuple[Paid, ...]


class Quota(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One rating group of a session: what was granted and is still out, and what has been used.

    `rated` counts the used units that money paid for: the position inside the rate, so that tiers and
    increments go on over reports. `rated_at_ns` is where charged time has got to.
    """

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    unit: Unit
    granted: int = 0
    holds: tuple[Hold, ...] = ()
    used: int = 0
    rated: int = 0
    cost_nanos: int = 0
    rated_at_ns: int | None = None
    granted_at_ns: int = 0
    is_final: bool = False
    pool: tuple[int, int] | None = None
    drawn: tuple[Drawn, ...] = ()
    stretches: tuple[Stretch, ...] = ()  # of a client that tells totals


class StoredAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to one event of a session, kept for its repeats; `answer` is an encoded `ChargingAnswer`.

    `used` adds up what the event reported, of whatever unit: a repeat that says something else is told by it.
    """

    kind: EventKind
    event_id: int | str
    answer: bytes
    used: int = -1  # not known


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One more payer of a session: a session of its own on another account, named after the first one."""

    name: str
    account: str


class Session(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One credit-control session; `seen` are the inclusive ranges of numbered updates already charged."""

    key: str
    client: str
    session_id: str
    service: str
    plan: str
    opened_at_ns: int
    touched_at_ns: int
    deadline_ns: int
    opened_by: int | str
    origin: str = ""
    context: ChargingContext = ChargingContext()
    quotas: tuple[Quota, ...] = ()
    answers: tuple[StoredAnswer, ...] = ()
    seen: tuple[tuple[int, int], ...] = ()
    cost_nanos: int = 0
    closed_at_ns: int | None = None
    request_type: RequestType = RequestType.PREPAID
    is_promise: bool = False  # opened by an authorization: what it holds is let go without a record
    meter_ns: int = 0  # the server counts its time, in such steps
    runs: tuple[Run, ...] = ()  # who pays for it besides


@plain_members
class Strategy(IntEnum):
    """In which order the balances of a shared group are used."""

    MINE_RANDOM = 0
    LOWEST = 1
    HIGHEST = 2
    RANDOM = 3
    MINE_LOWEST = 4
    MINE_HIGHEST = 5


class SharedGroup(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Accounts whose balances of the group pay for each other; every member keeps the same list."""

    name: str
    strategy: Strategy = Strategy.MINE_RANDOM
    members: tuple[str, ...] = ()
    subject: str = ""


class Loan(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of a balance of this account that is held for a session of another member of its group."""

    account: str
    session_key: str
    balance_id: str
    amount: int


class PlanState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An action plan of the account: what was due up to `done_until_ns` has been run."""

    plan: str
    set_at_ns: int
    done_until_ns: int


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What has become of one trigger; `counted` is what it has seen used."""

    trigger: str
    executed: bool = False
    last_ns: int | None = None
    counted: int = 0


class Watched(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A group of triggers that watch the account."""

    group: str
    marks: tuple[Mark, ...] = ()


class Extras(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What few accounts have; a plain account carries None instead."""

    category: str = ""
    groups: tuple[SharedGroup, ...] = ()
    loans: tuple[Loan, ...] = ()
    plans: tuple[PlanState, ...] = ()
    watched: tuple[Watched, ...] = ()


class Account(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything one request needs to know of a subscriber.

    `credit_limit_nanos` is how far money may go below zero: 0 for prepaid, None for no limit.
    """

    key: str
    plan: str
    balances: tuple[Balance, ...] = ()
    sessions: tuple[Session, ...] = ()
    closed: tuple[Session, ...] = ()
    identities: tuple[Identity, ...] = ()
    standing: Standing = Standing.ACTIVE
    credit_limit_nanos: int | None = 0
    low_balance_nanos: int = 0
    version: int = 0
    extras: Extras | None = None


def run_session_id(session_id: str, name: str) -> str:
    """The id of the session of a run that is not the first."""
    return f"{session_id}{RUN_MARK}{name}"


def first_run_of(session_id: str) -> str:
    """The session that the client knows, of any of its runs."""
    return session_id.partition(RUN_MARK)[0]


def session_key(client: str, session_id: str) -> str:
    """Name of a session everywhere: two clients using one Session-Id have two sessions."""
    return f"{client}|{session_id}"


def available(balance: Balance) -> int:
    """What is neither spent nor held."""
    return balance.posted - balance.reserved


def money_available_nanos(account: Account, now_ns: int) -> int:
    """Money of all balances that have not expired, less what is held."""
    return sum(
        balance.posted - balance.reserved
        for balance in account.balances
        if balance.unit is Unit.MONEY and (balance.expires_at_ns is None or balance.expires_at_ns > now_ns)
    )
