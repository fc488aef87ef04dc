"""Regular expressions: the answers of `re`, at a cost that does not explode."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ocs.charging.profiles.regex import MOST_STEPS, Regex

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "^", "$", r"\b", "1"])


def _more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = inner.map(lambda text: f"({text})")
    repeats = st.tuples(groups, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", "{0,3}?"]))
    return st.one_of(
        groups,
        repeats.map("".join),
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join).map(lambda text: f"(?:{text})"),
    )


PATTERNS = st.recursive(ATOMS, _more, max_leaves=8)


@given(PATTERNS, st.text("ab1\n ", max_size=8))
def test_threads_find_what_backtracking_finds(pattern: str, text: str) -> None:
    regex = Regex(pattern)
    assume(regex._cost <= MOST_STEPS)  # a repeat of what may be empty never backtracks
    match = re.compile(pattern, re.ASCII).search(text)
    found = regex._program.search(text)
    assert (match and match.span()) == (found and (found[0], found[1]))


@pytest.mark.parametrize(
    ("pattern", "text", "spans"),
    [
        (r"(\d+)@(\w+)", "sip:1001@host", (4, 13, 4, 8, 9, 13)),
        (r"^\+?(49)?(\d{3,})$", "+4930123", (0, 8, 1, 3, 3, 8)),
        (r"(?i)^AlIcE|bob$", "aLiCe", (0, 5)),
        (r"(a+?)(a*)", "aaa", (0, 3, 0, 1, 1, 3)),
        (r"(a)|(b)", "b", (0, 1, -1, -1, 0, 1)),
        (r"^[[:digit:]]+\z", "12", (0, 2)),
    ],
)
def test_groups_are_the_same_both_ways(pattern: str, text: str, spans: tuple[int, ...]) -> None:
    regex = Regex(pattern)
    assert regex.search(text) == spans
    assert regex._program.search(text) == spans


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*b$", r"(a*)*b", r"a*a*a*a*a*b", r"(a?){40}a{40}b", r"(.*)(.*)(.*)x"]
)
def test_no_pattern_explodes(pattern: str) -> None:
    assert Regex(pattern).search("a" * 300 + "!") is None


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", r"(?=a)b", r"(?<!a)b", r"(", "a" * 1001, r"(?>a*)a", r"((a{60}){60}){60}"]
)
def test_what_re2_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"regular expression|not possible"):
        Regex(pattern)


def test_a_template_takes_groups_by_number_and_name() -> None:
    regex = Regex(r"^(?P<code>49)(\d+)$")
    spans = regex.search("4930")
    assert spans is not None
    assert regex.expand("+${code}-$2 $$ $9 ${1}0", "4930", spans) == "+49-30 $  490"
