"""Whatever a file, an API or an event says: a rule is refused with a ValueError, or it answers."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.cgrates.csv_folder import COLUMNS, Row
from ocs.charging.profiles.api import MEMBERS, decode
from ocs.charging.profiles.attributes import AttributeFailed, AttributeShelf
from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.csv_reader import read_profiles
from ocs.charging.profiles.filters import FilterBook, compile_rule, parse_inline
from ocs.charging.profiles.metrics import kind_of
from ocs.charging.profiles.model import AttributeProfile, AttributeRule
from ocs.charging.profiles.rsr import parse_value
from ocs.charging.profiles.view import View

PIECES = st.lists(
    st.sampled_from(
        [
            *("*string", "*gt", "*rsr", "*regex", "*ai", "*ipnet", "*notprefix", "*timings", "*eq"),
            *(":", "|", ";", "~*req.", "~*opts.", "~*asm.", "A", "B", "[0]", ".", "{", "}", "&", "`", "/"),
            *("*round", "*len", "*durfmt", "*strip", "*multiply", "s/", "(a)", "$1", "+", "*", "1", "9" * 70),
        ]
    ),
    max_size=12,
).map("".join)
TEXTS = st.one_of(PIECES, st.text(max_size=30))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.decimals(), st.floats(), st.text(max_size=10), PIECES
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("AB"), inner)),
    max_leaves=5,
)
EVENTS = st.dictionaries(st.sampled_from(["A", "B", "BalanceSummaries"]), VALUES)
PROFILE_FILES = sorted(
    name
    for name in COLUMNS
    if name in ("Filters.csv", "Attributes.csv", "Resources.csv", "Routes.csv", "Stats.csv")
)


@given(TEXTS, EVENTS)
def test_a_filter_is_refused_or_answers(text: str, event: dict[str, object]) -> None:
    try:
        rule = compile_rule(parse_inline(text))
    except ValueError:
        return
    assert rule.test(View(event, now_ns=1)) in (True, False)


@given(TEXTS, EVENTS)
def test_a_value_is_refused_or_made(text: str, event: dict[str, object]) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_value(text).text(View(event, now_ns=1)), str)


KINDS = st.sampled_from(
    [
        "*variable",
        "*sum",
        "*divide",
        "*value_exponent",
        "*usage_difference",
        "*cc_usage",
        "*datetime",
        "*sipcid",
    ]
)


@given(KINDS, TEXTS, EVENTS)
def test_an_attribute_is_refused_or_fails_by_name_or_is_made(
    kind: str, text: str, event: dict[str, object]
) -> None:
    rule = AttributeRule(path="*req.X", type=kind, value=text)
    profile = AttributeProfile(tenant="t", id="P", attributes=(rule,))
    try:
        shelf = AttributeShelf(FilterBook(), [profile])
    except ValueError:
        return
    with contextlib.suppress(AttributeFailed):
        assert shelf.process(View(event, tenant="t", now_ns=1)) is not None


@given(st.sampled_from(["*sum#", "*distinct#", "*highest#", "*acd", "*asr", "*pdd", "*tcc"]), TEXTS, EVENTS)
def test_a_metric_is_refused_or_counts(name: str, text: str, event: dict[str, object]) -> None:
    try:
        kind = kind_of(name + (text if name.endswith("#") else ""))
    except ValueError:
        return
    value = kind.take(View(event, now_ns=1))
    if value is not None:
        window = kind.make()
        window.add(value)
        assert isinstance(kind.text(window.value(1)), str)


@given(st.sampled_from(PROFILE_FILES), st.data())
def test_a_row_is_used_or_told(file: str, data: st.DataObject) -> None:
    cells = tuple(data.draw(TEXTS) for _ in COLUMNS[file])
    profiles, problems = read_profiles({file: (Row(file, 1, cells),)})
    assert all(problem.line == 1 for problem in problems)
    assert isinstance(ProfileBook().load(profiles), list)


@given(st.sampled_from(sorted(MEMBERS, key=lambda kind: kind.__name__)), VALUES, st.data())
def test_an_object_is_refused_or_read(kind: type, value: object, data: st.DataObject) -> None:
    names = [member.name for member in MEMBERS[kind]]
    members = data.draw(st.dictionaries(st.sampled_from(names), VALUES))
    for given_value in (value, members):
        with contextlib.suppress(ValueError):
            assert isinstance(
                decode(kind, given_value, tenant="t") if "Tenant" in names else None, (kind, type(None))
            )


@pytest.mark.parametrize(
    "value", [10**200, Decimal("1e999999"), Decimal("-1e-999999"), "9" * 60, 10**59, "1e59"]
)
def test_numbers_of_any_size_are_refused_or_used(value: object) -> None:
    view = View({"A": value}, tenant="t", now_ns=1)
    assert compile_rule(parse_inline("*gt:~*req.A:1")).test(view) in (True, False)
    for converter in ("*round:18", "*multiply:1e50", "*divide:1e-50", "*gigawords", "*duration_minutes"):
        with contextlib.suppress(ValueError):
            assert parse_value(f"~*req.A{{{converter}}}").text(view)
    window = kind_of("*average#~*req.A")
    taken = window.take(view)
    if taken is not None:
        total = window.make()
        for _ in range(3):
            total.add(taken)
        total.remove(taken)
        assert window.text(total.value(2))
