"""Replays debits, authorizations and balance set-ups of recorded worlds."""

from typing import Any

import msgspec

from ocs.charging.cgrates import actions, values
from ocs.charging.cgrates.account import Account, Snapshot, all_balances
from ocs.charging.cgrates.actions import Changed, Moment
from ocs.charging.cgrates.call import Refusal
from ocs.charging.cgrates.model import PaidCall
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage
from tests.charging.cgrates.balance_calls import balance_filter, nanos_of
from tests.charging.cgrates.worlds import Step, World, call_of, moment

RECORDED_NS = values.instant_ns("2026-06-15T12:00:00Z")


class Accounts:
    """The accounts of one world as its steps go by."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accounts: dict[str, Account] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.steps = 0

    @property
    def snapshot(self) -> Snapshot:
        """Everything a request may touch."""
        return Snapshot(self.accounts, self.members)

    def answer(self, step: Step) -> tuple[Any, str | None]:
        """(result, error) of one step."""
        params = step["params"]
        match step["call"]:
            case "APIerSv1.SetBalance":
                return self.set_balance(params)
            case "APIerSv2.SetAccount":
                return self.set_account(params)
            case "Responder.Debit" | "Responder.MaxDebit":
                work = debit_call if step["call"].endswith(".Debit") else max_debit
                call = call_of(params)
                found = work(self.snapshot, self.world.tariff, call, self.world.settings)
                if isinstance(found, Refusal):
                    return None, str(found)
                self.accounts |= found.accounts
                return self.paid_text(found.paid, call.offset_ns), None
            case "Responder.GetMaxSessionTime":
                usage = max_usage(self.snapshot, self.world.tariff, call_of(params), self.world.settings)
                if isinstance(usage, Refusal):
                    return None, str(usage)
                self.accounts |= usage.accounts
                return usage.usage_ns, None
        raise AssertionError(step["call"])

    def set_account(self, params: dict[str, Any]) -> tuple[Any, str | None]:
        """Sets the flags of an account."""
        key = f"{params['Tenant']}:{params['Account']}"
        account = self.accounts.get(key, Account(key))
        options = params.get("ExtraOptions", {})
        self.accounts[key] = msgspec.structs.replace(
            account,
            allows_negative=options.get("AllowNegative", account.allows_negative),
            is_disabled=options.get("Disabled", account.is_disabled),
        )
        return "OK", None

    def set_balance(self, params: dict[str, Any]) -> tuple[Any, str | None]:
        """Adds a balance, or changes the one with the same id."""
        wanted = balance_filter(params["Balance"])
        changed = actions.set_balance(
            self.account(params), params["BalanceType"], wanted, nanos_of(params["Value"]), self.moment
        )
        return self.told(changed)

    def account(self, params: dict[str, Any]) -> Account:
        """The account of a call, made when missing."""
        key = f"{params['Tenant']}:{params['Account']}"
        return self.accounts.get(key, Account(key))

    def told(self, changed: Changed) -> tuple[Any, str | None]:
        """Keeps what a call changed and gives its answer."""
        self.keep_changed(changed)
        return (None, changed.error) if changed.error else ("OK", None)

    def keep_changed(self, changed: Changed) -> None:
        """Takes over changed accounts and new members of shared groups."""
        for key, account in changed.accounts.items():
            if account is None:
                self.accounts.pop(key, None)
            else:
                self.accounts[key] = account
        for group, key in changed.joined:
            members = self.members.get(group, ())
            self.members[group] = members if key in members else (*members, key)

    @property
    def moment(self) -> Moment:
        """Settings and time of the next call."""
        self.steps += 1
        return Moment(self.world.settings, RECORDED_NS, f"step{self.steps}")

    def balances(self, names: list[str]) -> dict[str, Any]:
        """Balances of some accounts in the reduced form."""
        found: dict[str, Any] = {}
        for name in names:
            account = self.accounts.get(f"acme.test:{name}")
            found[name] = None if account is None else _by_kind(account)
        return found

    def balance_id(self, uid: str) -> str:
        """Id of the balance with a uid."""
        found = [
            balance.balance_id
            for account in self.accounts.values()
            for _, balance in all_balances(account)
            if balance.uid == uid
        ]
        return found[0]

    def paid_text(self, paid: PaidCall, offset_ns: int) -> dict[str, Any]:
        """A paid call in its reduced JSON form."""
        spans = []
        for span in paid.spans:
            match = span.match
            spans.append(
                {
                    "start": moment(span.start_ns, offset_ns),
                    "end": moment(span.end_ns, offset_ns),
                    "idx": span.index_ns,
                    "cf": span.factor,
                    "match": {
                        "dest": match.destination_id,
                        "prefix": match.prefix,
                        "plan": match.plan_id,
                        "subject": self.balance_id(match.subject)
                        if match.plan_id == "*none"
                        else match.subject,
                    },
                    "inc": [
                        [steps.duration_ns, steps.cost_nanos / 10**9, steps.count] for steps in span.steps
                    ],
                }
            )
        return {"Cost": paid.cost_nanos / 10**9, "RatedUsage": paid.usage_ns, "spans": spans}


def _by_kind(account: Account) -> dict[str, Any]:
    return {
        kind: [[balance.balance_id, balance.value_nanos / 10**9] for balance in balances]
        for kind, balances in sorted(account.balances.items())
        if balances
    }
