"""The arguments of what changes accounts and sessions, exports records, and completes words."""

import argparse

from ocs.cli.arguments import Commands, asks, command, limited, remote
from ocs.cli.arguments import group as group_of

FORMATS = ("csv", "jsonl", "parquet")
STRATEGIES = ("mine_random", "lowest", "highest", "random", "mine_lowest", "mine_highest")
SHELLS = ("bash", "zsh", "fish")
AGAIN = " 15550100001 'pgw.example.org;1;2'"
BY_ACCOUNT = "account id, MSISDN or IMSI"


def account(group: Commands) -> None:
    """Add `account ls|create|bar|unbar`."""
    limited(remote(group, "account", "ls", "List accounts, in the order of their ids.", " --limit 20"))
    example = " default:7 --plan standard --identity msisdn:15550100007 --amount 10.00"
    create = remote(group, "account", "create", "Open an account.", example)
    create.add_argument("account", help="its id, `tenant:name` or a name")
    create.add_argument("--plan", required=True, help="whose prices it pays")
    identities = "msisdn:..., imsi:..., sip:...; may be repeated"
    create.add_argument("--identity", action="append", default=[], help=identities)
    create.add_argument("--amount", help="money to begin with, such as 10.00")
    create.add_argument("--credit-limit", metavar="AMOUNT", help="how far below zero it may go")
    create.add_argument("--low-balance", metavar="AMOUNT", help="below this the balance counts as low")
    create.add_argument("--barred", action="store_true", help="may not use anything yet")
    create.add_argument("--reference", default="", help="the same reference is booked once")
    create.add_argument("--note", default="", help="free text kept with the first entry")
    bar = remote(group, "account", "bar", "Let an account use nothing, and end its sessions.", " 15550100001")
    unbar = remote(group, "account", "unbar", "Let a barred account use services again.", " 15550100001")
    for parser in (bar, unbar):
        parser.add_argument("account", help=BY_ACCOUNT)
    summary = "Let accounts pay for each other from their balances of a group."
    share = remote(group, "account", "share", summary, " family 15550100001 15550100002 --strategy lowest")
    share.add_argument("group", help="name of the group, as balances name it")
    share.add_argument("accounts", nargs="+", metavar="account", help=BY_ACCOUNT)
    share.add_argument("--strategy", choices=STRATEGIES, help="whose balance is used first")
    share.add_argument("--subject", help="the plan that rates the group's balances")


def balance(commands: Commands) -> None:
    """Add `balance ls|add|set|remove|adjust`."""
    group = group_of(commands, "balance", "Look at the balances of an account, and change them.")
    listed = remote(group, "balance", "ls", "List the balances of an account.", " 15550100001")
    summary = "Add credit to a balance; one that is not there is made."
    add = remote(group, "balance", "add", summary, " 15550100001 100MB --balance bundle --unit octets")
    adjust = remote(group, "balance", "adjust", "Correct a balance by a signed amount.", " 15550100001 -0.50")
    summary = "Make a balance as it is described; what is held of it stays held."
    set_ = remote(
        group, "balance", "set", summary, " 15550100001 1h --balance weekend --unit time --timing weekend"
    )
    remove = remote(
        group, "balance", "remove", "Take a balance off an account.", " 15550100001 --balance bundle"
    )
    for parser in (listed, add, adjust, set_, remove):
        parser.add_argument("account", help=BY_ACCOUNT)
    set_.add_argument("amount", help="what is on it afterwards: 10.00, or 100MB, 60s, 5 of its unit")
    for parser in (set_, remove):
        parser.add_argument("--balance", required=True, help="which balance")
        parser.add_argument("--note", default="", help="free text kept with the entry")
    for parser in (add, adjust):
        parser.add_argument("amount", help="money such as 10.00, or 100MB, 60s, 5 of the balance's unit")
        parser.add_argument("--balance", default="main", help="which balance (%(default)s)")
        parser.add_argument("--reference", help="the same reference is booked once (default: a new one)")
        parser.add_argument("--note", default="", help="free text kept with the entry")
    for parser in (add, set_):
        _shape(parser)


def _shape(parser: argparse.ArgumentParser) -> None:
    """What a balance is like: where, when, for what and how it pays."""
    parser.add_argument("--unit", default="money", help="money, octets, time, events, points (%(default)s)")
    parser.add_argument("--priority", type=int, help="a balance with a higher number is used first")
    parser.add_argument("--expires", metavar="TIME", help="2027-01-31T23:59:59Z")
    for name, kind, text in (
        ("--service", str, "only for this service"),
        ("--rating-group", int, "only for this rating group"),
        ("--destination", str, "only for this destination of the tariff, or `!NAME`: not for it"),
        ("--category", str, "only for events of this category"),
        ("--timing", str, "only while this window of the tariff is open, or `!NAME`: while it is not"),
        ("--group", str, "shared with the members of this group"),
        ("--factor", str, "SERVICE=2 or SERVICE=1/60: how much of it one unit takes"),
    ):
        parser.add_argument(name, action="append", type=kind, default=[], help=f"{text}; may be repeated")
    parser.add_argument("--subject", help="the plan that rates it, or `*zero60s`: free, in such increments")
    parser.add_argument("--blocker", action="store_true", help="behind it nothing pays")
    parser.add_argument("--disabled", action="store_true", help="it pays for nothing")


def session(group: Commands) -> None:
    """Add `session kill|trace`."""
    kill = remote(
        group, "session", "kill", "Ask the client of a session to end it.", " 'pgw.example.org;1;2'"
    )
    kill.add_argument("--force", action="store_true", help="close it here too where its client does not")
    kill.add_argument("--cause", default="operator", help="what its record says (%(default)s)")
    summary = "Show what was charged in a session, event by event."
    trace = remote(group, "session", "trace", summary, " 'pgw.example.org;1;2' --follow")
    rerate = remote(group, "session", "rerate", "Charge an ended session anew by the tariff of now.", AGAIN)
    refund = remote(group, "session", "refund", "Give an ended session back to what paid, once.", AGAIN)
    for parser in (rerate, refund):
        parser.add_argument("account", help=BY_ACCOUNT)
        parser.add_argument("session", help="Session-Id")
        parser.add_argument("--client", help="whose session, where two clients use one id")
        parser.add_argument("--note", default="", help="free text kept with the entries")
    trace.add_argument("--follow", action="store_true", help="go on until the session ends")
    for parser in (kill, trace):
        parser.add_argument("session", help="Session-Id")
        parser.add_argument("--client", help="whose session, where two clients use one id")


def call(commands: Commands) -> None:
    """Add `call`."""
    summary = "Call any method of a running server, also of `ocs cgrates`, and show its result as JSON."
    example = """call APIerSv2.GetAccount '{"Account":"1001"}'"""
    parser = command(commands, "call", "call", summary, example)
    parser.add_argument("method", help="such as OcsV1.Status or APIerSv2.GetAccount")
    parser.add_argument("params", nargs="?", default="{}", help="JSON, or - for standard input (%(default)s)")
    asks(parser)


def cdr(group: Commands) -> None:
    """Add `cdr export`."""
    summary = "Write charging records to a file, the newest first."
    export = remote(group, "cdr", "export", summary, " --format csv --output records.csv")
    export.add_argument("--format", choices=FORMATS, default="csv", help="(%(default)s)")
    export.add_argument("--output", default="-", metavar="FILE", help="(default: standard output)")
    export.add_argument("--account", help="only records of this account")
    export.add_argument("--session", help="only records of this session")
    export.add_argument("--since", metavar="TIME", help="closed at this time or later: 2026-11-01T00:00:00Z")
    export.add_argument("--until", metavar="TIME", help="closed before this time")


def completion(commands: Commands) -> None:
    """Add `completion`."""
    summary = "Print a script that completes the words of this command in a shell."
    parser = command(
        commands, "completion", "completion", summary, "completion bash > /etc/bash_completion.d/ocs"
    )
    parser.add_argument("shell", choices=SHELLS)
