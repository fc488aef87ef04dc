"""Which call detail records a filter finds, and in what order. Pure.

Lists that are empty do not filter. Times, usages and order ids are from the first until before the second.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from ocs.cgrates.objects.given import Given
from ocs.sessions.model import Cdr

EXISTS = "*exists"
# Members of a filter, without the plural, and what they look at.
TEXTS: Mapping[str, Callable[[Cdr], str]] = {
    "CGRID": lambda cdr: cdr.cgrid,
    "RunID": lambda cdr: cdr.run_id,
    "OriginID": lambda cdr: cdr.origin_id,
    "OriginHost": lambda cdr: cdr.origin_host,
    "Source": lambda cdr: cdr.source,
    "ToR": lambda cdr: cdr.tor,
    "RequestType": lambda cdr: cdr.request_type,
    "Tenant": lambda cdr: cdr.tenant,
    "Category": lambda cdr: cdr.category,
    "Account": lambda cdr: cdr.account,
    "Subject": lambda cdr: cdr.subject,
}
PLURALS = {"Category": "Categories"}
OLD_NAMES: Mapping[str, str] = {  # of `APIerSv1.GetCDRs`
    "CgrIds": "CGRID",
    "MediationRunIds": "RunID",
    "TORs": "ToR",
    "CdrHosts": "OriginHost",
    "CdrSources": "Source",
    "ReqTypes": "RequestType",
    "RatedAccounts": "Account",
    "RatedSubjects": "Subject",
}
ORDERS: Mapping[str, Callable[[Cdr], int]] = {
    "orderid": lambda cdr: cdr.order_id,
    "answertime": lambda cdr: cdr.answer[0],
    "setuptime": lambda cdr: cdr.setup[0],
    "usage": lambda cdr: cdr.usage,
    "cost": lambda cdr: cdr.cost_nanos,
}


class Span(msgspec.Struct, frozen=True):
    """From `start` until before `end`; None where it is open."""

    start: int | None = None
    end: int | None = None

    def holds(self, value: int) -> bool:
        """Whether a value lies in it."""
        return (self.start is None or value >= self.start) and (self.end is None or value < self.end)


class CdrFilter(msgspec.Struct, frozen=True):
    """What is wanted and what is not, by the names of `TEXTS`."""

    wanted: Mapping[str, frozenset[str]] = {}
    unwanted: Mapping[str, frozenset[str]] = {}
    prefixes: tuple[str, ...] = ()
    not_prefixes: tuple[str, ...] = ()
    costs: frozenset[int] = frozenset()
    not_costs: frozenset[int] = frozenset()
    min_cost_nanos: int | None = None
    max_cost_nanos: int | None = None
    extra: Mapping[str, str] = {}
    not_extra: Mapping[str, str] = {}
    order_ids: Span = Span()
    setup: Span = Span()
    answer: Span = Span()
    created: Span = Span()
    updated: Span = Span()
    usage: Span = Span()
    order: str = ""
    is_descending: bool = False
    offset: int = 0
    limit: int | None = None

    def passes(self, cdr: Cdr) -> bool:
        """Whether a record is wanted."""
        return (
            all(TEXTS[name](cdr) in values for name, values in self.wanted.items())
            and not any(TEXTS[name](cdr) in values for name, values in self.unwanted.items())
            and (not self.prefixes or cdr.destination.startswith(self.prefixes))
            and not (self.not_prefixes and cdr.destination.startswith(self.not_prefixes))
            and self._passes_cost(cdr.cost_nanos)
            and self.passes_extra(cdr)
            and self.order_ids.holds(cdr.order_id)
            and self.setup.holds(cdr.setup[0])
            and self.answer.holds(cdr.answer[0])
            and self.created.holds(cdr.created_ns)
            and self.updated.holds(cdr.updated_ns)
            and self.usage.holds(cdr.usage)
        )

    @property
    def looks_at_extra(self) -> bool:
        """Whether extra fields matter."""
        return bool(self.extra or self.not_extra)

    def passes_extra(self, cdr: Cdr) -> bool:
        """Whether a record has the extra fields that are wanted, and none of the others."""
        return all(_has(cdr, name, value) for name, value in self.extra.items()) and not any(
            _has(cdr, name, value) for name, value in self.not_extra.items()
        )

    def _passes_cost(self, nanos: int) -> bool:
        return (
            (not self.costs or nanos in self.costs)
            and nanos not in self.not_costs
            and (self.min_cost_nanos is None or nanos >= self.min_cost_nanos)
            and (self.max_cost_nanos is None or nanos < self.max_cost_nanos)
        )

    def select(self, cdrs: Iterable[Cdr]) -> list[Cdr]:
        """The records that are wanted, in order, cut to the page."""
        found = [cdr for cdr in cdrs if self.passes(cdr)]
        found.sort(key=ORDERS[self.order or "orderid"], reverse=self.is_descending)
        return found[self.offset :] if self.limit is None else found[self.offset : self.offset + self.limit]


def _has(cdr: Cdr, name: str, value: str) -> bool:
    """Whether an extra field is there, with the value where one is given."""
    return name in cdr.extra_fields and (value in ("", EXISTS) or cdr.extra_fields[name] == value)


def read_filter(given: Given, now_ns: int) -> CdrFilter:
    """The filter of a request. Raises an error that names the member at fault."""
    order, _, direction = given.text("OrderBy").partition(";")
    limit = given.optional_integer("Limit")
    return CdrFilter(
        wanted=_texts(given, ""),
        unwanted=_texts(given, "Not"),
        prefixes=given.texts("DestinationPrefixes"),
        not_prefixes=given.texts("NotDestinationPrefixes"),
        costs=frozenset(given.nanos_list("Costs")),
        not_costs=frozenset(given.nanos_list("NotCosts")),
        min_cost_nanos=given.nanos("MinCost") if "MinCost" in given else None,
        max_cost_nanos=given.nanos("MaxCost") if "MaxCost" in given else None,
        extra={name: str(value) for name, value in given.mapping("ExtraFields").items()},
        not_extra={name: str(value) for name, value in given.mapping("NotExtraFields").items()},
        order_ids=Span(given.optional_integer("OrderIDStart"), given.optional_integer("OrderIDEnd")),
        setup=_span(given, "SetupTime", now_ns),
        answer=_span(given, "AnswerTime", now_ns),
        created=_span(given, "CreatedAt", now_ns),
        updated=_span(given, "UpdatedAt", now_ns),
        usage=Span(_usage(given, "MinUsage"), _usage(given, "MaxUsage")),
        order=order.casefold() if order.casefold() in ORDERS else "",
        is_descending=direction.strip().casefold() == "desc",
        offset=max(0, given.integer("Offset")),
        limit=limit if limit else None,
    )


def read_old_filter(given: Given, now_ns: int) -> CdrFilter:
    """The filter of `APIerSv1.GetCDRs`, whose members have older names."""
    found = read_filter(given, now_ns)
    named = {
        name: frozenset(given.texts(member)) for member, name in OLD_NAMES.items() if given.texts(member)
    }
    return msgspec.structs.replace(
        found,
        wanted={**found.wanted, **named},
        order_ids=Span(given.optional_integer("OrderIdStart"), given.optional_integer("OrderIdEnd")),
        answer=Span(given.moment("TimeStart", now_ns), given.moment("TimeEnd", now_ns)),
        min_cost_nanos=0 if given.flag("SkipErrors") else None,
        max_cost_nanos=0 if given.flag("SkipRated") else None,
    )


def _texts(given: Given, prefix: str) -> dict[str, frozenset[str]]:
    found = {}
    for name in TEXTS:
        values = given.texts(f"{prefix}{PLURALS.get(name, name + 's')}")
        if values:
            found[name] = frozenset(values)
    return found


def _span(given: Given, name: str, now_ns: int) -> Span:
    return Span(given.moment(f"{name}Start", now_ns), given.moment(f"{name}End", now_ns))


def _usage(given: Given, name: str) -> int | None:
    return given.duration(name) if name in given and given.raw(name) != "" else None
