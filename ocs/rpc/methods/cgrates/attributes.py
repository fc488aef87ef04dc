"""AttributeSv1 and ChargerSv1: what an event becomes, and the runs it is charged in."""

from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.attributes import words_of
from ocs.charging.profiles.chargers import runs_of
from ocs.charging.profiles.model import Run
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.events import filtered_event, found_or_error
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions.model import CgrEvent
from ocs.sessions.values import text

Form = dict[str, Any]
ANY = "*any"


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    method(registry, "AttributeSv1.ProcessEvent", Role.CHARGE)(process_event)
    method(registry, "AttributeSv1.GetAttributeForEvent", Role.READ)(attribute_for_event)
    method(registry, "ChargerSv1.ProcessEvent", Role.CHARGE)(process_runs)
    method(registry, "ChargerSv1.GetChargersForEvent", Role.READ)(chargers_for_event)


def process_event(runtime: Runtime, params: Given) -> Form:
    """The event after its attributes."""
    event = filtered_event(runtime, params)
    context = text(event.options.get("*context")) or ANY
    found = found_or_error(
        runtime.state.book.attributes.process(
            runtime.surroundings.view(event),
            context=context,
            runs=runtime.settings.attributes.process_runs,
        )
    )
    altered = CgrEvent(found.tenant, found.event, found.opts, event.event_id, event.time)
    return {
        "MatchedProfiles": list(found.matched),
        "AlteredFields": list(found.altered),
        **event_form(altered),
    }


def attribute_for_event(runtime: Runtime, params: Given) -> Form:
    """The profile that would be applied first."""
    event = filtered_event(runtime, params)
    context = text(event.options.get("*context")) or ANY
    ids = words_of(event.options.get("*attrProfileIDs"))
    matching = runtime.state.book.attributes.matching(runtime.surroundings.view(event), context, ids)
    first = found_or_error(matching[:1])[0]
    return record_of(runtime, Kind.ATTRIBUTE, first.tenant, first.id)


def process_runs(runtime: Runtime, params: Given) -> list[Form]:
    """The event once per matching charger, after its attributes."""
    event = filtered_event(runtime, params)
    book = runtime.state.book
    runs = found_or_error(runs_of(book.chargers, book.attributes, runtime.surroundings.view(event)))
    return [_run_form(event, run) for run in runs]


def chargers_for_event(runtime: Runtime, params: Given) -> list[Form]:
    """The charger profiles an event matches."""
    event = filtered_event(runtime, params)
    matching = found_or_error(runtime.state.book.chargers.matching(runtime.surroundings.view(event)))
    return [record_of(runtime, Kind.CHARGER, each.tenant, each.id) for each in matching]


def record_of(runtime: Runtime, kind: Kind, tenant: str, name: str) -> Form:
    """A profile as it was set."""
    record: Form = runtime.state.tables[kind][f"{tenant}:{name}"]
    return record


def event_form(event: CgrEvent) -> Form:
    """An event as the API shows it."""
    return {
        "Tenant": event.tenant,
        "ID": event.event_id,
        "Time": event.time,
        "Event": plain(event.event),
        "APIOpts": plain(event.options),
    }


def _run_form(event: CgrEvent, run: Run) -> Form:
    own = CgrEvent(run.tenant, run.event, run.opts, event.event_id, event.time)
    return {
        "ChargerSProfile": run.charger_id,
        "AttributeSProfiles": list(run.attribute_ids) or None,
        "AlteredFields": list(run.altered),
        "CGREvent": event_form(own),
    }
