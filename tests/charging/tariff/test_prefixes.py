"""Claims about longest prefix match."""

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.tariff.prefixes import PrefixTable

prefix_sets = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.text("123", max_size=5), max_size=6), max_size=5
)


@given(prefix_sets, st.text("123", max_size=7))
def test_matches_are_all_prefixes_of_a_number_longest_first(sets: dict[str, list[str]], number: str) -> None:
    expected = [
        (number[:length], {name for name, prefixes in sets.items() if number[:length] in prefixes})
        for length in range(len(number), -1, -1)
    ]
    table = PrefixTable(sets)
    found = [(prefix, set(names)) for prefix, names in table.matches(number)]
    assert found == [pair for pair in expected if pair[1]]
    assert table.longest(number) == next((prefix for prefix, names in expected if names), None)


def test_sets_that_share_a_prefix_are_both_found_in_the_order_given() -> None:
    table = PrefixTable({"b": ["49"], "a": ["49", "4"]})
    assert table.matches("4915") == [("49", ("b", "a")), ("4", ("a",))]
    assert len(table) == 2


def test_an_excluded_prefix_is_taken_out_of_its_set_alone() -> None:
    table = PrefixTable({"all": ["", "!00101"], "home": ["001"]})
    assert table.matches("00101") == [("001", ("home",))]
    assert table.matches("00102") == [("001", ("home",)), ("", ("all",))]


def test_a_longer_prefix_brings_back_what_a_shorter_one_excludes() -> None:
    table = PrefixTable({"a": ["4", "!49", "4915"]})
    assert table.matches("49151") == [("4915", ("a",))]
    assert table.matches("4930") == []


def test_prefixes_of_the_same_sets_share_one_tuple() -> None:
    table = PrefixTable({"a": ["1", "2"], "b": ["1", "2"]})
    assert table.matches("1")[0][1] is table.matches("2")[0][1]
