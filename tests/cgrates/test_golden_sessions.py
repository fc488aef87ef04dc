"""Recorded answers of a running CGRateS engine, through the methods: every answer, and every balance after it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cgrates.calls import Asked
from tests.cgrates.engine import Engine, write_folder
from tests.cgrates.golden_reduce import Reduce
from tests.cgrates.places import wired
from tests.cgrates.test_process import engine
from tests.charging.cgrates.worlds import World, expected, same, worlds
from tests.support.ports import free_port

# One world of how many: all with sessions, a part of what the core's own tests replay whole; the rest is long.
SHARES = {"session": 1, "debit": 4, "rating": 10}
OVER_A_PORT = ("session_special_1", "session_cfg_3102")
NO_ENDS = ("ExpirationDate",)


def chosen() -> Iterator[Any]:
    for family, share in SHARES.items():
        for number, world in enumerate(worlds(family)):
            marks = () if number % share == 0 else pytest.mark.long
            yield pytest.param(world, id=world.name.removesuffix(".json"), marks=marks)


@pytest.mark.parametrize("world", list(chosen()))
def test_answers_and_balances_are_as_recorded(world: World) -> None:
    runtime = Engine(world.config)
    runtime.load(world.files)
    assert asyncio.run(differences(runtime, world)) == []


@pytest.mark.parametrize("name", OVER_A_PORT)
def test_answers_over_a_port_are_as_recorded(tmp_path: Path, name: str) -> None:
    (world,) = (each for each in worlds("session") if each.name == name)
    (tmp_path / "tariff").mkdir()
    write_folder(tmp_path / "tariff", world.files)

    async def replayed(port: int) -> list[tuple[Any, ...]]:
        async with wired(port) as wire:
            folder = {"FolderPath": str(tmp_path / "tariff")}
            assert await wire.result("APIerSv1.LoadTariffPlanFromFolder", folder) == "OK"
            return await differences(wire, world)

    port = free_port()
    with engine(tmp_path, port, more=world.config):
        assert asyncio.run(replayed(port)) == []


async def differences(engine: Asked, world: World) -> list[tuple[Any, ...]]:
    """Steps whose answer or balances differ."""
    reduce, found = Reduce(), list[tuple[Any, ...]]()
    for number, step in enumerate(world.steps):
        answer = await engine.call(step["call"], step["params"])
        if answer["error"] != step.get("error"):
            found.append((number, step["call"], step.get("error"), answer["error"]))
        balances = await _balances(engine, reduce, step.get("balances", {}))
        if not same(step.get("balances", {}), balances, world.grid):
            found.append((number, step["call"], step["balances"], balances))
        if answer["error"] is None:
            wanted = _without_ends(expected(step["call"], step.get("result"), 2))
            got = reduce.result(step["call"], answer["result"])
            if not same(wanted, got, world.grid):
                found.append((number, step["call"], wanted, got))
    return found


async def _balances(engine: Asked, reduce: Reduce, names: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        answer = await engine.call("APIerSv2.GetAccount", {"Tenant": "acme.test", "Account": name})
        found[name] = None if answer["error"] else reduce.balances(answer["result"])
    return found


def _without_ends(value: Any) -> Any:
    """A recorded answer without the ends of balances, which were relative to the recording."""
    if isinstance(value, dict):
        return {name: _without_ends(member) for name, member in value.items() if name not in NO_ENDS}
    return [_without_ends(each) for each in value] if isinstance(value, list) else value
