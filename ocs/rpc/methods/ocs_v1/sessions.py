"""`OcsV1.Session...` and `OcsV1.CdrList`: what runs now, and what has ended."""

from collections.abc import AsyncIterator
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from ocs.charging.account import Account, Session
from ocs.charging.control import Ask, ControlResult, SessionAddress, Wish
from ocs.charging.entry import Cdr
from ocs.charging.service import CAUSE_UNKNOWN
from ocs.charging.store import Query, Table
from ocs.charging.supervision import SessionRef
from ocs.rpc.context import Context
from ocs.rpc.methods.ocs_v1.names import account_of, accounts, session_of
from ocs.rpc.methods.ocs_v1.pages import Limit, Text, cursor, cursor_text
from ocs.rpc.methods.ocs_v1.views import (
    CdrView,
    SessionDetail,
    SessionView,
    cdr_view,
    session_detail,
    session_view,
)
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Params

SCANNED_ACCOUNTS = 2_000  # by one search
SCANNED_CDRS = 10_000
PAGE = 500
BEFORE = "\n"  # in a cursor: between the account and its last session shown
CAUSE_OPERATOR = "operator"


class SessionPage(Params, frozen=True, kw_only=True):
    """Open sessions in the order of their accounts: of one account, or those that contain `search`."""

    account: Text | None = None
    search: Text = ""
    after: Text = ""
    limit: Limit = 50


class SessionRows(msgspec.Struct, frozen=True):
    """A page of sessions. `total` are all open ones; with `next_after` there may be more that fit."""

    sessions: list[SessionView]
    total: int
    next_after: str | UnsetType = UNSET


class SessionName(Params, frozen=True, kw_only=True):
    """Which session: its id, and its client where two use the same id."""

    session: Text
    client: Text | None = None
    aliases: ClassVar = {"sessionid": "session", "id": "session"}


class SessionEnd(SessionName, frozen=True, kw_only=True):
    """`force` closes the session here too where its client does not; what is held is given back."""

    cause: Text = CAUSE_OPERATOR
    force: bool = False


class SessionAsk(SessionName, frozen=True, kw_only=True):
    """`rating_group`, `service_identifier`, `pool`: only that one."""

    rating_group: int | None = None
    service_identifier: int | None = None
    pool: int | None = None


class Asked(msgspec.Struct, frozen=True):
    """What the client said, and whether the session was closed here."""

    session: str
    client: str
    answer: str
    closed: bool


class CdrPage(Params, frozen=True, kw_only=True):
    """Charging records, the newest first: of one account, of one session, or all."""

    account: Text | None = None
    session: Text | None = None
    after: Text = ""
    limit: Limit = 50
    aliases: ClassVar = {"subscriber": "account", "sessionid": "session"}


class CdrRows(msgspec.Struct, frozen=True):
    """A page of charging records; with `next_after` there may be more that fit."""

    cdrs: list[CdrView]
    next_after: str | UnsetType = UNSET


async def list_(context: Context, params: SessionPage) -> SessionRows:
    """List open sessions page by page; the search looks at ids, numbers and access points."""
    service, total = context.service, len(context.service.supervision)
    if params.account is not None:
        account = await account_of(service, params.account)
        rows = _matching(account, params.search, params.after)
        more = rows[params.limit - 1].session if len(rows) > params.limit else None
        return SessionRows(rows[: params.limit], total, cursor_text(more))
    rows, scanned = [], 0
    async for account in _from(context, params.after):
        last = params.after.partition(BEFORE)[2] if params.after.startswith(account.key + BEFORE) else ""
        for row in _matching(account, params.search, last):
            if len(rows) == params.limit:
                return SessionRows(rows, total, rows[-1].account + BEFORE + rows[-1].session)
            rows.append(row)
        scanned += 1
        if params.search and scanned == SCANNED_ACCOUNTS:
            return SessionRows(rows, total, account.key + BEFORE + "\U0010ffff")
    return SessionRows(rows, total)


async def show(context: Context, params: SessionName) -> SessionDetail:
    """Show an open session with its rating groups."""
    account, session = await session_of(context.service, params.session, params.client)
    return session_detail(account, session)


async def disconnect(context: Context, params: SessionEnd) -> Asked:
    """Ask the client of a session to end it."""
    service = context.service
    account, session = await session_of(service, params.session, params.client)
    best = await service.ask(Ask(Wish.DISCONNECT, _address(session), params.cause))
    closed = False
    if params.force and best not in (ControlResult.ACCEPTED, ControlResult.UNDER_WAY):
        ref = SessionRef(session.key, account.key, context.monotonic_ns())
        closed = await context.lasting(session.key, service.close_session(ref, params.cause))
    return Asked(session.session_id, session.client, best.name, closed)


async def reauthorize(context: Context, params: SessionAsk) -> Asked:
    """Ask the client of a session to report and to ask for quota again.

    A session that its client does not know any more is closed.
    """
    account, session = await session_of(context.service, params.session, params.client)
    part = params.rating_group, params.service_identifier, params.pool
    address = _address(session, *part)
    best = await context.service.ask(Ask(Wish.REAUTHORIZE, address))
    closed = False
    if best is ControlResult.UNKNOWN_SESSION:
        ref = SessionRef(session.key, account.key, context.monotonic_ns())
        closed = await context.lasting(session.key, context.service.close_session(ref, CAUSE_UNKNOWN))
    return Asked(session.session_id, session.client, best.name, closed)


async def cdrs(context: Context, params: CdrPage) -> CdrRows:
    """List charging records, the newest first."""
    service = context.service
    account_key = None if params.account is None else (await account_of(service, params.account)).key
    if params.session is None:
        query = Query(Table.CDRS, account_key, cursor(params.after), params.limit)
        page = await service.store.read(query)
        found = [cdr_view(row) for row in page.rows if isinstance(row, Cdr)]
        return CdrRows(found, cursor_text(page.next_after))
    found, after = [], cursor(params.after)
    for _ in range(SCANNED_CDRS // PAGE):
        page = await service.store.read(Query(Table.CDRS, account_key, after, PAGE))
        fitting = [row for row in page.rows if isinstance(row, Cdr) and row.session_id == params.session]
        found += [cdr_view(row) for row in fitting]
        if page.next_after is None or len(found) >= params.limit:
            return CdrRows(found, cursor_text(page.next_after))
        after = int(page.next_after)
    return CdrRows(found, cursor_text(after))


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.SessionList", Role.READ)(list_)
    registry.method("OcsV1.SessionShow", Role.READ)(show)
    registry.method("OcsV1.SessionDisconnect", Role.ADMINISTER)(disconnect)
    registry.method("OcsV1.SessionReauthorize", Role.ADMINISTER)(reauthorize)
    registry.method("OcsV1.CdrList", Role.READ)(cdrs)


def _address(session: Session, *part: int | None) -> SessionAddress:
    return SessionAddress(session.client, session.session_id, session.origin, session.service, *part)


async def _from(context: Context, after: str) -> AsyncIterator[Account]:
    """The account of a cursor, where it still has sessions to show, and those behind it."""
    key = after.partition(BEFORE)[0]
    first = await context.service.account(key) if key else None
    if first is not None:
        yield first
    async for account in accounts(context.service, Table.SESSIONS, key):
        yield account


def _matching(account: Account, search: str, after: str) -> list[SessionView]:
    """The sessions of an account that contain a text, in the order of their ids, from behind one."""
    sessions = sorted(account.sessions, key=lambda session: (session.session_id, session.client))
    wanted = search.casefold()
    is_all = not wanted or wanted in account.key.casefold() or _is_named(account, wanted)
    return [
        session_view(account, session)
        for session in sessions
        if session.session_id > after and (is_all or wanted in _searched(session))
    ]


def _is_named(account: Account, wanted: str) -> bool:
    return any(wanted in identity.value.casefold() for identity in account.identities)


def _searched(session: Session) -> str:
    context = session.context
    return "\n".join((session.session_id, session.client, context.called, context.apn)).casefold()
