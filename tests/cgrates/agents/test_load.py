"""Many calls of few accounts, with a broken connection and a restart among them: nothing lost, nothing twice."""

import asyncio
import random

import pytest

from tests.agents.freeswitch.scripted import Plan, ScriptedCall
from tests.cgrates.agents.world import CALL_NANOS, switched

AWAY_S = 3  # a call that ends while nobody listens is charged as far as it was seen, or had been reported:
SLICE_S = 12


async def check_load(calls: int, per_second: int, accounts: int, seed: int) -> None:
    dice = random.Random(seed)
    async with switched() as (made, switch):
        credit = {str(2_000 + index): dice.choice((8, 60, 10_000)) * CALL_NANOS for index in range(accounts)}
        for name, nanos in credit.items():
            made.open_account(name, nanos)
        begun: list[ScriptedCall] = []
        away_us: list[int] = []
        for number in range(calls):
            talk_s = dice.choice((None, round(dice.uniform(0.5, 90), 3)))
            plan = Plan(
                dice.choice(tuple(credit)),
                ring_s=dice.uniform(0, 5),
                talk_s=95.0 if talk_s is None else talk_s,
                cancel_s=dice.choice((None, None, 0.2)),
                variables={"cgr_reqtype": "*prepaid"},
            )
            begun.append(switch.call(plan))
            await asyncio.sleep(1 / per_second)
            if number in (calls // 3, calls * 2 // 3):
                away_us.append(switch.now_us())
            if number == calls // 3:
                switch.cut()
            if number == calls * 2 // 3:
                await made.restart()
        await asyncio.sleep(130)
        assert switch.calls == {}
        assert made.runtime.state.sessions == {}
        assert made.promises() == 0
        cdrs = made.cdrs()
        assert len({cdr.origin_id for cdr in cdrs}) == len(cdrs), "one record a call"
        for name, nanos in credit.items():
            spent = nanos - made.left(name)
            own = [cdr for cdr in cdrs if cdr.account == name]
            assert sum(max(cdr.cost_nanos, 0) for cdr in own) == spent, "the records say what was taken"
            assert made.left(name) >= 0
            talked = [call for call in begun if call.plan.account == name and call.answered_us]
            used_s = sum(-(-(call.ended_us - call.answered_us) // 1_000_000) for call in talked)
            assert spent <= used_s * CALL_NANOS, "nobody pays for more than was talked"
            unseen = sum(at <= call.ended_us <= at + AWAY_S * 1_000_000 for call in talked for at in away_us)
            assert spent >= (used_s - unseen * SLICE_S) * CALL_NANOS


async def test_a_hundred_calls_are_charged_once_each() -> None:
    await check_load(calls=100, per_second=20, accounts=10, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 16))
async def test_a_thousand_calls_are_charged_once_each(seed: int) -> None:
    await check_load(calls=1_000, per_second=50, accounts=60, seed=seed)
