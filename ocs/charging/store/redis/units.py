"""What is committed together, and the form in which the function `commit` takes it. Pure but for who is told."""

from struct import pack

import msgspec

from ocs.charging.account import Account, Session
from ocs.charging.decision import Change
from ocs.charging.events import Identity
from ocs.charging.events import Unit as ServiceUnit
from ocs.charging.store import Done, Record, StoreError

_encode = msgspec.msgpack.Encoder().encode
_NS_PER_MS = 1_000_000
_RAW_32 = 0xDB  # Redis's reader of MessagePack knows no binary strings, and does not look into text


class Unit:
    """Changes and records that become durable together or not at all, and who is to hear of it.

    `domains` name what the records are about: when another writer has written about one of them after `position`,
    which is how far its records are known here, the unit does not fit.
    """

    __slots__ = ("accounts", "changes", "domains", "dones", "is_kept", "position", "records")

    def __init__(
        self,
        changes: list[Change],
        dones: list[Done],
        records: tuple[Record, ...] = (),
        domains: tuple[str, ...] = (),
        position: int = 0,
        is_kept: bool = False,
    ) -> None:
        self.changes = changes
        self.dones = dones
        self.records = records
        self.domains = domains
        self.position = position
        self.is_kept = (
            is_kept  # of records, or of what whoever keeps records waits for: these are in one order
        )
        self.accounts = {each.key for change in changes for each in (change.account, *change.others)}

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
    return [
        [_change(change) for change in unit.changes],
        records,
        list(unit.domains),
        unit.position,
        unit.is_kept,
    ]


def _account(account: Account) -> tuple[object, ...]:
    extras = account.extras
    is_planned = extras is not None and bool(extras.plans or extras.watched)
    return (account.key, account.version, due_ms(account), _opaque(_encode(account)), is_planned)


def due_ms(account: Account) -> int:
    """When something has to be done about a session if nobody is heard of; 0 where there is none."""
    if not account.sessions:
        return 0
    return max(min(map(_due_ns, account.sessions)) // _NS_PER_MS, 1)


def _due_ns(session: Session) -> int:
    """Its Tcc; where the server counts its time, the end of what was granted."""
    if not session.meter_ns:
        return session.deadline_ns
    granted_ns = sum(quota.used + quota.granted for quota in session.quotas if quota.unit is ServiceUnit.TIME)
    return min(session.deadline_ns, session.opened_at_ns + granted_ns)


def _change(change: Change) -> list[object]:
    account = change.account
    return [
        [_account(one) for one in (account, *change.others)],
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
