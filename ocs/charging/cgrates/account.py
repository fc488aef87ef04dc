"""Accounts and balances, and which balances may pay for a call.

Values of every kind are nanos: of the currency, or of a unit (one ns of voice, one octet, one message).
"""

from collections.abc import Iterator, Mapping

import msgspec

DEFAULT_ID = "*default"


class Balance(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Credit of one kind; flags of a set tell inclusion (True) from exclusion (False)."""

    uid: str
    balance_id: str = ""
    value_nanos: int = 0
    expires_ns: int | None = None
    weight: float = 0.0
    destinations: Mapping[str, bool] = {}
    rating_subject: str = ""
    categories: Mapping[str, bool] = {}
    shared_groups: Mapping[str, bool] = {}
    timings: Mapping[str, bool] = {}
    factors: Mapping[str, float] = {}
    is_disabled: bool = False
    is_blocker: bool = False

    def expired_at(self, moment_ns: int) -> bool:
        """Whether the balance has ended at a moment."""
        return self.expires_ns is not None and self.expires_ns <= moment_ns

    def factor(self, factor_id: str) -> float:
        """Units taken per unit used, for the factor id of an event."""
        return self.factors.get(factor_id, 1.0)


class Account(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Balances by kind in their order; `account_id` is `tenant:name`."""

    account_id: str
    balances: Mapping[str, tuple[Balance, ...]] = {}
    allows_negative: bool = False
    is_disabled: bool = False


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """The accounts a request may touch, and the members of the shared groups they are in."""

    accounts: Mapping[str, Account]
    members: Mapping[str, tuple[str, ...]] = {}


def all_balances(account: Account) -> Iterator[tuple[str, Balance]]:
    """(kind, balance) of an account."""
    for kind, balances in account.balances.items():
        for balance in balances:
            yield kind, balance
