"""Which peers may connect: configured names and addresses, and what to tell the operator about the others."""

import time
from collections import OrderedDict
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from ssl import SSLObject

import msgspec

from ocs.agents.diameter.metrics import DiameterMetrics
from ocs.config.settings import DiameterSettings, Peer
from ocs.diameter.capabilities import Admission, PeerCapabilities, refuse
from ocs.diameter.codes import ResultCode

MOST_REMEMBERED = 200

_REASONS: dict[int, str] = {
    ResultCode.UNKNOWN_PEER: "unknown",
    ResultCode.NO_COMMON_APPLICATION: "no_application",
    ResultCode.NO_COMMON_SECURITY: "no_security",
    ResultCode.ELECTION_LOST: "duplicate",
}
OWN_IDENTITY = "own Origin-Host"

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


class RefusedPeer(msgspec.Struct, frozen=True):
    """A peer that was not let in; `remedy` is the line of ocs.yaml under diameter.peers that would."""

    origin_host: str
    address: str
    result_code: int
    reason: str
    attempts: int
    last_ns: int
    remedy: str


class AdmissionRules:
    """The peers of the settings, and a bounded memory of those refused."""

    def __init__(self, settings: DiameterSettings, metrics: DiameterMetrics) -> None:
        self._metrics = metrics
        self._refused: OrderedDict[tuple[str, str], RefusedPeer] = OrderedDict()
        self.use(settings)

    def use(self, settings: DiameterSettings) -> None:
        """Judge by these settings from now on; who was refused stays remembered."""
        self._unlisted = settings.admit_unlisted
        self._peers = {peer.origin_host.lower(): peer for peer in settings.peers}
        self._networks = {
            name: tuple(ip_network(text, strict=False) for text in peer.addresses)
            for name, peer in self._peers.items()
        }

    def judge(self, peer: PeerCapabilities, address: str, tls_names: frozenset[str]) -> Admission | None:
        """Why a peer is refused; None lets it in. `tls_names` are those of its certificate."""
        name = peer.origin_host.lower()
        entry = self._peers.get(name)
        ip = _ip(address)
        if entry is not None:
            return self._judge_listed(entry, self._networks[name], ip, tls_names)
        if self._unlisted == "any" or (self._unlisted == "loopback" and ip is not None and ip.is_loopback):
            return None
        return refuse(ResultCode.UNKNOWN_PEER, "peer is not configured")

    def _judge_listed(
        self, entry: Peer, networks: tuple[Network, ...], ip: IpAddress | None, tls_names: frozenset[str]
    ) -> Admission | None:
        if networks and not any(ip is not None and ip in network for network in networks):
            return refuse(ResultCode.UNKNOWN_PEER, "address is not the configured one")
        if entry.tls_name is not None and entry.tls_name.lower() not in tls_names:
            return refuse(ResultCode.UNKNOWN_PEER, "certificate does not have the configured name")
        return None

    def remember(self, origin_host: str, address: str, result_code: int, reason: str) -> None:
        """Note a refusal for the operator and count it."""
        kind = "own_identity" if reason == OWN_IDENTITY else _REASONS.get(result_code, "malformed")
        self._metrics.peer_refused(kind)
        key = origin_host.lower(), address
        known = self._refused.pop(key, None)
        if len(self._refused) >= MOST_REMEMBERED:
            self._refused.popitem(last=False)
        self._refused[key] = RefusedPeer(
            origin_host=origin_host,
            address=address,
            result_code=result_code,
            reason=reason,
            attempts=1 if known is None else known.attempts + 1,
            last_ns=time.time_ns(),
            remedy=_remedy(origin_host, address) if kind == "unknown" else "",
        )

    def refused(self) -> list[RefusedPeer]:
        """Those refused, the latest first."""
        return list(reversed(self._refused.values()))


def _remedy(origin_host: str, address: str) -> str:
    """A peer entry in YAML's flow style; quoted, as the name came from a stranger."""
    quoted = msgspec.json.encode(origin_host).decode()
    return f'- {{origin_host: {quoted}, addresses: ["{address}"]}}'


def _ip(address: str) -> IpAddress | None:
    """The address of a peer; an IPv4 peer of an IPv6 socket counts as IPv4."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def certificate_names(tls: SSLObject | None) -> frozenset[str]:
    """The DNS names of the peer's verified certificate (RFC 6125: the subject's name does not count)."""
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate:
        return frozenset()
    alternatives: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())  # type: ignore[assignment]
    names = {value.lower() for kind, value in alternatives if kind == "DNS"}
    return frozenset(names)
