"""`CoreSv1`, `ServiceManagerV1` and `GuardianSv1`: the server itself, its parts, and named locks."""

import asyncio
import cProfile
import os
import platform
import resource
import threading
from pathlib import Path
from typing import Any

from ocs import __version__
from ocs.cgrates.objects.errors import missing, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import duration, moment
from ocs.cgrates.runtime import Runtime
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.table import OK, Table
from ocs.rpc.registry import Role

TABLE = Table()
LONGEST_SLEEP_S = 600.0
PAGE = 4096


@TABLE.method("CoreSv1.Status", "APIerSv1.Status", role=Role.READ)
def status(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Tells how the server does: process, memory, threads, since when it runs."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    resident = _resident_octets()
    found: dict[str, Any] = {
        "pid": os.getpid(),
        "go_version": f"python{platform.python_version()}",
        "node_id": runtime.settings.general.node_id,
        "version": f"ocs@v{__version__}",
        "goroutines": len(asyncio.all_tasks()),
        "os_threads_in_use": threading.active_count(),
        "running_since": moment(runtime.started_at_ns),
        "resident_memory": _size(resident),
        "active_memory": _size(resident),
        "system_memory": _size(usage.ru_maxrss * 1024),
        "open_files": _open_files(),
        "cpu_time": duration(int((usage.ru_utime + usage.ru_stime) * 1e9)),
    }
    if runtime.settings.cores.caps:
        found["caps_allocated"], peak = runtime.under_way()
        if runtime.settings.cores.caps_stats_interval:
            found["caps_peak"] = peak
    if given.flag("Debug"):
        found["accounts"], found["active_sessions"] = len(runtime.state.accounts), len(runtime.state.sessions)
    return found


def _resident_octets() -> int:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def _size(octets: int) -> str:
    return f"{octets / (1 << 20):.1f}MiB"


@TABLE.method("CoreSv1.Sleep", "SessionSv1.Sleep", "CDRsV1.Sleep", role=Role.READ)
async def sleep(runtime: Runtime, given: Given) -> str:
    """Answers after a while."""
    length_s = given.duration("Duration") / 1e9
    if not 0 <= length_s <= LONGEST_SLEEP_S:
        raise server_error(f"Duration: 0 to {LONGEST_SLEEP_S:.0f} s")
    await asyncio.sleep(length_s)
    return OK


class _Profiling:
    """The profile under way, one per process."""

    def __init__(self) -> None:
        self.profile: cProfile.Profile | None = None
        self.path = Path()


_PROFILING = _Profiling()


@TABLE.method("CoreSv1.StartCPUProfiling", role=Role.ADMINISTER)
def start_profiling(runtime: Runtime, given: Given) -> str:
    """Starts to record which functions take time (Python's profile, not Go's)."""
    if not given.text("DirPath"):
        raise missing("DirPath")
    if _PROFILING.profile is not None:
        raise RpcError("start CPU profiling: already started")
    folder = Path(given.text("DirPath"))
    if not folder.is_dir():
        raise RpcError(f"could not create CPU profile: open {folder / 'cpu.prof'}: no such file or directory")
    _PROFILING.path, _PROFILING.profile = folder / "cpu.prof", cProfile.Profile()
    _PROFILING.profile.enable()
    return OK


@TABLE.method("CoreSv1.StopCPUProfiling", role=Role.ADMINISTER)
async def stop_profiling(runtime: Runtime, given: Given) -> str:
    """Writes what was recorded to `cpu.prof`."""
    profile, _PROFILING.profile = _PROFILING.profile, None
    if profile is None:
        raise RpcError("stop CPU profiling: not started yet")
    profile.disable()
    try:
        await asyncio.to_thread(profile.dump_stats, str(_PROFILING.path))
    except OSError as error:
        raise server_error(error) from None
    return OK


# --- parts of the server


PARTS = {
    "*attributes": "attributes",
    "*cdrs": "cdrs",
    "*chargers": "chargers",
    "*rals": "rals",
    "*resources": "resources",
    "*routes": "routes",
    "*scheduler": "schedulers",
    "*sessions": "sessions",
    "*stats": "stats",
    "*thresholds": "thresholds",
    "*apiers": "apiers",
    "*ips": "ips",
    "*trends": "trends",
    "*rankings": "rankings",
}


@TABLE.method("ServiceManagerV1.ServiceStatus", role=Role.READ)
def service_status(runtime: Runtime, given: Given) -> str:
    """Says whether a part of the server is switched on."""
    section = PARTS.get(given.text("ServiceID"))
    if section is None:
        raise server_error("UNSUPPORTED_SERVICE_ID")
    return "RUNNING" if getattr(runtime.settings, section).enabled else "STOPPED"


@TABLE.method("ServiceManagerV1.StartService", "ServiceManagerV1.StopService", role=Role.ADMINISTER)
def switch_service(runtime: Runtime, given: Given) -> str:
    """Refuses: parts are switched on and off in the configuration."""
    raise RpcError("NOT_IMPLEMENTED")


# --- named locks


@TABLE.method("GuardianSv1.RemoteLock", role=Role.ADMINISTER)
async def remote_lock(runtime: Runtime, given: Given) -> str:
    """Takes named locks, waiting for them; the reference that frees them again."""
    given.require("LockIDs")
    reference = given.text("ReferenceID") or runtime.new_id()
    await runtime.locks.take(reference, given.texts("LockIDs"), given.duration("Timeout") / 1e9)
    return reference


@TABLE.method("GuardianSv1.RemoteUnlock", role=Role.ADMINISTER)
async def remote_unlock(runtime: Runtime, given: Given) -> list[str]:
    """Frees the locks of a reference; their names."""
    given.require("RefID")
    return list(await runtime.locks.free(given.text("RefID")))
