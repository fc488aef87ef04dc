"""The profile files of a folder: read, listed, and what is wrong in them told. Pure."""

from ocs.charging.cgrates.csv_folder import Rows
from ocs.charging.profiles.csv_reader import Profiles, read_profiles
from ocs.charging.tariff.findings import Finding, Severity
from ocs.charging.tariff.import_cgrates.cells import Cells, located

MOST_NAMES = 5  # of profiles, in one finding
FILES = {
    "Filters.csv": "filters",
    "Attributes.csv": "attributes",
    "Chargers.csv": "chargers",
    "Resources.csv": "resources",
    "Routes.csv": "routes",
    "Stats.csv": "stats",
    "Thresholds.csv": "thresholds",
}
RAW_FILES = {"Trends.csv": "trends", "Rankings.csv": "rankings", "IPs.csv": "pools of addresses"}
ELSEWHERE = "`ocs cgrates` serves them, `ocs serve` as sessions.profiles; no price depends on them"


def list_profiles(cells: Cells, rows: Rows) -> None:
    """Tells what the profile files hold; no price depends on them, so nothing in them is an error of the tariff."""
    for file, kind in RAW_FILES.items():
        if rows.get(file):
            cells.lose(rows[file][0], 0, f"{kind}; `ocs cgrates` serves them, no price depends on them")
    if not any(rows.get(file) for file in FILES):
        return
    found, problems = read_profiles(rows)
    cells.findings += [Finding(Severity.WARNING, located(problem)) for problem in problems]
    for file, field in FILES.items():
        names = _names(found, field)
        if names:
            more = len(names) - MOST_NAMES
            listed = ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
            message = f"{len(names)} {field} ({listed}); {ELSEWHERE}"
            cells.lose(rows[file][0], 0, message)


def _names(found: Profiles, field: str) -> list[str]:
    return [f"{one.tenant}:{one.id}" for one in getattr(found, field)]
