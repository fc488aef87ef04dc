"""What an Accounting-Request says. Apart from the code that reads it, for that is compiled."""

import msgspec


class Counters(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an access server has counted; None where it did not say."""

    seconds: int | None = None
    received: int | None = None  # Acct-Input-Octets: from the user
    sent: int | None = None
    has_gigawords: bool = False


class Report(msgspec.Struct, frozen=True, gc=False):
    """One Accounting-Request; `is_timed` where it says itself when it happened."""

    status: int
    nas: str
    session_id: str
    user: str
    happened_s: int
    is_timed: bool
    counters: Counters
    terminate_cause: int | None = None
