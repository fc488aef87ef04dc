"""`APIerSv1`: tariff plans as a whole: loaded from folders or from stored rows, removed, imported, exported."""

import asyncio
from pathlib import Path
from typing import Any

from ocs.cgrates import tariff_plans
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import moment
from ocs.cgrates.objects.profiles import PROFILE_KINDS
from ocs.cgrates.objects.sheets import BY_FILE, SHEETS, Sheet
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.tariff import TariffError, read_folder
from ocs.cgrates.tariff_plans import Files
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.table import OK, V1, V2, Table, page
from ocs.rpc.registry import Role

TABLE = Table()
INVALID_PATH = "INVALID_PATH"
ITEMS = {
    "*attributes": "Attributes.csv",
    "*chargers": "Chargers.csv",
    "*filters": "Filters.csv",
    "*resources": "Resources.csv",
    "*ips": "IPs.csv",
    "*stats": "Stats.csv",
    "*trends": "Trends.csv",
    "*rankings": "Rankings.csv",
    "*routes": "Routes.csv",
    "*thresholds": "Thresholds.csv",
}


async def _read(given: Given) -> Files:
    given.require("FolderPath")
    folder = Path(given.text("FolderPath"))
    if not await asyncio.to_thread(folder.is_dir):
        raise RpcError(INVALID_PATH)
    try:
        return await asyncio.to_thread(read_folder, folder)
    except (OSError, UnicodeDecodeError) as error:
        raise server_error(error) from None


async def _load(runtime: Runtime, files: Files, given: Given) -> None:
    """Loads files as a whole or not at all, and runs what is to run at once."""
    try:
        is_dry, validates = given.flag("DryRun"), given.flag("Validate")
        await runtime.load_files(files, validates=validates, is_dry=is_dry)
    except TariffError as error:
        raise server_error(error) from None


@TABLE.method("APIerSv1.LoadTariffPlanFromFolder", role=Role.ADMINISTER)
async def load_folder(runtime: Runtime, given: Given) -> str:
    """Loads a tariff folder; what is to run at once has run when this answers."""
    await _load(runtime, await _read(given), given)
    return OK


@TABLE.method("APIerSv2.LoadTariffPlanFromFolder", role=Role.ADMINISTER)
async def load_folder_v2(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Loads a tariff folder and tells the ids of this load."""
    await _load(runtime, await _read(given), given)
    load_id = runtime.new_id()
    return {"RatingLoadID": load_id, "AccountingLoadID": load_id, "LoadTime": moment(runtime.wall_ns())}


@TABLE.method("APIerSv1.RemoveTPFromFolder", role=Role.ADMINISTER, also_v2=True)
async def remove_folder(runtime: Runtime, given: Given) -> str:
    """Removes everything a tariff folder names, accounts included."""
    files = await _read(given)
    if not given.flag("DryRun"):
        tariff_plans.remove(runtime.state, runtime.surroundings.forget, files)
        runtime.scheduler.wake()
    return OK


# --- rows stored under a plan's id


def _stored(runtime: Runtime, plan_id: str) -> Files:
    files = tariff_plans.stored_files(runtime.state, plan_id)
    if not files:
        raise not_found()
    return files


@TABLE.method("APIerSv1.ImportTariffPlanFromFolder", role=Role.ADMINISTER, also_v2=True)
async def import_folder(runtime: Runtime, given: Given) -> str:
    """Stores the rows of a folder under the id of a plan, without using them yet."""
    given.require("TPid")
    files = await _read(given)
    separator = given.text("CsvSeparator") or ","
    tariff_plans.store_files(runtime.state, given.text("TPid"), files, separator[:1])
    return OK


@TABLE.method("APIerSv1.LoadTariffPlanFromStorDb", role=Role.ADMINISTER, also_v2=True)
async def load_stored(runtime: Runtime, given: Given) -> str:
    """Loads all rows stored under the id of a plan."""
    given.require("TPid")
    await _load(runtime, tariff_plans.stored_files(runtime.state, given.text("TPid")), given)
    return OK


RATING_FILES = ("Timings.csv", "Destinations.csv", "Rates.csv", "DestinationRates.csv")
PARTS = {
    "LoadRatingPlan": ("RatingPlans.csv", ("RatingPlanId", "ID"), RATING_FILES),
    "LoadRatingProfile": ("RatingProfiles.csv", ("RatingProfileId", "ID"), ()),
    "LoadDestination": ("Destinations.csv", ("DestinationId", "ID"), ()),
    "LoadSharedGroup": ("SharedGroups.csv", ("SharedGroupId", "ID"), ()),
    "LoadAccountActions": ("AccountActions.csv", ("AccountActionsId", "ID"), ()),
}


def _add_part(name: str) -> None:
    file, members, beside = PARTS[name]
    sheet = BY_FILE[file]

    async def load_part(runtime: Runtime, given: Given) -> str:
        given.require("TPid")
        key = _part_key(sheet, given, members)
        stored = tariff_plans.rows_of(runtime.state, given.text("TPid"))
        chosen = {
            at: rows
            for at, rows in stored.items()
            if at[0] in beside or (at[0] == file and key in ("", at[1]))
        }
        if not any(at[0] == file for at in chosen):
            raise not_found()
        await _load(runtime, tariff_plans.texts(chosen), given)
        return OK

    load_part.__doc__ = f"Loads stored rows of {file}, one object or all of them."
    TABLE.method(f"{V1}.{name}", f"{V2}.{name}", role=Role.ADMINISTER)(load_part)


def _part_key(sheet: Sheet, given: Given, members: tuple[str, ...]) -> str:
    for member in members:
        if given.text(member):
            return given.text(member).removeprefix("*out:")
    if len(sheet.key) > 1 and given.text(sheet.key[-1].name):
        return ":".join(given.text(member.name) for member in sheet.key)
    return ""


for _name in PARTS:
    _add_part(_name)


def _add_sheet(sheet: Sheet) -> None:
    """Lists the methods of one kind of stored object."""

    def set_object(runtime: Runtime, given: Given) -> str:
        given.require("TPid")
        key, rows = sheet.rows(given)
        tariff_plans.put_rows(runtime.state, given.text("TPid"), sheet.file, key, rows)
        return OK

    def _at(given: Given) -> str:
        given.require("TPid")
        if len(sheet.key) > 1 and not given.text("ID"):
            return ":".join(given.text(member.name) for member in sheet.key)
        given.require("ID")
        return given.text("ID").removeprefix("*out:")

    def get_object(runtime: Runtime, given: Given) -> dict[str, Any]:
        rows = tariff_plans.rows_of(runtime.state, given.text("TPid")).get((sheet.file, _at(given)))
        if rows is None:
            raise not_found()
        return sheet.shown(rows, given.text("TPid"))

    def list_objects(runtime: Runtime, given: Given) -> list[str]:
        given.require("TPid")
        stored = tariff_plans.rows_of(runtime.state, given.text("TPid"))
        names = [key for file, key in stored if file == sheet.file]
        if not names:
            raise not_found()
        return page(names, given)

    def remove_object(runtime: Runtime, given: Given) -> str:
        tariff_plans.put_rows(runtime.state, given.text("TPid"), sheet.file, _at(given), ())
        return OK

    one = sheet.name.removesuffix("s")
    set_object.__doc__ = f"Stores the rows of a {sheet.name} object under the id of a plan."
    get_object.__doc__ = f"Shows a stored {sheet.name} object."
    list_objects.__doc__ = f"Lists the stored {sheet.name} objects of a plan."
    remove_object.__doc__ = f"Removes a stored {sheet.name} object."
    for function, name, role in (
        (set_object, f"SetTP{sheet.name}", Role.ADMINISTER),
        (get_object, f"GetTP{sheet.name}", Role.READ),
        (list_objects, f"GetTP{one}Ids", Role.READ),
        (list_objects, f"GetTP{one}IDs", Role.READ),
        (remove_object, f"RemoveTP{sheet.name}", Role.ADMINISTER),
    ):
        TABLE.method(f"{V1}.{name}", f"{V2}.{name}", role=role)(function)


for _sheet in SHEETS.values():
    _add_sheet(_sheet)


@TABLE.method("APIerSv1.GetTPIds", role=Role.READ, also_v2=True)
def plan_ids(runtime: Runtime, given: Given) -> list[str]:
    """Lists the ids under which rows are stored."""
    names = tariff_plans.plan_ids(runtime.state)
    if not names:
        raise not_found()
    return names


@TABLE.method("APIerSv1.RemTP", role=Role.ADMINISTER, also_v2=True)
def remove_stored(runtime: Runtime, given: Given) -> str:
    """Removes all rows stored under the id of a plan."""
    given.require("TPid")
    for file, key in tariff_plans.rows_of(runtime.state, given.text("TPid")):
        tariff_plans.put_rows(runtime.state, given.text("TPid"), file, key, ())
    return OK


@TABLE.method("APIerSv1.RemoveTPFromStorDB", role=Role.ADMINISTER, also_v2=True)
def remove_by_stored(runtime: Runtime, given: Given) -> str:
    """Removes everything from the running tariff that the rows stored under a plan's id name."""
    given.require("TPid")
    files = _stored(runtime, given.text("TPid"))
    if not given.flag("DryRun"):
        tariff_plans.remove(runtime.state, runtime.surroundings.forget, files)
        runtime.scheduler.wake()
    return OK


# --- out to files


@TABLE.method("APIerSv1.ExportTPToFolder", role=Role.ADMINISTER, also_v2=True)
async def export_stored(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Writes the rows stored under a plan's id into files of a folder."""
    given.require("TPid")
    files = _stored(runtime, given.text("TPid"))
    folder = Path(given.text("ExportPath") or given.text("FolderPath"))
    if not given.text("ExportPath") and not given.text("FolderPath"):
        given.require("ExportPath")
    try:
        await asyncio.to_thread(tariff_plans.write_files, folder, files)
    except OSError as error:
        raise server_error(error) from None
    return {"ExportPath": str(folder), "ExportedFiles": [name for name, _ in files], "Compressed": False}


@TABLE.method("APIerSv1.ExportToFolder", role=Role.ADMINISTER, also_v2=True)
async def export_profiles(runtime: Runtime, given: Given) -> str:
    """Writes profiles into files of a folder; all kinds where `Items` is empty."""
    given.require("Path")
    chosen = given.texts("Items") or tuple(ITEMS)
    unknown = [item for item in chosen if item not in ITEMS]
    if unknown:
        raise server_error(f"Unsupported item: {unknown[0]}")
    rows: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {}
    for item in chosen:
        kind = PROFILE_KINDS[ITEMS[item]]
        for key, profile in runtime.state.tables[Kind(item.strip("*").removesuffix("s"))].items():
            rows[kind.file, key] = tuple(kind.to_rows(profile))
    try:
        await asyncio.to_thread(tariff_plans.write_files, Path(given.text("Path")), tariff_plans.texts(rows))
    except OSError as error:
        raise server_error(error) from None
    return OK
