"""`APIerSv1`: timings, destinations, rating plans and profiles, shared groups of the running tariff."""

from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.actions import timing_view
from ocs.cgrates.objects.errors import exists, missing, not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.rating import (
    destination_view,
    rating_plan_view,
    rating_profile_view,
    shared_group_view,
)
from ocs.cgrates.objects.sheets import SHEETS
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.plan import Activation
from ocs.charging.cgrates.timings import is_active
from ocs.rpc.methods.cgrates.compiled import compiled
from ocs.rpc.methods.cgrates.table import OK, Table, page, tenant_of
from ocs.rpc.registry import Role

TABLE = Table()


def _name(given: Given, *members: str) -> str:
    """The id of a request: the parameter itself, or one of its members."""
    found = given.bare or next((given.text(name) for name in members if given.text(name)), "")
    if not found:
        raise missing(members[0])
    return found


def _removed(runtime: Runtime, kind: Kind, key: str) -> str:
    if not runtime.state.delete(kind, key):
        raise not_found()
    return OK


# --- timings


@TABLE.method("APIerSv1.SetTiming", role=Role.ADMINISTER, also_v2=True)
def set_timing(runtime: Runtime, given: Given) -> str:
    """Makes or replaces a timing; its start is `StartTime`, or `Time` as in tariff files."""
    given.require("ID")
    time = given.text("StartTime") or given.text("Time") or "00:00:00"
    lists = [_cell(given, name) for name in ("Years", "Months", "MonthDays", "WeekDays")]
    tariff = compiled({"Timings.csv": [(given.text("ID"), *lists, time)]})
    runtime.state.put(Kind.TIMING, given.text("ID"), tariff.timings[given.text("ID")])
    return OK


def _cell(given: Given, name: str) -> str:
    return ";".join(str(number) for number in given.integers(name)) or "*any"


@TABLE.method("APIerSv1.GetTiming", role=Role.READ, also_v2=True)
def get_timing(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows a timing."""
    found = runtime.state.tariff.timings.get(_name(given, "ID"))
    if found is None:
        raise not_found()
    return timing_view(found)


@TABLE.method("APIerSv1.RemoveTiming", role=Role.ADMINISTER, also_v2=True)
def remove_timing(runtime: Runtime, given: Given) -> str:
    """Removes a timing; what was made with it keeps it."""
    return _removed(runtime, Kind.TIMING, _name(given, "ID"))


@TABLE.method("APIerSv1.TimingIsActiveAt", role=Role.READ, also_v2=True)
def timing_is_active(runtime: Runtime, given: Given) -> bool:
    """Says whether a timing holds at a moment (now where none is given), on the clock of that moment."""
    given.require("TimingID")
    timing = runtime.state.tariff.timings.get(given.text("TimingID"))
    if timing is None:
        raise not_found()
    at_ns = given.moment("Time", runtime.wall_ns())
    return is_active(timing, runtime.wall_ns() if at_ns is None else at_ns)


# --- destinations


@TABLE.method("APIerSv1.SetDestination", role=Role.ADMINISTER, also_v2=True)
def set_destination(runtime: Runtime, given: Given) -> str:
    """Makes a destination, or replaces it where `Overwrite` says so."""
    given.require("Id", "Prefixes")
    name = given.text("Id")
    if name in runtime.state.tables[Kind.DESTINATION] and not given.flag("Overwrite"):
        raise exists()
    runtime.state.put(Kind.DESTINATION, name, given.texts("Prefixes"))
    return OK


@TABLE.method("APIerSv1.GetDestination", role=Role.READ, also_v2=True)
def get_destination(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows a destination with its prefixes."""
    name = _name(given, "Id", "ID")
    prefixes = runtime.state.tables[Kind.DESTINATION].get(name)
    if prefixes is None:
        raise not_found()
    return destination_view(name, prefixes)


@TABLE.method("APIerSv2.GetDestinations", role=Role.READ)
def get_destinations(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows destinations by their ids, all where `DestinationIDs` is empty."""
    table = runtime.state.tables[Kind.DESTINATION]
    names = given.texts("DestinationIDs")
    if any(name not in table for name in names):
        raise not_found()
    return [destination_view(name, table[name]) for name in names or list(table)]


@TABLE.method("APIerSv1.RemoveDestination", role=Role.ADMINISTER, also_v2=True)
def remove_destination(runtime: Runtime, given: Given) -> str:
    """Removes destinations, or (`Prefixes`) those of their prefixes alone."""
    names = given.texts("DestinationIDs") or ((given.text("Id"),) if given.text("Id") else ())
    if not names:
        raise missing("DestinationIDs")
    table, gone = runtime.state.tables[Kind.DESTINATION], set(given.texts("Prefixes"))
    for name in names:
        if name not in table:
            raise not_found()
    for name in names:
        kept = tuple(prefix for prefix in table[name] if gone and prefix not in gone)
        if kept:
            runtime.state.put(Kind.DESTINATION, name, kept)
        else:
            runtime.state.delete(Kind.DESTINATION, name)
    return OK


@TABLE.method("APIerSv1.GetReverseDestination", role=Role.READ, also_v2=True)
def get_reverse_destination(runtime: Runtime, given: Given) -> list[str]:
    """Lists the destinations that have a prefix."""
    found = runtime.state.tariff.destinations.get(_name(given, "Prefix"))
    if not found:
        raise not_found()
    return list(found)


@TABLE.method("APIerSv1.ComputeReverseDestinations", role=Role.ADMINISTER, also_v2=True)
def compute_reverse_destinations(runtime: Runtime, given: Given) -> str:
    """Does nothing: prefixes are always looked up in the destinations as they are."""
    return OK


# --- rating plans and profiles


@TABLE.method("APIerSv1.GetRatingPlan", role=Role.READ, also_v2=True)
def get_rating_plan(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows a rating plan with its timings and prices."""
    plan = runtime.state.tables[Kind.RATING_PLAN].get(_name(given, "ID", "Id", "RatingPlanId"))
    if plan is None:
        raise not_found()
    return rating_plan_view(plan)


@TABLE.method("APIerSv1.GetRatingPlanIDs", role=Role.READ, also_v2=True)
def rating_plan_ids(runtime: Runtime, given: Given) -> list[str]:
    """Lists the ids of rating plans."""
    names = page(list(runtime.state.tables[Kind.RATING_PLAN]), given)
    if not names:
        raise not_found()
    return names


@TABLE.method("APIerSv1.RemoveRatingPlan", role=Role.ADMINISTER, also_v2=True)
def remove_rating_plan(runtime: Runtime, given: Given) -> str:
    """Removes a rating plan."""
    return _removed(runtime, Kind.RATING_PLAN, _name(given, "ID", "Id"))


@TABLE.method("APIerSv1.SetRatingProfile", role=Role.ADMINISTER, also_v2=True)
def set_rating_profile(runtime: Runtime, given: Given) -> str:
    """Adds activations to a rating profile, or replaces all where `Overwrite` says so."""
    given.require("Subject", "RatingPlanActivations")
    for row in given.rows("RatingPlanActivations"):
        row.require("ActivationTime", "RatingPlanId")
        if row.text("RatingPlanId") not in runtime.state.tables[Kind.RATING_PLAN]:
            raise server_error(f"RATING_PLAN_NOT_FOUND:{row.text('RatingPlanId')}")
    key = _profile_key(runtime, given)
    known: tuple[Activation, ...] = runtime.state.tables[Kind.RATING_PROFILE].get(key, ())
    added = _activations(given, runtime.wall_ns())
    starts = {activation.active_ns for activation in added}
    kept = () if given.flag("Overwrite") else tuple(one for one in known if one.active_ns not in starts)
    merged = tuple(sorted((*kept, *added), key=lambda one: one.active_ns))
    runtime.state.put(Kind.RATING_PROFILE, key, merged)
    return OK


def _activations(given: Given, now_ns: int) -> list[Activation]:
    return [
        Activation(
            row.moment("ActivationTime", now_ns) or 0, row.text("RatingPlanId"), row.texts("FallbackSubjects")
        )
        for row in given.rows("RatingPlanActivations")
    ]


def _profile_key(runtime: Runtime, given: Given) -> str:
    category = given.text("Category") or runtime.settings.general.default_category
    return f"{tenant_of(runtime, given)}:{category}:{given.text('Subject')}"


@TABLE.method("APIerSv1.GetRatingProfile", role=Role.READ, also_v2=True)
def get_rating_profile(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows a rating profile with its activations."""
    given.require("Subject")
    key = _profile_key(runtime, given)
    found = runtime.state.tables[Kind.RATING_PROFILE].get(key)
    if found is None:
        raise not_found()
    return rating_profile_view(key, found)


@TABLE.method("APIerSv1.GetRatingProfileIDs", role=Role.READ, also_v2=True)
def rating_profile_ids(runtime: Runtime, given: Given) -> list[str]:
    """Lists the keys of a tenant's rating profiles."""
    prefix = f"{tenant_of(runtime, given)}:"
    names = [f"*out:{key}" for key in runtime.state.tables[Kind.RATING_PROFILE] if key.startswith(prefix)]
    if not names:
        raise not_found()
    return page(names, given)


@TABLE.method("APIerSv1.RemoveRatingProfile", role=Role.ADMINISTER, also_v2=True)
def remove_rating_profile(runtime: Runtime, given: Given) -> str:
    """Removes a rating profile; without Subject, or without Category too, all that share the rest of the key."""
    table = runtime.state.tables[Kind.RATING_PROFILE]
    tenant = tenant_of(runtime, given)
    wanted = (tenant, given.text("Category"), given.text("Subject"))
    if wanted[2] and not wanted[1]:
        raise missing("Category")
    keys = [
        key
        for key in table
        if all(not name or name == part for name, part in zip(wanted, key.split(":", 2), strict=True))
    ]
    for key in keys:
        runtime.state.delete(Kind.RATING_PROFILE, key)
    return OK


# --- shared groups


@TABLE.method("APIerSv1.SetSharedGroup", role=Role.ADMINISTER, also_v2=True)
def set_shared_group(runtime: Runtime, given: Given) -> str:
    """Makes or replaces a shared group."""
    key, rows = SHEETS["SharedGroups"].rows(given)
    tariff = compiled({"SharedGroups.csv": rows})
    runtime.state.put(Kind.SHARED_GROUP, key, tariff.shared_groups[key])
    return OK


@TABLE.method("APIerSv1.GetSharedGroup", role=Role.READ, also_v2=True)
def get_shared_group(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows a shared group with the accounts in it."""
    name = _name(given, "ID", "Id")
    group = runtime.state.tables[Kind.SHARED_GROUP].get(name)
    if group is None:
        raise not_found()
    return shared_group_view(group, runtime.state.members.get(name, ()))
