"""Amounts told as a formula: the part of an interval's units that falls on one increment of it."""

import json
from datetime import UTC, datetime

from ocs.charging.cgrates.grid import NANOS

_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}


def incremental_nanos(formula: str, now_ns: int) -> int | None:
    """`{"Method":"*incremental","Params":{"Units":10,"Interval":"month","Increment":"day"}}` as nanos.

    Units divided by the increments in the present interval; None where the formula is not understood.
    """
    try:
        told = json.loads(formula)
        params = told["Params"]
        units = float(params["Units"])
        interval = _minutes(str(params["Interval"]), now_ns)
        increment = _minutes(str(params["Increment"]), now_ns)
    except (ValueError, KeyError, TypeError):
        return None
    if told.get("Method") != "*incremental" or interval is None or increment is None or increment > interval:
        return None
    return round(units * increment / interval * NANOS)


def _minutes(word: str, now_ns: int) -> int | None:
    if word in _MINUTES:
        return _MINUTES[word]
    now = datetime.fromtimestamp(now_ns // NANOS, UTC)
    match word:
        case "month":
            first = datetime(now.year, now.month, 1, tzinfo=UTC)
            following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
        case "year":
            first, following = datetime(now.year, 1, 1, tzinfo=UTC), datetime(now.year + 1, 1, 1, tzinfo=UTC)
        case _:
            return None
    return (following - first).days * _MINUTES["day"]
