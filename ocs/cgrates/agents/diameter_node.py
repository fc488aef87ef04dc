"""The peers of the section `diameter_agent`: sockets, connections, requests of the server, by the transport of Gy.

Of that agent it takes all but the mapping and the core: requests go to `serve`, whatever their command.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog

from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.peer import PeerProtocol, Serve
from ocs.cgrates.agents.diameter_section import EVERY_ADDRESS, LOOPBACK, LOOPBACK_V6, Place, Plan
from ocs.cgrates.config import Tls
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Result
from ocs.config.settings import MS, SECOND, DiameterSettings, IdentitySettings, Listener, Settings, Timers
from ocs.diameter import avps
from ocs.diameter.capabilities import LocalCapabilities, PeerCapabilities
from ocs.diameter.codes import BASE_APPLICATION, CREDIT_CONTROL_APPLICATION
from ocs.diameter.dictionary import Application

log = structlog.get_logger()

FIRMWARE_REVISION = 918
FIRST_OF_VENDORS = 1 << 24  # application ids below it are the IETF's (RFC 6733 11.3)
TIMERS = Timers(drain_ns=SECOND, disconnect_answer_ns=500 * MS)  # a successor waits
VERIFIED_CLIENTS = 4  # of tls.server_policy
REMEDY = (
    "a listener of network tls with tls.ca_certificate (server_policy 4), which wants certificates of its peers; or"
    " start with -unencrypted_network_access where everybody on the network may be a peer"
)


class NobodyCounts:
    """Nobody counts."""

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A request was answered."""

    def late_answer_dropped(self) -> None:
        """An answer had no connection any more."""

    def request_shed(self) -> None:
        """A request was answered "too busy"."""

    def message_refused(self, result_code: int) -> None:
        """A message could not be used."""

    def avp_ignored(self, reason: str) -> None:
        """An AVP was left out of account."""

    def peer_refused(self, reason: str) -> None:
        """A peer was not let in."""

    def connections_open(self, connections: int, peers: int) -> None:
        """So many connections, so many open peers."""


class NobodyCharges:
    """A core that nothing comes to: requests are served before they are mapped."""

    def submit(self, event: ChargingEvent, deliver: Callable[[ChargingAnswer], None]) -> None:
        """Never called."""
        raise AssertionError("requests of templates are not mapped")

    async def client_restarted(self, client: str) -> int:
        """Sessions of a client that restarted end by their lifetime, as the incumbent's do."""
        return 0


class TemplateNode(DiameterAgent):
    """A node whose requests are answered by `serve`. `has_state` says that sessions outlive the process."""

    def __init__(self, plan: Plan, listeners: tuple[Listener, ...], serve: Serve, *, has_state: bool) -> None:
        section = plan.section
        identity = IdentitySettings(
            section.origin_host, section.origin_realm, section.product_name, section.vendor_id
        )
        timers = msgspec.structs.replace(TIMERS, watchdog_ns=plan.watchdog_ns or TIMERS.watchdog_ns)
        settings = DiameterSettings(listen=listeners, admit_unlisted="any", timers=timers)
        state_id = 1 if has_state else int(time.time())
        super().__init__(Settings(identity, settings), NobodyCharges(), NobodyCounts(), state_id)
        self.refuse = None  # the grammar of answers is that of no command
        self._serve = serve
        self._applications = plan.applications
        base = plan.dictionary.applications.get(BASE_APPLICATION, Application(BASE_APPLICATION))
        self._served = frozenset(code for each in (base, *plan.applications) for code in each.commands)

    def new_peer(self, loop: asyncio.AbstractEventLoop) -> PeerProtocol:
        """The protocol of a transport that is about to be accepted."""
        return PeerProtocol(self, loop, self._serve)

    def capabilities(self, address: str, is_protected: bool) -> LocalCapabilities:
        """What this node says of itself: the applications of the configuration."""
        auth, accounting, vendors = [], [], []
        for each in self._applications:
            if each.is_accounting:
                accounting.append(each.id)
            elif each.id >= FIRST_OF_VENDORS:
                vendors.append((each.vendor or avps.VENDOR_3GPP, each.id))
            else:
                auth.append(each.id)
            if each.id == CREDIT_CONTROL_APPLICATION:
                vendors.append((avps.VENDOR_3GPP, each.id))  # clients of 3GPP look for it there
        return LocalCapabilities(
            origin_host=self.origin_host,
            origin_realm=self.origin_realm,
            host_addresses=(address,),
            origin_state_id=self._origin_state_id,
            product_name=self._identity.product_name,
            vendor_id=self._identity.vendor_id,
            firmware_revision=FIRMWARE_REVISION,
            auth_applications=tuple(auth),
            accounting_applications=tuple(accounting),
            vendor_applications=tuple(vendors),
            served=self._served,
            is_protected=is_protected,
        )

    def opened(self, peer: PeerProtocol, capabilities: PeerCapabilities) -> None:
        """Capabilities were exchanged."""
        self._open[peer.name.lower()] = peer
        self._count()

    def state_reported(self, peer: PeerProtocol, state_id: int) -> None:
        """A watchdog request says an Origin-State-Id: sessions end by their lifetime."""

    def peers_at(self, host: str, address: str) -> list[PeerProtocol]:
        """Open peers of an Origin-Host, or where that is not said at an address, with or without a port."""
        if host:
            found = self.open_peer(host)
            return [] if found is None else [found]
        names = (address.strip("[]"), address.rpartition(":")[0].strip("[]"))
        return [peer for peer in self._open.values() if peer.address in names]


def listeners_of(places: tuple[Place, ...], tls: Tls, *, unencrypted: bool) -> tuple[Listener, ...]:
    """Where to listen: on loopback where strangers would come in, which is told once."""
    kept_back: dict[str, str] = {}
    found = []
    for place in places:
        wants_clients = bool(tls.ca_certificate) and tls.server_policy == VERIFIED_CLIENTS
        is_guarded = unencrypted or (place.transport == "tls" and wants_clients)
        address = place.address
        if address not in (LOOPBACK, LOOPBACK_V6) and not address.startswith("127.") and not is_guarded:
            kept_back[place.key] = f"{'' if address == EVERY_ADDRESS else address}:{place.port}"
            address = LOOPBACK_V6 if ":" in address else LOOPBACK
        if place.transport == "tls":
            files = tls.server_certificate or None, tls.server_key or None, tls.ca_certificate or None
            listener = Listener(address, place.port, "tls", *files, verify_peer=wants_clients)
        else:
            listener = Listener(address, place.port, "sctp" if place.transport == "sctp" else "tcp")
        found.append(listener)
    if kept_back:
        log.warning("listener.on_loopback_alone", wanted=kept_back, remedy=REMEDY)
    return tuple(found)
