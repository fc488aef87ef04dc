"""The tariff of a running server: which version it starts with, and how it changes to another.

A switch compiles in a thread, then writes down which version is active, then swaps; what fails before the swap
changes nothing. docs/tariffs.md says what open sessions see of it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from ocs.charging.quota import ChargingPolicy
from ocs.charging.tariff.catalogue import Catalogue
from ocs.config.settings import Settings
from ocs.tariff_reading import TariffError, Wanted, compiled, wanted
from ocs.tariff_versions import CONFIGURED, Activation, VersionError, Versions

log = structlog.get_logger()

Look = Callable[[Catalogue], Awaitable[tuple[str, ...]]]
"""What accounts lose with a catalogue, in sentences."""


async def nobody_looks(catalogue: Catalogue) -> tuple[str, ...]:
    """No accounts are looked at."""
    return ()


class Charging(Protocol):
    """What charges by the catalogue."""

    policy: ChargingPolicy

    def swap(self, catalogue: Catalogue, policy: ChargingPolicy) -> Catalogue | None:
        """Go on with another catalogue; returned is one that is not needed any more."""
        ...


class Switch(msgspec.Struct, frozen=True):
    """The last switch asked for: `compiling`, `active` or `failed`, with the reason."""

    number: int
    state: str
    error: str = ""
    activation: Activation | None = None
    warnings: tuple[str, ...] = ()


class Tariffs:
    """The versions of a server, and the one it charges by."""

    def __init__(self, settings: Settings, data_dir: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self.versions = Versions(data_dir)
        self.active = CONFIGURED
        self.switch: Switch | None = None
        self._looked_up: dict[int, Catalogue] = {}  # one that is not active, for explanations
        self._settings, self._data_dir = settings, data_dir
        self._wall_ns = wall_ns

    def start(self) -> Catalogue:
        """The catalogue to start with: the active version, or the tariff of ocs.yaml. TariffError, VersionError.

        Sessions may be older than the last switch, so the version before it comes along while they can be.
        """
        self.active = self.versions.current()
        catalogue = compiled(self._wanted(self.active))
        history = self.versions.active().log
        if not history:
            return catalogue
        at_ns = history[-1].at_ns
        if self._wall_ns() - at_ns < self._settings.charging.supervision.maximum_ns:
            before = history[-2].number if len(history) > 1 else CONFIGURED
            try:
                catalogue.succeed(compiled(self._wanted(before)), at_ns)
            except (TariffError, VersionError) as error:
                log.warning("tariff.former_unusable", version=before, error=str(error))
        return catalogue

    def compile(self, number: int) -> Catalogue:
        """A version as a catalogue; for a thread. TariffError, VersionError."""
        return compiled(self._wanted(number))

    def _wanted(self, number: int) -> Wanted:
        return wanted(self._settings.charging, self._data_dir, number)

    async def look_up(self, number: int, current: Catalogue) -> Catalogue | None:
        """A version to explain with, which may be the one charged by; None where it cannot be used any more."""
        if number == self.active:
            return current
        if number not in self._looked_up:
            try:
                found = await asyncio.to_thread(self.compile, number)
            except (TariffError, VersionError) as error:
                log.warning("tariff.former_unusable", version=number, error=str(error))
                return None
            before: list[Catalogue | None] = list(self._looked_up.values())
            self._looked_up = {number: found}
            await asyncio.to_thread(_let_go, before)
        return self._looked_up[number]

    async def activate(self, charging: Charging, number: int, by: str, look: Look = nobody_looks) -> Switch:
        """Charge by another version from now on."""
        return await self._change(
            charging, number, lambda at_ns: self.versions.activate(number, by, at_ns), look
        )

    async def rollback(self, charging: Charging, by: str, look: Look = nobody_looks) -> Switch:
        """Charge by the version before the active one from now on. VersionError where there is none."""
        number = self.versions.before()
        return await self._change(charging, number, lambda at_ns: self.versions.rollback(by, at_ns), look)

    async def _change(
        self, charging: Charging, number: int, note: Callable[[int], Activation], look: Look
    ) -> Switch:
        if self.switch is not None and self.switch.state == "compiling":
            raise TariffError(f"version {self.switch.number} is being compiled")
        self.switch = Switch(number, "compiling")
        try:
            catalogue = await asyncio.to_thread(self.compile, number)
            warnings = await look(catalogue)
            activation = await asyncio.to_thread(note, self._wall_ns())
        except (TariffError, VersionError, OSError) as error:
            self.switch = Switch(number, "failed", str(error))
            log.warning("tariff.switch_failed", version=number, error=str(error))
            return self.switch
        except BaseException:
            self.switch = Switch(number, "failed", "was cut off")
            raise
        gone = [charging.swap(catalogue, charging.policy)]
        self.active = number
        self.switch = Switch(number, "active", "", activation, warnings)
        log.info("tariff.switched", version=number, by=activation.by)
        await asyncio.to_thread(_let_go, gone)
        return self.switch


def _let_go(catalogues: list[Catalogue | None]) -> None:
    """Forgets catalogues in small steps; a large one at once would hold up everybody for a tenth of a second."""
    for _ in range(len(catalogues)):
        catalogue = catalogues.pop()
        pieces = [] if catalogue is None else catalogue.pieces()
        del catalogue
        while pieces:
            pieces.pop()
