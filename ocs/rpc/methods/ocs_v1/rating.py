"""`OcsV1.Rate`: what a usage would cost by the tariff in force, and why; nothing is charged."""

from typing import ClassVar

from ocs.charging.events import Unit
from ocs.charging.tariff.model import Query
from ocs.charging.what_if import WhatIf, what_if
from ocs.rpc.context import Context
from ocs.rpc.errors import InvalidParams, NotFound
from ocs.rpc.methods.ocs_v1.charge import SERVICES
from ocs.rpc.methods.ocs_v1.names import account_of
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.methods.ocs_v1.quantities import asked_quantity, charged_unit, quantity_of
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Amount, Moment, Params


class RateParams(Params, frozen=True, kw_only=True):
    """A usage. `rated_from` is how much of the session was paid for before it."""

    service: str
    usage: Amount
    plan: Text | None = None
    account: Text | None = None
    called: Text = ""
    at: Moment | None = None
    unit: str | None = None
    rating_group: int | None = None
    service_identifier: int | None = None
    apn: Text = ""
    plmn: Text = ""
    category: Text = ""
    rat: Text = ""
    rated_from: Amount | None = None
    aliases: ClassVar = {
        "destination": "called",
        "used": "usage",
        "time": "at",
        "tor": "service",
        "subscriber": "account",
    }


async def rate(context: Context, params: RateParams) -> WhatIf:
    """Tell what a usage would cost, piece by piece and slot by slot, and why."""
    plan = await _plan(context, params)
    service = params.service.casefold()
    if service not in SERVICES:
        raise InvalidParams(f'service: "{params.service[:40]}" is not {", ".join(SERVICES)}')
    asked = None if params.unit is None else charged_unit("unit", params.unit)
    unit, units = asked_quantity("usage", params.usage, asked, service)
    if unit is Unit.MONEY:
        raise InvalidParams("usage: is money; name octets, time or events")
    rated_from = 0 if params.rated_from is None else quantity_of("rated_from", params.rated_from, unit)
    if rated_from < 0:
        raise InvalidParams("rated_from: is below zero")
    called = params.called.removeprefix("+") if params.called[:1] == "+" else params.called.removeprefix("00")
    query = Query(
        service,
        unit,
        params.rating_group,
        params.service_identifier,
        called,
        params.apn,
        params.plmn,
        params.category,
        params.rat.upper(),
    )
    at_ns = context.wall_ns() if params.at is None else params.at.at_ns
    return what_if(context.service.catalogue, plan, query, units, at_ns, rated_from)


def register(registry: Registry) -> None:
    """Put the method of this module into a registry."""
    registry.method("OcsV1.Rate", Role.READ)(rate)


async def _plan(context: Context, params: RateParams) -> str:
    """The plan named, or that of the account."""
    if params.plan is not None and params.account is not None:
        raise InvalidParams("plan: is given, and an account beside it")
    if params.account is not None:
        return (await account_of(context.service, params.account)).plan
    if params.plan is None:
        raise InvalidParams("plan: is missing; or name the account")
    if not context.service.catalogue.has_plan(params.plan):
        raise NotFound(f'there is no plan "{params.plan[:80]}"')
    return params.plan
