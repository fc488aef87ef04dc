"""Settings of the event pipeline. Pure."""

import msgspec


class SessionSettings(msgspec.Struct, frozen=True):
    """Usages count ns, or units of data and messages; an interval or lifetime of 0 is switched off."""

    default_tenant: str = "cgrates.org"
    default_category: str = "call"
    default_request_type: str = "*rated"
    node_id: str = ""
    debit_interval_ns: int = 0
    session_ttl_ns: int = 0
    session_ttl_max_delay_ns: int = 0
    session_ttl_last_used: int | None = None
    session_ttl_usage: int | None = None
    session_ttl_last_usage: int | None = None
    channel_sync_interval_ns: int = 0
    channel_sync_timeout_ns: int = 2_000_000_000
    stale_max_extra_usage: int = 0
    terminate_attempts: int = 5
    client_protocol: float = 2.0
    closed_sessions_ns: int = 3_600_000_000_000  # how long an ended session waits for its record
    recorded_sessions_ns: int = 10_000_000_000  # how long it is remembered when it has one
    closed_sessions: int = 100_000  # how many at most
    alterable_fields: frozenset[str] = frozenset()
    min_dur_low_balance_ns: int = 0
    reply_timeout_ns: int = 2_000_000_000
    store_cdrs: bool = True
    has_cdrs: bool = True
    has_chargers: bool = True
    repeat_window_ns: int = 0  # how long a request that comes again is answered as it was, by its id
    ends_once: bool = False  # an end or message that is told again is answered, and not charged again
