"""Turns: decisions on accounts in memory, and what becomes of them.

A turn is synchronous: account in memory, decide, queue the change. So turns of one account run one after the
other in the order of arrival, without locks, and no cancellation can tear one apart. Memory is ahead of the disk
by the changes under way; no answer leaves before its change, and every change before it, is durable. When a
change fails, what memory made of the accounts is thrown away and the truth is read again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from ocs.charging import onetime
from ocs.charging.account import Account, Session, session_key
from ocs.charging.actions.triggers import Followed, others_of
from ocs.charging.control import Ask, ControlResult, SessionControl
from ocs.charging.decision import Change, Decision, EventAnswer
from ocs.charging.endings import let_go
from ocs.charging.engine import decide
from ocs.charging.entry import Posting
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Result
from ocs.charging.following import follow_decision, is_watched
from ocs.charging.memory import Memory, member_keys
from ocs.charging.pending import Behind, Companion, Limits, Observer, Pending
from ocs.charging.quota import ChargingPolicy
from ocs.charging.runs import BEGINNINGS, RunEvent, Step, answer_of, charge_runs, session_named, with_answer
from ocs.charging.store import Store, StoreError, VersionConflict
from ocs.charging.tariff.catalogue import Catalogue

log = structlog.get_logger()

ATTEMPTS = 8  # decisions on one event before a contended account counts as busy
NOTHING: Mapping[str, Posting] = {}
NO_ACCOUNTS: Mapping[str, Account] = {}


class Turns(Memory):
    """Decides events on accounts in memory; memory follows decisions, the store confirms them."""

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

    def _wait(self, key: str, pending: Pending) -> None:
        """Queue an event behind the others of its session until its account is there."""
        raise NotImplementedError

    def _end_other_runs(self, ended: Sequence[Session], key: str) -> None:
        """Sessions have ended that are not the event's own: so do their other runs."""
        raise NotImplementedError

    def _take_turn(
        self, account: Account, pending: Pending, refundables: Mapping[str, Posting] = NOTHING
    ) -> None:
        """Decide, remember, and queue what changed; `refundables` are what a refund takes back, by session."""
        event = pending.event
        pending.account_key = account.key
        if self._monotonic_ns() - pending.arrived_ns > self.limits.wait_ns and not event.is_never_too_late:
            self.observer.request_shed()
            self._finish(pending, ChargingAnswer(Result.TOO_BUSY))
            return
        now_ns = self._wall_ns()
        companion = pending.companion
        try:
            if companion is not None:
                runs = companion.runs(session_named(account, event))
                if runs:
                    self._take_turn_of_runs(account, pending, runs, now_ns, refundables)
                    return
            others = () if account.extras is None else self.members_in_memory(account)
            if event.kind is EventKind.EVENT:
                refundable = refundables.get(pending.key)
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
        if companion is not None and not self._joined(companion, pending, decision):
            return
        if decision.account is account:
            self._answer_unchanged(pending, decision)
            return
        pending.others = ()
        has_told = self._queue(account, pending, decision, now_ns)
        if companion is not None:
            companion.queued(is_shared=False)
        elif has_told and self.on_queued is not None:
            self.on_queued()

    # --- several runs

    def _take_turn_of_runs(
        self,
        account: Account,
        pending: Pending,
        runs: Sequence[RunEvent],
        now_ns: int,
        refundables: Mapping[str, Posting],
    ) -> None:
        """Decide all runs of an event, and commit all of them or none."""
        event, companion = pending.event, pending.companion
        assert companion is not None, "who pays besides is known by a companion"
        parties = [(account, event)]
        for each in runs:
            payer = self._accounts.get(each.run.account)
            if payer is None or not self._has_members(payer):
                self._without_payer(pending, each)
                return
            parties.append((payer, each.event))
        followed: dict[str, Followed] = {}

        def decided(before: Account, each: ChargingEvent, known: dict[str, Account]) -> Decision:
            decision, more = self._decided(before, each, known, now_ns, refundables)
            if more is not None:
                followed[each.session_id] = more
            else:
                followed.pop(each.session_id, None)
            return decision

        steps = charge_runs(parties, decided)
        if not pending.is_verified and _leaves_out(steps):
            pending.is_verified = True  # memory may be behind what others have written of those who pay
            self._wait(pending.key, pending)
            return
        answer = answer_of(steps)
        if len(steps) > 1 and event.kind in BEGINNINGS and answer.result is not Result.SUCCESS:
            steps = [Step(account, event, Decision(account, answer))]  # all runs begin, or none
        elif len(steps) > 1:
            steps = with_answer(steps, answer, tuple([each.run for each in runs]))
        decision = steps[0].decision
        pending.answer = decision.answer
        if not self._joined(companion, pending, decision):
            return
        if decision.account is account:
            self._answer_unchanged(pending, decision)
            return
        pending.others = ()
        for step in steps:
            if step.decision.account is step.before:
                log.warning("charging.run_not_charged", session=step.event.session_id)
                continue
            more, run = followed.get(step.event.session_id), None if step is steps[0] else step.event
            self._hand_to_store(pending, step.before, step.decision, more, now_ns, run)
        for step in steps:  # what records set off may change any of these accounts
            more = followed.get(step.event.session_id)
            self._handed_over(step.decision.cdrs, () if more is None else more.notices)
        companion.queued(is_shared=True)

    def _without_payer(self, pending: Pending, missing: RunEvent) -> None:
        """One of those who pay is not in memory: load it, or refuse what nobody can pay for."""
        if not pending.has_looked:
            pending.has_looked = True
            self._wait(pending.key, pending)
            return
        log.warning("charging.payer_unknown", session=missing.event.session_id, account=missing.run.account)
        self._finish(pending, ChargingAnswer(Result.UNKNOWN_SUBSCRIBER, failed="account"))

    def _decided(
        self,
        before: Account,
        event: ChargingEvent,
        known: dict[str, Account],
        now_ns: int,
        refundables: Mapping[str, Posting],
    ) -> tuple[Decision, Followed | None]:
        """One run's decision on accounts as the runs before have left them, and what triggers do because of it."""
        members = [known.get(key) or self._accounts.get(key) for key in member_keys(before)]
        others = tuple([member for member in members if member is not None])
        if event.kind is EventKind.EVENT:
            refundable = refundables.get(session_key(event.client, event.session_id))
            decision = onetime.decide(before, event, self.catalogue, self.policy, now_ns, refundable, others)
        else:
            decision = decide(before, event, self.catalogue, self.policy, now_ns, others)
        if decision.account is before or not _has_triggers(before, decision):
            return decision, None
        return self._followed(before, decision, event, now_ns, known)

    # --- what becomes of a decision

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
        followed: Followed | None = None
        if _has_triggers(account, decision):
            decision, followed = self._followed(account, decision, pending.event, now_ns)
        self._hand_to_store(pending, account, decision, followed, now_ns)
        if decision.cdrs or followed is not None:
            self._handed_over(decision.cdrs, () if followed is None else followed.notices)
            return True
        return False

    def _hand_to_store(
        self,
        pending: Pending,
        account: Account,
        decision: Decision,
        followed: Followed | None,
        now_ns: int,
        run: ChargingEvent | None = None,
    ) -> None:
        """Memory and the store get a decision on an event, or on that of one of its runs."""
        event, key, done = pending.event, pending.key, pending.durable
        if run is not None:
            event, key, done = run, session_key(run.client, run.session_id), _no_matter
        if followed is not None:
            self._tell(decision.account, followed)
        if decision.closed_keys:
            self._end_other_runs([each for each in account.sessions if each.key in decision.closed_keys], key)
        self._remember(decision, key, now_ns)
        self._undurable[account.key] = pending
        if decision.others or run is not None:
            changed = (account.key, *[one.key for one in decision.others])
            pending.others += changed
            self._undurable.update(dict.fromkeys(changed, pending))
        self.store.commit(self._change(account, decision, event), done)

    def _followed(
        self,
        account: Account,
        decision: Decision,
        event: ChargingEvent,
        now_ns: int,
        known: Mapping[str, Account] = NO_ACCOUNTS,
    ) -> tuple[Decision, Followed | None]:
        """The decision with what triggers do because of it; `known` are accounts that are ahead of memory."""
        accounting = self.catalogue.tariff.accounting
        keys = others_of(account, accounting).union(*(others_of(one, accounting) for one in decision.others))
        found = self._known(keys | {one.key for one in decision.others})
        found.update((key, known[key]) for key in found.keys() & known.keys())
        return follow_decision(account, decision, event, self.catalogue, now_ns, found)

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
                if error is None and self._fresh_answers:
                    self._fresh_answers.pop(other, None)
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
            pending.has_looked = False
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

    def _tell(self, account: Account, followed: Followed | None) -> None:
        if followed is not None and self.on_followed is not None:
            self.on_followed(account, followed)


def _named(event: ChargingEvent) -> dict[str, object]:
    """An event in a line of the log."""
    return {"session": event.session_id, "client": event.client, "number": event.event_id}


def _leaves_out(steps: Sequence[Step]) -> bool:
    """Whether a run is not charged for what the others are."""
    changed = [step.decision.account is not step.before for step in steps]
    return any(changed) and not all(changed)


def _has_triggers(account: Account, decision: Decision) -> bool:
    return is_watched(account) or (bool(decision.others) and any(map(is_watched, decision.others)))


def _no_matter(error: StoreError | None) -> None:
    """Who waits for the first run hears of all."""
