"""Action sets of the exact tariff that thresholds run, on the account of the event that made them fire.

A synchronous threshold runs its sets in the step that hit it: what they change is durable with that step, and one
that fails makes its answer PARTIALLY_EXECUTED. An asynchronous one runs them beside it.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog

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

    def run(self, event: CgrEvent, fired: Fired) -> None:
        """Runs the sets of a threshold. Raises ServiceError where a synchronous one is not done."""
        name = values.text(event.event.get("Account"))
        failed = False
        for actions_id in fired.action_ids:
            actions = self._service.catalogue.tariff.accounting.sets.get(actions_id)
            error = ""
            if actions is None:
                error = "the tariff has no such actions"
            elif not name:
                error = "the event names no account"
            else:
                error = self._begun(event.tenant, name, actions, fired)
            if error:
                failed = True
                log.warning(
                    "threshold.action_failed",
                    threshold=fired.threshold_id,
                    actions=actions_id,
                    account=name,
                    error=error,
                )
        if failed and not fired.is_async:
            raise ServiceError(PARTIALLY_EXECUTED)

    def _begun(self, tenant: str, name: str, actions: ActionSet, fired: Fired) -> str:
        """Runs a set now where that can be, else beside the step; why it failed, where it is known."""
        self._runs += 1
        now_ns = self._service.now_ns()
        number = f"threshold|{tenant}:{fired.threshold_id}|{now_ns}|{self._runs}"
        act = Act(number, now_ns, f"threshold {fired.threshold_id}", actions.name)
        key = self._exact.known_key(tenant, name)
        if key is not None and not fired.is_async:
            run = _Run(key, actions, act, self._service)
            if self._service.apply_now(key, accounts_of(actions, key), run.change) is not None:
                self._spawn(self._asked_again(key))
                return run.error
        self._spawn(self._beside(tenant, name, actions, act))
        return ""

    async def _beside(self, tenant: str, name: str, actions: ActionSet, act: Act) -> None:
        try:
            key = await self._exact.key_of(tenant, name)
            run = _Run(key, actions, act, self._service)
            changed = await self._service.apply_all(key, accounts_of(actions, key), run.change)
            error = run.error if changed is not None else "there is no such account"
        except Exception as failure:  # whatever the store has
            error = repr(failure)
        if error:
            log.warning("threshold.action_failed", by=act.by, actions=actions.name, account=name, error=error)
        else:
            await self._asked_again(key)

    async def _asked_again(self, key: str) -> None:
        """Sessions that were told that their credit ends may have more now."""
        account = self._service.known(key)
        if account is not None and account.sessions:
            await self._service.reauthorize_starved(account)


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
