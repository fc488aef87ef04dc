"""The `Balance` object of the balance calls as a filter, and amounts of balances. Pure."""

from ocs.cgrates.objects.errors import Wrong
from ocs.cgrates.objects.given import Given
from ocs.charging.cgrates.actions_model import BalanceFilter
from ocs.charging.cgrates.compile import inclusions

BALANCE_KINDS = ("*monetary", "*voice", "*data", "*sms", "*mms", "*generic")


def balance_filter(given: Given, kind: str = "") -> BalanceFilter:
    """A filter of the attributes that are given."""
    return BalanceFilter(
        balance_id=given.text("ID") or None,
        uid=given.text("UUID") or given.text("Uuid") or None,
        kind=kind or given.text("Type") or None,
        categories=_words(given, "Categories"),
        destinations=_named(given, "DestinationIDs"),
        rating_subject=given.text("RatingSubject") if "RatingSubject" in given else None,
        shared_groups=_words(given, "SharedGroups"),
        expiry=_expiry(given),
        timings=_words(given, "TimingIDs"),
        units_nanos=given.nanos("Value") if "Value" in given else None,
        weight=given.real("Weight") if given.raw("Weight") not in (None, "") else None,
        is_blocker=given.optional_flag("Blocker"),
        is_disabled=given.optional_flag("Disabled"),
        factors=_factors(given),
    )


def _words(given: Given, name: str) -> tuple[str, ...] | None:
    return given.texts(name) if name in given else None


def _named(given: Given, name: str) -> tuple[tuple[str, bool], ...] | None:
    return inclusions(";".join(given.texts(name))) if name in given else None


def _expiry(given: Given) -> str | None:
    for name in ("ExpiryTime", "ExpirationDate"):
        if name in given:
            return given.text(name)
    return None


def _factors(given: Given) -> tuple[tuple[str, float], ...] | None:
    found = given.mapping("Factors") or given.mapping("Factor")
    if not found:
        return None
    try:
        return tuple((str(name), float(value)) for name, value in found.items())
    except (TypeError, ValueError):
        raise Wrong("value", "Factors", "map[string]float64") from None
