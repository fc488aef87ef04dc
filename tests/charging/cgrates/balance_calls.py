"""The `Balance` object of the recorded balance calls as a filter."""

from typing import Any

from ocs.charging.cgrates import values
from ocs.charging.cgrates.actions_model import BalanceFilter
from ocs.charging.cgrates.compile import inclusions


def balance_filter(given: dict[str, Any]) -> BalanceFilter:
    """A filter with the attributes that are given."""
    factors = given.get("Factors")
    return BalanceFilter(
        balance_id=given.get("ID"),
        categories=values.words(given["Categories"]) if "Categories" in given else None,
        destinations=inclusions(given["DestinationIDs"]) if "DestinationIDs" in given else None,
        rating_subject=given.get("RatingSubject"),
        shared_groups=values.words(given["SharedGroups"]) if "SharedGroups" in given else None,
        expiry=given.get("ExpiryTime"),
        weight=given.get("Weight"),
        is_blocker=given.get("Blocker"),
        is_disabled=given.get("Disabled"),
        factors=tuple((name, float(value)) for name, value in factors.items()) if factors else None,
    )


def nanos_of(value: float) -> int:
    """Nanos of a JSON number."""
    return value * 10**9 if isinstance(value, int) else round(value * 10**9)
