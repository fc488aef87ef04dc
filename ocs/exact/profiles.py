"""The folder of profiles that ocs.yaml names: the files of a CGRateS tariff folder that are no tariff.

What they say is added, and replaces what has the same id; what they do not say any more is removed with what it has
kept. Profiles set through the API stay.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import structlog

from ocs.cgrates import tariff
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates.csv_folder import Problem

log = structlog.get_logger()

DIGEST = "profiles folder"  # key of the record that says which folder is loaded
LOADED = "profiles of the folder"  # ... and of the one that says what is from there: a kind and a key a line
FILES = frozenset((*tariff.PROFILE_FILES, tariff.YAML_FILE, "Destinations.csv", "Timings.csv"))
Forget = Callable[[Kind, str, str], None]


def load(state: State, folder: Path, forget: Forget | None = None) -> tuple[Problem, ...]:
    """Loads a folder whose files are not those that were loaded last; what cannot be used, with its place.

    `forget` lets go what a profile has kept that is to go. With problems the state is no good: whoever called ends
    without making it durable.
    """
    try:
        files = [
            (name, text) for name, text in tariff.read_folder(folder) if name.rpartition("/")[2] in FILES
        ]
    except (OSError, UnicodeDecodeError) as error:
        return (Problem(str(folder), 0, 0, str(error)),)
    digest, meta = _digest(files), state.tables[Kind.META]
    if meta.get(DIGEST) == digest and LOADED in meta:
        return ()
    try:
        compiled = tariff.compile_files(files, state.tariff.timings)
    except tariff.TariffError as error:
        return error.problems
    problems = tariff.put(state, compiled, 0).problems
    named = tariff.profiles_of(compiled)
    before = [tuple(line.split(" ", 1)) for line in meta.get(LOADED, "").splitlines()]
    _unload(state, [(Kind(kind), key) for kind, key in before if (kind, key) not in named], forget)
    state.put(Kind.META, DIGEST, digest)
    state.put(Kind.META, LOADED, "\n".join(f"{kind} {key}" for kind, key in sorted(named)))
    return problems


def check(folder: Path, beside: State | None = None) -> tuple[Problem, ...]:
    """What cannot be used of a folder, where the filters of a state are known besides its own."""
    state = State()
    for key, record in beside.tables[Kind.FILTER].items() if beside is not None else ():
        state.put_profile(Kind.FILTER, key, record)
    return load(state, folder)


def reload(state: State, folder: Path, forget: Forget, *, is_dry_run: bool = False) -> tuple[Problem, ...]:
    """Loads a folder that may have changed while the server runs; with problems nothing is changed."""
    problems = check(folder, state)
    if problems or is_dry_run:
        return problems
    return load(state, folder, forget)


def _unload(state: State, gone: list[tuple[Kind, str]], forget: Forget | None) -> None:
    """Removes profiles, then filters; a filter that a profile of the API has stays."""
    for kind, key in sorted(gone, key=lambda each: each[0] is Kind.FILTER):
        tenant, _, name = key.partition(":")
        if forget is not None:
            forget(kind, tenant, name)
        try:
            state.delete_profile(kind, key)
        except ValueError as error:
            log.warning("profiles.not_unloaded", kind=kind.value, id=key, error=str(error))
    if gone:
        log.info("profiles.unloaded", count=len(gone))


def _digest(files: list[tuple[str, str]]) -> str:
    found = hashlib.sha256()
    for name, text in files:
        found.update(f"{len(name)} {len(text)} {name}{text}".encode("utf-8", "surrogatepass"))
    return found.hexdigest()
