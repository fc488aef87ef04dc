"""The index: exactly what filters say, and no more work than what can match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.profiles.activation import Activation
from ocs.charging.profiles.filters import Filter, FilterBook, FilterRule, passes
from ocs.charging.profiles.model import ChargerProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.view import View

WORDS = st.sampled_from(["1", "10", "100", "1001", "01", "x", ""])
RULES = st.builds(
    lambda kind, field, values: f"{kind}:~*req.{field}:{'|'.join(values)}",
    st.sampled_from(["*string", "*prefix", "*suffix", "*exists", "*notstring", "*niprefix", "*gt", "*empty"]),
    st.sampled_from(["A", "B", "C"]),
    st.lists(WORDS, min_size=1, max_size=3),
)
EVENTS = st.dictionaries(st.sampled_from(["A", "B", "C"]), WORDS)


@given(st.lists(st.lists(RULES, max_size=3), max_size=8), st.lists(EVENTS, min_size=1, max_size=4), st.data())
def test_the_index_finds_what_trying_every_profile_finds(
    filters: list[list[str]], events: list[dict[str, str]], data: st.DataObject
) -> None:
    book = FilterBook()
    profiles = [
        ChargerProfile(tenant="t", id=str(number), filter_ids=tuple(each))
        for number, each in enumerate(filters)
    ]
    shelf = Shelf(book, profiles)
    for gone in data.draw(st.sets(st.sampled_from(profiles), max_size=3)) if profiles else ():
        assert shelf.remove("t", gone.id)
        profiles.remove(gone)
    for event in events:
        view = View(event, tenant="t")
        tried = sorted(each.id for each in profiles if passes(book.rules("t", each.filter_ids), view))
        assert [each.id for each in shelf.matching(view)] == tried


def test_profiles_come_by_weight_then_by_id_and_only_while_active() -> None:
    shelf = Shelf(
        FilterBook(),
        [
            ChargerProfile(tenant="t", id="b", weight=10),
            ChargerProfile(tenant="t", id="a", weight=10),
            ChargerProfile(tenant="t", id="c", weight=20),
            ChargerProfile(tenant="t", id="d", weight=30, activation=Activation(start_ns=100, end_ns=200)),
            ChargerProfile(tenant="other", id="e", weight=99),
        ],
    )
    assert [each.id for each in shelf.matching(View({}, tenant="t"))] == ["c", "a", "b"]
    assert [each.id for each in shelf.matching(View({}, tenant="t", now_ns=199))] == ["d", "c", "a", "b"]
    assert [each.id for each in shelf.matching(View({}, tenant="t", now_ns=200), ["b", "no"])] == ["b"]


def test_a_changed_filter_moves_its_profiles() -> None:
    book = FilterBook([Filter("t", "F", (FilterRule("*string", "~*req.A", ("1",)),))])
    shelf = Shelf(book, [ChargerProfile(tenant="t", id="x", filter_ids=("F",))])
    book.put(Filter("t", "F", (FilterRule("*string", "~*req.A", ("2",)),)))
    shelf.refile("t", "F")
    assert shelf.matching(View({"A": "1"}, tenant="t")) == []
    assert [each.id for each in shelf.matching(View({"A": "2"}, tenant="t"))] == ["x"]


class Counting(dict[str, object]):
    """An event that counts how often it is asked."""

    asked = 0

    def get(self, name: str, default: object = None) -> object:
        Counting.asked += 1
        return super().get(name, default)


@pytest.mark.parametrize(
    "rules",
    [
        ("*string:~*req.Account:{}",),
        ("*prefix:~*req.Account:{}", "*gt:~*req.Cost:1"),
        ("*string:~*req.Category:call", "*string:~*req.Account:{}"),
    ],
)
def test_ten_thousand_profiles_are_asked_no_more_than_ten(rules: tuple[str, ...]) -> None:
    asked = []
    for count in (10, 10_000):
        shelf = Shelf(
            FilterBook(),
            [
                ChargerProfile(
                    tenant="t",
                    id=str(number),
                    filter_ids=tuple(rule.format(f"a{number:05d}") for rule in rules),
                )
                for number in range(count)
            ],
        )
        Counting.asked = 0
        found = shelf.matching(View(Counting(Account="a00007", Category="call", Cost=2), tenant="t"))
        assert [each.id for each in found] == ["7"]
        asked.append(Counting.asked)
    assert asked[1] == asked[0]
