"""The server itself over the wire: status, sleep, parts, locks, the cache that is none."""

import asyncio
import pstats
from pathlib import Path

from tests.cgrates.methods.api import Api


def test_status_tells_how_the_server_does(api: Api) -> None:
    status = api("CoreSv1.Status")
    assert status["pid"] > 0
    assert status["running_since"] == "2026-06-15T12:00:00Z"
    assert status["version"].startswith("ocs@v")
    assert {"go_version", "node_id", "goroutines", "resident_memory", "cpu_time"} <= set(status)


def test_sleep_answers_after_its_time(timed: Api) -> None:
    api = timed
    before_ns = api.wall_ns()
    assert api("CoreSv1.Sleep", Duration="5s") == "OK"
    assert api.wall_ns() - before_ns == 5 * 10**9
    assert "Duration" in api.error("CoreSv1.Sleep", Duration="2h")


def test_parts_are_running_or_stopped(api: Api) -> None:
    assert api("ServiceManagerV1.ServiceStatus", ServiceID="*sessions") == "RUNNING"
    assert api("ServiceManagerV1.ServiceStatus", ServiceID="*routes") == "STOPPED"
    assert (
        api.error("ServiceManagerV1.ServiceStatus", ServiceID="*x") == "SERVER_ERROR: UNSUPPORTED_SERVICE_ID"
    )
    assert api.error("ServiceManagerV1.StartService", ServiceID="*routes") == "NOT_IMPLEMENTED"


def test_a_profile_of_the_processor_is_written(api: Api, tmp_path: Path) -> None:
    assert api.error("CoreSv1.StopCPUProfiling") == "stop CPU profiling: not started yet"
    assert api("CoreSv1.StartCPUProfiling", DirPath=str(tmp_path)) == "OK"
    assert (
        api.error("CoreSv1.StartCPUProfiling", DirPath=str(tmp_path))
        == "start CPU profiling: already started"
    )
    assert api("CoreSv1.StopCPUProfiling") == "OK"
    assert pstats.Stats(str(tmp_path / "cpu.prof")).total_calls > 0  # type: ignore[attr-defined]


def test_locks_wait_for_each_other(timed: Api) -> None:
    api = timed
    first = api("GuardianSv1.RemoteLock", LockIDs=["a", "b"], Timeout="10s")

    async def second() -> tuple[bool, tuple[str, ...]]:
        waiting = asyncio.ensure_future(api.runtime.locks.take("second", ("b",), 1))
        await asyncio.sleep(1)
        was_waiting = not waiting.done()
        freed = await api.runtime.locks.free(first)
        await waiting
        return was_waiting, freed

    assert api.runner.run(second()) == (True, ("a", "b"))
    assert api("GuardianSv1.RemoteUnlock", RefID="second") == ["b"]


def test_locks_end_by_themselves(timed: Api) -> None:
    api = timed
    api("GuardianSv1.RemoteLock", LockIDs=["a"], Timeout="2s")
    before_ns = api.wall_ns()
    api("GuardianSv1.RemoteLock", LockIDs=["a"], Timeout="2s")
    assert api.wall_ns() - before_ns == 2 * 10**9


def test_there_is_no_cache_but_its_questions_are_answered(api: Api) -> None:
    api("APIerSv1.SetDestination", Id="DST", Prefixes=["49"])
    assert api("CacheSv1.Clear", CacheIDs=["*destinations"]) == "OK"
    assert api("CacheSv1.ReloadCache", DestinationIDs=["DST"]) == "OK"
    asked = {"CacheID": "*destinations", "ItemID": "DST"}
    assert api("CacheSv1.HasItem", **asked) is True
    assert api("CacheSv1.GetItem", **asked) == ["49"]
    assert api("CacheSv1.GetItemIDs", CacheID="*destinations") == ["DST"]
    assert api.error("CacheSv1.GetItem", CacheID="*destinations", ItemID="NONE") == "NOT_FOUND"
    assert api("CacheSv1.GetCacheStats", CacheIDs=["*destinations"]) == {
        "*destinations": {"Items": 1, "Groups": 0}
    }


def test_unknown_methods_are_told_in_the_incumbents_words(api: Api) -> None:
    assert api.error("APIerSv1.Nonsense") == "rpc: can't find method APIerSv1.Nonsense"
    assert api.error("NonsenseV9.Do") == "rpc: can't find service NonsenseV9.Do"
