"""Tariff folders into the state: rating, accounts with their `*asap` actions, and profiles.

Loading adds and replaces by id; nothing that was there before is removed.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ocs.cgrates import plans, watching
from ocs.cgrates.kinds import Kind, StoredPlan
from ocs.cgrates.objects.profiles import PROFILE_KINDS
from ocs.cgrates.state import State, profile_key
from ocs.charging.cgrates import compile as tariff_rows
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions_model import AccountAction
from ocs.charging.cgrates.csv_folder import COLUMNS, Problem, Row, Rows, read_texts
from ocs.charging.cgrates.plan import Tariff, Timing
from ocs.charging.cgrates.timings import predefined_timings
from ocs.charging.cgrates.triggers import assign
from ocs.charging.cgrates.validate import faults
from ocs.charging.profiles.api import encode
from ocs.charging.profiles.csv_reader import Profiles, read_profiles
from ocs.charging.profiles.yaml_reader import read_yaml

PROFILE_FILES: Mapping[str, Kind] = {
    "Filters.csv": Kind.FILTER,
    "Attributes.csv": Kind.ATTRIBUTE,
    "Chargers.csv": Kind.CHARGER,
    "Resources.csv": Kind.RESOURCE,
    "IPs.csv": Kind.IP,
    "Stats.csv": Kind.STAT,
    "Thresholds.csv": Kind.THRESHOLD,
    "Routes.csv": Kind.ROUTE,
    "Trends.csv": Kind.TREND,
    "Rankings.csv": Kind.RANKING,
}
YAML_FILE = "profiles.yaml"
YAML_KINDS: Mapping[str, Kind] = {
    "filters": Kind.FILTER,
    "attributes": Kind.ATTRIBUTE,
    "chargers": Kind.CHARGER,
    "resources": Kind.RESOURCE,
    "routes": Kind.ROUTE,
    "stats": Kind.STAT,
    "thresholds": Kind.THRESHOLD,
}


class TariffError(Exception):
    """A folder cannot be used: the problems with their places."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems[:20])))
        self.problems = problems


class Loaded(msgspec.Struct, frozen=True):
    """What a folder brought: (account id, actions id) pairs that are to run at once, heaviest entry first."""

    asap: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]


def read_folder(folder: Path) -> list[tuple[str, str]]:
    """(path relative to the folder, text) of every file with a standard name in it and below. Raises OSError."""
    found = (path for ending in ("*.csv", "*.yaml") for path in folder.rglob(ending))
    paths = sorted(path for path in found if path.name in COLUMNS or path.name == YAML_FILE)
    return [(path.relative_to(folder).as_posix(), path.read_text("utf-8-sig")) for path in paths]


class Compiled(msgspec.Struct, frozen=True):
    """Files of a tariff, read; nothing is in force yet."""

    rows: Rows
    tariff: Tariff
    destinations: Mapping[str, tuple[str, ...]]
    profiles: tuple[Profiles, ...] = ()  # of YAML files


def compile_files(
    files: list[tuple[str, str]], timings: Mapping[str, Timing], *, validates: bool = False
) -> Compiled:
    """The content of files, which may use known timings. Raises TariffError for a cell that cannot be used.

    Touches nothing, so it may run in a thread.
    """
    rows, problems = read_texts(files)
    found, more = tariff_rows.compile_tariff(rows, timings)
    profiles, wrong = _read_yaml(files)
    problems = (*problems, *more, *wrong)
    if validates and not problems:
        problems = tuple(Problem("tariff", 0, 0, text) for text in faults(found))
    if problems:
        raise TariffError(problems)
    return Compiled(rows, found, _destinations(rows), profiles)


def _destinations(rows: Rows) -> dict[str, tuple[str, ...]]:
    prefixes: dict[str, list[str]] = {}
    for row in rows.get("Destinations.csv", ()):
        prefixes.setdefault(row.cells[0], []).append(row.cells[1])
    return {name: tuple(found) for name, found in prefixes.items()}


def _read_yaml(files: list[tuple[str, str]]) -> tuple[tuple[Profiles, ...], list[Problem]]:
    """The profiles of YAML files, which have the names of the API in small letters."""
    found, problems = [], []
    for path, text in files:
        if path.rpartition("/")[2] == YAML_FILE:
            profiles, wrong = read_yaml(text, path)
            problems += [
                Problem(path, each.line, each.column, f"{each.path}: {each.message}") for each in wrong
            ]
            if profiles is not None:
                found.append(profiles)
    return tuple(found), problems


def put(state: State, compiled: Compiled, now_ns: int) -> Loaded:
    """Puts compiled files into the state; profiles that cannot be used are told and left out."""
    rows, added = compiled.rows, compiled.tariff
    for name, prefixes in compiled.destinations.items():
        state.put(Kind.DESTINATION, name, prefixes)
    _put_rating(state, added)
    _put_actions(state, added, now_ns)
    bad_profiles = [*put_profiles(state, rows), *_put_yaml(state, compiled.profiles)]
    asap = [pair for row in added.account_actions for pair in _put_account(state, row, now_ns)]
    return Loaded(tuple(asap), tuple(bad_profiles))


def profiles_of(compiled: Compiled) -> set[tuple[str, str]]:
    """Kinds and keys of the filters and profiles in files."""
    found = {
        (kind.value, f"{row.cells[0]}:{row.cells[1]}")
        for file, kind in PROFILE_FILES.items()
        for row in compiled.rows.get(file, ())
    }
    for profiles in compiled.profiles:
        for name in Profiles.__struct_fields__:
            found |= {
                (YAML_KINDS[name].value, f"{each.tenant}:{each.id}") for each in getattr(profiles, name)
            }
    return found


def load(state: State, files: list[tuple[str, str]], now_ns: int = 0) -> Loaded:
    """Puts the content of files into the state. Raises TariffError."""
    return put(state, compile_files(files, state.tariff.timings), now_ns)


def _put_rating(state: State, added: Tariff) -> None:
    known = predefined_timings()
    for name, timing in added.timings.items():
        if known.get(name) != timing and state.tables[Kind.TIMING].get(name) != timing:
            state.put(Kind.TIMING, name, timing)
    for name, plan in added.plans.items():
        state.put(Kind.RATING_PLAN, name, plan)
    for (tenant, category, subject), activations in added.profiles.items():
        state.put(Kind.RATING_PROFILE, profile_key(tenant, category, subject), activations)
    for name, group in added.shared_groups.items():
        state.put(Kind.SHARED_GROUP, name, group)


def _put_actions(state: State, added: Tariff, now_ns: int) -> None:
    for name, actions in added.actions.items():
        state.put(Kind.ACTIONS, name, actions)
    for name, entries in added.action_plans.items():
        old = state.tables[Kind.ACTION_PLAN].get(name)
        state.put(Kind.ACTION_PLAN, name, plans.stored(entries, added.timings, old, now_ns))
    for name, triggers in added.action_triggers.items():
        state.put(Kind.ACTION_TRIGGERS, name, triggers)


def put_profiles(state: State, rows: Rows) -> list[Problem]:
    """Filters first, for the other profiles name them; what cannot be used is told and left out."""
    problems = list(read_profiles(rows)[1])
    told = {(problem.file, problem.line, problem.column) for problem in problems}
    reasons = {(problem.file, problem.line, problem.message.partition(": ")[2]) for problem in problems}
    for file, kind in PROFILE_FILES.items():
        by_name: dict[str, list[Row]] = {}
        for row in rows.get(file, ()):
            by_name.setdefault(f"{row.cells[0]}:{row.cells[1]}", []).append(row)
        for key, own in by_name.items():
            try:
                record = PROFILE_KINDS[file].of_rows(row.cells for row in own)
                state.put_profile(kind, key, record)
            except ValueError as error:
                problem = _placed(own, str(error))
                at = (problem.file, problem.line)
                if (*at, problem.column) not in told and (*at, str(error)) not in reasons:
                    problems.append(problem)
    return problems


def _placed(rows: list[Row], message: str) -> Problem:
    """What is wrong with a profile of some rows, at the cell that has the word which the message complains of."""
    said = [(word.strip("'\",."), word) for word in message.rpartition(": ")[2].split()]
    words = [word for word, written in said if written[0] in "'\""]
    words += [word for word, _ in said if not word.isalpha()] + [word for word, _ in said[-1:]]
    for word in words:
        for row in rows:
            for column, cell in enumerate(row.cells):
                if word and word in cell:
                    return row.problem(column, message)
    return rows[0].problem(1, message)


def _put_yaml(state: State, found: tuple[Profiles, ...]) -> list[Problem]:
    problems = []
    for profiles in found:
        for name in Profiles.__struct_fields__:  # filters first
            for profile in getattr(profiles, name):
                try:
                    state.put_profile(YAML_KINDS[name], f"{profile.tenant}:{profile.id}", encode(profile, []))
                except ValueError as error:
                    problems.append(Problem(YAML_FILE, 0, 0, f"{name}, {profile.id}: {error}"))
    return problems


def _put_account(state: State, row: AccountAction, now_ns: int) -> list[tuple[str, str]]:
    """Makes or changes the account of a row; what its plan runs at once."""
    key = f"{row.tenant}:{row.account}"
    account = state.accounts.get(key, Account(key))
    state.put(
        Kind.ACCOUNT,
        key,
        msgspec.structs.replace(account, allows_negative=row.allow_negative, is_disabled=row.is_disabled),
    )
    group = state.tables[Kind.ACTION_TRIGGERS].get(row.action_triggers_tag, ())
    if group:
        watching.put_watch(state, key, assign(watching.watch_of(state, key), group, now_ns))
    plan: StoredPlan | None = state.tables[Kind.ACTION_PLAN].get(row.action_plan_tag)
    if plan is None:
        return []
    if key not in plan.accounts:
        state.put(
            Kind.ACTION_PLAN,
            row.action_plan_tag,
            msgspec.structs.replace(plan, accounts=(*plan.accounts, key)),
        )
    due = [entry for entry in plan.entries if entry.timing.schedule == plans.ASAP]
    return [(key, entry.actions_tag) for entry in sorted(due, key=lambda entry: -entry.weight)]
