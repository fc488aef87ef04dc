"""Tariff plans as files: stored as rows under an id, removed from what is in force, written out.

Rows of a stored plan are one record per object: `plan id`, file and key of the object.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ocs.cgrates import ledgers
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.profiles import PROFILE_KINDS
from ocs.cgrates.objects.sheets import BY_FILE
from ocs.cgrates.state import State
from ocs.cgrates.tariff import PROFILE_FILES
from ocs.charging.cgrates.csv_folder import COLUMNS

Files = list[tuple[str, str]]  # (path, text)
Cells = tuple[str, ...]
StoredRows = dict[tuple[str, str], tuple[Cells, ...]]  # by file and key
SEPARATOR = "\x1f"  # between the parts of a record's key, which may hold colons themselves
RECORDS = {
    "Timings.csv": Kind.TIMING,
    "Destinations.csv": Kind.DESTINATION,
    "RatingPlans.csv": Kind.RATING_PLAN,
    "RatingProfiles.csv": Kind.RATING_PROFILE,
    "SharedGroups.csv": Kind.SHARED_GROUP,
    "Actions.csv": Kind.ACTIONS,
    "ActionPlans.csv": Kind.ACTION_PLAN,
    "ActionTriggers.csv": Kind.ACTION_TRIGGERS,
}


def remove(state: State, forget: Callable[[Kind, str, str], None], files: Files) -> None:
    """Removes from the running tariff what files name, accounts too; `forget` drops what a profile has kept."""
    for (file, key), _ in _grouped(files, ",").items():
        if file == "AccountActions.csv":
            ledgers.remove(state, key)
        elif file in PROFILE_FILES:
            forget(PROFILE_FILES[file], *key.split(":", 1))
            state.delete_profile(PROFILE_FILES[file], key)
        elif file in RECORDS:
            state.delete(RECORDS[file], key)


# --- stored rows


def put_rows(state: State, plan_id: str, file: str, key: str, rows: tuple[Cells, ...]) -> None:
    """Stores the rows of an object; none removes it."""
    name = SEPARATOR.join((plan_id, file, key))
    if rows:
        state.put(Kind.TARIFF_ROWS, name, [list(cells) for cells in rows])
    else:
        state.delete(Kind.TARIFF_ROWS, name)


def rows_of(state: State, plan_id: str) -> StoredRows:
    """The rows stored under the id of a plan."""
    found: StoredRows = {}
    for name, rows in state.tables[Kind.TARIFF_ROWS].items():
        stored_id, file, key = name.split(SEPARATOR, 2)
        if stored_id == plan_id:
            found[file, key] = tuple(tuple(cells) for cells in rows)
    return found


def plan_ids(state: State) -> list[str]:
    """Ids under which rows are stored, in the order they came."""
    return list(dict.fromkeys(name.split(SEPARATOR, 1)[0] for name in state.tables[Kind.TARIFF_ROWS]))


def store_files(state: State, plan_id: str, files: Files, separator: str = ",") -> None:
    """Stores the rows of files under the id of a plan."""
    for (file, key), rows in _grouped(files, separator).items():
        put_rows(state, plan_id, file, key, tuple(rows))


def stored_files(state: State, plan_id: str) -> Files:
    """The rows stored under the id of a plan, as files."""
    return texts(rows_of(state, plan_id))


def texts(rows: Mapping[tuple[str, str], tuple[Cells, ...]]) -> Files:
    """Rows as texts of the files they belong to."""
    written: dict[str, io.StringIO] = {}
    for (file, _), found in rows.items():
        if file not in written:
            written[file] = io.StringIO()
        csv.writer(written[file], lineterminator="\n").writerows(found)
    return [(file, text.getvalue()) for file, text in written.items()]


def write_files(folder: Path, files: Files) -> None:
    """Writes files with a heading of their columns. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files:
        heading = f"#{','.join(COLUMNS[name])}\n" if name in COLUMNS else ""
        (folder / name).write_text(heading + text, "utf-8")


def _grouped(files: Files, separator: str) -> dict[tuple[str, str], list[Cells]]:
    """Rows of files by file and key of the object they belong to; rows too short for a key are passed over."""
    found: dict[tuple[str, str], list[Cells]] = {}
    for path, text in files:
        file = path.rpartition("/")[2]
        sheet = BY_FILE.get(file)
        if sheet is None and file not in PROFILE_KINDS:
            continue
        columns = [member.column for member in sheet.key] if sheet is not None else [0, 1]
        for cells in _lines(path, text, separator):
            if len(cells) <= max(columns) or cells[0].startswith("#"):
                continue
            stripped = tuple(cell.strip() for cell in cells)
            found.setdefault((file, ":".join(stripped[column] for column in columns)), []).append(stripped)
    return found


def _lines(path: str, text: str, separator: str) -> Iterator[list[str]]:
    """Lines of a file as cells. Raises ValueError that names the file."""
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    except csv.Error as error:
        raise ValueError(f"{path}: {error}") from None
