"""What results look like, and how the records of charging become it."""

import msgspec
from msgspec import UNSET, UnsetType

from ocs.charging.account import Account, Balance, Quota, Session, available, money_available_nanos
from ocs.charging.entry import Cdr, Entry, Posting, UsageTotal
from ocs.charging.events import Identity, Unit
from ocs.rpc.methods.ocs_v1.terms import TermsView, terms_view

PREFIXES = {0: "msisdn", 1: "imsi", 2: "sip_uri", 3: "nai", 4: "private"}  # by IdentityKind


class Quantity(msgspec.Struct, frozen=True, omit_defaults=True):
    """An amount of one unit; exactly one member is there."""

    nanos: int | UnsetType = UNSET
    octets: int | UnsetType = UNSET
    ns: int | UnsetType = UNSET
    events: int | UnsetType = UNSET
    points_nanos: int | UnsetType = UNSET


def quantity(unit: Unit, amount: int) -> Quantity:
    """An amount with its unit."""
    match unit:
        case Unit.MONEY:
            return Quantity(nanos=amount)
        case Unit.OCTETS:
            return Quantity(octets=amount)
        case Unit.TIME:
            return Quantity(ns=amount)
        case Unit.EVENTS:
            return Quantity(events=amount)
        case Unit.GENERIC:
            return Quantity(points_nanos=amount)


class BalanceView(msgspec.Struct, frozen=True):
    """A balance: `available` is `posted` less `reserved`."""

    id: str
    posted: Quantity
    reserved: Quantity
    available: Quantity
    priority: int
    expires_at_ns: int | None
    services: tuple[str, ...]
    rating_groups: tuple[int, ...]
    terms: TermsView | UnsetType = UNSET


class HoldView(msgspec.Struct, frozen=True):
    """A part of a balance set aside for one rating group of a session."""

    session: str
    rating_group: int | None
    balance: str
    amount: Quantity


class AccountView(msgspec.Struct, frozen=True):
    """An account as memory has it. Money that is `available` is neither spent nor held nor expired."""

    account: str
    plan: str
    standing: str
    currency: str
    available_nanos: int
    credit_limit_nanos: int | None
    low_balance_nanos: int
    identities: tuple[str, ...]
    open_sessions: int
    balances: tuple[BalanceView, ...]
    holds: tuple[HoldView, ...]


class QuotaView(msgspec.Struct, frozen=True):
    """One rating group of a session: what is granted now, and all that was used."""

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    granted: Quantity
    used: Quantity
    cost_nanos: int
    is_final: bool


class SessionView(msgspec.Struct, frozen=True):
    """An open session; `deadline_at_ns` is when it is closed where its client stays silent."""

    session: str
    client: str
    account: str
    service: str
    plan: str
    opened_at_ns: int
    touched_at_ns: int
    deadline_at_ns: int
    cost_nanos: int
    called: str
    apn: str


class SessionDetail(msgspec.Struct, frozen=True):
    """An open session with its rating groups."""

    session: str
    client: str
    account: str
    service: str
    plan: str
    opened_at_ns: int
    touched_at_ns: int
    deadline_at_ns: int
    cost_nanos: int
    called: str
    apn: str
    origin: str
    calling: str
    plmn: str
    rat: str
    extra: dict[str, str]
    quotas: tuple[QuotaView, ...]


class EntryView(msgspec.Struct, frozen=True):
    """One change of one balance. `used` was priced by `rule`; an operator's act has `by` and `reason`."""

    at_ns: int
    kind: str
    balance: str
    amount: Quantity
    after: Quantity
    rating_group: int | None
    used: Quantity | None
    rule: str
    session: str
    event: int | str
    by: str
    reason: str
    account: str


class UsageView(msgspec.Struct, frozen=True):
    """What one rating group used."""

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    used: Quantity
    cost_nanos: int


class CdrView(msgspec.Struct, frozen=True):
    """A charging record of a closed session or a one-time event."""

    account: str
    client: str
    session: str
    service: str
    opened_at_ns: int
    closed_at_ns: int
    cost_nanos: int
    cause: str
    called: str
    apn: str
    usage: tuple[UsageView, ...]
    extra: dict[str, str]


def account_view(account: Account, currency: str, now_ns: int) -> AccountView:
    """What an operator sees of an account."""
    return AccountView(
        account.key,
        account.plan,
        account.standing.name,
        currency,
        money_available_nanos(account, now_ns),
        account.credit_limit_nanos,
        account.low_balance_nanos,
        tuple([identity_text(identity) for identity in account.identities]),
        len(account.sessions),
        tuple([_balance(balance) for balance in account.balances]),
        tuple(_holds(account)),
    )


def identity_text(identity: Identity) -> str:
    """An identity with its kind: `msisdn:15550100001`."""
    return f"{PREFIXES[identity.kind]}:{identity.value}"


def _balance(balance: Balance) -> BalanceView:
    return BalanceView(
        balance.id,
        quantity(balance.unit, balance.posted),
        quantity(balance.unit, balance.reserved),
        quantity(balance.unit, available(balance)),
        balance.priority,
        balance.expires_at_ns,
        balance.services,
        balance.rating_groups,
        terms_view(balance),
    )


def _holds(account: Account) -> list[HoldView]:
    units = {balance.id: balance.unit for balance in account.balances}
    return [
        HoldView(
            session.session_id,
            quota.rating_group,
            hold.balance_id,
            quantity(units[hold.balance_id], hold.amount),
        )
        for session in account.sessions
        for quota in session.quotas
        for hold in quota.holds
        if hold.balance_id in units and not hold.account
    ]


def session_view(account: Account, session: Session) -> SessionView:
    """A session as one line of a list."""
    return SessionView(
        session.session_id,
        session.client,
        account.key,
        session.service,
        session.plan,
        session.opened_at_ns,
        session.touched_at_ns,
        session.deadline_ns,
        session.cost_nanos,
        session.context.called,
        session.context.apn,
    )


def session_detail(account: Account, session: Session) -> SessionDetail:
    """All there is to see of a session."""
    context = session.context
    return SessionDetail(
        session.session_id,
        session.client,
        account.key,
        session.service,
        session.plan,
        session.opened_at_ns,
        session.touched_at_ns,
        session.deadline_ns,
        session.cost_nanos,
        context.called,
        context.apn,
        session.origin,
        context.calling,
        context.plmn,
        context.rat,
        dict(context.extra),
        tuple([_quota(quota) for quota in session.quotas]),
    )


def _quota(quota: Quota) -> QuotaView:
    return QuotaView(
        quota.rating_group,
        quota.service_identifiers,
        quantity(quota.unit, quota.granted),
        quantity(quota.unit, quota.used),
        quota.cost_nanos,
        quota.is_final,
    )


def entry_views(posting: Posting) -> list[EntryView]:
    """The entries of a posting, each with what it shares with the others; one without entries is a note."""
    return [_entry(posting, entry) for entry in posting.entries] or [_note(posting)]


def _note(posting: Posting) -> EntryView:
    """Something that changed no balance: an account was barred, a run has failed."""
    nothing = quantity(Unit.MONEY, 0)
    return EntryView(
        posting.at_ns,
        "NOTE",
        "",
        nothing,
        nothing,
        None,
        None,
        "",
        posting.session_key,
        posting.event_id,
        posting.by,
        posting.reason,
        posting.account,
    )


def _entry(posting: Posting, entry: Entry) -> EntryView:
    return EntryView(
        posting.at_ns,
        entry.kind.name,
        entry.balance_id,
        quantity(entry.balance_unit, entry.amount),
        quantity(entry.balance_unit, entry.after),
        entry.rating_group,
        None if entry.unit is None else quantity(entry.unit, entry.units),
        entry.rule,
        posting.session_key,
        posting.event_id,
        posting.by,
        posting.reason,
        posting.account,
    )


def cdr_view(cdr: Cdr) -> CdrView:
    """A charging record as one line of a list."""
    return CdrView(
        cdr.account,
        cdr.client,
        cdr.session_id,
        cdr.service,
        cdr.opened_at_ns,
        cdr.closed_at_ns,
        cdr.cost_nanos,
        cdr.cause,
        cdr.context.called,
        cdr.context.apn,
        tuple([_usage(total) for total in cdr.usage]),
        dict(cdr.context.extra),
    )


def _usage(total: UsageTotal) -> UsageView:
    used = quantity(total.unit, total.used)
    return UsageView(total.rating_group, total.service_identifiers, used, total.cost_nanos)
