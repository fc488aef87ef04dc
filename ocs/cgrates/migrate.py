"""A CGRateS configuration as an `ocs.yaml` that does the same, and what of it has no equal. Pure.

What `ocs.yaml` says is exact charging by the product's own core; `ocs cgrates` goes on with the incumbent's files
and figures as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ocs.charging.cgrates.values import duration_ns

Raw = Mapping[str, Any]

DEFAULT_HOST, DEFAULT_REALM = "CGR-DA", "cgrates.org"
EXACT = "exact"
# Keys of the configuration and what they are called in ocs.yaml: of charging.cgrates, of sessions.
FIGURES = (
    ("general", "rounding_decimals", "rounding_decimals"),
    ("rals", "max_increments", "max_increments"),
    ("rals", "fallback_depth", "fallback_depth"),
    ("rals", "rp_subject_prefix_matching", "subject_prefix_matching"),
    ("rals", "remove_expired", "remove_expired"),
)
WORDS = (
    ("general", "default_tenant", "default_tenant"),
    ("general", "default_category", "default_category"),
    ("general", "default_request_type", "default_request_type"),
    ("general", "node_id", "node_id"),
)
LENGTHS = (
    ("sessions", "debit_interval", "debit_interval"),
    ("sessions", "min_dur_low_balance", "warn_before"),
    ("sessions", "session_ttl", "ttl"),
    ("sessions", "channel_sync_interval", "sync_interval"),
    ("general", "reply_timeout", "reply_timeout"),
)
LEVELS = ("error", "error", "error", "error", "warning", "info", "info", "debug")  # of syslog, 0 to 7


class Left(msgspec.Struct, frozen=True):
    """A key that is not carried over, and what that means."""

    key: str
    meaning: str


class Migrated(msgspec.Struct, frozen=True):
    """The text of `ocs.yaml`, and what is not in it."""

    yaml: str
    left: tuple[Left, ...]


class _Writer:
    """Reads keys, remembers which were used, and collects lines."""

    def __init__(self, merged: Raw) -> None:
        self.merged = merged
        self.used: set[str] = set()
        self.left: list[Left] = []
        self.lines: list[str] = []

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """A value of the configuration."""
        self.used.add(f"{section}.{key}")
        return self.section(section).get(key, default)

    def section(self, name: str) -> Raw:
        """A section, empty where it is missing."""
        found = self.merged.get(name)
        return found if isinstance(found, dict) else {}

    def say(self, line: str) -> None:
        """Adds a line of the file."""
        self.lines.append(line)

    def leave(self, key: str, meaning: str) -> None:
        """Notes what is not carried over."""
        self.left.append(Left(key, meaning))


class Choices(msgspec.Struct, frozen=True):
    """What the files do not say; `tariffs` and `accounts` are paths or words for `ocs.yaml`."""

    currency: str = "EUR"
    tariffs: str = "demo"
    accounts: str = "none"
    rounding: str = EXACT
    profiles: str = ""


def migrate(merged: Raw, choices: Choices) -> Migrated:
    """The settings of merged configuration files."""
    writer = _Writer(merged)
    writer.say("# Written by `ocs migrate cgrates`; docs/configuration.md describes every key.")
    for part in (_identity, _diameter):
        part(writer)
    _charging(writer, choices)
    _sessions(writer, choices)
    for part in (_rpc, _freeswitch, _kamailio, _log):
        part(writer)
    writer.left.extend(_rest(writer))
    return Migrated("\n".join(writer.lines) + "\n", tuple(writer.left))


def _identity(writer: _Writer) -> None:
    host = writer.get("diameter_agent", "origin_host", DEFAULT_HOST)
    realm = writer.get("diameter_agent", "origin_realm", DEFAULT_REALM)
    writer.say("identity:")
    writer.say(f"  origin_host: {_text(host)}")
    writer.say(f"  origin_realm: {_text(realm)}")


def _diameter(writer: _Writer) -> None:
    agent = writer.section("diameter_agent")
    enabled = writer.get("diameter_agent", "enabled", False)
    listeners = writer.get("diameter_agent", "listeners") or [
        {
            "address": writer.get("diameter_agent", "listen", "127.0.0.1:3868"),
            "network": writer.get("diameter_agent", "listen_net", "tcp"),
        }
    ]
    writer.say("diameter:")
    if not enabled:
        writer.say("  listen: []                       # the Diameter agent was switched off")
        return
    writer.say("  listen:")
    for listener in listeners:
        host, port = _address(str(listener.get("address", "")), 3868)
        network = str(listener.get("network", "tcp"))
        writer.say(
            f"    - {{address: {host}, port: {port}, transport: {'sctp' if network == 'sctp' else 'tcp'}}}"
        )
    writer.say("  admit_unlisted: any                # as before; list the clients in `peers` and say `none`")
    if agent.get("request_processors"):
        writer.used.add("diameter_agent.request_processors")
        writer.leave(
            "diameter_agent.request_processors",
            "Gy/Ro is read and answered by RFC 8506 and TS 32.299; `ocs cgrates` runs these processors as they are",
        )


def _charging(writer: _Writer, choices: Choices) -> None:
    writer.say("charging:")
    writer.say(f"  currency: {choices.currency}                    # CGRateS knows none: check it")
    if choices.rounding != EXACT:
        writer.say(
            f"  rounding: {choices.rounding}                # its figures and methods; exact for this server's own"
        )
        _figures(writer)
    writer.say(f"  tariffs: {_text(choices.tariffs)}")
    writer.say(f"  accounts: {_text(choices.accounts)}")
    zone = writer.get("general", "default_timezone", "Local")
    if zone in ("Local", ""):
        writer.leave("general.default_timezone", "Local is the machine's zone: written as UTC, name yours")
        zone = "UTC"
    writer.say(f"  time_zone: {_text(zone)}")
    usage = writer.get("sessions", "default_usage", {}) or {}
    writer.say("  quotas:")
    writer.say(f"    - {{service: sms, events: {_count(usage.get('*sms'), 1)}}}")
    writer.say("    - {service: mms, events: 1}")
    time = _seconds(usage.get("*voice", usage.get("*any")), 3 * 3600)
    writer.say(f"    - {{service: voice, time: {time}s}}")
    writer.say(f"    - {{volume: {_count(usage.get('*data'), 1_048_576)}B, time: {time}s, events: 1}}")
    if choices.rounding == EXACT and writer.get("general", "rounding_decimals") is not None:
        writer.leave(
            "general.rounding_decimals", "prices are exact here and rounded once, as the tariff says"
        )


def _figures(writer: _Writer) -> None:
    """What the arithmetic is told, as far as the files say it."""
    said = [
        (name, value)
        for section, key, name in FIGURES
        if isinstance(value := writer.get(section, key), (bool, int))
    ]
    if said:
        writer.say("  cgrates:")
        for name, value in said:
            writer.say(f"    {name}: {msgspec.json.encode(value).decode()}")


def _sessions(writer: _Writer, choices: Choices) -> None:
    lines = []
    for section, key, name in WORDS:
        if value := writer.get(section, key):
            lines.append(f"  {name}: {_text(value)}")
    for section, key, name in LENGTHS:
        value = writer.get(section, key)
        if value is None:
            continue
        try:
            lines.append(f"  {name}: {_length(duration_ns(str(value)))}")
        except ValueError:
            writer.leave(f"{section}.{key}", f"{value} is no duration: set sessions.{name}")
    usage = writer.get("sessions", "default_usage") or {}
    amounts = [
        f"time: {_seconds(usage['*voice'], 0)}s" if "*voice" in usage else "",
        f"volume: {_count(usage['*data'], 1)}B" if "*data" in usage else "",
        f"messages: {_count(usage['*sms'], 1)}" if "*sms" in usage else "",
    ]
    if any(amounts):
        lines.append(f"  default_usage: {{{', '.join(filter(None, amounts))}}}")
    if choices.profiles:
        lines.append(f"  profiles: {_text(choices.profiles)}")
    if lines:
        writer.say("sessions:")
        for line in lines:
            writer.say(line)


def _length(ns: int) -> str:
    """A duration as ocs.yaml takes it."""
    return f"{ns // 10**9}s" if ns % 10**9 == 0 else f"{max(1, ns // 10**6)}ms"


def _rpc(writer: _Writer) -> None:
    writer.say("rpc:")
    for name, key, default in (
        ("jsonrpc", "rpc_json", "127.0.0.1:2012"),
        ("bidirectional", "birpc_json", "127.0.0.1:2014"),
        ("http", "http", "127.0.0.1:2080"),
    ):
        value = str(writer.get("listen", key, default))
        if not value:
            writer.say(f"  {name}: none")
            continue
        host, port = _address(value, int(default.rpartition(":")[2]))
        if host in ("0.0.0.0", "::"):
            writer.leave(
                f"listen.{key}",
                f"{value} is open to every machine: written as 127.0.0.1 until keys and TLS are set up",
            )
            host = "127.0.0.1"
        writer.say(f"  {name}: {host}:{port}")


def _freeswitch(writer: _Writer) -> None:
    enabled = writer.get("freeswitch_agent", "enabled", False)
    connections = writer.get("freeswitch_agent", "event_socket_conns") or []
    if not enabled or not connections:
        return
    writer.say("freeswitch:")
    writer.say("  switches:")
    for connection in connections:
        host, port = _address(str(connection.get("address", "127.0.0.1:8021")), 8021)
        password = _text(str(connection.get("password", "ClueCon")))
        writer.say(f"    - {{host: {host}, port: {port}, password: {password}}}")
    for key, name in (
        ("empty_balance_context", "empty_balance_context"),
        ("empty_balance_ann_file", "empty_balance_announcement"),
        ("low_balance_ann_file", "low_balance_announcement"),
    ):
        value = writer.get("freeswitch_agent", key)
        if value:
            writer.say(f"  {name}: {_text(value)}")


def _kamailio(writer: _Writer) -> None:
    enabled = writer.get("kamailio_agent", "enabled", False)
    connections = writer.get("kamailio_agent", "evapi_conns") or []
    if not enabled or not connections:
        return
    writer.say("kamailio:")
    writer.say("  connections:")
    for connection in connections:
        host, port = _address(str(connection.get("address", "127.0.0.1:8448")), 8448)
        writer.say(f"    - {{host: {host}, port: {port}}}")
    tenant = writer.get("general", "default_tenant", DEFAULT_REALM)
    writer.say(f"  default_tenant: {_text(tenant)}")


def _log(writer: _Writer) -> None:
    level = writer.get("general", "log_level")
    if isinstance(level, int) and 0 <= level < len(LEVELS):
        writer.say("log:")
        writer.say(f"  level: {LEVELS[level]}")
    writer.get("general", "logger")


TLS = "rpc.jsonrpc_tls, bidirectional_tls and http_tls listen with rpc.certificate and rpc.key, once there are keys"
# Sections and keys without an equal in ocs.yaml; the longest prefix counts.
MEANINGS: Mapping[str, str] = {
    "general": "a limit of its own stands in its place: docs/configuration.md",
    "data_db": "accounts live in the server's own store, in --data-dir; export them by APIerSv2.GetAccounts",
    "stor_db": "records live in the server's own store, in --data-dir",
    "listen.rpc_json_tls": TLS,
    "listen.birpc_json_tls": TLS,
    "listen.http_tls": TLS,
    "listen": "Go's own encoding is not spoken",
    "http": "paths are fixed: /jsonrpc and /ws; users are keys of `ocs key`",
    "rals.dynaprepaid_actionplans": "charging.dynaprepaid_plan names the plan of a new account",
    "rals.max_computed_usage": "there is no limit on a usage",
    "rals.balance_rating_subject": "free units are whole units of their service",
    "rals": "rating is always on; prices are exact, without limits on increments",
    "schedulers.dynaprepaid_actionplans": "charging.dynaprepaid_plan names the plan of a new account",
    "schedulers": "recurring actions are part of the accounts and plans",
    "sessions.client_protocol": "a client of protocol 1.0 is known by its answer",
    "sessions.terminate_attempts": "a client is asked five times to end a session",
    "sessions.alterable_fields": "what a session began with is charged to its end",
    "sessions": "sessions are always supervised; quotas and validity are in charging.quotas",
    "cdrs.online_cdr_exports": "exporters are records.exporters of ocs.yaml",
    "cores": "requests under way have limits of their own: docs/api.md",
    "http_agent": "`ocs cgrates` serves this section as it is",
    "dns_agent": "DNS is not spoken",
    "sip_agent": "SIP redirects are not answered",
    "suretax": "no connection to SureTax",
    "loader": "belongs to another program",
    "loaders": "folders are not watched: charging.tariffs names one, read again by `ocs reload`",
    "migrator": "belongs to another program",
    "cdrs": "records are written for every session; export them by `ocs cdr`",
    "apiers": "the API is always on",
    "caches": "everything that is needed is in memory already",
    "rpc_conns": "there is one process and no connection between its parts",
    "dispatchers": "there is one process; put several behind a Diameter agent",
    **dict.fromkeys(
        ("chargers", "attributes", "filters", "resources", "routes", "stats", "thresholds"),
        "profiles are in the folder of sessions.profiles, and found without such a key: docs/profiles.md",
    ),
    "ees": "exporters are records.exporters of ocs.yaml: docs/profiles.md says how their keys are called",
    "ers": "readers are records.readers of ocs.yaml: docs/profiles.md says how their keys are called",
    "tls": TLS,
    "templates": "messages need no templates here; `ocs cgrates` runs them",
    "diameter_agent": "the Diameter server answers by the standards; `ocs cgrates` serves this section as it is",
    "radius_agent": "RADIUS is in the section radius of ocs.yaml; `ocs cgrates` serves this section as it is",
}
WIRING = ("_conns", "enabled")


def _rest(writer: _Writer) -> Iterator[Left]:
    """Every key that was given and not used, wiring between parts left out."""
    for section, content in writer.merged.items():
        if not isinstance(content, dict):
            yield Left(section, _meaning(section) or "not known here")
            continue
        if _meaning(section) is None and any(f"{section}.{key}" not in writer.used for key in content):
            if content.get("enabled", True):
                yield Left(section, "not known here")
            continue
        for key in content:
            path = f"{section}.{key}"
            if path not in writer.used and not key.endswith(WIRING):
                yield Left(path, _meaning(path) or "not known here")


def _meaning(path: str) -> str | None:
    parts = path.split(".")
    return next(
        (MEANINGS[name] for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in MEANINGS),
        None,
    )


def _address(text: str, port: int) -> tuple[str, int]:
    """`:2012` is every address of the machine."""
    host, colon, digits = text.rpartition(":")
    if not colon:
        host, digits = text, ""
    return host.strip("[]") or "0.0.0.0", int(digits) if digits.isdigit() else port


def _text(value: object) -> str:
    """A YAML scalar, quoted where it could be read as something else."""
    text = str(value)
    plain = text and all(letter.isalnum() or letter in "._/-*" for letter in text) and text[0].isalpha()
    is_word = text.lower() in ("true", "false", "null", "yes", "no", "on", "off")
    return text if plain and not is_word else msgspec.json.encode(text).decode()


def _count(value: object, default: int) -> int:
    digits = str(value) if value is not None else ""
    return max(1, int(digits)) if digits.isdigit() else default


def _seconds(value: object, default: int) -> int:
    try:
        return max(1, duration_ns(str(value)) // 10**9) if value is not None else default
    except ValueError:
        return default
