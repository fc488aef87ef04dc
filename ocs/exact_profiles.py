"""The folder of profiles that ocs.yaml names: the files of a CGRateS tariff folder that are no tariff.

What they say is added, and replaces what has the same id; profiles set through the API stay.
"""

import hashlib
from pathlib import Path

from ocs.cgrates import tariff
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates.csv_folder import Problem

DIGEST = "profiles folder"  # key of the record that says which folder is loaded
FILES = frozenset((*tariff.PROFILE_FILES, tariff.YAML_FILE, "Destinations.csv", "Timings.csv"))


def load(state: State, folder: Path) -> tuple[Problem, ...]:
    """Loads a folder whose files are not those that were loaded last; what cannot be used, with its place.

    With problems the state is no good: whoever called ends without making it durable.
    """
    try:
        files = [
            (name, text) for name, text in tariff.read_folder(folder) if name.rpartition("/")[2] in FILES
        ]
    except (OSError, UnicodeDecodeError) as error:
        return (Problem(str(folder), 0, 0, str(error)),)
    digest = _digest(files)
    if state.tables[Kind.META].get(DIGEST) == digest:
        return ()
    try:
        problems = tariff.load(state, files).problems
    except tariff.TariffError as error:
        problems = error.problems
    state.put(Kind.META, DIGEST, digest)
    return problems


def check(folder: Path) -> tuple[Problem, ...]:
    """What cannot be used of a folder."""
    return load(State(), folder)


def _digest(files: list[tuple[str, str]]) -> str:
    found = hashlib.sha256()
    for name, text in files:
        found.update(f"{len(name)} {len(text)} {name}{text}".encode("utf-8", "surrogatepass"))
    return found.hexdigest()
