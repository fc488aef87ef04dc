"""`ocs session kill` and `ocs session trace`."""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ocs.charging.money import format_nanos
from ocs.cli.rating_text import UNITS
from ocs.cli.remote import ask, given, run
from ocs.cli.tables import printable, shown

LOOKED_EVERY_S = 1.0


def kill(arguments: argparse.Namespace) -> int:
    """Ask the client of a session to end it; 1 where it was not ended."""
    parameters = given(
        session=arguments.session, client=arguments.client, cause=arguments.cause, force=arguments.force
    )
    result = ask(arguments, "SessionDisconnect", parameters)
    if not isinstance(result, Mapping):
        return 1
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        closed = ", closed here" if result["closed"] else ""
        print(
            f"{printable(str(result['session']))}: {str(result['answer']).lower().replace('_', ' ')}{closed}"
        )
    return 0 if result["closed"] or result["answer"] in ("ACCEPTED", "UNDER_WAY") else 1


def rerate(arguments: argparse.Namespace) -> int:
    """Charge an ended session anew."""
    return run(arguments, "SessionRerate", _stored(arguments))


def refund(arguments: argparse.Namespace) -> int:
    """Give an ended session back."""
    return run(arguments, "SessionRefund", _stored(arguments))


def _stored(arguments: argparse.Namespace) -> dict[str, Any]:
    return given(
        account=arguments.account,
        session=arguments.session,
        client=arguments.client,
        note=arguments.note,
    )


def trace(arguments: argparse.Namespace) -> int:
    """Show the events of a session in their order; with `--follow` those that come, until it ends."""
    parameters = given(session=arguments.session, client=arguments.client)
    if arguments.json and not arguments.follow:
        return run(arguments, "Explain", parameters)
    seen = 0
    while True:
        result = ask(arguments, "Explain", parameters)
        if not isinstance(result, Mapping):
            return 1
        if not seen and not arguments.json:
            print(_title(result))
        for event in result["events"][seen:]:
            for line in [json.dumps(event, default=str)] if arguments.json else _lines(event):
                print(line, flush=True)
        seen = len(result["events"])
        if result["closed_at_ns"] is not None or not arguments.follow:
            if not arguments.json:
                print(_end(result))
            return 0
        time.sleep(LOOKED_EVERY_S)


def _title(result: Mapping[str, Any]) -> str:
    return printable(
        f"session {result['session']} of {result['client']}, account {result['account']}, {result['service']}"
        f" to {result['called'] or result['apn'] or '?'}, since {shown('at_ns', result['opened_at_ns'])}"
    )


def _lines(event: Mapping[str, Any]) -> Iterator[str]:
    when = f"{shown('at_ns', event['at_ns'])} {event['kind'] or 'OPERATOR':<11} {event['event']}"
    for charge in event["charges"]:
        group = "" if charge["rating_group"] is None else f" rating group {charge['rating_group']}"
        used = f" used {_amount(charge['units'], charge['unit'])}" if charge["units"] else ""
        changes = ", ".join(
            f"{change['kind'].lower()} {change['balance']} {_amount(change['amount'], change['unit'])}"
            f" -> {_amount(change['after'], change['unit'])}"
            for change in charge["balances"]
        )
        yield printable(f"{when}{group}{used}{': ' if changes else ''}{changes}")


def _end(result: Mapping[str, Any]) -> str:
    ended = "open"
    if result["closed_at_ns"] is not None:
        ended = f"closed {shown('at_ns', result['closed_at_ns'])} ({result['cause']})"
    return printable(f"{ended}, cost {format_nanos(result['cost_nanos'])}")


def _amount(amount: int, member: str) -> str:
    if member == "nanos":
        return format_nanos(amount)
    unit = UNITS.get(member)
    return shown(f"_{'ns' if unit is not None and unit.name == 'TIME' else member}", amount)
