"""The command line: parses it and hands over to the module of the sub-command.

Nothing but argparse is imported before a sub-command is known, so that `ocs --help` starts at once.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from ocs.cli import options

# What each sub-command runs: module and function, which takes the parsed arguments and returns the exit code.
HANDLERS = {
    "serve": "ocs.cli.server:serve",
    "check": "ocs.cli.server:check",
    "version": "ocs.cli.server:version",
    "doctor": "ocs.cli.doctor:doctor",
    "cgrates": "ocs.cli.cgrates:serve",
    "account show": "ocs.cli.remote:account_show",
    "account topup": "ocs.cli.remote:account_topup",
    "account history": "ocs.cli.remote:account_history",
    "account verify": "ocs.cli.remote:account_verify",
    "account plans": "ocs.cli.actions:account_plans",
    "account transfer": "ocs.cli.actions:account_transfer",
    "action ls": "ocs.cli.actions:action_list",
    "action run": "ocs.cli.actions:action_run",
    "plan assign": "ocs.cli.actions:plan_assign",
    "plan unassign": "ocs.cli.actions:plan_unassign",
    "trigger assign": "ocs.cli.actions:trigger_assign",
    "trigger unassign": "ocs.cli.actions:trigger_unassign",
    "trigger reset": "ocs.cli.actions:trigger_reset",
    "account ls": "ocs.cli.accounts:list_",
    "account create": "ocs.cli.accounts:create",
    "account bar": "ocs.cli.accounts:bar",
    "account unbar": "ocs.cli.accounts:unbar",
    "balance ls": "ocs.cli.accounts:balance_list",
    "account share": "ocs.cli.accounts:share",
    "balance add": "ocs.cli.accounts:balance_add",
    "balance set": "ocs.cli.accounts:balance_set",
    "balance remove": "ocs.cli.accounts:balance_remove",
    "balance adjust": "ocs.cli.accounts:balance_adjust",
    "session ls": "ocs.cli.remote:session_list",
    "session show": "ocs.cli.remote:session_show",
    "session kill": "ocs.cli.sessions:kill",
    "session rerate": "ocs.cli.sessions:rerate",
    "session refund": "ocs.cli.sessions:refund",
    "session trace": "ocs.cli.sessions:trace",
    "cdr ls": "ocs.cli.remote:cdr_list",
    "cdr rate": "ocs.cli.foreign:rate",
    "cdr export": "ocs.cli.export:export",
    "peer ls": "ocs.cli.remote:peer_list",
    "tariff lint": "ocs.cli.tariff:lint",
    "tariff import": "ocs.cli.tariff:import_",
    "tariff ls": "ocs.cli.tariff:list_",
    "tariff diff": "ocs.cli.tariff:diff",
    "tariff activate": "ocs.cli.tariff_switch:activate",
    "tariff rollback": "ocs.cli.tariff_switch:rollback",
    "rate": "ocs.cli.rating:rate",
    "explain": "ocs.cli.rating:explain",
    "route": "ocs.cli.routes:route",
    "call": "ocs.cli.calls:method",
    "key create": "ocs.cli.keys:create",
    "key ls": "ocs.cli.keys:list_",
    "key revoke": "ocs.cli.keys:revoke",
    "audit": "ocs.cli.keys:audit",
    "reload": "ocs.cli.remote:reload",
    "backup": "ocs.cli.backup:backup",
    "client ccr": "ocs.cli.client:ccr",
    "client traffic": "ocs.cli.traffic:traffic",
    "migrate cgrates": "ocs.cli.migrate:cgrates",
    "completion": "ocs.cli.completion:print_",
}

ENGINE = "cgr-engine"  # a link of that name to `ocs` is `ocs cgrates`


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong arguments or configuration."""
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    try:
        code = handler(arguments.handler)(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `ocs cdr ls | head` closed the pipe: point standard output elsewhere, or Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse arguments; under the name of CGRateS' engine they are those of `cgrates`, whose others are let be."""
    if os.path.basename(sys.argv[0]) == ENGINE:
        argv = ["cgrates", *argv]
    parser = build_parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.handler != "cgrates":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments


def handler(name: str) -> Callable[[argparse.Namespace], int]:
    """Import the function of a sub-command."""
    module, _, function = HANDLERS[name].partition(":")
    found: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
    return found


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all sub-commands."""
    parser = argparse.ArgumentParser(
        prog="ocs",
        description="A real-time online charging server.",
        epilog="example: ocs serve --config ocs.yaml --data-dir data",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in options.GROUPS:
        group(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
