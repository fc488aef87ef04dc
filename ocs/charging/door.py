"""Turns: events in, decisions on accounts in memory, durable answers out.

A turn is synchronous: account in memory, decide, queue the change. So turns of one account run one after the
other in the order of arrival, without locks, and no cancellation can tear one apart. Memory is ahead of the disk
by the changes under way; no answer leaves before its change, and every change before it, is durable. When a
change fails, what memory made of the accounts is thrown away and the truth is read again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from ocs.charging import onetime
from ocs.charging.account import Account
from ocs.charging.actions.triggers import Followed, others_of
from ocs.charging.control import Ask, ControlResult, SessionControl
from ocs.charging.decision import Change, Decision, EventAnswer, decode_answer
from ocs.charging.endings import let_go
from ocs.charging.engine import decide
from ocs.charging.entry import Posting
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Identity, RequestType, Result
from ocs.charging.following import follow_decision, is_watched
from ocs.charging.memory import Memory
from ocs.charging.naming import names_strangers, nobody
from ocs.charging.pending import Behind, Companion, Deliver, Limits, Observer, Pending
from ocs.charging.quota import ChargingPolicy
from ocs.charging.store import Store, StoreError, VersionConflict
from ocs.charging.tariff.catalogue import Catalogue

log = structlog.get_logger()

Found = TypeVar("Found")
ATTEMPTS = 8  # decisions on one event before a contended account counts as busy


class Door(Memory):
    """Takes events and changes, answers each exactly once; memory follows decisions, the store confirms them."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        policy: ChargingPolicy,
        observer: Observer,
        limits: Limits | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(store, limits, wall_ns, monotonic_ns)
        self.catalogue = catalogue
        self.policy = policy
        self.observer = observer
        self.session_control: dict[str, SessionControl] = {}
        self.elsewhere: Callable[[Ask], Awaitable[ControlResult]] | None = None  # asks over other servers
        self.in_flight = 0
        self.loads_at_once = False  # the store answers without waiting: a cold account needs no task
        self.is_shared = False  # other servers write to the store: memory may be behind it
        self.watch: Callable[[ChargingEvent, ChargingAnswer, int], None] | None = None
        self.on_planned: Callable[[Account], None] | None = (
            None  # an account with plans or triggers was changed
        )
        self.on_followed: Callable[[Account, Followed], None] | None = None  # what triggers did
        self._answers: dict[str, EventAnswer] = {}
        self._fresh_answers: dict[str, list[str]] = {}  # by account: kept answers that are not durable yet
        self._unwatched: set[str] = set()  # accounts thrown away, whose sessions are to be found again
        self._waiting: dict[str, deque[Pending]] = {}  # by session: events until their account is in memory
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._adopted = asyncio.Event()  # the sessions of before the start are known
        self._adopted.set()

    def now_ns(self) -> int:
        """The wall clock this service charges by."""
        return self._wall_ns()

    # --- events

    def submit(self, event: ChargingEvent, deliver: Deliver, companion: Companion | None = None) -> None:
        """Charge an event; `deliver` gets the answer, once, when it is durable. Never raises."""
        pending = Pending(self, event, deliver, self._monotonic_ns(), companion)
        if self.in_flight >= self.limits.in_flight:
            self.observer.request_shed()
            deliver(ChargingAnswer(Result.TOO_BUSY))
            return
        self.in_flight += 1
        key = pending.key
        if event.kind is not EventKind.EVENT and key not in self._waiting:
            account = self._accounts.get(self._known_account_key(key, event) or "")
            if account is None and self.loads_at_once:
                account = self._account_now(key, event)
            is_here = account is not None and (account.extras is None or self._has_members(account))
            if account is not None and is_here and not names_strangers(account, event):
                self._take_turn(account, pending)
                return
        self._wait(key, pending)

    def _account_now(self, key: str, event: ChargingEvent) -> Account | None:
        """The account from a store that answers without waiting: a cold account needs no task then.

        None leaves it to the way of those who wait, which also tells who is unknown.
        """
        try:
            return at_once(self._account_of(key, event))
        except StoreError:
            return None

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charge an event and wait for the answer. Cancelling the wait does not undo the turn."""
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: ChargingAnswer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.submit(event, deliver)
        return await answered

    def _known_account_key(self, key: str, event: ChargingEvent) -> str | None:
        """The account of a session, of a key or of an identity, as far as memory knows."""
        ref = self.supervision.get(key)
        if ref is not None:
            return ref.account_key
        if event.account:
            return event.account if event.account in self._accounts else None
        for identity in event.identities:
            account_key = self._identities.get(identity)
            if account_key is not None:
                return account_key
        return None

    def _take_turn(self, account: Account, pending: Pending, refundable: Posting | None = None) -> None:
        """Decide, remember, and queue what changed."""
        event = pending.event
        pending.account_key = account.key
        if self._monotonic_ns() - pending.arrived_ns > self.limits.wait_ns and not event.is_never_too_late:
            self.observer.request_shed()
            self._finish(pending, ChargingAnswer(Result.TOO_BUSY))
            return
        now_ns = self._wall_ns()
        others = () if account.extras is None else self.members_in_memory(account)
        try:
            if event.kind is EventKind.EVENT:
                decision = onetime.decide(
                    account, event, self.catalogue, self.policy, now_ns, refundable, others
                )
            else:
                decision = decide(account, event, self.catalogue, self.policy, now_ns, others)
        except Exception:
            log.exception("charging.turn_failed", session=event.session_id, kind=event.kind.name)
            self._finish(pending, ChargingAnswer(Result.FAILED))
            return
        pending.answer = decision.answer
        if pending.companion is not None and not self._joined(pending.companion, pending, decision):
            return
        if decision.account is account:
            self._answer_unchanged(pending, decision)
            return
        has_told = self._queue(account, pending, decision, now_ns)
        if pending.companion is not None:
            pending.companion.queued()
        elif has_told and self.on_queued is not None:
            self.on_queued()

    def _joined(self, companion: Companion, pending: Pending, decision: Decision) -> bool:
        """Whether a companion goes along; else the event has been answered, or waits until it has learned."""
        try:
            refused = companion.join(decision, may_learn=self.is_shared and not pending.is_informed)
        except Behind:
            pending.is_informed = True
            self._wait(pending.key, pending)
            return False
        if refused is not None:
            self._finish(pending, refused)
        return refused is None

    def _queue(self, account: Account, pending: Pending, decision: Decision, now_ns: int) -> bool:
        """Remember what a decision changed, and hand it to the store; whether records or notices were told."""
        event = pending.event
        followed: Followed | None = None
        if is_watched(account) or (decision.others and any(map(is_watched, decision.others))):
            decision, followed = self._followed(account, decision, event, now_ns)
        self._remember(decision, pending.key, now_ns)
        self._undurable[account.key] = pending
        if decision.others:
            pending.others = tuple([one.key for one in decision.others])
            self._undurable.update(dict.fromkeys(pending.others, pending))
        self.store.commit(self._change(account, decision, event), pending.durable)
        if decision.cdrs or followed is not None:
            self._handed_over(decision.cdrs, () if followed is None else followed.notices)
            return True
        return False

    def _followed(
        self, account: Account, decision: Decision, event: ChargingEvent, now_ns: int
    ) -> tuple[Decision, Followed | None]:
        """The decision with what triggers do because of it."""
        accounting = self.catalogue.tariff.accounting
        keys = others_of(account, accounting).union(*(others_of(one, accounting) for one in decision.others))
        known = self._known(keys | {one.key for one in decision.others})
        decision, followed = follow_decision(account, decision, event, self.catalogue, now_ns, known)
        self._tell(decision.account, followed)
        return decision, followed

    def _answer_unchanged(self, pending: Pending, decision: Decision) -> None:
        """Nothing to write; a repeat still waits for the change it repeats.

        Memory may be behind a store that others write to: what is refused is decided once more on the truth.
        """
        before = self._undurable.get(pending.account_key)
        if not (decision.is_repeat or pending.is_verified or before is not None):
            pending.is_verified = True
            self._wait(pending.key, pending)
            return
        if decision.is_repeat:
            self.observer.duplicate_answered()
            if decision.is_contradicting:
                log.warning("charging.duplicate_contradicted", **_named(pending.event))
        if before is None:
            self._finish_unchanged(pending, decision.answer)
        elif before.followers is None:
            before.followers = [pending]
        else:
            before.followers.append(pending)

    def _change(self, before: Account, decision: Decision, event: ChargingEvent) -> Change:
        answered: tuple[EventAnswer, ...] = () if decision.answered is None else (decision.answered,)
        if answered and event.refund_token is not None:
            used = EventAnswer(
                onetime.refund_key(event.refund_token),
                decision.account.key,
                answered[0].expires_at_ns,
                answered[0].answer,
            )
            self._keep_answer(used)
            answered = (*answered, used)
        return Change(
            decision.account,
            (*(() if decision.posting is None else (decision.posting,)), *decision.other_postings),
            decision.cdrs,
            () if decision.opened is None else (decision.opened.key,),
            let_go(before, decision.account) if decision.cdrs or decision.closed_keys else (),
            answered,
            others=decision.others,
            keeps_count=len(before.sessions) == len(decision.account.sessions),
        )

    def _remember(self, decision: Decision, session: str, now_ns: int) -> None:
        """Memory follows the decision at once; the disk follows with the commit."""
        account = decision.account
        for changed in (account, *decision.others):
            self._accounts[changed.key] = changed
        for key in decision.closed_keys:
            self.supervision.forget(key)
        if decision.opened is not None and decision.opened.meter_ns:
            self.metered[decision.opened.key] = account.key
        if decision.answered is not None:
            self._keep_answer(decision.answered)
        if decision.deadline_ns is not None:
            deadline_ns = self._monotonic_ns() + decision.deadline_ns - now_ns
            self.supervision.touch(session, account.key, deadline_ns)

    def _keep_answer(self, answered: EventAnswer) -> None:
        if len(self._answers) >= self.limits.answers:
            self.observer.answer_forgotten()
            del self._answers[next(iter(self._answers))]
        self._answers[answered.key] = answered
        self._fresh_answers.setdefault(answered.account, []).append(answered.key)

    def committed(self, pending: Pending, error: StoreError | None) -> None:
        """A change is durable, or has failed."""
        key = pending.account_key
        if self._undurable.get(key) is pending:
            del self._undurable[key]
            if error is None and self._fresh_answers:
                self._fresh_answers.pop(key, None)
        for other in pending.others:
            if self._undurable.get(other) is pending:
                del self._undurable[other]
        followers, pending.followers = pending.followers, None
        if error is None:
            assert pending.answer is not None, "a change is committed with its answer"
            self._finish(pending, pending.answer)
            for follower in followers or ():
                assert follower.answer is not None, "a repeat has its answer"
                self._finish_unchanged(follower, follower.answer)
            return
        for changed in (key, *pending.others):
            self._forget_account(changed)
        for failed in (pending, *(followers or ())):
            self._after_failure(failed, error)

    def _after_failure(self, pending: Pending, error: StoreError) -> None:
        """A lost race is run again on fresh state; a store that fails makes the answer "too busy"."""
        pending.answer = None
        pending.attempts += 1
        if isinstance(error, VersionConflict) and pending.attempts < ATTEMPTS:
            self._wait(pending.key, pending)
        else:
            self._finish(pending, ChargingAnswer(Result.TOO_BUSY))

    def _forget_account(self, key: str) -> None:
        """Throw away what memory made of an account; its sessions are looked for again in the store."""
        self._unwatched.add(key)
        for answer_key in self._fresh_answers.pop(key, ()):
            self._answers.pop(answer_key, None)
        account = self._accounts.pop(key, None)
        if account is not None:
            self._forget_identities(account)
            for session in account.sessions:
                self.supervision.forget(session.key)

    def _finish(self, pending: Pending, answer: ChargingAnswer) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()
        if self.watch is not None:
            self.watch(pending.event, answer, self._monotonic_ns() - pending.arrived_ns)
        try:
            pending.deliver(answer)
        except Exception:
            log.exception("charging.delivery_failed", session=pending.event.session_id)

    def _finish_unchanged(self, pending: Pending, answer: ChargingAnswer) -> None:
        if answer.result is Result.UNKNOWN_SESSION:
            self._log_orphan(pending.event)
        self._finish(pending, answer)

    def _log_orphan(self, event: ChargingEvent) -> None:
        """Usage that no session is there for is not charged, but not lost from sight either."""
        used = [
            (report.rating_group, used.unit.name, used.amount)
            for report in event.reports
            for used in report.used
        ]
        if any(amount for _, _, amount in used):
            log.warning(
                "charging.usage_orphaned",
                session=event.session_id,
                client=event.client,
                kind=event.kind.name,
                used=used,
            )

    # --- events whose account is not in memory, and one-time events

    def _wait(self, key: str, pending: Pending) -> None:
        """Queue an event behind the others of its session until its account is there."""
        queue = self._waiting.get(key)
        if queue is not None:
            queue.append(pending)
            return
        self._waiting[key] = deque((pending,))
        task = asyncio.get_running_loop().create_task(self._serve_waiting(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_waiting(self, key: str) -> None:
        queue = self._waiting[key]
        try:
            while queue:
                await self._serve_cold(key, queue[0])
                queue.popleft()
        finally:
            del self._waiting[key]
            for pending in queue:
                self._finish(pending, ChargingAnswer(Result.TOO_BUSY))

    async def _serve_cold(self, key: str, pending: Pending) -> None:
        event = pending.event
        try:
            async with asyncio.timeout(self.limits.wait_ns / 1e9):
                if pending.companion is not None and (pending.is_informed or pending.attempts):
                    await pending.companion.catch_up()
                account = await self._account_of(key, event)
                if account is None and event.request_type is RequestType.DYNAPREPAID:
                    account = await self._opened(event)
                if pending.is_verified and account is not None:
                    await self._verified(account.key)
                    account = await self._account_of(key, event)  # it may have lost the name it was found by
                if account is not None and account.extras is not None:
                    account = await self._with_members(account)
                if account is not None and await self._names_somebody_else(account, event):
                    self._finish(pending, ChargingAnswer(Result.CONTRADICTION, failed="identities"))
                    return
                if event.kind is EventKind.EVENT and account is not None:
                    await self._serve_one_time(account.key, pending)
                    return
        except (StoreError, TimeoutError) as error:
            log.warning("charging.store_unavailable", error=str(error))
            self._finish(pending, ChargingAnswer(Result.TOO_BUSY))
            return
        if account is None:
            self._finish(pending, nobody(event))
        else:
            self._take_turn(account, pending)

    async def _opened(self, event: ChargingEvent) -> Account | None:
        """The account that a dynaprepaid event of somebody unknown opens; None where it opens none."""
        return None

    async def _names_somebody_else(self, account: Account, event: ChargingEvent) -> bool:
        """Whether one of the identities belongs to another account: who is to pay is not certain then."""
        if not names_strangers(account, event):
            return False
        for identity in event.identities:
            if identity not in account.identities:
                owner = self._identities.get(identity) or await self.store.find(identity)
                if owner is not None and owner != account.key:
                    return True
        return False

    async def _serve_one_time(self, account_key: str, pending: Pending) -> None:
        """A repeat of a one-time event gets the stored answer; a refund first finds what it takes back.

        What the store says counts only where the account has not moved on meanwhile: else it is asked again.
        """
        event = pending.event
        pending.account_key = account_key
        while True:
            account = await self._account(account_key)
            assert account is not None, "it was there a moment ago, and accounts are not removed"
            kept = await self._kept_answer(onetime.answer_key(event))
            if kept is not None:
                pending.answer = decode_answer(kept.answer)
                self._answer_unchanged(pending, Decision(account, pending.answer, is_repeat=True))
                return
            refundable = None
            token = event.refund_token
            if token is not None and await self._kept_answer(onetime.refund_key(token)) is None:
                debit = await self._kept_answer(onetime.token_text(token))
                refundable = None if debit is None else debit.posting
            if self._accounts.get(account_key) is account and self._has_members(account):
                self._take_turn(account, pending, refundable)
                return
            await self._with_members(account)

    async def _verified(self, account_key: str) -> Account | None:
        """The account from memory, where memory is not behind the store; else from the store."""
        stored = await self.store.load(account_key)
        known = self._accounts.get(account_key)
        if stored is not None and known is not None and known.version < stored.version:
            self._forget_account(account_key)
        return await self._account(account_key)

    async def _kept_answer(self, key: str) -> EventAnswer | None:
        return self._answers.get(key) or await self.store.answer_of(key)

    async def _account_of(self, key: str, event: ChargingEvent) -> Account | None:
        """The account of an event: by its session, else by the first identity that is known."""
        account_key = self._known_account_key(key, event)
        if account_key is None and event.kind is not EventKind.EVENT:
            account_key = await self.store.find(key)
        if account_key is None and event.account and await self._account(event.account) is not None:
            account_key = event.account
        for identity in event.identities if account_key is None else ():
            account_key = await self.store.find(identity)
            if account_key is not None:
                break
        return None if account_key is None else await self._account(account_key)

    async def _load_others(self, account: Account) -> None:
        """Take the accounts that turns and triggers of this one may change into memory as well."""
        await self._load_members(account)
        if is_watched(account):
            for key in others_of(account, self.catalogue.tariff.accounting):
                await self._account(key)

    def _tell(self, account: Account, followed: Followed | None) -> None:
        if followed is not None and self.on_followed is not None:
            self.on_followed(account, followed)

    async def account(self, name: str) -> Account | None:
        """The account of that key, as memory has it, which is not behind the store."""
        return await (self._verified(name) if self.is_shared else self._account(name))

    async def find(self, identity: Identity) -> Account | None:
        """The account of an identity."""
        known = None if self.is_shared else self._identities.get(identity)
        key = known or await self.store.find(identity)
        return None if key is None else await self.account(key)


def _named(event: ChargingEvent) -> dict[str, object]:
    """An event in a line of the log."""
    return {"session": event.session_id, "client": event.client, "number": event.event_id}


def at_once(work: Coroutine[Any, Any, Found]) -> Found:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        found: Found = done.value
        return found
    work.close()
    raise AssertionError("a store that answers at once has waited")
