"""A session that its client ends with a total below what was charged costs what the total costs.

What was charged beyond it goes back to the balances that paid, the last one first.
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocs.charging import acts, correction, totals, turn
from ocs.charging.account import Account, Balance, Factor, Terms
from ocs.charging.entry import EntryKind
from ocs.charging.events import ChargingEvent, RequestType, Unit, UsageReport, UsedUnits
from ocs.charging.rating import Rate, Slot
from ocs.charging.rerate import Books, rerate
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff, Verdict
from tests.support.charging import (
    EVENING,
    HOUR_NS,
    NOON_NS,
    RATES,
    RULES,
    SECOND_NS,
    World,
    account,
    catalogue,
    entries_text,
    initial,
    money,
    policy,
    rg,
    terminate,
    update,
)

MINUTE = Rate(100, (Slot(0, 60, 60 * SECOND_NS, 60 * SECOND_NS),))


def seconds(total: int, more: int | None = None) -> UsageReport:
    """So long since the session began."""
    wanted = rg(None, None if more is None else more * SECOND_NS, unit=Unit.TIME).requested
    return UsageReport(requested=wanted, used=(UsedUnits(Unit.TIME, total * SECOND_NS, is_total=True),))


def octets(group: int, total: int, more: int | None = None) -> UsageReport:
    """So many octets since the session began."""
    used = (UsedUnits(Unit.OCTETS, total, is_total=True),)
    return msgspec.structs.replace(rg(group, more), used=used)


def calling(world: World, *totals: int, ends: int) -> str:
    """A call told by totals, with its time passing, and its end in one line."""
    world.take(initial(seconds(0, 10), service="voice"))
    for number, total in enumerate(totals, 1):
        world.now_ns = NOON_NS + total * SECOND_NS
        world.take(update(number, seconds(total, 10)))
    return world.line(terminate("end", seconds(ends)))


def test_a_smaller_total_at_the_end_gives_the_rest_back() -> None:
    world = World(money(100_000))
    assert calling(world, 9, 20, ends=12) == "SUCCESS -=0 | main 88000 | main+8000 refund"
    assert world.cdrs[0].cost_nanos == 12_000
    assert [(total.used, total.cost_nanos) for total in world.cdrs[0].usage] == [(12 * SECOND_NS, 12_000)]


def test_an_update_gives_nothing_back_for_its_counter_may_have_begun_anew() -> None:
    world = World(money(100_000))
    world.take(initial(seconds(0, 10), service="voice"))
    world.take(update(1, seconds(20, 10)))
    assert world.line(update(2, seconds(5, 10))) == f"SUCCESS -={10 * SECOND_NS} | main 80000-10000"
    assert world.line(terminate("end", seconds(6))) == "SUCCESS -=0 | main 94000 | main+14000 refund"


def test_a_repeat_of_the_end_gives_nothing_back_again() -> None:
    world = World(money(100_000))
    calling(world, 20, ends=12)
    assert world.line(terminate("end", seconds(12))) == "SUCCESS -=0 | main 88000"
    assert world.line(terminate("other", seconds(12))) == "SUCCESS -=0 | main 88000"


def test_the_end_after_the_server_closed_the_session_gives_back_once() -> None:
    world = World(money(100_000))
    calling(world, 9, ends=20)
    assert world.line(terminate("bye", seconds(15))) == "SUCCESS -=0 | main 85000 | main+5000 refund"
    assert world.line(terminate("bye", seconds(15))) == "SUCCESS -=0 | main 85000"
    assert sum(cdr.cost_nanos for cdr in world.cdrs) == 15_000
    assert sum(total.used for cdr in world.cdrs for total in cdr.usage) == 15 * SECOND_NS


def test_a_session_that_was_given_back_is_not_given_back_again_by_its_client() -> None:
    world = World(money(100_000))
    calling(world, 9, ends=20)
    books = Books(tuple(world.cdrs), tuple(world.postings))
    act = acts.Act("r", world.now_ns, "ops")
    refunded = rerate(world.account, books, world.tariff, world.policy, act, is_refund=True)
    world.account = refunded.account
    assert world.line(terminate("bye", seconds(15))) == "SUCCESS -=0 | main 100000"


def test_a_total_of_nothing_gives_the_connect_fee_back_too() -> None:
    rule = Rule("call", "voice", Unit.TIME, (Choice(Verdict.RATED, MINUTE, "minute"),))
    world = World(money(1000), tariff=catalogue(rule))
    assert calling(world, 61, ends=0) == "SUCCESS -=0 | main 1000 | main+220 refund"
    assert world.cdrs[0].cost_nanos == 0


@pytest.mark.parametrize(("ends", "back"), [(120, 0), (119, 0), (61, 0), (60, 60), (1, 60)])
def test_a_started_increment_stays_paid_for(ends: int, back: int) -> None:
    rule = Rule("call", "voice", Unit.TIME, (Choice(Verdict.RATED, MINUTE, "minute"),))
    world = World(money(1000), tariff=catalogue(rule))
    calling(world, 30, 61, 90, 121, ends=ends)
    assert world.account.balances[0].posted == 1000 - 100 - 180 + 60 + back


def test_what_was_paid_last_goes_back_first() -> None:
    world = World(money(5000, Balance("bundle", Unit.TIME, 8 * SECOND_NS, priority=5)))
    assert calling(world, 5, 12, ends=10) == "SUCCESS -=0 | bundle 0, main 3000 | main+2000 refund"
    world = World(money(5000, Balance("bundle", Unit.TIME, 8 * SECOND_NS, priority=5)))
    said = calling(world, 5, 12, ends=7)
    assert said == f"SUCCESS -=0 | bundle {SECOND_NS}, main 5000 | main+4000 refund bundle+{SECOND_NS} refund"


def test_a_balance_that_came_meanwhile_and_paid_last_gets_it_back_first() -> None:
    world = World(money(100_000))
    world.take(initial(seconds(0, 10), service="voice"))
    world.take(update(1, seconds(10)))
    topup = acts.TopUp(50_000, balance_id="promo", priority=9, expires_at_ns=NOON_NS + HOUR_NS)
    world.account, _ = acts.top_up(world.account, topup, acts.Act("t", NOON_NS, "test"))
    world.take(update(2, seconds(20)))
    said = world.line(terminate("end", seconds(7)))
    assert said == "SUCCESS -=0 | promo 50000, main 93000 | promo+10000 refund main+3000 refund"


def test_a_bundle_that_came_meanwhile_does_not_pay_for_what_money_has_paid() -> None:
    world = World(money(100_000, Balance("first", Unit.TIME, 5 * SECOND_NS, priority=5)))
    world.take(initial(seconds(0, 10), service="voice"))
    world.take(update(1, seconds(10)))
    topup = acts.TopUp(10 * SECOND_NS, Unit.TIME, balance_id="second", priority=9)
    world.account, _ = acts.top_up(world.account, topup, acts.Act("t", NOON_NS, "test"))
    world.take(update(2, seconds(20)))
    said = entries_text(world.take(terminate("end", seconds(7))).posting)
    assert said == f"second+{10 * SECOND_NS} refund main+3000 refund"


def test_a_balance_that_has_expired_or_was_removed_gets_it_back_all_the_same() -> None:
    promo = Balance("promo", Unit.MONEY, 10_000, priority=9, expires_at_ns=NOON_NS + 15 * SECOND_NS)
    world = World(money(100_000, promo))
    assert (
        calling(world, 10, 20, ends=4)
        == "SUCCESS -=0 | promo 6000, main 100000 | main+10000 refund promo+6000 refund"
    )
    world = World(money(100_000, promo))
    world.take(initial(seconds(0, 10), service="voice"))
    world.take(update(1, seconds(10)))
    world.account = msgspec.structs.replace(world.account, balances=world.account.balances[1:])
    assert (
        world.line(terminate("end", seconds(4)))
        == "SUCCESS -=0 | main 100000, promo 6000 | promo+6000 refund"
    )


def test_what_was_written_off_is_taken_off_the_books_before_any_balance_gets_back() -> None:
    world = World(money(5000), policy(floor_nanos=-1000))
    world.take(initial(seconds(0, 5), service="voice"))
    world.take(update(1, seconds(10, 5)))
    assert [each.kind for each in world.postings[-1].entries][-1] is EntryKind.WRITE_OFF
    said = world.line(terminate("end", seconds(4)))
    assert said == "SUCCESS -=0 | main 1000 | main+4000 write_off main+2000 refund"


def test_every_hour_of_the_day_goes_back_at_its_own_price() -> None:
    """One a ms until 18:00, three from then on: the last five seconds were dear, the five before them were not."""
    world = World(money(100_000), now_ns=NOON_NS + 6 * HOUR_NS - 5 * SECOND_NS)
    began = world.now_ns
    world.take(initial(seconds(0, 10), service="voice"))
    world.now_ns = began + 10 * SECOND_NS
    world.take(update(1, seconds(10)))
    assert world.account.balances[0].posted == 100_000 - 5_000 - 15_000
    assert entries_text(world.take(terminate("end", seconds(7))).posting) == "main+9000 refund"
    assert world.account.balances[0].posted == 100_000 - 5_000 - 6_000


def test_what_was_charged_by_a_former_tariff_goes_back_by_it() -> None:
    world = World(money(10**6))
    world.take(initial(octets(20, 0, 500)))
    world.take(update(1, octets(20, 100, 500)))
    dear = Rule("new", "data", Unit.OCTETS, (Choice(Verdict.RATED, Rate(0, (Slot(0, 7, 1, 1),)), "new"),))
    renewed = catalogue(dear)
    renewed.succeed(world.tariff, NOON_NS + SECOND_NS)
    world.tariff, world.now_ns = renewed, NOON_NS + 2 * SECOND_NS
    world.take(update(2, octets(20, 150, 500)))
    assert entries_text(world.take(terminate(9, octets(20, 60))).posting) == "main+350 refund main+120 refund"


def test_the_rest_of_a_tier_goes_back_by_the_former_tariff() -> None:
    """A fee of 100, 1000 units at 2, 100 at 1: without its first slot the stretch is no straight line."""
    world = World(money(10**6))
    world.take(initial(octets(40, 0, 500)))
    world.take(update(1, octets(40, 1100, 500)))
    dear = Rule("new", "data", Unit.OCTETS, (Choice(Verdict.RATED, Rate(0, (Slot(0, 7, 1, 1),)), "new"),))
    renewed = catalogue(dear)
    renewed.succeed(world.tariff, NOON_NS + SECOND_NS)
    world.tariff, world.now_ns = renewed, NOON_NS + 2 * SECOND_NS
    assert entries_text(world.take(terminate(9, octets(40, 10))).posting) == f"main+{2200 - 120} refund"


def test_a_stretch_whose_tariff_is_gone_is_divided_by_its_units() -> None:
    world = World(money(10**6))
    world.take(initial(octets(20, 0, 500)))
    world.take(update(1, octets(20, 100, 500)))
    dear = Rule("new", "data", Unit.OCTETS, (Choice(Verdict.RATED, Rate(0, (Slot(0, 7, 1, 1),)), "new"),))
    world.tariff = catalogue(dear)
    assert entries_text(world.take(terminate(9, octets(20, 33))).posting) == "main+201 refund"
    assert world.cdrs[0].cost_nanos == 99


OWN = Plan(
    "own", (PlanVersion((Rule("own", "voice", Unit.TIME, (Choice(Verdict.RATED, MINUTE, "minute"),)),)),)
)
WITH_OWN = Catalogue(
    Tariff(
        "EUR",
        (Plan("standard", (PlanVersion(RULES),)), OWN),
        {},
        {},
        RATES | {"minute": MINUTE},
        windows={"evening": EVENING},
    )
)
TERMS = (
    Terms(subject="*zero7s"),
    Terms(subject="own"),
    Terms(factors=(Factor("voice", 3, 2),)),
    Terms(timings=("evening",)),
    Terms(timings=("!evening",), is_blocker=True),
)


def ended(start: Account, totals: list[int], ends: int, began_ns: int, kind: RequestType) -> World:
    """A whole call; balances come to what they would have been told otherwise."""
    world = World(start, now_ns=began_ns, tariff=WITH_OWN)
    begin = initial(seconds(0, 10), service="voice", request_type=kind)
    world.take(begin)
    for number, total in enumerate(totals, 1):
        world.now_ns = began_ns + total * SECOND_NS
        world.take(update(number, seconds(total, 10)))
    world.now_ns = began_ns + max([*totals, ends]) * SECOND_NS
    world.take(terminate("end", msgspec.structs.replace(seconds(ends))))
    return world


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True).map(sorted),
    st.integers(0, 300),
    st.lists(
        st.tuples(
            st.sampled_from([Unit.MONEY, Unit.TIME]), st.integers(0, 90), st.sampled_from([None, *TERMS])
        ),
        max_size=3,
    ),
    st.sampled_from([NOON_NS, NOON_NS + 6 * HOUR_NS - 100 * SECOND_NS]),
    st.sampled_from(
        [RequestType.PREPAID, RequestType.POSTPAID, RequestType.RATED, RequestType.PSEUDOPREPAID]
    ),
)
def test_a_call_corrected_at_its_end_leaves_the_books_of_one_that_never_was_longer(
    totals: list[int],
    ends: int,
    extra: list[tuple[Unit, int, Terms | None]],
    began_ns: int,
    kind: RequestType,
) -> None:
    balances = [
        Balance(
            f"b{place}",
            unit,
            value * (1_000 if unit is Unit.MONEY else SECOND_NS),
            priority=9 - place,
            terms=terms,
        )
        for place, (unit, value, terms) in enumerate(extra)
    ]
    start = account(*balances, Balance("main", Unit.MONEY, 200_000), credit_limit_nanos=None)
    corrected = ended(start, totals, ends, began_ns, kind)
    assume(corrected.cdrs)  # else nothing was granted, and there was no call
    at_once = ended(start, [total for total in totals if total <= ends], ends, began_ns, kind)
    assert {each.id: each.posted for each in corrected.account.balances} == {
        each.id: each.posted for each in at_once.account.balances
    }
    assert corrected.cdrs[0].cost_nanos == at_once.cdrs[0].cost_nanos
    assert [each.used for each in corrected.cdrs[0].usage] == [each.used for each in at_once.cdrs[0].usage]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([(10, 1, 1), (20, 3, 1), (80, 1, 3)]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 500)), min_size=1, max_size=8),
    st.integers(0, 3000),
)
def test_whatever_was_topped_up_meanwhile_the_first_payers_pay_for_the_total(
    priced: tuple[int, int, int], steps: list[tuple[int, int]], ends: int
) -> None:
    """Told by the entries alone: their amounts in order, cut where the price of the total is reached."""
    group, nanos, per = priced
    world = World(money(0, credit_limit_nanos=None))
    world.take(initial(octets(group, 0, 10)))
    total = 0
    for number, (more, topped) in enumerate(steps, 1):
        if topped:
            topup = acts.TopUp(topped, balance_id=f"p{number}", priority=number)
            world.account, _ = acts.top_up(world.account, topup, acts.Act(f"t{number}", NOON_NS, "test"))
        total += more
        world.take(update(number, octets(group, total, 10)))
    before = {each.id: each.posted for each in world.account.balances}
    paid = [(each.balance_id, -each.amount) for posting in world.postings for each in posting.entries]
    world.take(terminate("end", octets(group, ends)))
    if ends >= total:
        return
    left = ceil(Fraction(ends * nanos, per))
    for balance_id, amount in paid:
        keeps = min(amount, left)
        left -= keeps
        before[balance_id] += amount - keeps
    assert {each.id: each.posted for each in world.account.balances} == before
    assert world.cdrs[0].cost_nanos == ceil(Fraction(ends * nanos, per))


def test_a_long_session_keeps_a_bounded_number_of_stretches() -> None:
    world = World(money(10**6, *(Balance(f"b{n}", Unit.MONEY, 7, priority=n) for n in range(200))))
    world.take(initial(octets(10, 0, 10)))
    for number in range(1, 201):
        world.take(update(number, octets(10, number * 7, 10)))
        [quota] = world.account.sessions[0].quotas
        assert len(quota.stretches) <= 32
    world.take(terminate("end", octets(10, 10)))
    assert world.cdrs[0].cost_nanos == 10
    assert sum(each.posted for each in world.account.balances) == 10**6 + 200 * 7 - 10


def test_a_session_that_tells_what_was_used_since_keeps_none() -> None:
    world = World(money(10**6))
    world.take(initial(rg(10, 10)))
    world.take(update(1, rg(10, 10, 10)))
    assert world.account.sessions[0].quotas[0].stretches == ()


def test_an_event_of_another_kind_is_not_touched() -> None:
    event: ChargingEvent = terminate("end", rg(10, used=4))
    world = World(money(100))
    world.take(initial(rg(10, 10)))
    assert world.line(event) == "SUCCESS 10=0 | main 96 | main-4"


def nothing_of_it_is_kept(patch: pytest.MonkeyPatch) -> None:
    shorten = correction._shorten

    def shortened(*arguments: Any) -> dict[Unit, int]:
        shorten(*arguments)
        return {}

    patch.setattr(correction, "_shorten", shortened)


def one_payer_is_remembered(patch: pytest.MonkeyPatch) -> None:
    def first(quota: Any, stretch: Any, payments: Any, since_ns: int) -> None:
        totals.note(quota, stretch, payments[:1], since_ns)

    patch.setattr(turn, "note", first)


def the_first_payer_gets_back_first(patch: pytest.MonkeyPatch) -> None:
    refund = correction._refund

    def reversed_order(at: Any, part: Any, paid: Any, *arguments: Any) -> None:
        refund(at, part, tuple(reversed(paid)), *arguments)

    patch.setattr(correction, "_refund", reversed_order)


def stretches_of_different_payers_are_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(totals, "_continues", lambda *arguments: True)


def the_tariff_of_now_prices_what_was_charged_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(correction, "catalogue_of", lambda stretch, catalogue: catalogue)


@pytest.mark.parametrize(
    ("plant", "claim"),
    [
        (nothing_of_it_is_kept, test_a_smaller_total_at_the_end_gives_the_rest_back),
        (one_payer_is_remembered, test_what_was_paid_last_goes_back_first),
        (the_first_payer_gets_back_first, test_what_was_paid_last_goes_back_first),
        (
            stretches_of_different_payers_are_one,
            test_a_bundle_that_came_meanwhile_does_not_pay_for_what_money_has_paid,
        ),
        (
            the_tariff_of_now_prices_what_was_charged_before,
            test_the_rest_of_a_tier_goes_back_by_the_former_tariff,
        ),
    ],
    ids=lambda each: each.__name__,
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], claim: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        claim()
