"""Resources: how many units of something are in use at once, by whom, until when. Pure.

A book holds the usages in memory; every operation answers with the records it changed, so that whoever keeps the
book can make them durable before the answer leaves. A usage without expiry lasts until it is released.
"""

import heapq
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from ocs.charging.profiles.model import ResourceProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.values import Number, duration_of, number_of, text_of
from ocs.charging.profiles.view import View

FOREVER = -1
USAGE_ID, UNITS, TTL = "*rsUsageID", "*rsUnits", "*rsUsageTTL"


class NoResource(LookupError):
    """No resource matches."""


class ResourceFull(Exception):
    """No matching resource has room."""


class Usage(msgspec.Struct, frozen=True):
    """Units in use under an id; `expires_ns` 0 lasts until it is released."""

    id: str
    units: Decimal
    expires_ns: int = 0


class Change(msgspec.Struct, frozen=True):
    """A usage that is new or changed, or gone where `usage` is None."""

    tenant: str
    resource_id: str
    usage_id: str
    usage: Usage | None = None


class Allocation(msgspec.Struct, frozen=True):
    """What was allocated: the answer, and what changed."""

    message: str
    changes: tuple[Change, ...]


class Request(msgspec.Struct, frozen=True):
    """What an event wants; `ttl_ns` None leaves it to the resource."""

    usage_id: str
    units: Decimal = Decimal(1)
    ttl_ns: int | None = None


def request_of(opts: Mapping[str, object], default_id: str = "") -> Request:
    """The request in an event's options. Raises ValueError for what is no number or duration."""
    units = number_of(opts.get(UNITS, 1))
    if units is None or units < 0:
        raise ValueError(f"{UNITS}: not a number of units: {text_of(opts[UNITS])[:40]!r}")
    ttl_ns = duration_of(opts[TTL]) if opts.get(TTL) not in (None, "") else None
    if opts.get(TTL) not in (None, "") and ttl_ns is None:
        raise ValueError(f"{TTL}: not a duration: {text_of(opts[TTL])[:40]!r}")
    return Request(text_of(opts.get(USAGE_ID)) or default_id, Decimal(units), ttl_ns)


class Resource:
    """The usages of one resource."""

    __slots__ = ("_expiries", "total", "usages")

    def __init__(self) -> None:
        self.usages: dict[str, Usage] = {}
        self.total = Decimal(0)
        self._expiries: list[tuple[int, str]] = []

    def put(self, usage: Usage) -> None:
        """Record a usage, in place of one with the same id."""
        self.drop(usage.id)
        self.usages[usage.id] = usage
        self.total += usage.units
        if usage.expires_ns:
            heapq.heappush(self._expiries, (usage.expires_ns, usage.id))

    def drop(self, usage_id: str) -> Usage | None:
        """Forget a usage; None where there is none."""
        usage = self.usages.pop(usage_id, None)
        if usage is not None:
            self.total -= usage.units
        return usage

    def is_current(self, now_ns: int) -> bool:
        """Whether nothing that is recorded has expired."""
        return not self._expiries or self._expiries[0][0] > now_ns

    def living(self, now_ns: int) -> Decimal:
        """Units of usages that have not expired."""
        return sum((each.units for each in self.usages.values() if _lives(each, now_ns)), Decimal(0))

    def expire(self, now_ns: int) -> list[str]:
        """Forget what has expired; the ids."""
        gone = []
        while self._expiries and self._expiries[0][0] <= now_ns:
            expires_ns, usage_id = heapq.heappop(self._expiries)
            usage = self.usages.get(usage_id)
            if usage is not None and usage.expires_ns == expires_ns:
                self.drop(usage_id)
                gone.append(usage_id)
        if len(self._expiries) > 2 * len(self.usages) + 64:  # released ones leave their expiry behind
            self._expiries = [(each.expires_ns, each.id) for each in self.usages.values() if each.expires_ns]
            heapq.heapify(self._expiries)
        return gone


class ResourceBook:
    """The usages of all resources.

    `records_in_full`: a usage counts in every matching resource, as the incumbent has it; otherwise only in those
    that have room for it.
    """

    def __init__(self, profiles: Shelf[ResourceProfile], *, records_in_full: bool = False) -> None:
        self._profiles = profiles
        self._records_in_full = records_in_full
        self._resources: dict[tuple[str, str], Resource] = {}
        self._holders: dict[tuple[str, str], dict[str, None]] = {}  # resources by usage

    def restore(self, changes: Iterable[Change]) -> None:
        """Take over records that were kept."""
        for change in changes:
            self._apply(change)

    def clear(self) -> None:
        """Know of no usage any more."""
        self._resources.clear()
        self._holders.clear()

    def get(self, tenant: str, resource_id: str) -> Resource | None:
        """A resource's usages; None where there is no such profile."""
        if self._profiles.get(tenant, resource_id) is None:
            return None
        return self._resources.setdefault((tenant, resource_id), Resource())

    def usage(self, tenant: str, resource_id: str, now_ns: int) -> Number:
        """Units in use at a moment."""
        resource = self._resources.get((tenant, resource_id))
        if resource is None:
            return 0
        return resource.total if resource.is_current(now_ns) else resource.living(now_ns)

    def holds(self, tenant: str, usage_id: str) -> bool:
        """Whether a usage of that id is recorded."""
        return (tenant, usage_id) in self._holders

    def matching(self, view: View, usage_id: str = "") -> list[ResourceProfile]:
        """Resources that hold the usage already, else those whose filters pass, up to a blocker."""
        held = self._holders.get((view.tenant, usage_id))
        if held:
            found = (self._profiles.get(view.tenant, resource_id) for resource_id in held)
            return [profile for profile in found if profile is not None]
        matching = self._profiles.matching(view)
        for number, profile in enumerate(matching):
            if profile.is_blocker:
                return matching[: number + 1]
        return matching

    def authorize(self, view: View, request: Request) -> str:
        """The answer an allocation would have now. Raises NoResource or ResourceFull."""
        return self._room(view, request, self._wanted(view, request))[0]

    def allocate(self, view: View, request: Request) -> Allocation:
        """Record a usage, in place of one with the same id. Raises NoResource or ResourceFull, nothing changed."""
        profiles = self._wanted(view, request)
        message, roomy = self._room(view, request, profiles)
        changes = self.expire(view.tenant, [profile.id for profile in profiles], view.now_ns)
        for profile in profiles if self._records_in_full else roomy:
            usage = _usage(profile, request, view.now_ns)
            if usage is not None:
                changes.append(Change(view.tenant, profile.id, request.usage_id, usage))
                self._apply(changes[-1])
        return Allocation(message, tuple(changes))

    def release(self, view: View, usage_id: str) -> tuple[Change, ...]:
        """Forget a usage everywhere; nothing where it is not recorded."""
        held = self._holders.get((view.tenant, usage_id), ())
        changes = [Change(view.tenant, resource_id, usage_id) for resource_id in held]
        for change in changes:
            self._apply(change)
        return tuple(changes)

    def expire(self, tenant: str, resource_ids: Iterable[str], now_ns: int) -> list[Change]:
        """Forget what has expired in some resources."""
        changes = []
        for resource_id in resource_ids:
            resource = self._resources.get((tenant, resource_id))
            for usage_id in () if resource is None else resource.expire(now_ns):
                changes.append(Change(tenant, resource_id, usage_id))
                self._forget(changes[-1])
        return changes

    def expire_all(self, now_ns: int) -> list[Change]:
        """Forget everything that has expired."""
        return [
            change
            for tenant, resource_id in list(self._resources)
            for change in self.expire(tenant, [resource_id], now_ns)
        ]

    def drop(self, tenant: str, resource_id: str) -> tuple[Change, ...]:
        """Forget a resource whose profile is gone."""
        resource = self._resources.pop((tenant, resource_id), None)
        changes = [
            Change(tenant, resource_id, usage_id)
            for usage_id in ([] if resource is None else resource.usages)
        ]
        for change in changes:
            self._forget(change)
        return tuple(changes)

    def _wanted(self, view: View, request: Request) -> list[ResourceProfile]:
        profiles = self.matching(view, request.usage_id)
        if not profiles:
            raise NoResource
        return profiles

    def _room(
        self, view: View, request: Request, profiles: list[ResourceProfile]
    ) -> tuple[str, list[ResourceProfile]]:
        """The answer, and the resources that have room beside what the same usage holds already."""
        roomy = []
        for profile in profiles:
            resource = self._resources.get((view.tenant, profile.id))
            used = Decimal(self.usage(view.tenant, profile.id, view.now_ns))
            held = None if resource is None else resource.usages.get(request.usage_id)
            if held is not None and _lives(held, view.now_ns):
                used -= held.units
            if profile.limit == FOREVER or used + request.units <= Decimal(repr(profile.limit)):
                roomy.append(profile)
        if not roomy:
            raise ResourceFull
        return roomy[0].allocation_message or roomy[0].id, roomy

    def _apply(self, change: Change) -> None:
        key = (change.tenant, change.resource_id)
        if change.usage is not None:
            self._resources.setdefault(key, Resource()).put(change.usage)
            self._holders.setdefault((change.tenant, change.usage_id), {})[change.resource_id] = None
            return
        resource = self._resources.get(key)
        if resource is not None:
            resource.drop(change.usage_id)
        self._forget(change)

    def _forget(self, change: Change) -> None:
        key = (change.tenant, change.usage_id)
        holders = self._holders.get(key, {})
        holders.pop(change.resource_id, None)
        if not holders:
            self._holders.pop(key, None)


def _lives(usage: Usage, now_ns: int) -> bool:
    return not usage.expires_ns or usage.expires_ns > now_ns


def _usage(profile: ResourceProfile, request: Request, now_ns: int) -> Usage | None:
    """What is recorded; None for a time to live of 0, which records nothing."""
    ttl_ns = profile.usage_ttl_ns if request.ttl_ns is None else request.ttl_ns or FOREVER
    if ttl_ns == 0:
        return None
    return Usage(request.usage_id, request.units, now_ns + ttl_ns if ttl_ns > 0 else 0)
