"""Quota policy: how much of what is granted at a time, for how long, and what happens at the end.

Compiled from the configuration's `charging.quotas`; looked up by service, rating group and APN.
"""

from collections.abc import Mapping

import msgspec

from ocs.charging.events import Unit
from ocs.charging.quota_rule import SECOND_NS, QuotaMatch, QuotaRule, Supervision

__all__ = [
    "SECOND_NS",
    "ChargingPolicy",
    "QuotaMatch",
    "QuotaRule",
    "Supervision",
    "threshold_for",
    "wanted_amount",
]


class ChargingPolicy:
    """Everything the configuration decides about grants, sessions and overdrafts."""

    __slots__ = (
        "_matches",
        "_memo",
        "_validity_caps",
        "closed_grace_ns",
        "closed_retention_ns",
        "dynaprepaid_plan",
        "event_retention_ns",
        "floor_nanos",
        "has_pools",
        "refuses_unplanned",
        "sessions_per_account",
        "supervision",
    )

    MEMO_LIMIT = 10_000

    def __init__(
        self,
        matches: tuple[QuotaMatch, ...] = (),
        supervision: Supervision | None = None,
        closed_grace_ns: int = 60 * SECOND_NS,
        closed_retention_ns: int = 300 * SECOND_NS,
        event_retention_ns: int = 86_400 * SECOND_NS,
        floor_nanos: int | None = None,
        validity_caps_ns: Mapping[str, int] | None = None,
        sessions_per_account: int = 1_000,
        refuses_unplanned: bool = False,
        dynaprepaid_plan: str | None = None,
    ) -> None:
        """`validity_caps_ns`: by client profile, the longest validity its clients are given.

        `refuses_unplanned`: a service that a plan has no rule for is not authorised, instead of not rated.
        """
        self.refuses_unplanned = refuses_unplanned
        self._validity_caps = dict(validity_caps_ns or {})
        self._matches = (*matches, QuotaMatch(QuotaRule()))
        self._memo: dict[tuple[str, int | None, str, str], QuotaRule] = {}
        self.supervision = supervision or Supervision()
        self.closed_grace_ns = closed_grace_ns
        self.closed_retention_ns = closed_retention_ns
        self.event_retention_ns = event_retention_ns
        self.floor_nanos = floor_nanos
        self.has_pools = any(match.rule.pool is not None for match in matches)
        self.sessions_per_account = sessions_per_account
        self.dynaprepaid_plan = dynaprepaid_plan

    def rule(self, service: str, rating_group: int | None, apn: str, profile: str) -> QuotaRule:
        """The first rule that matches; the built-in default is the last."""
        key = (service, rating_group, apn, profile)
        rule = self._memo.get(key)
        if rule is None:
            if len(self._memo) >= self.MEMO_LIMIT:
                self._memo.clear()
            rule = self._memo[key] = self._find(service, rating_group, apn, profile)
        return rule

    def _find(self, service: str, rating_group: int | None, apn: str, profile: str) -> QuotaRule:
        found = next(
            match.rule
            for match in self._matches
            if (not match.service or match.service == service)
            and (not match.rating_groups or _within(rating_group, match.rating_groups))
            and (not match.apn or match.apn == apn)
            and (not match.profile or match.profile == profile)
        )
        cap_ns = self._validity_caps.get(profile, found.validity_ns)
        if cap_ns >= found.validity_ns:
            return found
        return msgspec.structs.replace(found, validity_ns=cap_ns, last_validity_ns=found.validity_ns)

    def deadline_ns(self, now_ns: int, validity_ns: int, holding_time_ns: int | None) -> int:
        """When a session that stays silent is closed."""
        patience_ns = max(
            validity_ns * self.supervision.validity_factor,
            (holding_time_ns or 0) + self.supervision.grace_ns,
        )
        return now_ns + min(patience_ns, self.supervision.maximum_ns)


def wanted_amount(rule: QuotaRule, unit: Unit, requested: int | None) -> int:
    """Units to grant where the balance affords them; asking for none leaves the amount to the server."""
    if not requested:
        return rule.default.get(unit, 1)
    return max(rule.minimum.get(unit, 0), min(requested, rule.maximum.get(unit, requested)))


def threshold_for(rule: QuotaRule, unit: Unit, granted: int) -> int | None:
    """The report threshold, or None where it is not smaller than the grant."""
    threshold = rule.threshold.get(unit)
    return threshold if threshold is not None and threshold < granted else None


def _within(rating_group: int | None, ranges: tuple[tuple[int, int], ...]) -> bool:
    return rating_group is not None and any(first <= rating_group <= last for first, last in ranges)
