"""The RADIUS agent of `ocs cgrates`: requests through request processors to the event pipeline and back.

A request is decided in one step, unless it ends a session that is not there yet; its answer leaves when what it
changed is on disk.
"""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from ocs.agents.radius.dynamic import DynamicAuthorization
from ocs.agents.radius.exchange import Exchange, RequestDoor
from ocs.agents.radius.loading import LoadError, read_dictionary
from ocs.agents.radius.mapping.clients import Client, Clients
from ocs.agents.radius.port import Port
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.dictionary import Dictionary, InvalidText
from ocs.agents.radius.wire.packet import Attribute, Malformed, Packet
from ocs.agents.radius.wire.passwords import Method, method_of, proves
from ocs.cgrates.agents.calling import ProcessorCalls
from ocs.cgrates.agents.peers import PEER, event_of
from ocs.cgrates.agents.processors import Processor
from ocs.cgrates.agents.radius_section import DEFAULT, Plan, RadiusAgentSection, plan_of
from ocs.cgrates.agents.sections import SectionError
from ocs.cgrates.agents.templates import (
    ANSWERED,
    ORIGINAL,
    REPLY,
    REQUESTED,
    VARS,
    Field,
    Scope,
    TemplateError,
    Texts,
)
from ocs.cgrates.journal import JournalError
from ocs.cgrates.runtime import Runtime
from ocs.charging.control import ControlResult
from ocs.charging.events import EventKind, Result
from ocs.charging.profiles.values import Event
from ocs.config.shipped import shipped_dictionaries
from ocs.sessions.clients import ClientError
from ocs.sessions.flags import Flags

log = structlog.get_logger()

NAME = "radius"
FAILED = "RADAUTH_FAILED"
REPLY_CODE = "*radReplyCode"
REPLY_CODES = {
    "AccessAccept": codes.ACCESS_ACCEPT,
    "AccessReject": codes.ACCESS_REJECT,
    "AccessChallenge": codes.ACCESS_CHALLENGE,
}
METHODS = {
    "*pap": (Method.PAP,),
    "*chap": (Method.CHAP,),
    "*mschapv2": (Method.MS_CHAP2,),
}
REMEMBERED = 100_000  # requests that Disconnect-Requests may need
REMEMBERED_NS = 3 * 3_600 * 1_000_000_000
DRAIN_S = 1.0


class Unmeasured:
    """Nobody counts."""

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A request was answered."""

    def radius_dropped(self, reason: str) -> None:
        """A packet got no answer."""

    def radius_repeated(self) -> None:
        """A packet that came again got the answer it had got before."""

    def radius_access(self, is_accepted: bool) -> None:
        """An Access-Request was answered."""

    def radius_disconnected(self, outcome: str) -> None:
        """A Disconnect-Request had an outcome."""


class Remembered(msgspec.Struct, frozen=True):
    """A request that a session began with."""

    fields: dict[str, Any]
    client: Client
    address: str
    until_ns: int


class RadiusFront:
    """Access servers of the section `radius_agent`. Raises SectionError where it cannot be used."""

    def __init__(self, runtime: Runtime, section: RadiusAgentSection, number: int) -> None:
        self.number = number
        self.name = NAME
        self._runtime = runtime
        self._plan: Plan = plan_of(section, runtime.settings.raw.get("templates"))
        settings = self._plan.settings
        self._clients = Clients(self._load(client.name) for client in settings.clients)
        metrics = Unmeasured()
        self._dynamic = DynamicAuthorization(settings, metrics)
        self._remembered: OrderedDict[str, Remembered] = OrderedDict()
        self._calls = ProcessorCalls(runtime, NAME, self._plan.processors, lambda: self)
        self._tasks: set[asyncio.Task[None]] = set()
        handlers = {codes.ACCESS_REQUEST: self._take, codes.ACCOUNTING_REQUEST: self._take}
        self.door = RequestDoor(settings, self._clients, metrics, handlers)
        self._ports = [
            Port(self.door, endpoint, code)
            for listener in settings.listen
            for endpoint, code in (
                (listener.authentication, codes.ACCESS_REQUEST),
                (listener.accounting, codes.ACCOUNTING_REQUEST),
            )
            if endpoint is not None
        ]

    def _load(self, name: str) -> Client:
        settings = next(client for client in self._plan.settings.clients if client.name == name)
        host = DEFAULT if name.startswith(DEFAULT) else name
        dictionary = Dictionary()
        try:
            ipaddress.ip_network(settings.address)
            read_dictionary(dictionary, shipped_dictionaries("radius") / "dictionary")
            for path in self._plan.folders.get(host, self._plan.folders.get(DEFAULT, ())):
                for file in _files(path):
                    read_dictionary(dictionary, file)
        except ValueError:
            raise SectionError(f"radius_agent.client_secrets: {host}: is not an address") from None
        except LoadError as error:
            raise SectionError(f"radius_agent.client_dictionaries.{host}: {error}") from None
        return Client(settings, (settings.secret or "").encode(), dictionary)

    # --- life

    async def start(self) -> None:
        """Listen. Raises OSError."""
        for port in self._ports:
            await port.open(self._plan.settings.receive_buffer_octets)
        places = [f"{port.endpoint.address}:{port.endpoint.port}" for port in self._ports]
        log.info("radius.started", clients=len(self._clients.by_name), ports=places)

    async def stop(self) -> None:
        """Take nothing new, answer what is under way, close the ports."""
        self.door.is_closed = True
        try:
            async with asyncio.timeout(DRAIN_S):
                await self.door.idle()
        except TimeoutError:
            log.warning("radius.requests_left", requests=self.door.in_flight)
        for task in tuple(self._tasks):
            task.cancel()
        for port in self._ports:
            await port.close()

    # --- requests

    def _take(self, exchange: Exchange) -> None:
        """Run the processors a request fits. Raises Malformed."""
        scope = self._scope(exchange)
        task = asyncio.get_running_loop().create_task(self._answer(exchange, scope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _scope(self, exchange: Exchange) -> Scope:
        packet, is_access = exchange.packet, exchange.packet.code == codes.ACCESS_REQUEST
        variables = {
            "*radReqType": "*radAuth" if is_access else "*radAccount",
            "*radReqCode": "AccessRequest" if is_access else "AccountingRequest",
            "RemoteHost": f"{exchange.address[0]}:{exchange.address[1]}",
        }
        if is_access:
            variables["LoginMethod"] = method_of(packet).value
        return self._calls.scope(fields_of(exchange.client.dictionary, packet), variables)

    async def _answer(self, exchange: Exchange, scope: Scope) -> None:
        try:
            proof: list[Attribute] = []
            is_answered = await self._calls.run(
                scope,
                exchange.address[0],
                lambda processor, scope: self._proved(exchange, processor, scope, proof),
                lambda scope: self._remember(exchange, scope),
            )
            if not is_answered:
                log.warning("radius.no_processor", peer=exchange.address[0], code=exchange.packet.code)
                exchange.drop("no_processor")
                return
            await self._runtime.durable()
            exchange.reply(*self._reply(exchange, scope, proof))
        except (TemplateError, InvalidText, Malformed) as error:
            log.warning("radius.request_unusable", peer=exchange.address[0], reason=str(error))
        except JournalError:
            log.warning("radius.request_not_durable", peer=exchange.address[0])
        except Exception:
            log.exception("radius.request_failed", peer=exchange.address[0])
        finally:
            exchange.drop("failed")

    def _proved(self, exchange: Exchange, processor: Processor, scope: Scope, proof: list[Attribute]) -> bool:
        """Whether a proof of a password was asked for; what belongs into the reply goes into `proof`."""
        if processor.call != "*radauth":
            return False
        is_proved, found = proved(exchange, processor.flags, scope.roots[VARS].get("UserPassword"))
        proof += found
        if not is_proved:
            scope.roots[ANSWERED]["Error"] = FAILED
            scope.roots[VARS]["*radAuthFailed"] = "true"
        return True

    def _reply(self, exchange: Exchange, scope: Scope, proof: list[Attribute]) -> tuple[int, list[Attribute]]:
        """Code and attributes; a request that failed is never accepted by a template that says nothing of it."""
        said = _texts(scope, REPLY)
        named = next((text for name, text in said if name == REPLY_CODE), "")
        fields = [(name, text) for name, text in said if name != REPLY_CODE]
        error = str(scope.roots[ANSWERED].get("Error") or "")
        if exchange.packet.code == codes.ACCOUNTING_REQUEST:
            return codes.ACCOUNTING_RESPONSE, self._attributes(exchange.client, fields)
        is_refused = VARS in scope.roots and "*radAuthFailed" in scope.roots[VARS]
        code = REPLY_CODES.get(named, codes.ACCESS_REJECT if error else codes.ACCESS_ACCEPT)
        if is_refused and code == codes.ACCESS_ACCEPT:
            code = codes.ACCESS_REJECT
        if code == codes.ACCESS_REJECT and error and not any(name == "Reply-Message" for name, _ in fields):
            fields.append(("Reply-Message", error))
        return code, [*proof, *self._attributes(exchange.client, fields)]

    def _attributes(self, client: Client, fields: list[tuple[str, str]]) -> list[Attribute]:
        found: list[Attribute] = []
        for name, text in fields:
            found += client.dictionary.encode(name, text)
        return found

    # --- requests of the server

    @property
    def peer(self) -> str:
        """Who is at the other end, also after a restart."""
        return f"{PEER}{NAME}"

    def _remember(self, exchange: Exchange, scope: Scope) -> None:
        if self._plan.cache_key is None:
            return
        key = self._plan.cache_key.text(scope.view())
        if not key:
            return
        until_ns = self._runtime.wall_ns() + REMEMBERED_NS
        request = dict(scope.request)
        self._remembered.pop(key, None)
        self._remembered[key] = Remembered(request, exchange.client, exchange.address[0], until_ns)
        while len(self._remembered) > REMEMBERED or self._is_oldest_over():
            self._remembered.popitem(last=False)

    def _is_oldest_over(self) -> bool:
        oldest = next(iter(self._remembered.values()), None)
        return oldest is not None and oldest.until_ns < self._runtime.wall_ns()

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        """What the pipeline asks about a session of an access server. Raises ClientError."""
        told = params[0] if isinstance(params, list | tuple) and params else params
        event = event_of(told if isinstance(told, Mapping) else {})
        match method.rpartition(".")[2]:
            case "DisconnectSession":
                return await self._ask(
                    event, codes.DISCONNECT_REQUEST, "*radDMRTemplate", self._plan.disconnects
                )
            case "AlterSession":
                return await self._ask(event, codes.COA_REQUEST, "*radCoATemplate", self._plan.changes)
        raise ClientError("NOT_IMPLEMENTED")

    async def _ask(self, event: Event, code: int, option: str, fields: tuple[Field, ...]) -> str:
        origin = str(event.get("OriginID") or "")
        known = self._remembered.get(origin)
        if known is None:
            raise ClientError("NOT_FOUND")  # its request was not kept: requests_cache_key says by which name
        scope = self._calls.scope(event, {})
        scope.roots[ORIGINAL] = known.fields
        try:
            scope.run(fields)
            asked = self._attributes(known.client, _texts(scope, REQUESTED))
        except (TemplateError, InvalidText) as error:
            raise ClientError(f"{option}: {error}") from None
        stamp = (codes.EVENT_TIMESTAMP, (int(time.time()) & 0xFFFFFFFF).to_bytes(4, "big"))
        place = self._place(known.address)
        result = await self._dynamic.ask(known.client, place, code, [*asked, stamp], origin)
        if result is not ControlResult.ACCEPTED:
            raise ClientError(result.name)
        return "OK"

    def _place(self, address: str) -> tuple[str, int]:
        given = self._plan.dynamic.get(address) or self._plan.dynamic.get(DEFAULT)
        return (address, 3799) if given is None else (given.host or address, given.port)


def fields_of(dictionary: Dictionary, packet: Packet) -> dict[str, Any]:
    """A request by names; attributes of a vendor also below its name. Raises Malformed."""
    fields: dict[str, Any] = {}
    for definition, text in dictionary.named(packet):
        fields.setdefault(definition.name, text)
        if definition.vendor:
            fields.setdefault(definition.vendor, {}).setdefault(definition.name, text)
    fields.pop("User-Password", None)
    return fields


def proved(exchange: Exchange, flags: Flags, password: object) -> tuple[bool, tuple[Attribute, ...]]:
    """Whether a request proves the password by a method the flags allow. Raises Malformed."""
    method = method_of(exchange.packet)
    named = [methods for flag, methods in METHODS.items() if flag in flags]
    if (named and not any(method in methods for methods in named)) or not isinstance(password, str):
        return False, ()
    return proves(exchange.packet, method, exchange.client.secret, password)


def _texts(scope: Scope, root: str) -> Texts:
    said = scope.replies[root]
    assert isinstance(said, Texts)
    return said


def _files(text: str) -> list[Path]:
    """A dictionary, or those of a folder in the order of their names; `*kamailio` comes with the program."""
    if text.startswith("*"):
        return [shipped_dictionaries("radius") / f"dictionary.{text[1:]}"]
    path = Path(text)
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.name.startswith("dictionary") and each.is_file())
