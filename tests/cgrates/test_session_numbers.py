"""Published results of the incumbent's own tests, through the methods: sessions, balances, records.

Each on virtual time, and with real clocks over the ports of server processes.
"""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from ocs.charging.cgrates.values import instant_ns
from ocs.sessions.identity import cgrid_of
from tests.cgrates.calls import DEFAULT
from tests.cgrates.places import Place, Processes, VirtualTime
from tests.charging.cgrates.small import Price, S
from tests.support.waiting import PATIENCE_S

FS_40CNT = Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s")
RT_10CNT = Price("0.2 0.1/60s/60s@0s 0.05/60s/1s@60s")
FREE = Price("0 0/1s/1s")
MS = 10**6
HOUR = 3600 * S  # published with one second, which a server that is held up takes at once


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Servers, started when they are wanted."""
    found = Processes(tmp_path_factory.mktemp("servers"))
    yield found
    found.close()


@pytest.fixture(params=["virtual time", "process"])
def place(request: pytest.FixtureRequest) -> Place:
    """Where a test is played."""
    if request.param == "process":
        return cast("Processes", request.getfixturevalue("processes"))
    return VirtualTime()


def test_surplus_of_a_reservation_comes_back(place: Place) -> None:  # 71
    async def play() -> None:
        call = await place.call(FS_40CNT)
        await call.give("*monetary", 5, "one")
        await call.give("*monetary", 5, "two")
        assert await call.initiate(Usage="1m30s") == 90 * S
        assert round(sum(await call.held()), 9) == 8.70001
        await call.end(Usage="1m")
        assert round(sum(await call.held()), 9) == 8.8

    place.play(play)


def test_free_seconds_come_back(place: Place) -> None:  # 72
    async def play() -> None:
        call = await place.call(FREE, Price("0 0/1s/1s", prefix="44"))
        await call.give("*voice", 120 * S, "one", Weight=10)
        await call.give("*voice", 90 * S, "two", DestinationIDs="D44")
        await call.initiate(Usage="90s")
        assert sum(await call.held("*voice")) == 120 * S
        await call.end(Usage="60s")
        assert sum(await call.held("*voice")) == 150 * S

    place.play(play)


def test_priced_blocks_then_money(place: Place) -> None:  # 73
    async def play() -> None:
        call = await place.call(Price("0 0.1/60s/1s"), Price("0 0.01/60s/60s", subject="block"))
        await call.give("*monetary", 8.8)
        await call.give("*voice", 90 * S, RatingSubject="block")
        await call.initiate(Usage="90s")
        assert (await call.held(), await call.held("*voice")) == ([8.7399], [30 * S])
        await call.end(Usage="60s")
        assert (await call.held(), await call.held("*voice")) == ([8.79], [30 * S])

    place.play(play)


def test_last_used_settles_every_grant(place: Place) -> None:  # 74
    async def play() -> None:
        call = await place.call(FS_40CNT)
        await call.give("*monetary", 8.79)
        await call.initiate(Usage="2m")
        values = await call.held()
        for used in ("90s", "150s"):
            await call.update(Usage="2m", LastUsed=used)
            values += await call.held()
        await call.end(Usage="1m")
        assert [*values, *await call.held()] == [7.39002, 7.09005, 6.5901, 7.59]

    place.play(play)


def test_nothing_used_of_the_last_grant(place: Place) -> None:  # 75
    async def play() -> None:
        call = await place.call(FS_40CNT)
        await call.give("*monetary", 7.59)
        await call.initiate(Usage="2m")
        values = await call.held()
        await call.update(Usage="2m", LastUsed="30s")
        values += await call.held()
        await call.end(LastUsed="0s")
        assert [*values, *await call.held()] == [6.19002, 6.09003, 6.59]

    place.play(play)


def test_a_silent_session_ends_by_itself(place: Place) -> None:  # 76
    async def play() -> None:
        call = await place.call(FS_40CNT, settings={"session_ttl": "50ms", "session_ttl_last_usage": "50ms"})
        await call.give("*monetary", 5.59)
        both = (call.initiate(Usage="2m"), call.update(Usage="2m", LastUsed="30s"))
        assert tuple(await asyncio.gather(*both)) == (120 * S, 120 * S)
        await call.gone()
        record = await call.record(made=True)
        assert (record["Usage"], record["Cost"], await call.held()) == (150 * S + 50 * MS, 1.5334, [4.0566])

    place.play(play)


def test_a_session_moves_to_another_name(place: Place) -> None:  # 77
    async def play() -> None:
        call = await place.call(FREE, settings={"session_ttl": "50ms", "session_ttl_last_usage": "50ms"})
        await call.give("*voice", 300 * S, RatingSubject="*zero50ms")
        moved = call.named("o2")
        both = (call.initiate(Usage="2m"), moved.update(Usage="2m", LastUsed="30s", InitialOriginID="o1"))
        values = await asyncio.gather(*both, call.held("*voice"))
        assert tuple(values) == (120 * S, 120 * S, [150 * S])
        await moved.gone()
        assert await call.held("*voice") == [150 * S - 50 * MS]
        assert (await moved.record(made=True))["Usage"] == 150 * S + 50 * MS

    place.play(play)


def test_data_grants_are_settled(place: Place) -> None:  # 78, 79
    async def play() -> None:
        short = await place.call(FREE, ToR="*data")
        await short.give("*data", 102400)
        await short.initiate(Usage=5120)
        values = await short.held("*data")
        await short.update(Usage=5120, LastUsed=4096)
        values += await short.held("*data")
        await short.end(LastUsed=0)
        assert [*values, *await short.held("*data")] == [97280, 93184, 98304]
        call = await place.call(FREE, ToR="*data")
        await call.give("*data", 102400)
        await call.initiate(Usage=6144)
        values = await call.held("*data")
        for report in (
            {"Usage": 8192, "LastUsed": 7168},
            {"Usage": 1024, "LastUsed": "5120"},
            {"Usage": "1024"},
        ):
            await call.update(**report)
            values += await call.held("*data")
        await call.end(LastUsed="0")
        assert [*values, *await call.held("*data")] == [96256, 87040, 87040, 87040, 89088]
        assert (await call.record())["Usage"] == 13312

    place.play(play)


@pytest.mark.parametrize(
    ("option", "usage", "left"),
    [("*sessionsTTLUsage", 2048, 100352), ("*sessionsTTLLastUsage", 3072, 99328)],
    ids=["80", "81"],
)
def test_options_say_what_a_silent_session_used(place: Place, option: str, usage: int, left: int) -> None:
    async def play() -> None:
        call = await place.call(FREE, ToR="*data")
        await call.give("*data", 102400)
        both = (call.initiate({"*sessionsTTL": "50ms", option: "2048"}, Usage=1024), call.held("*data"))
        assert tuple(await asyncio.gather(*both)) == (1024, [101376])
        await call.gone()
        assert (await call.held("*data"), (await call.record(made=True))["Usage"]) == ([left], usage)

    place.play(play)


def test_running_total_grants_the_difference(place: Place) -> None:  # 82
    async def play() -> None:
        call = await place.call(FREE, chargers=DEFAULT)
        await call.give("*voice", 210 * S)
        await call.initiate(Usage="15s")
        assert await call.update(Usage="435s", TotalUsage="105s") == 90 * S
        assert await call.held("*voice") == [105 * S]
        assert await call.update(Usage="435s", TotalUsage="105s") == 0

    place.play(play)


@pytest.mark.parametrize(("rounding", "cost", "left"), [("*up,1", 0.4, 999.6), ("*down,1", 0.3, 999.7)])
@pytest.mark.parametrize("kind", ["*prepaid", "*postpaid"])
def test_session_cost_is_rounded_once(
    place: Place, kind: str, rounding: str, cost: float, left: float
) -> None:  # 83
    async def play() -> None:
        call = await place.call(Price("0 0.033/1s/1s", rounding=rounding), RequestType=kind)
        await call.give("*monetary", 1000)
        await call.initiate(Usage="10s")
        await call.end(Usage="10s")
        assert ((await call.record())["Cost"], await call.held()) == (cost, [left])

    place.play(play)


def test_unused_session_gets_everything_back(place: Place) -> None:  # 84, 85
    async def play() -> None:
        voice = await place.call(FREE)
        await voice.give("*voice", 5 * S, RatingSubject="*zero5ms")
        await voice.initiate(Usage="2s")
        assert await voice.held("*voice") == [3 * S]
        await voice.end(Usage=0)
        assert await voice.held("*voice") == [5 * S]
        money = await place.call(RT_10CNT)
        await money.give("*monetary", 10.65)
        await money.initiate(Usage="2m")
        assert await money.held() == [10.3002]
        await money.end(Usage="0s")
        assert await money.held() == [10.65]

    place.play(play)


def test_what_an_expired_balance_paid_is_not_given_back(place: Place) -> None:  # 86
    async def play() -> None:
        call = await place.call(FREE, settings={"debit_interval": "1s"})
        await call.give("*voice", 3600 * S, "long", Weight=10)
        await call.give("*voice", 1 * S, "short", Weight=100, ExpiryTime=f"+{place.soon}")
        expiry = {each["ID"]: each["ExpirationDate"] for each in (await call.account())["*voice"]}["short"]
        assert await call.initiate() == -1
        await place.until(instant_ns(expiry))
        await call.end(Usage="10s")
        assert sum(await call.held("*voice")) == 3600 * S - 9 * S
        record = await call.record()
        assert (record["Usage"], len(record["CostDetails"]["Accounting"])) == (10 * S, 2)
        await call.process_cdr("*rerate", Usage="1s")
        assert (await call.record(made=True))["Usage"] == S
        assert await call.held("*voice") == [3600 * S - 1 * S]

    place.play(play)


def test_money_as_seconds_behind_free_ones(place: Place) -> None:  # 87
    async def play() -> None:
        call = await place.call(FREE)
        await call.give("*monetary", 3595 * S, RatingSubject="*zero1s")
        await call.give("*voice", 5 * S, Weight=10)
        await call.initiate(Usage="10s")
        await call.end(Usage="10s")
        assert (await call.held("*voice"), await call.held()) == ([0], [3590 * S])

    place.play(play)


def test_a_loop_takes_credit_until_there_is_none(place: Place) -> None:  # 88
    async def play() -> None:
        call = await place.call(Price("0 1/1s/1ms"), settings={"debit_interval": "1ms"})
        await call.give("*voice", 10 * MS, RatingSubject="*zero1ms")
        assert await call.initiate(Usage="200ms") == -1
        await call.gone()
        assert ((await call.record(made=True))["Usage"], await call.held("*voice")) == (10 * MS, [0])

    place.play(play)


def test_the_end_of_a_call_settles_its_loop(place: Place) -> None:  # 89
    async def play() -> None:
        call = await place.call(FREE, settings={"debit_interval": "10ms"})
        await call.give("*voice", HOUR, RatingSubject="*zero1ms")
        assert await call.initiate() == -1
        (left,) = await call.held("*voice")
        assert left < HOUR - 5 * MS
        await call.end(Usage="7ms")
        assert ((await call.record())["Usage"], await call.held("*voice")) == (7 * MS, [HOUR - 7 * MS])

    place.play(play)


@pytest.mark.parametrize(
    ("first", "then", "cost"), [(False, True, 0.2), (False, False, 0), (True, False, 0.6)]
)
def test_paused_time_costs_nothing(place: Place, first: bool, then: bool, cost: float) -> None:  # 90
    async def play() -> None:
        call = await place.call(Price("0.4 0.2/60s/60s@0s 0.1/60s/1s@60s"))
        await call.give("*monetary", 10)
        await call.initiate({"*sessionsChargeable": first}, Usage="1s")
        await call.update({"*sessionsChargeable": then}, Usage="60s")
        await call.end()
        assert (await call.record())["Cost"] == cost

    place.play(play)


def test_money_without_a_profile_is_debited_in_units(place: Place) -> None:  # 91
    async def play() -> None:
        call = await place.call(FREE, ToR="*monetary", Category="other")
        await call.give("*monetary", 10, Blocker=True)
        assert await call.authorize(Usage=12) == {"MaxUsage": 10}
        assert [await call.update(Usage=3) for _ in range(3)] == [3, 3, 3]
        assert await call.held() == [1]
        other = call.named("o2")
        await other.process_cdr("*rals", Usage=3)
        record = await other.record(made=True)
        assert (record["Cost"], record["ExtraInfo"]) == (-1, "INSUFFICIENT_CREDIT_BALANCE_BLOCKER")

    place.play(play)


def test_a_client_is_asked_to_end_a_call_without_credit(processes: Processes) -> None:  # 88
    async def play() -> None:
        settings = {"debit_interval": "1ms"}
        call, wire = await processes.call_both_ways(Price("0 1/1s/1ms"), settings=settings)
        await call.give("*voice", 10 * MS, RatingSubject="*zero1ms")
        assert await call.initiate(Usage="200ms") == -1
        asked = await wire.next_asked()
        assert asked["method"] == "SessionSv1.DisconnectSession"
        (told,) = asked["params"]
        cgrid = told["Event"].pop("CGRID")
        assert cgrid == cgrid_of(call.event)
        assert told["Event"] == {**call.event, "Usage": "200ms", "DisconnectCause": "INSUFFICIENT_CREDIT"}
        await call.end()
        assert ((await call.record())["Usage"], await call.held("*voice")) == (10 * MS, [0])
        assert wire.asked.empty()

    processes.play(play)


def test_a_client_ends_a_call_that_is_debited_every_millisecond(processes: Processes) -> None:  # 89
    async def play() -> None:
        call, wire = await processes.call_both_ways(FREE, settings={"debit_interval": "1ms"})
        await call.give("*voice", HOUR, RatingSubject="*zero1ms")
        assert await call.initiate(Usage="200ms") == -1
        async with asyncio.timeout(PATIENCE_S):
            while await call.held("*voice") > [HOUR - 5 * MS]:  # noqa: ASYNC110 - a server
                await asyncio.sleep(0)
        await call.end(Usage="7ms")
        assert ((await call.record())["Usage"], await call.held("*voice")) == (7 * MS, [HOUR - 7 * MS])
        assert wire.asked.empty()

    processes.play(play)
