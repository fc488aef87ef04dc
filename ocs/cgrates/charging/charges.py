"""Sessions of the pipeline for the buckets of network elements: opened, debited, ended with their record.

Nothing here waits. A step that the pipeline refuses raises ServiceError with its word.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from ocs.cgrates.agents.events import DEBIT_INTERVAL, LIFETIME, Wishes, with_usage
from ocs.cgrates.agents.results import ProfileSteps
from ocs.cgrates.charging.record import Bucket, named
from ocs.cgrates.kinds import Kind
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.call import DYNAPREPAID, MONETARY, PREPAID, PSEUDOPREPAID
from ocs.charging.events import ChargingEvent
from ocs.sessions import values
from ocs.sessions.cdrs import DEFAULT_RUN
from ocs.sessions.clients import Client
from ocs.sessions.errors import EXISTS, PARTIALLY_EXECUTED, ServiceError
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import Cdr, CgrEvent, Session
from ocs.sessions.network_events import fields_of
from ocs.sessions.values import Event

log = structlog.get_logger()

USAGE_ID = "*rsUsageID"
UNLIMITED = -1
OPENINGS = 1_000  # under one name: sessions whose id their client uses again and again
RECORDED = (EXISTS, PARTIALLY_EXECUTED)
NEEDING_AN_ACCOUNT = (PREPAID, PSEUDOPREPAID)


class Charges:
    """What a network element's events become in the pipeline; `client` is who is asked about its sessions."""

    def __init__(
        self, runtime: Runtime, steps: ProfileSteps, wishes_of: Callable[[str], Wishes], client: Client
    ) -> None:
        """`wishes_of` says by the name of a network element which profiles surround its sessions."""
        self.runtime = runtime
        self.steps = steps
        self.wishes_of = wishes_of
        self._client = client

    # --- who and what

    def fields(self, event: ChargingEvent) -> Event:
        """Its members before any profile has seen them: an identity is the account of that name."""
        found = fields_of(event)
        settings = self.runtime.sessions.settings
        is_voice = event.service == "voice"
        found.setdefault("RequestType", PREPAID)
        found.setdefault("Category", settings.default_category if is_voice else event.service)
        if not is_voice:
            found.setdefault("Destination", event.service)
        account = self._account_name(event)
        if account:
            found["Account"] = account
        found.pop("EventType", None)
        return found

    def _account_name(self, event: ChargingEvent) -> str:
        """The first name in the order of preference that an account has, else the first of all."""
        tenant, known = self.runtime.tenant, self.runtime.state.accounts
        names = [event.account] if event.account else []
        names += [identity.value for identity in event.identities]
        names += [name.rpartition(":")[2].partition("@")[0] for name in names if "@" in name]
        return next((name for name in names if f"{tenant}:{name}" in known), names[0] if names else "")

    def event(self, fields: Event, key: str) -> CgrEvent:
        """Members as an event; `key` names the session that has a place in a resource."""
        options: dict[str, Any] = {DEBIT_INTERVAL: 0, LIFETIME: 0, USAGE_ID: key}
        return CgrEvent(self.runtime.tenant, fields, options)

    def altered(self, event: CgrEvent) -> CgrEvent:
        """The event after its attributes."""
        return self.steps.altered(event, self.wishes_of(str(event.event.get("OriginHost"))))[0]

    def account_id(self, event: CgrEvent) -> str:
        """Who pays for an event, `tenant:name`."""
        account = values.text(event.event.get("Account")) or values.text(event.event.get("Subject"))
        return f"{event.tenant}:{account}"

    def unknown(self, event: CgrEvent) -> bool:
        """Whether an event needs an account, and there is none."""
        needs = event.event.get("RequestType") in NEEDING_AN_ACCOUNT
        return needs and self.account_id(event) not in self.runtime.state.accounts

    def may_open(self, event: CgrEvent) -> bool:
        """Whether an account is opened for an event that has none."""
        return event.event.get("RequestType") == DYNAPREPAID

    def money_nanos(self, account_id: str) -> int:
        """What its money balances hold that have not ended."""
        account = self.runtime.state.accounts.get(account_id)
        return 0 if account is None else money_nanos(account, self.runtime.wall_ns())

    # --- sessions of buckets

    def open(
        self,
        fields: Event,
        session_id: str,
        bucket: Bucket,
        amounts: tuple[int, ...],
        *,
        is_used: bool = False,
    ) -> tuple[Bucket, int, int]:
        """A bucket with a new session of the pipeline, and what was granted of which amount.

        The first amount is asked for; where that is more than can be rated in one, the next. What was used already
        opens a session be it paid for or not; one that is granted nothing otherwise is not opened.
        """
        for number in range(bucket.number + 1, bucket.number + OPENINGS):
            event = self.altered(self.event(named(fields, session_id, bucket, number), ""))
            cgrid = cgrid_of(event.event)
            if cgrid in self.runtime.state.sessions or cgrid in self.runtime.state.closed:
                continue
            usage, asked = self._opened(event, cgrid, amounts, is_used)
            if cgrid not in self.runtime.state.sessions:
                return bucket, 0, asked
            if not self._has_record(cgrid):
                opened = msgspec.structs.replace(bucket, number=number, cgrid=cgrid, used=0)
                return opened, usage, asked
            self.drop(cgrid)
        raise ServiceError("SERVER_ERROR: a session was opened too often under one name")

    def _opened(
        self, event: CgrEvent, cgrid: str, amounts: tuple[int, ...], is_used: bool
    ) -> tuple[int, int]:
        sessions, state = self.runtime.sessions, self.runtime.state
        for amount in amounts:
            try:
                usage = sessions.initiate(with_usage(event, amount))
            except ServiceError:
                self.drop(cgrid)
                raise
            if usage or is_used:
                session = state.sessions[cgrid]
                owned = msgspec.structs.replace(session, client=self._client.number, peer=self._client.peer)
                state.put_session(owned)
                return amount if usage < 0 else usage, amount
            self.drop(cgrid)
        return 0, amounts[-1]

    def _has_record(self, cgrid: str) -> bool:
        state = self.runtime.state
        return any(state.cdrs.has(cgrid, run.run_id) for run in state.sessions[cgrid].runs)

    def update(self, cgrid: str, used: int | None, amounts: tuple[int, ...]) -> tuple[int, int]:
        """Settles what was used in all, and asks for more: what was granted of which amount.

        Where the first amount is more than can be rated in one, the next is asked for. Without a usage what was
        granted before stays granted.
        """
        state, sessions = self.runtime.state, self.runtime.sessions
        before = state.sessions[cgrid]
        accounts = self._accounts_of(before)
        last_used = None if used is None else self._last_used(before, used)
        for number, amount in enumerate(amounts, 1):
            event = CgrEvent(before.tenant, {"CGRID": cgrid})
            usage = sessions.update(with_usage(event, amount, last_used))
            usage = amount if usage == UNLIMITED and _may_be_unlimited(before) else max(usage, 0)
            is_untouched = all(state.accounts.get(name) is account for name, account in accounts.items())
            if usage or number == len(amounts) or not is_untouched:
                return usage, amount
            state.put_session(before)  # nothing was debited: as if it had not been asked for
        return 0, 0

    def _accounts_of(self, session: Session) -> Mapping[str, Account]:
        names = [f"{session.tenant}:{run.event.get('Account')}" for run in session.runs]
        return self.runtime.state.snapshot(*names).accounts

    def _last_used(self, session: Session, used: int) -> int:
        """What was used of the last grant, so that the run has counted `used` in all.

        A grant that was refused leaves what was reported before it as the last one.
        """
        accounting = self.runtime.sessions.accounting
        for run in session.runs:
            if run.request_type in (PREPAID, DYNAPREPAID):
                return used - (accounting.used(run) - accounting.last_granted(run))
        return used

    def end(self, cgrid: str, used: int) -> int:
        """Ends a session of the pipeline at what was used in all, and makes its record; what it cost."""
        sessions, state = self.runtime.sessions, self.runtime.state
        session = state.sessions.get(cgrid)
        if session is None:
            return 0
        event = CgrEvent(session.tenant, {"CGRID": cgrid, "Usage": used})
        try:
            sessions.terminate(event)
        except ServiceError as error:  # it is gone all the same, with what could be charged
            log.warning("gy.end_refused", session=session.event.get("OriginID"), reason=str(error))
        self.record(event)
        return self.cost_nanos([(cgrid, run.run_id) for run in session.runs])

    def record(self, event: CgrEvent) -> None:
        """Makes the records of a session that has ended, once."""
        try:
            self.runtime.cdrs.process(event)
        except ServiceError as error:
            if str(error) not in RECORDED:
                log.warning("gy.record_refused", cgrid=event.event.get("CGRID"), reason=str(error))

    def first_record(self, cgrid: str) -> Cdr | None:
        """The record of the subscriber's own run, else of any other, where there is one."""
        state = self.runtime.state
        runs = {str(profile.get("RunID")) for profile in state.tables[Kind.CHARGER].values()}
        for run_id in (DEFAULT_RUN, *sorted(runs - {DEFAULT_RUN})):
            found = state.cdrs.get(cgrid, run_id)
            if found is not None:
                return found
        return None

    def cost_nanos(self, records: list[tuple[str, str]]) -> int:
        """What the subscriber paid by records of one session: that of the first charger."""
        found = self.runtime.state.cdrs.get(*records[0]) if records else None
        return 0 if found is None else max(found.cost_nanos, 0)

    def drop(self, cgrid: str) -> None:
        """Leaves nothing of a session that was granted nothing."""
        sessions, state = self.runtime.sessions, self.runtime.state
        session = state.sessions.get(cgrid)
        if session is not None:
            sessions.accounting.terminate(session.runs, 0, None)
            state.drop_session(cgrid)
            sessions.watch.ended(cgrid)


def money_nanos(account: Account, now_ns: int) -> int:
    """What the money balances of an account hold that have not ended."""
    return sum(
        balance.value_nanos
        for balance in account.balances.get(MONETARY, ())
        if not balance.is_disabled and not balance.expired_at(now_ns)
    )


def _may_be_unlimited(session: Session) -> bool:
    """Whether a usage of -1 means that there is no limit, and not that more was used than granted."""
    return any(run.request_type == PSEUDOPREPAID for run in session.runs)
