"""`OcsV1.Status`, `PeerList`, `Reload` and `Ping`: the server itself and who talks to it."""

import msgspec

from ocs import __version__
from ocs.reload import Reloaded, ReloadRefused
from ocs.rpc.context import Context, PeerInfo, RefusedPeer
from ocs.rpc.errors import InvalidParams, RpcError
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Params


class Nothing(Params, frozen=True, kw_only=True):
    """No parameters."""


class ReloadParams(Params, frozen=True, kw_only=True):
    """With `dry_run` nothing is changed."""

    dry_run: bool = False


class Status(msgspec.Struct, frozen=True):
    """How the server is doing; rates and latencies are those of the last full second."""

    version: str
    origin_host: str
    currency: str
    store: str
    started_at_ns: int
    uptime_ns: int
    open_sessions: int
    in_flight: int
    requests_per_second: int
    p50_ns: int
    p99_ns: int
    peers: int
    refused_peers: int


class PeerView(msgspec.Struct, frozen=True):
    """A connection of a Diameter peer."""

    origin_host: str
    realm: str
    address: str
    state: str
    product: str
    profile: str
    since_at_ns: int
    requests: int
    answers: int
    in_flight: int
    is_suspected: bool


class RefusedView(msgspec.Struct, frozen=True):
    """A peer that was not let in; `remedy` is the line for diameter.peers of ocs.yaml."""

    origin_host: str
    address: str
    result_code: int
    reason: str
    attempts: int
    last_at_ns: int
    remedy: str


class Peers(msgspec.Struct, frozen=True):
    """Those connected, and those who knocked."""

    peers: list[PeerView]
    refused: list[RefusedView]


def status(context: Context, params: Nothing) -> Status:
    """Tell how the server is doing."""
    return status_now(context)


def status_now(context: Context) -> Status:
    """How the server is doing, as results and the live page have it."""
    service, settings, activity = context.service, context.settings, context.activity
    last = activity.seconds[-1] if activity.seconds else None
    return Status(
        __version__,
        settings.identity.origin_host,
        settings.charging.currency,
        settings.store.kind,
        context.started_at_ns,
        context.wall_ns() - context.started_at_ns,
        len(service.supervision),
        service.in_flight,
        0 if last is None else last.requests,
        0 if last is None else last.p50_ns,
        0 if last is None else last.p99_ns,
        len(context.peers()),
        len(context.refused()),
    )


def peers(context: Context, params: Nothing) -> Peers:
    """List Diameter peers, and those that were refused with the line that would let them in."""
    return peers_now(context)


def reload(context: Context, params: ReloadParams) -> Reloaded:
    """Read ocs.yaml again: take over what can change while the server runs, name what cannot."""
    if context.reloader is None:
        raise RpcError("this server was not started from a file")
    try:
        return context.reloader.reload(params.dry_run)
    except ReloadRefused as error:
        raise InvalidParams(str(error)) from None


def ping(context: Context, params: Nothing) -> str:
    """Answer Pong."""
    return "Pong"


def peers_now(context: Context) -> Peers:
    """The peers, as results and the live page have them."""
    return Peers([_peer(peer) for peer in context.peers()], [_refused(peer) for peer in context.refused()])


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.Ping", Role.READ)(ping)
    registry.method("OcsV1.Status", Role.READ)(status)
    registry.method("OcsV1.PeerList", Role.READ)(peers)
    registry.method("OcsV1.Reload", Role.ADMINISTER)(reload)


def _peer(peer: PeerInfo) -> PeerView:
    return PeerView(
        peer.origin_host,
        peer.realm,
        peer.address,
        peer.state,
        peer.product,
        peer.profile,
        peer.since_ns,
        peer.requests,
        peer.answers,
        peer.in_flight,
        peer.is_suspected,
    )


def _refused(peer: RefusedPeer) -> RefusedView:
    return RefusedView(
        peer.origin_host,
        peer.address,
        peer.result_code,
        peer.reason,
        peer.attempts,
        peer.last_ns,
        peer.remedy,
    )
