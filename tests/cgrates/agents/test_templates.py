"""Field templates: each type, each root, filters; mistakes are told with their place."""

from collections.abc import Sequence
from typing import Any

import pytest

from ocs.cgrates.agents.templates import (
    ANSWERED,
    CGREQ,
    OPTS,
    REPLY,
    TMP,
    VARS,
    Scope,
    TemplateError,
    Texts,
    behind,
    compiled,
    unread_keys,
)
from ocs.charging.profiles.filters import Rule, compile_rule, parse_inline
from ocs.charging.profiles.view import NOTHING

REQUEST = {
    "User-Name": "1001",
    "Event-Timestamp": "1497106119",
    "Ascend-User-Acct-Time": "1497106115",
    "Cisco": {"Cisco-AVPair": "a=b"},
    "Octets": "7",
}


def rules(tenant: str, texts: Sequence[str]) -> list[Rule]:
    return [compile_rule(parse_inline(text)) for text in texts]


def scope() -> Scope:
    found = Scope("cgrates.org", REQUEST, {"*radReqType": "*radAuth"}, rules, NOTHING)
    found.roots[ANSWERED] = {"MaxUsage": 10_800_000_000_000, "Error": "", "Attributes": {"Password": "pw"}}
    return found


def run(*fields: dict[str, Any], named: dict[str, Any] | None = None) -> Scope:
    found = scope()
    found.run(compiled(fields, "fields", named or {}))
    return found


def one(kind: str, value: str) -> object:
    """What a field of that type makes."""
    return run({"path": "*cgreq.X", "type": kind, "value": value}).roots[CGREQ].get("X")


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("*constant", "~literally", "~literally"),
        ("*variable", "~*req.User-Name", "1001"),
        ("*variable", "~*req.Cisco.Cisco-AVPair", "a=b"),
        ("*variable", "user ;~*req.User-Name", "user 1001"),
        ("*variable", "~*req.Nothing", None),
        ("*variable", "~*vars.*radReqType", "*radAuth"),
        ("*variable", "~*cgrep.MaxUsage{*duration_seconds}", "10800"),
        ("*variable", "~*cgrep.Attributes.Password", "pw"),
        ("*variable", "session_max_time#;~*cgrep.MaxUsage{*duration_seconds}", "session_max_time#10800"),
        ("*usage_difference", "~*req.Event-Timestamp;~*req.Ascend-User-Acct-Time", "4s"),
        ("*usage_difference", "2017-06-10T14:48:39Z;2017-06-10T14:48:35Z", "4s"),
        ("*usage_difference", "~*req.Event-Timestamp;~*req.Nothing", None),
        ("*sum", "~*req.Octets;3;0.5", "10.5"),
        ("*sum", "~*req.Octets;~*req.Nothing", "7"),
        ("*difference", "~*req.Octets;~*req.Nothing", None),
        ("*cc_usage", "0;0s;5m", "0s"),
        ("*cc_usage", "1;30s;5m", "30s"),
        ("*cc_usage", "3;30s;5m", "10m30s"),
        ("*value_exponent", "1005;-2", "10.05"),
        ("*value_exponent", "7;2", "700"),
        ("*difference", "~*req.Octets;3", "4"),
        ("*multiply", "~*req.Octets;2", "14"),
        ("*divide", "~*req.Octets;2", "3.5"),
        ("*unix_timestamp", "2017-06-10T14:48:35Z", "1497106115"),
        ("*datetime", "~*req.Ascend-User-Acct-Time", "2017-06-10T14:48:35Z"),
        ("*sipcid", "call;to;from", "call;from;to"),
        ("*prefix", "+;~*req.User-Name", "+1001"),
        ("*suffix", "@x;~*req.User-Name", "1001@x"),
    ],
)
def test_a_type_makes_its_value(kind: str, value: str, made: str | None) -> None:
    assert one(kind, value) == made


def test_replies_are_replaced_joined_repeated_and_removed() -> None:
    found = run(
        {"path": "*rep.A", "type": "*constant", "value": "1"},
        {"path": "*rep.A", "type": "*constant", "value": "2"},
        {"path": "*rep.A", "type": "*composed", "value": "3"},
        {"path": "*rep.A", "type": "*group", "value": "4"},
        {"path": "*rep.Cisco.Cisco-AVPair", "type": "*variable", "value": "seen=;~*rep.A"},
        {"path": "*rep.B", "type": "*constant", "value": "5"},
        {"path": "*rep.B", "type": "*remove"},
    )
    assert found.replies[REPLY] == Texts([("A", "23"), ("A", "4"), ("Cisco.Cisco-AVPair", "seen=23")])


def test_every_root_is_written_and_read() -> None:
    found = run(
        {"path": "*tmp.X", "type": "*variable", "value": "~*req.User-Name"},
        {"path": "*vars.Y", "type": "*variable", "value": "~*tmp.X"},
        {"path": "*opts.*sessionsTTL", "type": "*variable", "value": "~*vars.Y"},
        {"path": "*cgreq.Deep.Z", "type": "*variable", "value": "~*opts.*sessionsTTL"},
        {"path": "*cgreq.Z", "type": "*variable", "value": "~*cgreq.Deep.Z"},
        {"path": "*tmp", "type": "*removeall"},
    )
    assert found.roots[CGREQ] == {"Deep": {"Z": "1001"}, "Z": "1001"}
    assert found.roots[OPTS] == {"*sessionsTTL": "1001"}
    assert (found.roots[VARS]["Y"], found.roots[TMP]) == ("1001", {})


def test_filters_decide_and_a_blocker_ends_the_template() -> None:
    found = run(
        {"path": "*tmp.A", "type": "*constant", "value": "1", "filters": ["*string:~*req.User-Name:1002"]},
        {"path": "*tmp.B", "type": "*constant", "value": "1", "filters": ["*empty:~*cgrep.Error:"]},
        {
            "path": "*tmp.C",
            "type": "*constant",
            "value": "1",
            "filters": ["*string:~*vars.*radReqType:*radAuth"],
        },
        {"path": "*tmp.D", "type": "*constant", "value": "1", "blocker": True},
        {"path": "*tmp.E", "type": "*constant", "value": "1"},
    )
    assert set(found.roots[TMP]) == {"B", "C", "D"}


def test_templates_are_included_and_none_includes_itself() -> None:
    named = {"id": [{"path": "*cgreq.A", "type": "*variable", "value": "~*req.User-Name"}]}
    assert run({"type": "*template", "value": "id"}, named=named).roots[CGREQ] == {"A": "1001"}
    loop = {"a": [{"type": "*template", "value": "a"}]}
    with pytest.raises(TemplateError, match="there is no template a"):
        compiled([{"type": "*template", "value": "a"}], "x", loop)


def test_a_field_that_must_be_there_is_missed() -> None:
    with pytest.raises(TemplateError, match=r"MANDATORY_IE_MISSING: \[Account\]"):
        run({"path": "*cgreq.Account", "type": "*variable", "value": "~*req.Nothing", "mandatory": True})


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"path": "*rep.A", "type": "*magic"}, r"x\[0\].type: \*magic is not offered"),
        ({"path": "*req.A", "type": "*constant"}, r"x\[0\]: '\*req.A' cannot be written to"),
        ({"path": "*rep", "type": "*constant"}, "cannot be written to"),
        ({"path": "*rep.A", "type": "*variable", "value": "~*req.A{*nonsense}"}, r"x\[0\]: "),
        ({"type": "*template", "value": "none"}, r"x\[0\].value: there is no template none"),
    ],
)
def test_a_mistake_is_told_with_its_place(field: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        compiled([field], "x", {})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("*divide", "1;0"),
        ("*sum", "1;x"),
        ("*usage_difference", "1;2;3"),
        ("*cc_usage", "x;1s;1s"),
        ("*value_exponent", "1;400"),
        ("*datetime", "yesterday"),
    ],
)
def test_what_cannot_be_reckoned_is_told(kind: str, value: str) -> None:
    with pytest.raises(TemplateError):
        one(kind, value)


def test_answers_are_read_as_such_and_requests_stay() -> None:
    assert behind("*eq:~*cgrep.MaxUsage:0") == "*eq:~*answer.MaxUsage:0"
    assert behind("~*req.A") == "~*req.A"


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        ({"width": 3, "strip": "*right"}, "123"),
        ({"width": 3, "strip": "*xright"}, "12x"),
        ({"width": 3, "strip": "*left"}, "345"),
        ({"width": 3, "strip": "xleft"}, "x45"),
        ({"width": 7, "padding": "*right"}, "12345  "),
        ({"width": 7, "padding": "*left"}, "  12345"),
        ({"width": 7, "padding": "zeroleft"}, "0012345"),
        ({"width": 5}, "12345"),
    ],
)
def test_a_value_comes_to_its_width(keys: dict[str, Any], made: str) -> None:
    assert run({"path": "*tmp.X", "type": "*constant", "value": "12345", **keys}).roots[TMP]["X"] == made


def test_times_have_a_layout_and_those_without_a_zone_are_in_that_of_their_field() -> None:
    given = {
        "path": "*tmp.X",
        "type": "*datetime",
        "value": "2017-06-10 14:48:35",
        "layout": "02.01.2006 15:04",
    }
    assert run(given).roots[TMP]["X"] == "10.06.2017 14:48"
    assert run(given | {"timezone": "Europe/Berlin"}).roots[TMP]["X"] == "10.06.2017 12:48"
    (field,) = compiled([given], "x", {}, "Europe/Berlin")
    found = scope()
    found.run([field])
    assert found.roots[TMP]["X"] == "10.06.2017 12:48", "a processor's zone is that of its fields"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"width": 3}, "is longer than 3 characters"),
        ({"width": 7}, "is shorter than 7 characters"),
    ],
)
def test_a_value_that_does_not_fit_is_told(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        run({"path": "*tmp.X", "type": "*constant", "value": "12345", **keys})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"width": -1}, "width: 0 to"),
        ({"strip": "*middle"}, "strip: .middle is none of"),
        ({"padding": "*dots"}, "padding: .dots is none of"),
        ({"timezone": "Nowhere/Town"}, "timezone: there is no zone Nowhere/Town"),
        ({"filters": ["*strign:~*req.A:1"]}, "strign is not a filter type"),
    ],
)
def test_keys_of_a_field_are_checked_before_it_is_used(keys: dict[str, Any], message: str) -> None:
    field = {"tag": "Mine", "path": "*tmp.X", "type": "*constant", "value": "1", **keys}
    with pytest.raises(TemplateError, match=rf"x\[0\]: .*{message}.*\(field Mine\)"):
        compiled([field], "x", {})


def test_keys_that_nobody_reads_are_found() -> None:
    assert list(unread_keys([{"path": "*tmp.X", "attribute_id": "A", "width": 1}, "no field"])) == [
        "attribute_id"
    ]
