"""How sessions end without a report of their client: what was held is let go, and remembered is what was. Pure."""

import msgspec

from ocs.charging.account import Account, Session
from ocs.charging.cdr import cdr_of
from ocs.charging.decision import Decision
from ocs.charging.entry import Cdr
from ocs.charging.events import ChargingAnswer, Result
from ocs.charging.full_turn import given_back, one_version_on
from ocs.charging.ledger import Ledger
from ocs.charging.quota import ChargingPolicy
from ocs.charging.session import KEPT_CLOSED, without_session


def close(
    account: Account,
    session: Session,
    policy: ChargingPolicy,
    now_ns: int,
    cause: str,
    others: tuple[Account, ...] = (),
) -> Decision:
    """End a session without its client: holds are released, nothing is debited; a promise leaves no record."""
    cdrs: tuple[Cdr, ...] = ()
    if session.is_promise:
        left = without_promise(account, session, now_ns)
    else:
        left, cdr = ended(account, session, policy, now_ns, cause)
        cdrs = (cdr,)
    changed = msgspec.structs.replace(left, version=account.version + 1)
    returned = one_version_on(given_back(others, session.key, now_ns), others) if others else ()
    return Decision(
        changed, ChargingAnswer(Result.SUCCESS), None, cdrs, closed_keys=(session.key,), others=returned
    )


def without_promise(account: Account, promise: Session, now_ns: int) -> Account:
    """The account with what an authorization held let go; its version stays."""
    ledger = Ledger(account.balances, now_ns)
    for quota in promise.quotas:
        ledger.release(tuple(hold for hold in quota.holds if not hold.account))
    return msgspec.structs.replace(
        account, balances=ledger.balances(), sessions=without_session(account, promise.key)
    )


def ended(
    account: Account, session: Session, policy: ChargingPolicy, now_ns: int, cause: str
) -> tuple[Account, Cdr]:
    """The account without a session, as a part of a change that is still going on: its version stays."""
    ledger = Ledger(account.balances, now_ns)
    for quota in session.quotas:
        ledger.release(tuple([hold for hold in quota.holds if not hold.account]))
    quotas = tuple(
        msgspec.structs.replace(quota, granted=0, holds=(), is_final=False) for quota in session.quotas
    )
    tombstone = msgspec.structs.replace(session, quotas=quotas, closed_at_ns=now_ns)
    changed = msgspec.structs.replace(
        account,
        balances=ledger.balances(),
        sessions=without_session(account, session.key),
        closed=kept_closed(account, tombstone, policy, now_ns),
    )
    return changed, cdr_of(account.key, session, now_ns, cause)


def kept_closed(
    account: Account, session: Session, policy: ChargingPolicy, now_ns: int
) -> tuple[Session, ...]:
    """The closed sessions still remembered, with one more; the oldest is let go when there are too many."""
    kept = [
        other
        for other in account.closed
        if other.key != session.key and (other.closed_at_ns or 0) >= now_ns - policy.closed_retention_ns
    ]
    return (*kept[1 - KEPT_CLOSED :], session)


def without_key(sessions: tuple[Session, ...], key: str) -> tuple[Session, ...]:
    """The sessions less one."""
    return tuple(session for session in sessions if session.key != key)


def let_go(before: Account, after: Account) -> tuple[str, ...]:
    """The keys of sessions an account does not remember any more: nothing needs to lead to it from them."""
    kept = {session.key for session in (*after.sessions, *after.closed)}
    return tuple(session.key for session in (*before.sessions, *before.closed) if session.key not in kept)
