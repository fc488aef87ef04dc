"""docs/cgrates-configuration.md, made from code and keys in use by `python -m tests.cgrates.config_page`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocs.cgrates import config
from ocs.cgrates.unread import QUIET_KEYS, unsupported

PAGE = Path(__file__).parents[2] / "docs" / "cgrates-configuration.md"
KEYS = Path(__file__).parents[1] / "vectors" / "configuration" / "keys.tsv"
HEADING = """\
# Keys of a CGRateS configuration

What `ocs cgrates` does with each key that configurations of CGRateS use; how many of 208 of them use it stands
behind. *Honoured*: it does here what it does there. *Told*: it has no effect here, and the server says so once at
its start, with these words; `ocs cgrates -check_config` shows the same and ends. *No meaning*: nothing that a
client sees depends on it here. Made by `python -m tests.cgrates.config_page`.

| key | used by | here | |
|---|---|---|---|
"""
# Connections whose absence switches something off; all others are there anyway.
SWITCHES = frozenset(
    f"{section}.{name}_conns"
    for section, names in {
        "sessions": "cdrs chargers attributes resources routes thresholds stats ips",
        "cdrs": "chargers attributes thresholds stats ees",
        "rals": "thresholds stats",
        "resources": "thresholds",
        "stats": "thresholds ees",
        "trends": "stats thresholds ees",
        "rankings": "stats thresholds ees",
        "ees": "attributes",
    }.items()
    for name in names.split()
)
ONE_PROCESS = "all subsystems are in this process"
ON_DISK = "what changes is on disk before its answer leaves"
ALL_ANSWER = "shown by `ServiceManagerV1.ServiceStatus`; the methods answer also where it is off"
NO_DATABASE = "the data of this process has no such limits and intervals"
FOUND_FASTER = "how profiles are found faster: no answer depends on it"
WITHOUT_MEANING = {
    **{
        f"{section}.enabled": ALL_ANSWER
        for section in ("rals", "attributes", "resources", "routes", "stats", "thresholds", "ips", "apiers")
    },
    **{f"{name}.opts": NO_DATABASE for name in ("data_db", "stor_db")},
    **{
        f"{name}.opts.internalDB{option}": NO_DATABASE
        for name in ("data_db", "stor_db")
        for option in ("DumpInterval", "StartTimeout", "RewriteInterval", "FileSizeLimit")
    },
    "stor_db.opts.internalDBDumpPath": "the folder of `data_db`, or of `-data_dir`, keeps everything",
}
DATABASES = "`*internal`; any other is told"
WORDS = {
    "data_db.db_type": DATABASES,
    "stor_db.db_type": DATABASES,
    "general.logger": "`*stdout`; any other is told, and its lines go to standard error",
    "general.log_level": "7 is debug, 6 and 5 are info, 4 is warning, 3 and less error",
}
TOLD, HONOURED, NO_MEANING = "told", "honoured", "no meaning"


def keys() -> Iterator[tuple[str, int]]:
    """The keys in use, with how many configurations use them."""
    for line in KEYS.read_text("utf-8").splitlines():
        key, _, count = line.partition("\t")
        yield key, int(count)


def becomes_of(key: str) -> tuple[str, str]:
    """Whether a key is honoured, and what is to say about it."""
    for each in unsupported(sample(key), config.Settings):
        if key == each.key or key.startswith(f"{each.key}.") or key.startswith(f"{each.key}["):
            return (HONOURED, WORDS[key]) if key in WORDS else (TOLD, each.meaning)
    name = key.rpartition(".")[2]
    if key in WITHOUT_MEANING:
        return NO_MEANING, WITHOUT_MEANING[key]
    if name.endswith("_conns") and key not in SWITCHES:
        return NO_MEANING, ONE_PROCESS
    if name == "store_interval":
        return NO_MEANING, ON_DISK
    if name in ("indexed_selects", "nested_fields") or key in QUIET_KEYS:
        return NO_MEANING, FOUND_FASTER
    return HONOURED, WORDS.get(key, "")


def sample(key: str) -> dict[str, Any]:
    """A configuration that uses a key, with a value that is nowhere a default."""
    value: Any = object()
    for part in reversed(key.split(".")):
        value = {part.removesuffix("[]"): [value] if part.endswith("[]") else value}
    found: dict[str, Any] = value
    return found


def page() -> str:
    """The whole page."""
    rows = []
    for key, count in sorted(keys()):
        state, words = becomes_of(key)
        rows.append(f"| `{key}` | {count} | {state} | {words.replace('|', chr(92) + '|')} |\n")
    return HEADING + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
