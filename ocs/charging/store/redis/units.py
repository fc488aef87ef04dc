"""What is committed together, and the form in which the function `commit` takes it. Pure but for who is told."""

from struct import pack

import msgspec

from ocs.charging.decision import Change
from ocs.charging.events import Identity
from ocs.charging.store import Done, Record, StoreError

_encode = msgspec.msgpack.Encoder().encode
_NS_PER_MS = 1_000_000
_RAW_32 = 0xDB  # Redis's reader of MessagePack knows no binary strings, and does not look into text


class Unit:
    """Changes and records that become durable together or not at all, and who is to hear of it.

    `domains` name what the records are about: when another writer has written about one of them after `position`,
    which is how far its records are known here, the unit does not fit.
    """

    __slots__ = ("accounts", "changes", "domains", "dones", "position", "records")

    def __init__(
        self,
        changes: list[Change],
        dones: list[Done],
        records: tuple[Record, ...] = (),
        domains: tuple[str, ...] = (),
        position: int = 0,
    ) -> None:
        self.changes = changes
        self.dones = dones
        self.records = records
        self.domains = domains
        self.position = position
        self.accounts = {each.key for change in changes for each in (change.account, *change.others)}

    @property
    def has_records(self) -> bool:
        """Whether it is one of those whose order counts for records."""
        return bool(self.records or self.domains)

    def tell(self, error: StoreError | None) -> None:
        """It is durable, or never will be."""
        for done in self.dones:
            done(error)


def encoded(units: list[Unit]) -> bytes:
    """The argument of `commit`."""
    return _encode([_unit(unit) for unit in units])


def _opaque(octets: bytes) -> msgspec.Raw:
    return msgspec.Raw(pack(">BI", _RAW_32, len(octets)) + octets)


def identity_field(identity: Identity) -> str:
    """Under which name an identity is found."""
    return f"{int(identity.kind)}:{identity.value}"


def _unit(unit: Unit) -> list[object]:
    records = [(kind, key, False if value is None else _opaque(value)) for kind, key, value in unit.records]
    return [[_change(change) for change in unit.changes], records, list(unit.domains), unit.position]


def _change(change: Change) -> list[object]:
    account = change.account
    return [
        [
            (one.key, one.version, int(bool(one.sessions)), _opaque(_encode(one)))
            for one in (account, *change.others)
        ],
        [(posting.account, _opaque(_encode(posting))) for posting in change.postings],
        [_opaque(_encode(cdr)) for cdr in change.cdrs],
        change.opened_keys,
        change.closed_keys,
        [
            (each.key, _opaque(_encode(each)), max(-(-each.expires_at_ns // _NS_PER_MS), 1))
            for each in change.answered
        ],
        [identity_field(each) for each in account.identities] if change.has_new_identities else False,
    ]
