"""Parameters of the incumbent's methods, read the way it reads them."""

from decimal import Decimal
from typing import Any

import pytest

from ocs.cgrates.objects.given import Given, moment_ns, nanos_of
from ocs.charging.cgrates.values import instant_ns
from ocs.rpc.errors import RpcError

NOW_NS = instant_ns("2026-03-10T08:30:00Z")
HOUR_NS = 3_600 * 10**9


def said(call: Any) -> str:
    """The error text of a call."""
    with pytest.raises(RpcError) as raised:
        call()
    return raised.value.text


def test_members_are_found_in_any_case_and_unknown_ones_ignored() -> None:
    given = Given({"TENANT": "acme.org", "account": "1001", "Nonsense": [1]})
    assert (given.text("Tenant"), given.text("Account"), given.text("Missing")) == ("acme.org", "1001", "")


def test_required_members_that_lack_are_named_together() -> None:
    given = Given({"Account": "", "BalanceType": "*monetary"})
    assert (
        said(lambda: given.require("Account", "BalanceType", "Value"))
        == "MANDATORY_IE_MISSING: [Account Value]"
    )


def test_value_zero_counts_as_given() -> None:
    given = Given({"Value": 0})
    given.require("Value")
    assert given.nanos("Value") == 0


@pytest.mark.parametrize(
    ("value", "nanos"),
    [
        (10, 10 * 10**9),
        (Decimal("0.33333333"), 333333330),
        ("1.5", 1500000000),
        (Decimal("1e-9"), 1),
        (None, 0),
    ],
)
def test_numbers_become_exact_nanos(value: object, nanos: int) -> None:
    assert Given({"Value": value}).nanos("Value") == nanos


@pytest.mark.parametrize("value", [True, "ten", [1], {}, Decimal("NaN"), Decimal("1e400"), 1 << 70])
def test_what_is_no_number_is_refused(value: object) -> None:
    assert "Value" in said(lambda: Given({"Value": value}).nanos("Value"))


def test_half_a_nano_is_rounded_away_from_zero() -> None:
    assert (nanos_of(Decimal("0.0000000005")), nanos_of(Decimal("-0.0000000005"))) == (1, -1)


@pytest.mark.parametrize(
    ("value", "length_ns"),
    [("1m30s", 90 * 10**9), ("5120", 5120), (5120, 5120), (-1, -1), ("", 0), (None, 0)],
)
def test_durations(value: object, length_ns: int) -> None:
    assert Given({"Usage": value}).duration("Usage") == length_ns


def test_a_wrong_duration_is_quoted() -> None:
    assert (
        said(lambda: Given({"Usage": "1x"}).duration("Usage")) == 'SERVER_ERROR: time: invalid duration "1x"'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-10T08:30:00Z", NOW_NS),
        ("2026-03-10 08:30:00", NOW_NS),
        ("20260310083000", NOW_NS),
        (str(NOW_NS // 10**9), NOW_NS),
        (str(NOW_NS // 10**6), NOW_NS),
        (str(NOW_NS // 10**3), NOW_NS),
        (str(NOW_NS), NOW_NS),
        ("*now", NOW_NS),
        ("+1h", NOW_NS + HOUR_NS),
        ("-1h", NOW_NS - HOUR_NS),
        ("*daily", NOW_NS + 24 * HOUR_NS),
        ("*month_end+1s", instant_ns("2026-04-01T00:00:00Z")),
        ("*mo+1h", instant_ns("2026-04-10T09:30:00Z")),
        ("*unlimited", None),
        ("", None),
    ],
)
def test_moments(text: str, expected: int | None) -> None:
    assert moment_ns(text, NOW_NS) == expected


def test_a_wrong_moment_is_quoted() -> None:
    assert said(lambda: moment_ns("tomorrow", NOW_NS)) == "SERVER_ERROR: Unsupported time format: tomorrow"


def test_lists_come_as_lists_as_text_and_as_sets() -> None:
    given = Given({"A": ["x", "y"], "B": "x;y", "C": {"x": True, "y": False}, "D": None})
    assert [given.texts(name) for name in "ABCD"] == [("x", "y"), ("x", "y"), ("x", "!y"), ()]


def test_a_list_where_an_object_belongs_is_refused() -> None:
    assert (
        said(lambda: Given([1])) == "json: cannot unmarshal array into Go struct field params of type object"
    )
