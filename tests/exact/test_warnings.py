"""Sessions the exact core debits by itself: a low-balance mark, or few seconds left, warn their client once."""

import asyncio

import msgspec
import pytest

from ocs.charging.account import Account
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.decision import Change
from ocs.exact.accounting import CLIENT
from tests.cgrates.test_warnings import TwoWay
from tests.charging.exact.small import NANOS, S, account, balance
from tests.exact.test_sessions import Live
from tests.support.virtual_time import run, running


@pytest.mark.parametrize(
    ("mark", "asked"),
    [
        pytest.param(0, [("WarnDisconnect", 30.0), ("DisconnectSession", 35.0)], id="five seconds left"),
        pytest.param(10, [("WarnDisconnect", 20.0), ("DisconnectSession", 35.0)], id="at the mark"),
    ],
)
def test_a_client_is_warned_once(mark: int, asked: list[tuple[str, float]]) -> None:
    async def play() -> None:
        live, client = await _begun(account(balance("35", "cash"), low_balance_nanos=mark * NANOS))
        begun_s = running().now_ns() / S
        await asyncio.sleep(60)
        assert [(method, round(at_s - begun_s, 1)) for method, at_s in client.asked] == asked
        await live.runtime.stop()

    run(play())


def test_the_core_has_the_client_of_a_session_warned() -> None:
    async def play() -> None:
        live, client = await _begun(account(balance("35", "cash")))
        (session,) = live.runtime.state.sessions.values()
        name = session.runs[0].money.session_id
        told = [
            await live.runtime.warn(SessionAddress(CLIENT, name, "", "voice")),
            await live.runtime.warn(SessionAddress(CLIENT, "nobody:1:2", "", "voice")),
            await live.runtime.warn(SessionAddress("fs1", name, "", "voice")),
        ]
        assert told == [ControlResult.ACCEPTED, ControlResult.UNKNOWN_SESSION, ControlResult.UNSUPPORTED]
        assert [method for method, _ in client.asked] == ["WarnDisconnect"]
        await live.runtime.stop()

    run(play())


async def _begun(one: Account) -> tuple[Live, TwoWay]:
    """A session that is debited every ten seconds, on an account that pays a second with 1."""
    live, client = Live(), TwoWay()
    live.runtime.use_clients(client)
    await live.service.create(Change(one))
    await live.runtime.start()
    event = await live.ready(0)
    live.runtime.sessions.initiate(msgspec.structs.replace(event, options={"*sessionsDebitInterval": "10s"}))
    return live, client
