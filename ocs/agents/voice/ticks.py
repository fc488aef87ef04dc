"""How much of a running call is certain by our clock. Pure."""

SECOND_NS = 1_000_000_000
LAG_NS = SECOND_NS  # a call may have ended a moment ago, and its switch counts by a clock of its own


def certain_ns(elapsed_ns: int, said_ns: int) -> int:
    """The time a call has used for sure: whole seconds, a second behind the clock, never less than said before.

    What is debited while a call runs must never be more than what its end reports.
    """
    return max(said_ns, max(elapsed_ns - LAG_NS, 0) // SECOND_NS * SECOND_NS)
