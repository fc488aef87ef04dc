"""What a configuration says that has no effect here, and what it would do in the incumbent.."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from ocs.cgrates import exports
from ocs.cgrates.agents.http_section import HttpAgentSection
from ocs.cgrates.agents.processors import UNCOUNTED, ProcessorSection
from ocs.cgrates.agents.templates import unread_keys
from ocs.cgrates.exports import ExporterSettings
from ocs.cgrates.reader_files import KINDS
from ocs.cgrates.readers import ReaderSettings


class Unsupported(msgspec.Struct, frozen=True):
    """A key without effect, and what that means."""

    key: str
    meaning: str


# What keys that are not read would do in the incumbent; the longest prefix counts.
_NO_DATABASE = "data lives in this process, durable in the folder of -data_dir; no other database is used"
_NO_GOB = "Go's own encoding is not spoken; its port stays closed"
_ONE_PROCESS = "all subsystems are in this process: there is nothing to connect"
_NO_OTHERS = "there are no connections to other engines"
_WITH_SESSION = "the cost of a session is kept with the session itself"
_NO_SUCH_KEY = "request processors and their fields have no such key or flag here"
_NO_SY = "Sy (spending limits) is not spoken: thresholds act on accounts and exporters"
_UNCOUNTED = "the agent's own connections and requests are in the log, not in statistics and thresholds"
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
    "diameter_agent.request_processors": _NO_SUCH_KEY,
    "diameter_agent.slr_template": _NO_SY,
    "diameter_agent.snr_template": _NO_SY,
    "diameter_agent.str_template": _NO_SY,
    "diameter_agent.stats_conns": _UNCOUNTED,
    "diameter_agent.thresholds_conns": _UNCOUNTED,
    "diameter_agent.conn_status_stat_queue_ids": _UNCOUNTED,
    "diameter_agent.conn_status_threshold_ids": _UNCOUNTED,
    "radius_agent.request_processors": _NO_SUCH_KEY,
    "http_agent.request_processors": _NO_SUCH_KEY,
    "templates": "fields of templates have no such key here",
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
    "diameter_agent.request_processors": ProcessorSection,
    "radius_agent.request_processors": ProcessorSection,
    "http_agent.request_processors": ProcessorSection,
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


def unsupported(merged: Mapping[str, Any], settings: type[msgspec.Struct]) -> tuple[Unsupported, ...]:
    """What merged files say that nobody reads, each once; `settings` has a field for each section."""
    return tuple(dict.fromkeys(_unsupported(merged, settings)))


def _unsupported(merged: Mapping[str, Any], settings: type[msgspec.Struct]) -> Iterator[Unsupported]:
    known = {field.encode_name: field.type for field in msgspec.structs.fields(settings)}
    for section, content in merged.items():
        if section in READ_WHOLE:
            yield from _unread_fields(section, content)
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
    for each in listed:
        if isinstance(each, dict) and LISTED[path] is ProcessorSection:
            yield from _unread_fields(path, each)
        elif isinstance(each, dict) and path == "http_agent":
            inner = each.get("request_processors")
            yield from _unsupported_of(f"{path}.request_processors", inner if isinstance(inner, list) else [])


def _unread_fields(path: str, lists: object) -> Iterator[Unsupported]:
    """Keys of the fields of templates, and flags of processors, that nobody reads."""
    named = lists if isinstance(lists, dict) else {}
    keys = {key for fields in named.values() for key in unread_keys(fields)}
    flags = named.get("flags")
    told = [str(flag) for flag in flags] if isinstance(flags, list) else []
    keys |= {flag for flag in told if flag.partition(":")[0] in UNCOUNTED}
    for key in sorted(keys):
        yield Unsupported(f"{path}: {key}", _meaning(path))


def _meaning(path: str) -> str:
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        found = MEANINGS.get(".".join(parts[:length]))
        if found is not None:
            return found
    return UNKNOWN
