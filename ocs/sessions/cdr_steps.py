"""What is done to a record on its way: the flags of `CDRsV1.ProcessEvent`. Pure."""

from collections.abc import Iterable

import msgspec

from ocs.sessions.errors import ServiceError


class CdrSteps(msgspec.Struct, frozen=True):
    """The steps in their order. `refunds` gives back what a record's details say was taken."""

    attributes: bool = False
    chargers: bool = False
    refunds: bool = False
    rates: bool = False
    reprocesses: bool = False  # a record that is there already is replaced, not refused
    stores: bool = True
    exports: bool = False
    thresholds: bool = False
    stats: bool = False

    def with_flags(self, flags: Iterable[str]) -> "CdrSteps":
        """These steps as flags such as `*rals` and `*chargers:false` change them. Raises ServiceError."""
        steps = self
        for flag in flags:
            name, _, value = flag.partition(":")
            fields = FLAGS.get(name)
            if fields is not None:
                chosen = value.strip().lower() not in ("false", "0", "f")
                steps = msgspec.structs.replace(steps, **dict.fromkeys(fields, chosen))
            elif name.startswith("*") and name not in IGNORED:
                raise ServiceError(f"SERVER_ERROR: unsupported flag: {name[:40]}")
        return steps


FLAGS = {
    "*attributes": ("attributes",),
    "*chargers": ("chargers",),
    "*refund": ("refunds",),
    "*rals": ("rates",),
    "*rerate": ("rates", "refunds", "reprocesses"),
    "*reprocess": ("reprocesses",),
    "*store": ("stores",),
    "*export": ("exports",),
    "*thresholds": ("thresholds",),
    "*stats": ("stats",),
}
IGNORED = frozenset(("*derived_reply", "*blocker_error", "*cdrs"))
