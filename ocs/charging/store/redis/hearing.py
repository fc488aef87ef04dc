"""What a server hears of the others: which accounts they change, and what they say to each other.

Nothing here is needed for money to be right: what is not heard costs a retry, or is found when its time comes.
"""

from collections.abc import Callable

import msgspec
import structlog

from ocs.charging.store.redis.connection import Connection
from ocs.charging.store.redis.resp import Reply
from ocs.charging.store.shared import Listener, Recorded

log = structlog.get_logger()

CHANGED, RECORDED = "changed", "recorded"  # the channels on which the function `commit` says what it did

Changed = tuple[str, int, bool]  # key, version, has plans or triggers
_decode = msgspec.msgpack.Decoder(tuple[str, list[Changed]]).decode
_decode_entry = msgspec.msgpack.Decoder(tuple[int, str, list[tuple[str, str, str | bool]]]).decode


def entry_of(octets: bytes, writer: str) -> Recorded:
    """An entry of the log of records."""
    position, by, records = _decode_entry(octets)
    kept = tuple(
        [(kind, key, value.encode() if isinstance(value, str) else None) for kind, key, value in records]
    )
    return Recorded(position, by == writer, kept)


class Hearing:
    """Takes messages apart."""

    def __init__(self, prefix: str, writer: Callable[[], str], listener: Listener) -> None:
        self._prefix = f"{prefix}:"
        self._writer = writer
        self._listener = listener

    async def welcome(self, connection: Connection) -> None:
        """Subscribe, on a new connection."""
        channels = (CHANGED, RECORDED, *self._listener.channels)
        for channel in channels:
            await connection.call("SUBSCRIBE", self._prefix + channel)
        self._listener.missed()

    def hear(self, reply: Reply) -> None:
        """One message; what cannot be read is said in the log and is no harm."""
        match reply:
            case [b"message", bytes(channel), bytes(message)]:
                name = channel.decode().removeprefix(self._prefix)
            case _:
                return
        try:
            if name == RECORDED:
                self._listener.recorded(entry_of(message, self._writer()))
                return
            if name != CHANGED:
                self._listener.said(name, message)
                return
            writer, changes = _decode(message)
            if writer != self._writer():
                for key, version, is_planned in changes:
                    self._listener.changed(key, version, is_planned)
        except Exception:
            log.exception("nodes.message_not_understood", channel=name)
