"""The tariff of a running server: which version it starts with, and how it changes to another.

A switch compiles in a thread, then writes down which version is active, then swaps; what fails before the swap
changes nothing. docs/tariffs.md says what open sessions see of it.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from ocs.charging.quota import ChargingPolicy
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.files import open_source
from ocs.charging.tariff.findings import errors
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.sources import Source, read_source
from ocs.config.settings import SHIPPED, Settings
from ocs.config.shipped import demo_file
from ocs.tariff_versions import CONFIGURED, Activation, VersionError, Versions

log = structlog.get_logger()


class TariffError(Exception):
    """A tariff cannot be used; the message says why, line by line."""


class Charging(Protocol):
    """What charges by the catalogue."""

    policy: ChargingPolicy

    def swap(self, catalogue: Catalogue, policy: ChargingPolicy) -> None:
        """Go on with another catalogue."""
        ...


class Switch(msgspec.Struct, frozen=True):
    """The last switch asked for: `compiling`, `active` or `failed`, with the reason."""

    number: int
    state: str
    error: str = ""
    activation: Activation | None = None


class Tariffs:
    """The versions of a server, and the one it charges by."""

    def __init__(self, settings: Settings, data_dir: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self.versions = Versions(data_dir)
        self.active = CONFIGURED
        self.switch: Switch | None = None
        self._looked_up: dict[int, Catalogue] = {}  # one that is not active, for explanations
        self._settings = settings
        self._wall_ns = wall_ns

    def start(self) -> Catalogue:
        """The catalogue to start with: the active version, or the tariff of ocs.yaml. TariffError, VersionError.

        Sessions may be older than the last switch, so the version before it comes along while they can be.
        """
        self.active = self.versions.current()
        catalogue = self.compile(self.active)
        history = self.versions.active().log
        if not history:
            return catalogue
        at_ns = history[-1].at_ns
        if self._wall_ns() - at_ns < self._settings.charging.supervision.maximum_ns:
            before = history[-2].number if len(history) > 1 else CONFIGURED
            try:
                catalogue.succeed(self.compile(before), at_ns)
            except (TariffError, VersionError) as error:
                log.warning("tariff.former_unusable", version=before, error=str(error))
        return catalogue

    def compile(self, number: int) -> Catalogue:
        """A version as a catalogue; takes up to a minute for a million prefixes. TariffError, VersionError."""
        source = configured(self._settings) if number == CONFIGURED else self.versions.source(number)
        tariff, findings = read_source(source)
        if tariff is None:
            place = self.versions.place(number) if number != CONFIGURED else _path(self._settings).parent
            raise TariffError("\n".join(f"{place}/{finding}" for finding in findings))
        if tariff.currency != self._settings.charging.currency:
            raise TariffError(
                f"prices are in {tariff.currency}, but charging.currency is {self._settings.charging.currency}"
            )
        return Catalogue(tariff)

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
            self._looked_up = {number: found}
        return self._looked_up[number]

    async def activate(self, charging: Charging, number: int, by: str) -> Switch:
        """Charge by another version from now on."""
        return await self._change(charging, number, lambda at_ns: self.versions.activate(number, by, at_ns))

    async def rollback(self, charging: Charging, by: str) -> Switch:
        """Charge by the version before the active one from now on. VersionError where there is none."""
        number = self.versions.before()
        return await self._change(charging, number, lambda at_ns: self.versions.rollback(by, at_ns))

    async def _change(self, charging: Charging, number: int, note: Callable[[int], Activation]) -> Switch:
        if self.switch is not None and self.switch.state == "compiling":
            raise TariffError(f"version {self.switch.number} is being compiled")
        self.switch = Switch(number, "compiling")
        try:
            catalogue = await asyncio.to_thread(self.compile, number)
            activation = await asyncio.to_thread(note, self._wall_ns())
        except (TariffError, VersionError, OSError) as error:
            self.switch = Switch(number, "failed", str(error))
            log.warning("tariff.switch_failed", version=number, error=str(error))
            return self.switch
        except BaseException:
            self.switch = Switch(number, "failed", "was cut off")
            raise
        charging.swap(catalogue, charging.policy)
        self.active = number
        self.switch = Switch(number, "active", "", activation)
        log.info("tariff.switched", version=number, by=activation.by)
        return self.switch


def configured(settings: Settings) -> Source:
    """The texts of the tariff that ocs.yaml names."""
    name = settings.charging.tariffs
    path = demo_file("tariffs.yaml") if name == SHIPPED else Path(name)
    source, problems = open_source(
        path, ImportOptions(settings.charging.currency, settings.charging.time_zone)
    )
    if source is None:
        raise TariffError("\n".join(f"{path.parent}/{finding}" for finding in errors(problems)))
    return source


def _path(settings: Settings) -> Path:
    name = settings.charging.tariffs
    return demo_file("tariffs.yaml") if name == SHIPPED else Path(name)
