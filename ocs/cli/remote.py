"""Sub-commands that ask a running server: accounts, sessions, charging records, peers.

One method of `OcsV1` each; the parameter is one object. The unit of a number is the end of its name:
`amount_nanos`, `opened_at_ns`, `used_octets`; `ok: false` in a result makes the exit code 1.
"""

import argparse
import getpass
import json
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from ocs.charging.money import parse_nanos
from ocs.cli import tables
from ocs.cli.jsonrpc import CallError, call

WRONG_ARGUMENT = 2
SIGNED = frozenset(  # methods whose entries say who it was
    (
        *("AccountTopup", "AccountAdjust", "AccountSetBalance", "AccountRemoveBalance", "AccountTransfer"),
        *("ActionRun", "SessionRerate", "SessionRefund"),
    )
)


def account_show(arguments: argparse.Namespace) -> int:
    """Show an account and its balances."""
    return run(arguments, "AccountShow", {"account": arguments.account})


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
    return run(arguments, "AccountTopup", parameters)


def account_history(arguments: argparse.Namespace) -> int:
    """List the entries of an account or of all, newest first."""
    parameters = {"limit": arguments.limit}
    if arguments.account is not None:
        parameters["account"] = arguments.account
    return run(arguments, "AccountHistory", parameters, "entries")


def account_verify(arguments: argparse.Namespace) -> int:
    """Compare balances with the sum of their entries; 1 where any differs."""
    if not arguments.all:
        return run(arguments, "AccountVerify", {"account": arguments.account})
    count, differences, parameters = 0, list[Any](), dict[str, Any]()
    while True:
        result = ask(arguments, "AccountVerify", parameters)
        if result is None:
            return 1
        if not isinstance(result, Mapping) or not result.get("next_after"):
            break
        count += result["accounts"]
        differences += result["differences"]
        parameters = {"after": result["next_after"]}
    if parameters:
        count, differences = count + result["accounts"], differences + result["differences"]
        result = {"ok": not differences, "accounts": count, "differences": differences}
    return _print(arguments, result)


def session_list(arguments: argparse.Namespace) -> int:
    """List open sessions."""
    parameters = given(account=arguments.account, limit=arguments.limit)
    return run(arguments, "SessionList", parameters, "sessions")


def session_show(arguments: argparse.Namespace) -> int:
    """Show one session."""
    return run(arguments, "SessionShow", {"session": arguments.session})


def cdr_list(arguments: argparse.Namespace) -> int:
    """List charging records, newest first."""
    parameters = given(account=arguments.account, session=arguments.session, limit=arguments.limit)
    return run(arguments, "CdrList", parameters, "cdrs")


def peer_list(arguments: argparse.Namespace) -> int:
    """List Diameter peers, those that were refused too."""
    return run(arguments, "PeerList", {})


def reload(arguments: argparse.Namespace) -> int:
    """Let the server read its settings again; what needs a restart is named."""
    result = ask(arguments, "Reload", {"dry_run": arguments.dry_run})
    if result is None:
        return 1
    if arguments.json:
        return _print(arguments, result)
    if result["changed"]:
        print(f"{'would change' if arguments.dry_run else 'changed'}: {', '.join(result['changed'])}")
    if result["needs_restart"]:
        print(f"only a restart changes: {', '.join(result['needs_restart'])}")
    if not (result["changed"] or result["needs_restart"]):
        print("nothing has changed")
    return 0


def given(**parameters: Any) -> dict[str, Any]:
    """The parameters that were given."""
    return {name: value for name, value in parameters.items() if value is not None}


def run(arguments: argparse.Namespace, method: str, parameters: dict[str, Any], rows: str = "") -> int:
    """Ask and show the answer; the exit code."""
    result = ask(arguments, method, parameters)
    return 1 if result is None else _print(arguments, result, rows)


def ask(arguments: argparse.Namespace, method: str, parameters: dict[str, Any]) -> Any:
    """Return the result of a method, or None when it has failed and that was said.

    What is written into a history is signed with the name of the user.
    """
    if method in SIGNED:
        parameters = {**parameters, "by": getpass.getuser()}
    try:
        return call(arguments.server, f"OcsV1.{method}", parameters)
    except CallError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return None


def _print(arguments: argparse.Namespace, result: Any, rows: str = "") -> int:
    """Show a result, for people only its `rows` where it has them; 1 where it says `ok: false`."""
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
    elif isinstance(result, Mapping) and isinstance(result.get(rows), list):
        print(_text(result[rows]))
    else:
        print(_text(result))
    return 1 if isinstance(result, Mapping) and result.get("ok") is False else 0


def _text(result: Any) -> str:
    """Return a result for people; a list is a table."""
    if isinstance(result, list):
        return tables.table(result) if result else "nothing found"
    if isinstance(result, Mapping):
        return tables.record(result)
    return tables.shown("", result)
