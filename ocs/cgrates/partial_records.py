"""Records that come in parts: those of one call are kept, with the row that brought each, until the last one comes.

What is kept too long is charged as far as it goes, written to a file, or let go, as `partialCacheAction` says.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ocs.cgrates.agents.templates import CGREQ, REPLY, Field, Texts
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.charging.profiles.values import Event
from ocs.charging.profiles.view import View
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import CgrEvent

PARTIAL = "Partial"
ACTIONS = ("*none", "*post_cdr", "*dump_to_file", "*dump_to_json")
MOST_PARTS = 1_000  # of one call
MOST_CALLS = 100_000
Filled = Callable[[Event, Sequence[Field]], Mapping[str, Any]]  # what fields make of an event, by root


class PartialSettings(msgspec.Struct, frozen=True):
    """What a reader does with parts; `order` is what they are sorted by, as text or number."""

    action: str
    order: Value
    folder: str
    separator: str
    ttl_ns: int
    committed: tuple[Field, ...]
    dumped: tuple[Field, ...]


def partial_settings(
    options: Mapping[str, Any], ttl_ns: int, committed: tuple[Field, ...], dumped: tuple[Field, ...]
) -> PartialSettings:
    """The options of a reader. Raises ValueError."""
    action = str(options.get("partialCacheAction") or "*none")
    if action not in ACTIONS:
        raise ValueError(f"partialCacheAction: {action[:30]} is none of {', '.join(ACTIONS)}")
    folder = str(options.get("partialPath") or "")
    if action.startswith("*dump") and not folder:
        raise ValueError(f"partialPath: {action} needs a folder")
    separator = str(options.get("partialcsvFieldSeparator") or ",")
    if len(separator) != 1:
        raise ValueError(f"partialcsvFieldSeparator: {separator[:20]!r} is not one character")
    order = parse_value(str(options.get("partialOrderField") or "~*req.AnswerTime"))
    return PartialSettings(action, order, folder, separator, ttl_ns, committed, dumped)


class PartialRecords:
    """The parts of one reader."""

    def __init__(self, reader: str, settings: PartialSettings, state: State, filled: Filled) -> None:
        self._reader = reader
        self._settings = settings
        self._state = state
        self._filled = filled

    def keep(self, event: CgrEvent, now_ns: int) -> None:
        """Keep a part. Raises ValueError where there are too many."""
        table, key = self._state.tables[Kind.PARTIAL], self._key(event)
        kept = table.get(key, {"parts": []})["parts"]
        if len(kept) >= MOST_PARTS or (not kept and len(table) >= MOST_CALLS):
            raise ValueError("too many parts are kept")
        parts = [*kept, _part(event)]
        until_ns = now_ns + self._settings.ttl_ns
        self._state.put(Kind.PARTIAL, key, {"tenant": event.tenant, "parts": parts, "until_ns": until_ns})

    def whole(self, event: CgrEvent) -> CgrEvent:
        """A last part with those that are kept; an event that has none as it is."""
        kept = self._state.tables[Kind.PARTIAL].get(self._key(event))
        return event if kept is None else self._whole(event.tenant, [*kept["parts"], _part(event)])

    def forget(self, event: CgrEvent) -> None:
        """Parts of an event that is whole now, in the step that charges it."""
        if self._key(event) in self._state.tables[Kind.PARTIAL]:
            self._state.delete(Kind.PARTIAL, self._key(event))

    def over(self, now_ns: int) -> list[tuple[str, dict[str, Any]]]:
        """What has been kept too long, by key."""
        table, mine = self._state.tables[Kind.PARTIAL], f"{self._reader}:"
        return [
            (key, kept) for key, kept in table.items() if key.startswith(mine) and kept["until_ns"] <= now_ns
        ]

    def chargeable(self, kept: Mapping[str, Any]) -> CgrEvent | None:
        """What is charged of parts whose last one did not come; None where they go elsewhere. Raises ValueError."""
        is_charged = self._settings.action == "*post_cdr"
        return self._whole(kept["tenant"], kept["parts"]) if is_charged else None

    def end(self, key: str, kept: Mapping[str, Any]) -> None:
        """Write parts to a file where the reader says so, and let them go. Raises OSError, ValueError."""
        if self._settings.action.startswith("*dump"):
            self._dump(key, kept)
        self._state.delete(Kind.PARTIAL, key)

    def _key(self, event: CgrEvent) -> str:
        return f"{self._reader}:{event.tenant}:{cgrid_of(event.event)}"

    def _whole(self, tenant: str, parts: Sequence[Mapping[str, Any]]) -> CgrEvent:
        """The parts in their order, later ones over earlier ones; then what `partial_commit_fields` make of it."""
        event: dict[str, Any] = {}
        options: dict[str, Any] = {}
        for part in sorted(parts, key=lambda each: self._place(each["event"])):
            event.update(part["event"])
            options.update(part["options"])
        event.pop(PARTIAL, None)
        if self._settings.committed:
            event = dict(self._filled(event, self._settings.committed)[CGREQ])
        return CgrEvent(tenant, event, options)

    def _place(self, event: Event) -> tuple[bool, float, str]:
        text = self._settings.order.text(View(event))
        try:
            return (False, float(text), "")
        except ValueError:
            return (True, 0.0, text)

    def _dump(self, key: str, kept: Mapping[str, Any]) -> None:
        """One file a call, under its id, with a line a part; written anew where it is there already."""
        rows = [self._dumped(part["event"]) for part in kept["parts"]]
        folder, name = Path(self._settings.folder), key.rpartition(":")[2]
        folder.mkdir(parents=True, exist_ok=True)
        if self._settings.action == "*dump_to_json":
            text = "".join(f"{msgspec.json.encode(row).decode()}\n" for row in rows)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
            return
        written = io.StringIO()
        writer = csv.writer(written, delimiter=self._settings.separator, lineterminator="\n")
        writer.writerows(row.values() for row in rows)
        (folder / f"{name}.csv").write_text(written.getvalue(), encoding="utf-8")

    def _dumped(self, event: Event) -> dict[str, Any]:
        if not self._settings.dumped:
            return dict(event)
        said = self._filled(event, self._settings.dumped)[REPLY]
        assert isinstance(said, Texts)
        return dict(said)


def is_partial(event: Event) -> bool:
    """Whether an event is a part, by its field `Partial`."""
    return str(event.get(PARTIAL, "")).lower() in ("true", "1", "t")


def _part(event: CgrEvent) -> dict[str, Any]:
    return {"event": dict(event.event), "options": dict(event.options)}
