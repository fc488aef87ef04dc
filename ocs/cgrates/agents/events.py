"""Events of the switch agents as CGRateS' events: who, what, what is asked for, and how much. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ocs.agents.voice.options import flags_of
from ocs.charging.events import ChargingEvent, FreeEvent
from ocs.sessions.model import CgrEvent
from ocs.sessions.values import Event

DEFAULT_FLAGS = {"*attributes": "", "*resources": "", "*accounts": ""}  # where the dialplan names none
DEBIT_INTERVAL = "*sessionsDebitInterval"  # agents debit slice by slice, and know when a call has ended:
LIFETIME = "*sessionsTTL"  # neither the pipeline's debit loop nor its lifetimes are of use
STARTED_AT = "started_at_ns"  # an agent's own note on a call, that its record has no use for
VOICE = "*voice"


class Defaults(msgspec.Struct, frozen=True):
    """What stands for members that an event lacks."""

    tenant: str = "cgrates.org"
    category: str = "call"
    request_type: str = "*rated"


class Wishes(msgspec.Struct, frozen=True):
    """What an event asks for: flags, each with what follows its colon."""

    flags: Mapping[str, str]

    is_default: bool = False  # the event names none

    @property
    def accounts(self) -> bool:
        """Whether it is about money."""
        return "*accounts" in self.flags

    @property
    def cdrs(self) -> bool:
        """Whether a record is asked for by name."""
        return "*cdrs" in self.flags

    def has(self, name: str) -> bool:
        """Whether a flag is there."""
        return name in self.flags

    def ids(self, name: str) -> list[str]:
        """The profiles a flag names: `*attributes:*ids:A&B`, or `*thresholds:A&B`."""
        text = self.flags.get(name, "").removeprefix("*ids:")
        return [each for each in text.split("&") if each]


def wishes_of(event: ChargingEvent, default_flags: Mapping[str, str] = DEFAULT_FLAGS) -> Wishes:
    """What an event asks for."""
    named = flags_of(event.free.flags) if event.free else {}
    return Wishes(named or default_flags, not named)


def cgr_event(event: ChargingEvent, defaults: Defaults, known: Event | None = None) -> CgrEvent:
    """The event with its members; `known` is what the session has, below what is said now."""
    free = event.free or FreeEvent()
    found: dict[str, Any] = {**(known or {}), **dict(free.fields)}
    found.pop("CGRID", None)
    tenant = str(found.setdefault("Tenant", defaults.tenant))
    found.setdefault("ToR", VOICE)
    found.setdefault("RequestType", defaults.request_type)
    found.setdefault("Category", defaults.category)
    found.setdefault("OriginID", event.session_id)
    found.setdefault("OriginHost", event.client)
    found.pop("Usage", None)
    options: dict[str, Any] = dict(free.options) | {DEBIT_INTERVAL: 0, LIFETIME: 0}
    return CgrEvent(tenant, found, options, str(event.event_id))


def with_usage(event: CgrEvent, usage: int | None, last_used: int | None = None) -> CgrEvent:
    """The event with what is wanted, and what of the last grant was used."""
    told = {"Usage": usage, "LastUsed": last_used}
    members = {name: value for name, value in told.items() if value is not None}
    return msgspec.structs.replace(event, event={**event.event, **members})


def is_answered(event: ChargingEvent) -> bool:
    """Whether the call of an event has been answered."""
    fields = dict(event.free.fields) if event.free else {}
    return fields.get("AnswerTime", "0") not in ("", "0")


def wanted(event: ChargingEvent) -> int | None:
    """How much is asked for; None where nothing is."""
    for report in event.reports:
        if report.requested is not None and report.requested.amount is not None:
            return report.requested.amount
    return None


def used(event: ChargingEvent, before: int) -> int | None:
    """What was used in all, where the event says so; `before` is what was used when it was said last."""
    total = None
    for report in event.reports:
        for units in report.used:
            if units.is_total:
                total = max(total or 0, units.amount)
            else:
                total = (before if total is None else total) + units.amount
    return total


def notes_of(event: ChargingEvent) -> dict[str, str]:
    """What an agent wants to find again when it asks for its sessions."""
    extra = dict(event.context.extra) if event.context else {}
    return {STARTED_AT: extra[STARTED_AT]} if STARTED_AT in extra else {}
