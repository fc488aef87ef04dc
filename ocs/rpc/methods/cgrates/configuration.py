"""`ConfigSv1`: the configuration is shown, changed for the running server, and read again from files.

What changes at once: rating, accounting, sessions, default tenant and category. Listeners and agents are opened at
start; their sections are taken over and shown, and count at the next start. Nothing is written back to files.
"""

import asyncio
import copy
from pathlib import Path
from typing import Any

import msgspec

from ocs.cgrates import config, jsonc
from ocs.cgrates.config import ConfigError
from ocs.cgrates.objects.errors import server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import duration
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.rpc.methods.cgrates.table import OK, Table
from ocs.rpc.registry import Role

TABLE = Table()


def sections(runtime: Runtime) -> dict[str, Any]:
    """Every section: what the files say over the defaults."""
    shown: dict[str, Any] = {}
    for field in msgspec.structs.fields(config.Settings):
        if field.name != "raw":
            shown[field.name] = _shown(getattr(runtime.settings, field.name))
    for name, content in runtime.settings.raw.items():
        known = shown.get(name)
        shown[name] = (
            {**known, **content} if isinstance(known, dict) and isinstance(content, dict) else content
        )
    return shown


def _shown(value: object) -> Any:
    """A setting as the files write it."""
    if isinstance(value, config.Duration):
        return duration(value)
    if isinstance(value, msgspec.Struct):
        return {name: _shown(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {name: _shown(item) for name, item in value.items()}
    return value


def _wanted(runtime: Runtime, given: Given) -> dict[str, Any]:
    everything = sections(runtime)
    names = given.texts("Sections") or ((given.text("Section"),) if given.text("Section") else ())
    unknown = [name for name in names if name not in everything]
    if unknown:
        raise server_error(f"Invalid section: <{unknown[0]}>")
    return {name: everything[name] for name in names} if names else everything


@TABLE.method("ConfigSv1.GetConfig", role=Role.ADMINISTER)
def get_config(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows some sections of the configuration, or all of them."""
    return _wanted(runtime, given)


@TABLE.method("ConfigSv1.GetConfigAsJSON", role=Role.ADMINISTER)
def get_config_text(runtime: Runtime, given: Given) -> str:
    """Shows sections of the configuration as the text of a file."""
    return msgspec.json.encode(_wanted(runtime, given)).decode()


@TABLE.method("ConfigSv1.SetConfig", role=Role.ADMINISTER)
def set_config(runtime: Runtime, given: Given) -> str:
    """Changes keys of the running server."""
    given.require("Config")
    return _change(runtime, dict(plain(given.mapping("Config"))), is_dry=given.flag("DryRun"))


@TABLE.method("ConfigSv1.SetConfigFromJSON", role=Role.ADMINISTER)
def set_config_text(runtime: Runtime, given: Given) -> str:
    """Changes keys of the running server, written as the text of a file."""
    given.require("Config")
    try:
        found = jsonc.loads(given.text("Config"), {})
    except jsonc.JsoncError as error:
        raise server_error(error) from None
    if not isinstance(found, dict):
        raise server_error("Config: is not an object of sections")
    return _change(runtime, found, is_dry=given.flag("DryRun"))


@TABLE.method("ConfigSv1.ReloadConfig", role=Role.ADMINISTER)
async def reload_config(runtime: Runtime, given: Given) -> str:
    """Reads a section, or all of them, from the files of a folder."""
    given.require("Path")
    try:
        settings, _ = await asyncio.to_thread(config.load, Path(given.text("Path")))
    except ConfigError as error:
        raise server_error(error) from None
    names = given.texts("Sections") or ((given.text("Section"),) if given.text("Section") else ())
    found = settings.raw if not names or "*all" in names else _cut(settings.raw, names)
    return _change(runtime, found, is_dry=given.flag("DryRun"))


def _cut(raw: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: raw[name] for name in names if name in raw}


def _change(runtime: Runtime, added: dict[str, Any], *, is_dry: bool) -> str:
    merged = copy.deepcopy(runtime.settings.raw)
    jsonc.merge(merged, added)
    try:
        settings = config.read(merged)
    except ConfigError as error:
        raise server_error(error) from None
    if not is_dry:
        runtime.reconfigure(settings)
    return OK
