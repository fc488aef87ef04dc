"""Request processors of RADIUS and Diameter: which one a request fits, and what its flags say. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ocs.cgrates.agents.templates import Check, Field, TemplateError, compiled, filters_of
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.sessions.flags import Flags
from ocs.sessions.surroundings import RouteOptions
from ocs.sessions.wanted import Answer, Wanted

CALLS = (
    "*dryrun",
    "*authorize",
    "*initiate",
    "*update",
    "*terminate",
    "*message",
    "*event",
    "*radauth",
    "*none",
)
AROUND = (
    "*accounts",
    "*attributes",
    "*resources",
    "*ips",
    "*routes",
    "*thresholds",
    "*stats",
    "*fd",
    "*cdrs",
)
OF_EVENTS = ("*rals", "*chargers", "*blocker_error", "*derived_reply", "*max_cost")  # of `*event`
BESIDE = ("*log", "*continue", "*pap", "*chap", "*mschapv2")
UNCOUNTED = ("*da_stats", "*da_thresholds", "*ra_stats", "*ra_thresholds")  # of the agent itself
FLAGS = frozenset((*CALLS, *AROUND, *OF_EVENTS, *BESIDE, *UNCOUNTED))


class ProcessorSection(msgspec.Struct, frozen=True):
    """One of `request_processors`."""

    id: str = ""
    tenant: str = ""
    filters: list[str] = []
    flags: list[str] = []
    timezone: str = ""
    request_fields: list[dict[str, Any]] = []
    reply_fields: list[dict[str, Any]] = []


class Processor(msgspec.Struct, frozen=True):
    """A request processor, compiled; `call` is the session method its flags choose."""

    name: str
    tenant: Value | None
    filters: tuple[str, ...]
    flags: Flags
    call: str
    request_fields: tuple[Field, ...]
    reply_fields: tuple[Field, ...]


def processor_of(section: ProcessorSection, place: str, named: Mapping[str, Any], check: Check) -> Processor:
    """What a section says; `named` are templates. Raises TemplateError with the place at fault."""
    try:
        return _processor(section, place, named, check)
    except TemplateError as error:
        name = f", processor {section.id[:60]}" if section.id else ""
        raise TemplateError(f"{error}{name}") from None


def _processor(section: ProcessorSection, place: str, named: Mapping[str, Any], check: Check) -> Processor:
    for number, flag in enumerate(section.flags):
        if flag.partition(":")[0] not in FLAGS:
            raise TemplateError(f"{place}.flags[{number}]: {flag[:40]} is no flag")
    try:
        tenant = parse_value(section.tenant) if section.tenant else None
        filters = filters_of(section.filters)
    except ValueError as error:
        raise TemplateError(f"{place}: {error}") from None
    flags = Flags(section.flags)
    fields = {
        key: compiled(getattr(section, key), f"{place}.{key}", named, section.timezone, check)
        for key in ("request_fields", "reply_fields")
    }
    return Processor(
        section.id or place,
        tenant,
        filters,
        flags,
        next((name for name in CALLS if name in flags), "*cdrs" if "*cdrs" in flags else "*none"),
        **fields,
    )


def wanted_of(flags: Flags) -> Wanted:
    """What the flags of a processor ask for around charging."""
    costs = flags.values("*routes", "*max_cost")
    max_cost = "*event_cost" if flags.has("*routes", "*event_cost") else (costs[0] if costs else "")
    return Wanted(
        charges="*accounts" in flags,
        forces="*fd" in flags,
        attributes="*attributes" in flags,
        attribute_ids=flags.values("*attributes", "*ids"),
        resources="*resources" in flags,
        ips="*ips" in flags,
        routes="*routes" in flags,
        route_options=RouteOptions(max_cost, flags.has("*routes", "*ignore_errors")),
        thresholds="*thresholds" in flags,
        threshold_ids=flags.values("*thresholds", "*ids"),
        stats="*stats" in flags,
        stat_ids=flags.values("*stats", "*ids"),
    )


def answer_form(answer: Answer) -> dict[str, Any]:
    """What a session method answered, as `*cgrep`."""
    found: dict[str, Any] = {"Error": ""}
    if answer.usage is not None:
        found["MaxUsage"] = answer.usage
    if answer.attributes is not None:
        event = answer.attributes.event.event
        names = [name.removeprefix("*req.") for name in answer.attributes.altered if name.startswith("*req.")]
        found["Attributes"] = {name: event[name] for name in names if name in event}
    if answer.resources is not None:
        found["ResourceAllocation"] = answer.resources
    if answer.address is not None:
        found["AllocatedIP"] = answer.address.form()
    if answer.routes is not None:
        found["RouteProfiles"] = answer.routes.profiles
        found["Routes"] = answer.routes.digest
    if answer.threshold_ids is not None:
        found["ThresholdIDs"] = answer.threshold_ids
    if answer.stat_ids is not None:
        found["StatQueueIDs"] = answer.stat_ids
    return found
