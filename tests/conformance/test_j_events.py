"""J. One-time events: cases 145 to 154."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_utf8, group
from tests.conformance.client import EVENT, SMS, Client, ccr, imsi
from tests.conformance.decoded import Decoded
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import events, money, requested, service, total, used

DEBIT, REFUND, CHECK, PRICE = (encode_i32(avps.REQUESTED_ACTION, number) for number in range(4))
ONE = service(None, requested(events(1)))
CENT = EUR // 100


def to(*numbers: str) -> bytes:
    """SMS-Information with a Recipient-Info for each."""
    infos = [
        group(avps.RECIPIENT_INFO, [group(avps.RECIPIENT_ADDRESS, [encode_utf8(avps.ADDRESS_DATA, number)])])
        for number in numbers
    ]
    return group(avps.SERVICE_INFORMATION, [group(avps.SMS_INFORMATION, infos)])


async def send(client: Client, action: bytes, *body: bytes, session: str = "e;1", **more: object) -> Decoded:
    """An event of a message."""
    return await client.credit(EVENT, 0, action, *body, context=SMS, session=session, **more)


@served()
async def test_145_a_message_costs_its_price(world: World) -> None:
    client = await world.open()
    answer = await send(client, DEBIT, ONE, to("15550100002"))
    assert answer.said == "2001 -=1"
    assert answer.services[0].group(avps.GRANTED_SERVICE_UNIT).keys == [avps.CC_SERVICE_SPECIFIC_UNITS]
    assert answer.money(avps.COST_INFORMATION) == (5, -2)
    assert await world.spent() == (5 * CENT, 0)


@served()
async def test_145_short_credit_is_4012_and_nothing_is_taken(world: World) -> None:
    await world.add("poor", 4 * CENT, imsi="001010000000002")
    client = await world.open()
    answer = await send(client, DEBIT, ONE, to("15550100002"), who=imsi("001010000000002"))
    assert answer.said == "4012 -=4012"
    assert await world.money("default:poor") == (4 * CENT, 0)


@served()
async def test_145_units_at_command_level_are_answered_there(world: World) -> None:
    client = await world.open()
    answer = await send(client, DEBIT, requested(events(2)), to("15550100002"))
    assert (answer.code, answer.services) == (2001, [])
    assert answer.group(avps.GRANTED_SERVICE_UNIT).number(avps.CC_SERVICE_SPECIFIC_UNITS) == 2
    assert await world.spent() == (10 * CENT, 0)


@served()
async def test_146_three_recipients_are_three_prices(world: World) -> None:
    client = await world.open()
    answer = await send(client, DEBIT, ONE, to("15550100002", "4915100001", "15550100003"))
    assert answer.code == 2001
    assert await world.spent() == ((5 + 9 + 5) * CENT, 0)


@pytest.mark.parametrize("last", ["19005550001", "3315550001"])
@served()
async def test_146_one_recipient_that_cannot_be_served_stops_all(world: World, last: str) -> None:
    client = await world.open()
    assert (await send(client, DEBIT, ONE, to("15550100002", "4915100001", last))).code in (4010, 5031)
    assert await world.spent() == (0, 0)


@served()
async def test_146_credit_for_two_of_three_takes_nothing(world: World) -> None:
    await world.add("poor", 14 * CENT, imsi="001010000000002")
    client = await world.open()
    body = ONE, to("15550100002", "4915100001", "15550100003")
    assert (await send(client, DEBIT, *body, who=imsi("001010000000002"))).code == 4012
    assert await world.money("default:poor") == (14 * CENT, 0)


@pytest.mark.parametrize("durable", [False, True])
def test_147_an_event_sent_again_much_later_is_charged_once(durable: bool) -> None:
    @served(durable=durable)
    async def check(world: World) -> None:
        client = await world.open()
        body = DEBIT, ONE, to("15550100002")
        first = await client.ask(ccr(*body, kind=EVENT, context=SMS, session="e;1", end_to_end=9))
        if durable:
            await world.restart()
        world.clock.pass_s(600)
        other = await world.open("dra.example.net", applications=(0xFFFF_FFFF,))
        again = await other.ask(ccr(*body, kind=EVENT, context=SMS, session="e;1", end_to_end=9, flags=0xD0))
        assert again.frame[20:] == first.frame[20:]
        assert await world.spent() == (5 * CENT, 0)

    check()


@served()
async def test_148_a_refund_takes_back_exactly_that_debit_once(world: World) -> None:
    client = await world.open()
    debited = await send(client, DEBIT, ONE, to("15550100002", "4915100001"))
    assert await world.spent() == (14 * CENT, 0)
    token = debited.services[0].one(avps.REFUND_INFORMATION)
    refund = service(None, encode_octets(avps.REFUND_INFORMATION, token))
    assert (await send(client, REFUND, refund, session="r;1")).code == 2001
    assert await world.spent() == (0, 0)
    assert (await send(client, REFUND, refund, session="r;1")).code == 2001  # the same one once more
    assert (await send(client, REFUND, refund, session="r;2")).code == 5004
    assert await world.spent() == (0, 0)


@served()
async def test_148_the_token_of_somebody_else_is_refused(world: World) -> None:
    await world.add("bob", 100 * EUR, imsi="001010000000002")
    client = await world.open()
    debited = await send(client, DEBIT, ONE, to("15550100002"))
    refund = service(
        None, encode_octets(avps.REFUND_INFORMATION, debited.services[0].one(avps.REFUND_INFORMATION))
    )
    answer = await send(client, REFUND, refund, session="r;1", who=imsi("001010000000002"))
    assert answer.code == 5004
    assert await world.money("default:bob") == (100 * EUR, 0)
    assert await world.spent() == (5 * CENT, 0)


@pytest.mark.parametrize("token", [b"", b"made up", b"\xff\xfe\0", b"pgw.example.net|e;1|0" * 400])
@served()
async def test_148_a_token_that_was_never_given_out_is_refused(world: World, token: bytes) -> None:
    client = await world.open()
    refund = service(None, encode_octets(avps.REFUND_INFORMATION, token))
    assert (await send(client, REFUND, refund)).code == 5004
    assert await world.spent() == (0, 0)


@served(durable=True)
async def test_148_a_token_that_is_no_text_is_refused_by_every_store(world: World) -> None:
    client = await world.open()
    refund = service(None, encode_octets(avps.REFUND_INFORMATION, b"\0\xff\xed\xa0\x80"))
    assert (await send(client, REFUND, refund)).code == 5004
    assert await world.spent() == (0, 0)


@pytest.mark.parametrize("services", [(), (service(None),), (service(None, used(events(1))),)])
@served()
async def test_148_a_refund_of_nothing_named_is_5005(world: World, services: tuple[bytes, ...]) -> None:
    client = await world.open()
    answer = await send(client, REFUND, *services)
    assert (answer.code, answer.failed.keys) == (5005, [avps.REQUESTED_SERVICE_UNIT])
    assert await world.spent() == (0, 0), "nobody is given anything"


@pytest.mark.parametrize(("wanted", "result"), [(1, 0), (2_001, 1)])
@served()
async def test_149_a_balance_check_changes_nothing(world: World, wanted: int, result: int) -> None:
    client = await world.open()
    before = (await world.account()).version
    answer = await send(client, CHECK, service(None, requested(events(wanted))), to("15550100002"))
    assert (answer.code, answer.number(avps.CHECK_BALANCE_RESULT)) == (2001, result)
    assert (await world.account()).version == before


@served()
async def test_150_a_price_enquiry_says_the_price_and_changes_nothing(world: World) -> None:
    client = await world.open()
    before = (await world.account()).version
    answer = await send(client, PRICE, service(None, requested(events(3))), to("4915100001"))
    assert (answer.code, answer.money(avps.COST_INFORMATION)) == (2001, (27, -2))
    cost = answer.group(avps.COST_INFORMATION)
    assert cost.number(avps.CURRENCY_CODE) == 978
    assert (await world.account()).version == before


@pytest.mark.parametrize(("action", "code"), [(b"", 5005), (encode_i32(avps.REQUESTED_ACTION, 4), 5004)])
@served()
async def test_151_an_event_without_a_known_action_is_refused(world: World, action: bytes, code: int) -> None:
    client = await world.open()
    answer = await send(client, action, ONE, to("15550100002"))
    assert answer.code == code
    assert answer.failed.keys == [avps.REQUESTED_ACTION]
    assert await world.spent() == (0, 0)


@served()
async def test_152_an_event_leaves_no_session(world: World) -> None:
    client = await world.open()
    await send(client, DEBIT, ONE, to("15550100002"))
    assert (await world.account()).sessions == ()
    assert len(world.service.supervision) == 0
    assert (await client.update(1, ONE, session="e;1", context=SMS)).code == 5002


@served()
async def test_153_a_reserved_event_that_is_cancelled_costs_nothing(world: World) -> None:
    client = await world.open()
    more = {"context": SMS, "session": "e;2"}
    assert (await client.initial(ONE, to("15550100002"), **more)).said == "2001 -=1"
    assert await world.spent() == (0, 5 * CENT)
    assert (await client.terminate(1, **more)).said == "2001"
    assert await world.spent() == (0, 0)


@served()
async def test_153_a_reserved_event_that_happened_costs_its_price(world: World) -> None:
    client = await world.open()
    more = {"context": SMS, "session": "e;2"}
    await client.initial(ONE, to("15550100002"), **more)
    assert (await client.terminate(1, service(None, used(events(1))), **more)).code == 2001
    assert await world.spent() == (5 * CENT, 0)


@pytest.mark.parametrize(
    ("amount", "code", "nanos"),
    [
        pytest.param(money(1_250, -2, 978), 2001, 12_500 * MB, id="minor-units"),
        pytest.param(money(12, None, 978), 2001, 12 * EUR, id="without-exponent"),
        pytest.param(money(1, 1, 978), 2001, 10 * EUR, id="tens"),
        pytest.param(money(1, -12, 978), 2001, 1, id="less-than-a-nano"),
        pytest.param(money(1_250, -2), 2001, 12_500 * MB, id="without-currency"),
        pytest.param(money(1_250, -2, 840), 5031, 0, id="another-currency"),
        pytest.param(money((1 << 63) - 1, 18, 978), 5004, 0, id="more-than-there-is"),
        pytest.param(money(0, 0, 978), 2001, 0, id="nothing"),
    ],
)
@served()
async def test_154_money_is_exact(world: World, amount: bytes, code: int, nanos: int) -> None:
    client = await world.open()
    assert (await send(client, DEBIT, service(None, requested(amount)))).code == code
    assert await world.spent() == (nanos, 0)


@served()
async def test_154_money_may_be_reserved_without_any_rating(world: World) -> None:
    client = await world.open()
    answer = await client.initial(service(5_555, requested(money(150, -2, 978))))
    granted = answer.services[0].group(avps.GRANTED_SERVICE_UNIT)
    assert granted.money(avps.CC_MONEY) == (150, -2)
    assert await world.spent() == (0, 1_500 * MB)
    await client.terminate(1, service(5_555, used(money(120, -2, 978))))
    assert await world.spent() == (1_200 * MB, 0)


@pytest.mark.parametrize("kind", [1, 2, 3])
@served()
async def test_151_the_action_means_nothing_in_a_session(world: World, kind: int) -> None:
    client = await world.open()
    octets = service(10, requested(total(MB)))
    if kind > 1:
        await client.initial(octets)
    assert (await client.credit(kind, kind - 1, octets, encode_i32(avps.REQUESTED_ACTION, 1))).code == 2001
    assert (await world.spent())[0] == 0
