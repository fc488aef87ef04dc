"""The arguments of what changes accounts and sessions, exports records, and completes words."""

from ocs.cli.arguments import Commands, command, limited, remote
from ocs.cli.arguments import group as group_of

FORMATS = ("csv", "jsonl", "parquet")
SHELLS = ("bash", "zsh", "fish")
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


def balance(commands: Commands) -> None:
    """Add `balance ls|add|adjust`."""
    group = group_of(commands, "balance", "Look at the balances of an account, and change them.")
    listed = remote(group, "balance", "ls", "List the balances of an account.", " 15550100001")
    summary = "Add credit to a balance; one that is not there is made."
    add = remote(group, "balance", "add", summary, " 15550100001 100MB --balance bundle --unit octets")
    adjust = remote(group, "balance", "adjust", "Correct a balance by a signed amount.", " 15550100001 -0.50")
    for parser in (listed, add, adjust):
        parser.add_argument("account", help=BY_ACCOUNT)
    for parser in (add, adjust):
        parser.add_argument("amount", help="money such as 10.00, or 100MB, 60s, 5 of the balance's unit")
        parser.add_argument("--balance", default="main", help="which balance (%(default)s)")
        parser.add_argument("--reference", help="the same reference is booked once (default: a new one)")
        parser.add_argument("--note", default="", help="free text kept with the entry")
    add.add_argument("--unit", default="money", help="money, octets, time, events (%(default)s)")
    add.add_argument("--priority", type=int, help="a balance with a lower number is used first")
    add.add_argument("--expires", metavar="TIME", help="2027-01-31T23:59:59Z")
    add.add_argument("--service", action="append", default=[], help="only for this service; may be repeated")
    add.add_argument("--rating-group", action="append", type=int, default=[], help="only for this; may be repeated")


def session(group: Commands) -> None:
    """Add `session kill|trace`."""
    kill = remote(group, "session", "kill", "Ask the client of a session to end it.", " 'pgw.example.org;1;2'")
    kill.add_argument("--force", action="store_true", help="close it here too where its client does not")
    kill.add_argument("--cause", default="operator", help="what its record says (%(default)s)")
    summary = "Show what was charged in a session, event by event."
    trace = remote(group, "session", "trace", summary, " 'pgw.example.org;1;2' --follow")
    trace.add_argument("--follow", action="store_true", help="go on until the session ends")
    for parser in (kill, trace):
        parser.add_argument("session", help="Session-Id")
        parser.add_argument("--client", help="whose session, where two clients use one id")


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
    parser = command(commands, "completion", "completion", summary, "completion bash > /etc/bash_completion.d/ocs")
    parser.add_argument("shell", choices=SHELLS)
