"""`OcsV1.Explain`: why a session cost what it did, from what was written down with the money."""

from collections.abc import Callable
from typing import ClassVar

from ocs.charging.account import Account, Session, session_key
from ocs.charging.entry import Cdr, Posting, UsageTotal
from ocs.charging.explain import Explained, Facts, adds, explain, facts_of, is_called, used_at_ns
from ocs.charging.service import member_keys
from ocs.charging.store import Query, Table
from ocs.charging.tariff.catalogue import Catalogue
from ocs.rpc.context import Context
from ocs.rpc.errors import InvalidParams, NotFound
from ocs.rpc.methods.ocs_v1.names import account_of, session_of
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Params
from ocs.tariff_versions import CONFIGURED

PAGE = 500
SCANNED_ROWS = 50_000  # of postings and of records, from the newest back


class ExplainParams(Params, frozen=True, kw_only=True):
    """Which session: its id, or the last one of an account that changed a balance. `client` where ids clash."""

    session: Text | None = None
    client: Text | None = None
    account: Text | None = None
    aliases: ClassVar = {"subscriber": "account", "sessionid": "session"}


async def explain_(context: Context, params: ExplainParams) -> Explained:
    """Explain a session: every entry with its rule, prefix, window, increments and balances."""
    account = None if params.account is None else await account_of(context.service, params.account)
    if params.session is not None:
        facts = await _by_name(context, params.session, params.client, account)
    elif account is not None:
        facts = await _last(context, account)
    else:
        raise InvalidParams("session: is missing; or name the account")
    postings = await _postings(context, facts)
    moments = [used_at_ns(facts), *(posting.at_ns for posting in postings)]
    catalogues = await _catalogues(context, moments)
    return explain(facts, postings, lambda at_ns: catalogues.get(at_ns, []))


def register(registry: Registry) -> None:
    """Put the method of this module into a registry."""
    registry.method("OcsV1.Explain", Role.READ)(explain_)


async def _by_name(context: Context, name: str, client: str | None, account: Account | None) -> Facts:
    try:
        owner, session = await session_of(context.service, name, client)
    except NotFound:
        cdrs = await _cdrs(
            context,
            None if account is None else account.key,
            lambda cdr: client in (None, cdr.client) and is_called(cdr, name),
        )
        facts = await _closed(context, cdrs)
        if facts is None:
            raise NotFound(f"no session {name[:200]}") from None
        return facts
    return _open(owner, session)


async def _last(context: Context, account: Account) -> Facts:
    """The session of the newest posting that no operator made."""
    rows = await context.service.store.read(Query(Table.POSTINGS, account.key, None, PAGE))
    key = next(
        (row.session_key for row in rows.rows if isinstance(row, Posting) and row.kind is not None), None
    )
    if key is None:
        raise NotFound(f"no session of account {account.key[:80]} has changed a balance")
    for session in account.sessions:
        if session.key == key:
            return _open(account, session)
    cdrs = await _cdrs(context, account.key, lambda cdr: session_key(cdr.client, cdr.session_id) == key)
    facts = await _closed(context, cdrs)
    if facts is None:
        raise NotFound(f"no charging record of session {key[:200]}")
    return facts


def _open(account: Account, session: Session) -> Facts:
    return Facts(
        account.key,
        session.client,
        session.session_id,
        session.service,
        session.plan,
        session.context,
        session.opened_at_ns,
        cost_nanos=session.cost_nanos,
        usage=tuple(
            UsageTotal(
                quota.rating_group, quota.service_identifiers, quota.unit, quota.used, quota.cost_nanos
            )
            for quota in session.quotas
        ),
    )


async def _closed(context: Context, cdrs: list[Cdr]) -> Facts | None:
    """A closed session from its records; its plan is taken to be the one its account has."""
    if not cdrs:
        return None
    account = await context.service.account(cdrs[0].account)
    return facts_of(cdrs, "" if account is None else account.plan)


async def _cdrs(context: Context, account_key: str | None, is_wanted: Callable[[Cdr], bool]) -> list[Cdr]:
    """The records of the newest session that is wanted, the oldest first.

    What was charged anew later is told by records of its own: the search goes on until the one that it ended with.
    """
    found: list[Cdr] = []
    after: str | int | None = None
    for _ in range(SCANNED_ROWS // PAGE):
        page = await context.service.store.read(Query(Table.CDRS, account_key, after, PAGE))
        for row in page.rows:
            if isinstance(row, Cdr) and (_is_same(row, found[0]) if found else is_wanted(row)):
                account_key = row.account
                found.append(row)
        after = page.next_after
        if after is None or not all(map(adds, found)):
            break
    return found[::-1]


def _is_same(cdr: Cdr, other: Cdr) -> bool:
    return (cdr.client, cdr.session_id, cdr.account) == (other.client, other.session_id, other.account)


async def _postings(context: Context, facts: Facts) -> list[Posting]:
    """The postings of a session, the oldest first, with those of members of a group that paid for it."""
    account = await context.service.account(facts.account)
    others = () if account is None else member_keys(account)
    found = await _postings_of(context, facts, facts.account)
    for key in others:
        found += await _postings_of(context, facts, key)
    return sorted(found, key=lambda posting: posting.at_ns) if others else found


async def _postings_of(context: Context, facts: Facts, account_key: str) -> list[Posting]:
    key = session_key(facts.client, facts.session)
    found: list[Posting] = []
    after: str | int | None = None
    for _ in range(SCANNED_ROWS // PAGE):
        page = await context.service.store.read(Query(Table.POSTINGS, account_key, after, PAGE))
        rows = [row for row in page.rows if isinstance(row, Posting)]
        found += [row for row in rows if row.session_key == key]
        after = page.next_after
        if after is None or not rows or rows[-1].at_ns < facts.opened_at_ns:
            break
    return found[::-1]


async def _catalogues(context: Context, moments: list[int]) -> dict[int, list[tuple[int, Catalogue]]]:
    """By moment: the tariffs that may have priced something then."""
    current, tariffs = context.service.catalogue, context.tariffs
    if tariffs is None:
        return {at_ns: [(CONFIGURED, current)] for at_ns in moments}
    found: dict[int, list[tuple[int, Catalogue]]] = {}
    for at_ns in moments:
        catalogues: list[tuple[int, Catalogue]] = []
        for number in tariffs.versions.around(at_ns):
            catalogue = await tariffs.look_up(number, current)
            if catalogue is not None:
                catalogues.append((number, catalogue))
        found[at_ns] = catalogues
    return found
