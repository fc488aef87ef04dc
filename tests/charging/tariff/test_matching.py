"""Claims about rules meeting queries."""

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.events import Unit
from ocs.charging.tariff.matching import ORDER, match, mismatch, place
from ocs.charging.tariff.model import Query, Rule
from ocs.charging.tariff.prefixes import PrefixTable
from tests.charging.tariff.rules import rated

DESTINATIONS = PrefixTable({"a": ["4", "!491"], "b": ["49"]})
ZONES = PrefixTable({"x": ["", "!00101"], "y": ["262"]})

rules = st.builds(
    Rule,
    st.just("r"),
    st.just("data"),
    st.sampled_from([None, *Unit]),
    st.just((rated("a"),)),
    st.none() | st.lists(st.tuples(st.integers(0, 3), st.integers(3, 6)), max_size=2).map(tuple),
    st.booleans(),
    st.none() | st.frozensets(st.integers(0, 2)),
    st.none() | st.frozensets(st.sampled_from("pq")),
    st.none() | st.sampled_from([("x",), ("y",), ("x", "y")]),
    st.none() | st.sampled_from([("a",), ("b",), ("b", "a")]),
    st.none() | st.frozensets(st.sampled_from("gh")),
    st.integers(-5, 5),
)
queries = st.builds(
    Query,
    st.just("data"),
    st.sampled_from([None, *Unit]),
    st.none() | st.integers(0, 7),
    st.none() | st.integers(0, 3),
    st.sampled_from(["", "3", "4", "48", "490", "491"]),
    st.sampled_from(["", "p", "z"]),
    st.sampled_from(["", "00101", "26201", "310"]),
    st.sampled_from(["", "g", "z"]),
)


@given(rules, queries)
def test_a_rule_either_matches_or_has_a_reason_not_to(rule: Rule, query: Query) -> None:
    where = place(query, DESTINATIONS, ZONES)
    met = match(rule, query, where, 7)
    assert (met is None) == bool(mismatch(rule, query, where))
    assert met is None or (len(met.order) == len(ORDER) and met.order[-1] == 7)


def test_a_rule_of_another_service_says_so() -> None:
    query = Query("voice")
    rule = Rule("r", "data", None, (rated("a"),))
    assert mismatch(rule, query, place(query, DESTINATIONS, ZONES)) == "is for data, not voice"
