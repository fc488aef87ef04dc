"""Attributes: values by type, runs, contexts, blockers; what the incumbent answers."""

import pytest

from ocs.charging.profiles.attributes import AttributeFailed, AttributeShelf, Rewritten
from ocs.charging.profiles.filters import FilterBook
from ocs.charging.profiles.model import AttributeProfile, AttributeRule
from ocs.charging.profiles.view import View

NOW_NS = 1_795_000_000_000_000_000
EVENT: dict[str, object] = {
    "Account": "1001",
    "Destination": "0301234",
    "Usage": "60s",
    "Used": "45s",
    "N": 7,
    "Extra": {"Trunk": "T1"},
}


def profile(name: str, *rules: tuple[str, str, str], **more: object) -> AttributeProfile:
    attributes = tuple(AttributeRule(path=path, type=kind, value=value) for path, kind, value in rules)
    return AttributeProfile(tenant="cgrates.org", id=name, attributes=attributes, **more)  # type: ignore[arg-type]


def applied(*profiles: AttributeProfile, runs: int = 1, opts: dict[str, object] | None = None) -> Rewritten:
    shelf = AttributeShelf(FilterBook(), profiles)
    found = shelf.process(View(EVENT, opts or {}, now_ns=NOW_NS), context="*sessions", runs=runs)
    assert found is not None
    return found


def test_the_recorded_answer_of_the_incumbent() -> None:
    found = applied(
        profile(
            "ATTR_1001",
            ("*req.Password", "*constant", "Secret1"),
            ("*req.CallerName", "*constant", "Alice"),
            contexts=("*sessions",),
            filter_ids=("*string:~*req.Account:1001",),
        )
    )
    assert found.matched == ("cgrates.org:ATTR_1001",)
    assert found.altered == ("*req.Password", "*req.CallerName")
    assert found.event == {**EVENT, "Password": "Secret1", "CallerName": "Alice"}
    assert found.digest() == "Password:Secret1,CallerName:Alice"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("*constant", "a;b", "ab"),
        ("*constant", "`a;b`", "a;b"),
        ("*variable", "~*req.Account", "1001"),
        ("", "~*req.Account;-;~*req.N", "1001-7"),
        ("*variable", "~*req.Destination:s/^0(\\d+)$/+49${1}/", "+49301234"),
        ("*variable", "~*req.Destination:s/^1(\\d+)$/+49${1}/", "0301234"),
        ("*variable", "~*req.Usage{*duration_seconds}", "60"),
        ("*variable", "~*req.Usage{*duration_seconds&*multiply:0.25&*round:1:*up}", "15"),
        ("*variable", "~*req.Extra.Trunk", "T1"),
        ("*variable", "~*req.Missing", ""),
        ("*composed", "~*req.Account", "old1001"),
        ("*prefix", "+49", "+49old"),
        ("*suffix", "!", "old!"),
        ("*usage_difference", "~*req.Usage;~*req.Used", "15s"),
        ("*cc_usage", "3;~*req.Used;30s", "1m45s"),
        ("*sum", "~*req.N;2.5;1", "10.5"),
        ("*sum", "~*req.Usage;~*req.Used", "1m45s"),
        ("*difference", "~*req.N;2", "5"),
        ("*multiply", "~*req.N;0.1", "0.7"),
        ("*divide", "~*req.N;2", "3.5"),
        ("*value_exponent", "~*req.N;-3", "0.007"),
        ("*unix_timestamp", "2026-11-18T11:06:40Z", "1795000000"),
        ("*datetime", "1795000000", "2026-11-18T11:06:40Z"),
        ("*sipcid", "call;~*req.Usage;~*req.Account;~*req.Missing", "call;1001;60s"),
    ],
)
def test_a_value_is_made_by_its_type(kind: str, value: str, expected: str) -> None:
    found = applied(profile("A", ("*req.Field", "*constant", "old"), ("*req.Field", kind, value)))
    assert found.event["Field"] == expected


def test_fields_options_and_the_tenant_can_change_and_a_field_can_go() -> None:
    found = applied(
        profile(
            "A",
            ("*opts.*rsUnits", "*constant", "2"),
            ("*tenant", "*constant", "reseller.org"),
            ("*req.Account", "*remove", ""),
            ("*req.N", "*constant", "*remove"),
            ("*req.Extra.Carrier", "*constant", "C1"),
            ("*req.Usage", "*none", "1"),
        )
    )
    assert found.opts["*rsUnits"] == "2"
    assert found.tenant == "reseller.org"
    assert "Account" not in found.event
    assert "N" not in found.event
    assert found.event["Extra"] == {"Trunk": "T1", "Carrier": "C1"}
    assert EVENT["Extra"] == {"Trunk": "T1"}, "the event that came in stays as it was"
    assert "*req.Usage" not in found.altered


def test_runs_chain_until_nothing_new_matches() -> None:
    first = profile("FIRST", ("*req.Class", "*constant", "gold"), filter_ids=("*string:~*req.Account:1001",))
    second = profile(
        "SECOND", ("*req.Rate", "*constant", "low"), filter_ids=("*string:~*req.Class:gold",), weight=10
    )
    assert applied(first, second).matched == ("cgrates.org:FIRST",)
    assert applied(first, second, runs=2).matched == ("cgrates.org:FIRST", "cgrates.org:SECOND")
    chained = applied(first, second, runs=5, opts={"*attrProfileRuns": 1})
    assert chained.matched == ("cgrates.org:FIRST", "cgrates.org:SECOND")
    blocked = profile("BLOCK", ("*req.Class", "*constant", "gold"), is_blocker=True, weight=5)
    assert applied(blocked, second, runs=5).matched == ("cgrates.org:BLOCK",)


def test_contexts_ids_and_attribute_filters_choose() -> None:
    other = profile("OTHER", ("*req.X", "*constant", "1"), contexts=("*cdrs",), weight=20)
    some = AttributeProfile(
        tenant="cgrates.org",
        id="SOME",
        attributes=(
            AttributeRule(
                path="*req.Y", type="*constant", value="1", filter_ids=("*string:~*req.Account:1002",)
            ),
            AttributeRule(path="*req.Z", type="*constant", value="1"),
        ),
    )
    assert applied(other, some).altered == ("*req.Z",)
    named = profile("NAMED", ("*req.W", "*constant", "1"), weight=-1)
    assert applied(some, named, opts={"*attrProfileIDs": ["NAMED"]}).matched == ("cgrates.org:NAMED",)
    shelf = AttributeShelf(FilterBook(), [other])
    assert shelf.process(View(EVENT), context="*sessions") is None


def test_ids_can_be_tried_without_their_filters() -> None:
    hidden = profile("HIDDEN", ("*req.X", "*constant", "1"), filter_ids=("*string:~*req.Account:9",))
    opts: dict[str, object] = {"*attrProfileIDs": ["HIDDEN"], "*attrProfileIgnoreFilters": True}
    assert applied(hidden, opts=opts).event["X"] == "1"


def test_ids_may_be_attributes_in_place() -> None:
    stored = profile("STORED", ("*req.X", "*constant", "1"))
    opts: dict[str, object] = {"*attrProfileIDs": ["*constant:*req.Y:2", "STORED"]}
    assert applied(stored, opts=opts).matched == ("*constant:*req.Y:2", "cgrates.org:STORED")
    opts = {"*attrProfileIDs": ["*constant:*req.Y:2"]}
    assert applied(stored, opts=opts).altered == ("*req.Y",)
    with pytest.raises(AttributeFailed, match="not an attribute"):
        applied(stored, opts={"*attrProfileIDs": ["*constant:"]})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (("*req.X", "*http#http://x", ""), "another server"),
        (("*req.X", "*strange", ""), "not a type"),
        (("Account", "*constant", "1"), r"is none of \*req"),
        (("*req.X", "*variable", "~*req.A{*nothing}"), "no converter"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_when_it_is_put(rule: tuple[str, str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AttributeShelf(FilterBook(), [profile("A", rule)])


def test_a_value_that_cannot_be_made_is_told_with_its_profile_and_path() -> None:
    with pytest.raises(AttributeFailed, match=r"A, \*req.X: not a duration: '1001x'"):
        applied(profile("A", ("*req.X", "*usage_difference", "1001x;~*req.Used")))
