"""Accounts and balances, and which balances may pay for a call.

Values of every kind are nanos: of the currency, or of a unit (one ns of voice, one octet, one message).
"""

from collections.abc import Iterator, Mapping

import msgspec

from ocs.charging.cgrates.call import GENERIC, MONETARY
from ocs.charging.cgrates.plan import ANY, Tariff
from ocs.charging.cgrates.timings import is_active

DEFAULT_ID = "*default"


class Balance(msgspec.Struct, frozen=True):
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


class Account(msgspec.Struct, frozen=True):
    """Balances by kind in their order; `account_id` is `tenant:name`."""

    account_id: str
    balances: Mapping[str, tuple[Balance, ...]] = {}
    allows_negative: bool = False
    is_disabled: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """The accounts a request may touch, and the members of the shared groups they are in."""

    accounts: Mapping[str, Account]
    members: Mapping[str, tuple[str, ...]] = {}


def kinds_for(kind: str) -> tuple[str, ...]:
    """Kinds of balances whose units pay for a service; generic units serve all but money."""
    return (kind,) if kind in (MONETARY, GENERIC) else (kind, GENERIC)


def has_category(balance: Balance, category: str) -> bool:
    """Whether a balance may be used for a category."""
    if not balance.categories or balance.categories.get(ANY):
        return True
    return balance.categories.get(category, False)


def destination_precision(balance: Balance, number: str, tariff: Tariff) -> int | None:
    """How exactly a balance matches a number: length of the prefix, 0 for any number, None for no match.

    Only prefixes of some destination are looked at. A balance that has exclusions alone matches at the first of
    them that does not exclude it.
    """
    if not balance.destinations or ANY in balance.destinations:
        return 0
    only_excludes = not any(balance.destinations.values())
    for length in range(len(number), 0, -1):
        known = tariff.destinations.get(number[:length])
        if known is None:
            continue
        named = [balance.destinations[name] for name in known if name in balance.destinations]
        if named or only_excludes:
            return length if all(named) else None
    return None


def is_timed(balance: Balance, local_ns: int, tariff: Tariff) -> bool:
    """Whether the timings of a balance allow a moment: one that is not negated does, and no negated one holds."""
    if not balance.timings:
        return True
    wanted = False
    for name, included in balance.timings.items():
        timing = tariff.timings.get(name)
        if timing is not None and is_active(timing, local_ns):
            if not included:
                return False
            wanted = True
    return wanted


def all_balances(account: Account) -> Iterator[tuple[str, Balance]]:
    """(kind, balance) of an account."""
    for kind, balances in account.balances.items():
        for balance in balances:
            yield kind, balance
