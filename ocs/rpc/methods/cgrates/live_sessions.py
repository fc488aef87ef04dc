"""SessionSv1: looking at active sessions, ending and changing them from outside."""

from typing import Any

import msgspec

from ocs.cgrates.objects.errors import not_found
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.methods.cgrates.session_forms import bare_event
from ocs.rpc.registry import Registry
from ocs.sessions import external, values
from ocs.sessions.clients import ClientError
from ocs.sessions.errors import PARTIALLY_EXECUTED, ServiceError
from ocs.sessions.model import Run, Session

Form = dict[str, Any]
FORCED = "FORCED_DISCONNECT"


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name, role, function in (
        ("GetActiveSessions", Role.READ, active),
        ("GetActiveSessionsCount", Role.READ, count_active),
        ("GetPassiveSessions", Role.READ, passive),
        ("GetPassiveSessionsCount", Role.READ, count_passive),
        ("ForceDisconnect", Role.ADMINISTER, force_disconnect),
        ("AlterSessions", Role.ADMINISTER, alter),
        ("DisconnectPeer", Role.ADMINISTER, disconnect_peer),
        ("SyncSessions", Role.CHARGE, sync),
        ("ActivateSessions", Role.ADMINISTER, activate),
        ("DeactivateSessions", Role.ADMINISTER, deactivate),
        ("SetPassiveSession", Role.ADMINISTER, set_passive),
        ("BackupActiveSessions", Role.CHARGE, backup),
        ("RegisterInternalBiJSONConn", Role.CHARGE, register_connection),
    ):
        method(registry, f"SessionSv1.{name}", role)(function)


def _found(runtime: Runtime, params: Given, sessions: dict[str, Session]) -> list[tuple[Session, Run]]:
    """Runs that the filter in the parameters means, a page of them."""
    tenant = params.text("Tenant") or runtime.tenant
    filters = list(params.texts("Filters"))
    found = list(external.matching(list(sessions.values()), runtime.surroundings, filters, tenant))
    limit = params.optional_integer("Limit")
    return found if not limit else found[:limit]


def _forms(runtime: Runtime, found: list[tuple[Session, Run]]) -> list[Form]:
    if not found:
        raise not_found()
    node_id, now_ns = runtime.settings.general.node_id, runtime.wall_ns()
    return [
        external.form(session, run, runtime.sessions.accounting, node_id, now_ns) for session, run in found
    ]


def active(runtime: Runtime, params: Given) -> list[Form]:
    """Active sessions, one entry per run."""
    return _forms(runtime, _found(runtime, params, runtime.state.sessions))


def count_active(runtime: Runtime, params: Given) -> int:
    """How many runs of active sessions there are."""
    return len(_found(runtime, params, runtime.state.sessions))


def passive(runtime: Runtime, params: Given) -> list[Form]:
    """Sessions that are kept and not charged, one entry per run."""
    return _forms(runtime, _found(runtime, params, runtime.state.passive))


def count_passive(runtime: Runtime, params: Given) -> int:
    """How many runs of passive sessions there are."""
    return len(_found(runtime, params, runtime.state.passive))


def _sessions(runtime: Runtime, params: Given) -> list[Session]:
    """Active sessions that have a run the filter means."""
    found = {session.cgrid: session for session, _ in _found(runtime, params, runtime.state.sessions)}
    if not found:
        raise not_found()
    return list(found.values())


async def force_disconnect(runtime: Runtime, params: Given) -> str:
    """Has the clients of sessions end them; one whose client cannot be asked is ended here."""
    reason = values.text(params.mapping("Event").get("DisconnectCause")) or FORCED
    for session in _sessions(runtime, params):
        await runtime.timers.disconnect(session.cgrid, reason)
    return "OK"


async def alter(runtime: Runtime, params: Given) -> str:
    """Changes the events of sessions and tells their clients."""
    added = bare_event(runtime, params)
    is_partial = False
    for session in _sessions(runtime, params):
        runs = tuple(msgspec.structs.replace(run, event={**run.event, **added.event}) for run in session.runs)
        changed = msgspec.structs.replace(session, event={**session.event, **added.event}, runs=runs)
        runtime.state.put_session(changed)
        client = runtime.clients.of_session(session.client, session.peer)
        if client is None:
            is_partial = is_partial or session.client > 0
            continue
        told = {
            "Tenant": session.tenant,
            "ID": added.event_id,
            "Time": None,
            "Event": changed.event,
            "APIOpts": added.options,
        }
        try:
            await client.call("SessionSv1.AlterSession", told, runtime.settings.general.reply_timeout)
        except ClientError:
            is_partial = True
    if is_partial:
        raise ServiceError(PARTIALLY_EXECUTED)
    return "OK"


async def disconnect_peer(runtime: Runtime, params: Given) -> str:
    """Has the clients disconnect one of their peers."""
    told = {
        name: params.raw(name)
        for name in ("OriginHost", "OriginRealm", "RemoteAddr", "DisconnectCause")
        if name in params
    }
    answered = False
    for client in runtime.clients:
        try:
            await client.call("SessionSv1.DisconnectPeer", told, runtime.settings.general.reply_timeout)
            answered = True
        except ClientError:
            continue
    if not answered:
        raise ServiceError(PARTIALLY_EXECUTED)
    return "OK"


async def sync(runtime: Runtime, params: Given) -> str:
    """Compares active sessions with what clients say, now."""
    await runtime.timers.sync()
    return "OK"


def activate(runtime: Runtime, params: Given) -> str:
    """Charges passive sessions again, all of them where none is named."""
    return _moved(params, runtime.state.passive, runtime.timers.activate)


def deactivate(runtime: Runtime, params: Given) -> str:
    """Keeps active sessions without charging them, all of them where none is named."""
    return _moved(params, runtime.state.sessions, runtime.timers.deactivate)


def set_passive(runtime: Runtime, params: Given) -> str:
    """Keeps a session of another engine without charging it; what it was charged there is not taken over."""
    params.require("CGRID")
    event = {**params.mapping("EventStart"), "CGRID": params.text("CGRID")}
    tenant = params.text("Tenant") or runtime.tenant
    told = [dict(one.mapping("Event")) for one in params.rows("SRuns")] or [event]
    runs = tuple(
        runtime.sessions.open_run(tenant, values.text(one.get("RunID")) or "*default", one, 0) for one in told
    )
    runtime.state.set_passive(
        Session(
            params.text("CGRID"),
            tenant,
            event,
            dict(params.mapping("OptsStart")),
            runs,
            params.duration("DebitInterval"),
            updated_ns=runtime.wall_ns(),
        )
    )
    return "OK"


def _moved(params: Given, sessions: dict[str, Session], move: Any) -> str:
    names = params.texts("IDs") or tuple(sessions)
    known = [sessions[name] for name in names if name in sessions]
    for session in known:
        move(session)
    if len(known) < len(names):
        raise ServiceError(PARTIALLY_EXECUTED)
    return "OK"


def backup(runtime: Runtime, params: Given) -> int:
    """How many sessions there are: with a data folder each is on disk before its answer leaves."""
    return len(runtime.state.sessions)


def register_connection(runtime: Runtime, params: Given) -> str:
    """Connections of both directions are known by themselves."""
    return "OK"
