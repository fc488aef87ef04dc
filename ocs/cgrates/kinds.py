"""The kinds of records the server keeps, and their types.

A record of a kind in `TYPES` is a struct or tuple of the type named; all other kinds hold raw records: plain dicts
in the form of the method that sets them (`SetChargerProfile`, `SetFilter` ...), under `tenant:id`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from ocs.cgrates.charging.record import KeptEvent, NetworkSession
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions_model import Action, ActionTrigger
from ocs.charging.cgrates.plan import Activation, RatingPlan, SharedGroup, Timing
from ocs.charging.cgrates.triggers import Watch
from ocs.charging.profiles import rankings, resources, thresholds, trends
from ocs.exporting.records import Record
from ocs.sessions.model import Cdr, Session, SessionCost


class Kind(StrEnum):
    """What a record is. The comment names its key."""

    ACCOUNT = "account"  # tenant:account
    MEMBERS = "members"  # shared group id: the account ids in it
    DESTINATION = "destination"  # id: its prefixes
    TIMING = "timing"  # id
    RATING_PLAN = "rating_plan"  # id
    RATING_PROFILE = "rating_profile"  # tenant:category:subject
    SHARED_GROUP = "shared_group"  # id
    ACTIONS = "actions"  # id
    ACTION_PLAN = "action_plan"  # id
    ACTION_TRIGGERS = "action_triggers"  # id
    SESSION = "session"  # cgrid
    PASSIVE_SESSION = "passive_session"  # cgrid: kept, and not charged
    CLOSED_SESSION = "closed_session"  # cgrid: ended, and remembered for its record
    CDR = "cdr"  # cgrid:run id
    SESSION_COST = "session_cost"  # cgrid:run id: told by others, until its record comes
    WATCH = "watch"  # tenant:account: its triggers with their state, and its counters
    PROMISE = "promise"  # client|session id of a switch agent: what a ringing call may use
    NETWORK_SESSION = "network_session"  # client|session id of a network element (Gy, RADIUS)
    NETWORK_EVENT = "network_event"  # client|session id|number: answered, and remembered for its repeats
    CHARGER = "charger"
    ATTRIBUTE = "attribute"
    FILTER = "filter"
    RESOURCE = "resource"
    RESOURCE_USAGE = "resource_usage"  # tenant:resource:usage
    IP = "ip"
    IP_ALLOCATION = "ip_allocation"
    ROUTE = "route"
    STAT = "stat"
    STAT_QUEUE = "stat_queue"  # tenant:queue:sequence: raw, see `stat_records`
    THRESHOLD = "threshold"
    THRESHOLD_HITS = "threshold_hits"
    WANTED = "wanted"  # a key of its own: actions of an asynchronous threshold that have not run
    EXPORT = "export"  # exporter:sequence: what waits for it
    READ = "read"  # reader:file: how many rows count
    PARTIAL = "partial"  # reader:tenant:cgrid: records that came in part, see `partial_records`
    TREND = "trend"
    TREND_RUNS = "trend_runs"
    RANKING = "ranking"
    RANKING_RESULT = "ranking_result"
    DISPATCHER = "dispatcher"
    DISPATCHER_HOST = "dispatcher_host"
    TARIFF_ROWS = "tariff_rows"  # tpid:file name:tag: raw rows of the two-step tariff plan methods
    META = "meta"  # names of counters and the like


class PlanEntry(msgspec.Struct, frozen=True):
    """What an action plan runs, with its timing as it was when the plan was set."""

    uid: str
    actions_tag: str
    timing: Timing
    weight: float


class StoredPlan(msgspec.Struct, frozen=True):
    """An action plan: what is run when, and for which accounts (`tenant:account`)."""

    entries: tuple[PlanEntry, ...]
    accounts: tuple[str, ...] = ()
    set_at_ns: int = 0  # what `+10m` and `*monthly` count from


class Wanted(msgspec.Struct, frozen=True):
    """Action sets that an asynchronous threshold wants run on the account of the event that hit it at `at_ns`.

    `depth` is how many thresholds set off each other before this one.
    """

    threshold_id: str
    tenant: str
    account: str
    action_ids: tuple[str, ...]
    at_ns: int
    depth: int = 0


TYPES: Mapping[Kind, Any] = {
    Kind.ACCOUNT: Account,
    Kind.MEMBERS: tuple[str, ...],
    Kind.DESTINATION: tuple[str, ...],
    Kind.TIMING: Timing,
    Kind.RATING_PLAN: RatingPlan,
    Kind.RATING_PROFILE: tuple[Activation, ...],
    Kind.SHARED_GROUP: SharedGroup,
    Kind.ACTIONS: tuple[Action, ...],
    Kind.ACTION_PLAN: StoredPlan,
    Kind.ACTION_TRIGGERS: tuple[ActionTrigger, ...],
    Kind.WATCH: Watch,
    Kind.SESSION: Session,
    Kind.PROMISE: Session,
    Kind.NETWORK_SESSION: NetworkSession,
    Kind.NETWORK_EVENT: KeptEvent,
    Kind.PASSIVE_SESSION: Session,
    Kind.CLOSED_SESSION: Session,
    Kind.CDR: Cdr,
    Kind.SESSION_COST: SessionCost,
    Kind.EXPORT: Record,
    Kind.RESOURCE_USAGE: resources.Change,
    Kind.THRESHOLD_HITS: thresholds.Hits,
    Kind.WANTED: Wanted,
    Kind.TREND_RUNS: trends.Trend,
    Kind.RANKING_RESULT: rankings.Ranking,
}

# Kinds the compiled tariff is made of.
TARIFF_KINDS = frozenset(
    (
        *(Kind.DESTINATION, Kind.TIMING, Kind.RATING_PLAN, Kind.RATING_PROFILE, Kind.SHARED_GROUP),
        *(Kind.ACTIONS, Kind.ACTION_TRIGGERS),
    )
)

# Kinds that are found by event, filters before those that name them.
PROFILE_KINDS = (
    Kind.FILTER,
    Kind.ATTRIBUTE,
    Kind.CHARGER,
    Kind.RESOURCE,
    Kind.ROUTE,
    Kind.STAT,
    Kind.THRESHOLD,
)


class _Stamp(msgspec.Struct, frozen=True):
    """What the record of an account has beside it."""

    updated_ns: int = 0


stamp_of = msgspec.json.Decoder(_Stamp).decode
