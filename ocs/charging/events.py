"""Border words: what agents say to the charging core and what it answers.

Every protocol becomes a `ChargingEvent`; every outcome is a `ChargingAnswer`. Names follow RFC 8506 and
TS 32.299. Times are ns since the Unix epoch, volumes octets, durations ns, money nanos (10^-9 of the currency).
"""

from enum import IntEnum

import msgspec

from ocs.charging.enums import plain_members

NO_TRIGGER = 0  # in the place of a Trigger-Type: every trigger of the client is disarmed


@plain_members
class EventKind(IntEnum):
    """CC-Request-Type (RFC 8506 8.3), used for every protocol."""

    INITIAL = 1
    UPDATE = 2
    TERMINATION = 3
    EVENT = 4


@plain_members
class Action(IntEnum):
    """Requested-Action of a one-time event (RFC 8506 8.41); those from 100 on are this server's own."""

    DIRECT_DEBITING = 0
    REFUND_ACCOUNT = 1
    CHECK_BALANCE = 2
    PRICE_ENQUIRY = 3
    AUTHORIZE = (
        100  # how much may be used, up to what is asked for; held for `reserve_ns` where that is given
    )


@plain_members
class RequestType(IntEnum):
    """Who pays when. Prepaid is what everything is where nothing else is said."""

    PREPAID = 0  # held, then debited as it is used
    POSTPAID = 1  # granted as asked for, nothing held; debited as it is used, below zero without a floor
    PSEUDOPREPAID = 2  # granted what is affordable, nothing held; debited as it is used
    RATED = 3  # granted as asked for; the cost is told and recorded, no balance changes
    DIRECTDEBIT = 4  # the client's own price is taken from money, below zero without a floor
    NONE = 5  # granted as asked for; neither rated nor debited
    DYNAPREPAID = 6  # prepaid; an account that is not there yet is opened first


@plain_members
class Unit(IntEnum):
    """What a quantity counts."""

    OCTETS = 1
    TIME = 2  # ns
    EVENTS = 3  # CC-Service-Specific-Units: messages, items
    MONEY = 4  # nanos
    GENERIC = 5  # 10^-9 of a point; only balances count in it, and pay for anything by their factors


@plain_members
class Result(IntEnum):
    """Outcome of an event, or of one rating group in it; each protocol maps it by one table."""

    SUCCESS = 1
    DENIED = 2  # barred for this user or service
    FREE_OF_CHARGE = 3  # credit control not applicable
    NO_CREDIT = 4
    NOT_AUTHORIZED = 5  # the service is not in the plan
    UNKNOWN_SESSION = 6
    UNKNOWN_SUBSCRIBER = 7
    RATING_FAILED = 8
    INVALID_VALUE = 9
    CONTRADICTION = 10  # identities of different accounts
    LIMIT_EXCEEDED = 11
    TOO_BUSY = 12
    FAILED = 13


@plain_members
class ReportingReason(IntEnum):
    """Reporting-Reason (TS 32.299 7.2.175)."""

    THRESHOLD = 0
    QUOTA_HOLDING_TIME = 1
    FINAL = 2
    QUOTA_EXHAUSTED = 3
    VALIDITY_TIME = 4
    OTHER_QUOTA_TYPE = 5
    RATING_CONDITION_CHANGE = 6
    FORCED_REAUTHORISATION = 7
    POOL_EXHAUSTED = 8
    UNUSED_QUOTA_TIMER = 9


@plain_members
class TariffChange(IntEnum):
    """Tariff-Change-Usage (RFC 8506 8.27)."""

    BEFORE = 0
    AFTER = 1
    INDETERMINATE = 2


@plain_members
class FinalUnitAction(IntEnum):
    """Final-Unit-Action (RFC 8506 8.35)."""

    TERMINATE = 0
    REDIRECT = 1
    RESTRICT_ACCESS = 2


@plain_members
class IdentityKind(IntEnum):
    """Subscription-Id-Type (RFC 8506 8.47)."""

    E164 = 0
    IMSI = 1
    SIP_URI = 2
    NAI = 3
    PRIVATE = 4


class Identity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One normalised name of the subscriber."""

    kind: IdentityKind
    value: str


class UsedUnits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One amount of one unit, used since the last report, or since the session began where `is_total` says so."""

    unit: Unit
    amount: int
    tariff_change: TariffChange | None = None
    at_ns: int | None = None  # when the usage happened, where the client says so
    is_total: bool = False  # what was charged before is left out: a total said twice costs nothing more


class RequestedUnits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the client asks for; no `unit` means that the server chooses."""

    unit: Unit | None = None
    amount: int | None = None


class UsageReport(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One Multiple-Services-Credit-Control of a request, or the implicit one at command level.

    `requested` is None where no quota is wanted; `used` is empty where nothing was used.
    """

    rating_group: int | None = None
    service_identifiers: tuple[int, ...] = ()
    requested: RequestedUnits | None = None
    used: tuple[UsedUnits, ...] = ()
    reason: ReportingReason | None = None
    called: str | None = None  # this report's own destination, e.g. one recipient of an SMS
    pool: tuple[int, int] | None = None  # (G-S-U-Pool-Identifier, multiplier in millionths)


class ChargingContext(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the price depends on besides the units; kept in the session and overlaid by later requests."""

    called: str = ""
    calling: str = ""
    apn: str = ""
    plmn: str = ""
    rat: str = ""
    category: str = ""
    extra: tuple[tuple[str, str], ...] = ()  # free-form facts for the CDR


class FreeEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the client said, word by word, for a core whose rules go by any field; names are CGRateS'."""

    fields: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    flags: str = (
        ""  # what is asked for: `*attributes;*accounts;*routes:*event_cost`; "" leaves it to the core
    )


class ProfileResults(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What profiles said about an event besides its charge."""

    attributes: tuple[tuple[str, str], ...] = ()  # fields that were altered, with their new values
    resource: str = ""  # what allocated the resource calls itself
    routes: tuple[str, ...] = ()  # in order of preference, `route[:parameters]`
    thresholds: tuple[str, ...] = ()
    stat_queues: tuple[str, ...] = ()


class ChargingEvent(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened in the network, as every agent says it.

    `event_id` names the event inside its session; the same id again is a repeat and gets the stored answer.
    `context` is None where the client sent nothing; empty fields of it keep what the session knows.
    """

    kind: EventKind
    client: str  # who asks: Origin-Host, switch name, API client
    session_id: str
    event_id: int | str
    service: str  # data, voice, sms, mms, generic
    identities: tuple[Identity, ...] = ()
    reports: tuple[UsageReport, ...] = ()
    context: ChargingContext | None = None
    action: Action | None = None
    money_nanos: int | None = None  # CC-Money of a one-time event
    refund_token: bytes | None = None
    occurred_at_ns: int | None = None
    is_retransmission: bool = False
    termination_cause: int | None = None
    origin: str = ""  # connection or node the answer goes back to, for server-initiated requests
    profile: str = ""  # client profile that chooses quotas
    knows_tariff_change: bool = False  # the client can report before and after a Tariff-Time-Change
    denies_per_service: bool = False  # the session opens although every rating group was refused
    replaces_same_bearer: bool = False  # a second session of the same APN and RAT ends the first
    account: str = ""  # key of the account, where the client knows it; tried before the identities
    slices_itself: bool = False  # the amounts it asks for are its own choice: no quota rule cuts them
    free: FreeEvent | None = None
    knows_dual_quota: bool = False  # ... and takes a quota of its own for either side of it
    wants_tariff: bool = False  # the grants are to say what they cost (advice of charge)
    request_type: RequestType | None = None  # None: that of the session, prepaid where it begins
    subject: str = ""  # whose prices a new session has, where they are not those of the account's plan
    is_chargeable: bool = True  # usage reported while this is not so costs nothing: the session pauses
    reserve_ns: int | None = None  # how long an authorization holds what it promises
    meter_ns: int | None = (
        None  # the client tells start and stop alone: the server counts its time in such steps
    )
    highest_price: tuple[int, int] | None = None  # nothing dearer is granted: nanos, for so many units
    is_never_too_late: bool = False  # decided however long it has waited: its client does not say it again


class FinalUnit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the client does when the granted units are used up (RFC 8506 5.6)."""

    action: FinalUnitAction
    redirect_address: str = ""
    filter_rules: tuple[str, ...] = ()
    filter_ids: tuple[str, ...] = ()


class ShownPrice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A price for the eyes of a user: `nanos` for every `per_units`; the next one holds from `until_ns` on."""

    unit: Unit
    nanos: int
    per_units: int
    until_ns: int | None = None
    next_nanos: int | None = None
    next_per_units: int = 1


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to one `UsageReport`, in the same order; `unit` None means that nothing is granted."""

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    result: Result
    unit: Unit | None = None
    amount: int = 0
    validity_ns: int | None = None
    final_unit: FinalUnit | None = None
    threshold: int | None = None  # of `unit`: report when less than this remains
    holding_time_ns: int | None = None
    tariff_change_at_ns: int | None = None
    triggers: tuple[int, ...] = ()
    pool: tuple[int, int] | None = None  # identifier, and millionths of its credit that a unit takes
    cost_nanos: int = 0  # what this report's used units cost
    requested_unit: Unit | None = None  # what the client asked for, where it said so
    consumption_time_ns: int | None = None  # idle time that still counts as use of a time quota
    amount_after: int | None = None  # a second quota, for use after the tariff change
    price: ShownPrice | None = None  # where the event wants it


class ChargingAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the core answers; `failed` names the field of the event at fault."""

    result: Result
    grants: tuple[Grant, ...] = ()
    cost_nanos: int | None = None  # total of the session or of the event
    remaining_nanos: int | None = None  # money left on the account
    is_low_balance: bool = False
    has_credit: bool | None = None  # balance check
    refund_token: bytes | None = None
    validity_ns: int | None = None
    failed: str = ""
    message: str = ""  # why it refuses, in the words of a core that has its own
    has_ended: bool = False  # the session was over before: usage was charged, nothing is granted
    profiles: ProfileResults | None = None
