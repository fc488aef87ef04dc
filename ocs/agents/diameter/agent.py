"""The Diameter agent: listeners, peers, requests of the server, and the end of it all in order."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Protocol

import msgspec
import structlog

from ocs.agents.diameter.admission import AdmissionRules, RefusedPeer
from ocs.agents.diameter.control import (
    RecordingIdentifiers,
    abort_session_request,
    control_result,
    re_auth_request,
)
from ocs.agents.diameter.listening import Listening, listen
from ocs.agents.diameter.mapping.answer import AnswerWriter
from ocs.agents.diameter.mapping.credit_control import Client, note_state
from ocs.agents.diameter.mapping.options import gy_options
from ocs.agents.diameter.mapping.overload import Overload
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.agents.diameter.mapping.request import GyReader
from ocs.agents.diameter.metrics import DiameterMetrics
from ocs.agents.diameter.peer import PeerProtocol, PendingAnswer
from ocs.agents.diameter.states import ClientStates
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.events import ChargingAnswer, ChargingEvent
from ocs.config.settings import SECOND, Settings
from ocs.diameter.capabilities import Admission, LocalCapabilities, PeerCapabilities
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, Command, DisconnectCause
from ocs.diameter.connection import Connection, Refuse
from ocs.diameter.limits import Limits, Timers
from ocs.diameter.message import Message

log = structlog.get_logger()

NAME = "diameter"
REQUESTS_AT_ONCE = 64  # of this node, over all peers
PATHS_TRIED = 2
REPORT_WAIT_S = 10.0  # from a RAA of 2002 to the report it announces
MOST_PROMISES = 100_000
JITTER_NS = 2 * SECOND  # of the watchdog (RFC 3539 3.4.1)
RESTART_S = 60.0
WATCH_GRACE_S = 1.0


class ChargingDoor(Protocol):
    """What the agent needs of the charging service."""

    def submit(self, event: ChargingEvent, deliver: Callable[[ChargingAnswer], None]) -> None:
        """Charge an event; `deliver` gets the answer once."""

    async def client_restarted(self, client: str) -> int:
        """Close the sessions of a client that lost them."""
        ...


class PeerInfo(msgspec.Struct, frozen=True):
    """A connection as shown to the operator; `since_ns` is the wall clock."""

    origin_host: str
    realm: str
    address: str
    state: str
    product: str
    profile: str
    since_ns: int
    requests: int
    answers: int
    refused: int
    shed: int
    late: int
    in_flight: int
    is_suspected: bool


class DiameterAgent:
    """All Diameter peers of a server; `origin_state_id` rises only when sessions were lost."""

    def __init__(
        self,
        settings: Settings,
        service: ChargingDoor,
        metrics: DiameterMetrics,
        origin_state_id: int = 1,
        states: ClientStates | None = None,
    ) -> None:
        self.settings = settings.diameter
        self.limits = settings.diameter.limits
        self.metrics = metrics
        self.origin_host = settings.identity.origin_host
        self.origin_realm = settings.identity.origin_realm
        options = gy_options(settings)
        self.states = ClientStates() if states is None else states
        self.reader = GyReader(options, self.states.known)
        self.writer = AnswerWriter(
            self.origin_host, self.origin_realm, options.currency_code, options.currency_decimals
        )
        self.refuse: Refuse | None = self.writer.refusal
        self.overload = Overload(self.settings.overload_reduction, int(time.time()))
        self.rules = AdmissionRules(settings.diameter, metrics)
        self._service = service
        self._identity = settings.identity
        self._origin_state_id = origin_state_id
        self._identifiers = RecordingIdentifiers(int(time.time()), secrets.randbits(52))
        self._codec_limits, self._timers = _codec_limits(settings), _timers(settings)
        self._longest_answer_s = self._timers.answer_ns / SECOND + WATCH_GRACE_S
        self._servers: list[Listening] = []
        self._connections: set[PeerProtocol] = set()
        self._open: dict[str, PeerProtocol] = {}
        self._per_address: dict[str, int] = {}
        self._pace = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.report_wait_s = REPORT_WAIT_S
        self._promised: dict[tuple[str, str], asyncio.TimerHandle] = {}  # reports that RAA announced
        self._deferred: dict[str, list[PendingAnswer]] = {}  # until the lost sessions are closed

    # --- life

    async def start(self) -> None:
        """Open every listener, or none: raises ListenError."""
        loop = asyncio.get_running_loop()
        try:
            for listener in self.settings.listen:
                server = await listen(loop, listener, lambda: self.new_peer(loop))
                self._servers.append(server)
                log.info("diameter.listening", address=listener.address, transport=listener.transport)
        except BaseException:
            self.stop_listening()
            raise

    def reconfigure(self, settings: Settings) -> None:
        """Go on with other peers, profiles and contexts; a peer that would not be let in any more gets a DPR."""
        self.rules.use(settings.diameter)
        self.reader.use(gy_options(settings))
        for peer in list(self._open.values()):
            if not peer.is_welcome():
                log.info("peer.unwelcome", peer=peer.name, address=peer.address)
                peer.disconnect(DisconnectCause.DO_NOT_WANT_TO_TALK_TO_YOU)

    def new_peer(self, loop: asyncio.AbstractEventLoop) -> PeerProtocol:
        """The protocol of a transport that is about to be accepted."""
        return PeerProtocol(self, loop)

    def addresses(self) -> list[tuple[str, int]]:
        """Where the listeners are, as the system bound them."""
        found = [opened.getsockname()[:2] for server in self._servers for opened in server.sockets]
        return [(str(address), int(port)) for address, port in found]

    async def drain(self) -> None:
        """Stop in order: no new connections, answers out, DPR (cause REBOOTING), DPA, close."""
        self.stop_listening()
        await asyncio.gather(*[self._leave(peer) for peer in list(self._connections)])
        for promise in self._promised.values():
            promise.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop_listening(self) -> None:
        """Accept no more; connections go on."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _leave(self, peer: PeerProtocol) -> None:
        if peer.is_open:
            await peer.drain(self.settings.timers.drain_ns / SECOND)
        if peer.is_open:
            peer.disconnect()
            try:
                async with asyncio.timeout(
                    self.settings.timers.disconnect_answer_ns / SECOND + WATCH_GRACE_S
                ):
                    await asyncio.shield(peer.gone)
            except TimeoutError:
                log.warning("peer.silent", peer=peer.name)
        peer.abort()
        async with asyncio.timeout(WATCH_GRACE_S):
            await asyncio.shield(peer.gone)

    # --- connections

    def take(self, peer: PeerProtocol) -> bool:
        """Count a new transport in; False when a limit is reached."""
        limits, count = self.limits, self._per_address.get(peer.address, 0)
        unopened = len(self._connections) - len(self._open)
        if (
            len(self._connections) >= limits.connections
            or count >= limits.connections_per_address
            or unopened >= limits.unopened_connections
        ):
            self.metrics.peer_refused("limit")
            log.warning("connection.refused", address=peer.address, connections=len(self._connections))
            return False
        self._connections.add(peer)
        self._per_address[peer.address] = count + 1
        self._count()
        return True

    def new_connection(
        self, address: str, admit: Callable[[PeerCapabilities], Admission], is_protected: bool = False
    ) -> Connection:
        """The protocol of an accepted transport; `address` is this side's, `is_protected` says TLS."""
        return Connection(
            self.capabilities(address, is_protected),
            admit,
            self._identifiers,
            limits=self._codec_limits,
            timers=self._timers,
            jitter_ns=lambda: random.randint(-JITTER_NS, JITTER_NS),
            refuse=self.refuse,
        )

    def capabilities(self, address: str, is_protected: bool) -> LocalCapabilities:
        """What this node says of itself on a connection."""
        return LocalCapabilities(
            origin_host=self.origin_host,
            origin_realm=self.origin_realm,
            host_addresses=(address,),
            origin_state_id=self._origin_state_id,
            product_name=self._identity.product_name,
            vendor_id=self._identity.vendor_id,
            strict=self.settings.strict,
            is_protected=is_protected,
        )

    def open_peer(self, origin_host: str) -> PeerProtocol | None:
        """The connection of that identity."""
        return self._open.get(origin_host.lower())

    def opened(self, peer: PeerProtocol, capabilities: PeerCapabilities) -> None:
        """Capabilities were exchanged. An Origin-State-Id that rose says that its sessions are gone."""
        self._open[peer.name.lower()] = peer
        self._count()
        client = self.reader.client(capabilities.origin_host, capabilities.origin_realm)
        client.realm = capabilities.origin_realm
        if capabilities.origin_state_id is not None:
            self._note_state(client, capabilities.origin_state_id)

    def state_reported(self, peer: PeerProtocol, state_id: int) -> None:
        """A watchdog request says an Origin-State-Id: a raised one is as good as in a CER."""
        client = self.reader.client(peer.name, self.origin_realm)
        self._note_state(client, state_id)

    def _note_state(self, client: Client, state_id: int) -> None:
        if note_state(client, state_id):
            self._restart(client)
        self._keep_state(client)

    def _keep_state(self, client: Client) -> None:
        if client.state_id is not None:
            client.kept_id = client.state_id
            self.states.keep(client.name, client.state_id)

    def closed(self, peer: PeerProtocol) -> None:
        """The connection takes and gives nothing any more."""
        if self._open.get(peer.name.lower()) is peer:
            del self._open[peer.name.lower()]
            self._count()

    def drop(self, peer: PeerProtocol) -> None:
        """The transport is gone."""
        if peer not in self._connections:
            return
        self._connections.discard(peer)
        left = self._per_address[peer.address] - 1
        if left:
            self._per_address[peer.address] = left
        else:
            del self._per_address[peer.address]
        self.closed(peer)
        self._count()

    def _count(self) -> None:
        self.metrics.connections_open(len(self._connections), len(self._open))

    # --- requests of clients

    def submit(self, pending: PendingAnswer) -> None:
        """Hand a mapped request to the core, behind the closing of its client's lost sessions."""
        request = pending.request
        if self._promised:
            promise = self._promised.pop((request.event.client, request.event.session_id), None)
            if promise is not None:
                promise.cancel()
        if request.restarted:
            self._restart(request.client)
        if request.client.state_id != request.client.kept_id:
            self._keep_state(request.client)
        if self._deferred and request.client.name in self._deferred:
            self._deferred[request.client.name].append(pending)
        else:
            self._service.submit(request.event, pending)

    def _restart(self, client: Client) -> None:
        if client.name in self._deferred:
            return
        self._deferred[client.name] = []
        self._start(self._close_lost_sessions(client))

    async def _close_lost_sessions(self, client: Client) -> None:
        try:
            async with asyncio.timeout(RESTART_S):
                closed = await self._service.client_restarted(client.name)
            log.warning("client.restarted", client=client.name, sessions=closed)
        except Exception:
            log.exception("client.restart.failed", client=client.name)
        finally:
            for pending in self._deferred.pop(client.name):
                self._service.submit(pending.request.event, pending)

    # --- requests to clients

    async def reauthorize(self, session: SessionAddress, is_reminder: bool = False) -> ControlResult:
        """Ask for a new report by RAR."""
        client = self._client(session)
        if not self._profile(client, session).rar:
            return ControlResult.UNSUPPORTED
        parts = re_auth_request(session, self.writer.identity, client.realm)
        result = await self.ask(Command.RE_AUTH, session, parts)
        if result is ControlResult.ACCEPTED and not is_reminder:
            self._await_report(session)
        return result

    def _await_report(self, session: SessionAddress) -> None:
        """A client that promised a report (RAA 2002) and sends none is asked once more; then it is left to Tcc."""
        key = session.client, session.session_id
        if key not in self._promised and len(self._promised) < MOST_PROMISES:
            loop = asyncio.get_running_loop()
            self._promised[key] = loop.call_later(self.report_wait_s, self._remind, session)

    def _remind(self, session: SessionAddress) -> None:
        self._promised.pop((session.client, session.session_id), None)
        log.warning("session.report_missing", client=session.client, session=session.session_id)
        self._start(self._reauthorize_again(session))

    async def _reauthorize_again(self, session: SessionAddress) -> None:
        await self.reauthorize(session, is_reminder=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """End the session by ASR; `cause` goes to the log only."""
        client = self._client(session)
        if not self._profile(client, session).asr:
            return ControlResult.UNSUPPORTED
        log.info("session.aborted", client=session.client, session=session.session_id, cause=cause)
        parts = abort_session_request(session, self.writer.identity, client.realm)
        return await self.ask(Command.ABORT_SESSION, session, parts)

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Gy has no such request: clients learn of a low balance from the answers to theirs."""
        return ControlResult.UNSUPPORTED

    def _client(self, session: SessionAddress) -> Client:
        """The client with its realm; before its first message that of the peer, else this server's."""
        path = self.open_peer(session.client) or self.open_peer(session.origin)
        known = path.connection.peer if path is not None and path.connection is not None else None
        return self.reader.client(session.client, known.origin_realm if known else self.origin_realm)

    def profile_of(self, capabilities: PeerCapabilities) -> ClientProfile | None:
        """The profile of a peer with these capabilities; None: that of each client it speaks for."""
        return self.reader.options.profiles.of_peer(capabilities.origin_host, capabilities.product_name)

    def _profile(self, client: Client, session: SessionAddress) -> ClientProfile:
        """The client's own profile, else that of the peer it is heard over."""
        path = self.open_peer(session.origin)
        over = path.profile if path is not None else None
        return client.own_profile or over or self.reader.options.profiles.default

    async def ask(
        self,
        command: Command,
        session: SessionAddress,
        parts: list[bytes],
        application: int = CREDIT_CONTROL_APPLICATION,
    ) -> ControlResult:
        """Ask over the best path, and once more over another one (T set, the same End-to-End)."""
        end_to_end: int | None = None
        async with self._pace:
            for peer in self._paths(session)[:PATHS_TRIED]:
                answered = peer.ask(command, parts, end_to_end, application)
                if answered is None:
                    continue
                if end_to_end is None:
                    end_to_end = self._identifiers.last_end_to_end
                answer = await self._answer(answered)
                result = control_result(command, answer) if answer is not None else None
                if result is not None:
                    return result
        return ControlResult.NO_ANSWER

    async def _answer(self, answered: "asyncio.Future[Message | None]") -> Message | None:
        """The answer; the connection's own timer says when there is none, this one guards it."""
        try:
            async with asyncio.timeout(self._longest_answer_s):
                return await answered
        except TimeoutError:
            return None

    def _paths(self, session: SessionAddress) -> list[PeerProtocol]:
        """The peer of that name, the one the session was last heard over, then the relays."""
        named = [self.open_peer(session.client), self.open_peer(session.origin)]
        relays = [peer for peer in self._open.values() if peer.is_relay]
        found = [peer for peer in (*named, *relays) if peer is not None and peer.is_open]
        return list(dict.fromkeys(found))

    # --- for the operator

    def peers(self) -> list[PeerInfo]:
        """Every connection, those not yet open included."""
        return [_info(peer) for peer in sorted(self._connections, key=lambda peer: (peer.name, peer.address))]

    def refused(self) -> list[RefusedPeer]:
        """Peers that were not let in, the latest first, with the line of settings that would let them."""
        return self.rules.refused()


def _info(peer: PeerProtocol) -> PeerInfo:
    connection, counters = peer.connection, peer.counters
    capabilities = connection.peer if connection is not None else None
    return PeerInfo(
        origin_host=peer.name or (capabilities.origin_host if capabilities else ""),
        realm=capabilities.origin_realm if capabilities else "",
        address=peer.address,
        state=connection.state.name.lower() if connection is not None else "closed",
        product=capabilities.product_name if capabilities else "",
        profile=peer.profile.name if peer.profile is not None else "default",
        since_ns=peer.since_ns,
        requests=counters.requests,
        answers=counters.answers,
        refused=counters.refused,
        shed=counters.shed,
        late=counters.late,
        in_flight=peer.in_flight,
        is_suspected=peer.suspected,
    )


def _codec_limits(settings: Settings) -> Limits:
    limits = settings.diameter.limits
    return Limits(
        message_octets=limits.message_size_octets,
        skipped_octets=limits.skipped_size_octets,
        avps=limits.avps,
        depth=limits.depth,
    )


def _timers(settings: Settings) -> Timers:
    timers = settings.diameter.timers
    return Timers(
        watchdog_ns=timers.watchdog_ns,
        capabilities_ns=timers.capabilities_timeout_ns,
        frame_ns=timers.frame_timeout_ns,
        probe_ns=timers.probe_ns,
        disconnect_ns=timers.disconnect_answer_ns,
    )
