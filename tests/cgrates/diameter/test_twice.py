"""What is sent twice is done once: repeats get the answer there was, or the one that is under way."""

import asyncio

import pytest

from ocs.cgrates.journal import JournalError
from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_utf8, group
from ocs.diameter.codes import PROXIABLE, REQUEST
from ocs.diameter.message import Message
from tests.cgrates.diameter.processors import AGAIN, INIT, PAID, call, processor, wish
from tests.cgrates.diameter.world import (
    EVENT,
    INITIAL,
    TERMINATION,
    TO,
    S,
    example,
    groups,
    run,
    section,
    served,
)
from tests.support.diameter_peer import code_of
from tests.support.gy import requested, seconds, service, used


@pytest.mark.parametrize("flags", [REQUEST | PROXIABLE, AGAIN], ids=["same identifier", "and the T bit"])
def test_a_request_that_comes_again_gets_its_answer_and_costs_nothing(flags: int) -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            await call(client)
            first = await call(client, report=300, number=1, end_to_end=77)
            left = world.left()
            second = await call(client, report=300, number=1, end_to_end=77, flags=flags)
            assert second.frame[20:] == first.frame[20:]
            assert world.left() == left == 10 * S - 600 * PAID

    run(test())


def test_the_t_bit_finds_the_request_under_another_identifier() -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            await call(client)
            await call(client, report=300, number=1, end_to_end=77)
            left = world.left()
            again = await world.client("pgw.example.net")
            answer = await call(again, report=300, number=1, end_to_end=78, flags=AGAIN)
            assert (code_of(answer), groups(answer), world.left()) == (2001, [(100, 2001, 300)], left)

    run(test())


def test_what_only_looks_alike_is_charged() -> None:
    """Another number, another session, or another identifier without the T bit: another request."""

    async def test() -> None:
        async with served(example(), nanos=100 * S) as world:
            client = await world.client()
            await call(client)
            await call(client, report=300, number=1, end_to_end=77)
            await call(client, report=300, number=2, end_to_end=77)
            assert world.left() == 100 * S - 900 * PAID
            await call(client, report=300, number=2, end_to_end=79)
            assert world.left() == 100 * S - 1_200 * PAID
            await call(client, session="s;2", end_to_end=77)
            assert world.left() == 100 * S - 1_500 * PAID

    run(test())


def test_a_repeat_waits_for_the_answer_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            gate = asyncio.Event()

            async def durable() -> None:
                await gate.wait()

            monkeypatch.setattr(world.runtime, "durable", durable)
            asked = [
                client.ccr(INITIAL, 0, TO, service(100, requested(seconds(300))), end_to_end=5) for _ in "ab"
            ]
            client.peer.send(*asked)
            while len(world.front._tasks) < 2:  # noqa: ASYNC110 - both have come, by the agent's own count
                await asyncio.sleep(0)
            gate.set()
            answers = [await client.peer.receive() for _ in asked]
            assert [code_of(answer) for answer in answers] == [2001, 2001]
            assert {answer.hop_by_hop for answer in answers} == {
                Message.decode(each).hop_by_hop for each in asked
            }
            assert world.left() == 10 * S - 300 * PAID

    run(test())


def test_a_request_that_is_ended_before_it_is_on_disk_is_not_told_to_have_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()

            async def never() -> None:
                await asyncio.get_running_loop().create_future()

            with monkeypatch.context() as patch:
                patch.setattr(world.runtime, "durable", never)
                client.peer.send(client.ccr(INITIAL, 0, TO, service(100, requested(seconds(300)))))
                while not world.front._tasks:  # noqa: ASYNC110 - it has come, by the agent's own count
                    await asyncio.sleep(0)
                (task,) = world.front._tasks
                while world.left() == 10 * S:  # noqa: ASYNC110 - its charge is on its way to the disk
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait((task,))
            later = client.ccr(EVENT, 0, session="s;2", context="unknown@test.invalid")
            answer = await client.ask(later)
            assert answer.hop_by_hop == Message.decode(later).hop_by_hop, "nothing was sent before it"

    run(test())


def test_what_was_not_kept_on_disk_is_done_when_it_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with served(section(processor("*none"))) as world:
            client = await world.client()

            async def fails() -> None:
                raise JournalError("the disk is full")

            with monkeypatch.context() as patch:
                patch.setattr(world.runtime, "durable", fails)
                answer = await client.ask(wish(client, end_to_end=5))
                assert (code_of(answer), answer.is_error) == (3004, True)
            assert code_of(await client.ask(wish(client, end_to_end=5, flags=AGAIN))) == 2001

    run(test())


def test_a_repeat_gets_the_proxy_info_of_its_own_path() -> None:
    def proxied(state: bytes) -> bytes:
        return group(
            avps.PROXY_INFO, [encode_utf8(avps.PROXY_HOST, "dra"), encode_octets(avps.PROXY_STATE, state)]
        )

    async def test() -> None:
        async with served(section(INIT)) as world:
            client = await world.client()
            for state in (b"one", b"two"):
                sent = client.ccr(INITIAL, 0, requested(seconds(300)), proxied(state), end_to_end=9)
                answer = await client.ask(sent)
                (info,) = answer.all(avps.PROXY_INFO)
                assert state in answer.frame[info[2] : info[3]]
            assert len(world.sessions) == 1

    run(test())


def test_an_end_that_is_told_again_is_not_charged_again() -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            await call(client)
            for number in (1, 2):
                ends = service(100, used(seconds(30)))
                assert code_of(await client.ask(client.ccr(TERMINATION, number, TO, ends))) == 2001
            assert world.left() == 10 * S - 30 * PAID

    run(test())
