"""The file of keys: read again when it has changed, changed by the command line under a lock."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from ocs.rpc.keys import Key, KeysError, decode_keys, encode_keys, find

log = structlog.get_logger()

LARGEST_OCTETS = 16 << 20


class KeyFile:
    """The keys of a file; no file means no keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}
        self.load()

    def __len__(self) -> int:
        return sum(not key.revoked_at_ns for key in self._keys.values())

    def load(self) -> bool:
        """Read the file where it has changed, and say whether it has; KeysError where it cannot be used."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return False
        self._keys = read_keys(self.path)
        self._stamp = stamp
        return True

    def refresh(self) -> bool:
        """The same, but a file that cannot be used is logged and changes nothing."""
        try:
            return self.load()
        except KeysError as error:
            log.error("rpc.keys_unreadable", error=str(error))
            return False

    def find(self, text: str) -> Key | None:
        """The key that a text is."""
        return find(self._keys, text)

    def named(self, name: str) -> Key | None:
        """A key of that name that counts now."""
        return next((key for key in self._keys.values() if key.name == name and not key.revoked_at_ns), None)

    def is_good(self, key_id: str) -> bool:
        """Whether a key of that id counts now."""
        key = self._keys.get(key_id)
        return key is not None and not key.revoked_at_ns

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def read_keys(path: Path) -> dict[str, Key]:
    """The keys of a file, none where it is not there."""
    try:
        if path.stat().st_size > LARGEST_OCTETS:
            raise KeysError(f"{path}:1:1: is larger than {LARGEST_OCTETS} octets")
        return decode_keys(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"{path}:1:1: cannot be read: {error}") from None


def change_keys(path: Path, change: Callable[[dict[str, Key]], None]) -> None:
    """Change a file of keys as a whole; it is for its owner alone."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(path)
        change(keys)
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(encode_keys(keys))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
