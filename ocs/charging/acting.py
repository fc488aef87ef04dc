"""Changes of accounts that no event makes: what operators, plans and supervision do, one durable change each."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from ocs.charging import onetime
from ocs.charging.account import Account
from ocs.charging.actions.triggers import others_of
from ocs.charging.acts import Act, NewAccount, create
from ocs.charging.decision import Change, Decision
from ocs.charging.door import Door
from ocs.charging.engine import decide
from ocs.charging.entry import Posting
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Identity, Result
from ocs.charging.following import follow_change, is_watched
from ocs.charging.pending import Deliver, Pending
from ocs.charging.store import StoreError, VersionConflict
from ocs.charging.turns import ATTEMPTS

log = structlog.get_logger()


class ActingDoor(Door):
    """A door that takes acts too; `apply` calls them on the present state, also again after a lost race."""

    def known(self, key: str) -> Account | None:
        """The account of that key, where memory has it."""
        return self._accounts.get(key)

    def charge_now(
        self, event: ChargingEvent, deliver: Deliver, refundable: Posting | None = None
    ) -> Decision:
        """Charge an event of an account in memory at once; `deliver` gets the answer when it is durable.

        For those who decide several events in one step: what is returned may be told only after that.
        """
        account = self._accounts.get(event.account)
        if account is None or not self._has_members(account):
            nobody = Account(event.account, "")
            decision = Decision(nobody, ChargingAnswer(Result.UNKNOWN_SUBSCRIBER, failed="account"))
            deliver(decision.answer)
            return decision
        pending = Pending(self, event, deliver, self._monotonic_ns())
        pending.account_key, pending.is_verified = account.key, True
        pending.attempts = ATTEMPTS  # what was decided on top of it is lost with it: nobody charges it again
        self.in_flight += 1
        now_ns = self._wall_ns()
        others = self.members_in_memory(account)
        if event.kind is EventKind.EVENT:
            decision = onetime.decide(account, event, self.catalogue, self.policy, now_ns, refundable, others)
        else:
            decision = decide(account, event, self.catalogue, self.policy, now_ns, others)
        pending.answer = decision.answer
        if decision.account is account:
            self._answer_unchanged(pending, decision)
        else:
            self._queue(account, pending, decision, now_ns)
        return decision

    async def apply(self, account_key: str, act: Callable[[Account], Change | None]) -> Account | None:
        """Change an account by `act`, which is called on its present state; returns when that is durable.

        `act` may return None to change nothing, and may raise. None is returned for an unknown account; a store
        that cannot take the change raises StoreError.
        """
        for _ in range(ATTEMPTS):
            account = await self._account(account_key)
            if account is None:
                return None
            await self._load_others(account)
            account = self._accounts.get(account_key, account)  # it may have changed meanwhile
            change = act(account)
            if change is None:
                return account
            try:
                change = await self._commit_followed(account, change)
            except VersionConflict:
                continue
            return change.account
        raise VersionConflict(f"{account_key} is changed all the time")

    async def apply_all(
        self, account_key: str, others: Iterable[str], act: Callable[[Mapping[str, Account]], Change | None]
    ) -> Account | None:
        """`apply` for acts that change other accounts too; they get those of `others` that there are."""
        keys = (account_key, *others)
        for _ in range(ATTEMPTS):
            for key in keys:
                found = await self._account(key)
                if found is not None and key == account_key:
                    await self._load_others(found)
            known = self._known(keys)
            account = known.get(account_key)
            if account is None:
                return None
            change = act(known)
            if change is None:
                return account
            try:
                change = await self._commit_followed(account, change)
            except VersionConflict:
                continue
            return change.account
        raise VersionConflict(f"{account_key} is changed all the time")

    def apply_now(
        self, account_key: str, others: Iterable[str], act: Callable[[Mapping[str, Account]], Change]
    ) -> Account | None:
        """`apply_all` at once, durable before whatever is queued behind it; None where not all is in memory."""
        keys = (account_key, *others)
        known = self._known(keys)
        account = known.get(account_key)
        if account is None or len(known) < len(keys) or not self._has_members(account):
            return None
        if is_watched(account):
            watched = others_of(account, self.catalogue.tariff.accounting)
            if len(self._known(watched)) < len(watched):
                return None
        change = self._followed_change(account, act(known))

        def done(error: StoreError | None) -> None:
            if error is not None:
                log.warning("charging.act_lost", account=account_key, error=str(error))
            else:
                self._planned(change)

        self._hand_over(change, done)
        return change.account

    async def _commit_followed(self, before: Account, change: Change) -> Change:
        """Make a change durable with what the account's triggers do because of it."""
        change = self._followed_change(before, change)
        await self._commit(change)
        return change

    def _followed_change(self, before: Account, change: Change) -> Change:
        """A change with what the account's triggers do because of it."""
        if is_watched(change.account):
            known = self._known(others_of(change.account, self.catalogue.tariff.accounting))
            change, followed = follow_change(before, change, self.catalogue, self._wall_ns(), known)
            self._tell(change.account, followed)
            if followed is not None and followed.notices:
                change = msgspec.structs.replace(change, notices=(*change.notices, *followed.notices))
        return change

    async def create(self, change: Change) -> None:
        """Make a new account durable; StoreError where its key or an identity is taken."""
        new = change.account
        if await self._account(new.key) is not None:
            raise VersionConflict(f"there is an account {new.key} already")
        for identity in new.identities:
            owner = self._identities.get(identity) or await self.store.find(identity)
            if owner is not None:
                raise VersionConflict(f"{identity.kind.name} {identity.value} belongs to account {owner}")
        await self._commit(change)

    async def _opened(self, event: ChargingEvent) -> Account | None:
        """An account of the configured plan, under the event's names; None where there is no such plan."""
        key = event.account or next((f"default:{each.value}" for each in event.identities), "")
        if not key or event.kind in (EventKind.UPDATE, EventKind.TERMINATION):
            return None
        return await self.open_account(key, event.identities)

    async def open_account(self, key: str, identities: tuple[Identity, ...] = ()) -> Account | None:
        """An account of the plan for unknown subscribers of dynaprepaid events; None where there is none."""
        plan = self.policy.dynaprepaid_plan
        if plan is None:
            return None
        act = Act(f"opened {key}", self._wall_ns(), "dynaprepaid")
        account, _ = create(NewAccount(key, plan, identities), act)
        with contextlib.suppress(VersionConflict):  # opened just now, or a name is taken: look once more
            await self.create(Change(account, has_new_identities=True))
        return await self._account(key)

    async def _commit(self, change: Change) -> None:
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: StoreError | None) -> None:
            if durable.done():
                return
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)

        self._hand_over(change, done)
        if self.on_queued is not None and (change.cdrs or change.notices):
            self.on_queued()
        await durable
        self._planned(change)

    def _hand_over(self, change: Change, told: Callable[[StoreError | None], None]) -> None:
        """Memory takes a change over, and the store gets it; `told` hears what becomes of it."""
        key = change.account.key

        def done(error: StoreError | None) -> None:
            if error is not None:
                for changed in (change.account, *change.others):
                    self._forget_account(changed.key)
            told(error)

        before = self._accounts.pop(key, None)
        if before is not None and change.has_new_identities:
            self._forget_identities(before)
        self._adopt(change.account)
        for other in change.others:
            self._accounts.pop(other.key, None)
            self._adopt(other)
        self.store.commit(change, done)
        self._handed_over(change.cdrs, change.notices)

    def _planned(self, change: Change) -> None:
        extras = change.account.extras
        if extras is not None and (extras.plans or extras.watched) and self.on_planned is not None:
            self.on_planned(change.account)
