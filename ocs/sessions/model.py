"""Sessions, their runs, and call detail records. Pure.

`money` and `cost_details` belong to the charging core: the pipeline keeps them and hands them back.
"""

from typing import Any

import msgspec

from ocs.sessions.values import NO_MOMENT, Event, Moment

# Members of an event that have a place of their own in a CDR; all others are extra fields.
MAIN_FIELDS = frozenset(
    (
        *("CGRID", "Source", "OriginHost", "OriginID", "ToR", "RequestType", "Tenant", "Category", "Account"),
        *(
            "Subject",
            "Destination",
            "SetupTime",
            "AnswerTime",
            "Usage",
            "CostSource",
            "Cost",
            "RunID",
            "OrderID",
        ),
        *("PreRated", "Partial", "ExtraInfo", "CostDetails"),
    )
)
NOT_EXTRA = MAIN_FIELDS | {"LastUsed", "TotalUsage", "EventName"}


class CgrEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as a method gets it: whose, its members, and options of the call."""

    tenant: str
    event: Event
    options: Event = {}
    event_id: str = ""
    time: str | None = None


class Run(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One charged view of a session: its event after the charger's changes, and what the core keeps for it."""

    run_id: str
    event: Event
    request_type: str
    money: Any
    next_debit_ns: int = 0


class Told(msgspec.Struct, frozen=True, gc=False):
    """The last request of a session by its digest, and what it was answered."""

    digest: str
    usage: int
    refusal: str
    at_ns: int


class Session(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An active session. `client` is the number of the connection that opened it, 0 for none that can be asked."""

    cgrid: str
    tenant: str
    event: Event
    options: Event
    runs: tuple[Run, ...]
    debit_interval_ns: int = 0
    client: int = 0
    peer: str = ""
    is_chargeable: bool = True
    updated_ns: int = 0
    told: Told | None = None


class Cdr(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One record; cost is in nanos, -1 of the currency where it is not known."""

    cgrid: str
    run_id: str
    order_id: int = 0
    origin_host: str = ""
    source: str = ""
    origin_id: str = ""
    tor: str = ""
    request_type: str = ""
    tenant: str = ""
    category: str = ""
    account: str = ""
    subject: str = ""
    destination: str = ""
    setup: Moment = NO_MOMENT
    answer: Moment = NO_MOMENT
    usage: int = 0
    extra_fields: dict[str, str] = {}
    extra_info: str = ""
    is_partial: bool = False
    is_pre_rated: bool = False
    cost_source: str = ""
    cost_nanos: int = -1_000_000_000
    cost_details: Any = None
    created_ns: int = 0
    updated_ns: int = 0


class SessionCost(msgspec.Struct, frozen=True):
    """What a run of a session was charged by somebody else, until its record comes."""

    cgrid: str
    run_id: str
    origin_host: str = ""
    origin_id: str = ""
    source: str = ""
    usage: int = 0
    details: Any = None
