"""Objects of a tariff plan between the incumbent's JSON and the rows of its CSV files. Pure.

An object is what has one key in one file. Some are one row (`Timing`), most are a list of rows under one member.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from ocs.cgrates.objects.errors import missing
from ocs.cgrates.objects.given import Given
from ocs.charging.cgrates.csv_folder import COLUMNS

Cells = tuple[str, ...]
Rows = tuple[Cells, ...]


class Form(Enum):
    """How a member is written in JSON."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"


class Member(msgspec.Struct, frozen=True):
    """One member of an object or of its rows, and the column it is in."""

    name: str
    column: int
    form: Form = Form.TEXT
    default: str = ""


class Sheet(msgspec.Struct, frozen=True):
    """One kind of object; `rows_member` is None where the object is one row."""

    name: str
    file: str
    key: tuple[Member, ...]
    members: tuple[Member, ...]
    rows_member: str | None = None
    has_load_id: bool = False

    def key_of(self, cells: Cells) -> str:
        """The key of a row's object: its key columns joined by colons."""
        return ":".join(cells[member.column] for member in self.key)

    def rows(self, given: Given) -> tuple[str, Rows]:
        """(key, rows) of an object; raises where its key is missing."""
        given.require(*(member.name for member in self.key if member.name != "Tenant"))
        blank = [""] * len(COLUMNS[self.file])
        for member in self.key:
            blank[member.column] = given.text(member.name)
        if self.rows_member is None:
            rows: Rows = (_filled(blank, given, self.members),)
        elif self.members[0].name:
            rows = tuple(_filled(blank, one, self.members) for one in given.rows(self.rows_member))
        else:
            column = self.members[0].column
            rows = tuple(_with(blank, column, text) for text in given.texts(self.rows_member))
        if not rows:
            raise missing(self.rows_member or self.name)
        return self.key_of(rows[0]), rows

    def shown(self, rows: Rows, plan_id: str | None = None) -> dict[str, Any]:
        """The object of rows, with the id of its plan where it has one."""
        found: dict[str, Any] = {} if plan_id is None else {"TPid": plan_id}
        if self.has_load_id and plan_id is not None:
            found["LoadId"] = ""
        found |= {member.name: rows[0][member.column] for member in self.key}
        if self.rows_member is None:
            return found | _shown(rows[0], self.members)
        if self.members[0].name:
            return found | {self.rows_member: [_shown(cells, self.members) for cells in rows]}
        return found | {self.rows_member: [cells[self.members[0].column] for cells in rows]}


def _filled(blank: list[str], given: Given, members: Iterable[Member]) -> Cells:
    cells = list(blank)
    for member in members:
        is_list = isinstance(given.raw(member.name), list)
        cell = ";".join(given.texts(member.name)) if is_list else given.text(member.name)
        cells[member.column] = cell or member.default
    return tuple(cells)


def _with(blank: list[str], column: int, text: str) -> Cells:
    cells = list(blank)
    cells[column] = text
    return tuple(cells)


def _shown(cells: Cells, members: Iterable[Member]) -> dict[str, Any]:
    return {member.name: _value(cells[member.column], member.form) for member in members}


def _value(cell: str, form: Form) -> str | int | float | bool:
    match form:
        case Form.TEXT:
            return cell
        case Form.FLAG:
            return cell.strip().lower() in ("true", "t", "1")
        case Form.INTEGER | Form.NUMBER:
            number = Decimal(cell or "0")
            return int(number) if number == number.to_integral_value() else float(number)


_ID = (Member("ID", 0),)
_number, _integer, _flag = Form.NUMBER, Form.INTEGER, Form.FLAG
_TRIGGER_NAMES = (
    *("Id", "UniqueID", "ThresholdType", "ThresholdValue", "Recurrent", "MinSleep", "ExpirationDate"),
    *("ActivationDate", "BalanceId", "BalanceType", "BalanceCategories", "BalanceDestinationIds"),
    *("BalanceRatingSubject", "BalanceSharedGroups", "BalanceExpirationDate", "BalanceTimingTags"),
    *("BalanceWeight", "BalanceBlocker", "BalanceDisabled", "ActionsId", "Weight"),
)
_TRIGGER_FORMS = {"ThresholdValue": _number, "Recurrent": _flag, "Weight": _number}
_ACTION_NAMES = (
    *("Identifier", "ExtraParameters", "Filters", "BalanceId", "BalanceType", "Categories"),
    *(
        "DestinationIds",
        "RatingSubject",
        "SharedGroups",
        "ExpiryTime",
        "TimingTags",
        "Units",
        "BalanceWeight",
    ),
    *("BalanceBlocker", "BalanceDisabled", "Weight"),
)

SHEETS: Mapping[str, Sheet] = {
    sheet.name: sheet
    for sheet in (
        Sheet(
            "Timing",
            "Timings.csv",
            _ID,
            tuple(
                Member(name, column, default="*any" if column < 5 else "00:00:00")
                for column, name in enumerate(("Years", "Months", "MonthDays", "WeekDays", "Time"), 1)
            ),
        ),
        Sheet("Destination", "Destinations.csv", _ID, (Member("", 1),), "Prefixes"),
        Sheet(
            "Rate",
            "Rates.csv",
            _ID,
            (
                Member("ConnectFee", 1, _number, "0"),
                Member("Rate", 2, _number, "0"),
                Member("RateUnit", 3),
                Member("RateIncrement", 4),
                Member("GroupIntervalStart", 5, default="0s"),
            ),
            "RateSlots",
        ),
        Sheet(
            "DestinationRate",
            "DestinationRates.csv",
            _ID,
            (
                Member("DestinationId", 1),
                Member("RateId", 2),
                Member("RoundingMethod", 3),
                Member("RoundingDecimals", 4, _integer, "0"),
                Member("MaxCost", 5, _number, "0"),
                Member("MaxCostStrategy", 6),
            ),
            "DestinationRates",
        ),
        Sheet(
            "RatingPlan",
            "RatingPlans.csv",
            _ID,
            (Member("DestinationRatesId", 1), Member("TimingId", 2), Member("Weight", 3, _number, "0")),
            "RatingPlanBindings",
        ),
        Sheet(
            "RatingProfile",
            "RatingProfiles.csv",
            (Member("Tenant", 0), Member("Category", 1), Member("Subject", 2)),
            (Member("ActivationTime", 3), Member("RatingPlanId", 4), Member("FallbackSubjects", 5)),
            "RatingPlanActivations",
            has_load_id=True,
        ),
        Sheet(
            "SharedGroups",
            "SharedGroups.csv",
            _ID,
            (Member("Account", 1), Member("Strategy", 2), Member("RatingSubject", 3)),
            "SharedGroups",
        ),
        Sheet(
            "Actions",
            "Actions.csv",
            _ID,
            tuple(
                Member(name, column, _number if name == "Weight" else Form.TEXT)
                for column, name in enumerate(_ACTION_NAMES, 1)
            ),
            "Actions",
        ),
        Sheet(
            "ActionPlan",
            "ActionPlans.csv",
            _ID,
            (Member("ActionsId", 1), Member("TimingId", 2), Member("Weight", 3, _number, "0")),
            "ActionPlan",
        ),
        Sheet(
            "ActionTriggers",
            "ActionTriggers.csv",
            _ID,
            tuple(
                Member(name, column, _TRIGGER_FORMS.get(name, Form.TEXT))
                for column, name in enumerate(_TRIGGER_NAMES)
                if column
            ),
            "ActionTriggers",
        ),
        Sheet(
            "AccountActions",
            "AccountActions.csv",
            (Member("Tenant", 0), Member("Account", 1)),
            (
                Member("ActionPlanId", 2),
                Member("ActionTriggersId", 3),
                Member("AllowNegative", 4, _flag),
                Member("Disabled", 5, _flag),
            ),
            has_load_id=True,
        ),
    )
}
BY_FILE: Mapping[str, Sheet] = {sheet.file: sheet for sheet in SHEETS.values()}
