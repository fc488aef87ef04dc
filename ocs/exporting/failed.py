"""Batches that could not be delivered: one file each, kept until somebody replays them."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ocs.exporting.records import Record

SUFFIX = ".failed.json"


class Batch(msgspec.Struct, frozen=True):
    """Records of one exporter, and why they are here."""

    exporter_id: str
    reason: str
    records: tuple[Record, ...]


def keep(folder: Path, exporter_id: str, records: Sequence[Record], reason: str) -> Path:
    """Write a batch durably; its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.encode(Batch(exporter_id, reason, tuple(records)), enc_hook=str)
    path = folder / f"{_safe(exporter_id)}-{time.time_ns()}{SUFFIX}"
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    return path


def kept(folder: Path) -> list[Path]:
    """Paths of the batches that are kept, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)


def read(path: Path) -> Batch:
    """A batch. Raises ValueError that names the file, OSError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Batch)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: is not a kept batch: {error}") from None


def _safe(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in name)[:80] or "exporter"
