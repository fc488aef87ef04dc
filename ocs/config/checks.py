"""Rules between several keys of one struct; the reader calls them for every struct it has read."""

import ipaddress
from collections.abc import Callable
from typing import Any, Protocol

from ocs.config.figures import CgratesFigures
from ocs.config.scalars import duration_text, size_text
from ocs.config.settings import (
    ChargingSettings,
    Endpoint,
    FinalUnit,
    FreeswitchSettings,
    KamailioSettings,
    Listener,
    MetricsSettings,
    Peer,
    Proxy,
    QuotaRule,
    RadiusClient,
    RadiusListener,
    RadiusSettings,
    RedisSettings,
    RpcSettings,
    ServiceContext,
    Switch,
)


class Reporter(Protocol):
    """What a check needs of the reader."""

    profiles_used: list[tuple[str, str]]

    def problem_at(self, path: str, message: str, suggestion: str = "") -> None:
        """Report a problem at a path."""

    def is_clean(self, *paths: str) -> bool:
        """Say whether nothing at these paths is a problem yet."""

    def once(self, path: str, *key: str) -> None:
        """Report a problem where the same key was seen before."""


def check_listener(reporter: Reporter, listener: Listener, path: str) -> None:
    """TLS needs a certificate and its key, and an authority to verify peers; nothing else uses them."""
    if reporter.is_clean(path):
        reporter.once(path, "listen", listener.address, str(listener.port), str(listener.transport == "sctp"))
    if not reporter.is_clean(f"{path}.transport"):
        return
    files = {"certificate": listener.certificate, "key": listener.key, "ca": listener.ca}
    needed = {"certificate", "key"} | ({"ca"} if listener.verify_peer else set())
    for key, value in files.items():
        if listener.transport != "tls" and value is not None:
            reporter.problem_at(f"{path}.{key}", "is used with transport: tls only")
        if (
            listener.transport == "tls"
            and key in needed
            and value is None
            and reporter.is_clean(f"{path}.{key}")
        ):
            reason = " while verify_peer is true" if key == "ca" else ""
            reporter.problem_at(f"{path}.{key}", f"missing: transport: tls needs it{reason}")


def check_peer(reporter: Reporter, peer: Peer, path: str) -> None:
    """Every peer is listed once and has a profile that exists."""
    reporter.once(f"{path}.origin_host", "peer", peer.origin_host)
    reporter.profiles_used.append((f"{path}.profile", peer.profile))


def check_quota(reporter: Reporter, rule: QuotaRule, path: str) -> None:
    """A threshold is less than its grant: clients ignore the rest (TS 32.299 7.2.239)."""
    if rule.profile is not None:
        reporter.profiles_used.append((f"{path}.profile", rule.profile))
    if "none" in rule.triggers and len(rule.triggers) > 1:
        reporter.problem_at(f"{path}.triggers", "none stands alone: it disarms all of them")
    _check_threshold(reporter, path, "volume", rule.volume_threshold_octets, rule.volume_octets, size_text)
    _check_threshold(reporter, path, "time", rule.time_threshold_ns, rule.time_ns, duration_text)


def _check_threshold(
    reporter: Reporter, path: str, unit: str, threshold: int | None, grant: int, shown: Callable[[int], str]
) -> None:
    place = f"{path}.{unit}_threshold"
    if threshold is not None and threshold >= grant and reporter.is_clean(place, f"{path}.{unit}"):
        reporter.problem_at(place, f"{shown(threshold)} is not less than {unit}: {shown(grant)}")


def check_final_unit(reporter: Reporter, final_unit: FinalUnit, path: str) -> None:
    """A redirection needs an address, a restriction its filters (RFC 8506 5.6)."""
    if not reporter.is_clean(path):
        return
    if final_unit.action == "redirect" and final_unit.redirect_address is None:
        reporter.problem_at(f"{path}.redirect_address", "missing: action: redirect needs it")
    if final_unit.action != "redirect" and final_unit.redirect_address is not None:
        reporter.problem_at(f"{path}.redirect_address", "is used with action: redirect only")
    if final_unit.action == "restrict" and not (final_unit.filter_rules or final_unit.filter_ids):
        reporter.problem_at(
            f"{path}.filter_rules", "missing: action: restrict needs filter_rules or filter_ids"
        )
    if final_unit.action in ("terminate", "none") and (final_unit.filter_rules or final_unit.filter_ids):
        reporter.problem_at(path, f"filters are not used with action: {final_unit.action}")


def check_rpc(reporter: Reporter, rpc: RpcSettings, path: str) -> None:
    """Other machines reach the listeners inside TLS alone, and need a key there."""
    plain = {"jsonrpc": rpc.jsonrpc, "bidirectional": rpc.bidirectional, "http": rpc.http}
    for key, endpoint in plain.items():
        if endpoint is not None and not ipaddress.ip_address(endpoint.address).is_loopback:
            reporter.problem_at(
                f"{path}.{key}",
                f"{endpoint.address} is not a loopback address; what is said here is not encrypted, so it is for "
                f"127.0.0.1 or ::1 only; other machines use {key}_tls, with keys of `ocs key create`",
                _loopback(endpoint),
            )
    secured = {
        "jsonrpc_tls": rpc.jsonrpc_tls,
        "bidirectional_tls": rpc.bidirectional_tls,
        "http_tls": rpc.http_tls,
    }
    for key, endpoint in (plain | secured).items():
        if endpoint is not None and reporter.is_clean(f"{path}.{key}"):
            reporter.once(f"{path}.{key}", "listen", endpoint.address, str(endpoint.port), "False")
    wants_tls = [key for key, endpoint in secured.items() if endpoint is not None]
    for key, value in {"certificate": rpc.certificate, "key": rpc.key}.items():
        if wants_tls and value is None and reporter.is_clean(f"{path}.{key}"):
            reporter.problem_at(f"{path}.{key}", f"missing: {wants_tls[0]} needs it")


def _loopback(endpoint: Endpoint) -> str:
    return f"[::1]:{endpoint.port}" if ":" in endpoint.address else f"127.0.0.1:{endpoint.port}"


def check_metrics(reporter: Reporter, metrics: MetricsSettings, path: str) -> None:
    """A path of HTTP begins with a slash."""
    if not metrics.path.startswith("/"):
        reporter.problem_at(f"{path}.path", "must begin with a slash", f"/{metrics.path}")


def check_context(reporter: Reporter, context: ServiceContext, path: str) -> None:
    """One ending means one service."""
    reporter.once(f"{path}.match", "context", context.match)


def check_switch(reporter: Reporter, switch: Switch, path: str) -> None:
    """A switch has one password, in the file or beside it, and a name of its own: it names the sessions."""
    given = [key for key in ("password", "password_file") if getattr(switch, key) is not None]
    if len(given) != 1 and reporter.is_clean(f"{path}.password", f"{path}.password_file"):
        reporter.problem_at(path, "needs password or password_file, and not both")
    for key in ("host", "name", "password"):
        value = getattr(switch, key)
        if value is not None and not value.isprintable():
            reporter.problem_at(f"{path}.{key}", "must not have line ends or other control characters")
    name = switch.name or f"{switch.host}:{switch.port}"
    if "|" in name:
        reporter.problem_at(f"{path}.name", 'must not have a "|"')
    reporter.once(f"{path}.name" if switch.name else f"{path}.host", "switch", name)


def check_freeswitch(reporter: Reporter, freeswitch: FreeswitchSettings, path: str) -> None:
    """What becomes a word of a command is one word; the pause between two attempts has a beginning and an end."""
    keys = (
        "empty_balance_context",
        "empty_balance_announcement",
        "transfer_extension",
        "low_balance_announcement",
    )
    for key in keys:
        value = getattr(freeswitch, key)
        if value is not None and not _is_command_word(value):
            reporter.problem_at(f"{path}.{key}", f'"{value}" is more than one word of a command')
    for key in ("event_filters", "extra_fields"):
        for index, value in enumerate(getattr(freeswitch, key)):
            if not value.isprintable():
                reporter.problem_at(f"{path}.{key}[{index}]", "must be one line")
    if freeswitch.reconnect_ns > freeswitch.reconnect_maximum_ns:
        reporter.problem_at(f"{path}.reconnect", "is more than reconnect_maximum")


def _is_command_word(value: str) -> bool:
    return value.isprintable() and not value.startswith("-") and not any(c in value for c in " `\\$")


def check_proxy(reporter: Reporter, proxy: Proxy, path: str) -> None:
    """A proxy has a name of its own: it names the sessions."""
    for key in ("host", "name"):
        value = getattr(proxy, key)
        if value is not None and (not value.isprintable() or " " in value):
            reporter.problem_at(f"{path}.{key}", "must be one word")
    name = proxy.name or f"{proxy.host}:{proxy.port}"
    if "|" in name:
        reporter.problem_at(f"{path}.name", 'must not have a "|"')
    reporter.once(f"{path}.name" if proxy.name else f"{path}.host", "proxy", name)


def check_kamailio(reporter: Reporter, kamailio: KamailioSettings, path: str) -> None:
    """Slices are parts of a call, and the pause between two attempts has a beginning and an end."""
    if kamailio.debit_interval_ns > kamailio.max_usage_ns:
        reporter.problem_at(f"{path}.debit_interval", "is more than max_usage")
    if kamailio.reconnect_ns > kamailio.reconnect_maximum_ns:
        reporter.problem_at(f"{path}.reconnect", "is more than reconnect_maximum")


def check_redis(reporter: Reporter, redis: RedisSettings, path: str) -> None:
    """An address in the form of a URL, without the password; TLS files with TLS, a primary with sentinels."""
    scheme, _, rest = redis.url.partition("://")
    if scheme not in ("redis", "rediss", "unix") or not rest:
        reporter.problem_at(f"{path}.url", "must begin with redis://, rediss:// (TLS) or unix://")
    elif "@" in rest:
        reporter.problem_at(f"{path}.url", "must not hold a name or password: use username and password_file")
    elif not _is_redis_place(rest):
        reporter.problem_at(f"{path}.url", "must be like redis://host:6379/0")
    for key in ("ca", "certificate", "key"):
        if getattr(redis, key) is not None and scheme != "rediss":
            reporter.problem_at(f"{path}.{key}", "is used with rediss:// only")
    if (redis.certificate is None) != (redis.key is None):
        reporter.problem_at(path, "certificate and key go together")
    if redis.sentinels and redis.primary is None and reporter.is_clean(f"{path}.primary"):
        reporter.problem_at(f"{path}.primary", "missing: the name under which the sentinels know the primary")
    if redis.primary is not None and not redis.sentinels:
        reporter.problem_at(f"{path}.primary", "is used with sentinels only")
    if not redis.prefix.isprintable() or any(c in redis.prefix for c in "{} "):
        reporter.problem_at(f"{path}.prefix", "must be one word without braces")


def _is_redis_place(place: str) -> bool:
    """A path of a Unix socket, or host, port and database."""
    if place.startswith("/"):
        return True
    address, _, database = place.partition("/")
    port = address.rpartition(":")[2] if ":" in address.rpartition("]")[2] else "6379"
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65_536
    return (
        is_port
        and (not database or (database.isascii() and database.isdigit()))
        and not address.startswith(":")
    )


def check_radius_client(reporter: Reporter, client: RadiusClient, path: str) -> None:
    """A client has one secret, in the file or beside it, and a name and network of its own."""
    given = [key for key in ("secret", "secret_file") if getattr(client, key) is not None]
    if len(given) != 1 and reporter.is_clean(f"{path}.secret", f"{path}.secret_file"):
        reporter.problem_at(path, "needs secret or secret_file, and not both")
    if not client.name.isprintable() or any(c in client.name for c in "|/ "):
        reporter.problem_at(f"{path}.name", 'must be one word without "|" and "/"')
    reporter.once(f"{path}.name", "radius client", client.name)
    reporter.once(f"{path}.address", "radius network", client.address)
    if client.disconnect_address is not None and not client.disconnect:
        reporter.problem_at(f"{path}.disconnect_address", "is used with disconnect: true only")


def check_radius_listener(reporter: Reporter, listener: RadiusListener, path: str) -> None:
    """A port takes one kind of packet."""
    for key in ("authentication", "accounting"):
        endpoint = getattr(listener, key)
        if endpoint is not None and reporter.is_clean(f"{path}.{key}"):
            reporter.once(f"{path}.{key}", "radius listen", endpoint.address, str(endpoint.port))


def check_radius(reporter: Reporter, radius: RadiusSettings, path: str) -> None:
    """Who has clients listens for them."""
    if radius.clients and not radius.listen and reporter.is_clean(f"{path}.listen"):
        reporter.problem_at(f"{path}.listen", "is empty, while there are clients")


def check_charging(reporter: Reporter, charging: ChargingSettings, path: str) -> None:
    """Exact prices need no figures of another arithmetic."""
    if charging.rounding == "exact" and charging.cgrates != CgratesFigures():
        reporter.problem_at(f"{path}.cgrates", "is used with rounding: cgrates only")


CHECKS: dict[type, Callable[[Any, Any, str], None]] = {
    ChargingSettings: check_charging,
    Listener: check_listener,
    Peer: check_peer,
    QuotaRule: check_quota,
    FinalUnit: check_final_unit,
    RpcSettings: check_rpc,
    MetricsSettings: check_metrics,
    ServiceContext: check_context,
    Switch: check_switch,
    FreeswitchSettings: check_freeswitch,
    Proxy: check_proxy,
    KamailioSettings: check_kamailio,
    RedisSettings: check_redis,
    RadiusClient: check_radius_client,
    RadiusListener: check_radius_listener,
    RadiusSettings: check_radius,
}
