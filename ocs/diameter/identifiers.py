"""Hop-by-Hop and End-to-End identifiers of the requests this node sends (RFC 6733 3)."""

from typing import Final

_32_BITS: Final = 0xFFFFFFFF
_COUNTER_BITS: Final = 20
_COUNTER_MASK: Final = (1 << _COUNTER_BITS) - 1
_BOOT_MASK: Final = 0xFFF


class Identifiers:
    """Two counters from given starting points, to be shared by all connections of a node.

    The high 12 bits of End-to-End are the low 12 bits of the start time in seconds, so that a restart within
    an hour repeats nothing.
    """

    def __init__(self, start_s: int, seed: int) -> None:
        self._hop_by_hop = seed & _32_BITS
        self._boot = (start_s & _BOOT_MASK) << _COUNTER_BITS
        self._end_to_end = seed >> 32 & _COUNTER_MASK

    def next_hop_by_hop(self) -> int:
        """A Hop-by-Hop Identifier no other outstanding request has."""
        self._hop_by_hop = self._hop_by_hop + 1 & _32_BITS
        return self._hop_by_hop

    def next_end_to_end(self) -> int:
        """An End-to-End Identifier; a request sent again keeps the one it has."""
        self._end_to_end = self._end_to_end + 1 & _COUNTER_MASK
        return self._boot | self._end_to_end
