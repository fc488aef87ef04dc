"""Filters: every type, its negation, missing fields, the inline and the stored form."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from ocs.charging.profiles.activation import Activation
from ocs.charging.profiles.filters import Filter, FilterBook, FilterRule, compile_rule, parse_inline, passes
from ocs.charging.profiles.values import moment_of
from ocs.charging.profiles.view import View

NOW_NS = 1_795_000_000_000_000_000  # 2026-11-18T11:06:40Z
EVENT = {
    "Account": "1001",
    "Destination": "+49301234",
    "Cost": Decimal("0.15"),
    "Usage": "1m30s",
    "AnswerTime": "2026-11-22T10:00:00Z",
    "Empty": "",
    "Zero": 0,
    "Source": "10.1.2.3",
    "Extra": {"Trunk": "T1", "List": ["a", "b"]},
    "Flag": True,
}
OPTS = {"*context": "*sessions"}


class Lookups:
    """A resource, two destinations and a timing."""

    def value(self, kind: str, path: Sequence[str], tenant: str) -> object | None:
        return 3 if (kind, *path) == ("*resources", "RES", "TotalUsage") else None

    def destinations(self, number: str) -> frozenset[str]:
        return frozenset({"DST_DE"} if number.startswith("+49") else ())

    def is_timed(self, timing: str, at_ns: int) -> bool | None:
        return {"PEAK": True, "NIGHT": False}.get(timing)


def view() -> View:
    return View(EVENT, OPTS, now_ns=NOW_NS, lookups=Lookups())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*string:~*req.Account:1001|1002", True),
        ("*string:~*req.Account:1002", False),
        ("*string:~*req.Missing:1001", False),
        ("*notstring:~*req.Missing:1001", True),
        ("*nistring:~*req.Account:1001", True),
        ("*notnistring:~*req.Account:1001", False),
        ("*string:~*req.Flag:true", True),
        ("*string:~*req.Extra.Trunk:T1", True),
        ("*string:~*req.Extra.List[1]:b", True),
        ("*string:~*opts.*context:*sessions", True),
        ("*string:~*req.Account:~*req.Account", True),
        ("*string:~*req.Destination:s/^\\+49(\\d+)$/0$1/:0301234", True),
        ("*string:~*req.Destination{*len}:9", True),
        ("*contains:~*req.Destination:301", True),
        ("*contains:~*req.Destination:999", False),
        ("*prefix:~*req.Destination:+49|+48", True),
        ("*notprefix:~*req.Destination:+49", False),
        ("*suffix:~*req.Destination:234", True),
        ("*empty:~*req.Empty:", True),
        ("*empty:~*req.Missing:", True),
        ("*empty:~*req.Account:", False),
        ("*exists:~*req.Empty:", True),
        ("*exists:~*req.Missing:", False),
        ("*notexists:~*req.Missing:", True),
        ("*timings:~*req.AnswerTime:PEAK", True),
        ("*timings:~*req.AnswerTime:NIGHT|UNKNOWN", False),
        ("*destinations:~*req.Destination:DST_DE|DST_FR", True),
        ("*destinations:~*req.Account:DST_DE", False),
        ("*rsr:~*req.Account:^10", True),
        ("*rsr:~*req.Account:01$", True),
        ("*rsr:~*req.Account:~^1\\d{3}$", True),
        ("*rsr:~*req.Account:!^10", False),
        ("*rsr:~*req.Cost:>=0.15", True),
        ("*lt:~*req.Cost:0.2", True),
        ("*lte:~*req.Cost:0.15", True),
        ("*gt:~*req.Usage:1m29s", True),
        ("*gt:~*req.Usage:90000000000", False),
        ("*gte:~*req.Usage:90000000000", True),
        ("*gt:~*req.AnswerTime:2026-11-22T09:59:59Z", True),
        ("*gt:~*req.AnswerTime:*now", True),
        ("*gt:~*req.Account:PEAK", False),
        ("*gt:~*resources.RES.TotalUsage:2", True),
        ("*eq:~*req.Cost:0.150", True),
        ("*eq:~*req.Account:1001", True),
        ("*ipnet:~*req.Source:10.0.0.0/8|192.168.0.0/16", True),
        ("*ipnet:~*req.Account:10.0.0.0/8", False),
        ("*ai:~*req.AnswerTime:2026-11-22T10:00:00Z|2026-11-23T00:00:00Z", True),
        ("*ai:~*req.AnswerTime:2026-11-22T10:00:01Z", False),
        ("*regex:~*req.Destination:^\\+49\\d+$|^x", True),
    ],
)
def test_a_rule_holds_as_the_incumbent_s_does(text: str, expected: bool) -> None:
    assert compile_rule(parse_inline(text)).test(view()) is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*strange:~*req.X:1", "is not a filter type"),
        ("*apiban:~*req.X:1", "outside service"),
        ("*http#http://x:~*req.X:1", "another server"),
        ("Account:1001", "not a filter"),
        ("*string:~*req.X{*nothing}:1", "no converter"),
        ("*regex:~*req.X:(", "not a regular expression"),
        ("*ipnet:~*req.X:10.0.0.0/99", "10.0.0.0/99"),
        ("*string:~*req:1", "no field"),
        ("*gt:~*req.X{*round:x}:1", "round"),
    ],
)
def test_what_cannot_be_a_filter_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("*", r"\*")):
        compile_rule(parse_inline(text))


def test_rules_of_a_stored_filter_are_all_needed_and_its_values_are_not() -> None:
    rules = (
        FilterRule("*string", "~*req.Account", ("1002", "1001")),
        FilterRule("*prefix", "~*req.Destination", ("+49",)),
    )
    book = FilterBook([Filter("cgrates.org", "F", rules)])
    assert passes(book.rules("cgrates.org", ("F",)), view())
    other = View({**EVENT, "Destination": "+33"}, OPTS)
    assert not passes(book.rules("cgrates.org", ("F",)), other)
    with pytest.raises(ValueError, match="broken reference to filter: G"):
        book.rules("cgrates.org", ("F", "G"))


def test_a_filter_that_is_not_active_yet_passes() -> None:
    rule = FilterRule("*string", "~*req.Account", ("9999",))
    book = FilterBook([Filter("t", "F", (rule,), Activation(start_ns=NOW_NS + 1))])
    assert passes(book.rules("t", ("F",)), view())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-18T11:06:40Z", NOW_NS),
        ("2026-11-18T12:06:40+01:00", NOW_NS),
        ("2026-11-18 11:06:40", NOW_NS),
        ("20261118110640", NOW_NS),
        ("1795000000", NOW_NS),
        ("1795000000000", NOW_NS),
        ("1795000000000000000", NOW_NS),
        ("*now", NOW_NS),
        ("+1s", NOW_NS + 10**9),
        ("-1m", NOW_NS - 60 * 10**9),
        ("*daily", NOW_NS + 86_400 * 10**9),
        ("", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("*unlimited", 0),
        ("yesterday", None),
        ("12345", None),
    ],
)
def test_a_moment_is_read_in_every_spelling(text: str, expected: int | None) -> None:
    assert moment_of(text, NOW_NS) == expected
