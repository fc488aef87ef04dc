"""Tariff versions on disk, under `tariffs/` of the data folder: numbered, never changed, and which one is active.

A version is a folder with the texts it was imported from and `version.json`. It is written beside its place, made
durable and then renamed, so that a version is there whole or not at all. `active.json` is replaced the same way.
One process writes at a time (a lock file); reading needs no lock.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ocs.charging.tariff.findings import Finding
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, Progress, no_progress
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.sources import Source

CONFIGURED = 0  # the number of the tariff that ocs.yaml names
KEPT_ACTIVATIONS = 1_000  # in the log
DIGITS = 6

_META = "version.json"
_FILES = "files"
_ACTIVE = "active.json"
_NEW = ".new-"


class VersionError(Exception):
    """A version is not there, or is not what it was when it was imported; the text is for people."""


class Version(msgspec.Struct, frozen=True):
    """What is known of a version without reading its texts. `checksum` is the SHA-256 of its texts and options."""

    number: int
    kind: str
    checksum: str
    note: str
    by: str
    created_at_ns: int
    origin: str
    files: tuple[str, ...]
    options: ImportOptions
    currency: str
    plans: int
    rates: int
    destinations: int
    prefixes: int
    findings: int


class Activation(msgspec.Struct, frozen=True):
    """From when on which version prices new usage; number 0 is the tariff of ocs.yaml."""

    number: int
    at_ns: int
    by: str


class Active(msgspec.Struct, frozen=True):
    """`stack` leads back step by step, its last is active; `log` has every switch."""

    stack: tuple[int, ...] = ()
    log: tuple[Activation, ...] = ()


class Versions:
    """The versions of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "tariffs"

    def all(self) -> list[Version]:
        """Every version, the oldest first."""
        return [self.get(number) for number in self._numbers()]

    def get(self, number: int) -> Version:
        """What is known of a version."""
        try:
            octets = (self.place(number) / _META).read_bytes()
        except FileNotFoundError:
            raise VersionError(f"there is no tariff version {number}") from None
        try:
            return msgspec.json.decode(octets, type=Version)
        except msgspec.MsgspecError as error:
            raise VersionError(f"tariff version {number} is damaged: {error}") from error

    def source(self, number: int) -> Source:
        """The texts of a version; VersionError where they have changed since the import."""
        version = self.get(number)
        try:
            files = tuple(
                (name, (self.place(number) / _FILES / name).read_bytes().decode()) for name in version.files
            )
        except (OSError, UnicodeDecodeError) as error:
            raise VersionError(f"tariff version {number} is damaged: {error}") from error
        source = Source(version.kind, files, version.options)
        if checksum(source) != version.checksum:
            raise VersionError(f"tariff version {number} is damaged: its checksum is wrong")
        return source

    def active(self) -> Active:
        """Which version is active, and what was before."""
        try:
            return msgspec.json.decode((self.folder / _ACTIVE).read_bytes(), type=Active)
        except FileNotFoundError:
            return Active()
        except msgspec.MsgspecError as error:
            raise VersionError(f"{self.folder / _ACTIVE} is damaged: {error}") from error

    def current(self) -> int:
        """The number of the active version."""
        stack = self.active().stack
        return stack[-1] if stack else CONFIGURED

    def before(self) -> int:
        """The number of the version that a rollback leads to; VersionError where none was activated."""
        stack = self.active().stack
        if not stack:
            raise VersionError("there is nothing to roll back: no version was activated")
        return stack[-2] if len(stack) > 1 else CONFIGURED

    def around(self, at_ns: int) -> list[int]:
        """The number of the version that was active at a moment, and of the one before it."""
        begun = [activation.number for activation in self.active().log if activation.at_ns <= at_ns]
        return [CONFIGURED, *begun][:-3:-1]

    # --- changes

    def add(
        self,
        source: Source,
        tariff: Tariff,
        findings: list[Finding],
        note: str,
        by: str,
        at_ns: int,
        origin: str = "",
        progress: Progress = no_progress,
    ) -> Version:
        """Keep a source under the next number; durable when this returns."""
        with self._locked():
            numbers = self._numbers()
            number = numbers[-1] + 1 if numbers else 1
            version = _version(number, source, tariff, findings, note, by, at_ns, origin)
            self._write(version, source, progress)
        return version

    def activate(self, number: int, by: str, at_ns: int) -> Activation:
        """Make a version the active one; durable when this returns."""
        return self._switch(number, by, at_ns, is_rollback=False)

    def rollback(self, by: str, at_ns: int) -> Activation:
        """Make the version before the active one active again; durable when this returns."""
        return self._switch(self.before(), by, at_ns, is_rollback=True)

    def _switch(self, number: int, by: str, at_ns: int, is_rollback: bool) -> Activation:
        with self._locked():
            active = self.active()
            if number != CONFIGURED:
                self.get(number)
            activation = Activation(number, at_ns, by)
            stack = active.stack[:-1] if is_rollback else (*active.stack, number)
            log = (*active.log[1 - KEPT_ACTIVATIONS :], activation)
            text = msgspec.json.format(msgspec.json.encode(Active(stack[-KEPT_ACTIVATIONS:], log)))
            fresh = self.folder / f"{_NEW}{_ACTIVE}"
            _write_durably(fresh, text)
            fresh.replace(self.folder / _ACTIVE)
            _sync_folder(self.folder)
        return activation

    def _write(self, version: Version, source: Source, progress: Progress) -> None:
        fresh = self.folder / f"{_NEW}{version.number:0{DIGITS}d}"
        shutil.rmtree(fresh, ignore_errors=True)  # left by an import that was cut off
        folders = {fresh, fresh / _FILES}
        total, done = sum(len(text) for _, text in source.files), 0
        for name, text in source.files:
            progress("storing", done, total)
            path = fresh / _FILES / name
            path.parent.mkdir(parents=True, exist_ok=True)
            folders |= {parent for parent in path.parents if fresh in parent.parents}
            _write_durably(path, text.encode())
            done += len(text)
        _write_durably(fresh / _META, msgspec.json.format(msgspec.json.encode(version)))
        for folder in folders:
            _sync_folder(folder)
        fresh.rename(self.place(version.number))
        _sync_folder(self.folder)
        progress("storing", total, total)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())

    def place(self, number: int) -> Path:
        """The folder of a version."""
        return self.folder / f"{number:0{DIGITS}d}"


def checksum(source: Source) -> str:
    """SHA-256 of the texts with their names, and of the options."""
    digest = hashlib.sha256(msgspec.json.encode((source.kind, source.options)))
    for name, text in source.files:
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()


def _version(
    number: int,
    source: Source,
    tariff: Tariff,
    findings: list[Finding],
    note: str,
    by: str,
    at_ns: int,
    origin: str,
) -> Version:
    return Version(
        number,
        source.kind,
        checksum(source),
        note,
        by,
        at_ns,
        origin,
        tuple(name for name, _ in source.files),
        source.options,
        tariff.currency,
        len(tariff.plans),
        len(tariff.rates),
        len(tariff.destinations),
        sum(len(prefixes) for prefixes in tariff.destinations.values()),
        len(findings),
    )


def _write_durably(path: Path, octets: bytes) -> None:
    with path.open("wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """A new name is durable when its folder is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
