"""`ocs serve` with `charging.rounding: cgrates`: the server of `ocs cgrates` under the settings of ocs.yaml.

The tariff folder that `charging.tariffs` names is loaded when it is new or has changed; what its action plans run
at once runs then, and not at every start. Switches, Diameter peers and access servers are served by agents on the
event pipeline.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from ocs.cgrates import config, program, tariff
from ocs.cgrates.kinds import Kind
from ocs.cgrates.listening import StartError
from ocs.cgrates.runtime import Runtime
from ocs.config.profiles import BUILT_IN
from ocs.config.settings import Endpoint, Profile, SessionSettings, Settings, Switch

if TYPE_CHECKING:
    from ocs.cgrates.charging.agents import NetworkAgents

log = structlog.get_logger()

INTERNAL = ["*internal"]
INBOUND = "Call-Direction inbound"  # which the agent asks for by itself
TAKEN = {
    "freeswitch": (
        *("switches", "subscribe_park", "event_filters", "extra_fields", "low_balance_announcement"),
        *("empty_balance_context", "empty_balance_announcement", "transfer_extension"),
    ),
    "kamailio": ("connections",),
    "sessions": (
        *("default_tenant", "default_category", "default_request_type", "node_id", "default_usage"),
        *("debit_interval_ns", "warn_before_ns", "ttl_ns", "sync_interval_ns", "reply_timeout_ns"),
    ),
    "store": ("queue",),
}
QUOTAS_WITHOUT_EFFECT = ("pool",)
CHARGING_WITHOUT_EFFECT = ("overdraft_floor_nanos", "dynaprepaid_plan")
PROFILES_WITHOUT_EFFECT = ("tariff_time_change", "dual_quota")
DIGEST = "tariff folder"  # key of the record that says which folder is loaded
SESSION_PARTS = ("attributes", "resources", "routes", "thresholds", "stats", "chargers", "rals", "cdrs")


def run(settings: Settings, data_dir: Path) -> int:
    """Serves until SIGTERM or SIGINT; the exit status."""
    folder = Path(settings.charging.tariffs)

    async def prepare(runtime: Runtime) -> None:
        log.warning("server.rounds_like_cgrates", left_out=left_out(settings))
        await load_tariff(runtime, folder)

    def network(runtime: Runtime) -> "NetworkAgents":
        from ocs.cgrates.charging.agents import NetworkAgents

        return NetworkAgents(runtime, settings, data_dir)

    return program.run_with(lambda: engine_settings(settings), data_dir, prepare, make_network=network)


def engine_settings(settings: Settings) -> config.Settings:
    """The settings in the incumbent's form, everything switched on. Raises StartError for what cannot be had."""
    rpc, figures = settings.rpc, settings.charging.cgrates
    if not Path(settings.charging.tariffs).is_dir():
        raise StartError("charging.tariffs: with rounding: cgrates it is a CGRateS tariff folder")
    on: dict[str, Any] = {part: {"enabled": True} for part in (*SESSION_PARTS, "apiers", "schedulers")}
    on["cdrs"] |= {"chargers_conns": INTERNAL, "rals_conns": INTERNAL}
    sessions = {f"{part}_conns": INTERNAL for part in SESSION_PARTS}
    return config.read(
        {
            **on,
            "sessions": {"enabled": True, **sessions, **_sessions(settings.sessions)},
            "rals": {
                "enabled": True,
                "max_increments": figures.max_increments,
                "fallback_depth": figures.fallback_depth,
                "rp_subject_prefix_matching": figures.subject_prefix_matching,
                "remove_expired": figures.remove_expired,
            },
            "general": {
                "default_timezone": settings.charging.time_zone,
                "default_tenant": settings.sessions.default_tenant,
                "default_category": settings.sessions.default_category,
                "default_request_type": settings.sessions.default_request_type,
                "node_id": settings.sessions.node_id,
                "rounding_decimals": figures.rounding_decimals,
                "reply_timeout": settings.sessions.reply_timeout_ns,
            },
            "listen": {
                "rpc_json": _address(rpc.jsonrpc),
                "birpc_json": _address(rpc.bidirectional),
                "http": _address(rpc.http),
                "rpc_json_tls": _address(rpc.jsonrpc_tls),
                "birpc_json_tls": _address(rpc.bidirectional_tls),
                "http_tls": _address(rpc.http_tls),
            },
            "tls": {
                "server_certificate": rpc.certificate or "",
                "server_key": rpc.key or "",
                "ca_certificate": rpc.client_ca or "",
            },
            **_switches(settings),
        }
    )


def _sessions(told: SessionSettings) -> dict[str, Any]:
    """Intervals of sessions; a lifetime counts where it is said, for there is none in the incumbent otherwise."""
    usage = told.default_usage
    lengths = {"*voice": usage.time_ns, "*data": usage.volume_octets, "*sms": usage.messages}
    return {
        "debit_interval": told.debit_interval_ns,
        "min_dur_low_balance": told.warn_before_ns,
        "channel_sync_interval": told.sync_interval_ns,
        "session_ttl": 0 if told.ttl_ns == SessionSettings().ttl_ns else told.ttl_ns,
        "default_usage": {**lengths, "*any": usage.time_ns},
    }


def left_out(settings: Settings) -> list[str]:
    """What ocs.yaml says and this way of charging does not do."""
    freeswitch, kamailio, defaults = settings.freeswitch, settings.kamailio, Settings(settings.identity)
    found = (
        ["charging.accounts: accounts are those of AccountActions.csv"] if settings.charging.accounts else []
    )
    found += _without_effect(settings)
    for section, mine, default in (
        ("freeswitch", freeswitch, defaults.freeswitch),
        ("kamailio", kamailio, defaults.kamailio),
        ("sessions", settings.sessions, defaults.sessions),
        ("store", settings.store, defaults.store),
        ("records", settings.records, defaults.records),
        ("actions", settings.actions, defaults.actions),
    ):
        taken = TAKEN.get(section, ())
        found += [
            f"{section}.{name.removesuffix('_ns')}: has no effect"
            for name in mine.__struct_fields__
            if name not in taken and getattr(mine, name) != getattr(default, name)
        ]
    return found


def _without_effect(settings: Settings) -> list[str]:
    """What of prices, quotas and profiles has no place in the arithmetic of the incumbent."""
    charging, default = settings.charging, Settings(settings.identity).charging
    parts: list[tuple[str, Any, Any, tuple[str, ...]]] = [
        ("charging", charging, default, CHARGING_WITHOUT_EFFECT),
        ("radius", settings.radius, Settings(settings.identity).radius, ("authorize_hold_ns",)),
        ("charging.supervision", charging.supervision, default.supervision, ("warn_before_ns",)),
    ]
    parts += [
        (f"charging.quotas[{number}]", rule, default.quotas[0], QUOTAS_WITHOUT_EFFECT)
        for number, rule in enumerate(charging.quotas)
    ]
    parts += [
        (f"diameter.profiles.{name}", profile, BUILT_IN.get(name, Profile()), PROFILES_WITHOUT_EFFECT)
        for name, profile in settings.diameter.profiles.items()
    ]
    return [
        f"{place}.{name.removesuffix('_ns').removesuffix('_nanos')}: has no effect"
        for place, mine, usual, names in parts
        for name in names
        if getattr(mine, name) != getattr(usual, name)
    ]


def _switches(settings: Settings) -> dict[str, Any]:
    """The sections of the switch agents; records of calls are made when they end."""
    freeswitch, kamailio = settings.freeswitch, settings.kamailio
    found: dict[str, Any] = {}
    if freeswitch.switches:
        found["freeswitch_agent"] = {
            "enabled": True,
            "create_cdr": True,
            "subscribe_park": freeswitch.subscribe_park,
            "event_filters": [each for each in freeswitch.event_filters if each != INBOUND],
            "extra_fields": list(freeswitch.extra_fields),
            "low_balance_ann_file": freeswitch.low_balance_announcement or "",
            "empty_balance_context": freeswitch.empty_balance_context or "",
            "empty_balance_ann_file": freeswitch.empty_balance_announcement or "",
            "sched_transfer_extension": freeswitch.transfer_extension or "",
            "event_socket_conns": [
                {"address": f"{each.host}:{each.port}", "alias": each.name or "", "password": _password(each)}
                for each in freeswitch.switches
            ],
        }
    if kamailio.connections:
        found["kamailio_agent"] = {
            "enabled": True,
            "create_cdr": True,
            "evapi_conns": [
                {"address": f"{each.host}:{each.port}", "alias": each.name or ""}
                for each in kamailio.connections
            ],
        }
    return found


def _password(switch: Switch) -> str:
    if switch.password_file is None:
        return switch.password or "ClueCon"
    try:
        return Path(switch.password_file).read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"freeswitch.switches: {switch.password_file} cannot be read: {error}") from error


async def load_tariff(runtime: Runtime, folder: Path) -> None:
    """Loads a folder whose files are not those that were loaded last. Raises StartError."""
    try:
        digest = _digest(folder)
        if runtime.state.tables[Kind.META].get(DIGEST) == digest:
            return
        await runtime.load_folder(folder)
    except (OSError, UnicodeDecodeError, tariff.TariffError) as error:
        raise StartError(f"charging.tariffs: {folder}: {error}") from error
    runtime.state.put(Kind.META, DIGEST, digest)
    await runtime.durable()


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for name, text in tariff.read_folder(folder):
        found.update(f"{len(name)} {len(text)} {name}{text}".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _address(endpoint: Endpoint | None) -> str:
    return "" if endpoint is None else f"{endpoint.address}:{endpoint.port}"
