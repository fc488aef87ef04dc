"""The Diameter agent of `ocs cgrates`: requests through request processors to the event pipeline and back.

A request of any command is decided in one step, unless it ends a session that is not there yet; its answer leaves
when what it changed is on disk. One that comes again gets the answer it had.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from ocs.agents.diameter.listening import ListenError
from ocs.agents.diameter.peer import PeerProtocol
from ocs.cgrates.agents.calling import ProcessorCalls
from ocs.cgrates.agents.diameter_avps import AvpsSaid, AvpTree
from ocs.cgrates.agents.diameter_node import TemplateNode, listeners_of
from ocs.cgrates.agents.diameter_section import DiameterAgentSection, plan_of
from ocs.cgrates.agents.peers import DONE, PEER, event_of
from ocs.cgrates.agents.repeats import Repeats
from ocs.cgrates.agents.templates import (
    ANSWERED,
    CGREQ,
    DIAMETER_REQUEST,
    ORIGINAL,
    REPLY,
    Field,
    Scope,
    TemplateError,
)
from ocs.cgrates.journal import JournalError
from ocs.cgrates.runtime import Runtime
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.profiles.values import Event
from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, encode_u32, encode_utf8
from ocs.diameter.codes import BASE_APPLICATION, Command, DisconnectCause, ResultCode, is_protocol_error
from ocs.diameter.dictionary import Application
from ocs.diameter.message import Message, encode_answer, failed_avp, proxy_infos, session_id
from ocs.rpc.capacity import Capacity
from ocs.sessions.clients import ClientError

log = structlog.get_logger()

NAME = "diameter"
REMEMBERED = 100_000  # requests that ASR and RAR may need
REMEMBERED_NS = 3 * 3_600 * 1_000_000_000
DISCONNECT_S = 10.0


class Reply(msgspec.Struct, frozen=True):
    """An answer without what each copy of its request has of its own."""

    body: bytes
    is_error: bool

    def encoded(self, request: Message) -> bytes:
        """The answer to a request, or to its repeat."""
        return encode_answer(request, (self.body, proxy_infos(request)), self.is_error)


class Remembered(msgspec.Struct, frozen=True):
    """The last request of a session; `origin` is the peer it came over."""

    message: Message
    origin: str
    address: str
    until_ns: int


class DiameterFront:
    """Peers of the section `diameter_agent`. Raises SectionError where it cannot be used."""

    def __init__(
        self,
        runtime: Runtime,
        section: DiameterAgentSection,
        number: int,
        caps: Capacity,
        *,
        unencrypted: bool = False,
    ) -> None:
        """`caps` counts the requests of all ports; `unencrypted` lets the network in without TLS."""
        self.number = number
        self.name = NAME
        self._runtime = runtime
        settings = runtime.settings
        self._plan = plan_of(section, settings.raw.get("templates"))
        listeners = listeners_of(self._plan.places, settings.tls, unencrypted=unencrypted)
        self.node = TemplateNode(self._plan, listeners, self._serve, has_state=runtime.state.keeps)
        self._identity = {
            "Origin-Host": encode_utf8(avps.ORIGIN_HOST, section.origin_host),
            "Origin-Realm": encode_utf8(avps.ORIGIN_REALM, section.origin_realm),
        }
        self._known = {each.id: each for each in self._plan.applications}
        self._base = self._plan.dictionary.applications.get(BASE_APPLICATION, Application(BASE_APPLICATION))
        self._calls = ProcessorCalls(runtime, NAME, self._plan.processors, lambda: self)
        own = section.concurrent_requests
        self._caps = Capacity(own) if own > 0 else caps
        self._repeats: Repeats[asyncio.Future[Reply]] = Repeats()
        self._remembered: OrderedDict[str, Remembered] = OrderedDict()
        self._lines: dict[PeerProtocol, asyncio.Task[None]] = {}  # the last request of each peer, one by one
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life

    async def start(self) -> None:
        """Listen. Raises OSError."""
        try:
            await self.node.start()
        except ListenError as error:
            raise OSError(str(error)) from error
        places = [f"{address}:{port}" for address, port in self.node.addresses()]
        names = [each.name for each in self._plan.applications]
        log.info("diameter.started", ports=places, applications=names)

    def close(self) -> None:
        """Free the ports: a successor may take them."""
        self.node.stop_listening()

    async def stop(self) -> None:
        """Take nothing new, answer what is under way, leave the peers."""
        await self.node.drain()
        for task in tuple(self._tasks):
            task.cancel()

    # --- requests

    def _serve(self, peer: PeerProtocol, message: Message) -> None:
        """Take one request: whatever is wrong with it, it gets an answer, and nobody else hears of it."""
        peer.counters.requests += 1
        try:
            refused = self._refused(peer, message)
            if refused:
                peer.counters.refused += 1
                self._send(peer, self._fault(message, refused).encoded(message))
            else:
                self._take(peer, message)
        except Exception:
            log.exception("diameter.request_failed", peer=peer.name)
            self._send(peer, self._failure(message, ResultCode.UNABLE_TO_COMPLY).encoded(message))

    def _refused(self, peer: PeerProtocol, message: Message) -> int:
        """Why a request is not looked at; 0 for one that is."""
        if self._short(message) is None:
            return ResultCode.COMMAND_UNSUPPORTED
        return ResultCode.TOO_BUSY if peer.in_flight > self.node.limits.window else 0

    def _short(self, message: Message) -> str | None:
        """The short name of a command; None where the application has no such command."""
        own = self._known.get(message.application_id, self._base).commands
        return own.get(message.command_code, self._base.commands.get(message.command_code))

    def _take(self, peer: PeerProtocol, message: Message) -> None:
        now_ns = time.monotonic_ns()
        before = self._repeats.find(message, now_ns)
        if before is not None:
            log.info("diameter.repeated", peer=peer.name, end_to_end=message.end_to_end)
            self._start(self._answer_again(peer, message, before))
            return
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if not self._caps.is_full:
            self._begin(peer, message, reply)
        elif not self._caps.waits(lambda: self._begin(peer, message, reply)):
            peer.counters.shed += 1
            self._send(peer, self._fault(message, ResultCode.TOO_BUSY).encoded(message))
            return
        self._repeats.keep(message, reply, now_ns)

    def _begin(self, peer: PeerProtocol, message: Message, reply: "asyncio.Future[Reply]") -> None:
        self._caps.begun()
        line = self._lines.get(peer) if self._plan.section.synced_conn_requests else None
        task = self._start(self._answer(peer, message, reply, line))
        if self._plan.section.synced_conn_requests:
            self._lines[peer] = task
            task.add_done_callback(lambda done: self._left(peer, done))

    def _left(self, peer: PeerProtocol, done: "asyncio.Task[None]") -> None:
        if self._lines.get(peer) is done:
            del self._lines[peer]

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer_again(
        self, peer: PeerProtocol, message: Message, before: "asyncio.Future[Reply]"
    ) -> None:
        reply = await asyncio.shield(before)
        self._send(peer, reply.encoded(message))

    async def _answer(
        self,
        peer: PeerProtocol,
        message: Message,
        answered: "asyncio.Future[Reply]",
        before: "asyncio.Task[None] | None",
    ) -> None:
        if before is not None:
            await asyncio.wait((before,))
        reply: Reply | None = None  # it stays so where the task is ended: what was done may be kept
        try:
            reply = await self._made(peer, message)
        except DecodeError as error:
            log.warning("diameter.request_unusable", peer=peer.name, reason=error.message)
            self._repeats.forget(message)
            peer.counters.refused += 1
            reply = self._fault(message, error.result_code, error)
        except TemplateError as error:
            log.warning("diameter.request_unusable", peer=peer.name, reason=str(error))
            reply = self._failure(message, ResultCode.UNABLE_TO_COMPLY)
        except JournalError:
            log.warning("diameter.request_not_durable", peer=peer.name)
            self._repeats.forget(message)
            reply = self._failure(message, ResultCode.TOO_BUSY)
        except Exception:
            log.exception("diameter.request_failed", peer=peer.name)
            reply = self._failure(message, ResultCode.UNABLE_TO_COMPLY)
        finally:
            self._caps.ended()
            if reply is None:
                answered.cancel()
                peer.answer_sent()
            else:
                answered.set_result(reply)
                self._send(peer, reply.encoded(message))

    async def _made(self, peer: PeerProtocol, message: Message) -> Reply:
        """What the processors make of a request, on disk."""
        said = AvpsSaid(self._plan.dictionary)
        tree = AvpTree(message, self._plan.dictionary)
        scope = self._calls.scope(tree, self._variables(message, peer.address), {REPLY: said})
        is_answered = await self._calls.run(
            scope,
            peer.name,
            lambda processor, scope: False,
            lambda scope: self._remember(peer, message, scope),
        )
        if not is_answered:
            log.warning("diameter.no_processor", peer=peer.name, command=scope.value("*vars", ("*cmd",), ""))
            return self._failure(message, ResultCode.UNABLE_TO_COMPLY)
        await self._runtime.durable()
        has_failed = bool(scope.roots[ANSWERED].get("Error"))
        return self._finished(
            message, said, ResultCode.UNABLE_TO_COMPLY if has_failed else ResultCode.SUCCESS
        )

    def _variables(self, message: Message, address: str) -> dict[str, Any]:
        section, application = self._plan.section, self._known.get(message.application_id, self._base)
        short = self._short(message) or str(message.command_code)
        return {
            "OriginHost": section.origin_host,
            "OriginRealm": section.origin_realm,
            "ProductName": section.product_name,
            "RemoteHost": address,
            "*app": application.name,
            "*appid": message.application_id,
            "*cmd": f"{short}{'R' if message.is_request else 'A'}",
        }

    # --- answers

    def _send(self, peer: PeerProtocol, encoded: bytes) -> None:
        """Send an answer; nothing where the connection is over."""
        if peer.connection is not None and peer.connection.send(encoded):
            peer.counters.answers += 1
        else:
            peer.counters.late += 1
        peer.answer_sent()

    def _finished(self, message: Message, said: AvpsSaid, code: int, *, is_error: bool = False) -> Reply:
        """What templates say, and where they do not say it what every answer has. Raises ValueError."""
        found = said.encoded()
        names = {name for name, _ in found}
        parts = [encoded for _, encoded in found]  # Session-Id first
        if "Session-Id" not in names:
            parts.insert(0, session_id(message))
        if names & {"Result-Code", "Experimental-Result"}:
            code = int(str(said.value(("Result-Code",)) or 0))
        else:
            parts.append(encode_u32(avps.RESULT_CODE, code))
        parts += [encoded for name, encoded in self._identity.items() if name not in names]
        return Reply(b"".join(parts), is_error or is_protocol_error(code))

    def _failure(self, message: Message, code: int) -> Reply:
        """An answer of this server itself: by `*err` of the configuration, else as the protocol has it."""
        if self._plan.errors is None:
            return self._fault(message, code)
        said = AvpsSaid(self._plan.dictionary)
        tree = AvpTree(message, self._plan.dictionary)
        scope = self._calls.scope(tree, self._variables(message, ""), {REPLY: said})
        try:
            scope.run(self._plan.errors)
            return self._finished(message, said, code, is_error=True)
        except (ValueError, DecodeError) as error:
            log.warning("diameter.error_template_unusable", reason=str(error))
            return self._fault(message, code)

    def _fault(self, message: Message, code: int, error: DecodeError | None = None) -> Reply:
        """The grammar of errors (RFC 6733 7.2)."""
        parts = [session_id(message), encode_u32(avps.RESULT_CODE, code), *self._identity.values()]
        if error is not None:
            parts += [encode_utf8(avps.ERROR_MESSAGE, error.message, False), failed_avp(error.failed_avp)]
        return Reply(b"".join(parts), is_error=True)

    # --- requests of the server

    @property
    def peer(self) -> str:
        """Who is at the other end, also after a restart."""
        return f"{PEER}{NAME}"

    def _remember(self, peer: PeerProtocol, message: Message, scope: Scope) -> None:
        """Keep a request under its Session-Id, and under the OriginID its session has got."""
        until_ns = self._runtime.wall_ns() + REMEMBERED_NS
        remembered = Remembered(message, peer.name, peer.address, until_ns)
        for name in {text_at(message, avps.SESSION_ID), str(scope.roots[CGREQ].get("OriginID") or "")} - {""}:
            self._remembered.pop(name, None)
            self._remembered[name] = remembered
        while len(self._remembered) > REMEMBERED or self._is_oldest_over():
            self._remembered.popitem(last=False)

    def _is_oldest_over(self) -> bool:
        oldest = next(iter(self._remembered.values()), None)
        return oldest is not None and oldest.until_ns < self._runtime.wall_ns()

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        """What the pipeline asks about a session or a peer. Raises ClientError."""
        told = params[0] if isinstance(params, list | tuple) and params else params
        told = told if isinstance(told, Mapping) else {}
        match method.rpartition(".")[2]:
            case "DisconnectSession" if self._plan.section.forced_disconnect == "*asr":
                return await self._ask(Command.ABORT_SESSION, event_of(told), self._plan.aborts)
            case "DisconnectSession" if self._plan.section.forced_disconnect == "*rar":
                return await self._ask(Command.RE_AUTH, event_of(told), self._plan.reauths)
            case "AlterSession":
                return await self._ask(Command.RE_AUTH, event_of(told), self._plan.reauths)
            case "DisconnectPeer":
                return await self._disconnect(told)
        raise ClientError("NOT_IMPLEMENTED")

    async def _ask(self, command: Command, event: Event, fields: tuple[Field, ...]) -> str:
        """Ask the client of a session, in the application its last request was of."""
        known = self._known_session(event)
        if known is None:
            raise ClientError("NOT_FOUND")
        request = AvpTree(known.message, self._plan.dictionary)
        said = AvpsSaid(self._plan.dictionary)
        scope = self._calls.scope(
            request, self._variables(known.message, known.address), {DIAMETER_REQUEST: said}
        )
        scope.roots[ORIGINAL], scope.roots[CGREQ] = request, dict(event)
        try:
            scope.run(fields)
            parts = [encoded for _, encoded in said.encoded()]
            host = text_at(known.message, avps.ORIGIN_HOST)
        except (ValueError, DecodeError) as error:
            raise ClientError(f"{command.name}: {error}") from None
        address = SessionAddress(host, text_at(known.message, avps.SESSION_ID), known.origin, "")
        result = await self.node.ask(command, address, parts, known.message.application_id)
        log.info("diameter.asked", command=command.name, session=address.session_id, result=result.name)
        if result not in (ControlResult.ACCEPTED, ControlResult.UNDER_WAY):
            raise ClientError(result.name)
        return DONE

    def _known_session(self, event: Event) -> Remembered | None:
        for name in ("OriginID", "InitialOriginID"):
            known = self._remembered.get(str(event.get(name) or ""))
            if known is not None and known.until_ns >= self._runtime.wall_ns():
                return known
        return None

    async def _disconnect(self, told: Mapping[str, Any]) -> str:
        """Have a peer go: DPR, and its end within ten seconds."""
        cause = str(told.get("DisconnectCause") or 0)
        if cause not in ("0", "1", "2"):
            raise ClientError("WRONG_DISCONNECT_CAUSE")
        peers = self.node.peers_at(str(told.get("OriginHost") or ""), str(told.get("RemoteAddr") or ""))
        if not peers:
            raise ClientError("NOT_FOUND")
        for peer in peers:
            log.info("diameter.disconnecting", peer=peer.name, cause=cause)
            peer.disconnect(DisconnectCause(int(cause)))
        try:
            async with asyncio.timeout(DISCONNECT_S):
                await asyncio.gather(*[asyncio.shield(peer.gone) for peer in peers])
        except TimeoutError:
            raise ClientError("REPLY_TIMEOUT") from None
        return DONE


def text_at(message: Message, key: int) -> str:
    """The text of a top-level AVP, empty where it is missing."""
    return (message.octets(key) or b"").decode("utf-8", "backslashreplace")
