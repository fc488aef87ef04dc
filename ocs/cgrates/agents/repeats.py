"""Requests that come again, and what they were answered: nobody pays twice for what was sent twice. Pure.

A request comes again under the End-to-End Identifier of the first (RFC 6733 3), or with the T bit under the name of
the first: Session-Id and CC-Request-Number (RFC 8506 8.2). What is like it in neither way is another request.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

import msgspec

from ocs.diameter import avps
from ocs.diameter.codes import RETRANSMITTED
from ocs.diameter.message import Message

MOST_KEPT = 100_000
KEPT_NS = 600_000_000_000  # an End-to-End Identifier stays unique for four minutes

Answer = TypeVar("Answer")
Name = tuple[object, ...]


class Kept(msgspec.Struct, Generic[Answer]):
    """A request with its answer."""

    end_to_end: int
    answer: Answer
    until_ns: int


class Repeats(Generic[Answer]):
    """The last requests by name, the oldest first."""

    def __init__(self, most: int = MOST_KEPT, kept_ns: int = KEPT_NS) -> None:
        self._most = most
        self._kept_ns = kept_ns
        self._kept: OrderedDict[Name, Kept[Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, request: Message, now_ns: int) -> Answer | None:
        """The answer to what this request repeats; None where it is new."""
        kept = self._kept.get(name_of(request))
        if kept is None or kept.until_ns < now_ns:
            return None
        is_repeat = kept.end_to_end == request.end_to_end or request.flags & RETRANSMITTED
        return kept.answer if is_repeat else None

    def keep(self, request: Message, answer: Answer, now_ns: int) -> None:
        """Remember a request that is new."""
        name = name_of(request)
        self._kept.pop(name, None)
        self._kept[name] = Kept(request.end_to_end, answer, now_ns + self._kept_ns)
        while len(self._kept) > self._most or next(iter(self._kept.values())).until_ns < now_ns:
            self._kept.popitem(last=False)

    def forget(self, request: Message) -> None:
        """It was not done: if it comes again, it is new."""
        self._kept.pop(name_of(request), None)


def name_of(request: Message) -> Name:
    """Who asks for what under which name; without a number of its own the End-to-End Identifier is part of it."""
    session, number = request.octets(avps.SESSION_ID), request.octets(avps.CC_REQUEST_NUMBER)
    return (
        request.octets(avps.ORIGIN_HOST),
        request.application_id,
        request.command_code,
        session,
        request.octets(avps.CC_REQUEST_TYPE),
        number,
        request.end_to_end if session is None or number is None else None,
    )
