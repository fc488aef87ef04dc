"""Claims about the session API on two real servers over one Redis: limits hold, sessions move, nothing leaks."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE_S, until
from tests.test_serve_sessions import CREDIT, RICH, SECOND_COST, S, Server, call_of

pytestmark = pytest.mark.peer
LIMIT, WORKERS, CALLS = 3, 6, 8
FULL = "RESOURCES_ERROR:RESOURCE_UNAVAILABLE"
PROFILES = f"resources: [{{id: LINES, usage_ttl: 1h, limit: {LIMIT}, allocation_message: a line}}]\n"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers; what they share outlives both."""
    database = RedisServer(tmp_path / "redis").start()
    store = f"store: {{kind: redis, redis: {{url: '{database.url}'}}}}\n"
    started: list[Server] = []
    try:
        for name in ("one", "two"):
            (tmp_path / name / "profiles").mkdir(parents=True)
            (tmp_path / name / "profiles" / "profiles.yaml").write_text(PROFILES, encoding="utf-8")
            started.append(Server(tmp_path / name, "profiles: profiles", store))
        yield started
    finally:
        for server in started:
            server.process.kill()
            server.process.communicate()
        database.kill()


def request(flag: str, name: str, usage: str, lines: str) -> dict[str, Any]:
    return {**call_of(flag, usage, name), lines: True, "APIOpts": {"*usageID": name, "*units": 1}}


def end_of(name: str) -> dict[str, Any]:
    return request("TerminateSession", name, "10s", "ReleaseResources")


def usages(server: Server) -> dict[str, Any]:
    found = server.call("ResourceSv1.GetResource", {"Tenant": "cgrates.org", "ID": "LINES"})
    return dict(found["Usages"] or {})


def test_a_session_and_a_profile_are_those_of_all_servers(servers: list[Server]) -> None:
    here, there = servers
    begun = here.call(
        "SessionSv1.InitiateSession", request("InitSession", "call-1", "60s", "AllocateResources")
    )
    assert (begun["MaxUsage"], begun["ResourceAllocation"]) == (60 * S, "a line")
    until(lambda: len(usages(there)) == 1, "the usage is known at the other server")
    assert there.money() == (CREDIT, 60 * SECOND_COST)
    active = there.call("SessionSv1.GetActiveSessions", {})
    assert [each["OriginID"] for each in active] == ["call-1"]
    updated = there.call("SessionSv1.UpdateSession", call_of("UpdateSession", "30s"))
    assert updated == {"MaxUsage": 30 * S}
    assert here.money() == (CREDIT, 90 * SECOND_COST)
    ended = request("TerminateSession", "call-1", "80s", "ReleaseResources")
    assert here.call("SessionSv1.TerminateSession", ended) == "OK"
    assert there.money() == (CREDIT - 80 * SECOND_COST, 0)
    until(lambda: usages(there) == {}, "the release is known at the other server")
    record = {"CGREvent": None, **call_of("ProcessCDR", "80s")}
    assert there.call("SessionSv1.ProcessCDR", record) == "OK"
    profile = {"Tenant": "cgrates.org", "ID": "MORE", "Limit": 1, "UsageTTL": "1h", "Weight": 1}
    assert here.call("APIerSv1.SetResourceProfile", profile) == "OK"
    wanted = {"Tenant": "cgrates.org", "ID": "MORE"}
    until(
        lambda: there.answer("APIerSv1.GetResourceProfile", wanted)["error"] is None,
        "the profile is known at the other server",
    )


class Caller(threading.Thread):
    """Makes calls one after the other, each end at another server than its beginning."""

    held = 0
    most = 0
    lock = threading.Lock()

    def __init__(self, number: int, servers: list[Server]) -> None:
        super().__init__()
        self.number = number
        self.servers = servers
        self.chance = random.Random(number)
        self.faults: list[str] = []
        self.unheard: list[str] = []
        self.made = 0

    def run(self) -> None:
        for number in range(CALLS):
            self._call(f"call-{self.number}-{number}")

    def _call(self, name: str) -> None:
        first = self.chance.randrange(2)
        begin = request("InitSession", name, "60s", "AllocateResources")
        answer = self._said(self.servers[first], "SessionSv1.InitiateSession", begin)
        is_held = answer is not None and answer["error"] is None
        if is_held:
            with self.lock:
                Caller.held += 1
                Caller.most = max(Caller.most, Caller.held)
            time.sleep(self.chance.uniform(0, 0.05))
            with self.lock:
                Caller.held -= 1
            self.made += 1
        elif answer is None:
            self.unheard.append(name)
        elif answer["error"] == FULL:
            return
        else:
            self.faults.append(answer["error"])
        self._end(name, first)

    def _end(self, name: str, first: int) -> None:
        """Until it is ended, wherever: nobody knows whether a call that was not answered has begun."""
        end = end_of(name)
        for attempt in range(200):
            answer = self._said(self.servers[(first + 1 + attempt) % 2], "SessionSv1.TerminateSession", end)
            if answer is not None and (answer["error"] is None or "NOT_FOUND" in answer["error"]):
                return
            time.sleep(0.05)
        self.faults.append(f"{name} is not ended: {answer}")

    def _said(self, server: Server, method: str, asked: object) -> dict[str, Any] | None:
        """The answer; None where the server died before it came."""
        try:
            return server.answer(method, asked)
        except (OSError, ValueError):
            return None


def test_a_limit_holds_and_nothing_leaks_on_two_servers_of_which_one_is_killed(servers: list[Server]) -> None:
    here, there = servers
    first = [f"first-{number}" for number in range(LIMIT)]
    for name in first:
        here.call("SessionSv1.InitiateSession", request("InitSession", name, "60s", "AllocateResources"))
    more = request("InitSession", "more", "60s", "AllocateResources")
    assert there.refusal("SessionSv1.InitiateSession", more) == FULL
    for name in first:
        there.call("SessionSv1.TerminateSession", end_of(name))
    callers = [Caller(number, servers) for number in range(WORKERS)]
    for caller in callers:
        caller.start()
    until(lambda: sum(caller.made for caller in callers) > WORKERS, "calls are made")
    here.killed()
    for caller in callers:
        caller.join(PATIENCE_S)
        assert not caller.is_alive()
    assert [fault for caller in callers for fault in caller.faults] == []
    assert Caller.most <= LIMIT
    unheard = [name for caller in callers for name in caller.unheard]

    def is_free(server: Server) -> bool:
        """What a dying server has still begun may have been heard of after its end was asked for: it is again."""
        for name in unheard:
            server.answer("SessionSv1.TerminateSession", end_of(name))
        return usages(server) == {}

    for server in servers:
        until(lambda server=server: is_free(server), "lines are free")  # type: ignore[misc]
        posted, held = server.money()
        costs = server.call("OcsV1.CdrList", {"account": RICH, "limit": 1000})["cdrs"]
        assert held == 0
        assert posted == CREDIT - sum(int(each["cost_nanos"]) for each in costs)
        assert server.call("OcsV1.AccountVerify", {"account": RICH})["ok"]
