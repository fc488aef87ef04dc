"""Claims about the wheel of deadlines."""

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.supervision import BUCKET_NS, Supervision

ANYTHING = 1_000_000


def due(wheel: Supervision, now_s: float, limit: int = ANYTHING) -> list[str]:
    return sorted(ref.key for ref in wheel.due(int(now_s * BUCKET_NS), limit))


def wheel(**deadlines_s: float) -> Supervision:
    made = Supervision()
    for key, deadline_s in deadlines_s.items():
        made.touch(key, f"account of {key}", int(deadline_s * BUCKET_NS))
    return made


def test_a_session_is_due_within_a_second_after_its_deadline_and_not_before() -> None:
    watched = wheel(a=10.5)
    assert due(watched, 10.4) == []
    assert due(watched, 11.6) == ["a"]


def test_what_is_touched_is_due_later_and_what_is_cut_short_earlier() -> None:
    watched = wheel(a=10, b=1000)
    watched.touch("a", "x", 30 * BUCKET_NS)
    watched.touch("b", "x", 5 * BUCKET_NS)
    assert due(watched, 12) == ["b"]
    assert due(watched, 32) == ["a"]


def test_what_is_forgotten_is_not_due() -> None:
    watched = wheel(a=10, b=10)
    watched.forget("a")
    watched.forget("never heard of")
    assert due(watched, 12) == ["b"]
    assert (len(watched), watched.get("a")) == (1, None)


def test_what_is_not_forgotten_comes_again() -> None:
    watched = wheel(a=10)
    assert due(watched, 12) == ["a"]
    assert due(watched, 30) == []
    assert due(watched, 74) == ["a"]


def test_no_more_than_the_limit_at_once_and_nobody_is_lost() -> None:
    watched = wheel(**{f"s{number}": 10 for number in range(10)})
    found: list[str] = []
    for _ in range(4):
        batch = watched.due(12 * BUCKET_NS, 3)
        assert len(batch) <= 3
        for ref in batch:
            watched.forget(ref.key)
        found += [ref.key for ref in batch]
    assert sorted(found) == [f"s{number}" for number in range(10)]


def test_the_sessions_of_one_client() -> None:
    watched = wheel(**{"smf|1": 1, "smf|2": 1, "smf2|1": 1})
    assert sorted(watched.keys_of("smf")) == ["smf|1", "smf|2"]


def test_an_empty_wheel_has_nothing_due() -> None:
    assert due(Supervision(), 1e9) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"), st.integers(0, 300), st.sampled_from(["touch", "forget", "wait"])
        ),
        max_size=60,
    )
)
def test_everybody_is_due_once_after_the_deadline(steps: list[tuple[str, int, str]]) -> None:
    watched, deadlines, now_s = Supervision(), dict[str, int](), 0
    for key, number, step in steps:
        if step == "touch":
            watched.touch(key, "x", (now_s + number) * BUCKET_NS)
            deadlines[key] = now_s + number
        elif step == "forget":
            watched.forget(key)
            deadlines.pop(key, None)
        else:
            now_s += number
            for found in due(watched, now_s):
                assert deadlines.pop(found) <= now_s
                watched.forget(found)
    for found in due(watched, now_s + 1000):
        del deadlines[found]
    assert deadlines == {}


def test_sessions_that_end_long_before_their_time_leave_the_wheel() -> None:
    supervision = Supervision()
    for number in range(10_000):
        supervision.touch(f"kept{number % 10}", "account", 7_200 * BUCKET_NS + number)
        supervision.touch(f"s{number}", "account", 3_600 * BUCKET_NS + number % 7 * BUCKET_NS)
        supervision.forget(f"s{number}")
    in_the_wheel = sum(map(len, supervision._buckets.values()))
    assert in_the_wheel <= 2 * len(supervision) == 20
    assert supervision.due(3_700 * BUCKET_NS, 100) == []
    assert {ref.key for ref in supervision.due(7_300 * BUCKET_NS, 100)} == {f"kept{n}" for n in range(10)}


def test_a_deadline_that_comes_nearer_again_and_again_leaves_one_place_behind() -> None:
    supervision = Supervision()
    for number in range(1_000):
        supervision.touch("s", "account", (5_000 - number) * BUCKET_NS)
    assert sum(map(len, supervision._buckets.values())) <= 2
    assert [ref.key for ref in supervision.due(5_000 * BUCKET_NS, 10)] == ["s"]
