"""The texts of a folder as a `Tariff`, with everything that was found on the way. Pure."""

from collections.abc import Callable, Iterable

import msgspec

from ocs.charging.cgrates.csv_folder import Row, Rows, read_texts
from ocs.charging.tariff.findings import Finding, Severity, has_errors, in_order
from ocs.charging.tariff.import_cgrates.accounting import read_accounting
from ocs.charging.tariff.import_cgrates.balances import Names
from ocs.charging.tariff.import_cgrates.cells import Cells, located
from ocs.charging.tariff.import_cgrates.plans import read_rating_plans, read_timings
from ocs.charging.tariff.import_cgrates.profile_files import list_profiles
from ocs.charging.tariff.import_cgrates.profiles import Plans, read_profiles
from ocs.charging.tariff.import_cgrates.rates import ANY, read_destinations, read_terms
from ocs.charging.tariff.import_cgrates.unused import find_unused
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.prefixes import NOT
from ocs.charging.tariff.yaml_marks import Problem

FALLBACK_DEPTH = 2  # the incumbent's 3 count the profile itself

Progress = Callable[[str, int, int], None]


class ImportOptions(msgspec.Struct, frozen=True):
    """What the files do not say: the currency, the clock of the timings, the services of categories."""

    currency: str = "EUR"
    time_zone: str = "UTC"
    services: dict[str, tuple[str, ...]] = {}


def no_progress(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def read_cgrates(
    files: Iterable[tuple[str, str]], options: ImportOptions, progress: Progress = no_progress
) -> tuple[Tariff | None, list[Finding]]:
    """The tariff of (path, text) pairs and what was found in them; None where there are errors.

    `progress` is told a stage, and how much of it is done of how much.
    """
    rows, problems = _rows(list(files), progress)
    cells = Cells()
    cells.findings += [Finding(Severity.ERROR, problem) for problem in problems]
    if not rows.get("RatingProfiles.csv") and not problems:
        severity = Severity.WARNING if rows else Severity.ERROR
        missing = Problem("RatingProfiles.csv", 1, 1, "", "is missing or empty: nothing would be priced")
        cells.findings.append(Finding(severity, missing))
    tariff = _join(cells, rows, options, progress)
    find_unused(cells, rows)
    list_profiles(cells, rows)
    findings = in_order(cells.findings)
    return (None if has_errors(findings) else tariff), findings


def _rows(files: list[tuple[str, str]], progress: Progress) -> tuple[Rows, list[Problem]]:
    """The rows of all files by standard name, file by file, so that progress can be told."""
    rows: dict[str, tuple[Row, ...]] = {}
    problems: list[Problem] = []
    total = sum(len(text) for _, text in files)
    done = 0
    for path, text in files:
        progress(f"reading {path}", done, total)
        found, wrong = read_texts([(path, text)])
        for name, more in found.items():
            rows[name] = (*rows.get(name, ()), *more)
        problems += [located(problem) for problem in wrong]
        done += len(text)
    progress("reading", total, total)
    return rows, problems


def _join(cells: Cells, rows: Rows, options: ImportOptions, progress: Progress) -> Tariff:
    stages = 6
    progress("destinations", 0, stages)
    prefixes = _prefixes(cells, rows.get("Destinations.csv", ()))
    progress("rates", 1, stages)
    terms = read_terms(cells, rows.get("Rates.csv", ()))
    priced, rates = read_destinations(cells, rows.get("DestinationRates.csv", ()), terms, prefixes)
    progress("rating plans", 2, stages)
    timings = read_timings(cells, rows.get("Timings.csv", ()), options.time_zone)
    order = {name: place for place, name in enumerate(prefixes)}
    rating_plans = read_rating_plans(cells, rows.get("RatingPlans.csv", ()), priced, timings, order)
    progress("rating profiles", 3, stages)
    profiles = read_profiles(cells, rows.get("RatingProfiles.csv", ()), rating_plans)
    plans = Plans(profiles, rating_plans, options.services)
    progress("plans", 4, stages)
    single = list(plans.of_profiles())
    joint = list(plans.of_subjects(cells, {plan.name for plan in single}))
    routed = list(plans.of_routes(rows.get("Routes.csv", ()), {plan.name for plan in (*single, *joint)}))
    progress("accounts", 5, stages)
    names = Names(prefixes, {tag: opening.window is not None for tag, opening in timings.items()})
    plan_names = frozenset(plan.name for plan in (*joint, *single))
    accounting = read_accounting(cells, rows, names, options.time_zone, plan_names)
    used = {name for found in priced.values() for name in (each.name for each in found)} - {ANY}
    used |= accounting.destinations()
    tariff = Tariff(
        options.currency,
        (*joint, *single, *routed),
        {name: found for name, found in prefixes.items() if name in used},
        {},
        rates,
        FALLBACK_DEPTH,
        accounting,
        windows={tag: opening.window for tag, opening in timings.items() if opening.window is not None},
    )
    progress("accounts", stages, stages)
    return tariff


def _prefixes(cells: Cells, rows: tuple[Row, ...]) -> dict[str, tuple[str, ...]]:
    """Prefixes by destination; a called number comes without `+` or `00`, so prefixes lose them too."""
    found: dict[str, list[str]] = {}
    is_international_told = False
    for row in rows:
        name, written = row.cells
        prefixes = found.setdefault(name, [])
        prefix = written.removeprefix("+")
        if prefix.startswith("00") and len(prefix) > 2:
            prefix = prefix[2:]
            if not is_international_told:
                message = (
                    "a called number comes without 00 here: this prefix, and all like it, is taken without"
                )
                cells.lose(row, 1, message)
                is_international_told = True
        if prefix.startswith(NOT) or not prefix.isprintable() or " " in prefix:
            cells.error(row, 1, f'"{written}" is not the beginning of a number')
        elif prefix in ("", ANY):
            cells.warn(row, 1, f'"{written}" matches no number')
        else:
            prefixes.append(prefix)
    return {name: tuple(dict.fromkeys(prefixes)) for name, prefixes in found.items()}
