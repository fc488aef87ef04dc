"""The incumbent's configuration folder: every `*.json` in it and below, merged in the order of their paths.

`load` gives typed settings and, once, what the folder says that has no effect here and what that means.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from ocs.cgrates import jsonc
from ocs.cgrates.agents import diameter_section, http_section, radius_section
from ocs.cgrates.agents.diameter_section import DiameterAgentSection
from ocs.cgrates.agents.http_section import HttpAgentSection
from ocs.cgrates.agents.radius_section import RadiusAgentSection
from ocs.cgrates.agents.sections import FreeswitchAgentSection, KamailioAgentSection, SectionError, check
from ocs.cgrates.unread import Unsupported, unsupported
from ocs.charging.cgrates import plan, values

HIGHEST_DECIMALS = 9
DEBUG, WARNING = 7, 4  # levels of syslog


class ConfigError(Exception):
    """The folder cannot be used; the message names file and place."""


class Duration(int):
    """Nanoseconds, written as `10s` or as a number; for data and messages the number counts units."""


class General(msgspec.Struct, frozen=True):
    """Section `general`."""

    node_id: str = ""
    log_level: int = 6
    logger: str = ""
    default_tenant: str = "cgrates.org"
    default_category: str = "call"
    default_request_type: str = "*rated"
    default_timezone: str = "Local"
    rounding_decimals: int = 5
    poster_attempts: int = 3
    reply_timeout: Duration = Duration(2_000_000_000)


class Listen(msgspec.Struct, frozen=True):
    """Section `listen`: addresses such as `:2012`; an empty one does not listen."""

    rpc_json: str = "127.0.0.1:2012"
    rpc_json_tls: str = "127.0.0.1:2022"
    http: str = "127.0.0.1:2080"
    http_tls: str = "127.0.0.1:2280"
    birpc_json: str = "127.0.0.1:2014"
    birpc_json_tls: str = ""  # the incumbent has none: open where it is named


class Http(msgspec.Struct, frozen=True):
    """Section `http`."""

    json_rpc_url: str = "/jsonrpc"
    ws_url: str = "/ws"
    freeswitch_cdrs_url: str = "/freeswitch_json"
    use_basic_auth: bool = False
    auth_users: dict[str, str] = {}


class Tls(msgspec.Struct, frozen=True):
    """Section `tls`: PEM files of the listeners inside TLS; policy 4 wants certificates of clients."""

    server_certificate: str = ""
    server_key: str = ""
    ca_certificate: str = ""
    server_policy: int = 4


class Rals(msgspec.Struct, frozen=True):
    """Section `rals`."""

    enabled: bool = False
    thresholds_conns: list[str] = []
    stats_conns: list[str] = []
    rp_subject_prefix_matching: bool = False
    remove_expired: bool = True
    max_increments: int = 1_000_000
    fallback_depth: int = 3
    max_computed_usage: dict[str, Duration] = {}
    balance_rating_subject: dict[str, str] = {}
    dynaprepaid_actionplans: list[str] = []


class Cdrs(msgspec.Struct, frozen=True):
    """Section `cdrs`."""

    enabled: bool = False
    store_cdrs: bool = True
    session_cost_retries: int = 5
    rals_conns: list[str] = []
    chargers_conns: list[str] = []
    attributes_conns: list[str] = []
    thresholds_conns: list[str] = []
    stats_conns: list[str] = []
    ees_conns: list[str] = []
    online_cdr_exports: list[str] = []


class StirSection(msgspec.Struct, frozen=True):
    """Section `sessions.stir`; a negative length has no limit. `trusted_keys` is no key of the incumbent."""

    allowed_attest: tuple[str, ...] = ("*any",)
    default_attest: str = "A"
    payload_maxduration: Duration = Duration(-1)
    publickey_path: str = ""
    privatekey_path: str = ""
    trusted_keys: list[str] = []


class Sessions(msgspec.Struct, frozen=True):
    """Section `sessions`."""

    enabled: bool = False
    rals_conns: list[str] = []
    cdrs_conns: list[str] = []
    chargers_conns: list[str] = []
    attributes_conns: list[str] = []
    resources_conns: list[str] = []
    routes_conns: list[str] = []
    thresholds_conns: list[str] = []
    stats_conns: list[str] = []
    ips_conns: list[str] = []
    debit_interval: Duration = Duration(0)
    session_ttl: Duration = Duration(0)
    session_ttl_max_delay: Duration = Duration(0)
    session_ttl_last_used: Duration | None = None
    session_ttl_usage: Duration | None = None
    session_ttl_last_usage: Duration | None = None
    store_session_costs: bool = False
    channel_sync_interval: Duration = Duration(0)
    channel_sync_timeout: Duration = Duration(2_000_000_000)
    stale_chan_max_extra_usage: Duration = Duration(0)
    terminate_attempts: int = 5
    alterable_fields: list[str] = []
    min_dur_low_balance: Duration = Duration(5_000_000_000)
    default_usage: dict[str, Duration] = {}
    client_protocol: float = 2.0
    backup_interval: Duration = Duration(0)
    stir: StirSection = StirSection()


class Subsystem(msgspec.Struct, frozen=True):
    """A section that is switched on or off and wired to others."""

    enabled: bool = False
    attributes_conns: list[str] = []
    thresholds_conns: list[str] = []
    stats_conns: list[str] = []
    rals_conns: list[str] = []
    resources_conns: list[str] = []
    cdrs_conns: list[str] = []
    caches_conns: list[str] = []
    scheduler_conns: list[str] = []
    ees_conns: list[str] = []
    apiers_conns: list[str] = []
    sessions_conns: list[str] = []
    store_interval: str | int = ""
    process_runs: int = 1
    filters: list[str] = []
    dynaprepaid_actionplans: list[str] = []
    scheduled_ids: dict[str, list[str]] = {}
    ees_exporter_ids: list[str] = []
    nested_fields: bool = False
    indexed_selects: bool = True


class Cores(msgspec.Struct, frozen=True):
    """Section `cores`: how many requests may be under way at once (0: no limit), what becomes of the others."""

    caps: int = 0
    caps_strategy: Literal["*busy", "*queue"] = "*busy"
    caps_stats_interval: Duration = Duration(0)
    shutdown_timeout: Duration = Duration(1_000_000_000)


class DataDb(msgspec.Struct, frozen=True):
    """Sections `data_db` and `stor_db`: only whether and where something is kept."""

    db_type: str = "*internal"
    opts: dict[str, Any] = {}


class Settings(msgspec.Struct, frozen=True):
    """The whole configuration; `raw` is what the files say, merged."""

    general: General = General()
    listen: Listen = Listen()
    http: Http = Http()
    tls: Tls = Tls()
    rals: Rals = Rals()
    cdrs: Cdrs = Cdrs()
    sessions: Sessions = Sessions()
    chargers: Subsystem = Subsystem()
    attributes: Subsystem = Subsystem()
    resources: Subsystem = Subsystem()
    ips: Subsystem = Subsystem()
    routes: Subsystem = Subsystem()
    stats: Subsystem = Subsystem()
    thresholds: Subsystem = Subsystem()
    trends: Subsystem = Subsystem()
    rankings: Subsystem = Subsystem()
    filters: Subsystem = Subsystem()
    schedulers: Subsystem = Subsystem()
    apiers: Subsystem = Subsystem()
    cores: Cores = Cores()
    data_db: DataDb = DataDb()
    stor_db: DataDb = DataDb()
    freeswitch_agent: FreeswitchAgentSection = FreeswitchAgentSection()
    kamailio_agent: KamailioAgentSection = KamailioAgentSection()
    radius_agent: RadiusAgentSection = RadiusAgentSection()
    http_agent: list[HttpAgentSection] = []
    diameter_agent: DiameterAgentSection = DiameterAgentSection()
    raw: dict[str, Any] = {}

    @property
    def dynaprepaid_plans(self) -> list[str]:
        """Action plans that open the account of a *dynaprepaid event."""
        return self.schedulers.dynaprepaid_actionplans or self.rals.dynaprepaid_actionplans

    def named(self, section: str, key: str) -> bool:
        """Whether the files name a key themselves."""
        return key in (self.raw.get(section) or {})


def load(
    folder: Path, variables: Mapping[str, str] | None = None
) -> tuple[Settings, tuple[Unsupported, ...]]:
    """Settings of a folder. Raises ConfigError."""
    merged: dict[str, Any] = {}
    origins: dict[str, Path] = {}  # of keys: the last file that says them
    for path in _files(folder):
        try:
            found = jsonc.loads(path.read_text("utf-8"), os.environ if variables is None else variables)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        except jsonc.JsoncError as error:
            raise ConfigError(f"{path}:{error}") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{path}:1:1: is not an object of sections")
        jsonc.merge(merged, found)
        for section, content in found.items():
            origins.update({f"{section}.{key}": path for key in content} if isinstance(content, dict) else {})
    return read(merged, origins), unsupported(merged, Settings)


def read(merged: Mapping[str, Any], origins: Mapping[str, Path] | None = None) -> Settings:
    """Settings of merged sections. Raises ConfigError with the key at fault, and the file that says it."""
    try:
        settings = msgspec.convert({**merged, "raw": merged}, Settings, strict=False, dec_hook=_duration)
    except msgspec.ValidationError as error:
        raise ConfigError(f"configuration: {error}") from error
    if not 0 <= settings.general.rounding_decimals <= HIGHEST_DECIMALS:
        raise ConfigError(f"general.rounding_decimals: 0 to {HIGHEST_DECIMALS}")
    try:
        check(settings.freeswitch_agent, settings.kamailio_agent)
        if settings.radius_agent.enabled:
            radius_section.plan_of(settings.radius_agent, merged.get("templates"))
        if settings.diameter_agent.enabled:
            diameter_section.plan_of(settings.diameter_agent, merged.get("templates"))
        http_section.plans_of(settings.http_agent, merged.get("templates"))
    except SectionError as error:
        raise ConfigError(f"{_origin(str(error), origins or {})}: {error}") from None
    return settings


def _origin(error: str, origins: Mapping[str, Path]) -> str:
    """The file whose key an error begins with."""
    fitting = [key for key in origins if error.startswith(key)]
    return str(origins[max(fitting, key=len)]) if fitting else "configuration"


def arithmetic(settings: Settings) -> plan.Settings:
    """What the configuration says to rating and accounting."""
    rals = settings.rals
    return plan.Settings(
        rounding_decimals=settings.general.rounding_decimals,
        max_increments=rals.max_increments,
        fallback_depth=rals.fallback_depth,
        subject_prefix_matching=rals.rp_subject_prefix_matching,
        remove_expired=rals.remove_expired,
        drifts_below_zero=True,
        max_usage={**plan.MAX_USAGE} | _plain(rals.max_computed_usage),
        default_usage={**plan.DEFAULT_USAGE} | _plain(settings.sessions.default_usage),
        default_subject={**plan.DEFAULT_SUBJECT, **rals.balance_rating_subject},
    )


def log_level(settings: Settings) -> Literal["debug", "info", "warning", "error"]:
    """The level of lines for a level of syslog: 7 is debug, 4 a warning, 3 and less an error."""
    level = settings.general.log_level
    if level >= DEBUG:
        return "debug"
    return "info" if level > WARNING else "warning" if level == WARNING else "error"


def _plain(lengths: Mapping[str, Duration]) -> dict[str, int]:
    """Lengths as plain numbers, which answers and records can hold."""
    return {name: int(length) for name, length in lengths.items()}


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is not a folder")
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


def _duration(kind: type, value: Any) -> Any:
    if kind is not Duration:
        raise ValueError(f"unexpected type {kind.__name__}")
    if isinstance(value, str):
        return Duration(values.duration_ns(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Duration(int(value))
    raise ValueError("is not a duration such as 10s")
