"""`ocs cgrates` from the first file read to the last connection closed."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from ocs.cgrates import config
from ocs.cgrates.callbacks import FrontClients
from ocs.cgrates.journal import Journal, JournalError, NoJournal, SqliteJournal
from ocs.cgrates.listening import Access, StartError, http_paths, key_file, key_gate, listeners, server_tls
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.state import State
from ocs.cgrates.unread import Unsupported
from ocs.config.settings import LogSettings
from ocs.log import configure
from ocs.rpc.capacity import Capacity
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.front import FrontDoor
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.methods.cgrates import BIDIRECTIONAL, CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from ocs.rpc.tcp import TcpLimits
from ocs.sessions.clients import Clients

if TYPE_CHECKING:
    from aiohttp.web import RouteDef

    from ocs.cgrates.agents.voice import VoiceAgents

log = structlog.get_logger()

CONFIG_ERROR = 2
STORE_ERROR = 3
MESSAGE_OCTETS = 16 << 20
FINISH_S = 0.05  # a successor starts right after the signal
GC_THRESHOLDS = (50_000, 20, 100)
FILE = "cgrates.db"
STDOUT = "*stdout"
QUEUE = "*queue"
AGENT_SECTIONS = ("freeswitch_agent", "kamailio_agent", "radius_agent", "diameter_agent")


Prepare = Callable[[Runtime], Awaitable[None]]


class Network(Protocol):
    """Network elements that are charged by the pipeline."""

    def beside(self, others: Clients) -> Clients:
        """All who can be asked about their sessions."""

    async def start(self) -> None:
        """Takes over what there was when the server ended, and listens."""

    async def stop(self) -> None:
        """Answers what is under way."""

    def routes(self) -> "list[RouteDef]":
        """What they show over HTTP."""


MakeNetwork = Callable[[Runtime], Network]


def run(folder: Path, data_dir: Path | None, *, unencrypted: bool = False, logger: str = "") -> int:
    """Serves until SIGTERM or SIGINT; the exit status. `unencrypted` lets the network in without TLS.

    `logger` says where lines go instead of where the configuration says.
    """
    unsupported: list[Unsupported] = []

    def read() -> config.Settings:
        settings, found = config.load(folder)
        unsupported.extend(found)
        stdout = (logger or settings.general.logger) == STDOUT
        configure(LogSettings(level=config.log_level(settings)), sys.stdout if stdout else sys.stderr)
        return settings

    async def tell(runtime: Runtime) -> None:
        if unsupported:
            log.warning("config.keys_without_effect", keys={each.key: each.meaning for each in unsupported})

    return run_with(read, data_dir, tell, unencrypted=unencrypted)


def run_with(
    read: Callable[[], config.Settings],
    data_dir: Path | None,
    prepare: Prepare,
    *,
    unencrypted: bool = False,
    make_network: MakeNetwork | None = None,
) -> int:
    """Serves by settings read from anywhere; `prepare` is done before the ports open."""
    try:
        settings = read()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            work = serve(settings, data_dir, prepare, unencrypted=unencrypted, make_network=make_network)
            return runner.run(work)
    except (config.ConfigError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return CONFIG_ERROR
    except JournalError as error:
        sys.stderr.write(f"{error}\n")
        return STORE_ERROR


async def serve(
    settings: config.Settings,
    data_dir: Path | None,
    prepare: Prepare,
    *,
    unencrypted: bool = False,
    make_network: MakeNetwork | None = None,
) -> int:
    """Listens, answers, and stops in order."""
    stop = _stop_on_signals()
    state = State(_journal(settings, data_dir), stop.set)
    records = await asyncio.to_thread(state.load)
    runtime = Runtime(settings, state)
    runtime.methods = methods_of(CGRATES, runtime)
    network = None if make_network is None else make_network(runtime)
    limits = EnvelopeLimits(message_octets=MESSAGE_OCTETS, objects=1_000_000)
    caps = capacity(settings)
    runtime.under_way = lambda: (caps.running, caps.peak)
    keys = key_file(data_dir)
    gate = key_gate(data_dir, keys, unencrypted=unencrypted)
    front = FrontDoor(
        Dispatcher(CGRATES, runtime, limits, gate, caps),
        listeners(settings, Access(bool(keys), unencrypted)),
        lambda: [*_routes(runtime), *(network.routes() if network is not None else [])],
        TcpLimits(in_flight=1_000),
        server_tls(settings),
        http_paths(settings),
        both_ways=Dispatcher(BIDIRECTIONAL, runtime, limits, gate, caps),
    )
    agents = _agents(runtime, unencrypted, caps)
    clients = FrontClients(front.clients)
    others = clients if agents is None else agents.beside(clients)
    runtime.use_clients(others if network is None else network.beside(others))
    await runtime.start()
    try:
        await prepare(runtime)
        await _open(front)
        for part in (agents, network):
            if part is not None:
                await _start(part)
        log.info("server.ready", records=records, **front.addresses)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()
        await stop.wait()
    finally:
        await front.close()
        for part in (network, agents):
            if part is not None:
                await part.stop()
        await runtime.stop(FINISH_S)
        await front.end()
        log.info("server.stopped")
    return STORE_ERROR if state.failure is not None else 0


def capacity(settings: config.Settings) -> Capacity:
    """How many requests may be under way at once: `cores.caps`, where it is more than 0."""
    told = settings.cores
    return Capacity(told.caps, queues=told.caps_strategy == QUEUE) if told.caps > 0 else Capacity()


def _routes(runtime: Runtime) -> "Sequence[RouteDef]":
    from ocs.cgrates.agents.http import HttpAgent
    from ocs.cgrates.agents.http_records import HttpRecords
    from ocs.cgrates.agents.http_section import plans_of
    from ocs.rpc import reference

    settings = runtime.settings
    records = HttpRecords(runtime).routes(settings.http.freeswitch_cdrs_url)
    plans = plans_of(settings.http_agent, settings.raw.get("templates"))
    agents = [route for plan in plans for route in HttpAgent(runtime, plan).routes()]
    return [*reference.routes(CGRATES, is_alone=True), *records, *agents]


def _agents(runtime: Runtime, unencrypted: bool, caps: Capacity) -> "VoiceAgents | None":
    """The switch agents; what they need is not imported where the configuration has none."""
    if not any(runtime.settings.raw.get(section) for section in AGENT_SECTIONS):
        return None
    from ocs.cgrates.agents.sections import SectionError
    from ocs.cgrates.agents.voice import VoiceAgents

    try:
        return VoiceAgents(runtime, unencrypted=unencrypted, caps=caps)
    except SectionError as error:
        raise StartError(f"configuration: {error}") from error


async def _start(agents: "VoiceAgents | Network") -> None:
    try:
        await agents.start()
    except OSError as error:
        raise StartError(f"cannot listen: {error}") from error


async def _open(front: FrontDoor) -> None:
    try:
        await front.start()
    except OSError as error:
        raise StartError(f"cannot listen: {error}") from error


def _journal(settings: config.Settings, data_dir: Path | None) -> Journal:
    """The file in the data folder; without a folder nothing is kept, and the log says so."""
    folder = data_dir
    dump = settings.data_db.opts.get("internalDBDumpPath")
    if folder is None and isinstance(dump, str) and dump:
        folder = Path(dump)
    if folder is None:
        log.warning("state.not_kept", remedy="start with -data_dir DIR to keep accounts over a restart")
        return NoJournal()
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{folder}: cannot be used as the data folder: {error.strerror}") from error
    return SqliteJournal(folder / FILE)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
