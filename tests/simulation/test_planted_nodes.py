"""Tests of the simulated nodes: without one of the protections some history goes wrong, and is found out."""

import pytest

from ocs.charging.store import VersionConflict
from ocs.charging.store.redis import Broken, RedisStore
from ocs.charging.store.redis.units import Unit
from tests.simulation.test_worlds import history
from tests.support import shared_store
from tests.support.shared_store import Database

SEEDS = 60


def is_found_out() -> bool:
    return any(history(seed, nodes=3).audit() for seed in range(SEEDS))


def test_what_waits_falls_with_what_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(self: RedisStore, batch: list[Unit], refused: dict[int, str]) -> None:
        for index, unit in enumerate(batch):
            unit.tell(VersionConflict(refused[index]) if index in refused else None)

    monkeypatch.setattr(RedisStore, "_tell", tell)
    assert is_found_out()


def test_what_follows_in_a_batch_falls_with_what_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing(Broken):
        def takes(self, unit: Unit) -> bool:
            return False

    monkeypatch.setattr(shared_store, "Broken", Nothing)
    assert is_found_out()


def test_a_batch_that_is_sent_again_is_not_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    take_batch = Database.take_batch

    def forgetful(
        self: Database, node: RedisStore, writer: str, number: int, batch: list[Unit]
    ) -> dict[int, str]:
        self._last[writer] = number - 1, {}
        return take_batch(self, node, writer, number, batch)

    monkeypatch.setattr(Database, "take_batch", forgetful)
    assert is_found_out()
