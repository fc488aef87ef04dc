"""The pipeline as the RADIUS agent knows its core: accounts by user name, sessions, what records say of them."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import count

import msgspec
import structlog

from ocs.cgrates.charging import outcomes
from ocs.cgrates.charging.charges import Charges
from ocs.cgrates.charging.door import Deliver, NetworkDoor
from ocs.cgrates.charging.record import origin_id
from ocs.cgrates.charging.views import shown, with_quotas
from ocs.charging.account import Account, Session
from ocs.charging.control import ControlResult, OpenSession, SessionAddress
from ocs.charging.entry import Cdr, UsageTotal
from ocs.charging.events import (
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    Identity,
    Result,
    Unit,
)
from ocs.charging.quota import ChargingPolicy
from ocs.charging.supervision import SessionRef, Supervision
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import Cdr as Record

log = structlog.get_logger()

UNITS = {"*voice": Unit.TIME, "*data": Unit.OCTETS}
OPENINGS_LOOKED_AT = 200

Groups = Mapping[str, int | None]  # rating group by the name of a client
Disconnect = Callable[[SessionAddress, str], Awaitable[ControlResult]]


class RadiusCore:
    """The door of network elements with what the RADIUS agent asks besides; `groups` are its clients."""

    def __init__(self, door: NetworkDoor, charges: Charges, groups: Groups) -> None:
        self._door = door
        self._charges = charges
        self._runtime = charges.runtime
        self._groups = groups

    @property
    def supervision(self) -> Supervision:
        """The open sessions and their deadlines."""
        return self._door.supervision

    def now_ns(self) -> int:
        """The wall clock it charges by."""
        return self._runtime.wall_ns()

    def keep_open(self, key: str, account_key: str, lifetime_ns: int) -> None:
        """Lets a session be silent for so long from now."""
        self._door.keep_open(key, lifetime_ns)

    # --- events

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Charges an event; `deliver` gets the answer once, when it is durable."""
        self._door.submit(event, deliver)

    async def close_session(self, ref: SessionRef, cause: str) -> bool:
        """Ends a session without its access server; False where it has ended already."""
        return await self._door.close_session(ref, cause)

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Answers an authorization; one that grants has the message of the resource with room.

        What volume may be used is asked for by volume alone: time of data has no price here.
        """
        unit = outcomes.unit_of(event, event.reports[0], None)
        if event.service == "data" and unit is Unit.TIME:
            return ChargingAnswer(Result.RATING_FAILED)
        message = ""
        charges = self._charges
        try:
            asked = charges.altered(charges.event(charges.fields(event), ""))
            message = self._runtime.surroundings.authorize_resources(asked)
        except ServiceError as error:
            if str(error) != NOT_FOUND:
                return ChargingAnswer(Result.LIMIT_EXCEEDED, message=str(error))
        answer = await self._door.handle(event)
        return msgspec.structs.replace(answer, message=message) if message and answer.grants else answer

    # --- who, and what was charged

    async def account(self, key: str) -> Account | None:
        """The account of a user name."""
        known = f"{self._runtime.tenant}:{key}" in self._runtime.state.accounts
        return Account(key, "") if known else None

    async def find(self, identity: Identity) -> Account | None:
        """The account that is named as an identity is."""
        return await self.account(identity.value)

    async def sessions_below(self, clients: tuple[str, ...]) -> list[OpenSession]:
        """The open sessions of all access servers whose names begin so."""
        return [shown(each) for each in self._door.open_sessions() if each.session.client.startswith(clients)]

    async def records_of(self, account_key: str, client: str, session_id: str) -> list[Cdr]:
        """The records of the sessions of the pipeline that a session has had."""
        bucket = self._groups.get(client.partition("/")[0]), ()
        found: list[Cdr] = []
        for number in count(1):
            named = {"OriginHost": client, "OriginID": origin_id(session_id, bucket, number)}
            record = self._charges.first_record(cgrid_of(named))
            if record is None or number > OPENINGS_LOOKED_AT:
                return found
            found.append(_record(record, account_key, client, session_id))
        raise AssertionError("numbers have no end")


class MeteredSessions:
    """The sessions whose time the server counts, for `ocs.charging.metering`."""

    def __init__(self, door: NetworkDoor, now_ns: Callable[[], int], disconnect: Disconnect) -> None:
        self._door = door
        self.now_ns = now_ns
        self._disconnect = disconnect

    @property
    def policy(self) -> ChargingPolicy:
        """What the configuration says."""
        return self._door.policy

    @property
    def metered(self) -> dict[str, str]:
        """Their keys, with those of their accounts."""
        return self._door.metered

    def known(self, key: str) -> Account | None:
        """An account with its open sessions."""
        sessions = self._door.open_sessions(key)
        return Account(key, "", sessions=tuple(with_quotas(each) for each in sessions)) if sessions else None

    async def account(self, key: str) -> Account | None:
        """The same."""
        return self.known(key)

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charges a step."""
        return await self._door.handle(event)

    async def warn(self, account: Account, session: Session) -> None:
        """Access servers tell users nothing while their sessions last."""

    async def disconnect(self, account: Account, session: Session, cause: str) -> None:
        """Has the access server end a session."""
        address = SessionAddress(session.client, session.session_id, session.origin, session.service)
        await self._disconnect(address, cause)


def _record(record: Record, account_key: str, client: str, session_id: str) -> Cdr:
    """A record as the exact core has it."""
    unit = UNITS.get(record.tor, Unit.EVENTS)
    usage = UsageTotal(None, (), unit, record.usage, max(record.cost_nanos, 0))
    context = ChargingContext(called=record.destination, extra=tuple(record.extra_fields.items()))
    return Cdr(
        account_key,
        client,
        session_id,
        record.tor.removeprefix("*"),
        record.answer[0],
        record.created_ns,
        (usage,),
        max(record.cost_nanos, 0),
        "",
        context,
    )
