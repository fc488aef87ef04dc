"""Gy on `ocs serve` with `rounding: cgrates`, from outside: dialogues, balances, records."""

import asyncio
from pathlib import Path
from typing import Any

from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_time
from tests.cgrates.charging.world import ALICE, TARIFF, Served, serving, to
from tests.conformance.client import EVENT, SMS, VOICE, Client, imsi, reply, subscription
from tests.conformance.decoded import Decoded
from tests.support.gy import events, money, requested, seconds, service, total, used

DEBIT, REFUND, CHECK, PRICE = (encode_i32(avps.REQUESTED_ACTION, number) for number in range(4))
FINAL = encode_i32(avps.REPORTING_REASON, 2)
KIB, MIB = 1 << 10, 1 << 20
A_MIB = 1.00352  # 1024 steps of 0.00098, for 1/1024 has five decimals; at the end it is rounded up to four
BOB = "49301002"
AT_NS = 1_797_000_000 * 10**9  # a moment of 2026
QUOTAS = "  quotas: [{volume: 10MiB, time: 5m, validity: 10m, volume_threshold: 1MiB}]\n"
UNITS = "GIVE,*topup,,,bundle,*data,,*any,,,*unlimited,,2500000,20,false,false,10\n"


def left(spent: float) -> float:
    """What is left of the money of a new account."""
    return round(2000 - spent, 6)


def call_time(answer: Decoded) -> int:
    """The seconds that an answer grants at command level."""
    return answer.group(avps.GRANTED_SERVICE_UNIT).number(avps.CC_TIME)


async def test_voice_300_300_250_costs_what_the_incumbent_says_and_is_a_record_of_550_s(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        client = await served.client()
        first = await client.initial(requested(seconds(300)), to("4930123"), context=VOICE)
        assert (first.code, call_time(first), await served.money()) == (2001, 300, 1996.95)
        second = await client.update(1, requested(seconds(300)), used(seconds(300)), context=VOICE)
        assert (call_time(second), await served.money()) == (300, 1993.95)
        (active,) = await served.call("SessionSv1.GetActiveSessions", {})
        assert (active["Account"], active["Destination"], active["ToR"]) == (ALICE, "4930123", "*voice")
        last = await client.terminate(2, used(seconds(250)), context=VOICE)
        assert (last.code, last.money(avps.COST_INFORMATION)) == (2001, (555, -2))
        assert await served.money() == 1994.45
        (record,) = await served.records()
        assert (record["Usage"], record["Cost"], record["ToR"]) == (550 * 10**9, 5.55, "*voice")
        assert record["OriginID"] == "pgw.example.net;1;1"


async def test_every_rating_group_is_a_session_and_a_record_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path, charging=QUOTAS) as served:
        client = await served.client()
        answer = await client.initial(
            service(10, requested(total(MIB))),
            service(20, requested()),
            service(30, requested(), identifiers=(1, 2)),
        )
        assert answer.said == "2001 10=1048576 20=10485760 30/1+2=10485760"
        assert [each.number(avps.VALIDITY_TIME) for each in answer.services] == [600] * 3
        assert answer.services[1].number(avps.VOLUME_QUOTA_THRESHOLD) == MIB
        assert await served.money() == left(21 * A_MIB)
        answer = await client.update(1, service(10, requested(total(MIB)), used(total(100 * KIB))))
        assert answer.said == "2001 10=1048576"
        assert await served.money() == left(21 * A_MIB + 0.098), (
            "what was not used of the first grant goes on"
        )
        answer = await client.update(2, service(20, used(total(2 * KIB)), FINAL))
        assert answer.said == "2001 20=ok"
        assert await served.money() == left(11 * A_MIB + 0.098 + 0.002), "the reserve of that group is free"
        answer = await client.terminate(3, service(10, used(total(900 * KIB))))
        assert answer.code == 2001
        assert await served.money() == left(0.98 + 0.002)
        records = {each["OriginID"]: (each["Usage"], each["Cost"]) for each in await served.records()}
        session = "pgw.example.net;1;1"
        assert records == {
            f"{session}_rg10": (1000 * KIB, 0.98),
            f"{session}_rg20": (2 * KIB, 0.002),
            f"{session}_rg30_s1_2": (0, 0),
        }


async def test_a_gigabyte_costs_what_the_session_api_says(tmp_path: Path) -> None:
    """The same steps over Gy and over SessionSv1, at the same moment: the same balances after every one."""
    more = {"AccountActions.csv": f"cgrates.org,{ALICE},AP,,,\ncgrates.org,{BOB},AP,,,\n"}
    steps = [
        (100 * MIB, 100 * MIB - 1),
        (100 * MIB, 3),
        *[(100 * MIB, 100 * MIB)] * 9,
        (100 * MIB, 7 * MIB + 333),
    ]
    async with serving(tmp_path, TARIFF | more, "  quotas: [{volume: 100MiB}]\n") as served:
        client = await served.client()
        at = {avps.EVENT_TIMESTAMP: encode_time(avps.EVENT_TIMESTAMP, AT_NS)}
        api = Api(served, "2026-12-11T18:40:00Z")
        assert (await client.initial(service(10, requested()), replaced=at)).said == f"2001 10={100 * MIB}"
        await api.call("InitiateSession", InitSession=True, Usage=100 * MIB)
        for number, (wanted, last_used) in enumerate(steps, 1):
            report = service(10, requested(total(wanted)), used(total(last_used)))
            assert (await client.update(number, report, replaced=at)).said == f"2001 10={wanted}"
            await api.call("UpdateSession", UpdateSession=True, Usage=wanted, LastUsed=last_used)
            assert await served.money() == await served.money(BOB), number
        await client.terminate(99, service(10, used(total(5))), replaced=at)
        usage = sum(each[1] for each in steps) + 5
        await api.call("TerminateSession", TerminateSession=True, Usage=usage)
        await served.call("SessionSv1.ProcessCDR", {"Tenant": "cgrates.org", "Event": api.event})
        mine, theirs = sorted(await served.records(), key=lambda each: str(each["Account"]))
        assert (mine["Usage"], mine["Cost"]) == (theirs["Usage"], theirs["Cost"])
        assert mine["Usage"] == usage
        assert mine["Cost"] > 1000
        assert await served.money() == await served.money(BOB)


class Api:
    """The same session over SessionSv1."""

    def __init__(self, served: Served, at: str) -> None:
        self._served = served
        self.event: dict[str, Any] = {
            **{"ToR": "*data", "OriginID": "api", "OriginHost": "api", "RequestType": "*prepaid"},
            **{"Account": BOB, "Category": "data", "Destination": "data", "SetupTime": at, "AnswerTime": at},
        }

    async def call(self, method: str, Usage: int, LastUsed: int | None = None, **flags: bool) -> None:  # noqa: N803
        """One step."""
        event = self.event | {"Usage": Usage} | ({} if LastUsed is None else {"LastUsed": LastUsed})
        await self._served.call(
            f"SessionSv1.{method}", {"Tenant": "cgrates.org", "ID": method, "Event": event, **flags}
        )


async def test_the_last_units_say_so_and_then_there_is_no_credit(tmp_path: Path) -> None:
    """A bundle counts octet by octet: more than a million at once cannot be rated, and is granted in parts."""
    tariff = TARIFF | {"Actions.csv": UNITS}
    async with serving(tmp_path, tariff) as served:
        client = await served.client()
        assert (await client.initial(service(10, requested()))).said == "2001 10=1000000"
        report = service(10, requested(), used(total(1_000_000)))
        assert (await client.update(1, report)).said == "2001 10=1000000"
        assert (await client.update(2, report)).said == "2001 10=500000!0"
        over = service(10, requested(), used(total(500_000)))
        assert (await client.update(3, over)).said == "2001 10=4012"
        assert (await client.terminate(4)).code == 2001
        assert (await served.balances())["*data"] == [0]
        (record,) = await served.records()
        assert record["Usage"] == 2_500_000
        assert (await client.initial(service(10, requested()), session="s;2")).code == 4012


async def test_more_than_was_granted_is_paid_for_also_below_zero(tmp_path: Path) -> None:
    poor = {"Actions.csv": "GIVE,*topup,,,main,*monetary,,*any,,,*unlimited,,1,10,false,false,10\n"}
    async with serving(tmp_path, TARIFF | poor) as served:
        client = await served.client()
        assert (await client.initial(service(10, requested(total(1000 * KIB))))).said == "2001 10=1024000"
        over = service(10, requested(total(KIB)), used(total(1100 * KIB)))
        assert (await client.update(1, over)).said == "2001 10=4012"
        assert (await client.terminate(2)).code == 2001
        assert -0.0781 < await served.money() < -0.078
        (record,) = await served.records()
        assert record["Usage"] == 1100 * KIB
        assert 1.078 <= record["Cost"] < 1.0781


async def test_refusals_have_the_codes_of_gy(tmp_path: Path) -> None:
    accounts = f"cgrates.org,{ALICE},AP,,,\ncgrates.org,{BOB},,,,true\n"
    tariff = TARIFF | {
        "AccountActions.csv": accounts,
        "RatingProfiles.csv": "cgrates.org,data,*any,2014-01-14T00:00:00Z,PD,\n",
    }
    async with serving(tmp_path, tariff) as served:
        client = await served.client()
        data = service(10, requested())
        unknown = await client.initial(data, who=imsi("999"))
        assert (unknown.code, unknown.text(avps.ERROR_MESSAGE)) == (5030, "RALS_ERROR:ACCOUNT_NOT_FOUND")
        assert (await client.initial(who=imsi("999"))).code == 5030, "also without any rating group"
        assert (await client.initial(data, who=subscription(0, BOB))).code == 4010
        unrated = await client.initial(requested(seconds(60)), to("4930123"), context=VOICE, session="v;1")
        assert unrated.code == 5031
        assert unrated.has(avps.FAILED_AVP)
        forced = await client.initial(requested(seconds(3_000_000_000)), who=imsi("999"), context=VOICE)
        assert forced.code == 5030, "published result 93"
        assert (await client.update(1, data, session="nobody")).code == 5002
        assert (await client.terminate(1, session="nobody")).code == 5002
        one = service(10, requested(), encode_octets(avps.SERVICE_IDENTIFIER, bytes((0, 0, 0, 1))))
        assert (await client.initial(one, session="s;3")).code == 2001
        assert await served.call("SessionSv1.GetActiveSessionsCount", {}) == 1
        assert await served.records() == []


async def test_messages_are_debited_once_and_refunded_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = await served.client()

        async def send(action: bytes, *body: bytes, session: str = "e;1", **more: Any) -> Decoded:
            return await client.credit(EVENT, 0, action, *body, context=SMS, session=session, **more)

        one = service(None, requested(events(1)))
        first = await send(DEBIT, one)
        assert first.said == "2001 -=1"
        assert first.money(avps.COST_INFORMATION) == (70, -2)
        assert (await send(DEBIT, one, flags=0xD0)).said == first.said
        assert await served.money() == 1999.3
        (record,) = await served.records()
        assert (record["Usage"], record["ToR"], record["Cost"]) == (1, "*sms", 0.7)
        token = first.services[0].one(avps.REFUND_INFORMATION)
        back = service(None, encode_octets(avps.REFUND_INFORMATION, token))
        assert (await send(REFUND, back, session="r;1")).code == 2001
        assert await served.money() == 2000
        assert (await send(REFUND, back, session="r;1")).code == 2001, "the same refund once more"
        assert (await send(REFUND, back, session="r;2")).code == 5004
        (record,) = await served.records()
        assert (record["Cost"], record["ExtraInfo"], await served.money()) == (0, "REFUNDED", 2000)
        many = service(None, requested(events(9_000)))
        assert (await send(DEBIT, many, session="e;2")).code == 4012
        two = service(1, requested(events(1))), service(2, requested(events(9_000)))
        assert (await send(DEBIT, *two, session="e;3")).code == 4012, "all or nothing"
        assert (await served.money(), len(await served.records())) == (2000, 1)
        assert (await send(CHECK, one, session="c;1")).number(avps.CHECK_BALANCE_RESULT) == 0
        assert (await send(CHECK, many, session="c;2")).number(avps.CHECK_BALANCE_RESULT) == 1
        assert (await send(PRICE, many, session="p;1")).money(avps.COST_INFORMATION) == (630000, -2)
        assert (await send(DEBIT, one, session="e;4", who=imsi("999"))).code == 5030


async def test_money_is_debited_and_credited_as_the_client_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = await served.client()

        async def send(action: bytes, amount: bytes, session: str) -> int:
            return (
                await client.credit(EVENT, 0, action, requested(amount), context=SMS, session=session)
            ).code

        assert await send(DEBIT, money(1250, -2), "m;1") == 2001
        assert await served.money() == 1987.5
        assert await send(DEBIT, money(5000), "m;2") == 4012
        assert await send(REFUND, money(25, -1), "m;3") == 2001
        assert await served.money() == 1990
        booked = [(each["RequestType"], each["Cost"]) for each in await served.records()]
        assert booked == [("*directdebit", 12.5), ("*directdebit", -2.5)]


async def test_a_repeat_is_answered_alike_and_debited_once_also_after_a_kill(tmp_path: Path) -> None:
    async with serving(tmp_path, charging=QUOTAS) as served:
        client = await served.client()
        await client.initial(service(10, requested()))
        report = service(10, requested(), used(total(3 * MIB)))
        first = await client.update(1, report)
        again = await client.update(1, report, flags=0xD0)
        assert again.avps == first.avps
        before = await served.money()
        event = await client.credit(
            EVENT, 0, DEBIT, service(None, requested(events(1))), context=SMS, session="e"
        )
        await served.kill()
        await served.start()
        client = await served.client()
        assert await served.money() == round(before - 0.7, 6)
        again = await client.update(1, report, flags=0xD0)
        assert again.avps == first.avps
        sms = await client.credit(
            EVENT, 0, DEBIT, service(None, requested(events(1))), context=SMS, session="e"
        )
        assert sms.avps == event.avps
        assert await served.money() == round(before - 0.7, 6)
        assert (await client.update(2, report)).said == f"2001 10={10 * MIB}"
        last = await client.terminate(3, service(10, used(total(MIB))))
        assert last.code == 2001
        assert (await client.terminate(3, service(10, used(total(MIB))))).avps == last.avps
        late = await client.update(4, service(10, used(total(MIB))))
        assert late.code == 2001, "a report that comes late is charged, too"
        assert await served.money() == left(0.7 + 7.0247 + 1.0036)
        usages = sorted((each["OriginID"], each["Usage"]) for each in await served.records())
        session = "pgw.example.net;1;1"
        assert usages == [("e", 1), (f"{session}_rg10", 7 * MIB), (f"{session}_rg10#2", MIB)]


async def received(client: Client, command: int) -> Decoded:
    """The next request of the server."""
    request = await client.receive()
    assert (request.command, request.flags & 0x80) == (command, 0x80)
    return request


async def test_a_top_up_has_clients_ask_again_and_an_operator_can_end_their_sessions(tmp_path: Path) -> None:
    poor = {"Actions.csv": "GIVE,*topup,,,main,*monetary,,*any,,,*unlimited,,1,10,false,false,10\n"}
    async with serving(tmp_path, TARIFF | poor) as served:
        client = await served.client()
        assert (await client.initial(service(10, requested()))).said == "2001 10=1044480!0"
        given = {"Tenant": "cgrates.org", "Account": ALICE, "BalanceType": "*monetary", "Value": 500}
        await served.call("APIerSv1.AddBalance", given)
        request = await received(client, 258)
        assert request.text(avps.SESSION_ID) == "pgw.example.net;1;1"
        client.send(reply(request, 2002))
        assert (await client.update(1, service(10, requested()))).said == "2001 10=100000000"
        (active,) = await served.call("SessionSv1.GetActiveSessions", {})
        chosen = {"Filters": [f"*string:~*req.Account:{ALICE}"]}
        altered = asyncio.create_task(
            served.call("SessionSv1.AlterSessions", {**chosen, "Tenant": "cgrates.org", "Event": {"x": "y"}})
        )
        client.send(reply(await received(client, 258), 2001))
        await altered
        ended = asyncio.create_task(
            served.call("SessionSv1.ForceDisconnect", {"Filters": [f"*string:~*req.Account:{ALICE}"]})
        )
        request = await received(client, 274)
        client.send(reply(request, 2001))
        await ended
        assert active["OriginID"] == "pgw.example.net;1;1_rg10"
        assert (await client.terminate(2, service(10, used(total(MIB))))).code == 2001
        (record,) = await served.records()
        assert record["Usage"] == MIB


async def test_silent_sessions_and_those_of_a_client_that_began_anew_are_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, charging="  supervision: {maximum: 1s, abort: true}\n" + QUOTAS) as served:
        client = await served.client()
        await client.initial(service(10, requested()))
        report = service(10, requested(), used(total(MIB)))
        await client.update(1, report)
        request = await received(client, 274)
        client.send(reply(request, 5002))
        (record,) = await served.records()
        assert (record["Usage"], await served.money()) == (MIB, left(1.0036)), (
            "what was reported, and no more"
        )
        late = await client.update(2, report)
        assert (late.code, await served.money()) == (5002, left(2.0072)), "charged, and told that it is over"
    (tmp_path / "other").mkdir()
    async with serving(tmp_path / "other", charging=QUOTAS) as served:
        client = await served.client(state_id=7)
        await client.initial(service(10, requested()), session="a")
        await client.initial(service(10, requested()), session="b")
        assert await served.call("SessionSv1.GetActiveSessionsCount", {}) == 2
        client.writer.close()
        await client.writer.wait_closed()
        client = await served.client(state_id=8)
        assert (await client.initial(service(10, requested()), session="c")).code == 2001
        assert await served.call("SessionSv1.GetActiveSessionsCount", {}) == 1


async def test_an_account_is_found_by_the_identities_in_their_order(tmp_path: Path) -> None:
    accounts = f"cgrates.org,{ALICE},AP,,,\ncgrates.org,{BOB},AP,,,\n"
    number = subscription(0, f"+{BOB}")
    async with serving(tmp_path, TARIFF | {"AccountActions.csv": accounts}, QUOTAS) as served:
        client = await served.client()
        data = service(10, requested(total(MIB)))
        await client.initial(data, number, session="1")
        assert (await served.money(), await served.money(BOB)) == (left(A_MIB), 2000)
        await client.initial(data, number, session="2", who=imsi("999"))
        assert (await served.money(), await served.money(BOB)) == (left(A_MIB), left(A_MIB))


PROFILES = {
    "Stats.csv": "cgrates.org,ENDED,*exists:~*req.OriginID:,,10,,1,*sum#1,,true,false,10,*none\n",
    "Attributes.csv": (
        "cgrates.org,ATTR,*sessions,*string:~*req.RatingGroup:20,,,*req.Account,*constant,BOSS,false,20\n"
    ),
    "Resources.csv": "cgrates.org,RES,*string:~*req.Account:49301002,,1h,1,,false,false,10,*none\n",
    "AccountActions.csv": f"cgrates.org,{ALICE},AP,,,\ncgrates.org,{BOB},AP,,,\ncgrates.org,BOSS,AP,,,\n",
    "Chargers.csv": (
        "cgrates.org,CH,,,*default,*none,20\ncgrates.org,RAW,,,*raw,*constant:*req.RequestType:*none,10\n"
    ),
}


async def test_profiles_surround_a_session_as_they_do_those_of_the_api(tmp_path: Path) -> None:
    async with serving(tmp_path, TARIFF | PROFILES, QUOTAS, ", subsystems: [stats]") as served:
        client = await served.client()
        await client.initial(service(10, requested(total(MIB))), service(20, requested(total(2 * MIB))))
        assert (await served.money(), await served.money("BOSS")) == (left(A_MIB), left(2 * A_MIB))
        await client.terminate(1, service(10, used(total(KIB))), service(20, used(total(KIB))))
        runs = sorted((each["RunID"], each["Account"], each["Usage"]) for each in await served.records())
        assert runs == [
            ("*default", ALICE, KIB),
            ("*default", "BOSS", KIB),
            ("*raw", ALICE, KIB),
            ("*raw", "BOSS", KIB),
        ]
        counted = await served.call("StatSv1.GetQueueFloatMetrics", {"Tenant": "cgrates.org", "ID": "ENDED"})
        assert counted == {"*sum#1": 2}, "its begin and its end"
        bob = subscription(0, BOB)
        data = service(10, requested(total(MIB)))
        assert (await client.initial(data, who=bob, session="1")).code == 2001
        assert (await client.initial(data, who=bob, session="2")).code == 5006, "no place in the resource"
        assert await served.money(BOB) == left(A_MIB)
        await client.terminate(1, who=bob, session="1")
        assert (await client.initial(data, who=bob, session="3")).code == 2001
