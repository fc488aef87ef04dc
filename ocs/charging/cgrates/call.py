"""The question put to rating and accounting: one period of one service, and how outcomes are named."""

from enum import StrEnum

import msgspec

VOICE = "*voice"
DATA = "*data"
SMS = "*sms"
MONETARY = "*monetary"
GENERIC = "*generic"

PREPAID = "*prepaid"
DYNAPREPAID = "*dynaprepaid"
PSEUDOPREPAID = "*pseudoprepaid"
POSTPAID = "*postpaid"
RATED = "*rated"
DIRECT_DEBIT = "*directdebit"
NONE = "*none"


class Refusal(StrEnum):
    """Outcomes without a cost, in the incumbent's words."""

    RATING_PLAN_NOT_FOUND = "RATING_PLAN_NOT_FOUND"
    UNAUTHORIZED_DESTINATION = "UNAUTHORIZED_DESTINATION"
    MAX_USAGE_EXCEEDED = "MAX_USAGE_EXCEEDED"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    INSUFFICIENT_CREDIT = "INSUFFICIENT_CREDIT"
    BALANCE_BLOCKER = "INSUFFICIENT_CREDIT_BALANCE_BLOCKER"
    COST_MISSING = "MANDATORY_IE_MISSING: [Cost]"
    NO_INTERVAL = "timespan with no rate interval assigned"


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A period to rate. Voice lasts ns; other kinds write their units as if they were ns."""

    tenant: str
    category: str
    destination: str
    kind: str = VOICE  # *voice, *data, *sms, *mms, *generic, *monetary
    subject: str = ""
    account: str = ""
    start_ns: int
    end_ns: int
    offset_ns: int = 0  # UTC offset of the event's timestamp: its clock decides hours and weekdays
    index_ns: int = 0  # what the session has used at `end_ns`
    loop: int = 0  # debits of the session so far; the connect fee belongs to number 0
    max_cost_so_far_nanos: int = 0
    max_rate: float = 0.0
    max_rate_unit_ns: int = 0
    factor_id: str = ""
    performs_rounding: bool = False
    denies_negative: bool = False
    forces_duration: bool = False
    direct_nanos: int | None = None  # cost given from outside: money balances take it instead of the price

    @property
    def duration_ns(self) -> int:
        """Length of the period."""
        return self.end_ns - self.start_ns
