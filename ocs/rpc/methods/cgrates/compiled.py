"""Rows of a request as tariff objects, by the same compiler that reads tariff folders. Pure."""

from collections.abc import Iterable, Mapping

from ocs.cgrates.objects.errors import server_error
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import Row
from ocs.charging.cgrates.plan import Tariff, Timing


def compiled(
    files: Mapping[str, Iterable[tuple[str, ...]]], timings: Mapping[str, Timing] | None = None
) -> Tariff:
    """The tariff of rows by file name; an error where a cell cannot be used."""
    rows = {
        file: tuple(Row(file, number, cells) for number, cells in enumerate(found, 1))
        for file, found in files.items()
    }
    tariff, problems = compile_tariff(rows, timings or {})
    if problems:
        raise server_error(problems[0].message)
    return tariff
