"""Sessions that the server debits by itself: their client is warned once before the credit ends."""

import asyncio

import pytest

from ocs.sessions.clients import Client, ClientError, NoClients
from tests.cgrates.calls import Call
from tests.charging.cgrates.small import Price, S
from tests.support.virtual_time import run, running


class TwoWay(NoClients):
    """The client of all sessions; what it was asked, and in which second."""

    number, peer = 1, "two-way"

    def __init__(self, is_deaf: bool = False) -> None:
        self.asked: list[tuple[str, float]] = []
        self.is_deaf = is_deaf

    def of_session(self, number: int, peer: str) -> Client | None:
        return self

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        self.asked.append((method.partition(".")[2], running().now_ns() / S))
        if self.is_deaf and method.endswith("WarnDisconnect"):
            await asyncio.sleep(timeout_ns / S)
            raise ClientError("no answer in time")
        return "OK"


@pytest.mark.parametrize(
    ("seconds", "is_deaf", "asked"),
    [
        pytest.param(23, False, [("WarnDisconnect", 20.0), ("DisconnectSession", 23.0)], id="three left"),
        pytest.param(28, False, [("WarnDisconnect", 23.0), ("DisconnectSession", 28.0)], id="eight left"),
        pytest.param(28, True, [("WarnDisconnect", 23.0), ("DisconnectSession", 28.0)], id="no answer"),
        pytest.param(30, False, [("DisconnectSession", 30.0)], id="a whole interval was the last"),
    ],
)
def test_a_client_is_warned_once_before_the_credit_ends(
    seconds: int, is_deaf: bool, asked: list[tuple[str, float]]
) -> None:
    async def play() -> None:
        call = Call(Price("0 1/1s/1s"), settings={"debit_interval": "10s", "min_dur_low_balance": "5s"})
        client = TwoWay(is_deaf)
        call.engine.runtime.use_clients(client)
        await call.engine.runtime.start()
        await call.give("*voice", seconds * S)
        begun_s = running().now_ns() / S
        assert await call.initiate() == -1
        await asyncio.sleep(60)
        assert [(method, round(at_s - begun_s, 3)) for method, at_s in client.asked] == asked
        await call.engine.runtime.stop()

    run(play())


def test_a_client_is_not_warned_of_a_call_that_has_ended() -> None:
    async def play() -> None:
        call = Call(Price("0 1/1s/1s"), settings={"debit_interval": "10s", "min_dur_low_balance": "5s"})
        client = TwoWay()
        call.engine.runtime.use_clients(client)
        await call.engine.runtime.start()
        await call.give("*voice", 18 * S)
        await call.initiate()
        await asyncio.sleep(12)
        await call.end(Usage="12s")
        await asyncio.sleep(60)
        assert client.asked == []
        await call.engine.runtime.stop()

    run(play())


class Older(TwoWay):
    """A client of protocol 1.0, as OpenSIPS is, that says what it misses."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[list[str]] = []

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        assert isinstance(params, dict)
        self.forms.append(sorted(params))
        if "EventStart" not in params:
            raise ClientError("EventStart parameter is invalid or not found")
        return await super().call(method, params, timeout_ns)


def test_a_client_of_the_older_protocol_is_told_in_its_own_words() -> None:
    async def play() -> None:
        settings = {"debit_interval": "10s", "min_dur_low_balance": "0s", "terminate_attempts": 1}
        call = Call(Price("0 1/1s/1s"), settings=settings)
        client = Older()
        call.engine.runtime.use_clients(client)
        await call.engine.runtime.start()
        await call.give("*voice", 5 * S)
        await call.initiate()
        await asyncio.sleep(30)
        assert [method for method, _ in client.asked] == ["DisconnectSession"]
        assert client.forms == [["APIOpts", "Event", "ID", "Tenant", "Time"], ["EventStart", "Reason"]]
        await call.engine.runtime.stop()

    run(play())
