"""Overload control (RFC 7683): what this node tells clients that know it, in every answer. Pure.

The default algorithm, loss, is the only one. A report begins when requests are turned away and is said again while
that goes on; a client forgets it when its time is over.
"""

from typing import Final

from ocs.diameter import avps
from ocs.diameter.avp import encode_u32, encode_u64, group

_LOSS: Final = 1  # OC-Feature-Vector: OLR_DEFAULT_ALGO
_HOST_REPORT: Final = 0
VALIDITY_NS: Final = 30_000_000_000
_SECOND_NS: Final = 1_000_000_000


class Overload:
    """Whether this node has had to turn requests away lately; times are monotonic ns but for the sequence."""

    __slots__ = ("_features", "_last_ns", "_reduction", "_report", "_sequence")

    def __init__(self, reduction: int, start_s: int) -> None:
        """`reduction` is the percentage clients are to leave out; with 0 nothing is ever reported."""
        self._features = group(
            avps.OC_SUPPORTED_FEATURES, (encode_u64(avps.OC_FEATURE_VECTOR, _LOSS, False),), False
        )
        self._reduction = reduction
        self._sequence = start_s << 16  # higher than any of the run before (RFC 7683 7.4)
        self._last_ns: int | None = None
        self._report = b""

    def shed(self, now_ns: int) -> None:
        """A request was turned away: begin a report, or make the present one last."""
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns is not None and now_ns - last_ns < _SECOND_NS and self._report:
            return
        self._sequence += 1
        members = (
            encode_u64(avps.OC_SEQUENCE_NUMBER, self._sequence, False),
            encode_u32(avps.OC_REPORT_TYPE, _HOST_REPORT, False),
            encode_u32(avps.OC_REDUCTION_PERCENTAGE, self._reduction, False),
            encode_u32(avps.OC_VALIDITY_DURATION, VALIDITY_NS // _SECOND_NS, False),
        )
        self._report = group(avps.OC_OLR, members, False) if self._reduction else b""

    def said(self, now_ns: int) -> bytes:
        """The AVPs for an answer to a client that announced the feature."""
        if self._last_ns is None or now_ns - self._last_ns >= VALIDITY_NS:
            return self._features
        return self._features + self._report
