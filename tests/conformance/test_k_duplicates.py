"""K. Duplicates and failover: cases 155 to 162."""

import pytest

from ocs.charging.service import Limits
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32
from tests.conformance.client import EVENT, INITIAL, SMS, TERMINATION, UPDATE, ccr
from tests.conformance.test_j_events import DEBIT, ONE, to
from tests.conformance.world import ALICE, EUR, MB, World, served
from tests.support.gy import requested, service, total, used

ASKING = service(10, requested(total(MB)))
REPORT = service(10, requested(total(2 * MB)), used(total(300_000)))
RELAY = (0xFFFF_FFFF,)


@pytest.mark.parametrize("kind", [INITIAL, UPDATE, TERMINATION])
@pytest.mark.parametrize("flags", [0xC0, 0xD0])
@served()
async def test_155_a_copy_gets_the_equal_answer_and_is_debited_once(
    world: World, kind: int, flags: int
) -> None:
    client = await world.open()
    if kind != INITIAL:
        await client.initial(ASKING)
    first = await client.credit(kind, 3, REPORT, end_to_end=5)
    books = await world.spent()
    again = await client.credit(kind, 3, REPORT, end_to_end=5, flags=flags)
    assert again.frame[20:] == first.frame[20:]
    assert await world.spent() == books
    assert books[0] == 300 * MB
    assert world.counter("ocs_duplicates_total") == 1


@served(durable=True)
async def test_155_156_copies_in_one_write_are_debited_once_and_all_answered(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    copies = [
        ccr(REPORT, kind=UPDATE, number=1, end_to_end=5, hop_by_hop=number) for number in range(100, 110)
    ]
    answers = await client.ask_all(*copies)
    assert len({answer.frame[20:] for answer in answers}) == 1
    assert await world.debits() == [300 * MB]
    assert await world.spent() == (300 * MB, 2 * EUR)


@served(durable=True)
async def test_156_a_copy_on_another_connection_while_the_first_is_under_way(world: World) -> None:
    one = await world.open("dra1.example.net", applications=RELAY)
    two = await world.open("dra2.example.net", applications=RELAY)
    await one.initial(ASKING, host="pgw.behind")
    requests = [
        ccr(REPORT, kind=UPDATE, number=1, host="pgw.behind", end_to_end=5, flags=flags)
        for flags in (0xC0, 0xD0)
    ]
    one.send(requests[0])
    two.send(requests[1])
    first, second = await one.answer(requests[0]), await two.answer(requests[1])
    assert first.frame[20:] == second.frame[20:]
    assert await world.debits() == [300 * MB]


@served()
async def test_157_the_same_number_with_other_usage_gets_the_first_result(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    first = await client.update(1, REPORT)
    other = await client.update(1, service(10, requested(total(MB)), used(total(900_000))))
    assert other.frame[20:] == first.frame[20:]
    assert await world.spent() == (300 * MB, 2 * EUR)


@served()
async def test_157_the_contradiction_is_logged_and_a_plain_copy_is_not(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, REPORT)
    await client.update(1, REPORT)
    assert "duplicate_contradicted" not in capsys.readouterr().out
    await client.update(1, service(10, requested(total(MB)), used(total(900_000))))
    assert "duplicate_contradicted" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [INITIAL, UPDATE, TERMINATION, EVENT])
@served(durable=True)
async def test_158_a_copy_after_a_crash_gets_the_stored_answer(world: World, kind: int) -> None:
    client = await world.open()
    if kind in (UPDATE, TERMINATION):
        await client.initial(ASKING)
    body = (DEBIT, ONE, to("15550100002")) if kind == EVENT else (REPORT,)
    more: dict[str, object] = {"context": SMS} if kind == EVENT else {}
    first = await client.credit(kind, 1, *body, end_to_end=5, **more)
    books = await world.spent()
    await world.crash()
    await world.start()
    other = await world.open("dra.example.net", applications=RELAY)
    other.host = client.host
    again = await other.credit(kind, 1, *body, end_to_end=5, flags=0xD0, **more)
    assert again.frame[20:] == first.frame[20:]
    assert await world.spent() == books


@served()
async def test_159_a_copy_to_another_node_gets_the_stored_answer(world: World) -> None:
    """Two nodes on one store, neither of which sees what the other has in memory."""
    client = await world.open()
    await client.initial(ASKING)
    first = await client.update(1, REPORT, end_to_end=5)
    standby = World(world.settings)
    standby.memory = world.memory
    await standby.start()
    try:
        other = await standby.open()
        again = await other.update(1, REPORT, end_to_end=5, flags=0xD0)
        assert again.frame[20:] == first.frame[20:]
        assert (await other.update(2, REPORT)).said == "2001 10=2000000"
        assert (await client.update(2, REPORT, flags=0xD0)).said == "2001 10=2000000"
        assert (await client.update(3, REPORT)).said == "2001 10=2000000"
        assert (await other.terminate(4)).code == 2001
        assert (await client.terminate(4, flags=0xD0)).code == 2001
        other.abort()
    finally:
        await standby.stop()
    assert sum(await world.debits()) == 3 * 300 * MB
    stored = await world.store.load(ALICE)
    assert stored is not None
    assert (stored.balances[0].posted, stored.balances[0].reserved) == (100 * EUR - 900 * MB, 0)


@served()
async def test_160_a_late_report_is_debited_once_and_the_session_stays_closed(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    assert (await client.terminate(2, service(10, used(total(100_000))))).said == "2001 10=ok"
    assert (await client.update(1, service(10, used(total(200_000))))).said == "2001 10=ok"
    assert (await client.update(1, service(10, used(total(200_000))))).said == "2001 10=ok"
    assert await world.spent() == (300 * MB, 0)
    asking = await client.update(3, service(10, used(total(50_000)), requested(total(MB))))
    assert asking.said == "5002", "success without units would be free service to some clients"
    assert await world.spent() == (350 * MB, 0)
    assert (await world.account()).sessions == ()
    world.clock.pass_s(61)
    assert (await client.update(4, service(10, used(total(100_000))))).said == "5002"
    assert await world.spent() == (350 * MB, 0)


@served()
async def test_161_a_full_table_of_answers_lets_the_oldest_go(world: World) -> None:
    world.service.limits = Limits(answers=10)
    client = await world.open()
    for number in range(30):
        body = DEBIT, ONE, to("15550100002")
        assert (await client.credit(EVENT, 0, *body, context=SMS, session=f"e;{number}")).code == 2001
    assert len(world.service._answers) <= 10
    assert world.counter("ocs_forgotten_answers_total") == 20
    again = await client.credit(EVENT, 0, DEBIT, ONE, to("15550100002"), context=SMS, session="e;0")
    assert again.code == 2001
    assert await world.spent() == (30 * EUR // 20, 0), "what memory let go the store still has"


@served()
async def test_161_a_session_remembers_every_number_though_not_every_answer(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    for number in range(1, 41):
        await client.update(number, service(10, requested(total(MB)), used(total(1_000))))
    (session,) = (await world.account()).sessions
    assert len(session.answers) <= 4
    assert len(session.seen) == 1
    repeated = await client.update(3, service(10, requested(total(MB)), used(total(1_000))))
    assert repeated.code == 2001
    assert await world.spent() == (40 * MB, EUR)


@served()
async def test_162_one_end_to_end_of_two_hosts_is_two_requests(world: World) -> None:
    relay = await world.open("dra.example.net", applications=RELAY)
    for host in ("one.example", "two.example"):
        assert (await relay.initial(ASKING, host=host, end_to_end=5, hop_by_hop=7)).said == "2001 10=1000000"
    assert await world.spent() == (0, 2 * EUR)


@served()
async def test_162_one_end_to_end_of_one_host_for_two_numbers_is_two_requests(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING, end_to_end=5)
    for number in (1, 2):
        report = service(10, requested(total(MB)), used(total(100_000)), encode_i32(avps.REPORTING_REASON, 0))
        await client.update(number, report, end_to_end=5)
    assert await world.spent() == (200 * MB, EUR)
