"""`ocs action|plan|trigger ...` and `ocs account plans|transfer`: asks a running server."""

import argparse
import json
import uuid
from typing import Any

from ocs.cli import tables
from ocs.cli.remote import ask


def action_list(arguments: argparse.Namespace) -> int:
    """List the actions, action plans and triggers of the active tariff."""
    result = ask(arguments, "ActionList", {})
    if result is None:
        return 1
    if arguments.json:
        return _show(arguments, result)
    for title in ("actions", "plans", "triggers"):
        for named in result[title]:
            print(f"{title.removesuffix('s')} {named['name']}")
            for part in named["parts"]:
                print(f"  {part}")
    if not any(result[title] for title in ("actions", "plans", "triggers")):
        print("the tariff has no actions")
    return 0


def action_run(arguments: argparse.Namespace) -> int:
    """Do a set of actions on an account now; the reference keeps a repeated command from doing it twice."""
    parameters = {"account": arguments.account, "actions": arguments.actions, **_booking(arguments)}
    return _run(arguments, "ActionRun", parameters, "entries")


def account_transfer(arguments: argparse.Namespace) -> int:
    """Move an amount to another account or balance."""
    parameters = {
        "account": arguments.account,
        "to": arguments.to,
        "amount": arguments.amount,
        "unit": arguments.unit,
        "balance": arguments.balance,
        "to_balance": arguments.to_balance,
        **_booking(arguments),
    }
    return _run(arguments, "AccountTransfer", parameters, "entries")


def account_plans(arguments: argparse.Namespace) -> int:
    """Show the action plans and triggers of an account."""
    return _run(arguments, "AccountActions", {"account": arguments.account})


def plan_assign(arguments: argparse.Namespace) -> int:
    """Give an account an action plan."""
    return _named(arguments, "PlanAssign")


def plan_unassign(arguments: argparse.Namespace) -> int:
    """Take an action plan from an account."""
    return _named(arguments, "PlanUnassign")


def trigger_assign(arguments: argparse.Namespace) -> int:
    """Let a group of triggers watch an account."""
    return _named(arguments, "TriggersAssign")


def trigger_unassign(arguments: argparse.Namespace) -> int:
    """Let a group of triggers watch an account no more."""
    return _named(arguments, "TriggersUnassign")


def trigger_reset(arguments: argparse.Namespace) -> int:
    """Let the triggers of a group run again."""
    return _named(arguments, "TriggersReset")


def _named(arguments: argparse.Namespace, method: str) -> int:
    return _run(arguments, method, {"account": arguments.account, "name": arguments.name})


def _booking(arguments: argparse.Namespace) -> dict[str, str]:
    return {"reference": arguments.reference or str(uuid.uuid4()), "note": arguments.note}


def _run(arguments: argparse.Namespace, method: str, parameters: dict[str, Any], rows: str = "") -> int:
    result = ask(arguments, method, parameters)
    return 1 if result is None else _show(arguments, result, rows)


def _show(arguments: argparse.Namespace, result: Any, rows: str = "") -> int:
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    elif rows:
        print(tables.table(result[rows]) if result[rows] else "done; no balance was changed")
    else:
        print(tables.record(result))
    return 0
