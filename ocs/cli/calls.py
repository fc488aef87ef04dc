"""`ocs call`: any method of a running server, of `ocs serve` or `ocs cgrates`, with its parameters as JSON."""

import argparse
import json
import sys

from ocs.cli.jsonrpc import CallError, call

WRONG_ARGUMENT = 2


def method(arguments: argparse.Namespace) -> int:
    """Call a method and show its result; 1 where the server says no, 2 where the parameters are no JSON."""
    text = sys.stdin.read() if arguments.params == "-" else arguments.params
    try:
        params = json.loads(text)
    except ValueError as error:
        print(f"ocs: the parameters are not JSON: {error}", file=sys.stderr)
        return WRONG_ARGUMENT
    try:
        result = call(arguments.server, arguments.method, params)
    except CallError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
    return 0
