"""Filters of actions: rules of the one filter language, on the account as CGRateS' clients know it. Pure.

`~*req.ID` is the key; `~*req.BalanceMap.*monetary[0].Value` what is free on the first money balance, in the order
of use; `Disabled` and `AllowNegative` are true or false.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ocs.charging.account import Account, Balance, Standing, available
from ocs.charging.events import Unit
from ocs.charging.money import format_nanos
from ocs.charging.profiles.filters import Rule, compile_rule, parse_inline, passes
from ocs.charging.profiles.view import View

REMEMBERED = 4_096  # sets of filters, compiled
KINDS: Mapping[Unit, str] = {
    Unit.MONEY: "*monetary",
    Unit.TIME: "*voice",
    Unit.OCTETS: "*data",
    Unit.EVENTS: "*sms",
    Unit.GENERIC: "*generic",
}


def check_filter(text: str) -> str:
    """The filter itself, if it is an inline rule such as `*string:~*req.ID:acme:1001`; raises ValueError."""
    compile_rule(parse_inline(text))
    return text


def holds(filters: tuple[str, ...], account: Account, now_ns: int) -> bool:
    """Whether all filters hold for an account; they were checked when they were read."""
    tenant = account.key.partition(":")[0]
    return passes(_rules(filters), View(account_event(account), tenant=tenant, now_ns=now_ns))


def account_event(account: Account) -> dict[str, Any]:
    """An account as rules see it."""
    balances: dict[str, list[dict[str, Any]]] = {}
    for balance in account.balances:
        balances.setdefault(_kind(balance), []).append(_balance(balance))
    return {
        "ID": account.key,
        "BalanceMap": balances,
        "AllowNegative": account.credit_limit_nanos is None,
        "Disabled": account.standing is Standing.BARRED,
    }


@lru_cache(maxsize=REMEMBERED)
def _rules(filters: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(compile_rule(parse_inline(text)) for text in filters)


def _kind(balance: Balance) -> str:
    if balance.unit is Unit.EVENTS and balance.services == ("mms",):
        return "*mms"
    return KINDS[balance.unit]


def _balance(balance: Balance) -> dict[str, Any]:
    free = available(balance)
    is_decimal = balance.unit in (Unit.MONEY, Unit.GENERIC)
    return {
        "ID": balance.id,
        "Value": format_nanos(free) if is_decimal else free,
        "Weight": balance.priority,
        "Disabled": balance.terms is not None and balance.terms.is_disabled,
        "Blocker": balance.terms is not None and balance.terms.is_blocker,
    }
