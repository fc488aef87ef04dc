"""What ringing calls hold of balances, for others to see."""

import asyncio

from ocs.cgrates.accounting import less
from ocs.charging.cgrates.account import Account, Balance
from tests.cgrates.agents.test_kamailio import ProxyWorld
from tests.cgrates.agents.world import CALL_NANOS

UNITS = 10**18  # a second of voice: nanos of its units, which are ns


def units_and_money(made: ProxyWorld, seconds: int, money: int) -> None:
    """Free time first, then money."""
    balances = {
        "*voice": (Balance("units", "free", seconds * UNITS, weight=20.0),),
        "*monetary": (Balance("money", "main", money * CALL_NANOS, weight=10.0),),
    }
    account = Account("cgrates.org:1001", balances)
    made.runtime.state.put_accounts({account.account_id: account})


async def test_a_promise_holds_of_each_balance_what_it_would_take() -> None:
    made = ProxyWorld()
    units_and_money(made, 30, 10_000)
    short = await made.authorise("c1")
    assert short["MaxUsage"] == 10_030
    promises = made.agents._promises
    assert promises.held == {"cgrates.org:1001": {"units": 30 * UNITS, "money": 10_000 * CALL_NANOS}}
    assert (await made.authorise("c2"))["MaxUsage"] == 0
    await made.tell("CGR_PROCESS_CDR", OriginID="c1", Usage="0", Account="1001", Destination="1002")
    assert promises.held == {}
    assert (await made.authorise("c3"))["MaxUsage"] == 10_030


async def test_a_rich_account_promises_three_hours_to_many_ringing_calls() -> None:
    made = ProxyWorld()
    made.open_account("1001", 10_800 * 100 * CALL_NANOS)
    for number in range(100):
        assert (await made.authorise(f"c{number}"))["MaxUsage"] == 10_800
    assert (await made.authorise("one more"))["MaxUsage"] == 0
    await asyncio.sleep(200)
    assert made.agents._promises.held == {}, "nobody rings for so long"


async def test_a_call_authorised_again_holds_once() -> None:
    made = ProxyWorld()
    for _ in range(3):
        assert (await made.authorise("c1"))["MaxUsage"] == 1_000
    assert made.promises() == 1


def test_what_is_held_is_never_more_than_there_is() -> None:
    account = Account("a", {"*monetary": (Balance("m", value_nanos=5), Balance("n", value_nanos=-5))})
    (first, second) = less(account, {"m": 7, "n": 7}).balances["*monetary"]
    assert (first.value_nanos, second.value_nanos) == (0, -5)
