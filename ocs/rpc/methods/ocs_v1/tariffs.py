"""`OcsV1.Tariff...`: the versions of the tariff, and changing to another without stopping."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, ClassVar

import msgspec

from ocs.charging.references import Lost
from ocs.charging.store import Table
from ocs.charging.tariff.catalogue import Catalogue
from ocs.rpc.context import Context
from ocs.rpc.errors import NotFound, RpcError
from ocs.rpc.methods.ocs_v1.names import accounts
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.methods.ocs_v1.server import Nothing
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Params
from ocs.tariff_reading import TariffError
from ocs.tariff_versions import CONFIGURED, Version, VersionError
from ocs.tariffs import Look, Switch, Tariffs

BY = "jsonrpc"
MOST_LOOKED_AT = 200_000  # accounts
WAIT_S = 5.0  # for a switch to be done; a large tariff takes longer, and is asked for again by TariffList


class TariffVersion(Params, frozen=True, kw_only=True):
    """Which version; 0 is the tariff that ocs.yaml names.

    `reauthorize`: the clients of all open sessions are asked to ask for quota again, at the new prices.
    """

    version: Annotated[int, msgspec.Meta(ge=0, le=999_999)]
    by: Text = BY
    reauthorize: bool = False
    aliases: ClassVar = {"number": "version"}


class TariffBack(Params, frozen=True, kw_only=True):
    """Who rolls back; `reauthorize` as for a version."""

    by: Text = BY
    reauthorize: bool = False


class TariffRow(msgspec.Struct, frozen=True):
    """A version as one line of a list."""

    version: int
    active: bool
    kind: str
    created_at_ns: int
    by: str
    note: str
    plans: int
    rates: int
    prefixes: int
    checksum: str
    origin: str


class Switched(msgspec.Struct, frozen=True):
    """The last switch asked for: `state` is active, compiling or failed, then with `error`.

    `warnings` tell what accounts name that was in the tariff before and is not in this one.
    """

    version: int
    state: str
    error: str
    active: int
    warnings: tuple[str, ...] = ()


class TariffRows(msgspec.Struct, frozen=True):
    """All versions, the oldest first; `active` is what new usage is charged by."""

    active: int
    switch: Switched | None
    versions: list[TariffRow]


async def list_(context: Context, params: Nothing) -> TariffRows:
    """List the versions of the tariff, and the last switch between them."""
    tariffs = _tariffs(context)
    try:
        found = await asyncio.to_thread(tariffs.versions.all)
    except VersionError as error:
        raise RpcError(str(error)) from None
    switch = None if tariffs.switch is None else _switched(tariffs, tariffs.switch)
    return TariffRows(tariffs.active, switch, [_row(tariffs, version) for version in found])


async def activate(context: Context, params: TariffVersion) -> Switched:
    """Charge by another version of the tariff from now on."""
    tariffs = _tariffs(context)
    if params.version != CONFIGURED:
        try:
            tariffs.versions.get(params.version)
        except VersionError as error:
            raise NotFound(str(error)) from None
    change = tariffs.activate(context.service, params.version, params.by, _look(context))
    return await _wait(context, tariffs, _changed(context, change, params.reauthorize))


async def rollback(context: Context, params: TariffBack) -> Switched:
    """Charge by the version before the active one from now on."""
    tariffs = _tariffs(context)
    change = tariffs.rollback(context.service, params.by, _look(context))
    return await _wait(context, tariffs, _changed(context, change, params.reauthorize))


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.TariffList", Role.READ)(list_)
    registry.method("OcsV1.TariffActivate", Role.ADMINISTER)(activate)
    registry.method("OcsV1.TariffRollback", Role.ADMINISTER)(rollback)


async def _changed(context: Context, change: Coroutine[Any, Any, Switch], reauthorizes: bool) -> Switch:
    """The switch, and behind it, in the background, the open sessions."""
    switch = await change
    if reauthorizes and not switch.error:
        context.in_background("tariff.reauthorize", context.service.reauthorize_all())
    return switch


def _look(context: Context) -> Look:
    """Tells which names of the present tariff accounts hold that another one does not have."""

    async def look(catalogue: Catalogue) -> tuple[str, ...]:
        service = context.service
        lost, count = Lost(service.catalogue, catalogue), 0
        async for account in accounts(service, Table.ACCOUNTS):
            lost.look_at(account)
            count += 1
            if count == MOST_LOOKED_AT:
                return (*lost.warnings(), f"only the first {count} accounts were looked at")
        return lost.warnings()

    return look


async def _wait(context: Context, tariffs: Tariffs, change: Coroutine[Any, Any, Switch]) -> Switched:
    """The outcome of a switch, or that it is going on."""
    task = context.spawn(change)
    done, _ = await asyncio.wait({task}, timeout=WAIT_S)
    if not done:
        assert tariffs.switch is not None, "one is going on"
        return _switched(tariffs, tariffs.switch)
    try:
        switch = task.result()
    except (TariffError, VersionError) as error:
        raise RpcError(str(error)) from None
    if switch.error:
        raise RpcError(f"version {switch.number} is not used: {switch.error}")
    return _switched(tariffs, switch)


def _tariffs(context: Context) -> Tariffs:
    if context.tariffs is None:
        raise RpcError("this server keeps no versions of its tariff")
    return context.tariffs


def _switched(tariffs: Tariffs, switch: Switch) -> Switched:
    return Switched(switch.number, switch.state, switch.error, tariffs.active, switch.warnings)


def _row(tariffs: Tariffs, version: Version) -> TariffRow:
    return TariffRow(
        version.number,
        version.number == tariffs.active,
        version.kind,
        version.created_at_ns,
        version.by,
        version.note,
        version.plans,
        version.rates,
        version.prefixes,
        version.checksum,
        version.origin,
    )
