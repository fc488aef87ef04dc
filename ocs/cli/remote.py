"""Sub-commands that ask a running server: accounts, sessions, charging records, peers.

One method of `OcsV1` each; the parameter is one object. The unit of a number is the end of its name:
`amount_nanos`, `opened_at_ns`, `used_octets`; `ok: false` in a result makes the exit code 1.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from ocs.charging.money import parse_nanos
from ocs.cli import tables
from ocs.cli.jsonrpc import CallError, call

WRONG_ARGUMENT = 2


def account_show(arguments: argparse.Namespace) -> int:
    """Show an account and its balances."""
    return _run(arguments, "AccountShow", {"account": arguments.account})


def account_topup(arguments: argparse.Namespace) -> int:
    """Add money to a balance; the reference keeps a repeated command from booking twice."""
    try:
        amount_nanos = parse_nanos(arguments.amount)
    except ValueError as error:
        print(f"amount: {error}", file=sys.stderr)
        return WRONG_ARGUMENT
    if amount_nanos <= 0:
        print(f'amount: must be more than zero, is "{arguments.amount}"', file=sys.stderr)
        return WRONG_ARGUMENT
    parameters = {
        "account": arguments.account,
        "balance": arguments.balance,
        "amount_nanos": amount_nanos,
        "reference": arguments.reference or str(uuid.uuid4()),
        "note": arguments.note,
    }
    return _run(arguments, "AccountTopup", parameters)


def account_history(arguments: argparse.Namespace) -> int:
    """List the entries of an account, newest first."""
    return _run(arguments, "AccountHistory", {"account": arguments.account, "limit": arguments.limit})


def account_verify(arguments: argparse.Namespace) -> int:
    """Compare balances with the sum of their entries; 1 where any differs."""
    parameters = {} if arguments.all else {"account": arguments.account}
    return _run(arguments, "AccountVerify", parameters)


def session_list(arguments: argparse.Namespace) -> int:
    """List open sessions."""
    return _run(arguments, "SessionList", _given(account=arguments.account, limit=arguments.limit))


def session_show(arguments: argparse.Namespace) -> int:
    """Show one session."""
    return _run(arguments, "SessionShow", {"session": arguments.session})


def cdr_list(arguments: argparse.Namespace) -> int:
    """List charging records, newest first."""
    parameters = _given(account=arguments.account, session=arguments.session, limit=arguments.limit)
    return _run(arguments, "CdrList", parameters)


def peer_list(arguments: argparse.Namespace) -> int:
    """List Diameter peers, those that were refused too."""
    return _run(arguments, "PeerList", {})


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _run(arguments: argparse.Namespace, method: str, parameters: dict[str, Any]) -> int:
    try:
        result = call(arguments.server, f"OcsV1.{method}", parameters)
    except CallError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
    else:
        print(_text(result))
    return 1 if isinstance(result, Mapping) and result.get("ok") is False else 0


def _text(result: Any) -> str:
    """Return a result for people; a list, or the only list of an object, is a table."""
    if isinstance(result, list):
        return tables.table(result) if result else "nothing found"
    if isinstance(result, Mapping):
        return tables.record(result)
    return tables.shown("", result)
