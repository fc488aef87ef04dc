"""The page of configuration keys says what the code does with them."""

import re
from pathlib import Path

import pytest

from tests.cgrates import config_page
from tests.cgrates.config_page import HONOURED, KEYS, PAGE, TOLD, becomes_of, keys, page

SOURCES = Path(__file__).parents[2] / "ocs"
READ_BY_NAME = (
    "ees",
    "ers",
    "templates",
    "http_agent[]",
    "radius_agent",
)  # whole, by those who carry them out


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == page()
    assert len(list(keys())) == len(KEYS.read_text("utf-8").splitlines()) == 300


def test_every_honoured_key_is_read_by_somebody() -> None:
    read = "\n".join(path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
    unread = [
        key
        for key, _ in keys()
        if becomes_of(key)[0] == HONOURED
        and not key.startswith(READ_BY_NAME)
        and not re.search(rf"\.{key.rpartition('.')[2]}\b|\"{key.rpartition('.')[2]}\"", read)
    ]
    assert unread == []


@pytest.mark.parametrize("name", sorted(config_page.SWITCHES))
def test_connections_that_switch_are_read(name: str) -> None:
    pattern = rf"\.{name.rpartition('.')[2]}\b"
    assert any(re.search(pattern, path.read_text("utf-8")) for path in SOURCES.rglob("cgrates/**/*.py"))


def test_what_is_told_has_words() -> None:
    assert all(words for key, _ in keys() for state, words in [becomes_of(key)] if state == TOLD)
