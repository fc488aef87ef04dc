"""EeSv1 and ErSv1: records out to exporters, and in from readers."""

from pathlib import Path
from typing import Any

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.exporting.records import Record
from ocs.exporting.sinks import SinkFailed
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.events import filtered_event, found_or_error
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions.errors import NOT_FOUND, ServiceError, missing
from ocs.sessions.identity import cgrid_of
from ocs.sessions.values import text


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    method(registry, "EeSv1.ProcessEvent", Role.CHARGE)(process_event)
    method(registry, "EeSv1.ResetExporterMetrics", Role.ADMINISTER)(reset)
    method(registry, "ErSv1.RunReader", Role.ADMINISTER)(run_reader)
    for version in ("APIerSv1", "APIerSv2"):
        method(registry, f"{version}.ReplayFailedPosts", Role.ADMINISTER)(replay_failed)


async def process_event(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Hands an event to the exporters whose filters it passes; what each has done so far."""
    event = filtered_event(runtime, params)
    key = f"{cgrid_of(event.event)}:{text(event.event.get('RunID'))}:{event.event_id}"
    record = Record(key, event.tenant, event.event, event.options)
    try:
        names = await runtime.exchange.exports.export(record, params.texts("EeIDs"))
    except SinkFailed as error:
        raise ServiceError(f"SERVER_ERROR: {error}") from None
    counts = runtime.exchange.exports.counts()
    return {name: counts[name] for name in found_or_error(names)}


def reset(runtime: Runtime, params: Given) -> str:
    """Counts of exporters begin anew."""
    runtime.exchange.exports.reset()
    return "OK"


async def run_reader(runtime: Runtime, params: Given) -> str:
    """Reads what is there for a reader now."""
    name = params.text("ID")
    if not name:
        raise missing("ID")
    reader = runtime.exchange.readers.get(name)
    if reader is None:
        raise ServiceError(NOT_FOUND)
    try:
        await reader.read()
    except OSError as error:
        raise ServiceError(f"SERVER_ERROR: {error}") from None
    return "OK"


async def replay_failed(runtime: Runtime, params: Given) -> str:
    """Delivers batches that were kept aside once more."""
    folder = params.text("SourcePath") or params.text("FailedRequestsInDir")
    if await runtime.replay_failed(Path(folder) if folder else None):
        raise ServiceError("PARTIALLY_EXECUTED")
    return "OK"
