"""Replays action sets and balance calls of recorded worlds."""

from typing import Any

from ocs.charging.cgrates import actions
from ocs.charging.cgrates.account import Account, Balance
from ocs.charging.cgrates.actions import Changed
from tests.charging.cgrates.balance_calls import balance_filter, nanos_of
from tests.charging.cgrates.debit_replay import RECORDED_NS
from tests.charging.cgrates.session_replay import Sessions
from tests.charging.cgrates.worlds import Step, World, moment

Answer = tuple[Any, str | None]
FAR_NS = 500 * 24 * 3600 * 10**9


class Ledgers(Sessions):
    """Accounts of one world with its `*asap` action plans run."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        for row in world.tariff.account_actions:
            key = f"{row.tenant}:{row.account}"
            self.accounts[key] = Account(key, allows_negative=row.allow_negative, is_disabled=row.is_disabled)
            entries = world.tariff.action_plans.get(row.action_plan_tag, ())
            for entry in sorted(entries, key=lambda entry: -entry.weight):
                self.keep_changed(self.execute(key, entry.actions_tag))

    def answer(self, step: Step) -> Answer:
        """(result, error) of one step."""
        params = step["params"]
        match step["call"]:
            case "APIerSv1.ExecuteAction":
                key = f"{params['Tenant']}:{params['Account']}"
                return self.told(self.execute(key, params["ActionsId"]))
            case "APIerSv1.AddBalance" | "APIerSv1.DebitBalance":
                sign = 1 if step["call"].endswith("AddBalance") else -1
                nanos = sign * abs(nanos_of(params["Value"]))
                found = actions.add_balance(
                    self.account(params),
                    params["BalanceType"],
                    balance_filter(params["Balance"]),
                    nanos,
                    self.moment,
                    overwrites=params["Overwrite"],
                )
                return self.told(found)
            case "APIerSv1.RemoveBalances":
                wanted = balance_filter(params["Balance"])
                return self.told(
                    actions.remove_balances(self.account(params), params["BalanceType"], wanted, self.moment)
                )
            case "APIerSv1.TransferBalance":
                return self.transfer(params)
            case "APIerSv2.GetAccount":
                return account_text(self.account(params)), None
        return super().answer(step)

    def execute(self, key: str, tag: str) -> Changed:
        """Runs an action set."""
        return actions.execute(self.accounts, key, tag, self.world.tariff, self.moment)

    def transfer(self, params: dict[str, Any]) -> Answer:
        """Moves units between balances."""
        tenant = params["Tenant"]
        changed = actions.transfer_balance(
            self.accounts,
            (f"{tenant}:{params['SourceAccountID']}", params["SourceBalanceID"]),
            (f"{tenant}:{params['DestinationAccountID']}", params["DestinationBalanceID"]),
            nanos_of(params["Units"]),
            self.moment,
        )
        self.keep_changed(changed)
        return (None, f"SERVER_ERROR: {changed.error}") if changed.error else ("", None)


def account_text(account: Account) -> dict[str, Any]:
    """An account in the recording's reduced form."""
    found: dict[str, Any] = {
        "balances": {
            kind: [_balance_text(balance) for balance in held] for kind, held in account.balances.items()
        }
    }
    if account.allows_negative:
        found["AllowNegative"] = True
    if account.is_disabled:
        found["Disabled"] = True
    return found


def _balance_text(balance: Balance) -> dict[str, Any]:
    text: dict[str, Any] = {
        "ID": balance.balance_id,
        "Value": balance.value_nanos / 10**9,
        "Weight": balance.weight,
    }
    if balance.expires_ns is not None:
        text["ExpirationDate"] = _expiry_text(balance.expires_ns)
    attributes = {
        "DestinationIDs": dict(balance.destinations),
        "Categories": dict(balance.categories),
        "SharedGroups": dict(balance.shared_groups),
        "TimingIDs": dict(balance.timings),
        "Factors": dict(balance.factors),
        "RatingSubject": balance.rating_subject,
        "Disabled": balance.is_disabled,
        "Blocker": balance.is_blocker,
    }
    return text | {name: value for name, value in attributes.items() if value}


def _expiry_text(expires_ns: int) -> str:
    ahead_ns = expires_ns - RECORDED_NS
    if abs(ahead_ns) > FAR_NS:
        return moment(expires_ns, 0)
    return f"now+{round(ahead_ns / 3600 / 10**9)}h"
