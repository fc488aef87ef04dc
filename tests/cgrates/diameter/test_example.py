"""The example of docs/cgrates.md: calls, data of two rating groups in one answer, messages."""

import json
from pathlib import Path

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import encode_utf8, group
from tests.cgrates.diameter.world import (
    DATA,
    EVENT,
    INITIAL,
    MMS,
    SMS,
    TERMINATION,
    TO,
    UPDATE,
    S,
    example,
    groups,
    run,
    served,
    shown,
)
from tests.support.diameter_peer import code_of
from tests.support.gy import requested, seconds, service, split, total, used

CENT = 10_000_000
KIB = 100_000  # what 1024 octets cost


def to_number(information: int, number: str) -> bytes:
    """Who a message goes to."""
    address = group(avps.RECIPIENT_ADDRESS, [encode_utf8(avps.ADDRESS_DATA, number)])
    inner = group(avps.RECIPIENT_INFO, [address]) if information == avps.SMS_INFORMATION else address
    return group(avps.SERVICE_INFORMATION, [group(information, [inner])])


def test_the_small_configuration_of_the_page_does_what_the_page_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cgrates.md").read_text()
    settings = json.loads(page.split("## Diameter")[1].split("```json")[1].split("```")[0])
    settings["diameter_agent"]["listen"] = "127.0.0.1:0"
    called = encode_utf8(2011 << 32 | 20327, "2001")
    to = group(avps.SERVICE_INFORMATION, [group(2011 << 32 | 20300, [called])])

    async def test() -> None:
        async with served(settings) as world:
            world.open_account("15550100001", 200 * CENT // 10)
            client = await world.client()

            async def ask(session: str, who: str = "15550100001") -> tuple[int, bool]:
                wish = client.ccr(INITIAL, 0, to, requested(seconds(300)), session=session, who=who)
                answer = await client.ask(wish)
                return code_of(answer), "CC-Time (420) M 200" in shown(answer)

            assert await ask("s;1") == (2001, True)
            assert world.left("15550100001") == 0
            assert await ask("s;2") == (4012, False)
            assert await ask("s;3", who="15550199999") == (5030, False)

    run(test())


def test_a_call_is_granted_charged_and_recorded() -> None:  # 92
    """The published result: CCR-I/U/T 300/300/250 are answered 2001 with 300 and 300, and recorded as 550 s."""

    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            first = await client.ask(client.ccr(INITIAL, 0, TO, service(100, requested(seconds(300)))))
            assert (code_of(first), groups(first)) == (2001, [(100, 2001, 300)]), shown(first)
            more = service(100, requested(seconds(300)), used(seconds(300)))
            second = await client.ask(client.ccr(UPDATE, 1, TO, more))
            assert (code_of(second), groups(second)) == (2001, [(100, 2001, 300)]), shown(second)
            assert world.left() == 10 * S - 600 * CENT // 10
            last = await client.ask(client.ccr(TERMINATION, 2, TO, service(100, used(seconds(250)))))
            assert code_of(last) == 2001
            (record,) = world.records()
            assert (record.usage, record.cost_nanos) == (550 * S, 550 * CENT // 10)
            assert world.left() == 10 * S - 550 * CENT // 10
            assert world.sessions == []

    run(test())


def test_a_call_gets_what_is_left_and_then_nothing() -> None:
    async def test() -> None:
        async with served(example(), nanos=200 * CENT // 10) as world:
            client = await world.client()
            wish = service(100, requested(seconds(300)))
            first = await client.ask(client.ccr(INITIAL, 0, TO, wish))
            assert groups(first) == [(100, 2001, 200)]
            assert "Final-Unit-Action (449) M 0 TERMINATE" in shown(first)
            more = service(100, requested(seconds(300)), used(seconds(200)))
            assert code_of(await client.ask(client.ccr(UPDATE, 1, TO, more))) == 4012
            assert code_of(await client.ask(client.ccr(TERMINATION, 2, TO, service(100)))) == 2001
            assert (world.left(), world.sessions) == (0, [])

    run(test())


def test_whom_nobody_knows_is_refused() -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            wish = client.ccr(INITIAL, 0, TO, service(100, requested(seconds(300))), who="1999")
            assert code_of(await client.ask(wish)) == 5030
            assert world.sessions == []

    run(test())


def test_two_rating_groups_are_charged_as_sessions_of_their_own() -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            wishes = service(10, requested()), service(20, requested())
            first = await client.ask(client.ccr(INITIAL, 0, *wishes, context=DATA))
            assert code_of(first) == 2001
            assert groups(first) == [(10, 2001, 1_048_576), (20, 2001, 2_097_152)], shown(first)
            assert world.sessions == ["s;1_10", "s;1_20"]
            assert world.left() == 10 * S - 3 * 1024 * KIB
            reports = (
                service(10, requested(), used(split(300_000, 224_288))),  # half of it, in two directions
                service(20, requested(), used(total(1_048_576))),
            )
            second = await client.ask(client.ccr(UPDATE, 1, *reports, context=DATA))
            assert groups(second) == [(10, 2001, 1_048_576), (20, 2001, 2_097_152)]
            ends = service(10, used(split(0, 0))), service(20, used(total(1_048_576)))
            last = await client.ask(client.ccr(TERMINATION, 2, *ends, context=DATA))
            assert code_of(last) == 2001
            assert sorted((each.origin_id, each.usage) for each in world.records()) == [
                ("s;1_10", 524_288),
                ("s;1_20", 2_097_152),
            ]
            assert world.left() == 10 * S - 2_560 * KIB
            assert world.sessions == []

    run(test())


def test_one_rating_group_without_credit_leaves_the_other_its_grant() -> None:
    async def test() -> None:
        async with served(example(), nanos=1_024 * KIB) as world:
            client = await world.client()
            wishes = service(10, requested()), service(20, requested())
            first = await client.ask(client.ccr(INITIAL, 0, *wishes, context=DATA))
            assert groups(first) == [(10, 2001, 1_048_576), (20, 4012, None)], shown(first)

    run(test())


def test_data_of_no_known_rating_group_is_answered_without_a_grant() -> None:
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            first = await client.ask(client.ccr(INITIAL, 0, service(77, requested()), context=DATA))
            assert (code_of(first), groups(first)) == (2001, [])

    run(test())


@pytest.mark.parametrize(
    ("context", "information", "kind"),
    [(SMS, avps.SMS_INFORMATION, "*sms"), (MMS, avps.MMS_INFORMATION, "*mms")],
)
def test_a_message_is_recorded_as_one(context: str, information: int, kind: str) -> None:  # 95
    async def test() -> None:
        async with served(example()) as world:
            client = await world.client()
            sent = client.ccr(EVENT, 0, to_number(information, "2001"), context=context)
            assert code_of(await client.ask(sent)) == 2001
            (record,) = world.records()
            assert (record.usage, record.tor, record.cost_nanos) == (1, kind, 5 * CENT)
            assert world.left() == 10 * S - 5 * CENT

    run(test())


def test_a_message_without_credit_costs_nothing() -> None:
    async def test() -> None:
        async with served(example(), nanos=CENT) as world:
            client = await world.client()
            sent = client.ccr(EVENT, 0, to_number(avps.SMS_INFORMATION, "2001"), context=SMS)
            assert code_of(await client.ask(sent)) in (4012, 5030)
            assert world.left() == CENT

    run(test())
