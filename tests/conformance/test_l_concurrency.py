"""L. Concurrency and money: cases 163 to 169, the long ones in small form."""

import asyncio
import random
import tempfile
from pathlib import Path

import pytest

from ocs.charging.acts import TopUp
from ocs.charging.events import Unit
from ocs.config.settings import ChargingSettings
from ocs.diameter import avps
from tests.conformance.client import CLIENT, INITIAL, TERMINATION, UPDATE, VOICE, Client, ccr, cer, imsi
from tests.conformance.process import spawn
from tests.conformance.test_f_sessions import called
from tests.conformance.world import ALICE, EUR, MB, RULES, World, served
from tests.support.gy import requested, seconds, service, total, used

ASKING = service(10, requested(total(MB)))
BOB = imsi("001010000000002")


@pytest.mark.parametrize("durable", [False, True])
def test_163_fifty_at_once_with_credit_for_ten_reserve_no_more_than_there_is(durable: bool) -> None:
    @served(durable=durable)
    async def check(world: World) -> None:
        await world.add("bob", 10 * EUR, imsi="001010000000002")
        clients = [await world.open(f"pgw{number}.example.net") for number in range(5)]
        requests = [
            [
                ccr(ASKING, session=f"{client.host};{number}", host=client.host, who=BOB)
                for number in range(10)
            ]
            for client in clients
        ]
        for client, batch in zip(clients, requests, strict=True):
            client.send(*batch)
        answers = [
            answer
            for client, batch in zip(clients, requests, strict=True)
            for answer in await client.answers(*batch)
        ]
        said = [answer.said for answer in answers]
        assert said.count("2001 10=1000000") == 10
        assert said.count("4012 10=4012") == 40
        assert await world.money("default:bob") == (10 * EUR, 10 * EUR)
        assert await world.service.verify("default:bob") == []

    check()


@served(durable=True)
async def test_164_data_voice_and_a_top_up_at_once_add_up(world: World) -> None:
    world.clock.set_wall(1_780_315_200 * EUR)  # noon: the cheap price of a call
    pgw, scscf = await world.open(), await world.open("scscf.example.net")
    await pgw.initial(ASKING)
    await scscf.initial(service(None, requested(seconds(60))), session="v;1", context=VOICE, who=called())
    data = ccr(service(10, used(total(700_000))), kind=TERMINATION, number=1)
    call = ccr(
        service(None, used(seconds(42))),
        kind=TERMINATION, number=1, session="v;1", host=scscf.host, context=VOICE,
    )  # fmt: skip
    pgw.send(data)
    scscf.send(call)
    topping = asyncio.create_task(world.top_up(5 * EUR))
    assert (await pgw.answer(data)).code == (await scscf.answer(call)).code == 2001
    await topping
    posted, reserved = await world.money()
    assert (posted, reserved) == (100 * EUR - 700 * MB + 5 * EUR - 420 * MB, 0)
    assert await world.service.verify(ALICE) == []


@pytest.mark.parametrize("seed", range(3))
@served()
async def test_165_random_requests_agree_with_a_simple_model(world: World, seed: int) -> None:
    """1,500 requests; the long run is in tests/simulation. The model knows one price and plain integers."""
    chance, client = random.Random(seed), await world.open()
    spent, sessions = 0, dict[str, tuple[int, set[int]]]()
    for step in range(500):
        session = f"s;{chance.randrange(8)}"
        number, numbers = sessions.get(session, (0, set[int]()))
        units = chance.randrange(2_000)
        if session not in sessions:
            assert (await client.initial(service(10, requested(total(1_000))), session=session)).code == 2001
            sessions[session] = (1, set())
        elif chance.random() < 0.2 and numbers:
            await client.update(
                chance.choice(sorted(numbers)), service(10, used(total(units))), session=session
            )
        elif chance.random() < 0.8:
            report = service(10, requested(total(chance.randrange(1, 5_000))), used(total(units)))
            assert (await client.update(number, report, session=session)).code == 2001
            spent += units * 1_000
            sessions[session] = (number + 1, numbers | {number})
        else:
            assert (
                await client.terminate(number, service(10, used(total(units))), session=session)
            ).code == 2001
            spent += units * 1_000
            sessions[session] = (number + 1, numbers)
            del sessions[session]
            client.host = CLIENT
            world.clock.pass_s(1)
            await _forget(world, client, session, step)
        assert (await world.spent())[0] == spent
    assert await world.service.verify(ALICE) == []


async def _forget(world: World, client: Client, session: str, step: int) -> None:
    """A client never uses a Session-Id again: begin the next life of this one with another number."""
    answer = await client.credit(INITIAL, 1_000 + step, service(10), session=session)
    assert answer.code == 2001
    assert (await client.terminate(2_000 + step, session=session)).code == 2001


def test_166_what_was_answered_before_a_kill_is_charged_exactly_once() -> None:
    """Four kills; the long run is in tests/longrun. Every report is one octet; unanswered ones are repeated."""

    async def test() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path, chance = Path(folder) / "ocs.db", random.Random(3)
            answered, number = 0, 0
            pending: list[int] = []
            for life in range(5):
                process, address = await spawn(path, Path(folder) / "log")
                try:
                    client = await Client.connect(address)
                    assert (await client.ask(cer())).code == 2001
                    if not life:
                        assert (await client.initial(service(10))).code == 2001
                    for again in pending:
                        assert (
                            await client.update(again, service(10, used(total(1))), flags=0xD0)
                        ).code == 2001
                        answered += 1
                    pending = []
                    for _ in range(chance.randrange(20, 60)):
                        number += 1
                        assert (await client.update(number, service(10, used(total(1))))).code == 2001
                        answered += 1
                    pending = list(range(number + 1, number + 30))
                    number += len(pending)
                    client.send(
                        *[ccr(service(10, used(total(1))), kind=UPDATE, number=each) for each in pending]
                    )
                    await client.writer.drain()
                    if life == 4:
                        for _ in pending:
                            await client.raw()
                        answered += len(pending)
                        end = await client.terminate(number + 1)
                        assert end.money(avps.COST_INFORMATION) == (answered * 1_000, -9)
                    client.abort()
                finally:
                    process.kill()
                    await process.wait()

    asyncio.run(test())


@served()
async def test_167_a_balance_that_expires_under_a_session_pays_what_was_reserved(world: World) -> None:
    soon_ns = world.clock.wall_ns() + 60 * EUR
    await world.add(
        "bob", 0, imsi="001010000000002", topups=[TopUp(3 * EUR, Unit.MONEY, "promo", 5, soon_ns)]
    )
    client = await world.open()
    assert (await client.initial(ASKING, who=BOB)).said == "2001 10=1000000"
    world.clock.pass_s(120)
    answer = await client.update(1, service(10, used(total(600_000)), requested(total(MB))))
    assert answer.said == "2001 10=4012", "expired credit is not granted again"
    (promo,) = [each for each in (await world.account("default:bob")).balances if each.id == "promo"]
    assert (promo.posted, promo.reserved) == (2_400 * MB, 0)


@served()
async def test_168_a_balance_below_zero_gets_4012(world: World) -> None:
    await world.add("bob", EUR, imsi="001010000000002")
    client = await world.open()
    await client.initial(ASKING, who=BOB)
    answer = await client.update(1, service(10, used(total(3 * MB)), requested(total(MB))))
    assert answer.said == "2001 10=4012"
    assert await world.money("default:bob") == (-2 * EUR, 0)
    assert (await client.initial(ASKING, who=BOB, session="s;2")).said == "4012 10=4012"


@served()
async def test_168_who_owes_is_not_given_the_rest_of_an_increment(world: World) -> None:
    await world.add("bob", EUR, imsi="001010000000002")
    client = await world.open()
    await client.initial(service(70, requested(total(MB))), who=BOB)
    report = service(70, used(total(3_000_123)), requested(total(MB)))
    assert (await client.update(1, report)).said == "2001 70=4012"


@served(charging=ChargingSettings(quotas=RULES, overdraft_floor_nanos=-EUR))
async def test_168_a_floor_is_respected(world: World) -> None:
    await world.add("bob", EUR, imsi="001010000000002")
    client = await world.open()
    await client.initial(ASKING, who=BOB)
    await client.update(1, service(10, used(total(5 * MB))))
    assert await world.money("default:bob") == (-EUR, 0)


@pytest.mark.parametrize("hours", [1, -1, 24 * 365])
@served()
async def test_169_setting_the_clock_ends_no_session(world: World, hours: int) -> None:
    client = await world.open()
    await client.initial(ASKING)
    world.clock.wall_offset_ns += hours * 3_600 * EUR
    assert world.service.supervision.due(world.clock.monotonic_ns() + 60 * EUR, 10) == []
    assert (await client.update(1, service(10, used(total(400_000)), requested(total(MB))))).code == 2001
    assert await world.spent() == (400 * MB, EUR)
