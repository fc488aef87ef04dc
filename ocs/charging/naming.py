"""Whom an event names: strangers among its identities, or nobody at all. Pure."""

from typing import Final

from ocs.charging.account import Account
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Result

BEGINNINGS: Final = (EventKind.INITIAL, EventKind.EVENT)


def names_strangers(account: Account, event: ChargingEvent) -> bool:
    """Whether what begins something names, beside the account's identities, some that it does not have."""
    names = event.identities
    if event.kind not in BEGINNINGS or len(names) < 2 or event.account:
        return False
    known = account.identities
    return any(name not in known for name in names)


def nobody(event: ChargingEvent) -> ChargingAnswer:
    """The answer where no account is found: an unknown session, or an unknown subscriber."""
    if event.kind in (EventKind.UPDATE, EventKind.TERMINATION):
        return ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id")
    return ChargingAnswer(Result.UNKNOWN_SUBSCRIBER, failed="identities")
