"""Replays debits, authorizations and balance set-ups of recorded worlds."""

from typing import Any

import msgspec

from ocs.charging.cgrates import values
from ocs.charging.cgrates.account import Account, Balance, Snapshot
from ocs.charging.cgrates.call import Refusal
from ocs.charging.cgrates.paid import PaidCall
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage
from tests.charging.cgrates.worlds import Step, World, call_of, moment


RECORDED_NS = values.instant_ns("2026-06-15T12:00:00Z")


class Accounts:
    """The accounts of one world as its steps go by."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accounts: dict[str, Account] = {}
        self.members: dict[str, tuple[str, ...]] = {}

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
        """Adds a balance, or sets the value of the one with the same id."""
        key = f"{params['Tenant']}:{params['Account']}"
        account = self.accounts.get(key, Account(key))
        kind, given = params["BalanceType"], params["Balance"]
        balances = list(account.balances.get(kind, ()))
        groups = values.words(given.get("SharedGroups", ""))
        fresh = Balance(
            uid=f"{key}:{kind}:{len(balances)}:{given['ID']}",
            balance_id=given["ID"],
            value_nanos=values_nanos(params["Value"]),
            expires_ns=values.instant_ns(given["ExpiryTime"]) if given.get("ExpiryTime") else None,
            weight=given.get("Weight", 0),
            destinations={word.lstrip("!"): word[0] != "!" for word in values.words(given.get("DestinationIDs", ""))},
            rating_subject=given.get("RatingSubject", ""),
            categories={word: True for word in values.words(given.get("Categories", ""))},
            shared_groups={group: True for group in groups},
            factors={name: float(value) for name, value in given.get("Factors", {}).items()},
            is_disabled=given.get("Disabled", False),
            is_blocker=given.get("Blocker", False),
        )
        same = [at for at, balance in enumerate(balances) if balance.balance_id == given["ID"]]
        if same:
            balances[same[0]] = msgspec.structs.replace(fresh, uid=balances[same[0]].uid)
        else:
            balances.append(fresh)
        kept = without_expired(tuple(balances))
        self.accounts[key] = msgspec.structs.replace(account, balances={**account.balances, kind: kept})
        for group in groups:
            members = self.members.get(group, ())
            self.members[group] = members if key in members else (*members, key)
        return "OK", None

    def balances(self, names: list[str]) -> dict[str, Any]:
        """Balances of some accounts in the reduced form."""
        found: dict[str, Any] = {}
        for name in names:
            account = self.accounts.get(f"acme.test:{name}")
            found[name] = None if account is None else _by_kind(account)
        return found

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
                        "subject": match.subject.rpartition(":")[2] if match.plan_id == "*none" else match.subject,
                    },
                    "inc": [[steps.duration_ns, steps.cost_nanos / 10**9, steps.count] for steps in span.steps],
                }
            )
        return {"Cost": paid.cost_nanos / 10**9, "RatedUsage": paid.usage_ns, "spans": spans}


def without_expired(balances: tuple[Balance, ...]) -> tuple[Balance, ...]:
    """The balances after the incumbent's clean-up at the time of the recording."""
    return tuple(balance for balance in balances if not balance.expired_at(RECORDED_NS))


def values_nanos(value: float) -> int:
    """Nanos of a JSON number."""
    return value * 10**9 if isinstance(value, int) else round(value * 10**9)


def _by_kind(account: Account) -> dict[str, Any]:
    return {
        kind: [[balance.balance_id, balance.value_nanos / 10**9] for balance in balances]
        for kind, balances in sorted(account.balances.items())
        if balances
    }
