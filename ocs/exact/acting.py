"""Action sets of the exact tariff that thresholds run, on the account of the event that made them fire.

A synchronous threshold runs its sets in the step that hit it: what they change is durable with that step, and one
that fails makes its answer PARTIALLY_EXECUTED. An asynchronous one runs them beside it, once, when that is durable.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog

from ocs.cgrates.kinds import Wanted
from ocs.charging.account import Account
from ocs.charging.actions.model import ActionSet
from ocs.charging.actions.work import Bench, accounts_of
from ocs.charging.acts import Act, ActError
from ocs.charging.decision import Change
from ocs.charging.profiles.thresholds import Fired
from ocs.charging.service import ChargingService
from ocs.exact.accounting import ExactAccounting
from ocs.sessions import values
from ocs.sessions.errors import PARTIALLY_EXECUTED, ServiceError
from ocs.sessions.model import CgrEvent

log = structlog.get_logger()

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class ThresholdActions:
    """One per server."""

    def __init__(self, service: ChargingService, exact: ExactAccounting, spawn: Spawn) -> None:
        self._service = service
        self._exact = exact
        self._spawn = spawn
        self._runs = 0

    def run(self, event: CgrEvent, fired: Fired) -> tuple[str, ...]:
        """Runs the sets of a synchronous threshold; those that are left for later are about accounts not in memory.

        Raises ServiceError where one is not done.
        """
        self._runs += 1
        name = values.text(event.event.get("Account"))
        number = f"threshold|{event.tenant}:{fired.threshold_id}|{self._service.now_ns()}|{self._runs}"
        left, failed = list[str](), False
        for place, actions_id in enumerate(fired.action_ids):
            error = self._begun((event.tenant, name), actions_id, fired.threshold_id, f"{number}|{place}")
            if error is None:
                left.append(actions_id)
            else:
                failed = _told(fired.threshold_id, actions_id, name, error) or failed
        if failed:
            raise ServiceError(PARTIALLY_EXECUTED)
        self._spawn(self.ask_again(event.tenant, name))
        return tuple(left)

    async def prepare(self, wanted: Wanted) -> None:
        """Brings what the sets of an asynchronous threshold may change into memory."""
        await self._exact.prepare(wanted.tenant, {"Account": wanted.account})
        key = self._exact.known_key(wanted.tenant, wanted.account)
        for actions_id in wanted.action_ids if key is not None else ():
            actions = self._service.catalogue.tariff.accounting.sets.get(actions_id)
            for other in () if actions is None or key is None else accounts_of(actions, key):
                await self._service.account(other)

    def run_wanted(self, number: str, wanted: Wanted) -> None:
        """Runs the sets of an asynchronous threshold, in one step; `number` names this run for good."""
        for place, actions_id in enumerate(wanted.action_ids):
            owner = wanted.tenant, wanted.account
            error = self._begun(owner, actions_id, wanted.threshold_id, f"threshold|{number}|{place}")
            missing = "an account that it is about is not there"
            _told(wanted.threshold_id, actions_id, wanted.account, missing if error is None else error)

    def _begun(self, owner: tuple[str, str], actions_id: str, threshold_id: str, number: str) -> str | None:
        """Runs a set on an account, by tenant and name, in this step; why it failed, "" where it did not.

        None where not all that it is about is in memory.
        """
        actions = self._service.catalogue.tariff.accounting.sets.get(actions_id)
        if actions is None:
            return "the tariff has no such actions"
        if not owner[1]:
            return "the event names no account"
        key = self._exact.known_key(*owner)
        if key is None:
            return None
        act = Act(number, self._service.now_ns(), f"threshold {threshold_id}", actions.name)
        run = _Run(key, actions, act, self._service)
        changed = self._service.apply_now(key, accounts_of(actions, key), run.change)
        return None if changed is None else run.error

    async def ask_again(self, tenant: str, name: str) -> None:
        """Sessions that were told that their credit ends may have more now."""
        key = self._exact.known_key(tenant, name)
        account = None if key is None else self._service.known(key)
        if account is not None and account.sessions:
            await self._service.reauthorize_starved(account)


def _told(threshold_id: str, actions_id: str, account: str, error: str) -> bool:
    """Whether a set has failed, which is logged then."""
    if error:
        log.warning(
            "threshold.action_failed",
            threshold=threshold_id,
            actions=actions_id,
            account=account,
            error=error,
        )
    return bool(error)


class _Run:
    """One run of a set; a set that fails leaves that in the history of the account."""

    def __init__(self, key: str, actions: ActionSet, act: Act, service: ChargingService) -> None:
        self._key = key
        self._actions = actions
        self._act = act
        self._service = service
        self.error = ""

    def change(self, accounts: Mapping[str, Account]) -> Change:
        """What the set does to accounts as they are now."""
        bench = Bench(accounts, self._service.catalogue.tariff.accounting.time_zone)
        self.error = ""
        try:
            bench.run(self._key, self._actions, self._act)
        except ActError as error:
            self.error = str(error)
            bench.failed(self._key, self._act, error)
        changed = bench.changed()
        account = accounts[self._key]
        own = changed.pop(self._key, None) or msgspec.structs.replace(account, version=account.version + 1)
        return Change(
            own, tuple(bench.postings), others=tuple(changed.values()), notices=tuple(bench.notices)
        )
