"""Structured logging to standard error: one line per fact, subscribers masked, repeats counted.

`configure` is called once, by the command; everybody else takes `structlog.get_logger()`.
"""

import json
import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ocs.config.settings import SECOND, LogSettings

MASKED_FIELDS = frozenset(
    {"subscriber", "imsi", "msisdn", "account", "identity", "identities", "calling", "called"}
)
VISIBLE_DIGITS = 3
_IMSI = re.compile(r"(?<!\d)\d{14,15}(?!\d)")
REPEATS_PER_WINDOW = 5
REPEAT_WINDOW_NS = 10 * SECOND
REPEAT_KEYS = 1_024
_LIMITED_LEVELS = frozenset({"warning", "error", "critical", "exception"})
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Set structlog, and the logging of libraries, to write to `stream` (standard error if None)."""
    output = sys.stderr if stream is None else stream
    set_level(settings)
    structlog.configure(
        processors=processors(settings, colors=output.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryHandler()], force=True)


class Threshold:
    """Lets lines of a level through, and of those above it; loggers are made once, the level may change."""

    def __init__(self) -> None:
        self.level = logging.INFO

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if _LEVELS.get(method, logging.ERROR) < self.level:
            raise structlog.DropEvent
        return event


_threshold: Final = Threshold()


def set_level(settings: LogSettings) -> None:
    """Write lines of this level, and of those above it, from now on."""
    _threshold.level = _LEVELS[settings.level]


def processors(settings: LogSettings, colors: bool = False) -> list[Processor]:
    """Return what every line passes through, the renderer last."""
    chain: list[Processor] = [
        _threshold,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        RepeatLimiter(time.monotonic_ns),
    ]
    if settings.mask_subscribers:
        chain.append(mask_subscribers)
    chain.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    if settings.format == "json":
        return [*chain, structlog.processors.format_exc_info, render_json]
    return [*chain, structlog.dev.ConsoleRenderer(colors=colors)]


def render_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Return the line as one JSON object; whatever stands in a field, there is a line."""
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except (UnicodeEncodeError, TypeError, ValueError):
        return json.dumps(event, default=str)  # surrogates become escapes


def mask_subscribers(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hide who is charged: fields that name a subscriber keep their last three characters.

    Some clients put the IMSI into their session's name; there it is the only run of 14 or 15 digits.
    """
    for field in MASKED_FIELDS & event.keys():
        event[field] = masked(event[field])
    session = event.get("session")
    if isinstance(session, str):
        event["session"] = _IMSI.sub(lambda found: _masked_user(found[0]), session)
    return event


def masked(value: object) -> object:
    """Hide letters and digits but the last three; of `sip:user@realm` those of the user part."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [masked(item) for item in value]
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    scheme, colon, rest = text.rpartition(":")
    user, at, realm = rest.partition("@")
    return f"{scheme}{colon}{_masked_user(user)}{at}{realm}"


def _masked_user(user: str) -> str:
    hidden = len(user) - VISIBLE_DIGITS if len(user) > VISIBLE_DIGITS else len(user)
    return "".join("*" if character.isalnum() else character for character in user[:hidden]) + user[hidden:]


class RepeatLimiter:
    """Lets a few equal warnings through per window and tells with the next one how many were left out.

    Equal means the same event of the same peer. The table is bounded: the key not seen for longest goes.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._seen: OrderedDict[tuple[str, str], _Window] = OrderedDict()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if method not in _LIMITED_LEVELS:
            return event
        key = (str(event.get("event")), str(event.get("peer", "")))
        now_ns = self._now_ns()
        window = self._seen.get(key)
        if window is None:
            window = self._seen[key] = _Window(now_ns)
            if len(self._seen) > REPEAT_KEYS:
                self._seen.popitem(last=False)
        self._seen.move_to_end(key)
        if now_ns - window.began_ns >= REPEAT_WINDOW_NS:
            if window.suppressed:
                event["suppressed"] = window.suppressed
            window.restart(now_ns)
        window.written += 1
        if window.written > REPEATS_PER_WINDOW:
            window.suppressed += 1
            raise structlog.DropEvent
        return event


class _Window:
    __slots__ = ("began_ns", "suppressed", "written")

    def __init__(self, began_ns: int) -> None:
        self.restart(began_ns)

    def restart(self, now_ns: int) -> None:
        self.began_ns = now_ns
        self.written = 0
        self.suppressed = 0


class LibraryHandler(logging.Handler):
    """Brings the lines of libraries (asyncio, aiohttp, redis) into the same stream and limits."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        fields: dict[str, Any] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        if record.levelno >= logging.ERROR:
            log.error("library.failed", peer=record.name, **fields)
        else:
            log.warning("library.warned", peer=record.name, **fields)
