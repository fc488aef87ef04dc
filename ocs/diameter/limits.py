"""What a peer may make this node hold, walk through or wait for; every limit has a name."""

import msgspec

SECOND_NS = 1_000_000_000


class Limits(msgspec.Struct, frozen=True):
    """Bounds on one message. `message_octets` counts the header; `depth` counts groups inside groups."""

    message_octets: int = 65_536
    skipped_octets: int = 1 << 20  # longer messages up to this are answered 5015 and read past
    avps: int = 4_096  # per message, members of the groups looked into included
    depth: int = 16  # the deepest legal Ro path is about 7
    session_id_octets: int = 1_024
    own_requests: int = 2_000  # requests of this node without an answer yet, per connection


class Timers(msgspec.Struct, frozen=True):
    """How long a connection waits, in ns."""

    watchdog_ns: int = 30 * SECOND_NS  # Twinit of RFC 3539 3.4.1, without jitter
    capabilities_ns: int = 10 * SECOND_NS  # until CER and its verdict, or CEA
    frame_ns: int = 10 * SECOND_NS  # from the first octet of a message to its last
    answer_ns: int = 5 * SECOND_NS  # for answers to requests of this node
    probe_ns: int = 5 * SECOND_NS // 2
    flush_ns: int = SECOND_NS  # a DPA waits so long for answers still owed to the peer
    leave_ns: int = 2 * SECOND_NS  # the peer closes after our DPA, or this node does
    disconnect_ns: int = 2 * SECOND_NS  # the peer answers our DPR


DEFAULT_LIMITS = Limits()
DEFAULT_TIMERS = Timers()
