"""What `charging.quotas` of the settings says, as plain data: sizes and timers of grants, and whom they are for.

Pure. Read by `quota`, which is compiled; records are not.
"""

import msgspec

from ocs.charging.events import FinalUnit, FinalUnitAction, Unit

SECOND_NS = 1_000_000_000
DEFAULT_AMOUNTS = {Unit.OCTETS: 10_000_000, Unit.TIME: 300 * SECOND_NS, Unit.EVENTS: 10}
MAXIMUM_AMOUNTS = {Unit.OCTETS: 1_000_000_000, Unit.TIME: 3600 * SECOND_NS, Unit.EVENTS: 1000}


class QuotaRule(msgspec.Struct, frozen=True):
    """Sizes and timers of one grant; amounts in octets, ns and events.

    A client that names an amount gets it, kept between `minimum` and `maximum`; one that does not, the default.
    """

    default: dict[Unit, int] = msgspec.field(default_factory=lambda: dict(DEFAULT_AMOUNTS))
    minimum: dict[Unit, int] = {}
    maximum: dict[Unit, int] = msgspec.field(default_factory=lambda: dict(MAXIMUM_AMOUNTS))
    threshold: dict[Unit, int] = {}
    validity_ns: int = 3600 * SECOND_NS
    holding_time_ns: int | None = None
    consumption_time_ns: int | None = None
    final_unit: FinalUnit | None = FinalUnit(FinalUnitAction.TERMINATE)
    triggers: tuple[int, ...] = ()
    pool: int | None = None
    last_validity_ns: int | None = None  # of the last units, where it is not `validity_ns`


class QuotaMatch(msgspec.Struct, frozen=True):
    """Which grants a rule is for; None or empty means any."""

    rule: QuotaRule
    service: str = ""
    rating_groups: tuple[tuple[int, int], ...] = ()  # inclusive ranges
    apn: str = ""
    profile: str = ""


class Supervision(msgspec.Struct, frozen=True):
    """How long a silent session keeps its holds (Tcc, RFC 8506 13)."""

    validity_factor: int = 2
    grace_ns: int = 30 * SECOND_NS
    maximum_ns: int = 86_400 * SECOND_NS
    aborts: bool = False  # the client is told to end what was closed here
    warns_before_ns: int = (
        0  # of a session whose time the server counts: when its client is warned of the end
    )
