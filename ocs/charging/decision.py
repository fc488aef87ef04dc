"""What a decision hands to the door: the answer, and the change a store makes durable before it leaves."""

import msgspec

from ocs.charging.account import Account, Session
from ocs.charging.actions.model import Notice
from ocs.charging.entry import Cdr, Posting
from ocs.charging.events import ChargingAnswer


class EventAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to a one-time event, kept under `key` for its repeats, with what a refund would take back."""

    key: str
    account: str
    expires_at_ns: int
    answer: bytes
    posting: Posting | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one event: the account as it becomes (the same object where nothing changed) and more."""

    account: Account
    answer: ChargingAnswer
    posting: Posting | None = None
    cdrs: tuple[Cdr, ...] = ()
    opened: Session | None = None
    closed_keys: tuple[str, ...] = ()
    answered: EventAnswer | None = None
    is_repeat: bool = False
    is_contradicting: bool = False  # the repeat says that something else was used
    deadline_ns: int | None = None  # of the event's session, where it is open
    others: tuple[Account, ...] = ()  # members of a shared group that paid or hold something for it
    other_postings: tuple[Posting, ...] = ()


class Change(msgspec.Struct, frozen=True, gc=False):
    """What a store makes durable in one piece. `account.version` is one more than what it replaces.

    `others` are changed in the same step, all of them or none. `opened_keys` lead from a session to its account
    from now on, `closed_keys` do so no more: a session just closed is still found, for repeats and late reports
    that do not name the subscriber.
    """

    account: Account
    postings: tuple[Posting, ...] = ()
    cdrs: tuple[Cdr, ...] = ()
    opened_keys: tuple[str, ...] = ()
    closed_keys: tuple[str, ...] = ()
    answered: tuple[EventAnswer, ...] = ()
    has_new_identities: bool = False
    keeps_count: bool = False  # the account itself has as many open sessions as before, for certain
    others: tuple[Account, ...] = ()
    notices: tuple[Notice, ...] = ()  # what its actions tell outside; for whoever tells it, not for the store


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ChargingAnswer)


encode_answer = _encoder.encode
"""The stored form of an answer."""


def decode_answer(stored: bytes) -> ChargingAnswer:
    """An answer from its stored form."""
    return _decoder.decode(stored)
