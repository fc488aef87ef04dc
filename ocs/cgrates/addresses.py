"""Addresses of the pools of a state: promised, given and taken back by event."""

from collections.abc import Callable
from typing import Any

from ocs.cgrates import ip_pools
from ocs.cgrates.ip_pools import Allocated, NoAddress
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.numbers import NO_TIME
from ocs.cgrates.state import State
from ocs.charging.cgrates.values import instant_ns
from ocs.sessions import values
from ocs.sessions.errors import NOT_FOUND, ServiceError, missing
from ocs.sessions.model import CgrEvent
from ocs.sessions.values import Event

Record = dict[str, Any]
Passes = Callable[[list[str], str, Event], bool]
ALLOCATION_ID = "*ipAllocationID"


class Addresses:
    """One per state; an event's allocation has the name in its options, or its OriginID. Raises ServiceError."""

    def __init__(self, state: State, passes: Passes, now_ns: Callable[[], int]) -> None:
        self._state = state
        self._passes = passes
        self._now_ns = now_ns

    def matching(self, event: CgrEvent) -> list[Record]:
        """Profiles that an event matches, the heaviest first."""
        now_ns = self._now_ns()
        found = [
            profile
            for profile in self._state.tables[Kind.IP].values()
            if profile["Tenant"] == event.tenant
            and _is_active(profile, now_ns)
            and self._passes(list(profile["FilterIDs"] or ()), event.tenant, event.event)
        ]
        if not found:
            raise ServiceError(NOT_FOUND)
        return sorted(found, key=lambda profile: -float(profile["Weight"] or 0))

    def held(self, profile: Record) -> dict[str, dict[str, str]]:
        """Allocations of a profile by their ids."""
        kept = self._state.tables[Kind.IP_ALLOCATION].get(_key(profile))
        return ip_pools.allocations_of(profile, kept, self._now_ns())

    def record(self, profile: Record) -> Record:
        """Allocations of a profile as they are shown."""
        return ip_pools.record_of(profile, self.held(profile))

    def keep(self, profile: Record, held: dict[str, dict[str, str]]) -> None:
        """Puts other allocations of a profile in the place of those there are."""
        self._state.put(Kind.IP_ALLOCATION, _key(profile), ip_pools.record_of(profile, held))

    def authorize(self, event: CgrEvent) -> Allocated:
        """The address an event would get."""
        return self._chosen(event, "IP_UNAUTHORIZED")[1]

    def allocate(self, event: CgrEvent) -> Allocated:
        """Gives an event an address; one that has one keeps it, and its time begins anew."""
        profile, chosen = self._chosen(event, "IP_UNAVAILABLE")
        held, name = self.held(profile), _allocation_id(event)
        record = ip_pools.with_allocation(profile, held, name, chosen, self._now_ns())
        self._state.put(Kind.IP_ALLOCATION, _key(profile), record)
        return chosen

    def release(self, event: CgrEvent) -> None:
        """Takes the address of an event back."""
        name = _allocation_id(event)
        for profile in self.matching(event):
            held = self.held(profile)
            if held.pop(name, None) is not None:
                self.keep(profile, held)
                return
        raise ServiceError(NOT_FOUND)

    def _chosen(self, event: CgrEvent, refusal: str) -> tuple[Record, Allocated]:
        """The profile and address an event gets; the first profile with a free one."""
        name = _allocation_id(event)
        for profile in self.matching(event):
            try:
                chosen = ip_pools.choose(
                    profile,
                    self.held(profile),
                    name,
                    lambda filter_ids: self._passes(filter_ids, event.tenant, event.event),
                )
            except NoAddress:
                continue
            except ValueError as error:
                raise ServiceError(f"SERVER_ERROR: {error}") from None
            return profile, chosen
        raise ServiceError(refusal)


def _allocation_id(event: CgrEvent) -> str:
    found = values.text(event.options.get(ALLOCATION_ID)) or values.text(event.event.get("OriginID"))
    if not found:
        raise missing("AllocationID")
    return found


def _key(profile: Record) -> str:
    return f"{profile['Tenant']}:{profile['ID']}"


def _is_active(profile: Record, now_ns: int) -> bool:
    interval = profile["ActivationInterval"] or {"ActivationTime": NO_TIME, "ExpiryTime": NO_TIME}
    start, end = interval["ActivationTime"], interval["ExpiryTime"]
    return (start == NO_TIME or instant_ns(start) <= now_ns) and (end == NO_TIME or now_ns < instant_ns(end))
