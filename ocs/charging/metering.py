"""Sessions whose clients tell start and stop alone: the server counts their time and charges it step by step.

A step reports the time the session has lasted, as a total, and asks for the next one; the last step before the
credit ends is shorter. When nothing more is granted the session is ended at the time it has lasted, and its client
is told to end it; what the client says afterwards is taken as a late report. Before that it is warned once: when
the account is at its low-balance mark, or when the last step is known and ends soon. Nothing is counted twice: a
total that was charged costs nothing more, also after a restart.
"""

import asyncio
from typing import Protocol

import structlog

from ocs.charging.account import Account, Session
from ocs.charging.events import (
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    RequestedUnits,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.quota import ChargingPolicy
from ocs.charging.store import StoreError

log = structlog.get_logger()

EVERY_S = 1.0
AT_ONCE = 500  # sessions charged together
CAUSE_EXHAUSTED = "credit exhausted"
CAUSE_TOO_LONG = "longer than any session"


class MeteredCore(Protocol):
    """The core whose sessions are counted: `metered` are their keys with those of their accounts."""

    @property
    def policy(self) -> ChargingPolicy: ...
    @property
    def metered(self) -> dict[str, str]: ...

    def now_ns(self) -> int:
        """The wall clock it charges by."""
        ...

    def known(self, key: str) -> Account | None:
        """An account that is in memory."""
        ...

    async def account(self, key: str) -> Account | None:
        """The account of that key. Raises StoreError."""
        ...

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charge an event and wait for the answer."""
        ...

    async def warn(self, account: Account, session: Session) -> None:
        """Have the user told that the credit ends soon."""

    async def disconnect(self, account: Account, session: Session, cause: str) -> None:
        """Tell the client of a session to end it."""


class Metering:
    """Takes the steps that are due; `step` is called once a second."""

    def __init__(self, service: MeteredCore) -> None:
        self._service = service
        self._warned: set[str] = set()  # by key; a server that was restarted warns again

    async def run(self) -> None:
        """Take the steps that are due, every second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.step()

    async def step(self) -> int:
        """Charge every session whose granted time has passed; how many there were."""
        due = 0
        metered = list(self._service.metered.items())
        for start in range(0, len(metered), AT_ONCE):
            steps = [self._step_of(key, account_key) for key, account_key in metered[start : start + AT_ONCE]]
            due += sum(await asyncio.gather(*steps))
        return due

    async def _step_of(self, key: str, account_key: str) -> bool:
        """Charge one session if it is due; what fails is tried again by the next round."""
        try:
            account = self._service.known(account_key) or await self._service.account(account_key)
            session = None if account is None else _session(account, key)
            if session is None or self._is_due(session):  # another server may have charged it meanwhile
                account = await self._service.account(account_key)
                session = None if account is None else _session(account, key)
            if account is None or session is None:
                self._service.metered.pop(key, None)
                self._warned.discard(key)
                return False
            left_ns = self._left_ns(session)
            is_last = any(quota.is_final for quota in session.quotas)
            if not self._is_due(session):
                if is_last and left_ns <= self._service.policy.supervision.warns_before_ns:
                    await self._warn(account, session)
                return False
            await self._charge(account, session)
        except StoreError as error:
            log.warning("charging.metering_failed", session=key, error=str(error))
        except Exception:
            log.exception("charging.metering_failed", session=key)
        return True

    def _is_due(self, session: Session) -> bool:
        is_last = any(quota.is_final for quota in session.quotas)
        return self._left_ns(session) <= (0 if is_last else self._early_ns(session))

    def _left_ns(self, session: Session) -> int:
        """How long what was granted lasts still."""
        granted_ns = sum(quota.used + quota.granted for quota in session.quotas if quota.unit is Unit.TIME)
        return session.opened_at_ns + granted_ns - self._service.now_ns()

    def _early_ns(self, session: Session) -> int:
        """How long before the end of a step the next one is asked for: in time to warn, if it is the last."""
        return min(self._service.policy.supervision.warns_before_ns, session.meter_ns // 2)

    async def _warn(self, account: Account, session: Session) -> None:
        if session.key not in self._warned:
            self._warned.add(session.key)
            log.info("charging.metered_session_warned", session=session.key)
            await self._service.warn(account, session)

    async def _charge(self, account: Account, session: Session) -> None:
        lasted_ns = self._service.now_ns() - session.opened_at_ns
        is_too_long = lasted_ns > self._service.policy.supervision.maximum_ns
        if not is_too_long:
            wish = RequestedUnits(Unit.TIME, session.meter_ns)
            answer = await self._service.handle(_event(account, session, EventKind.UPDATE, lasted_ns, wish))
            if any(grant.amount for grant in answer.grants):
                await self._look(account, session, answer)
                return
        cause = CAUSE_TOO_LONG if is_too_long else CAUSE_EXHAUSTED
        log.info("charging.metered_session_ended", session=session.key, cause=cause)
        await self._service.handle(_event(account, session, EventKind.TERMINATION, lasted_ns, None))
        await self._service.disconnect(account, session, cause)

    async def _look(self, account: Account, session: Session, answer: ChargingAnswer) -> None:
        """Warn after a step that left little; one after a top-up that is enough lets it be said again."""
        is_last = any(grant.final_unit is not None for grant in answer.grants)
        soon_ns = self._service.policy.supervision.warns_before_ns
        granted_ns = sum(grant.amount for grant in answer.grants)
        if answer.is_low_balance or (is_last and granted_ns <= soon_ns):
            await self._warn(account, session)
        elif not is_last:
            self._warned.discard(session.key)


def _session(account: Account, key: str) -> Session | None:
    return next((session for session in account.sessions if session.key == key), None)


def _event(
    account: Account, session: Session, kind: EventKind, lasted_ns: int, wish: RequestedUnits | None
) -> ChargingEvent:
    """What the client would say, had it counted; a step is named by the time, so a repeat of it is known."""
    group = session.quotas[0].rating_group if session.quotas else None
    used = (UsedUnits(Unit.TIME, lasted_ns, is_total=True),)
    return ChargingEvent(
        kind,
        session.client,
        session.session_id,
        f"metered {lasted_ns}",
        session.service,
        reports=(UsageReport(group, requested=wish, used=used),),
        account=account.key,
        slices_itself=True,
    )
