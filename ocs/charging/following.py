"""Adds to a change what the triggers of its account do, so that both become durable together. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from ocs.charging.account import Account, session_key
from ocs.charging.actions.triggers import Fired, Followed, Use, follow
from ocs.charging.decision import Change, Decision
from ocs.charging.entry import Entry, Posting
from ocs.charging.events import ChargingContext, ChargingEvent
from ocs.charging.tariff.catalogue import Catalogue

NOTHING = ChargingContext()


def is_watched(account: Account) -> bool:
    """Whether an account has triggers; only then a change costs more."""
    return account.extras is not None and bool(account.extras.watched)


def follow_decision(
    before: Account,
    decision: Decision,
    event: ChargingEvent,
    catalogue: Catalogue,
    now_ns: int,
    known: Mapping[str, Account],
) -> tuple[Decision, Followed | None]:
    """A decision with what the triggers do; `known` are the other accounts that are in memory."""
    posting = decision.posting
    accounts = {**known, before.key: decision.account, **{one.key: one for one in decision.others}}
    context = _context(before, decision.account, event)
    followed = follow(
        before,
        accounts,
        () if posting is None else posting.entries,
        Use(event.service, context.category, context.called),
        catalogue.tariff.accounting,
        now_ns,
        f"{event.kind.name}|{event.client}|{event.session_id}|{event.event_id}",
        catalogue.begins,
    )
    if followed is None:
        return decision, None
    account, others = _split(before.key, accounts, followed, {one.key for one in decision.others})
    postings = (*decision.other_postings, *followed.postings)
    changed = msgspec.structs.replace(decision, account=account, others=others, other_postings=postings)
    return changed, followed


def follow_change(
    before: Account, change: Change, catalogue: Catalogue, now_ns: int, known: Mapping[str, Account]
) -> tuple[Change, Followed | None]:
    """A change that no event made, with what the triggers do."""
    accounts = {**known, before.key: change.account, **{one.key: one for one in change.others}}
    followed = follow(
        before,
        accounts,
        _entries(change.postings, before.key),
        Use(),
        catalogue.tariff.accounting,
        now_ns,
        f"{change.account.version}",
        catalogue.begins,
    )
    if followed is None:
        return change, None
    account, others = _split(before.key, accounts, followed, {one.key for one in change.others})
    postings = (*change.postings, *followed.postings)
    return msgspec.structs.replace(change, account=account, others=others, postings=postings), followed


def describe(fired: Fired) -> dict[str, str]:
    """A trigger that ran, for the log."""
    told = {"account": fired.account, "trigger": f"{fired.group}/{fired.trigger}", "actions": fired.actions}
    return {**told, "error": fired.error} if fired.error else told


def _split(
    key: str, before: Mapping[str, Account], followed: Followed, changed: set[str]
) -> tuple[Account, tuple[Account, ...]]:
    """The account and the others that differ; those not changed before get the version of this change."""
    others = []
    for name, account in followed.accounts.items():
        if name == key or (account is before[name] and name not in changed):
            continue
        is_new = name not in changed
        others.append(msgspec.structs.replace(account, version=account.version + 1) if is_new else account)
    return followed.accounts[key], tuple(others)


def _entries(postings: Iterable[Posting], key: str) -> tuple[Entry, ...]:
    return tuple(entry for posting in postings if posting.account == key for entry in posting.entries)


def _context(before: Account, after: Account, event: ChargingEvent) -> ChargingContext:
    """What the session knows of itself, or what the event says."""
    key = session_key(event.client, event.session_id)
    for account in (after, before):
        for session in (*account.sessions, *account.closed):
            if session.key == key:
                return session.context
    return event.context or NOTHING
