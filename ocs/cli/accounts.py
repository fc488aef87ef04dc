"""`ocs account ls|create|bar|unbar` and `ocs balance ...`: one method of `OcsV1` each."""

import argparse
import json
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from ocs.cli import tables
from ocs.cli.remote import ask, given, run


def list_(arguments: argparse.Namespace) -> int:
    """List accounts."""
    return run(arguments, "AccountList", {"limit": arguments.limit}, "accounts")


def create(arguments: argparse.Namespace) -> int:
    """Open an account."""
    balances = [] if arguments.amount is None else [{"amount": arguments.amount}]
    parameters = given(
        account=arguments.account,
        plan=arguments.plan,
        identities=arguments.identity,
        balances=balances,
        credit_limit=arguments.credit_limit,
        low_balance=arguments.low_balance,
        barred=arguments.barred,
        reference=arguments.reference or str(uuid.uuid4()),
        note=arguments.note,
    )
    return run(arguments, "AccountCreate", parameters)


def bar(arguments: argparse.Namespace) -> int:
    """Let an account use nothing."""
    return run(arguments, "AccountBar", {"account": arguments.account})


def unbar(arguments: argparse.Namespace) -> int:
    """Let it use services again."""
    return run(arguments, "AccountUnbar", {"account": arguments.account})


def balance_list(arguments: argparse.Namespace) -> int:
    """List the balances of an account."""
    account = ask(arguments, "AccountShow", {"account": arguments.account})
    if not isinstance(account, Mapping):
        return 1
    rows: list[dict[str, Any]] = [dict(row) for row in account["balances"]]
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
    else:
        print(tables.table(rows) if rows else "nothing found")
    return 0


def balance_add(arguments: argparse.Namespace) -> int:
    """Add credit to a balance; the reference keeps a repeated command from booking twice."""
    shape = _shape(arguments)
    return 2 if shape is None else run(arguments, "AccountTopup", _booking(arguments) | shape)


def balance_set(arguments: argparse.Namespace) -> int:
    """Make a balance as it is described."""
    shape = _shape(arguments)
    if shape is None:
        return 2
    named = {"account": arguments.account, "balance": arguments.balance, "note": arguments.note}
    return run(arguments, "AccountSetBalance", named | {"amount": arguments.amount} | shape)


def balance_remove(arguments: argparse.Namespace) -> int:
    """Take a balance off an account."""
    named = {"account": arguments.account, "balance": arguments.balance, "note": arguments.note}
    return run(arguments, "AccountRemoveBalance", named)


def share(arguments: argparse.Namespace) -> int:
    """Let accounts pay for each other."""
    parameters = given(
        group=arguments.group,
        accounts=arguments.accounts,
        strategy=arguments.strategy,
        subject=arguments.subject,
    )
    return run(arguments, "AccountShare", parameters)


def _shape(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """What a balance is like, as far as it is said; None where a factor cannot be read."""
    factors = {}
    for text in arguments.factor:
        service, equals, value = text.partition("=")
        if not equals:
            print(f'--factor: "{text}" is not SERVICE=NUMBER', file=sys.stderr)
            return None
        factors[service] = value
    terms = given(
        destinations=arguments.destination or None,
        categories=arguments.category or None,
        subject=arguments.subject,
        timings=arguments.timing or None,
        shared_groups=arguments.group or None,
        factors=factors or None,
        blocker=arguments.blocker or None,
        disabled=arguments.disabled or None,
    )
    return given(
        unit=arguments.unit,
        priority=arguments.priority,
        expires=arguments.expires,
        services=arguments.service or None,
        rating_groups=arguments.rating_group or None,
        terms=terms or None,
    )


def balance_adjust(arguments: argparse.Namespace) -> int:
    """Correct a balance."""
    return run(arguments, "AccountAdjust", _booking(arguments))


def _booking(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "account": arguments.account,
        "amount": arguments.amount,
        "balance": arguments.balance,
        "reference": arguments.reference or str(uuid.uuid4()),
        "note": arguments.note,
    }
