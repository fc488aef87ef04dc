"""Rankings: queues of statistics in the order of their metrics. Pure."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from ocs.charging.profiles.values import Number

ASCENDING, DESCENDING = "*asc", "*desc"
SORTINGS = (ASCENDING, DESCENDING)

Metrics = Mapping[str, Mapping[str, Number | None]]  # by queue, None for a metric without a value


class RankingProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Which queues are compared, and by which metrics; `*tcc:false` turns the order of that metric around."""

    tenant: str
    id: str
    stat_ids: tuple[str, ...] = ()
    metric_ids: tuple[str, ...] = ()
    schedule: str = ""
    sorting: str = DESCENDING
    sorting_parameters: tuple[str, ...] = ()
    is_stored: bool = False
    threshold_ids: tuple[str, ...] = ()


class Ranking(msgspec.Struct, frozen=True):
    """The last comparison."""

    tenant: str
    id: str
    at_ns: int | None = None
    metrics: dict[str, dict[str, Decimal | None]] = {}
    sorting: str = ""
    sorting_parameters: tuple[str, ...] = ()
    sorted_stat_ids: tuple[str, ...] = ()


def ranked(profile: RankingProfile, metrics: Metrics, now_ns: int) -> Ranking:
    """The queues of a profile in their order. Raises ValueError for a sorting that is none.

    A queue that lacks a metric comes behind those that have it; what is equal in all stays as the profile names it.
    """
    if profile.sorting not in SORTINGS:
        raise ValueError(f"NOT_IMPLEMENTED:{profile.sorting}")
    wanted = {name: _chosen(values, profile.metric_ids) for name, values in metrics.items()}
    names = [name for name in dict.fromkeys(profile.stat_ids) if wanted.get(name)]
    for parameter in reversed(profile.sorting_parameters):
        metric, _, word = parameter.partition(":")
        falls = (profile.sorting == DESCENDING) != (word == "false")
        names.sort(key=lambda name: _rank(wanted[name].get(metric), falls))
    return Ranking(
        profile.tenant,
        profile.id,
        now_ns,
        {name: wanted[name] for name in names},
        profile.sorting,
        profile.sorting_parameters,
        tuple(names),
    )


def _chosen(values: Mapping[str, Number | None], metric_ids: tuple[str, ...]) -> dict[str, Decimal | None]:
    return {
        name: None if value is None else Decimal(value)
        for name, value in values.items()
        if not metric_ids or name in metric_ids
    }


def _rank(value: Decimal | None, falls: bool) -> tuple[bool, Decimal]:
    return (value is None, Decimal(0) if value is None else -value if falls else value)
