"""How sub-commands say their arguments; argparse only, so that help costs nothing."""

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DEFAULT_SERVER = "127.0.0.1:2012"


def command(
    commands: Commands, name: str, handler: str, summary: str, example: str
) -> argparse.ArgumentParser:
    """A sub-command: who handles it, what it does, an example."""
    parser = commands.add_parser(name, help=summary, description=summary, epilog=f"example: ocs {example}")
    parser.set_defaults(handler=handler)
    return parser


def group(commands: Commands, name: str, summary: str) -> Commands:
    """A word with sub-commands of its own."""
    parser = commands.add_parser(name, help=summary, description=summary)
    return parser.add_subparsers(metavar="COMMAND", required=True)


def remote(commands: Commands, group: str, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A sub-command that asks a running server."""
    parser = command(commands, name, f"{group} {name}", summary, f"{group} {name}{example}")
    asks(parser)
    return parser


def asks(parser: argparse.ArgumentParser) -> None:
    """The arguments of whatever asks a running server."""
    parser.add_argument(
        "--server", default=DEFAULT_SERVER, metavar="HOST:PORT", help="the running server (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the server's answer as JSON")


def limited(parser: argparse.ArgumentParser) -> None:
    """How many rows at most."""
    parser.add_argument(
        "--limit", type=count, default=50, help="how many at most, newest first (%(default)s)"
    )


def count(text: str) -> int:
    """A number that is not zero."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a count')
    return int(text)


def number(text: str) -> int:
    """A whole number."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number')
    return int(text)
