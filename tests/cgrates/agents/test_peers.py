"""Agents as connections: what they are asked in either protocol, and who is asked about which session."""

import asyncio
from collections.abc import Iterator

import pytest

from ocs.cgrates.agents.peers import AgentClient, AllClients
from ocs.charging.control import ControlResult, SessionAddress
from ocs.sessions.clients import Client, ClientError, NoClients

START = {"OriginID": "c1", "OriginHost": "edge"}


class Heard:
    def __init__(self, result: ControlResult = ControlResult.ACCEPTED) -> None:
        self.result = result
        self.asked: list[tuple[str, ...]] = []

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        self.asked.append(("alter", session.client, session.session_id))
        return self.result

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        self.asked.append(("end", session.client, session.session_id, cause))
        return self.result

    async def warn(self, session: SessionAddress) -> ControlResult:
        self.asked.append(("warn", session.client, session.session_id))
        return self.result


def client(agent: Heard) -> AgentClient:
    return AgentClient(7, "fs1", agent, lambda name: [START | {"OriginHost": name}])


@pytest.mark.parametrize(
    ("method", "params", "asked"),
    [
        (
            "SessionSv1.DisconnectSession",
            [{"EventStart": START, "Reason": "WHY"}],
            ("end", "fs1", "c1", "WHY"),
        ),
        ("AgentV1.DisconnectSession", {"Event": START | {"DisconnectCause": "C"}}, ("end", "fs1", "c1", "C")),
        ("AgentV1.DisconnectSession", [{"Event": START}], ("end", "fs1", "c1", "FORCED_DISCONNECT")),
        ("AgentV1.AlterSession", [{"Event": START}], ("alter", "fs1", "c1")),
        ("AgentV1.WarnDisconnect", [START], ("warn", "fs1", "c1")),
    ],
)
def test_what_the_pipeline_asks_is_asked_of_the_agent(
    method: str, params: object, asked: tuple[str, ...]
) -> None:
    agent = Heard()
    assert asyncio.run(client(agent).call(method, params, 10**9)) == "OK"
    assert agent.asked == [asked]


def test_active_sessions_are_listed() -> None:
    listed = asyncio.run(client(Heard()).call("SessionSv1.GetActiveSessionIDs", [""], 10**9))
    assert listed == [{"OriginID": "c1", "OriginHost": "fs1"}]


def test_what_was_not_done_is_an_error() -> None:
    agent = Heard(ControlResult.NO_ANSWER)
    with pytest.raises(ClientError, match="NO_ANSWER"):
        asyncio.run(client(agent).call("AgentV1.DisconnectSession", [{"Event": START}], 10**9))
    with pytest.raises(ClientError, match="UNSUPPORTED_SERVICE_METHOD"):
        asyncio.run(client(agent).call("AgentV1.Dance", [{}], 10**9))


class OneClient(NoClients):
    def __init__(self, only: Client) -> None:
        self.only = only

    def __iter__(self) -> Iterator[Client]:
        yield self.only

    def of_session(self, number: int, peer: str) -> Client | None:
        return self.only


def test_sessions_of_agents_are_theirs_and_all_others_the_front_doors() -> None:
    own, other = client(Heard()), AgentClient(8, "other", Heard(), lambda name: [])
    everybody = AllClients(OneClient(other), [own])
    assert list(everybody) == [other, own]
    assert everybody.of_session(0, "agent:fs1") is own
    assert everybody.of_session(7, "10.0.0.1") is other
