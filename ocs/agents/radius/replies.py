"""Answers that were given a moment ago: a request that comes again gets the same octets (RFC 5080 2.2.2). Pure.

A request is known by where it came from, its identifier and its authenticator: the identifier alone is one
octet, and is used again while answers are still under way.
"""

from collections import OrderedDict

Key = tuple[str, int, int, bytes]  # address, port, identifier, authenticator


class Replies:
    """Requests of the last while with their answers; None is one that is under way. The oldest go first."""

    def __init__(self, lifetime_ns: int, most: int) -> None:
        self._lifetime_ns = lifetime_ns
        self._most = most
        self._known: OrderedDict[Key, tuple[int, bytes | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, key: Key, now_ns: int) -> bool:
        """Note a request as under way; False where it is known already."""
        self._forget_old(now_ns)
        if key in self._known:
            return False
        self._known[key] = (now_ns + self._lifetime_ns, None)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return True

    def reply(self, key: Key) -> bytes | None:
        """The answer that was given; None while the request is under way."""
        known = self._known.get(key)
        return None if known is None else known[1]

    def answered(self, key: Key, reply: bytes, now_ns: int) -> None:
        """Keep an answer for as long as its request may come again."""
        if key in self._known:
            self._known[key] = (now_ns + self._lifetime_ns, reply)
            self._known.move_to_end(key)

    def forget(self, key: Key) -> None:
        """A request was not answered: when it comes again it is a new one."""
        self._known.pop(key, None)

    def _forget_old(self, now_ns: int) -> None:
        while self._known:
            expires_ns, _ = next(iter(self._known.values()))
            if expires_ns > now_ns:
                return
            self._known.popitem(last=False)
