"""Changes of accounts told to thresholds and statistics: `AccountUpdate`, with a summary of the balances."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ocs.cgrates import watching
from ocs.cgrates.objects.numbers import number, real
from ocs.charging.cgrates.account import Account, Balance, all_balances
from ocs.charging.cgrates.call import Call
from ocs.sessions.errors import ServiceError
from ocs.sessions.model import CgrEvent

if TYPE_CHECKING:
    from ocs.cgrates.runtime import Runtime

EVENT_TYPE = "AccountUpdate"


def changed(runtime: "Runtime", before: Mapping[str, Account | None], calls: Mapping[str, Call]) -> None:
    """Counts and fires triggers, then tells thresholds and statistics, where they are connected."""
    watching.changed(runtime, before, calls)
    tell(runtime, before)


def tell(runtime: "Runtime", before: Mapping[str, Account | None]) -> None:
    """Tells thresholds and statistics, where they are connected; `before` are the accounts without the change."""
    rals = runtime.settings.rals
    if not (rals.thresholds_conns or rals.stats_conns):
        return
    for key, old in before.items():
        account = runtime.state.accounts.get(key)
        if account is None:
            continue
        event = event_of(old, account)
        if rals.thresholds_conns:
            with suppress(ServiceError):  # no threshold matches
                runtime.surroundings.thresholds(event, ())
        if rals.stats_conns:
            with suppress(ServiceError):  # no queue matches
                runtime.surroundings.stats(event, ())


def event_of(before: Account | None, account: Account) -> CgrEvent:
    """The summary of an account; `Initial` is what a balance held before."""
    tenant, _, name = account.account_id.partition(":")
    held = {} if before is None else {balance.uid: balance for _, balance in all_balances(before)}
    summaries = [_summary(kind, balance, held.get(balance.uid)) for kind, balance in all_balances(account)]
    members: dict[str, Any] = {
        "EventType": EVENT_TYPE,
        "Tenant": tenant,
        "ID": name,
        "AccountID": name,
        "Account": name,
        "BalanceSummaries": summaries,
        "AllowNegative": account.allows_negative,
        "Disabled": account.is_disabled,
    }
    return CgrEvent(tenant, members, {"*eventType": EVENT_TYPE}, f"{EVENT_TYPE}:{account.account_id}")


def _summary(kind: str, balance: Balance, before: Balance | None) -> dict[str, Any]:
    return {
        "UUID": balance.uid,
        "ID": balance.balance_id,
        "Type": kind,
        "Initial": number(before.value_nanos) if before is not None else 0,
        "Value": number(balance.value_nanos),
        "Weight": real(balance.weight),
        "Disabled": balance.is_disabled,
    }
