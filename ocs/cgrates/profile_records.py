"""Raw profile records, as the API shows them, into the book that finds profiles by event. Pure.

Kinds the book does not know (trends, rankings, pools of addresses) are records alone, and only looked at.
"""

from collections.abc import Mapping
from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.query_records import ranking_profile, trend_profile
from ocs.charging.profiles.api import decode
from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.filters import Filter
from ocs.charging.profiles.model import (
    AttributeProfile,
    ChargerProfile,
    ProfileBase,
    ResourceProfile,
    RouteProfile,
    StatProfile,
    ThresholdProfile,
)

Record = Mapping[str, Any]
PROFILES: Mapping[Kind, type[ProfileBase]] = {
    Kind.ATTRIBUTE: AttributeProfile,
    Kind.CHARGER: ChargerProfile,
    Kind.RESOURCE: ResourceProfile,
    Kind.ROUTE: RouteProfile,
    Kind.STAT: StatProfile,
    Kind.THRESHOLD: ThresholdProfile,
}


def put_record(book: ProfileBook, kind: Kind, record: Record) -> None:
    """Adds or replaces a filter or profile. Raises ValueError that says what is wrong with it."""
    if kind is Kind.FILTER:
        book.put_filter(decode(Filter, _said(record), rules=()))
    elif kind in PROFILES:
        book.put(decode(PROFILES[kind], _said(record)))
    elif kind is Kind.TREND:
        trend_profile(record)
    elif kind is Kind.RANKING:
        ranking_profile(record)


def remove_record(book: ProfileBook, kind: Kind, key: str) -> None:
    """Removes a filter or profile. Raises ValueError for a filter that a profile has."""
    tenant, _, name = key.partition(":")
    match kind:
        case Kind.FILTER:
            book.remove_filter(tenant, name)
        case Kind.ATTRIBUTE:
            book.attributes.remove(tenant, name)
        case Kind.CHARGER:
            book.chargers.remove(tenant, name)
        case Kind.RESOURCE:
            book.resources.remove(tenant, name)
        case Kind.ROUTE:
            book.routes.remove(tenant, name)
        case Kind.STAT:
            book.stats.remove(tenant, name)
        case Kind.THRESHOLD:
            book.thresholds.remove(tenant, name)
        case _:
            return


def _said(record: Record) -> dict[str, Any]:
    """The members of a record that say something: what is empty is as if it were not there."""
    return {
        name: [_said(each) if isinstance(each, Mapping) else each for each in value]
        if isinstance(value, list)
        else value
        for name, value in record.items()
        if value
    }
