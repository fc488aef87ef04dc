"""Credit-control requests built by hand, and a charging service that answers as a test says."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from ocs.agents.diameter.mapping.credit_control import CreditControlRequest
from ocs.agents.diameter.mapping.options import GyOptions
from ocs.agents.diameter.mapping.profiles import ClientProfile, Profiles
from ocs.agents.diameter.mapping.request import GyReader
from ocs.charging.events import (
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    Grant,
    Result,
    Unit,
)
from ocs.config.profiles import BUILT_IN
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_i64, encode_time, encode_u32, encode_u64, encode_utf8, group
from ocs.diameter.codes import PROXIABLE, REQUEST
from ocs.diameter.message import Message, encode_message
from tests.support.waiting import PATIENCE_S

SECOND = 1_000_000_000
NOW_NS = 1_795_348_900 * SECOND  # 22 November 2026
CLIENT = "pgw.example.net"
SESSION = "pgw.example.net;1;1"
CONTEXTS = (
    ("32251@3gpp.org", "data"),
    ("32260@3gpp.org", "voice"),
    ("32270@3gpp.org", "mms"),
    ("32274@3gpp.org", "sms"),
)


def profiles() -> Profiles:
    """The profiles that come with the program."""
    return Profiles(BUILT_IN)


def options(
    serve_realms: frozenset[str] | None = None,
    serve_hosts: frozenset[str] | None = None,
    unknown_context: str | None = None,
    strict: bool = False,
) -> GyOptions:
    """Rules of a server called ocs.example.net."""
    return GyOptions(
        origin_host="ocs.example.net",
        origin_realm="example.net",
        profiles=profiles(),
        contexts=CONTEXTS,
        unknown_context=unknown_context,
        serve_realms=serve_realms,
        serve_hosts=serve_hosts,
        strict=strict,
    )


def profile(name: str) -> ClientProfile:
    """One of the built-in profiles."""
    return profiles().by_name(name)


def subscription(kind: int, value: str) -> bytes:
    """A Subscription-Id."""
    members = encode_i32(avps.SUBSCRIPTION_ID_TYPE, kind), encode_utf8(avps.SUBSCRIPTION_ID_DATA, value)
    return group(avps.SUBSCRIPTION_ID, members)


def requested(*units: bytes) -> bytes:
    """A Requested-Service-Unit; empty where the server chooses."""
    return group(avps.REQUESTED_SERVICE_UNIT, units)


def used(*units: bytes) -> bytes:
    """A Used-Service-Unit."""
    return group(avps.USED_SERVICE_UNIT, units)


def total(octets: int) -> bytes:
    """CC-Total-Octets."""
    return encode_u64(avps.CC_TOTAL_OCTETS, octets)


def split(received: int, sent: int) -> bytes:
    """CC-Input-Octets and CC-Output-Octets."""
    return encode_u64(avps.CC_INPUT_OCTETS, received) + encode_u64(avps.CC_OUTPUT_OCTETS, sent)


def seconds(count: int) -> bytes:
    """CC-Time."""
    return encode_u32(avps.CC_TIME, count)


def events(count: int) -> bytes:
    """CC-Service-Specific-Units."""
    return encode_u64(avps.CC_SERVICE_SPECIFIC_UNITS, count)


def money(digits: int, exponent: int | None = None, currency: int | None = None) -> bytes:
    """CC-Money."""
    value = [encode_i64(avps.VALUE_DIGITS, digits)]
    if exponent is not None:
        value.append(encode_i32(avps.EXPONENT, exponent))
    members = [group(avps.UNIT_VALUE, value)]
    if currency is not None:
        members.append(encode_u32(avps.CURRENCY_CODE, currency))
    return group(avps.CC_MONEY, members)


def service(rating_group: int | None, *members: bytes, identifiers: Iterable[int] = ()) -> bytes:
    """A Multiple-Services-Credit-Control."""
    parts = [*members, *(encode_u32(avps.SERVICE_IDENTIFIER, number) for number in identifiers)]
    if rating_group is not None:
        parts.append(encode_u32(avps.RATING_GROUP, rating_group))
    return group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, parts)


def standard_avps() -> dict[int, bytes]:
    """The AVPs every request has, by key, so that a test can take one out or put another in."""
    return {
        avps.SESSION_ID: encode_utf8(avps.SESSION_ID, SESSION),
        avps.ORIGIN_HOST: encode_utf8(avps.ORIGIN_HOST, CLIENT),
        avps.ORIGIN_REALM: encode_utf8(avps.ORIGIN_REALM, "example.net"),
        avps.DESTINATION_REALM: encode_utf8(avps.DESTINATION_REALM, "example.net"),
        avps.AUTH_APPLICATION_ID: encode_u32(avps.AUTH_APPLICATION_ID, 4),
        avps.SERVICE_CONTEXT_ID: encode_utf8(avps.SERVICE_CONTEXT_ID, "32251@3gpp.org"),
        avps.CC_REQUEST_TYPE: encode_i32(avps.CC_REQUEST_TYPE, 1),
        avps.CC_REQUEST_NUMBER: encode_u32(avps.CC_REQUEST_NUMBER, 0),
        avps.EVENT_TIMESTAMP: encode_time(avps.EVENT_TIMESTAMP, NOW_NS - SECOND),
        avps.SUBSCRIPTION_ID: subscription(1, "001010000000001"),
    }


def ccr(
    *extra: bytes,
    kind: int = 1,
    number: int = 0,
    context: str = "32251@3gpp.org",
    without: Iterable[int] = (),
    replaced: dict[int, bytes] | None = None,
    flags: int = REQUEST | PROXIABLE,
    hop_by_hop: int = 1,
) -> bytes:
    """A request; `extra` follows the standard AVPs."""
    parts = standard_avps()
    parts[avps.CC_REQUEST_TYPE] = encode_i32(avps.CC_REQUEST_TYPE, kind)
    parts[avps.CC_REQUEST_NUMBER] = encode_u32(avps.CC_REQUEST_NUMBER, number)
    parts[avps.SERVICE_CONTEXT_ID] = encode_utf8(avps.SERVICE_CONTEXT_ID, context)
    parts |= replaced or {}
    for key in without:
        del parts[key]
    return encode_message(flags, 272, 4, hop_by_hop, 0xE2E, [*parts.values(), *extra])


def read(
    frame: bytes, rules: GyOptions | None = None, connection_profile: ClientProfile | None = None
) -> CreditControlRequest:
    """The mapped request, with a reader of its own."""
    return GyReader(rules or options()).read(Message.decode(frame), "peer", connection_profile, NOW_NS)


def event_of(frame: bytes, rules: GyOptions | None = None) -> ChargingEvent:
    """The event a request is."""
    return read(frame, rules).event


def granted(event: ChargingEvent) -> ChargingAnswer:
    """Success for every report; a megabyte to those that ask."""
    grants = [
        Grant(
            report.rating_group,
            report.service_identifiers,
            Result.SUCCESS,
            None if report.requested is None else Unit.OCTETS,
            0 if report.requested is None else 1_000_000,
            None if report.requested is None else 600 * SECOND,
        )
        for report in event.reports
    ]
    return ChargingAnswer(Result.SUCCESS, tuple(grants))


Deliver = Callable[[ChargingAnswer], None]


class FakeService:
    """Remembers events; answers at once, or when `release` is called while `holding`."""

    def __init__(self) -> None:
        self.events: list[ChargingEvent] = []
        self.held: list[tuple[ChargingEvent, Deliver]] = []
        self.restarted: list[str] = []
        self.holding = False
        self.answer: Callable[[ChargingEvent], ChargingAnswer] = granted
        self.changed = asyncio.Event()
        self.closing: asyncio.Event | None = None  # what `client_restarted` waits for

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Take an event."""
        self.events.append(event)
        self.held.append((event, deliver))
        self.changed.set()
        if not self.holding:
            self.release()

    def release(self) -> None:
        """Answer everything held."""
        held, self.held = self.held, []
        for event, deliver in held:
            deliver(self.answer(event))

    async def client_restarted(self, client: str) -> int:
        """Note it."""
        self.restarted.append(client)
        self.changed.set()
        if self.closing is not None:
            await self.closing.wait()
        return 1

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something submitted makes the condition true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class CountingMetrics:
    """Counts by the name of the fact."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.open_connections = (0, 0)

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """Count."""
        assert took_ns >= 0
        self.counts[f"answered.{kind.name}.{result.name}"] += 1

    def late_answer_dropped(self) -> None:
        """Count."""
        self.counts["late"] += 1

    def request_shed(self) -> None:
        """Count."""
        self.counts["shed"] += 1

    def message_refused(self, result_code: int) -> None:
        """Count."""
        self.counts[f"refused.{int(result_code)}"] += 1

    def avp_ignored(self, reason: str) -> None:
        """Count."""
        self.counts[f"ignored.{reason}"] += 1

    def peer_refused(self, reason: str) -> None:
        """Count."""
        self.counts[f"peer.{reason}"] += 1

    def connections_open(self, connections: int, peers: int) -> None:
        """Remember."""
        self.open_connections = (connections, peers)
