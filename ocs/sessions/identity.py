"""Which session an event belongs to, and which requests are one and the same. Pure; compiled."""

import hashlib
from functools import lru_cache

import msgspec

from ocs.sessions.model import CgrEvent
from ocs.sessions.values import REMEMBERED, Event


def cgrid_of(event: Event) -> str:
    """The id of a session: the event's own, or SHA-1 of OriginID and OriginHost."""
    named = event.get("CGRID")
    if named:
        return str(named)
    return _digest(f"{event.get('OriginID') or ''}{event.get('OriginHost') or ''}")


@lru_cache(REMEMBERED)
def _digest(joined: str) -> str:
    return hashlib.sha1(joined.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def digest_of(event: CgrEvent) -> str:
    """What two requests share that are one and the same: everything, their id with it."""
    members = (event.event_id, event.time, event.tenant, event.event, event.options)
    try:
        said = msgspec.json.encode(members, enc_hook=str, order="deterministic")
    except UnicodeEncodeError:  # a text that is no Unicode, which a client may send
        said = repr(members).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(said, digest_size=12).hexdigest()


def with_cgrid(event: CgrEvent) -> CgrEvent:
    """The event with the id of its session among its members."""
    if event.event.get("CGRID"):
        return event
    return msgspec.structs.replace(event, event={**event.event, "CGRID": cgrid_of(event.event)})
