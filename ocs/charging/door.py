"""Events in, durable answers out: who an event is about is found in memory or the store, then it has its turn."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from ocs.charging import onetime
from ocs.charging.account import Account, session_key
from ocs.charging.actions.triggers import others_of
from ocs.charging.decision import Decision, EventAnswer, decode_answer
from ocs.charging.entry import Posting
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Identity, RequestType, Result
from ocs.charging.following import is_watched
from ocs.charging.naming import names_strangers, nobody
from ocs.charging.pending import Companion, Deliver, Pending
from ocs.charging.runs import session_named
from ocs.charging.store import StoreError
from ocs.charging.turns import Turns

log = structlog.get_logger()

Found = TypeVar("Found")


class Door(Turns):
    """Takes events and changes, answers each exactly once."""

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

    async def handle(self, event: ChargingEvent, companion: Companion | None = None) -> ChargingAnswer:
        """Charge an event and wait for the answer. Cancelling the wait does not undo the turn."""
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: ChargingAnswer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.submit(event, deliver, companion)
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
                if account is not None and pending.companion is not None:
                    await self._load_payers(account, pending, pending.companion)
                    account = self._accounts.get(account.key, account)
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
            refundables = await self._refundables(pending, event)
            companion = pending.companion
            for each in () if companion is None else companion.runs(None):
                refundables |= await self._refundables(pending, each.event)
            if self._accounts.get(account_key) is account and self._has_members(account):
                self._take_turn(account, pending, refundables)
                return
            await self._with_members(account)

    async def _refundables(self, pending: Pending, event: ChargingEvent) -> dict[str, Posting]:
        """What a refund of one run takes back, by its session."""
        token = event.refund_token
        if token is None or await self._kept_answer(onetime.refund_key(token)) is not None:
            return {}
        debit = await self._kept_answer(onetime.token_text(token))
        if debit is None or debit.posting is None:
            return {}
        return {session_key(event.client, event.session_id): debit.posting}

    async def _load_payers(self, account: Account, pending: Pending, companion: Companion) -> None:
        """Take the accounts of an event's other runs into memory."""
        for each in companion.runs(session_named(account, pending.event)):
            if pending.is_verified:
                await self._verified(each.run.account)
            payer = await self._account(each.run.account)
            if payer is not None and payer.extras is not None:
                await self._with_members(payer)
        pending.has_looked = True

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

    async def account(self, name: str) -> Account | None:
        """The account of that key, as memory has it, which is not behind the store."""
        return await (self._verified(name) if self.is_shared else self._account(name))

    async def find(self, identity: Identity) -> Account | None:
        """The account of an identity."""
        known = None if self.is_shared else self._identities.get(identity)
        key = known or await self.store.find(identity)
        return None if key is None else await self.account(key)


def at_once(work: Coroutine[Any, Any, Found]) -> Found:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        found: Found = done.value
        return found
    work.close()
    raise AssertionError("a store that answers at once has waited")
