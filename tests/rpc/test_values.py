"""Parameters: exact amounts, durations, moments; members in any case; errors that name the member."""

import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.money import NANOS, format_nanos
from ocs.rpc import values
from ocs.rpc.errors import InvalidParams
from ocs.rpc.values import Moment, Money, Params, read


@pytest.mark.parametrize(
    ("value", "nanos"),
    [
        ("0.1", 100_000_000),
        (Decimal("0.2"), 200_000_000),
        (Decimal("1E-9"), 1),
        (Decimal("-1.50"), -1_500_000_000),
        (Decimal("1E+3"), 1_000 * NANOS),
        (Decimal("100.000000000000"), 100 * NANOS),
        (Decimal("0E-99999"), 0),
        (Decimal("-0.0"), 0),
        (7, 7 * NANOS),
        ("-0.000000001", -1),
    ],
)
def test_money_is_exact(value: object, nanos: int) -> None:
    assert values.nanos(value) == nanos


@given(st.integers(-(10**26), 10**26))
def test_every_amount_is_read_back_as_text_and_as_number(nanos: int) -> None:
    text = format_nanos(nanos)
    assert values.nanos(text) == values.nanos(Decimal(text)) == nanos


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1,5",
        "0x1",
        "1e3",
        "1.0000000001",
        Decimal("1E-10"),
        Decimal("1E+999999999"),
        True,
        None,
        [],
        10**30,
    ],
)
def test_what_is_no_exact_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        values.nanos(value)


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        ("10s", 10 * NANOS),
        ("1h2m", 3_720 * NANOS),
        ("1.5s", 1_500_000_000),
        ("5120", 5_120),
        (7, 7),
        ("0s", 0),
    ],
)
def test_duration_is_text_with_units_or_ns(value: object, ns: int) -> None:
    assert values.duration_ns(value) == ns


@pytest.mark.parametrize(
    "value", ["", "s", "1 s", "-1s", "1.5ns", "9999999999d", -1, 1 << 63, True, Decimal("1.5")]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|range|whole number"):
        values.duration_ns(value)


@given(
    st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60)
)
def test_moment_is_what_the_library_says(moment: datetime.datetime, offset: int) -> None:
    zone = datetime.timezone(datetime.timedelta(minutes=offset))
    aware = moment.replace(tzinfo=zone)
    since = aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert values.moment_ns(aware.isoformat()) == since // datetime.timedelta(microseconds=1) * 1_000


def test_moment_keeps_nanoseconds_and_leap_seconds() -> None:
    assert values.moment_ns("1970-01-01T00:00:00.000000001Z") == 1
    assert values.moment_ns("2016-12-31t23:59:60z") == values.moment_ns("2017-01-01 00:00:00Z")


@pytest.mark.parametrize(
    "value",
    ["", "now", "2027-01-31", "2027-01-31T23:59:59", "2027-02-30T00:00:00Z", "1969-01-01T00:00:00Z", 1.5, -1],
)
def test_what_is_no_moment_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        values.moment_ns(value)


@pytest.mark.parametrize(
    ("text", "octets"), [("100MB", 10**8), ("64KiB", 65_536), ("1 kB", 1_000), ("5B", 5)]
)
def test_size_has_a_unit(text: str, octets: int) -> None:
    assert values.octets(text) == octets
    assert values.octets("5") is None


class Inner(Params, frozen=True, kw_only=True):
    """A part."""

    rating_group: int | None = None
    amount: Money | None = None


class Outer(Params, frozen=True, kw_only=True):
    """Parameters of a test."""

    session_id: str
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    free: dict[str, str] = msgspec.field(default_factory=dict)
    at: Moment | None = None
    aliases = {"originid": "session_id"}  # noqa: RUF012


@pytest.mark.parametrize("name", ["session_id", "SessionID", "sessionId", "SESSION_ID", "OriginID"])
def test_members_are_found_in_any_case(name: str) -> None:
    params = {name: "s", "INNER": {"RatingGroup": 1}, "Parts": [{"ratinggroup": 2}], "free": {"Key_A": "v"}}
    found = read(Outer, params)
    assert (found.session_id, found.parts[0].rating_group, found.free) == ("s", 2, {"Key_A": "v"})
    assert found.inner is not None
    assert found.inner.rating_group == 1


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, "session_id: is missing"),
        (None, "session_id: is missing"),
        ({"session_id": 1}, "session_id: expected str, got int"),
        ({"session_id": "s", "SessionID": "t"}, "SessionID: is given twice"),
        ({"session_id": "s", "iner": {}}, 'iner: is not a parameter; did you mean "inner"?'),
        ({"session_id": "s", "zzz": 1}, "zzz: is not a parameter"),
        ({"session_id": "s", "inner": {"x": 1}}, "inner.x: is not a parameter"),
        (
            {"session_id": "s", "parts": [{}, {"RatingGroup": "1"}]},
            "parts[1].rating_group: expected int | null",
        ),
        (
            {"session_id": "s", "parts": [{}, {"amount": "1.1.1"}]},
            'parts[1].amount: "1.1.1" is not a decimal',
        ),
        ({"session_id": "s", "parts": {}}, "parts: expected array, got object"),
        ({"session_id": "s", "at": "later"}, "at: is not a time such as"),
        ([], "params: expected object, got array"),
    ],
)
def test_error_names_the_member(params: object, error: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        read(Outer, params)
    assert raised.value.text.startswith(error)
