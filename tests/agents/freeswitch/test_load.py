"""Many calls at once: nothing lost, nothing charged twice, nobody talks past the credit."""

import asyncio
import random
from typing import Any

import pytest

from ocs.config.settings import SECOND
from tests.agents.freeswitch.scripted import Plan, ScriptedCall
from tests.agents.freeswitch.world import world

AWAY_MS = 1_000  # a broken connection is made again within this time; what ends meanwhile is not seen to end


async def check_load(calls: int, per_second: int, accounts: int, seed: int) -> None:
    """Calls of random people, with the connection cut once in the middle; then the books are looked at."""
    dice = random.Random(seed)
    async with world(grant_s=20) as (made, switch):
        credit = {str(2_000 + index): dice.choice((8_000, 60_000, 10_000_000)) for index in range(accounts)}
        for number, nanos in credit.items():
            await made.open_account(number, nanos)
        begun: list[ScriptedCall] = []
        cut_us = most = 0
        for _ in range(calls):
            begun.append(switch.call(_plan(dice, tuple(credit))))
            await asyncio.sleep(1 / per_second)
            most = max(most, len(switch.calls))
            if len(begun) == calls // 2:
                cut_us = switch.now_us()
                switch.cut()
        await asyncio.sleep(120)
        assert not switch.calls
        for number, nanos in credit.items():
            left, held = made.left(number)
            own = [call for call in begun if call.plan.account == number and call.answered_us]
            used_ms = sum(-(-(call.ended_us - call.answered_us) // 1_000) for call in own)
            unseen = sum(cut_us <= call.ended_us <= cut_us + AWAY_MS * 1_000 for call in own)
            records = [record for record in made.records() if record.account == number]
            assert sum(record.cost_nanos for record in records) == nanos - left
            assert used_ms - unseen * AWAY_MS <= nanos - left <= used_ms
            assert (held, left >= 0) == (0, True)
            assert await made.problems(number) == []
        sessions = [record.session_id for record in made.records()]
        assert len(sessions) == len(set(sessions))
        assert sum(call.cause == "ALLOTTED_TIMEOUT" for call in begun) > calls // 20
        assert most >= calls // 3


def _plan(dice: random.Random, accounts: tuple[str, ...]) -> Plan:
    talk_s = dice.choice((95.0, round(dice.uniform(0.5, 90), 3)))
    cancel_s = dice.choice((None, None, 0.2))
    return Plan(dice.choice(accounts), ring_s=dice.uniform(0, 5), talk_s=talk_s, cancel_s=cancel_s)


async def test_a_hundred_calls_of_ten_accounts_are_charged_once_each() -> None:
    await check_load(calls=100, per_second=20, accounts=10, seed=1)


async def check_credit_ends(calls: int, per_second: int, first_s: int, **settings: Any) -> None:
    """Calls that talk until somebody ends them, each with credit of its own; all talk at once at one time."""
    async with world(**settings) as (made, switch):
        begun, most = [], 0
        for index in range(calls):
            await made.open_account(str(3_000 + index), 1_000 * (first_s + index % 20))
            begun.append(switch.call(Plan(str(3_000 + index), ring_s=index % 7 / 10, talk_s=None)))
            await asyncio.sleep(1 / per_second)
            most = max(most, len(switch.calls))
        assert most == calls
        await asyncio.sleep(first_s + 60)
        for index, call in enumerate(begun):
            talked_us = call.ended_us - call.answered_us
            short_s = first_s + index % 20 - talked_us / 1e6
            assert 0 <= short_s < 1
            left = 1_000 * (first_s + index % 20) - -(-talked_us // 1_000)
            assert made.left(str(3_000 + index)) == (left, 0)


async def test_calls_end_within_a_second_of_their_credit() -> None:
    await check_credit_ends(calls=100, per_second=80, first_s=5)


async def test_calls_of_slices_end_within_a_second_of_their_credit() -> None:
    await check_credit_ends(calls=100, per_second=80, first_s=5, debit_interval_ns=2 * SECOND)


@pytest.mark.parametrize("calls", [1_000, pytest.param(3_000, marks=pytest.mark.long)])
async def test_thousands_of_calls_at_a_hundred_a_second(calls: int) -> None:
    await check_load(calls, per_second=100, accounts=calls, seed=2)


@pytest.mark.parametrize("debit_interval_ns", [None, pytest.param(10 * SECOND, marks=pytest.mark.long)])
async def test_a_thousand_parallel_calls_end_within_a_second_of_their_credit(
    debit_interval_ns: int | None,
) -> None:
    await check_credit_ends(1_000, 100, first_s=30, debit_interval_ns=debit_interval_ns)
