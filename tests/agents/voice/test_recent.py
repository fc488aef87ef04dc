"""Names are remembered to a limit."""

from ocs.agents.voice.recent import Recent


def test_the_oldest_name_is_forgotten_first_and_one_added_again_is_new() -> None:
    recent: Recent[int] = Recent(2)
    recent.add("a", 1)
    recent.add("b", 2)
    recent.add("a", 3)
    recent.add("c", 4)
    assert "b" not in recent
    assert (recent.get("a"), recent.get("c"), recent.get("b")) == (3, 4, None)
    recent.forget("a")
    assert "a" not in recent
