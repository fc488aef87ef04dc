"""Several runs of one session in front of the core: who pays, what is granted, what is one piece."""

import msgspec

from ocs.charging.account import Account, Balance
from ocs.charging.decision import Change
from ocs.charging.events import Action, ChargingAnswer, Result, Unit
from ocs.charging.supervision import SessionRef
from tests.exact.test_door import BOSS, Live, Turns
from tests.support.charging import ALICE, CLIENT, initial, once, rg, terminate, update

SENT = rg(None, 2, unit=Unit.EVENTS, called="1555")
RESELLER = f"{CLIENT}|s1#run=reseller"


async def resold(
    mine: int = 1_000, reseller: int = 1_000, change: str = "*constant:*req.Account:boss"
) -> Live:
    """Alice's sessions are paid by her boss too."""
    live = Live(("attributes", "chargers", "resources", "stats"))
    live.store = Turns()
    live.begin()
    for key, identities, money in (("default:alice", (ALICE,), mine), (BOSS, (), reseller)):
        new = Account(
            key, "standard", (Balance("main", Unit.MONEY, money),), identities=identities, version=1
        )
        await live.service.create(Change(new, has_new_identities=bool(identities)))
    await live.set("ChargerProfile", ID="DEFAULT", RunID="*default", AttributeIDs=["*none"])
    await live.set("ChargerProfile", ID="RESELLER", RunID="reseller", AttributeIDs=[change])
    return live


async def money(live: Live) -> tuple[int, int]:
    """What both have left."""
    return await live.left("default:alice"), await live.left(BOSS)


async def held(live: Live, key: str) -> int:
    """What is held of an account."""
    found = await live.store.load(key)
    assert found is not None
    return found.balances[0].reserved


def granted(answer: ChargingAnswer) -> list[int]:
    """The amounts of an answer."""
    return [grant.amount for grant in answer.grants]


async def test_both_pay_for_every_report_and_hold_the_same() -> None:
    live = await resold()
    assert granted(await live.ask(initial(rg(10, 500), rg(20, 100)))) == [500, 100]
    assert await held(live, "default:alice") == await held(live, BOSS) == 500 + 3 * 100
    assert granted(await live.ask(update(1, rg(10, 100, 200)))) == [100]
    assert await money(live) == (800, 800)
    ended = await live.ask(terminate(2, rg(10, None, 50), rg(20, None, 10)))
    assert ended.cost_nanos == 280
    assert await money(live) == (720, 720)
    assert await held(live, "default:alice") == await held(live, BOSS) == 0


async def test_the_answer_grants_what_both_can_pay_and_no_more_is_held() -> None:
    live = await resold(reseller=300)
    answer = await live.ask(initial(rg(10, 500), rg(20, 100)))
    assert answer.result is Result.SUCCESS
    alice, boss = await held(live, "default:alice"), await held(live, BOSS)
    octets, dear = granted(answer)
    assert (alice, boss) == (octets + 3 * dear,) * 2
    assert boss <= 300
    live = await resold(mine=300)
    assert granted(await live.ask(initial(rg(10, 500)))) == [300]
    assert await held(live, BOSS) == 300


async def test_where_one_cannot_pay_nothing_begins_for_anybody() -> None:
    live = await resold(reseller=0)
    refused = await live.ask(initial(rg(10, 500)))
    assert refused.result is Result.NO_CREDIT
    assert len(live.service.supervision) == 0
    assert await held(live, "default:alice") == 0
    again = await live.ask(initial(rg(10, 500)))
    assert again.result is Result.NO_CREDIT


async def test_a_payer_that_is_not_there_is_refused() -> None:
    live = await resold(change="*constant:*req.Account:nobody")
    assert (await live.ask(initial(rg(10, 500)))).result is Result.UNKNOWN_SUBSCRIBER
    assert await held(live, "default:alice") == 0


async def test_what_was_used_is_paid_by_both_also_when_one_has_no_more() -> None:
    live = await resold(reseller=400)
    await live.ask(initial(rg(10, 300)))
    answer = await live.ask(update(1, rg(10, 300, 300)))
    assert granted(answer) == [100]
    assert (await live.ask(update(2, rg(10, 300, 100)))).grants[0].result is Result.NO_CREDIT
    assert await money(live) == (600, 0)
    assert await held(live, "default:alice") == 0


async def test_a_repeat_gets_the_answer_of_both_and_charges_nobody() -> None:
    live = await resold(reseller=300)
    first = await live.ask(initial(rg(10, 500)))
    second = await live.ask(update(1, rg(10, 500, 100)))
    before = await money(live)
    assert await live.ask(update(1, rg(10, 500, 100))) == second
    live.begin()
    assert await live.ask(initial(rg(10, 500))) == first
    assert await live.ask(update(1, rg(10, 500, 100))) == second
    assert await money(live) == before


async def test_every_step_is_one_piece_with_its_place() -> None:
    live = await resold()
    await live.set("ResourceProfile", ID="RES", Limit=1.0, UsageTTL=-1, Stored=True)
    assert isinstance(live.store, Turns)
    live.store.pieces.clear()
    live.store.keeps = 0
    await live.ask(initial(rg(10, 500)))
    await live.ask(update(1, rg(10, 100, 200)))
    await live.ask(terminate(2, rg(10, None, 50)))
    both = ["commit default:alice", f"commit {BOSS}"]
    assert live.store.pieces == [[*both, "resource_usage +"], both, [*both, "resource_usage -"]]
    assert live.store.keeps == 3, "what follows the commits makes them one piece"


async def test_sessions_go_on_after_a_restart_and_after_their_charger_is_gone() -> None:
    live = await resold()
    await live.ask(initial(rg(10, 500)))
    assert await live.methods("APIerSv1.RemoveChargerProfile", {"Tenant": "cgrates.org", "ID": "RESELLER"})
    live.begin()
    await live.ask(update(1, rg(10, 100, 200)))
    await live.ask(terminate(2, rg(10, None, 50)))
    assert await money(live) == (750, 750)


async def test_both_may_be_of_one_account() -> None:
    live = await resold(change="*none")
    assert granted(await live.ask(initial(rg(10, 400)))) == [400]
    assert await held(live, "default:alice") == 800
    first = await live.ask(update(1, rg(10, 400, 300)))
    assert await live.ask(update(1, rg(10, 400, 300))) == first
    await live.ask(terminate(2, rg(10, None, 50)))
    assert await live.left("default:alice") == 1_000 - 2 * 350


async def test_a_session_that_is_closed_here_ends_for_both() -> None:
    live = await resold()
    await live.ask(initial(rg(10, 500)))
    ref = live.service.supervision.get(f"{CLIENT}|s1")
    assert ref is not None
    assert await live.service.close_session(SessionRef(ref.key, ref.account_key, 0), "operator")
    assert await held(live, BOSS) == 0
    assert live.service.supervision.get(RESELLER) is None


async def test_late_usage_is_paid_by_both() -> None:
    live = await resold()
    await live.ask(initial(rg(10, 500)))
    ref = live.service.supervision.get(f"{CLIENT}|s1")
    assert ref is not None
    await live.service.close_session(ref, "operator")
    assert (await live.ask(terminate(1, rg(10, None, 100)))).has_ended
    assert await money(live) == (900, 900)


async def test_a_session_that_replaces_another_ends_the_runs_of_that_alone() -> None:
    live = await resold()
    await live.ask(initial(rg(10, 100)))
    await live.ask(initial(rg(10, 100), session="other", identities=(), account=BOSS))
    twin = msgspec.structs.replace(initial(rg(10, 100), session="s2"), replaces_same_bearer=True)
    await live.ask(twin)
    while live.service._tasks:
        await next(iter(live.service._tasks))
    assert live.service.supervision.get(RESELLER) is None
    boss = await live.store.load(BOSS)
    assert boss is not None
    assert sorted(each.session_id for each in boss.sessions) == [
        "other",
        "other#run=reseller",
        "s2#run=reseller",
    ]


async def test_events_are_paid_by_both_or_nobody_and_refunded_to_both() -> None:
    live = await resold()
    sent = await live.ask(once(Action.DIRECT_DEBITING, SENT))
    paid = 2 * 5
    assert (sent.result, await money(live)) == (Result.SUCCESS, (1_000 - paid, 1_000 - paid))
    back = once(Action.REFUND_ACCOUNT, session="back", refund_token=sent.refund_token)
    assert (await live.ask(back)).result is Result.SUCCESS
    assert (await live.ask(back)).result is Result.SUCCESS
    assert await money(live) == (1_000, 1_000)
    live = await resold(reseller=1)
    refused = await live.ask(once(Action.DIRECT_DEBITING, SENT))
    assert refused.result is Result.NO_CREDIT
    assert await money(live) == (1_000, 1)


async def test_records_name_their_run() -> None:
    live = await resold()
    await live.set(
        "StatQueueProfile",
        ID="OURS",
        FilterIDs=["*string:~*req.RunID:reseller", "*string:~*req.OriginID:s1"],
        Metrics=[{"MetricID": "*sum#~*req.Usage"}, {"MetricID": "*distinct#~*req.Account"}],
    )
    await live.ask(initial(rg(10, 500)))
    await live.ask(terminate(1, rg(10, None, 100)))
    numbers = live.runtime.surroundings.stats_book.numbers("cgrates.org", "OURS", live.service.now_ns())
    assert list(numbers.values()) == [100, 1]


async def test_a_client_cannot_name_the_session_of_a_run() -> None:
    live = await resold()
    await live.ask(initial(rg(10, 500)))
    taken = await live.ask(terminate(1, rg(10, None, 100), session="s1#run=reseller"))
    assert taken.result is Result.INVALID_VALUE
