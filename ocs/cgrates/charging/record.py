"""What is kept of a session of a network element, and of a one-time event. Pure."""

import msgspec

from ocs.charging.account import Session
from ocs.charging.events import Unit
from ocs.sessions.values import Event

TORS_OF_UNITS = {Unit.TIME: "*voice", Unit.OCTETS: "*data"}

BucketKey = tuple[int | None, tuple[int, ...]]  # rating group, service identifiers


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One rating group of a session, or the services of it: each has a session of the pipeline of its own.

    `number` counts those it has had, `used` is what was reported of the present one, in `unit`, and `before`
    what was of those that have ended.
    """

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    unit: Unit
    number: int = 0
    cgrid: str = ""  # of the present session of the pipeline; empty where none is open
    used: int = 0
    before: int = 0
    granted: int = 0  # still out
    is_final: bool = False  # its client was told that the credit ends

    @property
    def key(self) -> BucketKey:
        """What tells it from others of its session."""
        return self.rating_group, self.service_identifiers

    @property
    def is_open(self) -> bool:
        """Whether it has a session of the pipeline."""
        return bool(self.cgrid)


class NetworkSession(msgspec.Struct, frozen=True, gc=False):
    """A session of a network element: its life and answers as the exact core keeps them, and its buckets.

    `fields` are its members as events of the pipeline have them, `account` is who pays, `tenant:name`.
    """

    session: Session
    account: str
    fields: Event
    buckets: tuple[Bucket, ...] = ()
    has_place: bool = False  # in a resource

    @property
    def is_final(self) -> bool:
        """Whether a top-up is of interest to its client."""
        return any(bucket.is_final for bucket in self.buckets)


class KeptEvent(msgspec.Struct, frozen=True, gc=False):
    """The answer to a one-time event, for its repeats, and the records of what it debited, for a refund."""

    account: str
    answer: bytes
    expires_at_ns: int
    records: tuple[tuple[str, str], ...] = ()  # cgrid, run id
    taken: tuple[tuple[str, int], ...] = ()  # money that the client named: nanos by uid of the balance
    is_refunded: bool = False


def origin_id(session_id: str, key: BucketKey, number: int) -> str:
    """The name of a bucket's session of the pipeline: `id`, `id_rg10`, `id_rg10_s1_2`, the second `id_rg10#2`."""
    rating_group, services = key
    found = session_id if rating_group is None else f"{session_id}_rg{rating_group}"
    if services:
        found += f"_s{'_'.join(map(str, services))}"
    return found if number == 1 else f"{found}#{number}"


def named(fields: Event, session_id: str, bucket: Bucket, number: int) -> Event:
    """The members of a bucket's session."""
    tor = TORS_OF_UNITS.get(bucket.unit, fields["ToR"])
    if bucket.unit is Unit.EVENTS and tor in TORS_OF_UNITS.values():
        tor = "*generic"
    named = {**fields, "ToR": tor, "OriginID": origin_id(session_id, bucket.key, number)}
    if bucket.rating_group is not None:
        named["RatingGroup"] = str(bucket.rating_group)
    if bucket.service_identifiers:
        named["ServiceIdentifier"] = ";".join(map(str, bucket.service_identifiers))
    return named
