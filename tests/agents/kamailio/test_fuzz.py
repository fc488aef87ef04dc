"""Damaged messages come to the whole client: it lives, and answers and charges the next call as ever."""

import asyncio
import random
from typing import Any

import pytest

from ocs.agents.kamailio.netstring import NetstringDecoder, encode_netstring
from tests.agents.kamailio.evapi_server import EvapiServer
from tests.agents.kamailio.recorded import recorded
from tests.agents.kamailio.test_agent import AUTH, running

# The calls of the recording are somebody else's, who has no account: what they come to is no matter here.
MESSAGES = [
    payload.replace(b'"1001"', b'"7777"') for payload in NetstringDecoder().feed(b"".join(recorded("in")))
]
CREDIT_S = 10_000  # of account 1001


def damaged(dice: random.Random, octets: bytes) -> bytes:
    """A few octets changed, lost, doubled, or cut off."""
    found = bytearray(octets)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(found) or 1)
        match dice.randrange(4):
            case 0:
                found[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del found[place : place + dice.randint(1, 40)]
            case 2:
                found[place:place] = found[place : place + dice.randint(1, 40)]
            case _:
                del found[place:]
    return bytes(found)


def damaged_message(dice: random.Random) -> bytes:
    """A recorded message that is damaged inside its netstring, or with it."""
    payload = dice.choice(MESSAGES)
    if dice.random() < 0.7:
        return encode_netstring(damaged(dice, payload))
    return damaged(dice, encode_netstring(payload))


async def answered(proxy: EvapiServer, index: str) -> dict[str, Any]:
    """What the agent says to a question, whatever it says before."""
    while True:
        said = await proxy.hear()
        if said.get("TransactionIndex") == index:
            return said


async def check_fuzz(seed: int, messages: int) -> None:
    dice = random.Random(seed)
    async with running("kam1", nanos=CREDIT_S * 1_000) as (_, (proxy,)):
        for _ in range(messages):
            await proxy.until_connected()
            proxy.write(damaged_message(dice))
            await asyncio.sleep(0)
        await proxy.until_connected()
        proxy.hang_up()  # it may wait for the rest of a netstring that is damaged
        await proxy.until_gone()
        await proxy.until_connected()
        call = AUTH | {"OriginID": "last", "tr_index": "fuzz-1"}
        proxy.say("CGR_AUTH_REQUEST", **call)
        assert (await answered(proxy, "fuzz-1"))["MaxUsage"] == CREDIT_S
        proxy.say("CGR_CALL_START", h_entry="1", h_id="2", AnswerTime="1763805604", **call)
        proxy.say("CGR_CALL_END", h_entry="1", h_id="2", Usage="5", **call)
        proxy.say("CGR_AUTH_REQUEST", **(AUTH | {"OriginID": "next", "tr_index": "fuzz-2"}))
        assert (await answered(proxy, "fuzz-2"))["MaxUsage"] == CREDIT_S - 5


@pytest.mark.parametrize("seed", range(8))
async def test_damaged_messages_never_end_the_client(seed: int) -> None:
    await check_fuzz(seed, messages=60)


@pytest.mark.long
async def test_damaged_messages_never_end_the_client_however_many() -> None:
    for seed in range(100, 140):
        await check_fuzz(seed, messages=300)
