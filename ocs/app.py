"""The composition root: builds store, service, agents and RPC, runs them, and stops them in the right order.

Stopping: listeners close, requests under way are answered, peers get a DPR, then the store is made durable and
closed. A second signal ends the program at once; nothing acknowledged is lost by that either.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

from ocs import __version__
from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.listening import ListenError
from ocs.agents.diameter.states import ClientStates
from ocs.agents.radius.agent import RadiusAgent
from ocs.agents.radius.loading import LoadError
from ocs.cgrates.agents.properties import RadiusProperties
from ocs.cgrates.callbacks import FrontClients
from ocs.cgrates.config import ConfigError
from ocs.cgrates.journal import JournalError
from ocs.charging.metering import Metering
from ocs.charging.scheduler import Scheduler
from ocs.charging.service import ChargingService
from ocs.charging.store import StoreError
from ocs.charging.store.shared import SharedStore
from ocs.charging.store.sqlite import SqliteStore
from ocs.config.settings import Settings
from ocs.config.shipped import shipped_dictionaries
from ocs.exact import profiles as exact_profiles
from ocs.exact import shared as exact_shared
from ocs.exact.accounting import CLIENT
from ocs.exact.agents import VoiceAgents
from ocs.exact.door import SurroundedDoor
from ocs.exact.radius import RadiusDoor
from ocs.exact.sessions import ExactRuntime
from ocs.exact.shared import SharedRuntime
from ocs.log import set_level
from ocs.metrics import Metrics
from ocs.nodes import Alone, Nodes
from ocs.policy import charging_policy, service_limits
from ocs.reload import Reloader
from ocs.rpc.activity import Activity
from ocs.rpc.keys import KeysError
from ocs.rpc.methods.cgrates import on_exact
from ocs.rpc.methods.cgrates.exact_accounts import ExactAccounts
from ocs.rpc.methods.ocs_v1 import all as ocs_v1
from ocs.rpc.registry import Registry
from ocs.rpc.server import RpcServer
from ocs.service_manager import ServiceManager
from ocs.start import OpenStore, StartError, load_catalogue, load_templates, only_one_server, open_store, seed
from ocs.tariffs import Tariffs

log = structlog.get_logger()

CONFIG_ERROR = 2
STORE_ERROR = 3
GC_THRESHOLDS = (
    50_000,
    20,
    100,
)  # accounts and sessions live long; looking through them often is for nothing


def run(settings: Settings, data_dir: Path, path: Path) -> int:
    """Serve until SIGTERM or SIGINT; the exit status of `ocs serve`. The settings are read again from `path`."""
    if settings.charging.rounding == "cgrates":
        from ocs.cgrates import served

        return served.run(settings, data_dir)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings, data_dir, path))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return CONFIG_ERROR
    except StoreError as error:
        log.error("store.failed", error=str(error))
        return STORE_ERROR
    return 0


async def serve(settings: Settings, data_dir: Path, path: Path) -> None:
    """Everything from the first file read to the last connection closed."""
    tariffs = Tariffs(settings, data_dir)
    templates = load_templates(settings)
    metrics = Metrics()
    stop = _stop_on_signals()
    with only_one_server(data_dir):
        loaded = [load_catalogue(tariffs)]  # not kept here: it is large, and may be replaced
        store = await open_store(settings, data_dir, metrics)
        try:
            policy, limits = charging_policy(settings), service_limits(settings)
            service = ChargingService(store, loaded.pop(), policy, metrics, limits)
            service.loads_at_once = isinstance(store, SqliteStore)
            service.is_shared = settings.store.kind == "redis"
            await seed(service, templates, stop)
            await _serve_until(stop, settings, service, metrics, store, tariffs, data_dir, path)
        finally:
            await store.close()
    log.info("server.stopped")


async def _serve_until(
    stop: asyncio.Event,
    settings: Settings,
    service: ChargingService,
    metrics: Metrics,
    store: OpenStore,
    tariffs: Tariffs,
    data_dir: Path,
    path: Path,
) -> None:
    activity = Activity()
    service.watch = activity.answered
    scheduler = Scheduler(service)
    sessions = _sessions(settings, service, store, data_dir)
    nodes = _nodes(service, store, scheduler, sessions)
    door = _diameter_door(settings, service, sessions)
    states = ClientStates(None if settings.store.kind == "memory" else data_dir / "origin_states.jsonl")
    agent = DiameterAgent(settings, door or service, metrics, store.born_s, states)
    service.session_control = {"diameter": agent, **service.session_control}  # the first: it has no bounds
    metrics.exports = sessions.exported
    voice = _voice(settings, service, metrics, sessions)
    freeswitch, kamailio = voice.freeswitch, voice.kamailio
    radius_door = RadiusDoor(service, sessions, settings.radius) if settings.radius.subsystems else None
    radius = _radius(settings, service, sessions, metrics, radius_door)
    rpc = _rpc(settings, service, metrics, activity, agent, radius, data_dir, sessions)
    sessions.use_clients(voice.beside(FrontClients(rpc.clients)))
    rpc.context.tariffs = tariffs
    manager = ServiceManager()
    rpc.context.reloader = _reloader(path, settings, service, agent, manager, sessions)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        await nodes.start()
        await sessions.start()
        await voice.take_over()
        for part in (rpc, agent, freeswitch, kamailio, radius):
            await part.start()
        async with asyncio.TaskGroup() as tasks:
            works = [service.run(), scheduler.run(), Metering(service).run(), manager.run(), nodes.run()]
            works += [each.run() for each in (door, radius_door) if each is not None]
            running = [tasks.create_task(work) for work in works]
            log.info("server.ready", version=__version__, **_addresses(agent, rpc))
            manager.ready()
            await stop.wait()
            manager.stopping()
            log.info("server.stopping", in_flight=service.in_flight, sessions=len(service.supervision))
            for task in running:
                task.cancel()
    except (OSError, ListenError) as error:
        raise StartError(f"cannot listen: {error}") from error
    finally:
        await radius.drain()
        await kamailio.drain()
        await freeswitch.drain()
        await agent.drain()
        await nodes.stop()
        await scheduler.stop()
        await sessions.stop()
        await service.drained()
        await rpc.stop()


def _reloader(
    path: Path,
    settings: Settings,
    service: ChargingService,
    agent: DiameterAgent,
    manager: ServiceManager,
    sessions: ExactRuntime,
) -> Reloader:
    """Reads the settings again on SIGHUP and when asked to."""

    def charging(changed: Settings) -> None:
        service.swap(service.catalogue, charging_policy(changed))

    def logging(changed: Settings) -> None:
        set_level(changed.log)

    def profiles(changed: Settings, is_dry_run: bool) -> list[str]:
        folder = changed.sessions.profiles
        if folder is None:
            return []
        forget = sessions.surroundings.forget
        problems = exact_profiles.reload(sessions.state, Path(folder), forget, is_dry_run=is_dry_run)
        if not (problems or is_dry_run):
            sessions.spawn(sessions.durable())
        return [str(problem) for problem in problems]

    reloader = Reloader(path, settings, (agent.reconfigure, charging, logging), profiles)

    def hung_up() -> None:
        manager.reloading()
        reloader.on_signal()
        manager.ready()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
    return reloader


def _nodes(
    service: ChargingService, store: OpenStore, scheduler: Scheduler, sessions: ExactRuntime
) -> Nodes | Alone:
    """The other servers, where the store is one that several share."""
    if not isinstance(sessions, SharedRuntime):
        return Alone()
    nodes = Nodes(service, cast(SharedStore, store), scheduler.plan, scheduler.look_again)
    nodes.on_recorded, nodes.catch_up = sessions.hear, sessions.catch_up
    return nodes


def _rpc(
    settings: Settings,
    service: ChargingService,
    metrics: Metrics,
    activity: Activity,
    agent: DiameterAgent,
    radius: RadiusAgent,
    data_dir: Path,
    sessions: ExactRuntime,
) -> RpcServer:
    registry = Registry()
    ocs_v1.register(registry)
    on_exact.register(registry, sessions, sessions)
    ExactAccounts(sessions.exact, settings.sessions.default_tenant).register(registry)
    try:
        return RpcServer(
            service,
            settings,
            metrics,
            activity,
            peers=lambda: [*agent.peers(), *radius.peers()],
            refused=agent.refused,
            data_dir=data_dir,
            registry=registry,
        )
    except KeysError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"rpc.certificate: {settings.rpc.certificate} cannot be used: {error}") from error


def _sessions(settings: Settings, service: ChargingService, store: OpenStore, data_dir: Path) -> ExactRuntime:
    try:
        kept = settings.sessions, settings.records, settings.actions, data_dir
        sessions = (
            SharedRuntime(service, cast(exact_shared.Store, store), settings.identity.origin_host, *kept)
            if service.is_shared
            else ExactRuntime(service, store, *kept)
        )
    except JournalError as error:
        raise StoreError(f"sessions and records: {error}") from error
    except ConfigError as error:
        raise StartError(f"records: {error}") from error
    if settings.sessions.profiles is not None:
        folder = Path(settings.sessions.profiles)
        problems = exact_profiles.load(sessions.state, folder, sessions.surroundings.forget)
        if problems:
            raise StartError("\n".join(map(str, problems)))
    service.session_control[CLIENT] = sessions
    return sessions


def _diameter_door(
    settings: Settings, service: ChargingService, sessions: ExactRuntime
) -> SurroundedDoor | None:
    """What profiles put in front of the core; None where the section names none."""
    subsystems = settings.diameter.subsystems
    return SurroundedDoor(service, sessions, subsystems) if subsystems else None


def _voice(
    settings: Settings, service: ChargingService, metrics: Metrics, sessions: ExactRuntime
) -> VoiceAgents:
    try:
        agents = VoiceAgents(sessions, service, settings.freeswitch, settings.kamailio, metrics)
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"freeswitch.switches: the password cannot be read: {error}") from error
    if settings.freeswitch.switches:
        service.session_control["freeswitch"] = agents.freeswitch
    service.session_control["kamailio"] = agents.kamailio
    return agents


def _radius(
    settings: Settings,
    service: ChargingService,
    sessions: ExactRuntime,
    metrics: Metrics,
    door: RadiusDoor | None,
) -> RadiusAgent:
    try:
        properties = RadiusProperties(sessions)
        shipped = shipped_dictionaries("radius")
        agent = RadiusAgent(settings.radius, service, properties, metrics, shipped, door)
    except LoadError as error:
        raise StartError(str(error)) from error
    service.session_control["radius"] = agent
    return agent


def _addresses(agent: DiameterAgent, rpc: RpcServer) -> dict[str, object]:
    return {"diameter": agent.addresses(), **rpc.addresses}


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, loop, stop, number)
    return stop


def _stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, number: signal.Signals) -> None:
    """The first signal drains; the next one of its kind has its default effect."""
    stop.set()
    loop.remove_signal_handler(number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
