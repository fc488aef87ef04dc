"""What the core has charged of a session already, by the records of its account: where nothing else is known."""

from ocs.agents.radius.charging import ChargingCore
from ocs.agents.radius.mapping.charging import SECOND_NS, account_name
from ocs.agents.radius.mapping.clients import Clients
from ocs.agents.radius.mapping.session import COUNTERS, NasSession
from ocs.agents.voice.parties import identities_of
from ocs.charging.events import Unit


class Books:
    """The records of the core."""

    def __init__(self, clients: Clients, service: ChargingCore) -> None:
        self._clients = clients
        self._service = service

    async def settle(self, session: NasSession) -> None:
        """Leave out of a session's totals what closed sessions of the core have been charged for it."""
        key = await self._account_key(session)
        if key is not None and await self._is_open(key, session):
            return
        records = (
            [] if key is None else await self._service.records_of(key, session.client, session.session_id)
        )
        mine = [record for record in records if _is_of(session, record.context.extra)]
        totals = [total for record in mine for total in record.usage]
        used_ns = sum(total.used for total in totals if total.unit is Unit.TIME)
        octets = sum(total.used for total in totals if total.unit is Unit.OCTETS)
        session.charged((-(-used_ns // SECOND_NS), octets))
        session.openings = max([session.openings, *(_openings(record.context.extra) for record in mine)])
        session.settle()

    async def _is_open(self, key: str, session: NasSession) -> bool:
        """Whether the core has the session, opened by another server of this store: it goes on as that left it."""
        account = await self._service.account(key)
        for opened in () if account is None else account.sessions:
            is_this = (opened.client, opened.session_id) == (session.client, session.session_id)
            if is_this and not opened.is_promise and _is_of(session, opened.context.extra):
                return session.recall(opened.context.extra)
        return False

    async def _account_key(self, session: NasSession) -> str | None:
        client = self._clients.by_name.get(session.client.partition("/")[0])
        name = session.account or account_name(
            session.user, client is not None and client.settings.strip_realm
        )
        if name and await self._service.account(name) is not None:
            return name
        for identity in identities_of(name):
            found = await self._service.find(identity)
            if found is not None:
                return found.key
        return None


def _is_of(session: NasSession, facts: tuple[tuple[str, str], ...]) -> bool:
    """Whether a record is of this session, and not of another that had its id."""
    words = dict(facts).get(COUNTERS, "").split()
    return not words or not words[0].isdigit() or session.is_same(int(words[0]))


def _openings(facts: tuple[tuple[str, str], ...]) -> int:
    words = dict(facts).get(COUNTERS, "").split()
    return int(words[2]) if len(words) > 2 and words[2].isdigit() else 0
