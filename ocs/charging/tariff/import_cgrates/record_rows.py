"""The template of the records that a set of actions makes. Pure."""

import json

from ocs.charging.actions.record_members import check_member
from ocs.charging.cgrates.csv_folder import Row
from ocs.charging.tariff.import_cgrates.balances import extra_json
from ocs.charging.tariff.import_cgrates.cells import Cells


def record_members(cells: Cells, row: Row, column: int) -> tuple[tuple[str, str], ...]:
    """Members that a template gives; one that says where a value is found is not carried over."""
    found = []
    for name, value in extra_json(cells, row, column).items():
        try:
            found.append(check_member(name, value if isinstance(value, str) else json.dumps(value)))
        except ValueError as error:
            cells.lose(row, column, str(error))
    return tuple(found)
