"""Adds to a change what the triggers of its account do, so that both become durable together. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from ocs.charging.account import Account, session_key
from ocs.charging.actions.triggers import Followed, Use, follow
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
    """A decision with what the triggers do; `known` are the other accounts as memory has them.

    Members of a shared group that paid have their triggers too, behind those of the account.
    """
    postings = (*(() if decision.posting is None else (decision.posting,)), *decision.other_postings)
    accounts = {**known, before.key: decision.account, **{one.key: one for one in decision.others}}
    changed = {one.key for one in decision.others}
    context = _context(before, decision.account, event)
    use = Use(event.service, context.category, context.called)
    cause = f"{event.kind.name}|{event.client}|{event.session_id}|{event.event_id}"
    done: list[Followed] = []
    for old in (before, *[known[key] for key in sorted(changed) if key in known]):
        if not is_watched(accounts[old.key]):
            continue
        entries = _entries(postings, old.key)
        rules, begins = catalogue.tariff.accounting, catalogue.begins
        followed = follow(old, accounts, entries, use, rules, now_ns, cause, begins)
        if followed is not None:
            done.append(followed)
            own, others = _split(before.key, accounts, followed, changed)
            accounts = {**accounts, before.key: own, **{one.key: one for one in others}}
            changed |= {one.key for one in others}
    if not done:
        return decision, None
    whole = _joined(done)
    return (
        msgspec.structs.replace(
            decision,
            account=accounts[before.key],
            others=tuple(accounts[key] for key in sorted(changed)),
            other_postings=(*decision.other_postings, *whole.postings),
        ),
        whole,
    )


def _joined(done: list[Followed]) -> Followed:
    return Followed(
        done[-1].accounts,
        tuple(posting for one in done for posting in one.postings),
        tuple(fired for one in done for fired in one.fired),
        tuple(notice for one in done for notice in one.notices),
    )


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
