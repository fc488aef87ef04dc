"""Seeded histories with crashes and retransmissions: no acknowledged debit is lost, none is made twice."""

import pytest

from tests.simulation.worlds import World
from tests.support.shared_store import Database
from tests.support.virtual_time import run


def history(seed: int, nodes: int = 0) -> World:
    """The world of a seed after all its clients are done."""

    async def play() -> World:
        world = World(seed, nodes)
        await world.play()
        return world

    played: World = run(play())
    return played


def check_histories(seeds: range, nodes: int = 0) -> None:
    """Play them all; name every seed that went wrong, and be sure that something was tried at all."""
    wrong: dict[int, list[str]] = {}
    crashes = exchanges = 0
    for seed in seeds:
        world = history(seed, nodes)
        problems = world.audit()
        if problems:
            wrong[seed] = problems
        crashes += sum(process.crashes for process in world.processes)
        exchanges += len(world.network.exchanges)
    assert wrong == {}
    assert crashes >= len(seeds)
    assert exchanges >= 10 * len(seeds)


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_no_acknowledged_debit_is_lost_and_none_is_made_twice(first: int) -> None:
    check_histories(range(first, first + 50))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 11_000, 500))
def test_many_more_histories(first: int) -> None:
    check_histories(range(first, first + 500))


@pytest.mark.parametrize("first", range(0, 150, 50))
def test_three_nodes_on_a_shared_store_lose_and_repeat_nothing(first: int) -> None:
    check_histories(range(first, first + 50), nodes=3)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 6_000, 500))
def test_many_more_histories_of_nodes(first: int) -> None:
    check_histories(range(first, first + 500), nodes=3)


def test_mishaps_of_nodes_happen() -> None:
    database = history(3, nodes=3).truth
    assert isinstance(database, Database)
    assert min(database.taken, database.repeated, database.refused) > 0


@pytest.mark.parametrize("nodes", [0, 3])
def test_one_seed_is_one_history(nodes: int) -> None:
    one, two = history(7, nodes), history(7, nodes)
    assert one.truth.postings == two.truth.postings
    assert one.truth.accounts == two.truth.accounts
