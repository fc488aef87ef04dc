"""The arguments of every sub-command; argparse only, so that help costs nothing."""

import argparse

from ocs.cli.arguments import DEFAULT_SERVER, Commands
from ocs.cli.arguments import asks as _asks
from ocs.cli.arguments import command as _command
from ocs.cli.arguments import count as _count
from ocs.cli.arguments import group as _group
from ocs.cli.arguments import limited as _limited
from ocs.cli.arguments import number as _number
from ocs.cli.arguments import remote as _remote
from ocs.cli.arguments_remote import account as more_of_account
from ocs.cli.arguments_remote import balance, call, completion
from ocs.cli.arguments_remote import cdr as more_of_cdr
from ocs.cli.arguments_remote import session as more_of_session

REQUEST_KINDS = ("initial", "update", "termination", "event")
SERVICES = ("data", "voice", "sms", "mms", "generic")
ROLES = ("read", "charge", "administer")
ACTIONS = ("debit", "refund", "check", "price")


def server(commands: Commands) -> None:
    """Add `serve`, `check`, `doctor`, `reload`, `backup` and `version`."""
    example = "serve --config ocs.yaml --data-dir data"
    serve = _command(commands, "serve", "serve", "Run the server until SIGTERM or Ctrl-C.", example)
    serve.add_argument("--data-dir", default="data", metavar="DIR", help="where accounts live (%(default)s)")
    summary = "Show every problem of a configuration file."
    check = _command(commands, "check", "check", summary, "check --config ocs.yaml")
    summary = "Look whether this machine is ready: disk, ports, clock, certificates, neighbours."
    doctor = _command(commands, "doctor", "doctor", summary, "doctor --config ocs.yaml --data-dir data")
    doctor.add_argument("--data-dir", default="data", metavar="DIR", help="of the server (%(default)s)")
    doctor.add_argument("--json", action="store_true", help="print what was found as JSON")
    for parser in (serve, check, doctor):
        parser.add_argument("--config", default="ocs.yaml", metavar="FILE", help="settings (%(default)s)")
    check.add_argument("--json", action="store_true", help="print the problems as JSON")
    summary = "Let a running server read its ocs.yaml again; say what only a restart can change."
    reload = _command(commands, "reload", "reload", summary, "reload --dry-run")
    _asks(reload)
    reload.add_argument("--dry-run", action="store_true", help="only say what would change")
    summary = "Copy the store of a server, running or not, to a file that can take its place."
    backup = _command(commands, "backup", "backup", summary, "backup --data-dir data --to /backup/ocs.db")
    backup.add_argument("--data-dir", default="data", metavar="DIR", help="of the server (%(default)s)")
    backup.add_argument("--store", default="ocs.db", metavar="FILE", help="store.path (%(default)s)")
    backup.add_argument("--to", required=True, metavar="FILE", help="written whole or not at all")
    backup.add_argument("--json", action="store_true", help="print what was copied as JSON")
    version = _command(commands, "version", "version", "Print the version.", "version")
    version.add_argument("--json", action="store_true", help="print it as JSON")


def cgrates(commands: Commands) -> None:
    """Add `cgrates`, with the flags of the incumbent's engine; those it does not know change nothing."""
    example = "cgrates -config_path /etc/cgrates -data_dir /var/lib/ocs"
    engine = _command(commands, "cgrates", "cgrates", "Run in the place of a CGRateS engine.", example)
    engine.add_argument(
        "-config_path", default="/etc/cgrates", metavar="DIR", help="its configuration folder (%(default)s)"
    )
    engine.add_argument(
        "-data_dir", default="", metavar="DIR", help="where accounts and sessions are kept (default: nowhere)"
    )
    engine.add_argument(
        "-logger",
        default="",
        metavar="NAME",
        help="*stdout logs to standard output (default: standard error)",
    )
    engine.add_argument(
        "-unencrypted_network_access",
        action="store_true",
        help="let other machines call without TLS, and without a key as long as there is none",
    )
    engine.add_argument(
        "-check_config", action="store_true", help="show what is wrong or has no effect, and end"
    )


def account(commands: Commands) -> None:
    """Add `account show|topup|history|verify|plans|transfer`."""
    group = _group(commands, "account", "Look at accounts and their money.")
    show = _remote(group, "account", "show", "Show an account and its balances.", " 15550100001")
    topup = _remote(group, "account", "topup", "Add money to a balance.", " 15550100001 10.00")
    history = _remote(
        group, "account", "history", "List the entries of an account, or of all.", " 15550100001 --limit 20"
    )
    verify = _remote(group, "account", "verify", "Compare balances with the sum of entries.", " --all")
    for parser in (show, topup):
        parser.add_argument("account", help="account id, MSISDN or IMSI")
    history.add_argument("account", nargs="?", help="account id, MSISDN or IMSI; none: every account")
    topup.add_argument("amount", help="decimal amount in the currency of the server, such as 10.00")
    topup.add_argument("--balance", default="main", help="which balance (%(default)s)")
    topup.add_argument("--reference", help="the same reference is booked once (default: a new one)")
    topup.add_argument("--note", default="", help="free text kept with the entry")
    _limited(history)
    which = verify.add_mutually_exclusive_group(required=True)
    which.add_argument("account", nargs="?", help="account id, MSISDN or IMSI")
    which.add_argument("--all", action="store_true", help="every account")
    more_of_account(group)
    plans = _remote(
        group, "account", "plans", "Show the action plans and triggers of an account.", " 15550100001"
    )
    summary = "Move an amount to another account or balance."
    transfer = _remote(group, "account", "transfer", summary, " 15550100001 15550100002 5.00")
    for parser in (plans, transfer):
        parser.add_argument("account", help="account id, MSISDN or IMSI")
    transfer.add_argument("to", help="account id, MSISDN or IMSI")
    transfer.add_argument("amount", help="10.00, 100MB, 5m or 3, as the unit asks")
    transfer.add_argument("--unit", default="money", help="money, octets, time or events (%(default)s)")
    transfer.add_argument("--balance", default="main", help="which one pays (%(default)s)")
    transfer.add_argument("--to-balance", default="main", help="which one gets it (%(default)s)")
    _booking(transfer)


def _booking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reference", help="the same reference is done once (default: a new one)")
    parser.add_argument("--note", default="", help="free text kept with the entries")


def action(commands: Commands) -> None:
    """Add `action ls|run`, `plan assign|unassign`, `trigger assign|unassign|reset`."""
    group = _group(commands, "action", "What accounts do by themselves, and doing it now.")
    _remote(group, "action", "ls", "List the actions, plans and triggers of the active tariff.", "")
    run = _remote(group, "action", "run", "Do a set of actions on an account now.", " 15550100001 welcome")
    run.add_argument("account", help="account id, MSISDN or IMSI")
    run.add_argument("actions", help="name of the set in the tariff")
    _booking(run)
    plans = _group(commands, "plan", "Give accounts action plans.")
    triggers = _group(commands, "trigger", "Let triggers watch accounts.")
    for parser in (
        _remote(plans, "plan", "assign", "Give an account an action plan.", " 15550100001 monthly"),
        _remote(plans, "plan", "unassign", "Take an action plan from an account.", " 15550100001 monthly"),
        _remote(triggers, "trigger", "assign", "Let a group watch an account.", " 15550100001 safety"),
        _remote(triggers, "trigger", "unassign", "Take a group from an account.", " 15550100001 safety"),
        _remote(triggers, "trigger", "reset", "Let a group run again.", " 15550100001 safety"),
    ):
        parser.add_argument("account", help="account id, MSISDN or IMSI")
        parser.add_argument("name", help="as the tariff has it")


def session(commands: Commands) -> None:
    """Add `session ls|show`."""
    group = _group(commands, "session", "Look at sessions.")
    listed = _remote(group, "session", "ls", "List open sessions.", " --account 15550100001")
    listed.add_argument("--account", help="only sessions of this account")
    _limited(listed)
    show = _remote(group, "session", "show", "Show one session.", " 'pgw.example.org;1;2'")
    show.add_argument("session", help="Session-Id")
    more_of_session(group)


def cdr(commands: Commands) -> None:
    """Add `cdr ls`, `cdr rate` and more."""
    group = _group(commands, "cdr", "Look at charging records.")
    listed = _remote(group, "cdr", "ls", "List charging records.", " --account 15550100001")
    listed.add_argument("--account", help="only records of this account")
    listed.add_argument("--session", help="only records of this session")
    _limited(listed)
    more_of_cdr(group)
    summary = "Say what somebody else's records cost by a tariff; a run that was ended goes on."
    example = "cdr rate records.csv --tariff tariffs.yaml --plan standard --out rated.csv"
    rate = _command(group, "rate", "cdr rate", summary, example)
    rate.add_argument("file", help="CSV with the columns called, usage and at, or a URL of one")
    rate.add_argument("--tariff", required=True, metavar="FILE|DIR", help="a tariff file or a CGRateS folder")
    rate.add_argument(
        "--out", required=True, metavar="FILE", help="the records with result, cost and currency"
    )
    rate.add_argument("--plan", default="", help="of rows without a column plan")
    rate.add_argument("--service", choices=SERVICES, default="voice", help="(%(default)s)")
    rate.add_argument(
        "--column", action="append", default=[], type=_pair, metavar="NAME=TITLE", help="called=dst"
    )
    rate.add_argument("--separator", default=",", help="(%(default)s)")
    rate.add_argument("--currency", default="EUR", help="of a CGRateS folder (%(default)s)")
    rate.add_argument("--time-zone", default="UTC", help="of its timings (%(default)s)")


def peer(commands: Commands) -> None:
    """Add `peer ls`."""
    group = _group(commands, "peer", "Look at Diameter peers.")
    _remote(group, "peer", "ls", "List peers, those that were refused too.", "")


def tariff(commands: Commands) -> None:
    """Add `tariff lint|import|ls|diff|activate|rollback`."""
    group = _group(commands, "tariff", "Check tariffs, keep versions of them, and change between them.")
    lint = _tariff(group, "lint", "Show every problem of a tariff file or folder.", " tariffs.yaml")
    imported = _tariff(
        group, "import", "Keep a tariff file or folder as a new version.", " folder --note 'May'"
    )
    for parser in (lint, imported):
        parser.add_argument("path", metavar="FILE|DIR", help="a YAML file or a CGRateS tariff folder")
        _folder(parser)
    imported.add_argument("--dry-run", action="store_true", help="show what would change and keep nothing")
    imported.add_argument("--note", default="", help="free text kept with the version")
    listed = _tariff(group, "ls", "List the versions.", "")
    diff = _tariff(group, "diff", "Show what changes between two tariffs.", " 1 2")
    for name in ("before", "after"):
        help_text = "a version, `active`, or a YAML file or folder"
        diff.add_argument(name, metavar=name.upper(), help=help_text)
    _folder(diff)
    activate = _tariff(group, "activate", "Charge by a version from now on, also on a running server.", " 2")
    activate.add_argument("version", type=_number, help="its number; 0 is the tariff that ocs.yaml names")
    rollback = _tariff(group, "rollback", "Charge by the version before the active one again.", "")
    for parser in (imported, listed, diff, activate, rollback):
        parser.add_argument("--data-dir", default="data", metavar="DIR", help="of the server (%(default)s)")
    for parser in (lint, imported, listed, diff, activate, rollback):
        parser.add_argument("--json", action="store_true", help="print JSON")
    for parser in (activate, rollback):
        help_text = "of a running server (%(default)s)"
        parser.add_argument("--server", default=DEFAULT_SERVER, metavar="HOST:PORT", help=help_text)
        help_text = "on a running server: have the clients of open sessions ask again, at the new prices"
        parser.add_argument("--reauthorize", action="store_true", help=help_text)


def _tariff(commands: Commands, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    return _command(commands, name, f"tariff {name}", summary, f"tariff {name}{example}")


def _folder(parser: argparse.ArgumentParser) -> None:
    """What a CGRateS folder does not say."""
    parser.add_argument("--currency", default="EUR", help="of a CGRateS folder (%(default)s)")
    parser.add_argument("--time-zone", default="UTC", help="of its timings (%(default)s)")
    help_text = "services a category of it stands for; may be repeated"
    parser.add_argument("--category", action="append", default=[], metavar="NAME=SERVICE,..", help=help_text)


def route(commands: Commands) -> None:
    """Add `route`."""
    summary = "Show which carrier an event takes, and why the others come later or not at all."
    example = "route --account 1001 --destination 4915112345 --usage 2m"
    parser = _command(commands, "route", "route", summary, example)
    parser.add_argument("--account", required=True)
    parser.add_argument("--destination", required=True, help="called number")
    parser.add_argument("--usage", default="1m", metavar="DURATION", help="(%(default)s)")
    parser.add_argument("--category", default="call", help="(%(default)s)")
    parser.add_argument("--tenant", default="", help="(default: that of the server)")
    parser.add_argument("--at", default="*now", metavar="TIME", help="2026-12-24T18:00:00Z (default: now)")
    parser.add_argument(
        "--event", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="another member"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--folder", metavar="DIR", help="by the files of a tariff folder, without a server")
    source.add_argument("--server", default=DEFAULT_SERVER, metavar="HOST:PORT", help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the decision as JSON")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return name, value


def rating(commands: Commands) -> None:
    """Add `rate` and `explain`."""
    example = "rate --plan standard --service voice --called 4915112345 --usage 95s"
    rate = _command(commands, "rate", "rate", "Show what a usage would cost, and why.", example)
    payer = rate.add_mutually_exclusive_group(required=True)
    payer.add_argument("--plan", help="whose prices")
    payer.add_argument("--account", help="the plan of this account")
    rate.add_argument("--service", choices=SERVICES, default="voice", help="(%(default)s)")
    rate.add_argument("--usage", required=True, metavar="AMOUNT", help="95s, 100MB or 1")
    rate.add_argument(
        "--used-before", default="0", metavar="AMOUNT", help="of the same session (%(default)s)"
    )
    rate.add_argument("--called", default="", help="called number")
    rate.add_argument("--at", metavar="TIME", help="2026-12-24T18:00:00+01:00 (default: now)")
    rate.add_argument("--rating-group", type=_number)
    rate.add_argument("--service-identifier", type=_number)
    for name in ("apn", "plmn", "category", "rat"):
        rate.add_argument(f"--{name}", default="")
    rate.add_argument("--tariff", metavar="FILE|DIR", help="instead of the tariff of the running server")
    rate.add_argument("--currency", default="EUR", help="of a CGRateS folder (%(default)s)")
    rate.add_argument("--time-zone", default="UTC", help="of its timings (%(default)s)")
    summary = "Show why a session cost what it did."
    explain = _command(commands, "explain", "explain", summary, "explain --account 15550100001 --last")
    explain.add_argument("session", nargs="?", help="Session-Id")
    explain.add_argument("--account", help="account id, MSISDN or IMSI")
    explain.add_argument(
        "--last", action="store_true", help="the last session of the account that cost anything"
    )
    explain.add_argument("--client", help="whose session, where two clients use one id")
    for parser in (rate, explain):
        help_text = "the running server (%(default)s)"
        parser.add_argument("--server", default=DEFAULT_SERVER, metavar="HOST:PORT", help=help_text)
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def key(commands: Commands) -> None:
    """Add `key create|ls|revoke` and `audit`."""
    group = _group(
        commands, "key", "Keys of programs that call from other machines, or may not do everything."
    )
    summary = "Make a key and print it, this once."
    create = _command(group, "create", "key create", summary, "key create portal --role read --role charge")
    create.add_argument("name", help="whose it is; the record of calls has it")
    create.add_argument("--role", action="append", choices=ROLES, required=True, help="may be repeated")
    listed = _command(group, "ls", "key ls", "List the keys, without their secrets.", "key ls")
    revoke = _command(
        group, "revoke", "key revoke", "Make a key useless, at once.", "key revoke 1f2e3d4c5b6a"
    )
    revoke.add_argument("id", help="of `ocs key ls`")
    summary = "Show the last administrative calls, and whether the record is whole."
    audit = _command(commands, "audit", "audit", summary, "audit --limit 20")
    _limited(audit)
    for parser in (create, listed, revoke, audit):
        parser.add_argument("--data-dir", default="data", metavar="DIR", help="of the server (%(default)s)")
        parser.add_argument("--json", action="store_true", help="print JSON")
    for parser in (create, listed, revoke):
        parser.add_argument("--keys", default="keys.jsonl", metavar="FILE", help="rpc.keys (%(default)s)")
    audit.add_argument("--audit", default="audit.jsonl", metavar="FILE", help="rpc.audit (%(default)s)")


def client(commands: Commands) -> None:
    """Add `client ccr` and `client traffic`."""
    group = _group(commands, "client", "Talk Diameter to a server, as a client would.")
    example = "client ccr --kind initial --subscriber 15550100001 --rating-group 10 --request 100MB"
    ccr = _command(
        group, "ccr", "client ccr", "Send one credit-control request and print the answer.", example
    )
    _where(ccr, "client.localdomain")
    _what(ccr)
    summary = "Let many subscribers open sessions, use and end them, so that there is something to look at."
    traffic = _command(group, "traffic", "client traffic", summary, "client traffic --rate 20 --duration 5m")
    _where(traffic, "traffic.localdomain")
    traffic.add_argument("--rate", type=_count, default=5, help="sessions begun a second (%(default)s)")
    traffic.add_argument("--duration", default="1m", help="how long they are begun (%(default)s)")
    traffic.add_argument("--pause", default="2s", help="between the reports of a session (%(default)s)")
    traffic.add_argument(
        "--first", default="15550100000", metavar="MSISDN", help="first subscriber (%(default)s, of the demo)"
    )
    traffic.add_argument(
        "--subscribers", type=_count, default=1000, help="how many; the last tenth is busiest (%(default)s)"
    )
    traffic.add_argument(
        "--seed", type=_number, default=1, help="the same seed, the same sessions (%(default)s)"
    )


def _where(ccr: argparse.ArgumentParser, own_name: str) -> None:
    """Who asks whom; a server takes one connection of a name, so commands that run side by side have two."""
    ccr.add_argument(
        "--server", default="127.0.0.1:3868", metavar="HOST:PORT", help="Diameter peer (%(default)s)"
    )
    ccr.add_argument("--origin-host", default=own_name, help="own name (%(default)s)")
    ccr.add_argument("--origin-realm", default="localdomain", help="own realm (%(default)s)")
    ccr.add_argument("--destination-realm", help="realm of the server (default: own realm)")
    ccr.add_argument("--destination-host", help="name of the server")
    ccr.add_argument("--timeout", type=_count, default=10, help="seconds to wait for an answer (%(default)s)")
    ccr.add_argument("--json", action="store_true", help="print what came back as JSON")


def _what(ccr: argparse.ArgumentParser) -> None:
    ccr.add_argument("--kind", choices=REQUEST_KINDS, default="initial", help="request type (%(default)s)")
    ccr.add_argument("--action", choices=ACTIONS, default="debit", help="of an event (%(default)s)")
    ccr.add_argument("--service", choices=SERVICES, default="data", help="chooses the context (%(default)s)")
    ccr.add_argument("--service-context", help="Service-Context-Id, instead of --service")
    ccr.add_argument("--session", help="Session-Id (default: a new one, printed)")
    ccr.add_argument("--number", type=_number, default=0, help="CC-Request-Number (%(default)s)")
    ccr.add_argument("--subscriber", metavar="MSISDN", help="Subscription-Id of type E.164")
    ccr.add_argument("--imsi", help="Subscription-Id of type IMSI")
    ccr.add_argument("--rating-group", type=_number, action="append", help="may be repeated")
    ccr.add_argument("--service-identifier", type=_number, help="Service-Identifier")
    ccr.add_argument(
        "--request", metavar="AMOUNT", help="units wanted: 100MB, 60s or 1 (default: server chooses)"
    )
    ccr.add_argument("--used", metavar="AMOUNT", help="units used since the last report: 100MB, 60s or 1")
    ccr.add_argument("--called", help="called number")
    ccr.add_argument("--apn", help="Called-Station-Id")
    ccr.add_argument("--retransmit", action="store_true", help="set the T flag")


def migrate(commands: Commands) -> None:
    """Add `migrate cgrates`."""
    group = _group(commands, "migrate", "Move over from another server.")
    summary = "Write an ocs.yaml and tariff files from a CGRateS configuration; say what is not carried over."
    example = "migrate cgrates /etc/cgrates --tariff /srv/tariff --out moved"
    cgrates = _command(group, "cgrates", "migrate cgrates", summary, example)
    cgrates.add_argument("folder", metavar="DIR", help="configuration folder of CGRateS")
    cgrates.add_argument("--tariff", metavar="DIR", help="folder with its tariff files")
    cgrates.add_argument("--out", default=".", metavar="DIR", help="where to write (%(default)s)")
    cgrates.add_argument("--currency", default="EUR", help="of the tariff's prices (%(default)s)")
    cgrates.add_argument(
        "--rounding", choices=("exact", "cgrates"), default="exact", help="whose figures (%(default)s)"
    )
    cgrates.add_argument("--force", action="store_true", help="write over an ocs.yaml that is there")
    cgrates.add_argument("--json", action="store_true", help="print what was done as JSON")


RECORDS = (account, balance, action, session, cdr)
GROUPS = (server, cgrates, *RECORDS, peer, tariff, rating, route, call, key, client, migrate, completion)
