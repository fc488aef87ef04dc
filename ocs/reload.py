"""Settings of a running server, read again: what can change while it serves is taken over, the rest is named.

A file with a problem changes nothing. `ocs reload`, `OcsV1.Reload` and SIGHUP come here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocs import config
from ocs.config.convert import field_hints
from ocs.config.settings import Settings

log = structlog.get_logger()

# Everything else is bound to sockets, files or what sessions were begun with.
TAKEN_OVER: Final = frozenset(
    {
        *("diameter.peers", "diameter.admit_unlisted", "diameter.profiles"),
        *("charging.quotas", "charging.supervision", "charging.closed_session_grace"),
        *("charging.duplicate_retention", "charging.sessions_per_account", "charging.overdraft_floor"),
        *("charging.dynaprepaid_plan", "charging.unplanned_service"),
        *("charging.service_contexts", "charging.unknown_context"),
        "log.level",
    }
)

Apply = Callable[[Settings], None]
Look = Callable[[Settings, bool], list[str]]


class ReloadRefused(Exception):
    """The file cannot be used; `problems` names every place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Reloaded(msgspec.Struct, frozen=True):
    """Keys that differ from what the server had: those it goes on with, and those only a new start takes over."""

    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    is_dry_run: bool = False


class Reloader:
    """Knows the file, the settings in force, and who takes over new ones."""

    def __init__(
        self, path: Path, settings: Settings, parts: tuple[Apply, ...], profiles: Look | None = None
    ) -> None:
        """`profiles` reads their folder again, or only looks whether it could; its problems."""
        self._path = path
        self._parts = parts
        self._profiles = profiles
        self.settings = settings

    def reload(self, is_dry_run: bool = False) -> Reloaded:
        """Read the file and go on with it; where it has problems, ReloadRefused, and nothing is changed."""
        try:
            wanted = config.load(self._path)
        except config.ConfigError as error:
            raise ReloadRefused([str(problem) for problem in error.problems]) from error
        problems = [] if self._profiles is None else self._profiles(self.settings, is_dry_run)
        if problems:
            raise ReloadRefused(problems)
        changed: list[str] = []
        needs_restart: list[str] = []
        for key in differences(self.settings, wanted):
            (changed if key in TAKEN_OVER else needs_restart).append(key)
        done = Reloaded(tuple(changed), tuple(needs_restart), is_dry_run)
        if is_dry_run:
            return done
        self.settings = with_keys(self.settings, wanted, changed)
        if changed:
            for apply in self._parts:
                apply(self.settings)
        log.info("settings.reloaded", changed=done.changed, needs_restart=done.needs_restart)
        return done

    def on_signal(self) -> None:
        """SIGHUP: nobody waits for the result, so the log has it."""
        try:
            self.reload()
        except ReloadRefused as error:
            log.error("settings.refused", problems=error.problems)


def differences(old: Settings, new: Settings) -> list[str]:
    """`section.key` of everything that differs, in the order of the file's description."""
    return [
        f"{section}.{key}"
        for section, (field, _) in field_hints(Settings).items()
        for key, (name, _) in fields_of(getattr(old, field)).items()
        if getattr(getattr(old, field), name) != getattr(getattr(new, field), name)
    ]


def fields_of(part: msgspec.Struct) -> dict[str, tuple[str, Any]]:
    """The keys of a section, each with the name of its field."""
    return field_hints(type(part))


def with_keys(old: Settings, new: Settings, keys: list[str]) -> Settings:
    """The old settings with those keys of the new ones."""
    for key in keys:
        section, _, name = key.partition(".")
        part = getattr(old, section)
        field = fields_of(part)[name][0]
        part = msgspec.structs.replace(part, **{field: getattr(getattr(new, section), field)})
        old = msgspec.structs.replace(old, **{section: part})
    return old
