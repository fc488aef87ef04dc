"""Until when a connection waits for what: monotonic ns, None where it does not."""

from ocs.diameter.events import CloseReason


class Deadlines:
    """The waits of one connection that end it, and the one that ends the wait for owed answers (`flush`)."""

    __slots__ = ("capabilities", "closing", "flush", "frame", "probe")

    def __init__(self) -> None:
        self.capabilities: int | None = None
        self.closing: int | None = None
        self.flush: int | None = None
        self.frame: int | None = None
        self.probe: int | None = None

    def first(self, *others: int | None) -> int | None:
        """The earliest of these and others."""
        known = (self.frame, self.capabilities, self.closing, self.flush, self.probe, *others)
        return min([deadline for deadline in known if deadline is not None], default=None)

    def passed(self, now_ns: int) -> CloseReason | None:
        """Why the connection is over by now, if it is."""
        for deadline, reason in (
            (self.capabilities, CloseReason.CAPABILITIES_TIMEOUT),
            (self.frame, CloseReason.FRAME_TIMEOUT),
            (self.closing, CloseReason.DISCONNECT_TIMEOUT),
            (self.probe, CloseReason.PROBE),
        ):
            if deadline is not None and now_ns >= deadline:
                return reason
        return None
