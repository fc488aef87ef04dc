"""Published results of the incumbent's own tests, through the methods: sessions, balances, records."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.cgrates.engine import NOW_NS, Engine
from tests.charging.cgrates.small import Price, S, texts_of
from tests.support.virtual_time import run, running

DEFAULT = "t,DEF,,,*default,*none,0\n"
CHARGERS = f"t,RAW,,,*raw,*constant:*req.RequestType:*none,20\n{DEFAULT}"
FS_40CNT = Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s")
RT_10CNT = Price("0.2 0.1/60s/60s@0s 0.05/60s/1s@60s")
FREE = Price("0 0/1s/1s")
MS = 10**6


class Call:
    """One session of account `a` through the methods."""

    def __init__(
        self,
        *prices: Price,
        settings: dict[str, Any] | None = None,
        chargers: str = CHARGERS,
        **event: Any,
    ) -> None:
        base = {"OriginID": "o1", "OriginHost": "h", "ToR": "*voice", "RequestType": "*prepaid"}
        base |= {"Category": "call", "Account": "a", "Destination": "33"}
        self.event: dict[str, Any] = {**base, "AnswerTime": "2025-03-05T10:00:00Z", **event}
        self.engine = Engine({"sessions": settings or {}}, wall_ns=lambda: NOW_NS + running().now_ns())
        self.engine.load({**dict(texts_of(*prices)), "Chargers.csv": chargers})

    async def give(self, kind: str, value: float, name: str = "main", **balance: Any) -> None:
        """Sets a balance."""
        params = {"Tenant": "t", "Account": "a", "BalanceType": kind, "Value": value}
        await self.engine.result("APIerSv2.SetBalance", {**params, "Balance": {"ID": name, **balance}})

    async def held(self, kind: str = "*monetary") -> list[float]:
        """Values of the account's balances of a kind, as the API tells them."""
        account = await self.engine.result("APIerSv2.GetAccount", {"Tenant": "t", "Account": "a"})
        return [balance["Value"] for balance in (account["BalanceMap"] or {}).get(kind, [])]

    def params(self, flag: str, options: dict[str, Any] | None = None, **event: Any) -> dict[str, Any]:
        """The parameters of a session method."""
        return {flag: True, "Tenant": "t", "Event": {**self.event, **event}, "APIOpts": options or {}}

    async def initiate(self, options: dict[str, Any] | None = None, **event: Any) -> int:
        """MaxUsage of InitiateSession."""
        found = await self.engine.result(
            "SessionSv1.InitiateSession", self.params("InitSession", options, **event)
        )
        return int(found["MaxUsage"])

    async def update(self, options: dict[str, Any] | None = None, **event: Any) -> int:
        """MaxUsage of UpdateSession."""
        found = await self.engine.result(
            "SessionSv1.UpdateSession", self.params("UpdateSession", options, **event)
        )
        return int(found["MaxUsage"])

    async def end(self, **event: Any) -> None:
        """TerminateSession."""
        params = self.params("TerminateSession", **event)
        assert await self.engine.result("SessionSv1.TerminateSession", params) == "OK"

    async def record(self, *, made: bool = False) -> dict[str, Any]:
        """The record of the charged run, made by ProcessCDR where it is not there yet."""
        if not made:
            params = self.params("", Usage="1h")
            assert await self.engine.result("SessionSv1.ProcessCDR", params) == "OK"
        wanted = {"RunIDs": ["*default"], "OriginIDs": [self.event["OriginID"]]}
        (found,) = await self.engine.result("CDRsV1.GetCDRs", wanted)
        record: dict[str, Any] = found
        return record


def played(play: Callable[[], Awaitable[None]]) -> None:
    """Runs a test on virtual time, with its timers."""
    run(play())


def test_surplus_of_a_reservation_comes_back() -> None:  # 71
    async def play() -> None:
        call = Call(FS_40CNT)
        await call.give("*monetary", 5, "one")
        await call.give("*monetary", 5, "two")
        assert await call.initiate(Usage="1m30s") == 90 * S
        assert round(sum(await call.held()), 9) == 8.70001
        await call.end(Usage="1m")
        assert round(sum(await call.held()), 9) == 8.8

    played(play)


def test_free_seconds_come_back() -> None:  # 72
    async def play() -> None:
        call = Call(FREE, Price("0 0/1s/1s", prefix="44"))
        await call.give("*voice", 120 * S, "one", Weight=10)
        await call.give("*voice", 90 * S, "two", DestinationIDs="D44")
        await call.initiate(Usage="90s")
        assert sum(await call.held("*voice")) == 120 * S
        await call.end(Usage="60s")
        assert sum(await call.held("*voice")) == 150 * S

    played(play)


def test_priced_blocks_then_money() -> None:  # 73
    async def play() -> None:
        call = Call(Price("0 0.1/60s/1s"), Price("0 0.01/60s/60s", subject="block"))
        await call.give("*monetary", 8.8)
        await call.give("*voice", 90 * S, RatingSubject="block")
        await call.initiate(Usage="90s")
        assert (await call.held(), await call.held("*voice")) == ([8.7399], [30 * S])
        await call.end(Usage="60s")
        assert (await call.held(), await call.held("*voice")) == ([8.79], [30 * S])

    played(play)


def test_last_used_settles_every_grant() -> None:  # 74
    async def play() -> None:
        call = Call(FS_40CNT)
        await call.give("*monetary", 8.79)
        await call.initiate(Usage="2m")
        values = await call.held()
        for used in ("90s", "150s"):
            await call.update(Usage="2m", LastUsed=used)
            values += await call.held()
        await call.end(Usage="1m")
        assert [*values, *await call.held()] == [7.39002, 7.09005, 6.5901, 7.59]

    played(play)


def test_nothing_used_of_the_last_grant() -> None:  # 75
    async def play() -> None:
        call = Call(FS_40CNT)
        await call.give("*monetary", 7.59)
        await call.initiate(Usage="2m")
        values = await call.held()
        await call.update(Usage="2m", LastUsed="30s")
        values += await call.held()
        await call.end(LastUsed="0s")
        assert [*values, *await call.held()] == [6.19002, 6.09003, 6.59]

    played(play)


def test_a_silent_session_ends_by_itself() -> None:  # 76
    async def play() -> None:
        call = Call(FS_40CNT, settings={"session_ttl": "50ms", "session_ttl_last_usage": "50ms"})
        await call.engine.runtime.start()
        await call.give("*monetary", 5.59)
        await call.initiate(Usage="2m")
        await call.update(Usage="2m", LastUsed="30s")
        await asyncio.sleep(0.06)
        assert call.engine.runtime.state.sessions == {}
        record = await call.record(made=True)
        # 1.5334 and 4.0566 where the three charges are rounded one by one: docs/golden.md
        assert (record["Usage"], record["Cost"], await call.held()) == (150 * S + 50 * MS, 1.5333, [4.0567])
        await call.engine.runtime.stop()

    played(play)


def test_a_session_moves_to_another_name() -> None:  # 77
    async def play() -> None:
        call = Call(FREE, settings={"session_ttl": "50ms", "session_ttl_last_usage": "50ms"})
        await call.engine.runtime.start()
        await call.give("*voice", 300 * S, RatingSubject="*zero50ms")
        await call.initiate(Usage="2m")
        assert await call.held("*voice") == [180 * S]
        call.event["OriginID"] = "o2"
        await call.update(Usage="2m", LastUsed="30s", InitialOriginID="o1")
        assert await call.held("*voice") == [150 * S]
        await asyncio.sleep(0.06)
        assert await call.held("*voice") == [150 * S - 50 * MS]
        await call.engine.runtime.stop()

    played(play)


def test_data_grants_are_settled() -> None:  # 78, 79
    async def play() -> None:
        short = Call(FREE, ToR="*data")
        await short.give("*data", 102400)
        await short.initiate(Usage=5120)
        values = await short.held("*data")
        await short.update(Usage=5120, LastUsed=4096)
        values += await short.held("*data")
        await short.end(LastUsed=0)
        assert [*values, *await short.held("*data")] == [97280, 93184, 98304]
        call = Call(FREE, ToR="*data")
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

    played(play)


@pytest.mark.parametrize(
    ("option", "usage", "left"),
    [("*sessionsTTLUsage", 2048, 100352), ("*sessionsTTLLastUsage", 3072, 99328)],
    ids=["80", "81"],
)
def test_options_say_what_a_silent_session_used(option: str, usage: int, left: int) -> None:
    async def play() -> None:
        call = Call(FREE, ToR="*data")
        await call.engine.runtime.start()
        await call.give("*data", 102400)
        await call.initiate({"*sessionsTTL": "50ms", option: "2048"}, Usage=1024)
        assert await call.held("*data") == [101376]
        await asyncio.sleep(0.06)
        assert (await call.held("*data"), (await call.record(made=True))["Usage"]) == ([left], usage)
        await call.engine.runtime.stop()

    played(play)


def test_running_total_grants_the_difference() -> None:  # 82
    async def play() -> None:
        call = Call(FREE, chargers=DEFAULT)
        await call.give("*voice", 210 * S)
        await call.initiate(Usage="15s")
        assert await call.update(Usage="435s", TotalUsage="105s") == 90 * S
        assert await call.held("*voice") == [105 * S]
        assert await call.update(Usage="435s", TotalUsage="105s") == 0

    played(play)


@pytest.mark.parametrize(("rounding", "cost", "left"), [("*up,1", 0.4, 999.6), ("*down,1", 0.3, 999.7)])
@pytest.mark.parametrize("kind", ["*prepaid", "*postpaid"])
def test_session_cost_is_rounded_once(kind: str, rounding: str, cost: float, left: float) -> None:  # 83
    async def play() -> None:
        call = Call(Price("0 0.033/1s/1s", rounding=rounding), RequestType=kind)
        await call.give("*monetary", 1000)
        await call.initiate(Usage="10s")
        await call.end(Usage="10s")
        assert ((await call.record())["Cost"], await call.held()) == (cost, [left])

    played(play)


def test_unused_session_gets_everything_back() -> None:  # 84, 85
    async def play() -> None:
        voice = Call(FREE)
        await voice.give("*voice", 5 * S, RatingSubject="*zero5ms")
        await voice.initiate(Usage="2s")
        assert await voice.held("*voice") == [3 * S]
        await voice.end(Usage=0)
        assert await voice.held("*voice") == [5 * S]
        money = Call(RT_10CNT)
        await money.give("*monetary", 10.65)
        await money.initiate(Usage="2m")
        assert await money.held() == [10.3002]
        await money.end(Usage="0s")
        assert await money.held() == [10.65]

    played(play)


def test_what_an_expired_balance_paid_is_not_given_back() -> None:  # 86
    async def play() -> None:
        call = Call(FREE, settings={"debit_interval": "1s"})
        await call.engine.runtime.start()
        await call.give("*voice", 3600 * S, "long", Weight=10)
        await call.give("*voice", 1 * S, "short", Weight=100, ExpiryTime="+50ms")
        assert await call.initiate() == -1
        await asyncio.sleep(9.5)
        await call.end(Usage="10s")
        assert sum(await call.held("*voice")) == 3600 * S - 9 * S
        record = await call.record()
        assert (record["Usage"], len(record["CostDetails"]["Accounting"])) == (10 * S, 2)
        await call.give("*sms", 1)  # any change of balances removes those that have expired
        again = {**call.params("", Usage="1s"), "Flags": ["*rerate"]}
        assert await call.engine.result("CDRsV1.ProcessEvent", again) == "OK"
        assert (await call.record(made=True))["Usage"] == S
        assert await call.held("*voice") == [3600 * S - 1 * S]
        await call.engine.runtime.stop()

    played(play)


def test_money_as_seconds_behind_free_ones() -> None:  # 87
    async def play() -> None:
        call = Call(FREE)
        await call.give("*monetary", 3595 * S, RatingSubject="*zero1s")
        await call.give("*voice", 5 * S, Weight=10)
        await call.initiate(Usage="10s")
        await call.end(Usage="10s")
        assert (await call.held("*voice"), await call.held()) == ([0], [3590 * S])

    played(play)


def test_a_loop_takes_credit_until_there_is_none() -> None:  # 88
    async def play() -> None:
        call = Call(Price("0 1/1s/1ms"), settings={"debit_interval": "1ms"})
        await call.engine.runtime.start()
        await call.give("*voice", 10 * MS, RatingSubject="*zero1ms")
        assert await call.initiate(Usage="200ms") == -1
        await asyncio.sleep(0.05)
        assert call.engine.runtime.state.sessions == {}
        assert ((await call.record(made=True))["Usage"], await call.held("*voice")) == (10 * MS, [0])
        await call.engine.runtime.stop()

    played(play)


def test_the_end_of_a_call_settles_its_loop() -> None:  # 89
    async def play() -> None:
        call = Call(FREE, settings={"debit_interval": "10ms"})
        await call.engine.runtime.start()
        await call.give("*voice", 1 * S, RatingSubject="*zero1ms")
        assert await call.initiate() == -1
        await asyncio.sleep(0.005)
        assert await call.held("*voice") == [990 * MS]
        await call.end(Usage="7ms")
        await asyncio.sleep(0.1)
        assert ((await call.record())["Usage"], await call.held("*voice")) == (7 * MS, [993 * MS])
        await call.engine.runtime.stop()

    played(play)


@pytest.mark.parametrize(
    ("first", "then", "cost"), [(False, True, 0.2), (False, False, 0), (True, False, 0.6)]
)
def test_paused_time_costs_nothing(first: bool, then: bool, cost: float) -> None:  # 90
    async def play() -> None:
        call = Call(Price("0.4 0.2/60s/60s@0s 0.1/60s/1s@60s"))
        await call.give("*monetary", 10)
        await call.initiate({"*sessionsChargeable": first}, Usage="1s")
        await call.update({"*sessionsChargeable": then}, Usage="60s")
        await call.end()
        assert (await call.record())["Cost"] == cost

    played(play)


def test_money_without_a_profile_is_debited_in_units() -> None:  # 91
    async def play() -> None:
        call = Call(FREE, ToR="*monetary", Category="other")
        await call.give("*monetary", 10, Blocker=True)
        params = call.params("GetMaxUsage", Usage=12)
        assert await call.engine.result("SessionSv1.AuthorizeEvent", params) == {"MaxUsage": 10}
        assert [await call.update(Usage=3) for _ in range(3)] == [3, 3, 3]
        assert await call.held() == [1]
        other = {**call.params("", Usage=3, OriginID="o2"), "Flags": ["*rals"]}
        assert await call.engine.result("CDRsV1.ProcessEvent", other) == "OK"
        (record,) = await call.engine.result("CDRsV1.GetCDRs", {"OriginIDs": ["o2"], "RunIDs": ["*default"]})
        assert (record["Cost"], record["ExtraInfo"]) == (-1, "INSUFFICIENT_CREDIT_BALANCE_BLOCKER")

    played(play)
