"""Who may import whom. The table is the architecture; a module that no row covers fails.

A row counts for a module and everything below it; the longest matching name decides. `allowed` are prefixes
of `ocs` modules (those below the row's own name always are), `denied` are exceptions from both. Modules that
are `pure` get time and chance as arguments: they import nothing that waits, reads a clock or draws a number.
"""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.imports import IMPURE, clock_calls, imports, is_below, modules

CONFIG_TYPES = (
    *("ocs.config.settings", "ocs.config.currencies", "ocs.config.profiles"),
    "ocs.config.exchange",
)
BORDER = ("ocs.charging.control", "ocs.charging.events", "ocs.charging.service", "ocs.metrics", *CONFIG_TYPES)


class Row(NamedTuple):
    """What one part of the program may import."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    pure: bool = False


STORES = ("ocs.charging.store.memory", "ocs.charging.store.sqlite", "ocs.charging.store.redis")
ENGINE_AND_BEYOND = ("ocs.charging.service", "ocs.charging.store")
OPERATIONS = (
    *("ocs.charging.account", "ocs.charging.actions", "ocs.charging.acts"),
    *("ocs.charging.decision", "ocs.charging.entry", "ocs.charging.supervision"),
)
AGENT = Row(allowed=BORDER)
VOICE = Row(allowed=(*BORDER, "ocs.agents.voice"))
AGENT_PURE = Row(allowed=("ocs.charging.events", *CONFIG_TYPES), pure=True)
VOICE_PURE = tuple(
    f"ocs.agents.voice.{name}" for name in ("options", "outcomes", "parties", "recent", "ticks")
)

SESSIONS_PURE_NAMES = (
    *("accounting", "cdr_steps", "errors", "external", "flags", "model", "records", "settings"),
    *("surroundings", "wanted"),
)
SESSIONS_PURE = Row(allowed=("ocs.sessions",), denied=("ocs.sessions.service",), pure=True)
COMPAT = ("ocs.charging.cgrates", "ocs.charging.profiles", "ocs.sessions")
CGRATES_PURE = (
    *("cdr_rows", "cost_forms", "forms", "live_tariff", "profile_records", "route_forms", "stat_records"),
)
COMPAT_PURE = Row(allowed=(*COMPAT, "ocs.cgrates"), pure=True)

PROCESSORS = ("ocs.cgrates.agents.processors", "ocs.cgrates.agents.templates", "ocs.charging.profiles")
SECTION = Row(allowed=(*PROCESSORS, "ocs.cgrates.agents.sections", "ocs.config.settings"), pure=True)
FRONT = Row(
    allowed=(
        *("ocs.agents.radius", "ocs.agents.voice.recent", *BORDER[:2], "ocs.charging.profiles"),
        *("ocs.cgrates", "ocs.sessions", "ocs.config.shipped"),
    ),
    denied=("ocs.cgrates.program",),
)
HTTP_PURE = Row((*SECTION.allowed, "ocs.cgrates.agents.http_payloads"), pure=True)
DIAMETER = FRONT._replace(
    allowed=(
        *FRONT.allowed[1:],
        "ocs.agents.diameter",
        "ocs.config.settings",
        "ocs.diameter",
        "ocs.rpc.capacity",
    )
)
TEMPLATES = Row(allowed=("ocs.charging.profiles", "ocs.cgrates.agents.template_values"), pure=True)

NETWORK_PURE = Row(
    allowed=("ocs.cgrates.charging.record", "ocs.charging", "ocs.sessions.values"),
    denied=ENGINE_AND_BEYOND,
    pure=True,
)

# Import nothing of `ocs`.
LEAVES = (
    *("charging.enums", "charging.money", "charging.store.redis.resp", "cgrates.jsonc", "cgrates.passport"),
    *("config.currencies", "demo", "diameter", "lazily", "rpc.errors", "rpc.later", "subclassing"),
)

EVERYWHERE = ("ocs.__version__", "ocs.lazily", "ocs.subclassing")

TABLE: dict[str, Row] = {
    **{f"ocs.{name}": Row(pure=True) for name in LEAVES},
    **{f"ocs.cgrates.{name}": COMPAT_PURE for name in CGRATES_PURE},
    "ocs": Row(pure=True),
    "ocs.__main__": Row(allowed=("ocs.cli",)),
    "ocs.app": Row(allowed=("ocs",), denied=("ocs.cli",)),
    "ocs.cli": Row(
        allowed=(
            *("ocs.app", "ocs.cgrates", "ocs.config", "ocs.log", "ocs.diameter", "ocs.charging"),
            *("ocs.client", "ocs.rpc.audit", "ocs.rpc.caller", "ocs.rpc.key_file", "ocs.rpc.keys"),
            *(
                "ocs.backup",
                "ocs.doctor",
                "ocs.open_files",
                "ocs.exact.profiles",
                "ocs.tariff_versions",
                "ocs.agents.radius.loading",
            ),
        )
    ),
    "ocs.client": Row(allowed=("ocs.rpc.envelope", "ocs.rpc.errors")),
    "ocs.client.wire": Row(allowed=("ocs.client.errors", "ocs.rpc.envelope", "ocs.rpc.messages"), pure=True),
    "ocs.cli.routes": Row(allowed=("ocs.cli", "ocs.cgrates", "ocs.sessions")),
    "ocs.config": Row(allowed=("ocs.charging.money",)),
    "ocs.config.settings": Row(
        allowed=("ocs.config.constraints", "ocs.config.exchange", "ocs.config.figures"), pure=True
    ),
    "ocs.config.exchange": Row(allowed=("ocs.config.constraints",), pure=True),
    "ocs.config.figures": Row(allowed=("ocs.config.constraints",), pure=True),
    "ocs.config.profiles": Row(allowed=("ocs.config.settings",), pure=True),
    "ocs.log": Row(allowed=("ocs.config.settings",)),
    "ocs.reload": Row(allowed=("ocs.config",)),
    "ocs.doctor": Row(
        allowed=("ocs.certificate", "ocs.charging.store", "ocs.charging.store.redis.server", "ocs.config")
    ),
    **{f"ocs.{name}": Row() for name in ("backup", "certificate", "open_files", "service_manager")},
    "ocs.start": Row(
        allowed=(
            *("ocs.charging", "ocs.config", "ocs.metrics"),
            *("ocs.tariff_reading", "ocs.tariff_versions", "ocs.tariffs"),
        )
    ),
    "ocs.counts": Row(allowed=("ocs.charging.events",), pure=True),
    "ocs.metrics": Row(allowed=("ocs.charging.events", "ocs.counts")),
    "ocs.exporting": Row(allowed=("ocs.charging.profiles",)),
    "ocs.exporting.records": Row(allowed=("ocs.charging.profiles",), pure=True),
    "ocs.charging": Row(allowed=("ocs.charging",), denied=ENGINE_AND_BEYOND, pure=True),
    "ocs.charging.events": Row(allowed=("ocs.charging.enums",), pure=True),
    "ocs.charging.rating": Row(allowed=("ocs.charging.events", "ocs.charging.money"), pure=True),
    "ocs.charging.tariff": Row(
        allowed=(
            *("ocs.charging.actions.model", "ocs.charging.actions.reader"),
            *("ocs.charging.actions.record_members", "ocs.charging.actions.targets"),
            *("ocs.charging.actions.wording", "ocs.charging.enums", "ocs.charging.events"),
            *("ocs.charging.money", "ocs.charging.rating"),
        ),
        pure=True,
    ),
    "ocs.charging.tariff.files": Row(
        allowed=("ocs.charging.tariff", "ocs.charging.cgrates.csv_folder"), pure=True
    ),
    "ocs.charging.tariff.import_cgrates": Row(
        allowed=(
            *("ocs.charging.account", "ocs.charging.actions.conditions"),
            *("ocs.charging.actions.model", "ocs.charging.actions.moments"),
            *("ocs.charging.actions.record_members", "ocs.charging.actions.targets"),
            "ocs.charging.cgrates.csv_folder",
            *("ocs.charging.cgrates.timings", "ocs.charging.cgrates.values", "ocs.charging.events"),
            *("ocs.charging.ledger", "ocs.charging.money", "ocs.charging.profiles.csv_reader"),
            *("ocs.charging.profiles.filters", "ocs.charging.rating", "ocs.charging.schedule"),
            *("ocs.charging.tariff", "ocs.charging.terms_reader"),
        ),
        pure=True,
    ),
    "ocs.charging.cgrates": Row(
        allowed=("ocs.charging.events", "ocs.charging.money", "ocs.charging.schedule"), pure=True
    ),
    "ocs.charging.store": Row(
        allowed=("ocs.charging", "ocs.config.settings", "ocs.metrics"),
        denied=("ocs.charging.engine", "ocs.charging.rating", "ocs.charging.tariff", "ocs.charging.service"),
    ),
    "ocs.charging.store.redis.units": Row(allowed=("ocs.charging",), denied=ENGINE_AND_BEYOND[:1], pure=True),
    "ocs.charging.service": Row(
        allowed=("ocs.charging", "ocs.config.settings", "ocs.metrics"), denied=STORES
    ),
    "ocs.charging.acting": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.charging.door": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.charging.turns": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.charging.scheduler": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.charging.metering": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.charging.memory": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.charging.pending": Row(allowed=("ocs.charging",), denied=STORES, pure=True),
    "ocs.agents": Row(),
    "ocs.agents.diameter": Row(allowed=(*BORDER, "ocs.diameter")),
    "ocs.agents.diameter.mapping": Row(
        allowed=("ocs.charging.events", "ocs.diameter", *CONFIG_TYPES), pure=True
    ),
    "ocs.agents.radius": VOICE,
    "ocs.agents.radius.charging": Row(
        allowed=(
            *("ocs.charging.account", "ocs.charging.control", "ocs.charging.entry"),
            *("ocs.charging.events", "ocs.charging.supervision"),
        )
    ),
    "ocs.agents.radius.wire": AGENT_PURE,
    "ocs.agents.radius.replies": AGENT_PURE,
    "ocs.agents.radius.mapping": Row(
        allowed=(*AGENT_PURE.allowed, *VOICE_PURE, "ocs.agents.radius.wire", "ocs.charging.control"),
        pure=True,
    ),
    "ocs.agents.voice": AGENT,
    **dict.fromkeys(VOICE_PURE, AGENT_PURE),
    "ocs.agents.freeswitch": VOICE,
    "ocs.agents.freeswitch.esl": AGENT_PURE,
    "ocs.agents.freeswitch.commands": Row(
        allowed=(*AGENT_PURE.allowed, "ocs.agents.freeswitch.esl"), pure=True
    ),
    "ocs.agents.freeswitch.mapping": Row(
        allowed=(*AGENT_PURE.allowed, *VOICE_PURE, "ocs.agents.freeswitch.esl"), pure=True
    ),
    "ocs.agents.freeswitch.json_cdr": Row(allowed=("ocs.agents.freeswitch.esl",), pure=True),
    "ocs.agents.freeswitch.free": Row(
        allowed=(
            *AGENT_PURE.allowed,
            *VOICE_PURE,
            "ocs.agents.freeswitch.esl",
            "ocs.agents.freeswitch.mapping",
        ),
        pure=True,
    ),
    "ocs.agents.kamailio": VOICE,
    "ocs.agents.kamailio.free": Row(
        allowed=(
            *AGENT_PURE.allowed,
            *VOICE_PURE,
            "ocs.agents.kamailio.mapping",
            "ocs.agents.kamailio.messages",
        ),
        pure=True,
    ),
    "ocs.agents.kamailio.netstring": AGENT_PURE,
    "ocs.agents.kamailio.messages": AGENT_PURE,
    "ocs.agents.kamailio.mapping": Row(
        allowed=(*AGENT_PURE.allowed, *VOICE_PURE, "ocs.agents.kamailio.messages"), pure=True
    ),
    "ocs.agents.kamailio.calls": Row(
        allowed=(*AGENT_PURE.allowed, *VOICE_PURE, "ocs.agents.kamailio.mapping"), pure=True
    ),
    "ocs.exact": Row(pure=True),
    "ocs.exact.accounting": Row(
        allowed=(
            *("ocs.charging.account", "ocs.charging.cdr", "ocs.charging.decision"),
            *("ocs.charging.entry", "ocs.charging.events", "ocs.charging.service"),
            *("ocs.exact.costs", "ocs.sessions"),
        )
    ),
    "ocs.exact.acting": Row(
        allowed=(*("ocs.cgrates.kinds", "ocs.charging", "ocs.exact.accounting", "ocs.sessions"),),
        denied=STORES,
    ),
    "ocs.exact.action_records": Row(
        allowed=(
            *("ocs.charging.actions.model", "ocs.charging.actions.record_members", "ocs.charging.events"),
            *("ocs.charging.money", "ocs.exact.accounting", "ocs.sessions"),
        )
    ),
    "ocs.exact.exchange": Row(allowed=("ocs.config.exchange",), pure=True),
    "ocs.exact.outside": Row(
        allowed=("ocs.cgrates", "ocs.charging.actions.model", "ocs.config.exchange", "ocs.exporting"),
        denied=("ocs.cgrates.program",),
    ),
    "ocs.exact.sources": Row(
        allowed=(
            *("ocs.charging.door", "ocs.charging.events", "ocs.charging.profiles", "ocs.charging.rating"),
            *("ocs.charging.service", "ocs.charging.tariff.model", "ocs.cgrates.surroundings"),
            *("ocs.exact.accounting", "ocs.sessions"),
        )
    ),
    "ocs.exact.records": Row(
        allowed=("ocs.charging.account", "ocs.charging.entry", "ocs.exact.accounting", "ocs.sessions"),
        pure=False,
    ),
    "ocs.exact.agents": Row(
        allowed=(
            *("ocs.agents.freeswitch", "ocs.agents.kamailio", "ocs.cgrates.agents", "ocs.config.settings"),
            *("ocs.charging.authorize", "ocs.charging.service", "ocs.exact.sessions", "ocs.sessions"),
        )
    ),
    "ocs.exact.costs": Row(
        allowed=("ocs.charging.entry", "ocs.charging.events", "ocs.sessions.values"), pure=True
    ),
    "ocs.exact.door": Row(
        allowed=(
            *("ocs.agents.voice.parties", "ocs.cgrates", "ocs.sessions"),
            *("ocs.charging.account", "ocs.charging.decision", "ocs.charging.entry", "ocs.charging.events"),
            *("ocs.charging.pending", "ocs.charging.runs", "ocs.charging.service"),
            *("ocs.exact.accounting", "ocs.exact.records", "ocs.exact.sessions"),
        ),
        denied=("ocs.cgrates.program",),
    ),
    "ocs.exact.profiles": Row(
        allowed=("ocs.cgrates", "ocs.charging.cgrates"), denied=("ocs.cgrates.program",)
    ),
    "ocs.exact.sessions": Row(
        allowed=(
            *("ocs.cgrates", "ocs.charging.actions.model", "ocs.charging.control", "ocs.charging.entry"),
            *("ocs.charging.profiles", "ocs.charging.service", "ocs.charging.store"),
            *("ocs.config.exchange", "ocs.config.settings"),
            *("ocs.exact.accounting", "ocs.exact.acting", "ocs.exact.action_records"),
            *("ocs.exact.exchange", "ocs.exact.outside"),
            *("ocs.exact.records", "ocs.exact.sources"),
            "ocs.sessions",
        ),
        denied=("ocs.cgrates.program", *STORES),
    ),
    "ocs.exact.shared": Row(
        allowed=(
            *("ocs.cgrates", "ocs.charging.control", "ocs.charging.profiles", "ocs.charging.service"),
            *("ocs.charging.store", "ocs.exact.accounting", "ocs.exact.sessions", "ocs.sessions"),
        ),
        denied=("ocs.cgrates.program", *STORES),
    ),
    "ocs.exact.radius": Row(
        allowed=(
            *("ocs.agents.radius.mapping.charging", "ocs.agents.voice.outcomes"),
            *("ocs.charging.account", "ocs.charging.decision", "ocs.charging.events"),
            *("ocs.charging.pending", "ocs.charging.service", "ocs.charging.store"),
            *("ocs.charging.supervision", "ocs.config.settings"),
            *("ocs.exact.door", "ocs.exact.sessions", "ocs.sessions"),
        )
    ),
    "ocs.policy": Row(allowed=("ocs.charging", "ocs.config")),
    "ocs.tariff_versions": Row(allowed=("ocs.charging.tariff",)),
    "ocs.tariff_reading": Row(allowed=("ocs.charging.tariff", "ocs.config", "ocs.tariff_versions")),
    "ocs.tariffs": Row(
        allowed=(
            *("ocs.charging.quota", "ocs.charging.tariff", "ocs.config"),
            *("ocs.tariff_reading", "ocs.tariff_versions"),
        )
    ),
    "ocs.sessions": Row(),
    **{f"ocs.sessions.{name}": SESSIONS_PURE for name in SESSIONS_PURE_NAMES},
    "ocs.sessions.network_events": Row(allowed=("ocs.charging.events", "ocs.sessions.values"), pure=True),
    "ocs.sessions.values": Row(allowed=("ocs.charging.cgrates.values",), pure=True),
    "ocs.cgrates": Row(
        allowed=(*COMPAT, "ocs.charging.schedule", "ocs.exporting", "ocs.rpc.errors", "ocs.rpc.tasks")
    ),
    "ocs.cgrates.ip_pools": Row(allowed=("ocs.cgrates.objects", "ocs.charging.cgrates.values"), pure=True),
    "ocs.cgrates.migrate": Row(allowed=("ocs.charging.cgrates.values",), pure=True),
    "ocs.cgrates.cost_reader": Row(allowed=(*COMPAT, "ocs.cgrates", "ocs.rpc.errors"), pure=True),
    "ocs.cgrates.kinds": Row(allowed=(*COMPAT, "ocs.cgrates", "ocs.exporting.records"), pure=True),
    "ocs.cgrates.query_records": Row(
        allowed=(*COMPAT, "ocs.cgrates", "ocs.charging.cron", "ocs.charging.schedule"), pure=True
    ),
    "ocs.cgrates.objects": Row(allowed=("ocs.charging.cgrates", "ocs.rpc.errors"), pure=True),
    "ocs.cgrates.listening": Row(allowed=("ocs.cgrates", "ocs.config.settings", "ocs.rpc")),
    "ocs.cgrates.program": Row(
        allowed=("ocs.cgrates", "ocs.config.settings", "ocs.log", "ocs.rpc", "ocs.sessions.clients")
    ),
    "ocs.cgrates.served": Row(allowed=("ocs.cgrates", "ocs.config.profiles", "ocs.config.settings")),
    "ocs.cgrates.agents": Row(
        allowed=(
            *("ocs.agents", "ocs.config.settings", "ocs.rpc.capacity"),
            *BORDER[:2],
            *COMPAT[2:],
            "ocs.cgrates",
        ),
        denied=("ocs.agents.diameter", "ocs.cgrates.program"),
    ),
    "ocs.cgrates.reader_files": HTTP_PURE,
    "ocs.cgrates.agents.http_section": HTTP_PURE,
    "ocs.cgrates.agents.http_payloads": HTTP_PURE,
    "ocs.cgrates.agents.http": Row(
        ("ocs.cgrates", "ocs.charging.profiles", "ocs.rpc.caller", "ocs.rpc.http")
    ),
    "ocs.cgrates.agents.http_records": Row(
        allowed=(
            *("ocs.agents.freeswitch", "ocs.cgrates", "ocs.charging.events", "ocs.sessions"),
            *("ocs.rpc.caller", "ocs.rpc.http"),
        ),
        denied=("ocs.cgrates.program",),
    ),
    "ocs.cgrates.agents.events": Row(
        allowed=("ocs.agents.voice.options", "ocs.charging.events", "ocs.sessions"),
        denied=("ocs.sessions.service",),
        pure=True,
    ),
    "ocs.cgrates.agents.templates": TEMPLATES,
    "ocs.cgrates.agents.template_values": TEMPLATES,
    "ocs.cgrates.agents.processors": Row(allowed=(*PROCESSORS, *SESSIONS_PURE.allowed), pure=True),
    "ocs.cgrates.agents.radius_section": SECTION,
    "ocs.cgrates.agents.diameter": DIAMETER,
    "ocs.cgrates.agents.diameter_node": DIAMETER,
    "ocs.cgrates.agents.diameter_section": SECTION._replace(
        allowed=(*SECTION.allowed, "ocs.cgrates.agents.diameter_avps", "ocs.diameter")
    ),
    "ocs.cgrates.agents.diameter_avps": Row(
        allowed=(*PROCESSORS, *TEMPLATES.allowed, "ocs.diameter"), pure=True
    ),
    "ocs.cgrates.agents.repeats": Row(allowed=("ocs.diameter",), pure=True),
    "ocs.cgrates.agents.calling": FRONT,
    "ocs.cgrates.agents.radius": FRONT,
    "ocs.cgrates.agents.sections": Row(
        allowed=("ocs.charging.cgrates.values", "ocs.config.settings"), pure=True
    ),
    "ocs.cgrates.charging": Row(
        allowed=(
            *("ocs.agents.diameter", "ocs.agents.radius", "ocs.cgrates", "ocs.charging", "ocs.config"),
            *("ocs.metrics", "ocs.policy", "ocs.sessions"),
        ),
        denied=("ocs.cgrates.program", "ocs.charging.door", *ENGINE_AND_BEYOND),
    ),
    **{f"ocs.cgrates.charging.{name}": NETWORK_PURE for name in ("outcomes", "purse", "record", "views")},
    "ocs.cgrates.callbacks": Row(allowed=("ocs.rpc.clients", "ocs.sessions")),
    "ocs.nodes": Row(allowed=("ocs.charging",), denied=STORES),
    "ocs.rpc": Row(
        allowed=(*BORDER, "ocs.charging.money", "ocs.charging.store", "ocs.log", "ocs.reload", "ocs.tariffs"),
        denied=STORES,
    ),
    "ocs.rpc.keys": Row(allowed=("ocs.rpc.caller",), pure=True),
    "ocs.rpc.envelope": Row(allowed=("ocs.rpc.errors", "ocs.rpc.messages"), pure=True),
    "ocs.rpc.messages": Row(allowed=("ocs.rpc.errors",), pure=True),
    "ocs.rpc.values": Row(allowed=("ocs.rpc.errors", "ocs.charging.money"), pure=True),
    "ocs.rpc.methods.cgrates": Row(
        allowed=("ocs.cgrates", "ocs.charging", "ocs.exporting", "ocs.rpc", "ocs.sessions"),
        denied=(*STORES, "ocs.charging.service", "ocs.cgrates.program"),
    ),
    "ocs.rpc.methods.cgrates.exact_accounts": Row(
        allowed=("ocs.cgrates.objects", "ocs.charging", "ocs.rpc"),
        denied=(*STORES, "ocs.charging.service"),
    ),
    "ocs.rpc.methods": Row(
        allowed=(
            *BORDER,
            *OPERATIONS,
            *("ocs.charging.explain", "ocs.charging.money", "ocs.charging.references"),
            *("ocs.charging.store", "ocs.charging.tariff", "ocs.charging.terms_reader"),
            "ocs.charging.what_if",
            *("ocs.reload", "ocs.rpc", "ocs.tariff_versions", "ocs.tariff_reading"),
            *("ocs.tariffs",),
        ),
        denied=STORES,
    ),
}


def row_name(module: str) -> str | None:
    """Return the name of the row that counts for a module; `ocs` alone covers only itself."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 1, -1))
    return next((name for name in names if name in TABLE), "ocs" if module == "ocs" else None)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return what a file does against the table."""
    name = row_name(module)
    if name is None:
        return [f"{module} has no row in the table"]
    row, tree, found = TABLE[name], ast.parse(source), []
    for imported in sorted(imports(tree, module, is_package)):
        top = imported.partition(".")[0]
        if top == "ocs" and not _may_import(name, row, imported):
            found.append(f"{module} imports {imported}")
        if row.pure and top in IMPURE:
            found.append(f"{module} is pure and imports {imported}")
    if row.pure:
        found += [f"{module} is pure and calls {call}" for call in clock_calls(tree)]
    return found


def _may_import(name: str, row: Row, imported: str) -> bool:
    if any(is_below(imported, denied) for denied in row.denied):
        return False
    own = () if name == "ocs" else (name,)
    return any(is_below(imported, allowed) for allowed in (*EVERYWHERE, *own, *row.allowed))


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_module_imports_only_what_its_row_allows(module: str, path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert violations(source, module, path.name == "__init__.py") == []
