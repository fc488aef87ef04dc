"""Resources: limits, time to live, replacement, blockers; nothing is counted twice or left behind."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.profiles.filters import FilterBook
from ocs.charging.profiles.model import ResourceProfile
from ocs.charging.profiles.resources import (
    Change,
    NoResource,
    Request,
    ResourceBook,
    ResourceFull,
    Usage,
    request_of,
)
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.view import View

SECOND_NS = 10**9


def resource(name: str, limit: float, **more: object) -> ResourceProfile:
    given = {
        "usage_ttl_ns": -1,
        "allocation_message": f"{name}_OK",
        "filter_ids": ("*string:~*req.Account:1001",),
    }
    return ResourceProfile(tenant="t", id=name, limit=limit, **{**given, **more})  # type: ignore[arg-type]


def book(*profiles: ResourceProfile, records_in_full: bool = False) -> ResourceBook:
    return ResourceBook(Shelf(FilterBook(), profiles), records_in_full=records_in_full)


def at(seconds: int = 0, account: str = "1001") -> View:
    return View({"Account": account}, tenant="t", now_ns=seconds * SECOND_NS + 1)


def want(usage_id: str, units: int = 1, ttl_s: int | None = None) -> Request:
    return Request(usage_id, Decimal(units), None if ttl_s is None else ttl_s * SECOND_NS)


def test_a_limit_of_two_takes_two_and_a_release_makes_room() -> None:
    found = book(resource("R", 2))
    assert found.allocate(at(), want("a")).message == "R_OK"
    assert found.authorize(at(), want("b")) == "R_OK"
    assert found.allocate(at(), want("b")).changes == (Change("t", "R", "b", Usage("b", Decimal(1))),)
    with pytest.raises(ResourceFull):
        found.authorize(at(), want("c"))
    with pytest.raises(ResourceFull):
        found.allocate(at(), want("c"))
    assert found.release(at(), "a") == (Change("t", "R", "a"),)
    assert found.allocate(at(), want("c")).message == "R_OK"
    assert found.usage("t", "R", 1) == 2


def test_the_same_usage_again_replaces_itself_also_in_a_full_resource() -> None:
    found = book(resource("R", 2))
    found.allocate(at(), want("a", 2))
    assert found.allocate(at(), want("a", 1)).message == "R_OK"
    assert found.usage("t", "R", 1) == 1
    with pytest.raises(ResourceFull):
        found.allocate(at(), want("a", 3))
    assert found.usage("t", "R", 1) == 1, "what was allocated stays when more cannot be"


def test_a_usage_ends_with_its_time_to_live() -> None:
    found = book(resource("R", 1, usage_ttl_ns=10 * SECOND_NS))
    found.allocate(at(0), want("a"))
    with pytest.raises(ResourceFull):
        found.authorize(at(9), want("b"))
    assert found.authorize(at(10), want("b")) == "R_OK"
    changes = found.allocate(at(10), want("b", ttl_s=5)).changes
    assert changes == (
        Change("t", "R", "a"),
        Change("t", "R", "b", Usage("b", Decimal(1), 15 * SECOND_NS + 1)),
    )
    assert found.expire_all(15 * SECOND_NS + 1) == [Change("t", "R", "b")]
    assert found.usage("t", "R", 15 * SECOND_NS + 1) == 0


def test_a_time_to_live_of_zero_records_nothing_and_none_lasts() -> None:
    found = book(resource("R", 1, usage_ttl_ns=0))
    assert found.allocate(at(), want("a")).changes == ()
    assert found.allocate(at(), want("b")).message == "R_OK"
    unlimited = book(resource("R", -1))
    for number in range(100):
        unlimited.allocate(at(), want(str(number)))
    assert unlimited.usage("t", "R", 10**30) == 100


def test_the_first_resource_with_room_answers() -> None:
    profiles = resource("BIG", 10, weight=10), resource("SMALL", 1, weight=20, allocation_message="")
    for records_in_full, small in ((False, 1), (True, 2)):
        found = book(*profiles, records_in_full=records_in_full)
        assert found.allocate(at(), want("a")).message == "SMALL"
        assert found.allocate(at(), want("b")).message == "BIG_OK"
        assert found.usage("t", "SMALL", 1) == small
        assert found.usage("t", "BIG", 1) == 2
        found.release(at(), "a")
        found.release(at(), "b")
        assert (found.usage("t", "SMALL", 1), found.usage("t", "BIG", 1)) == (0, 0)


def test_a_blocker_ends_the_search() -> None:
    found = book(resource("A", 1, weight=20, is_blocker=True), resource("B", 10, weight=10))
    found.allocate(at(), want("a"))
    with pytest.raises(ResourceFull):
        found.allocate(at(), want("b"))


def test_a_release_finds_its_usage_whatever_the_event_says() -> None:
    found = book(resource("R", 1))
    found.allocate(at(), want("a"))
    assert found.release(at(account="9999"), "a") == (Change("t", "R", "a"),)
    assert found.release(at(), "a") == ()
    with pytest.raises(NoResource):
        found.authorize(at(account="9999"), want("b"))


def test_records_bring_everything_back() -> None:
    first = book(resource("R", 2, usage_ttl_ns=10 * SECOND_NS))
    kept = [change for name in "ab" for change in first.allocate(at(), want(name)).changes]
    kept += first.release(at(), "a")
    second = book(resource("R", 2, usage_ttl_ns=10 * SECOND_NS))
    second.restore(kept)
    assert second.usage("t", "R", 1) == 1
    assert second.expire_all(10 * SECOND_NS + 1) == [Change("t", "R", "b")]


def test_a_request_is_read_from_options() -> None:
    assert request_of({"*rsUsageID": "u1", "*rsUnits": "2", "*rsUsageTTL": "1m"}) == want("u1", 2, 60)
    assert request_of({}, "call-1") == want("call-1")
    with pytest.raises(ValueError, match=r"\*rsUnits: not a number"):
        request_of({"*rsUnits": "many"})
    with pytest.raises(ValueError, match=r"\*rsUsageTTL: not a duration"):
        request_of({"*rsUsageTTL": "soon"})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["allocate", "release", "wait"]),
        st.sampled_from("abcd"),
        st.integers(0, 3),
        st.sampled_from([None, 5]),
    ),
    max_size=30,
)


@given(STEPS, st.booleans())
def test_the_total_is_what_lives_and_never_above_the_limit(
    steps: list[tuple[str, str, int, int | None]], records_in_full: bool
) -> None:
    found = book(resource("R", 4), records_in_full=records_in_full)
    model: dict[str, tuple[int, float]] = {}
    kept: list[Change] = []
    now = 0
    for what, usage_id, units, ttl_s in steps:
        model = {name: each for name, each in model.items() if each[1] > now}
        if what == "wait":
            now += units
        elif what == "release":
            kept += found.release(at(now), usage_id)
            model.pop(usage_id, None)
        else:
            others = sum(each for name, (each, _) in model.items() if name != usage_id)
            if others + units > 4:
                with pytest.raises(ResourceFull):
                    found.allocate(at(now), want(usage_id, units, ttl_s))
            else:
                kept += found.allocate(at(now), want(usage_id, units, ttl_s)).changes
                model[usage_id] = (units, float("inf") if ttl_s is None else now + ttl_s)
        living = sum(each for each, until in model.values() if until > now)
        assert found.usage("t", "R", now * SECOND_NS + 1) == living
    again = book(resource("R", 4))
    again.restore(kept)
    assert again.usage("t", "R", now * SECOND_NS + 1) == found.usage("t", "R", now * SECOND_NS + 1)
