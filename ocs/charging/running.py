"""The sessions a client has open as the store knows them, for an agent that starts and has forgotten them."""

from ocs.charging.account import Account, Session
from ocs.charging.control import RunningSession
from ocs.charging.events import Unit
from ocs.charging.store import Query, Store, Table

PAGE = 500


async def running_sessions(store: Store, client: str) -> tuple[RunningSession, ...]:
    """Every open session of a client; raises StoreError."""
    found: list[RunningSession] = []
    after: str | int | None = ""
    while after is not None:
        page = await store.read(Query(Table.SESSIONS, after=after, limit=PAGE))
        for account in page.rows:
            if isinstance(account, Account):
                found += [_running(session) for session in account.sessions if session.client == client]
        after = page.next_after
    return tuple(found)


def _running(session: Session) -> RunningSession:
    used_ns = sum(quota.used for quota in session.quotas if quota.unit is Unit.TIME)
    last_update = session.seen[-1][1] if session.seen else 0
    return RunningSession(session.session_id, session.service, used_ns, last_update, session.context.extra)
