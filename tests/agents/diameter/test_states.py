"""What clients said of their restarts outlives a restart of this server."""

from pathlib import Path

import pytest

from ocs.agents.diameter import states
from ocs.agents.diameter.states import ClientStates


def test_the_last_word_of_every_client_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "states"
    kept = ClientStates(path)
    for name, state_id in (
        ("A.example", 1),
        ("b.example", 5),
        ("a.example", 2),
        ("b\nc|", 7),
        ("a.example", 2),
    ):
        kept.keep(name, state_id)
    assert path.read_text(encoding="utf-8").count("\n") == 4, "the same again is not written"
    assert ClientStates(path).known == {"b.example": 5, "a.example": 2, "b\nc|": 7}


def test_a_line_cut_short_and_octets_of_something_else_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "states"
    path.write_bytes(b'["a", 1]\n\xff\xfe\n[1, 2]\n{}\n["b", "c"]\n["d", 4]\n["e", ')
    assert ClientStates(path).known == {"a": 1, "d": 4}


def test_file_and_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "states"
    kept = ClientStates(path)
    monkeypatch.setattr(states, "MOST_CLIENTS", 10)
    for number in range(5_000):
        kept.keep(f"c{number % 50}", number)
    assert len(kept.known) == 10
    assert path.read_text(encoding="utf-8").count("\n") <= 2 * 10 + states.SPARE_LINES
    assert ClientStates(path).known == kept.known


def test_a_folder_that_cannot_be_written_loses_nothing_else(tmp_path: Path) -> None:
    kept = ClientStates(tmp_path / "missing" / "states")
    kept.keep("a", 1)
    assert kept.known == {"a": 1}
