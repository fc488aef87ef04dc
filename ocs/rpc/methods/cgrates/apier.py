"""APIerSv1 and APIerSv2: tariff folders, accounts, costs."""

import asyncio
from pathlib import Path
from typing import Any

from ocs.cgrates.cost_forms import rated_form
from ocs.cgrates.objects.accounts import account_view
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.tariff import TariffError
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.cost import event_cost
from ocs.charging.cgrates.event_cost import unpaid_charges
from ocs.rpc.caller import Role
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions import values


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name in ("APIerSv1.GetCost", "APIerSv2.GetCost"):
        method(registry, name, Role.READ)(get_cost)
    method(registry, "APIerSv2.GetAccount", Role.READ)(get_account)
    method(registry, "APIerSv1.LoadTariffPlanFromFolder", Role.ADMINISTER)(load_folder)
    method(registry, "APIerSv2.LoadTariffPlanFromFolder", Role.ADMINISTER)(load_folder_v2)


def get_account(runtime: Runtime, params: Given) -> dict[str, Any]:
    """An account with its balances, at what is available of them."""
    params.require("Account")
    account_id = f"{params.text('Tenant') or runtime.tenant}:{params.text('Account')}"
    account = runtime.state.accounts.get(account_id)
    if account is None:
        raise not_found()
    return account_view(account, updated_ns=runtime.wall_ns())


async def load_folder(runtime: Runtime, params: Given) -> str:
    """Loads a tariff folder; what is to run at once has run when this answers."""
    await _load(runtime, params)
    return "OK"


async def load_folder_v2(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Loads a tariff folder; the ids of this loading."""
    await _load(runtime, params)
    now_ns = runtime.wall_ns()
    load_id = runtime.new_id()
    return {"RatingLoadID": load_id, "AccountingLoadID": load_id, "LoadTime": values.moment_text((now_ns, 0))}


async def _load(runtime: Runtime, params: Given) -> None:
    params.require("FolderPath")
    folder = Path(params.text("FolderPath"))
    if not await asyncio.to_thread(folder.is_dir):
        raise RpcError(f"SERVER_ERROR: INVALID_FOLDER_PATH: {folder}")
    if params.flag("DryRun"):
        return
    try:
        await runtime.load_folder(folder)
    except (OSError, UnicodeDecodeError, TariffError) as error:
        raise server_error(str(error)) from None


def get_cost(runtime: Runtime, params: Given) -> dict[str, Any]:
    """What a call costs that nobody pays; it is rated as voice."""
    start_ns, offset_ns = values.moment(params.raw("AnswerTime"), runtime.wall_ns())
    call = Call(
        tenant=params.text("Tenant") or runtime.tenant,
        category=params.text("Category") or runtime.settings.general.default_category,
        destination=params.text("Destination") or "*any",
        subject=params.text("Subject") or "*any",
        start_ns=start_ns or runtime.wall_ns(),
        end_ns=(start_ns or runtime.wall_ns()) + params.duration("Usage"),
        offset_ns=offset_ns,
    )
    found = event_cost(runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise server_error(str(found))
    return rated_form(unpaid_charges(found), (call.start_ns, offset_ns), runtime.arithmetic)
