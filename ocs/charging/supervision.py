"""Supervision of silent sessions (Tcc, RFC 8506 13): which sessions have a deadline that has passed. Pure.

Deadlines are on the monotonic clock, so that setting the wall clock ends no session. A session has one place in
the wheel, however often it is touched: its bucket comes up, its real deadline is looked at, and it moves on.
"""

BUCKET_NS = 1_000_000_000


class SessionRef:
    """An open session in memory: the account it belongs to and when it will have been silent for too long."""

    __slots__ = ("account_key", "bucket", "deadline_ns", "key")

    def __init__(self, key: str, account_key: str, deadline_ns: int) -> None:
        self.key = key
        self.account_key = account_key
        self.deadline_ns = deadline_ns
        self.bucket = 0  # where it is in the wheel


class Supervision:
    """The open sessions of this process by key, and a wheel of one-second buckets over their deadlines."""

    def __init__(self) -> None:
        self._refs: dict[str, SessionRef] = {}
        self._buckets: dict[int, list[SessionRef]] = {}
        self._left: dict[int, int] = {}  # by bucket: sessions in it that are not open any more
        self._next_bucket: int | None = None

    def __len__(self) -> int:
        return len(self._refs)

    def get(self, key: str) -> SessionRef | None:
        """The session of that key, where it is open."""
        return self._refs.get(key)

    def keys(self) -> list[str]:
        """The keys of all open sessions."""
        return list(self._refs)

    def keys_of(self, client: str) -> list[str]:
        """The keys of all open sessions of a client."""
        prefix = f"{client}|"
        return [key for key in self._refs if key.startswith(prefix)]

    def touch(self, key: str, account_key: str, deadline_ns: int) -> None:
        """A session was opened, or heard of again."""
        ref = self._refs.get(key)
        if ref is None:
            ref = self._refs[key] = SessionRef(key, account_key, deadline_ns)
            self._place(ref)
            return
        if deadline_ns < ref.deadline_ns:  # its place in the wheel comes too late now: take a new one
            left, ref = ref, SessionRef(key, account_key, deadline_ns)
            self._refs[key] = ref
            self._leave(left)
            self._place(ref)
        ref.deadline_ns = deadline_ns

    def forget(self, key: str) -> None:
        """A session was closed; its place in the wheel is let go when most of its bucket has left."""
        ref = self._refs.pop(key, None)
        if ref is not None:
            self._leave(ref)

    def _leave(self, ref: SessionRef) -> None:
        """Keep a bucket at most twice as long as what is open in it: sessions may end long before their time."""
        refs = self._buckets.get(ref.bucket)
        if refs is None:
            return
        left = self._left.get(ref.bucket, 0) + 1
        if left * 2 <= len(refs):
            self._left[ref.bucket] = left
            return
        self._left.pop(ref.bucket, None)
        refs = [each for each in refs if self._refs.get(each.key) is each]
        if refs:
            self._buckets[ref.bucket] = refs
        else:
            del self._buckets[ref.bucket]

    def due(self, now_ns: int, limit: int) -> list[SessionRef]:
        """Up to `limit` sessions whose deadline has passed; each is returned once a bucket, until forgotten."""
        if self._next_bucket is None:
            return []
        found: list[SessionRef] = []
        while self._next_bucket * BUCKET_NS <= now_ns and len(found) < limit:
            self._take(self._next_bucket, now_ns, found, limit)
            if self._next_bucket in self._buckets:
                break
            self._next_bucket += 1
            if not self._buckets:
                self._next_bucket = None
                break
        return found

    def _take(self, bucket: int, now_ns: int, found: list[SessionRef], limit: int) -> None:
        refs = self._buckets.pop(bucket, [])
        self._left.pop(bucket, None)
        while refs:
            if len(found) >= limit:
                self._buckets[bucket] = refs
                return
            ref = refs.pop()
            if self._refs.get(ref.key) is not ref:
                continue
            if ref.deadline_ns <= now_ns:
                found.append(ref)
                self._place(ref, now_ns + 60 * BUCKET_NS)  # once more, in case closing it fails
            else:
                self._place(ref)

    def _place(self, ref: SessionRef, at_ns: int | None = None) -> None:
        bucket = (ref.deadline_ns if at_ns is None else at_ns) // BUCKET_NS + 1
        ref.bucket = bucket
        self._buckets.setdefault(bucket, []).append(ref)
        if self._next_bucket is None or bucket < self._next_bucket:
            self._next_bucket = bucket
