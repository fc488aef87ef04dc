"""Runs what action plans make due, opens the accounts a tariff names, and says what triggers did.

The truth is in the accounts: each notes up to when its plans have been run, in the same change that runs them. This
task only knows when to look: after a start, or with another tariff, it looks through all accounts once. A run that
cannot be made durable is tried again; one that was made is never made twice, whoever looks and how often.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from ocs.charging import acts
from ocs.charging.account import Account, Extras, SharedGroup, Standing
from ocs.charging.actions.assign import assign, watch
from ocs.charging.actions.model import Accounting, Do, Notice, Provision, Watches
from ocs.charging.actions.plans import Ran, next_due_ns, others_of, run_due
from ocs.charging.actions.provision import groups_of_accounts
from ocs.charging.actions.triggers import Followed, next_end_ns
from ocs.charging.decision import Change
from ocs.charging.entry import EntryKind, Posting
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.service import ChargingService
from ocs.charging.store import Query, StoreError, Table
from ocs.charging.tariff.catalogue import Catalogue

log = structlog.get_logger()

LOOKED_AFTER_S = 1.0  # at the latest: the wall clock may have been set, the tariff may be another one
DAY_NS = 86_400_000_000_000
RETRIED_AFTER_NS = 5_000_000_000
RUN_TOGETHER = 200  # accounts whose runs become durable in one batch
PAGE = 100  # accounts looked through without a pause: some milliseconds
PAUSE_S = 0.005
PROVIDED_TOGETHER = 200
ASKING_S = 30.0  # clients of sessions that may go on


class Scheduler:
    """One per server; `run` goes on until it is cancelled."""

    def __init__(self, service: ChargingService) -> None:
        self._service = service
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        self._asked: dict[str, int] = {}  # by account: when triggers were last asked about an end
        self._woken = asyncio.Event()
        self._catalogue: Catalogue | None = None
        self._has_transfers = False  # among the sets of the tariff
        self._tasks: set[asyncio.Task[None]] = set()
        service.on_planned = self.plan
        service.on_followed = self.followed

    def plan(self, account: Account) -> None:
        """Look at an account again when its next run is due, or a balance ends that a trigger waits for."""
        at_ns = self._next_look_ns(account)
        if at_ns is None:
            self._due.pop(account.key, None)
        elif self._due.get(account.key) != at_ns:
            self._put(account.key, at_ns)

    def _next_look_ns(self, account: Account) -> int | None:
        """When something of an account is due; what could not be done about an end is tried again in a while."""
        end_ns = next_end_ns(account, self._accounting)
        asked_ns = self._asked.get(account.key)
        if end_ns is None:
            self._asked.pop(account.key, None)
        elif asked_ns is not None and asked_ns >= end_ns:
            end_ns = asked_ns + RETRIED_AFTER_NS
        moments = (next_due_ns(account, self._accounting), end_ns)
        return min((at_ns for at_ns in moments if at_ns is not None), default=None)

    def due_ns(self, key: str) -> int | None:
        """When an account is looked at next."""
        return self._due.get(key)

    def followed(self, account: Account, followed: Followed) -> None:
        """Say what triggers did; sessions that were told their credit ends may ask again."""
        for fired in followed.fired:
            told = {
                "account": fired.account,
                "trigger": f"{fired.group}/{fired.trigger}",
                "actions": fired.actions,
            }
            if fired.error:
                log.warning("account.trigger_failed", error=fired.error, **told)
            else:
                log.info("account.trigger_fired", **told)
        self._tell(followed.notices)
        self._credited(followed.postings)
        self.plan(account)

    def look_again(self) -> None:
        """Look through all accounts once more: plans may have been set that were not told here."""
        self._catalogue = None
        self._woken.set()

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.look()
            await self._sleep()

    async def look(self) -> None:
        """Take another tariff into account, and run what is due."""
        try:
            if self._catalogue is not self._service.catalogue:
                await self._begin()
            await self._run_due()
        except StoreError as error:
            log.warning("scheduler.store_unavailable", error=str(error))
            self._catalogue = None

    async def stop(self) -> None:
        """Let go of clients that are still being asked."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _accounting(self) -> Accounting:
        return self._service.catalogue.tariff.accounting

    async def _sleep(self) -> None:
        wait_s = LOOKED_AFTER_S
        if self._heap:
            wait_s = min(max(self._heap[0][0] - self._service.now_ns(), 0) / 1e9, LOOKED_AFTER_S)
        self._woken.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
        except TimeoutError:
            return

    def _put(self, key: str, at_ns: int) -> None:
        self._due[key] = at_ns
        heapq.heappush(self._heap, (at_ns, key))
        self._woken.set()

    # --- after a start, or with another tariff

    async def _begin(self) -> None:
        """Open and equip the accounts the tariff names, then look through all there are.

        Nothing of that is needed where only prices have changed.
        """
        catalogue = self._service.catalogue
        accounting = catalogue.tariff.accounting
        if self._catalogue is not None and self._catalogue.tariff.accounting == accounting:
            self._catalogue = catalogue
            return
        self._has_transfers = any(
            action.to_account for one in accounting.sets.values() for action in one.actions
        )
        self._heap.clear()
        self._due.clear()
        if accounting.accounts:
            await self._provide(accounting)
        if _has_due(accounting):
            await self._look_through(accounting)
        self._catalogue = catalogue

    async def _look_through(self, accounting: Accounting) -> None:
        planned, ahead, unknown = 0, 0, set[str]()
        latest_ns = self._service.now_ns() + DAY_NS
        async for page in self._pages():
            for account in page:
                if account.extras is not None and (account.extras.plans or account.extras.watched):
                    self.plan(account)
                    planned += 1
                    ahead += any(one.done_until_ns > latest_ns for one in account.extras.plans)
                    unknown |= _unknown(account.extras, accounting)
            await self._run_due()
        for name in sorted(unknown):
            log.warning("scheduler.name_unknown", name=name)
        if ahead:
            log.warning("scheduler.clock_was_ahead", accounts=ahead)
        if planned:
            log.info("scheduler.looked_through", accounts=planned, due=len(self._due))

    async def _pages(self) -> AsyncIterator[list[Account]]:
        """All accounts, some at a time, with pauses in which events have the loop to themselves."""
        after: str | int | None = ""
        while after is not None:
            page = await self._service.store.read(Query(Table.ACCOUNTS, after=after, limit=PAGE))
            yield [row for row in page.rows if isinstance(row, Account)]
            after = page.next_after
            if after is not None:
                await asyncio.sleep(PAUSE_S)

    async def _provide(self, accounting: Accounting) -> None:
        groups = groups_of_accounts(accounting)
        opened = equipped = 0
        for start in range(0, len(accounting.accounts), PROVIDED_TOGETHER):
            batch = accounting.accounts[start : start + PROVIDED_TOGETHER]
            outcomes = await asyncio.gather(*[self._equip(one, groups.get(one.key, ())) for one in batch])
            opened += outcomes.count("opened")
            equipped += outcomes.count("equipped")
            await asyncio.sleep(PAUSE_S)
        if opened or equipped:
            log.info("accounts.provided", opened=opened, equipped=equipped)

    async def _equip(self, wanted: Provision, groups: tuple[SharedGroup, ...]) -> str:
        """Open an account, or give it the plans, triggers and groups it lacks."""
        service = self._service
        if await service.account(wanted.key) is None:
            identities = await self._number_of(wanted.key)
            new = acts.NewAccount(
                wanted.key,
                wanted.plan,
                identities,
                credit_limit_nanos=wanted.credit_limit_nanos,
                standing=Standing.BARRED if wanted.is_barred else Standing.ACTIVE,
                extras=Extras(groups=groups) if groups else None,
                action_plans=wanted.action_plans,
                trigger_groups=wanted.trigger_groups,
            )
            account, posting = acts.create(new, acts.Act("tariff", service.now_ns(), "tariff"))
            postings = () if posting is None else (posting,)
            await service.create(Change(account, postings, has_new_identities=bool(identities)))
            return "opened"

        def act(account: Account) -> Change | None:
            changed = _equipped(account, wanted, groups, service.now_ns())
            return None if changed is account else Change(_next_version(changed))

        before = await service.account(wanted.key)
        return "" if await service.apply(wanted.key, act) is before else "equipped"

    async def _number_of(self, key: str) -> tuple[Identity, ...]:
        """The number an account is named after, where its name is one that nobody has."""
        name = key.rpartition(":")[2]
        number = Identity(IdentityKind.E164, name)
        is_number = name.isascii() and name.isdigit()
        return (number,) if is_number and await self._service.find(number) is None else ()

    # --- what is due

    async def _run_due(self) -> None:
        while True:
            now_ns, keys = self._service.now_ns(), list[str]()
            while self._heap and self._heap[0][0] <= now_ns and len(keys) < RUN_TOGETHER:
                at_ns, key = heapq.heappop(self._heap)
                if self._due.get(key) == at_ns:
                    del self._due[key]
                    keys.append(key)
            if not keys:
                return
            await asyncio.gather(*[self._run_account(key) for key in keys])

    async def _run_account(self, key: str) -> None:
        ran: Ran | None = None

        def act(accounts: Mapping[str, Account]) -> Change | None:
            nonlocal ran
            now_ns = self._service.now_ns()
            ran = run_due(accounts, key, self._accounting, now_ns)
            if ran is None:
                end_ns = next_end_ns(accounts[key], self._accounting)
                if end_ns is None or end_ns > now_ns:
                    return None
                self._asked[key] = now_ns
                return Change(_next_version(accounts[key]))  # its triggers do the rest
            others = tuple(account for name, account in ran.accounts.items() if name != key)
            return Change(ran.accounts[key], ran.postings, others=others, notices=ran.notices)

        try:
            account = await self._service.account(key)
            if account is None:
                return
            accounting, now_ns = self._accounting, self._service.now_ns()
            others = others_of(account, accounting, now_ns) if self._has_transfers else frozenset[str]()
            changed = await self._service.apply_all(key, others, act)
        except StoreError as error:
            log.warning("account.plan_postponed", account=key, error=str(error))
            self._put(key, self._service.now_ns() + RETRIED_AFTER_NS)
            return
        if changed is not None:
            self.plan(changed)
        if ran is not None:
            self._report(ran)

    def _report(self, ran: Ran) -> None:
        for run in ran.runs:
            told = {"account": run.account, "plan": run.plan, "actions": run.actions, "run": run.id}
            if run.error:
                log.warning("account.plan_failed", error=run.error, **told)
            else:
                log.info("account.plan_run", **told)
        self._tell(ran.notices)
        self._credited(ran.postings)

    def _tell(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            if notice.do is not Do.NOTIFY:  # whoever carries it out says what became of it
                continue
            log.info("account.noticed", account=notice.account, text=notice.text, by=notice.by)

    def _credited(self, postings: Iterable[Posting]) -> None:
        """Sessions of accounts with new credit may ask again."""
        kinds = (EntryKind.TOPUP, EntryKind.TRANSFER)
        for posting in postings:
            if any(entry.kind in kinds and entry.amount > 0 for entry in posting.entries):
                self._spawn(self._ask_again(posting.account))

    async def _ask_again(self, key: str) -> None:
        try:
            async with asyncio.timeout(ASKING_S):
                account = await self._service.account(key)
                if account is not None and account.sessions:
                    await self._service.reauthorize_starved(account)
        except (StoreError, TimeoutError) as error:
            log.warning("account.clients_not_asked", account=key, error=repr(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _equipped(account: Account, wanted: Provision, groups: tuple[SharedGroup, ...], now_ns: int) -> Account:
    changed = account
    for plan in wanted.action_plans:
        changed = assign(changed, plan, now_ns)
    for group in wanted.trigger_groups:
        changed = watch(changed, group)
    extras = changed.extras or Extras()
    named = {group.name for group in groups}
    joined = (*(group for group in extras.groups if group.name not in named), *groups)
    if set(joined) != set(extras.groups):
        changed = _replaced(changed, extras, joined)
    return changed


def _replaced(account: Account, extras: Extras, groups: tuple[SharedGroup, ...]) -> Account:
    return msgspec.structs.replace(account, extras=msgspec.structs.replace(extras, groups=groups))


def _next_version(account: Account) -> Account:
    return msgspec.structs.replace(account, version=account.version + 1)


def _has_due(accounting: Accounting) -> bool:
    """Whether anything of the tariff comes due by itself."""
    triggers = (trigger for group in accounting.triggers.values() for trigger in group)
    return bool(accounting.plans) or any(trigger.watches is Watches.EXPIRED for trigger in triggers)


def _unknown(extras: Extras, accounting: Accounting) -> set[str]:
    """Plans and groups of triggers that the tariff does not have."""
    plans = {one.plan for one in extras.plans if one.plan not in accounting.plans}
    return plans | {one.group for one in extras.watched if one.group not in accounting.triggers}
