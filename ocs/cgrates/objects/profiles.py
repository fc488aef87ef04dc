"""Profiles between the incumbent's JSON and the rows of its CSV files: one table per kind. Pure.

A stored profile is the JSON object its `Get…Profile` answers with: every member there, durations in ns.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from ocs.cgrates.objects.errors import missing, server_error
from ocs.cgrates.objects.given import Given, plain
from ocs.cgrates.objects.numbers import NO_TIME, duration, moment, real
from ocs.charging.cgrates import values

Profile = dict[str, Any]
Cells = tuple[str, ...]


class Form(Enum):
    """How a member is written in JSON."""

    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"
    DURATION = "duration"
    INTERVAL = "interval"


class Member(msgspec.Struct, frozen=True):
    """One member and the column it is in; `is_needed` members must be given."""

    name: str
    column: int
    form: Form = Form.TEXT
    is_needed: bool = False


class Parts(msgspec.Struct, frozen=True):
    """The list of parts of a profile, such as the routes of a route profile."""

    name: str
    members: tuple[Member, ...]
    is_needed: bool = False
    splits: bool = False  # one row holds several parts, between `;` in the first member


class ProfileKind(msgspec.Struct, frozen=True):
    """One kind of profile. `word` is how its methods call it: `SetAttributeProfile`."""

    word: str
    file: str
    width: int
    members: tuple[Member, ...]
    parts: Parts | None = None
    filters_columns: tuple[int, ...] = ()

    def read(self, given: Given, tenant: str, now_ns: int) -> Profile:
        """The profile a `Set` method was called with."""
        given.require("ID")
        profile: Profile = {"Tenant": given.text("Tenant") or tenant, "ID": given.text("ID")}
        for member in self.members:
            profile[member.name] = _given(given, member, now_ns)
            if self.parts and member is self.members[_parts_after(self)]:
                profile[self.parts.name] = _given_parts(given, self.parts, now_ns)
        if self.parts is not None and self.parts.is_needed and not profile[self.parts.name]:
            raise missing(self.parts.name)
        return profile

    def of_rows(self, rows: Iterable[Cells]) -> Profile:
        """The profile of its rows: lists grow, other cells count where they are not empty. Raises ValueError."""
        profile: Profile = {}
        for cells in rows:
            if not profile:
                profile = {"Tenant": cells[0], "ID": cells[1], **self._blank()}
            for member in self.members:
                _add_cell(profile, member, cells[member.column])
            if self.parts is not None:
                _add_parts(profile[self.parts.name], self.parts, cells)
        return profile

    def to_rows(self, profile: Profile) -> list[Cells]:
        """The rows of a profile, its own members in the first."""
        cells = [""] * self.width
        cells[0], cells[1] = profile["Tenant"], profile["ID"]
        for member in self.members:
            cells[member.column] = _cell(profile[member.name], member.form)
        if self.parts is None:
            return [tuple(cells)]
        rows: list[Cells] = []
        for part in profile[self.parts.name] or [None]:
            row = cells if not rows else [*cells[:2], *[""] * (self.width - 2)]
            for member in self.parts.members if part is not None else ():
                row[member.column] = _cell(part[member.name], member.form)
            rows.append(tuple(row))
        return rows

    def _blank(self) -> Profile:
        blank: Profile = {}
        for number, member in enumerate(self.members):
            blank[member.name] = [] if member.form is Form.TEXTS else _EMPTY[member.form]
            if self.parts is not None and number == _parts_after(self):
                blank[self.parts.name] = []
        return blank


def _parts_after(kind: ProfileKind) -> int:
    """The member behind which the parts are shown: the last that stands in front of them in the file."""
    assert kind.parts is not None
    first = min(member.column for member in kind.parts.members)
    return max((n for n, member in enumerate(kind.members) if member.column < first), default=0)


_EMPTY: Mapping[Form, Any] = {
    Form.TEXT: "",
    Form.TEXTS: None,
    Form.NUMBER: 0,
    Form.INTEGER: 0,
    Form.FLAG: False,
    Form.DURATION: 0,
    Form.INTERVAL: None,
}


def _given(given: Given, member: Member, now_ns: int) -> Any:
    if member.is_needed:
        given.require(member.name)
    if member.name not in given:
        return _EMPTY[member.form]
    match member.form:
        case Form.TEXT:
            return _rsr(given.raw(member.name)) if member.name == "Value" else given.text(member.name)
        case Form.TEXTS:
            return list(given.texts(member.name))
        case Form.NUMBER:
            return real(given.real(member.name))
        case Form.INTEGER:
            return given.integer(member.name)
        case Form.FLAG:
            return given.flag(member.name)
        case Form.DURATION:
            return given.duration(member.name)
        case Form.INTERVAL:
            inner = given.inner(member.name)
            return _interval(inner.moment("ActivationTime", now_ns), inner.moment("ExpiryTime", now_ns))


def _rsr(value: Any) -> str:
    """The value of an attribute: a text, or the rules `[{"Rules": "a"}, {"Rules": "b"}]` as one."""
    if isinstance(value, list):
        return ";".join(Given(one, "Value").text("Rules") for one in value)
    return Given({"Value": value}).text("Value")


def _given_parts(given: Given, parts: Parts, now_ns: int) -> list[Profile] | None:
    if parts.name not in given:
        return None
    return [
        {member.name: _given(one, member, now_ns) for member in parts.members}
        for one in given.rows(parts.name)
    ]


def _interval(start_ns: int | None, end_ns: int | None) -> Profile | None:
    if not start_ns and not end_ns:
        return None
    return {"ActivationTime": moment(start_ns or None), "ExpiryTime": moment(end_ns or None)}


def _add_cell(profile: Profile, member: Member, cell: str) -> None:
    if cell == "":
        return
    value = _parsed(cell, member.form)
    if member.form is Form.TEXTS:
        profile[member.name].extend(word for word in value if word not in profile[member.name])
    else:
        profile[member.name] = value


def _add_parts(found: list[Profile], parts: Parts, cells: Cells) -> None:
    first = parts.members[0]
    if all(cells[member.column] == "" for member in parts.members):
        return
    names = values.words(cells[first.column]) if parts.splits else (cells[first.column],)
    for name in names:
        part = next((one for one in found if parts.splits and one[first.name] == name), None)
        if part is None:
            part = {
                member.name: [] if member.form is Form.TEXTS else _EMPTY[member.form]
                for member in parts.members
            }
            part[first.name] = name if first.form is Form.TEXT else _parsed(name, first.form)
            found.append(part)
        for member in parts.members[1:]:
            _add_cell(part, member, cells[member.column])


def _parsed(cell: str, form: Form) -> Any:
    match form:
        case Form.TEXT:
            return cell
        case Form.TEXTS:
            return list(values.words(cell))
        case Form.NUMBER:
            return real(values.real(cell))
        case Form.INTEGER:
            return int(values.real(cell))
        case Form.FLAG:
            return values.flag(cell)
        case Form.DURATION:
            return values.duration_ns(cell)
        case Form.INTERVAL:
            times = cell.split(";")
            start_ns = values.instant_ns(times[0])
            return _interval(start_ns, values.instant_ns(times[1]) if len(times) > 1 else None)


def _cell(value: Any, form: Form) -> str:
    match form:
        case Form.TEXT:
            return str(value)
        case Form.TEXTS:
            return ";".join(value or ())
        case Form.NUMBER | Form.INTEGER:
            return plain(value)
        case Form.FLAG:
            return "true" if value else "false"
        case Form.DURATION:
            return str(value) if value < 0 else duration(value)
        case Form.INTERVAL:
            if value is None:
                return ""
            return ";".join("" if time == NO_TIME else time for time in value.values()).rstrip(";")


def check_filters(profile: Profile, known: Iterable[str]) -> None:
    """Raise where a profile names a filter that is not there; inline filters begin with `*`."""
    names = set(known)
    for filter_id in profile.get("FilterIDs") or ():
        if not filter_id.startswith("*") and filter_id not in names:
            item = f"{profile['Tenant']}:{profile['ID']}"
            raise server_error(f"broken reference to filter: {filter_id} for item with ID: {item}")


_FILTERS = Member("FilterIDs", 2, Form.TEXTS)
_ACTIVE = Member("ActivationInterval", 3, Form.INTERVAL)
_TEXTS, _NUMBER, _INTEGER, _FLAG, _DURATION = Form.TEXTS, Form.NUMBER, Form.INTEGER, Form.FLAG, Form.DURATION

PROFILE_KINDS: Mapping[str, ProfileKind] = {
    kind.file: kind
    for kind in (
        ProfileKind(
            "Filter",
            "Filters.csv",
            6,
            (Member("ActivationInterval", 5, Form.INTERVAL),),
            Parts("Rules", (Member("Type", 2), Member("Element", 3), Member("Values", 4, _TEXTS))),
        ),
        ProfileKind(
            "AttributeProfile",
            "Attributes.csv",
            11,
            (
                Member("Contexts", 2, _TEXTS),
                Member("FilterIDs", 3, _TEXTS),
                Member("ActivationInterval", 4, Form.INTERVAL),
                Member("Blocker", 9, _FLAG),
                Member("Weight", 10, _NUMBER),
            ),
            Parts(
                "Attributes",
                (
                    Member("FilterIDs", 5, _TEXTS),
                    Member("Path", 6, is_needed=True),
                    Member("Type", 7),
                    Member("Value", 8),
                ),
                is_needed=True,
            ),
        ),
        ProfileKind(
            "ChargerProfile",
            "Chargers.csv",
            7,
            (
                _FILTERS,
                _ACTIVE,
                Member("RunID", 4),
                Member("AttributeIDs", 5, _TEXTS),
                Member("Weight", 6, _NUMBER),
            ),
        ),
        ProfileKind(
            "ResourceProfile",
            "Resources.csv",
            11,
            (
                _FILTERS,
                _ACTIVE,
                Member("UsageTTL", 4, _DURATION),
                Member("Limit", 5, _NUMBER),
                Member("AllocationMessage", 6),
                Member("Blocker", 7, _FLAG),
                Member("Stored", 8, _FLAG),
                Member("Weight", 9, _NUMBER),
                Member("ThresholdIDs", 10, _TEXTS),
            ),
        ),
        ProfileKind(
            "IPProfile",
            "IPs.csv",
            15,
            (
                _FILTERS,
                _ACTIVE,
                Member("TTL", 4, _DURATION),
                Member("Stored", 5, _FLAG),
                Member("Weight", 6, _NUMBER),
            ),
            Parts(
                "Pools",
                (
                    Member("ID", 7),
                    Member("FilterIDs", 8, _TEXTS),
                    Member("Type", 9),
                    Member("Range", 10),
                    Member("Strategy", 11),
                    Member("Message", 12),
                    Member("Weight", 13, _NUMBER),
                    Member("Blocker", 14, _FLAG),
                ),
            ),
        ),
        ProfileKind(
            "StatQueueProfile",
            "Stats.csv",
            13,
            (
                _FILTERS,
                _ACTIVE,
                Member("QueueLength", 4, _INTEGER),
                Member("TTL", 5, _DURATION),
                Member("MinItems", 6, _INTEGER),
                Member("Stored", 9, _FLAG),
                Member("Blocker", 10, _FLAG),
                Member("Weight", 11, _NUMBER),
                Member("ThresholdIDs", 12, _TEXTS),
            ),
            Parts("Metrics", (Member("MetricID", 7), Member("FilterIDs", 8, _TEXTS)), splits=True),
        ),
        ProfileKind(
            "TrendProfile",
            "Trends.csv",
            12,
            (
                Member("Schedule", 2),
                Member("StatID", 3),
                Member("Metrics", 4, _TEXTS),
                Member("TTL", 5, _DURATION),
                Member("QueueLength", 6, _INTEGER),
                Member("MinItems", 7, _INTEGER),
                Member("CorrelationType", 8),
                Member("Tolerance", 9, _NUMBER),
                Member("Stored", 10, _FLAG),
                Member("ThresholdIDs", 11, _TEXTS),
            ),
        ),
        ProfileKind(
            "RankingProfile",
            "Rankings.csv",
            9,
            (
                Member("Schedule", 2),
                Member("StatIDs", 3, _TEXTS),
                Member("MetricIDs", 4, _TEXTS),
                Member("Sorting", 5),
                Member("SortingParameters", 6, _TEXTS),
                Member("Stored", 7, _FLAG),
                Member("ThresholdIDs", 8, _TEXTS),
            ),
        ),
        ProfileKind(
            "ThresholdProfile",
            "Thresholds.csv",
            12,
            (
                _FILTERS,
                _ACTIVE,
                Member("MaxHits", 4, _INTEGER),
                Member("MinHits", 5, _INTEGER),
                Member("MinSleep", 6, _DURATION),
                Member("Blocker", 7, _FLAG),
                Member("Weight", 8, _NUMBER),
                Member("ActionIDs", 9, _TEXTS),
                Member("Async", 10, _FLAG),
                Member("EeIDs", 11, _TEXTS),
            ),
        ),
        ProfileKind(
            "RouteProfile",
            "Routes.csv",
            16,
            (
                _FILTERS,
                _ACTIVE,
                Member("Sorting", 4),
                Member("SortingParameters", 5, _TEXTS),
                Member("Weight", 15, _NUMBER),
            ),
            Parts(
                "Routes",
                (
                    Member("ID", 6),
                    Member("FilterIDs", 7, _TEXTS),
                    Member("AccountIDs", 8, _TEXTS),
                    Member("RatingPlanIDs", 9, _TEXTS),
                    Member("ResourceIDs", 10, _TEXTS),
                    Member("StatIDs", 11, _TEXTS),
                    Member("Weight", 12, _NUMBER),
                    Member("Blocker", 13, _FLAG),
                    Member("RouteParameters", 14),
                ),
            ),
        ),
    )
}
BY_WORD: Mapping[str, ProfileKind] = {kind.word: kind for kind in PROFILE_KINDS.values()}
