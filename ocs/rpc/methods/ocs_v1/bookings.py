"""`OcsV1.AccountTopup` and `AccountAdjust`: each reference is booked once on an account, whatever happens.

The answer is kept beside the booking, in the same change, under `act|<account>|<reference>`. A second request of
the same reference waits for the first and gets its answer; on a lost race with another node it looks again.
"""

import uuid
from collections.abc import Callable
from typing import ClassVar

import msgspec

from ocs.charging import acts
from ocs.charging.account import Account, money_available_nanos
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Posting
from ocs.charging.events import Unit
from ocs.charging.service import ChargingService
from ocs.rpc.context import Context
from ocs.rpc.errors import InvalidParams, NotFound, RpcError
from ocs.rpc.methods.ocs_v1.names import account_of
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.methods.ocs_v1.quantities import charged_unit, quantity_of
from ocs.rpc.methods.ocs_v1.terms import BalanceTerms, terms_of
from ocs.rpc.methods.ocs_v1.views import Quantity, quantity
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Amount, Moment, Params

BY = "jsonrpc"
KEPT_NS = 90 * 86_400_000_000_000  # how long a reference is remembered
ATTEMPTS = 8

Booking = Callable[[Account, acts.Act], tuple[Account, Posting | None]]


class BookingParams(Params, frozen=True, kw_only=True):
    """What all bookings have. Without `reference` (or `id`) a repeated request is booked again."""

    account: Text
    amount: Amount | None = None
    amount_nanos: int | None = None
    balance: Text = "main"
    reference: Text = ""
    note: Text = ""
    by: Text = BY
    aliases: ClassVar = {"id": "reference", "subscriber": "account", "msisdn": "account", "reason": "note"}


class TopupParams(BookingParams, frozen=True, kw_only=True):
    """Credit for one balance, which is made where it does not exist; `expires` moves its expiry."""

    unit: str = "money"
    priority: int | None = None
    expires: Moment | None = None
    services: tuple[Text, ...] = ()
    rating_groups: tuple[int, ...] = ()
    terms: BalanceTerms | None = None


class AdjustParams(BookingParams, frozen=True, kw_only=True):
    """A signed correction of a balance that exists."""


class Booked(msgspec.Struct, frozen=True):
    """What was booked, and the balance and money of the account right after it."""

    account: str
    act: str
    balance: str
    amount: Quantity
    after: Quantity
    available_nanos: int
    reference: str
    at_ns: int


async def topup(context: Context, params: TopupParams) -> Booked:
    """Add credit to a balance; a repeated reference is booked once and answered alike."""
    service = context.service
    account = await account_of(service, params.account)
    unit = charged_unit("unit", params.unit)
    amount = _amount(params, unit)
    if amount <= 0:
        raise InvalidParams("amount: is more than zero; use AccountAdjust to take credit away")
    expires_at_ns = None if params.expires is None else params.expires.at_ns
    topup_ = acts.TopUp(
        amount,
        unit,
        params.balance,
        params.priority,
        expires_at_ns,
        params.services,
        params.rating_groups,
        terms_of(params.terms),
    )
    booked, changed = await _book(
        context,
        account,
        params,
        "topup",
        quantity(unit, amount),
        lambda now, act: acts.top_up(now, topup_, act),
    )
    if changed is not None:
        context.in_background("reauthorize", service.reauthorize_starved(changed))
    return booked


async def adjust(context: Context, params: AdjustParams) -> Booked:
    """Correct a balance by a signed amount; a repeated reference is booked once and answered alike."""
    account = await account_of(context.service, params.account)
    unit = next((balance.unit for balance in account.balances if balance.id == params.balance), None)
    if unit is None:
        raise NotFound(f"account {account.key[:80]} has no balance {params.balance[:80]}")
    amount = _amount(params, unit)
    if not amount:
        raise InvalidParams("amount: is not zero")
    booked, changed = await _book(
        context,
        account,
        params,
        "adjustment",
        quantity(unit, amount),
        lambda now, act: acts.adjust(now, params.balance, amount, act),
    )
    if changed is not None and amount > 0:
        context.in_background("reauthorize", context.service.reauthorize_starved(changed))
    return booked


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.AccountTopup", Role.ADMINISTER)(topup)
    registry.method("OcsV1.AccountAdjust", Role.ADMINISTER)(adjust)


def _amount(params: BookingParams, unit: Unit) -> int:
    if (params.amount is None) == (params.amount_nanos is None):
        raise InvalidParams("amount: give either amount or amount_nanos")
    if params.amount is not None:
        return quantity_of("amount", params.amount, unit)
    if unit is not Unit.MONEY:
        raise InvalidParams("amount_nanos: is for money only")
    assert params.amount_nanos is not None, "one of the two is there"
    if abs(params.amount_nanos) > 10**27:
        raise InvalidParams("amount_nanos: is larger than any amount of money")
    return params.amount_nanos


class _Contended(Exception):
    """The account was changed by another node: look again whether the reference was booked there."""


async def _book(
    context: Context, account: Account, params: BookingParams, act: str, amount: Quantity, booking: Booking
) -> tuple[Booked, Account | None]:
    """The booking, new or kept; the account is None where nothing was changed."""
    reference = params.reference or str(uuid.uuid4())
    key = f"act|{account.key}|{reference}"
    made = acts.Act(reference, context.service.now_ns(), params.by, params.note)
    change = _Change(booking, made, params.balance, act, amount, key)
    booked, changed = await context.lasting(key, _once(context.service, account.key, change))
    if (booked.act, booked.balance, booked.amount) != (act, params.balance, amount):
        raise RpcError(f"reference: {reference[:80]} was used for another booking of this account")
    return booked, changed


class _Change(msgspec.Struct, frozen=True):
    """A booking to be made, and what its answer says."""

    booking: Booking
    act: acts.Act
    balance: str
    name: str
    amount: Quantity
    key: str


async def _once(service: ChargingService, account_key: str, change: _Change) -> tuple[Booked, Account | None]:
    """Book, unless the reference is known; every attempt looks again, as another node may have been quicker."""
    for _ in range(ATTEMPTS):
        kept = await service.store.answer_of(change.key)
        if kept is not None:
            return msgspec.msgpack.decode(kept.answer, type=Booked), None
        try:
            return await _attempt(service, account_key, change)
        except _Contended:
            continue
    raise RpcError(f"account {account_key[:80]} changes all the time")


async def _attempt(service: ChargingService, account_key: str, change: _Change) -> tuple[Booked, Account]:
    made: list[Booked] = []

    def act(account: Account) -> Change | None:
        if made:
            raise _Contended
        try:
            changed, posting = change.booking(account, change.act)
        except acts.ActError as error:
            raise RpcError(str(error)) from None
        booked = _booked(changed, change)
        made.append(booked)
        expires_at_ns = change.act.at_ns + KEPT_NS
        kept = EventAnswer(change.key, account.key, expires_at_ns, msgspec.msgpack.encode(booked), posting)
        return Change(changed, () if posting is None else (posting,), answered=(kept,))

    changed = await service.apply(account_key, act)
    if changed is None:
        raise NotFound(f"no account {account_key[:80]}")
    return made[0], changed


def _booked(account: Account, change: _Change) -> Booked:
    balance = next(balance for balance in account.balances if balance.id == change.balance)
    return Booked(
        account.key,
        change.name,
        change.balance,
        change.amount,
        quantity(balance.unit, balance.posted),
        money_available_nanos(account, change.act.at_ns),
        change.act.id,
        change.act.at_ns,
    )
