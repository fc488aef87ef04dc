"""From the names people and programs give to accounts and sessions to the records."""

import asyncio
from collections.abc import AsyncIterator

from ocs.charging.account import Account, Session, session_key
from ocs.charging.entry import Cdr
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.explain import is_called
from ocs.charging.service import ChargingService
from ocs.charging.store import Query, Table
from ocs.rpc.errors import InvalidParams, NotFound
from ocs.rpc.methods.ocs_v1.views import PREFIXES

LONGEST_NAME = 1_024
TENANT = "default"
PAGE = 200
SCANNED_RECORDS = 50_000  # of an account, from the newest back
KINDS = {name: IdentityKind(kind) for kind, name in PREFIXES.items()} | {
    "e164": IdentityKind.E164,
    "tel": IdentityKind.E164,
    "sip": IdentityKind.SIP_URI,
}


def identity_of(text: str) -> Identity:
    """An identity said as `kind:value`; a value alone is a number."""
    prefix, colon, value = text.partition(":")
    kind = KINDS.get(prefix.casefold()) if colon else IdentityKind.E164
    if kind is None:
        known = ", ".join(PREFIXES.values())
        raise InvalidParams(f'identities: "{text[:80]}" does not begin with one of {known}')
    if kind is IdentityKind.SIP_URI and prefix.casefold() == "sip":
        value = text
    value = value if colon else text
    value = _digits(value) if kind is IdentityKind.E164 else value
    if not value or len(value) > LONGEST_NAME:
        raise InvalidParams(f'identities: "{text[:80]}" names nobody')
    return Identity(kind, value)


def _digits(number: str) -> str:
    """An international number without what stands before it."""
    return number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")


def account_key(name: str) -> str:
    """The key of an account: `tenant:name`; a name alone is one of the default tenant."""
    return name if ":" in name else f"{TENANT}:{name}"


async def account_of(service: ChargingService, name: str) -> Account:
    """The account of a key, a number (MSISDN, IMSI) or another identity; NotFound where nobody has it."""
    if name and len(name) <= LONGEST_NAME:
        for key in dict.fromkeys((account_key(name), name)):
            account = await service.account(key)
            if account is not None:
                return account
        for identity in _possible(name):
            account = await service.find(identity)
            if account is not None:
                return account
    raise NotFound(f"no account {name[:80]}")


def _possible(name: str) -> list[Identity]:
    prefix, colon, value = name.partition(":")
    kind = KINDS.get(prefix.casefold()) if colon else None
    said = [] if kind is None else [Identity(kind, _digits(value) if kind is IdentityKind.E164 else value)]
    return [
        *said,
        Identity(IdentityKind.E164, _digits(name)),
        *(Identity(each, name) for each in IdentityKind),
    ]


async def session_of(service: ChargingService, name: str, client: str | None) -> tuple[Account, Session]:
    """The open session of an id; without its client the one of any client; NotFound where there is none."""
    if client is not None:
        owner = await _account_key_of(service, session_key(client, name))
        found = None if owner is None else await _session_in(service, owner, name, client)
    else:
        found = await _guessed(service, name) or await _searched(service, name)
    if found is None:
        raise NotFound(f"no open session {name[:200]}")
    return found


async def ended_session_of(
    service: ChargingService, account_key: str, name: str, client: str | None
) -> tuple[str, str]:
    """Client and id of a session that an account has a record of; InvalidParams where it could be of several.

    In the session API a session is also called by its OriginID or its CGRID.
    """
    found: dict[tuple[str, str], None] = {}
    after: str | int | None = None
    for _ in range(SCANNED_RECORDS // PAGE):
        page = await service.store.read(Query(Table.CDRS, account_key, after, PAGE))
        for row in page.rows:
            if isinstance(row, Cdr) and client in (None, row.client) and is_called(row, name):
                found[row.client, row.session_id] = None
        after = page.next_after
        if after is None:
            break
    if len(found) > 1:
        clients = ", ".join(sorted({client for client, _ in found}))
        raise InvalidParams(f"client: sessions of {clients[:400]} are called {name[:80]}: say whose")
    if not found:
        raise NotFound(f"account {account_key[:80]} has no record of session {name[:80]}")
    return next(iter(found))


async def _account_key_of(service: ChargingService, key: str) -> str | None:
    ref = service.supervision.get(key)
    return ref.account_key if ref is not None else await service.store.find(key)


async def _session_in(
    service: ChargingService, owner: str, name: str, client: str | None
) -> tuple[Account, Session] | None:
    account = await service.account(owner)
    for session in account.sessions if account is not None else ():
        if account is not None and session.session_id == name and client in (None, session.client):
            return account, session
    return None


async def _guessed(service: ChargingService, name: str) -> tuple[Account, Session] | None:
    """A Diameter Session-Id begins with the name of its client (RFC 6733 8.8); a key has it before a bar."""
    for client, session_id in (
        (name.partition(";")[0], name),
        (name.partition("|")[0], name.partition("|")[2]),
        ("jsonrpc", name),
    ):
        owner = await _account_key_of(service, session_key(client, session_id))
        if owner is not None:
            found = await _session_in(service, owner, session_id, client)
            if found is not None:
                return found
    return None


async def _searched(service: ChargingService, name: str) -> tuple[Account, Session] | None:
    async for account in accounts(service, Table.SESSIONS):
        for session in account.sessions:
            if session.session_id == name:
                return await _session_in(service, account.key, name, session.client)
    return None


async def accounts(service: ChargingService, table: Table, after: str = "") -> AsyncIterator[Account]:
    """Every account of a table in the order of keys, as last committed; other work gets its turn between pages."""
    cursor: str | int | None = after
    while cursor is not None:
        page = await service.store.read(Query(table, after=cursor, limit=PAGE))
        for row in page.rows:
            if isinstance(row, Account):
                yield row
        cursor = page.next_after
        await asyncio.sleep(0)
