"""What an operator would look at before a server goes live: the machine, the folder, ports, files, neighbours.

Nothing is changed but a file that is written and removed in the data folder; ports are opened and closed at once.
"""

import asyncio
import ctypes
import errno
import fcntl
import importlib.util
import os
import resource
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from ocs import __version__
from ocs.certificate import CertificateError, expires_at
from ocs.config.settings import Settings

Verdict = Literal["ok", "warn", "fail"]

FREE_FAIL_OCTETS, FREE_WARN_OCTETS = 100 << 20, 1 << 30
SYNCS = 20
SLOW_SYNC_S = 0.02
EXPIRY_WARN_S = 30 * 86_400
REACH_S = 2.0
SPARE_FILES = 200  # beside connections
UNSYNCHRONIZED = 0x0040  # STA_UNSYNC of adjtimex(2)
SCTP = 132


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at; `advice` says what to do where it is not well."""

    verdict: Verdict
    about: str
    found: str
    advice: str = ""


def examine(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """Look at everything the settings ask for, one finding after the other."""
    yield _program()
    yield from _folder(data_dir)
    is_running = _is_running(data_dir)
    yield from _ports(settings, is_running=is_running)
    yield _clock()
    yield _files(settings)
    yield from _certificates(settings)
    yield from _secrets(settings)
    yield from _neighbours(settings)


def _program() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    engine = importlib.util.find_spec("ocs.charging.engine")
    is_compiled = engine is not None and not str(engine.origin).endswith(".py")
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    found = f"ocs {__version__}, Python {python}, {'compiled' if is_compiled else 'not compiled'}"
    if is_compiled and has_uvloop:
        return Finding("ok", "program", f"{found}, uvloop")
    advice = "make install compiles it" if has_uvloop else "install ocs[fast]"
    return Finding(
        "warn", "program", found if has_uvloop else f"{found}, without uvloop", f"for speed: {advice}"
    )


# --- the data folder


def _folder(data_dir: Path) -> Iterator[Finding]:
    about = f"data folder {data_dir}"
    if not data_dir.is_dir():
        parent = next((each for each in data_dir.absolute().parents if each.exists()), Path("/"))
        if parent.is_dir() and os.access(parent, os.W_OK):
            yield Finding("ok", about, "is made at the first start")
        else:
            yield Finding(
                "fail", about, f"cannot be made: {parent} is not writable", "make it for the server's user"
            )
        return
    probe = data_dir / f".doctor-{os.getpid()}"
    try:
        took_s = _sync_time(probe)
    except OSError as error:
        yield Finding(
            "fail", about, f"cannot be written to: {error.strerror}", "give it to the server's user"
        )
        return
    finally:
        probe.unlink(missing_ok=True)
    found = f"a forced write takes {took_s * 1e3:.1f} ms"
    if took_s > SLOW_SYNC_S:
        yield Finding(
            "warn",
            about,
            found,
            "answers wait for the disk: use one that is quicker, or has a cache of its own",
        )
    else:
        yield Finding("ok", about, found)
    free = _free_octets(data_dir)
    said = f"{free / (1 << 30):.1f} GiB free"
    if free < FREE_WARN_OCTETS:
        yield Finding(
            "fail" if free < FREE_FAIL_OCTETS else "warn",
            about,
            said,
            "make room: without any, nothing is charged",
        )
    else:
        yield Finding("ok", about, said)


def _free_octets(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _sync_time(probe: Path) -> float:
    """The median of forced writes, in seconds."""
    took = []
    with probe.open("wb") as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(b"\0" * 4_096)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[len(took) // 2]


def _is_running(data_dir: Path) -> bool:
    try:
        with (data_dir / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


# --- ports


def _ports(settings: Settings, *, is_running: bool) -> Iterator[Finding]:
    for name, kind, address, port in _listeners(settings):
        about = f"{name} {address}:{port}"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(
                family,
                socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM,
                SCTP if kind == "sctp" else 0,
            ) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind != "udp"))
                probe.bind((address, port))
        except OSError as error:
            yield _taken(about, kind, error, is_running=is_running)
        else:
            yield Finding("ok", about, "is free")


def _taken(about: str, kind: str, error: OSError, *, is_running: bool) -> Finding:
    match error.errno:
        case errno.EADDRINUSE if is_running:
            return Finding("ok", about, "in use, and a server runs on this data folder")
        case errno.EADDRINUSE:
            return Finding("fail", about, "in use by another program", "ss -ltnup says by which")
        case errno.EADDRNOTAVAIL:
            return Finding("fail", about, "is no address of this machine", "name one that is, or 0.0.0.0")
        case errno.EACCES:
            return Finding(
                "fail",
                about,
                "may not be opened by this user",
                "use a port from 1024 up, or CAP_NET_BIND_SERVICE",
            )
        case errno.EPROTONOSUPPORT if kind == "sctp":
            return Finding("fail", about, "this kernel has no SCTP", "modprobe sctp")
    return Finding("fail", about, str(error.strerror))


def _listeners(settings: Settings) -> Iterator[tuple[str, str, str, int]]:
    """Name, transport, address and port of all that the server opens."""
    for listener in settings.diameter.listen:
        kind = "sctp" if listener.transport == "sctp" else "tcp"
        yield f"diameter {listener.transport}", kind, listener.address, listener.port
    for name in ("jsonrpc", "bidirectional", "http", "jsonrpc_tls", "bidirectional_tls", "http_tls"):
        endpoint = getattr(settings.rpc, name)
        if endpoint is not None:
            yield f"rpc.{name}", "tcp", endpoint.address, endpoint.port
    if settings.radius.clients:
        for each in settings.radius.listen:
            for name, endpoint in (("authentication", each.authentication), ("accounting", each.accounting)):
                if endpoint is not None:
                    yield f"radius {name}", "udp", endpoint.address, endpoint.port


# --- the machine


def _clock() -> Finding:
    """Whether something keeps the clock right: prices and validities go by it."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    status = _clock_status()
    if status is None:
        return Finding("ok", "clock", f"{now}; this system does not say whether it is kept right")
    if status & UNSYNCHRONIZED:
        return Finding(
            "warn",
            "clock",
            f"{now}, not synchronized",
            "run chrony or systemd-timesyncd: prices go by the clock",
        )
    return Finding("ok", "clock", f"{now}, synchronized")


def _clock_status() -> int | None:
    """The status of adjtimex(2), which is only read; None where there is none."""
    words = (ctypes.c_long * 32)()  # modes, offset, freq, maxerror, esterror, status ...
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(words))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else ctypes.c_int(words[5]).value


def _most_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _files(settings: Settings) -> Finding:
    allowed = _most_files()
    wanted = settings.diameter.limits.connections + settings.rpc.connections + SPARE_FILES
    found = (
        f"{'any number' if allowed == resource.RLIM_INFINITY else allowed} allowed, {wanted} may be needed"
    )
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        return Finding(
            "warn", "open files", found, "LimitNOFILE= of the service, or fewer connections in ocs.yaml"
        )
    return Finding("ok", "open files", found)


# --- files that the settings name


def _certificates(settings: Settings) -> Iterator[Finding]:
    named = [settings.rpc.certificate, *(each.certificate for each in settings.diameter.listen)]
    for path in dict.fromkeys(each for each in named if each is not None):
        try:
            ends_s = expires_at(Path(path).read_text("ascii"))
        except (OSError, UnicodeDecodeError, CertificateError) as error:
            yield Finding("fail", f"certificate {path}", f"cannot be read: {error}")
            continue
        left_s = ends_s - time.time()
        found = f"ends {time.strftime('%Y-%m-%d', time.gmtime(ends_s))}"
        verdict: Verdict = "fail" if left_s < 0 else "warn" if left_s < EXPIRY_WARN_S else "ok"
        yield Finding(verdict, f"certificate {path}", found, "" if verdict == "ok" else "renew it")


def _secrets(settings: Settings) -> Iterator[Finding]:
    named = [
        settings.rpc.key,
        *(each.key for each in settings.diameter.listen),
        *(each.password_file for each in settings.freeswitch.switches),
        *(each.secret_file for each in settings.radius.clients),
        settings.store.redis.password_file,
    ]
    for path in dict.fromkeys(each for each in named if each is not None):
        mode = Path(path).stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding(
                "warn", f"secret {path}", f"others may read it (mode {mode:o})", f"chmod 600 {path}"
            )
        else:
            yield Finding("ok", f"secret {path}", "is for its owner alone")


# --- who the server connects to


def _neighbours(settings: Settings) -> Iterator[Finding]:
    for switch in settings.freeswitch.switches:
        yield _reached(f"FreeSWITCH {switch.host}:{switch.port}", switch.host, switch.port)
    for proxy in settings.kamailio.connections:
        yield _reached(f"Kamailio {proxy.host}:{proxy.port}", proxy.host, proxy.port)
    if settings.store.kind == "redis":
        yield from _redis(settings)


def _reached(about: str, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), REACH_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding("warn", about, f"cannot be reached: {reason}", "the server tries again and again")
    return Finding("ok", about, "can be reached")


def _redis(settings: Settings) -> Iterator[Finding]:
    from ocs.charging.store import StoreError
    from ocs.charging.store.redis.server import Servers

    store = settings.store.redis
    about = f"Redis {store.url}"
    try:
        version, problems = asyncio.run(Servers(store).examine())
    except StoreError as error:
        yield Finding("fail", about, str(error), "without it nothing is charged")
        return
    yield Finding("ok", about, f"version {version}")
    verdict: Verdict = "fail" if store.durability == "required" else "warn"
    for each in problems:
        yield Finding(verdict, about, each, "or what was answered can be lost")
