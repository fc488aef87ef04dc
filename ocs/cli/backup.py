"""`ocs backup`: a copy of the store beside the running server."""

import argparse
import json
import sys
from pathlib import Path

import msgspec

from ocs.backup import BackupError, copy


def backup(arguments: argparse.Namespace) -> int:
    """Copy the store and say what is in the copy; 1 where no copy was made."""
    try:
        copied = copy(Path(arguments.data_dir) / arguments.store, Path(arguments.to))
    except BackupError as error:
        print(f"ocs backup: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(copied)))
    else:
        print(
            f"{copied.file}: {copied.accounts} accounts, {copied.postings} postings, {copied.octets} octets"
        )
    return 0
