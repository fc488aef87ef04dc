"""`ocs key create|ls|revoke` and `ocs audit`: files of the data folder, with the server running or not."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from ocs.cli import tables
from ocs.rpc.audit import broken_at
from ocs.rpc.caller import Role
from ocs.rpc.key_file import change_keys, read_keys
from ocs.rpc.keys import ID_OCTETS, SECRET_OCTETS, Key, KeysError, make

FAILED = 1


def create(arguments: argparse.Namespace) -> int:
    """Make a key; its text goes to standard output, what to know about it to standard error."""
    roles = tuple(Role(role) for role in dict.fromkeys(arguments.role))
    key, text = make(arguments.name, roles, os.urandom(ID_OCTETS + SECRET_OCTETS), time.time_ns())

    def add(keys: dict[str, Key]) -> None:
        keys[key.id] = key

    if not _changed(arguments, add):
        return FAILED
    if arguments.json:
        print(json.dumps({**_row(key), "key": text}, indent=2))
    else:
        print(text)
        print("this is the only time the key is shown; the server takes it at once", file=sys.stderr)
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """List the keys."""
    try:
        keys = read_keys(_path(arguments))
    except KeysError as error:
        return _failed(str(error))
    rows = [_row(key) for key in keys.values()]
    print(json.dumps(rows, indent=2) if arguments.json else tables.table(rows) if rows else "no keys")
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    """Make a key useless; connections that came with it are ended."""
    known = True

    def strike(keys: dict[str, Key]) -> None:
        nonlocal known
        key = keys.get(arguments.id)
        known = key is not None
        if key is not None and not key.revoked_at_ns:
            keys[key.id] = Key(key.id, key.name, key.roles, key.digest, key.created_at_ns, time.time_ns())

    if not _changed(arguments, strike):
        return FAILED
    if not known:
        return _failed(f'there is no key "{arguments.id}"')
    print(json.dumps({"revoked": arguments.id}) if arguments.json else f"{arguments.id} is revoked")
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Show the last lines of the record; 1 where a line was changed or taken out."""
    path = Path(str(arguments.data_dir), str(arguments.audit))
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        return _failed(f"{path}: cannot be read: {error.strerror}")
    broken = broken_at(lines)
    if broken is not None:
        return _failed(f"{path}:{broken}:1: does not follow from the line before it")
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines[-arguments.limit :]][::-1]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        shown = ("at_ns", "who", "from", "method", "params", "outcome")
        print(
            tables.table([{name: row[name] for name in shown} for row in rows]) if rows else "nothing found"
        )
    return 0


def _changed(arguments: argparse.Namespace, change: Any) -> bool:
    path = _path(arguments)
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        change_keys(path, change)
    except (KeysError, OSError) as error:
        _failed(str(error))
        return False
    return True


def _path(arguments: argparse.Namespace) -> Path:
    return Path(str(arguments.data_dir), str(arguments.keys))


def _failed(text: str) -> int:
    print(f"ocs: {text}", file=sys.stderr)
    return FAILED


def _row(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "roles": list(key.roles),
        "created_at_ns": key.created_at_ns,
        "revoked_at_ns": key.revoked_at_ns or None,
    }
