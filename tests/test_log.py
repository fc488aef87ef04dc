"""Log lines: who is charged is hidden, repetition is counted, both formats say the same."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ocs import log
from ocs.config.settings import LogSettings

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give the next test the logging it had."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


def written(settings: LogSettings) -> tuple[Any, io.StringIO]:
    stream = io.StringIO()
    log.configure(settings, stream)
    return structlog.get_logger(), stream


def test_json_line_has_event_level_time_and_fields() -> None:
    logger, stream = written(LogSettings(format="json"))
    logger.info("charging.answered", session="a;1;2", result=2001, raw=b"\x01")
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "charging.answered",
        "level": "info",
        "session": "a;1;2",
        "result": 2001,
        "raw": "AQ==",
    }


def test_console_line_is_one_line_without_colours() -> None:
    logger, stream = written(LogSettings())
    logger.info("peer.opened", peer="smf.example.org")
    assert stream.getvalue().count("\n") == 1
    assert "peer.opened" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_lines_below_the_level_are_dropped() -> None:
    logger, stream = written(LogSettings(level="warning"))
    logger.info("peer.opened")
    logger.warning("peer.suspected")
    assert "peer.opened" not in stream.getvalue()
    assert "peer.suspected" in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("15550100001", "********001"),
        ("+15550100001", "+********001"),
        (15550100001, "********001"),
        (b"001010000000001", "************001"),
        ("imsi:001010000000001", "imsi:************001"),
        ("sip:alice@ims.example.org", "sip:**ice@ims.example.org"),
        ("tel:+4915112345678", "tel:+**********678"),
        ("12", "**"),
        ("", ""),
        (None, None),
        (["15550100001", "abc"], ["********001", "***"]),
        ({"msisdn": "15550100001"}, {"msisdn": "********001"}),
    ],
)
def test_subscriber_keeps_three_characters(value: object, expected: object) -> None:
    assert log.masked(value) == expected


@pytest.mark.parametrize("field", sorted(log.MASKED_FIELDS))
def test_fields_that_name_a_subscriber_are_masked(field: str) -> None:
    logger, stream = written(LogSettings(format="json"))
    logger.info("x", **{field: "15550100001"}, session="15550100001")
    line = json.loads(stream.getvalue())
    assert (line[field], line["session"]) == ("********001", "15550100001")


def test_masking_can_be_turned_off() -> None:
    logger, stream = written(LogSettings(format="json", mask_subscribers=False))
    logger.info("x", msisdn="15550100001")
    assert json.loads(stream.getvalue())["msisdn"] == "15550100001"


class Clock:
    """A clock the test moves."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def passes(limiter: log.RepeatLimiter, method: str = "warning", **fields: Any) -> dict[str, Any] | None:
    try:
        return dict(limiter(None, method, {"event": "peer.suspected", **fields}))
    except structlog.DropEvent:
        return None


def test_repeated_warnings_are_left_out_and_counted() -> None:
    clock = Clock()
    limiter = log.RepeatLimiter(clock)
    kept = [passes(limiter) for _ in range(100)]
    assert sum(one is not None for one in kept) == log.REPEATS_PER_WINDOW
    clock.now_ns = log.REPEAT_WINDOW_NS
    assert passes(limiter) == {"event": "peer.suspected", "suppressed": 95}
    clock.now_ns *= 2
    assert passes(limiter) == {"event": "peer.suspected"}


def test_peers_do_not_hide_each_other() -> None:
    limiter = log.RepeatLimiter(Clock())
    for _ in range(100):
        passes(limiter, peer="a")
    assert passes(limiter, peer="b") is not None


def test_information_is_not_limited() -> None:
    limiter = log.RepeatLimiter(Clock())
    assert all(passes(limiter, "info") for _ in range(100))


def test_table_of_repeats_is_bounded() -> None:
    limiter = log.RepeatLimiter(Clock())
    for number in range(3 * log.REPEAT_KEYS):
        passes(limiter, peer=str(number))
    assert len(limiter._seen) == log.REPEAT_KEYS


def test_lines_of_libraries_come_in_the_same_form() -> None:
    _, stream = written(LogSettings(format="json"))
    logging.getLogger("asyncio").error("lost %s", "it")
    logging.getLogger("aiohttp").info("never shown")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["text"]) == ("library.failed", "asyncio", "lost it")


def test_a_name_that_is_no_text_has_its_json_line_too() -> None:
    logger, stream = written(LogSettings(format="json"))
    logger.info("peer.opened", peer=b"pgw\xff".decode("utf-8", "surrogateescape"), huge=1 << 70)
    line = json.loads(stream.getvalue())
    assert (line["peer"], line["huge"]) == ("pgw\udcff", 1 << 70)


def test_exception_is_part_of_the_json_line() -> None:
    logger, stream = written(LogSettings(format="json"))
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("task.failed")
    assert "ValueError: broken" in json.loads(stream.getvalue())["exception"]
