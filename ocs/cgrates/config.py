"""The incumbent's configuration folder: every `*.json` in it and below, merged in the order of their paths.

`load` gives typed settings and, once, what the folder says that has no effect here and what that means.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from ocs.cgrates import exports, jsonc
from ocs.cgrates.agents.http_section import HttpAgentSection, plans_of
from ocs.cgrates.agents.radius_section import RadiusAgentSection, plan_of
from ocs.cgrates.agents.sections import FreeswitchAgentSection, KamailioAgentSection, SectionError, check
from ocs.cgrates.exports import ExporterSettings
from ocs.cgrates.reader_files import KINDS
from ocs.cgrates.readers import ReaderSettings
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
    raw: dict[str, Any] = {}

    @property
    def dynaprepaid_plans(self) -> list[str]:
        """Action plans that open the account of a *dynaprepaid event."""
        return self.schedulers.dynaprepaid_actionplans or self.rals.dynaprepaid_actionplans

    def named(self, section: str, key: str) -> bool:
        """Whether the files name a key themselves."""
        return key in (self.raw.get(section) or {})


class Unsupported(msgspec.Struct, frozen=True):
    """A key without effect, and what that means."""

    key: str
    meaning: str


def load(
    folder: Path, variables: Mapping[str, str] | None = None
) -> tuple[Settings, tuple[Unsupported, ...]]:
    """Settings of a folder. Raises ConfigError."""
    merged: dict[str, Any] = {}
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
    return read(merged), tuple(unsupported(merged))


def read(merged: Mapping[str, Any]) -> Settings:
    """Settings of merged sections. Raises ConfigError with the key at fault."""
    try:
        settings = msgspec.convert({**merged, "raw": merged}, Settings, strict=False, dec_hook=_duration)
    except msgspec.ValidationError as error:
        raise ConfigError(f"configuration: {error}") from error
    if not 0 <= settings.general.rounding_decimals <= HIGHEST_DECIMALS:
        raise ConfigError(f"general.rounding_decimals: 0 to {HIGHEST_DECIMALS}")
    try:
        check(settings.freeswitch_agent, settings.kamailio_agent)
        if settings.radius_agent.enabled:
            plan_of(settings.radius_agent, merged.get("templates"))
        plans_of(settings.http_agent, merged.get("templates"))
    except SectionError as error:
        raise ConfigError(f"configuration: {error}") from None
    return settings


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


# What keys that are not read would do in the incumbent; the longest prefix counts.
_NO_DATABASE = "data lives in this process, durable in the folder of -data_dir; no other database is used"
_NO_GOB = "Go's own encoding is not spoken; its port stays closed"
_ONE_PROCESS = "all subsystems are in this process: there is nothing to connect"
_NO_OTHERS = "there are no connections to other engines"
_WITH_SESSION = "the cost of a session is kept with the session itself"
MEANINGS: Mapping[str, str] = {
    "data_db": _NO_DATABASE,
    "stor_db": _NO_DATABASE,
    "listen.rpc_gob": _NO_GOB,
    "listen.rpc_gob_tls": _NO_GOB,
    "listen.birpc_gob": _NO_GOB,
    "tls.client_certificate": _NO_OTHERS,
    "tls.client_key": _NO_OTHERS,
    "general.connect_timeout": _NO_OTHERS,
    "general.reconnects": _NO_OTHERS,
    "general.max_reconnect_interval": _NO_OTHERS,
    "general.max_parallel_conns": _NO_OTHERS,
    "general.logger": "lines go to standard error, or to standard output with *stdout",
    "general.locking_timeout": "a step on an account never waits for a lock",
    "general.failed_posts_dir": "posts that fail are not kept; those of exporters are, in ees.failed_posts.dir",
    "general.failed_posts_ttl": "posts that fail are not kept; those of exporters are, until they are replayed",
    "http.http_cdrs": "records of others come by CDRsV1.ProcessExternalCDR, ers.readers, or freeswitch_cdrs_url",
    "caches": "everything is in memory already; partitions have no limits",
    "cores.shutdown_timeout": "what is under way has 50 ms to end, for a successor starts right after the signal",
    "rpc_conns": "all subsystems are in this process: a named connection counts as *internal",
    "dispatchers": "requests are not dispatched to other engines",
    "dispatcherh": "requests are not dispatched to other engines",
    "registrarc": "no other engine is told of this one",
    "analyzers": "requests are not recorded for analysis",
    "loader": "belongs to another program",
    "loaders": "folders are not watched: LoadTariffPlanFromFolder loads one",
    "migrator": "belongs to another program",
    "suretax": "no connection to SureTax",
    "configs": "the files of the configuration are not served over HTTP",
    "diameter_agent": "`ocs serve` speaks Diameter (section diameter of ocs.yaml); request processors are not read",
    "dns_agent": "DNS is not spoken",
    "sip_agent": "SIP redirects are not answered; Kamailio and OpenSIPS ask this server instead",
    "asterisk_agent": "Asterisk's ARI is not spoken",
    "janus_agent": "Janus is not spoken to",
    "prometheus_agent": "`ocs serve` has /metrics; there is none here",
    "ees.cache": "exporters are kept open while the server runs",
    "ees.exporters": "exporters have no such key here",
    "ers.readers": "readers have no such key here",
    "ers.sessions_conns": "readers hand their rows to the sessions of this process",
    "ers.ees_conns": "readers hand their rows to the sessions of this process",
    "ers.partial_cache_action": "each reader says so in its opts (partialCacheAction)",
    "sessions.store_session_costs": _WITH_SESSION,
    "sessions.backup_interval": "each change of a session is on disk before its answer leaves",
    "sessions.replication_conns": "nothing is replicated between servers",
    "sessions.session_indexes": "active sessions are found by any of their fields",
    "sessions.listen_bijson": "the address of both directions is listen.birpc_json",
    "sessions.listen_bigob": _NO_GOB,
    "cdrs.session_cost_retries": _WITH_SESSION,
    "cdrs.extra_fields": "all fields of an event that are no main ones are kept with its record",
    "schedulers.filters": "plans run for all their accounts",
    "kamailio_agent.timezone": "times of Kamailio count seconds; no zone is needed",
}
# Keys whose values are read and change nothing, except where they say what is so here anyway.
READ_IN_VAIN: Mapping[str, tuple[object, ...]] = {
    "general.logger": ("", "*stdout"),
    "cores.shutdown_timeout": (),
    "data_db.db_type": ("", "*internal"),
    "stor_db.db_type": ("", "*internal"),
    "sessions.store_session_costs": (False,),
    "sessions.backup_interval": (0, "", "0"),
    "cdrs.session_cost_retries": (),
    "schedulers.filters": ([],),
    "kamailio_agent.timezone": ("",),
}
# Sections that others read whole, with the keys they know, and those of what they list.
READ_ELSEWHERE = {
    "ees": frozenset(("enabled", "attributes_conns", "failed_posts", "exporters")),
    "ers": frozenset(("enabled", "readers", "partial_cache_ttl")),
}
LISTED: Mapping[str, type[msgspec.Struct]] = {
    "http_agent": HttpAgentSection,
    "ees.exporters": ExporterSettings,
    "ers.readers": ReaderSettings,
}
OFFERED_TYPES: Mapping[str, Collection[str]] = {
    "ees.exporters": exports.OFFERED,
    "ers.readers": {"*none", *KINDS},
}
READ_WHOLE = ("templates",)  # every key is a name
QUIET_KEYS = frozenset(
    f"{section}.{key}"
    for section in ("attributes", "chargers", "resources", "routes", "stats", "thresholds", "filters", "ips")
    for key in (
        "string_indexed_fields",
        "prefix_indexed_fields",
        "suffix_indexed_fields",
        "exists_indexed_fields",
        "notexists_indexed_fields",
    )
)  # how profiles are found faster: no answer depends on it


UNKNOWN = "not known here: it has no effect"


def unsupported(merged: Mapping[str, Any]) -> Iterator[Unsupported]:
    """What merged sections say that has no effect here."""
    known = {field.encode_name: field.type for field in msgspec.structs.fields(Settings)}
    for section, content in merged.items():
        if section in READ_WHOLE:
            continue
        if section in LISTED and isinstance(content, list):
            yield from _unsupported_of(section, content)
            continue
        kind = known.get(section)
        names = READ_ELSEWHERE.get(section, frozenset())
        if kind is not None:
            names = frozenset(field.encode_name for field in msgspec.structs.fields(kind))
        if not names and isinstance(content, dict) and content.get("enabled") is False:
            continue
        if not names or not isinstance(content, dict):
            yield Unsupported(section, _meaning(section))
            continue
        for key, value in content.items():
            path = f"{section}.{key}"
            if key not in names and key.endswith("_conns") and _meaning(path) == UNKNOWN:
                continue  # all subsystems are in this process
            if (key not in names and path not in QUIET_KEYS) or value not in READ_IN_VAIN.get(path, (value,)):
                yield Unsupported(path, _meaning(path))
            elif path in LISTED and isinstance(value, list):
                yield from _unsupported_of(path, value)


def _unsupported_of(path: str, listed: list[object]) -> Iterator[Unsupported]:
    """Keys of listed objects that nobody reads."""
    for each in listed:
        if isinstance(each, dict) and path in OFFERED_TYPES:
            kind = str(each.get("type") or "*none")
            if kind not in OFFERED_TYPES[path]:
                yield Unsupported(f"{path}[{each.get('id')}]", f"{kind[:40]} is not offered: it is not there")
    known = {field.encode_name for field in msgspec.structs.fields(LISTED[path])}
    found = {str(key) for each in listed if isinstance(each, dict) for key in each}
    for key in sorted(found - known):
        yield Unsupported(f"{path}[].{key}", _meaning(f"{path}.{key}"))


def _meaning(path: str) -> str:
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        found = MEANINGS.get(".".join(parts[:length]))
        if found is not None:
            return found
    return UNKNOWN
