"""Claims of the engine about time, prices that change, expiry and standing."""

import msgspec
import pytest

from ocs.charging.account import Balance, Session
from ocs.charging.entry import EntryKind
from ocs.charging.events import (
    ChargingContext,
    Grant,
    Identity,
    IdentityKind,
    ReportingReason,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.quota import ChargingPolicy, QuotaMatch, QuotaRule, Supervision
from ocs.charging.session import find
from tests.support.charging import (
    ABROAD,
    CLIENT,
    HOUR_NS,
    NOON_NS,
    SECOND_NS,
    World,
    around,
    initial,
    money,
    policy,
    rg,
    terminate,
    update,
)

EVENING_NS = NOON_NS + 6 * HOUR_NS
MINUTE_NS = 60 * SECOND_NS


def session_of(world: World, session_id: str = "s1") -> Session:
    session = find(world.account.sessions, CLIENT, session_id)
    assert session is not None
    return session


def first_grant(world: World, *reports: UsageReport, **more: object) -> Grant:
    return world.take(initial(*reports, **more)).answer.grants[0]


# --- tariff change (TS 32.299 6.5.7, RFC 8506 5.3)


def test_a_change_of_price_cuts_the_validity_for_clients_that_do_not_know_it() -> None:
    world = World(money(10_000), now_ns=EVENING_NS - 600 * SECOND_NS)
    grant = first_grant(world, rg(60, 100))
    assert grant.tariff_change_at_ns is None
    assert grant.validity_ns is not None
    assert 600 * SECOND_NS <= grant.validity_ns < 660 * SECOND_NS


def test_a_change_of_price_is_told_to_clients_that_know_it() -> None:
    world = World(money(10_000), now_ns=EVENING_NS - 600 * SECOND_NS)
    grant = first_grant(world, rg(60, 100), knows_tariff_change=True)
    assert (grant.validity_ns, grant.tariff_change_at_ns) == (HOUR_NS, EVENING_NS)


@pytest.mark.parametrize(("rating_group", "held"), [(60, 300), (61, 300), (10, 100)])
def test_volume_around_a_change_is_held_at_the_dearer_price(rating_group: int, held: int) -> None:
    world = World(money(10_000), now_ns=EVENING_NS - 600 * SECOND_NS)
    assert first_grant(world, rg(rating_group, 100), knows_tariff_change=True).amount == 100
    assert world.account.balances[0].reserved == held


def test_volume_around_a_change_is_granted_as_far_as_the_dearer_price_can_be_paid() -> None:
    world = World(money(150), now_ns=EVENING_NS - 600 * SECOND_NS)
    assert first_grant(world, rg(60, 100), knows_tariff_change=True).amount == 50


def test_a_change_after_the_validity_holds_nothing_more() -> None:
    world = World(money(10_000), now_ns=EVENING_NS - 2 * HOUR_NS)
    grant = first_grant(world, rg(60, 100), knows_tariff_change=True)
    assert (grant.tariff_change_at_ns, world.account.balances[0].reserved) == (None, 100)


@pytest.mark.parametrize(
    ("usage", "entries"),
    [
        (around(40, 50), [-40, -150]),
        (around(0, 0, 10), [-10]),
        ((UsedUnits(Unit.OCTETS, 10),), [-30]),
        ((UsedUnits(Unit.OCTETS, 10, at_ns=EVENING_NS - 1),), [-10]),
        (
            around(10, 10)[::-1],
            [-30, -10],
        ),
    ],
)
def test_usage_around_a_change_is_priced_where_it_lies(
    usage: tuple[UsedUnits, ...], entries: list[int]
) -> None:
    world = World(money(10_000), now_ns=EVENING_NS - 600 * SECOND_NS)
    world.take(initial(rg(60, 100), knows_tariff_change=True))
    world.now_ns = EVENING_NS + 600 * SECOND_NS
    posting = world.take(update(1, rg(60, 100, usage))).posting
    assert posting is not None
    assert [entry.amount for entry in posting.entries] == entries


def test_the_time_of_the_event_decides_the_price_of_one_amount() -> None:
    world = World(money(10_000), now_ns=EVENING_NS - 600 * SECOND_NS)
    world.take(initial(rg(60, 100)))
    world.now_ns = EVENING_NS + 600 * SECOND_NS
    world.take(update(1, rg(60, 100, 10), occurred_at_ns=EVENING_NS - SECOND_NS))
    assert world.postings[-1].entries[0].amount == -10


# --- time


def call(want_s: int | None, used_s: int | None = None) -> UsageReport:
    return rg(
        None,
        None if want_s is None else want_s * SECOND_NS,
        None if used_s is None else used_s * SECOND_NS,
        unit=Unit.TIME,
    )


def test_time_is_split_by_the_clock_and_no_change_is_told() -> None:
    world = World(money(10_000_000), now_ns=EVENING_NS - 60 * SECOND_NS)
    decision = world.take(initial(call(120), service="voice", knows_tariff_change=True))
    assert decision.answer.grants[0].tariff_change_at_ns is None
    assert world.account.balances[0].reserved == 60_000 + 3 * 60_000
    world.now_ns += 120 * SECOND_NS
    world.take(terminate(1, call(None, 120), service="voice"))
    assert [entry.amount for entry in world.postings[-1].entries] == [-60_000, -180_000]


def test_time_of_two_reports_goes_on_where_the_first_ended() -> None:
    world = World(money(10_000_000), now_ns=EVENING_NS - 60 * SECOND_NS)
    world.take(initial(call(300), service="voice"))
    for number in (1, 2):
        world.now_ns += 60 * SECOND_NS
        world.take(update(number, call(300, 60), service="voice"))
    assert [entry.amount for posting in world.postings for entry in posting.entries] == [-60_000, -180_000]


def test_a_time_of_day_in_the_place_of_a_duration_is_no_usage() -> None:
    world = World(money(10_000_000))
    world.take(initial(call(60), service="voice"))
    world.now_ns += 60 * SECOND_NS
    world.take(terminate(1, call(None, 1_795_454_240), service="voice"))
    assert world.line(initial(service="voice", number=5)) == "SUCCESS | main 10000000"


def test_volume_that_no_session_can_have_is_not_rated() -> None:
    world = World(money(10_000))
    world.take(initial(rg(50, 100)))
    assert world.line(update(1, rg(50, used=1 << 63))) == "SUCCESS 50=RATING_FAILED | main 10000"


def test_two_units_in_one_report_are_charged_by_the_one_that_is_rated_whatever_their_order() -> None:
    both = (UsedUnits(Unit.TIME, SECOND_NS), UsedUnits(Unit.OCTETS, 70))
    lines = []
    for usage in (both, both[::-1]):
        world = World(money(1000))
        world.take(initial())
        lines.append(world.line(update(1, rg(10, used=usage))))
    assert lines == ["SUCCESS 10=0 | main 930 | main-70"] * 2


# --- conditions


def test_usage_is_rated_as_it_was_and_the_grant_as_it_is_now() -> None:
    world = World(money(10_000))
    world.take(initial(rg(10, 100), context=ChargingContext(plmn="00101", apn="internet")))
    line = world.line(
        update(1, rg(10, 100, 100, reason=ReportingReason.RATING_CONDITION_CHANGE), context=ABROAD)
    )
    assert line == "SUCCESS 10=100 | main 9900-300 | main-100"
    assert world.line(update(2, rg(10, used=100))) == "SUCCESS 10=0 | main 9600 | main-300"
    assert session_of(world).context == ChargingContext(plmn="26201", apn="internet")


def test_an_open_session_keeps_its_plan_and_needs_no_identities() -> None:
    world = World(money(1000))
    world.take(initial(rg(10, 100)))
    world.account = msgspec.structs.replace(world.account, plan="gone")
    assert (
        world.line(update(1, rg(10, 100, 100), identities=())) == "SUCCESS 10=100 | main 900-100 | main-100"
    )


def test_an_open_session_of_somebody_else_is_not_taken_over() -> None:
    world = World(money(1000))
    world.take(initial(rg(10, 100)))
    other = (Identity(IdentityKind.IMSI, "001010000000002"),)
    for number in (0, 5):
        answer = world.take(initial(rg(10, 100), number=number, identities=other)).answer
        assert answer.result is Result.CONTRADICTION
    assert world.account.balances[0].reserved == 100


# --- standing and debts


def test_who_is_barred_gets_no_session() -> None:
    world = World(money(1000))
    world.bar()
    assert world.line(initial(rg(10, 100))) == "DENIED | main 1000"


def test_barring_ends_a_session_at_its_next_report_and_debits_it() -> None:
    world = World(money(1000))
    world.take(initial(rg(10, 100)))
    world.bar()
    assert world.line(update(1, rg(10, 100, 70))) == "DENIED 10=0 | main 930 | main-70"
    assert world.line(terminate(2, rg(10, used=5))) == "SUCCESS 10=0 | main 925 | main-5"
    assert world.account.sessions == ()


def test_a_floor_stops_the_debt_and_writes_off_the_rest() -> None:
    world = World(money(100), policy(floor_nanos=-50))
    world.take(initial(rg(10, 100)))
    line = world.line(update(1, rg(10, 100, 400)))
    assert line == "SUCCESS 10=NO_CREDIT | main -50 | main-100 main-50 main-250 write_off"
    assert world.line(update(2, rg(10, used=10))) == "SUCCESS 10=0 | main -50 | main-10 write_off"
    assert session_of(world).cost_nanos == 410


def test_low_balance_and_cost_are_told() -> None:
    world = World(money(1000, low_balance_nanos=900))
    answer = world.take(initial(rg(10, 50))).answer
    assert (answer.cost_nanos, answer.remaining_nanos, answer.is_low_balance) == (0, 950, False)
    answer = world.take(update(1, rg(10, 50, 60))).answer
    assert (answer.cost_nanos, answer.remaining_nanos, answer.is_low_balance) == (60, 890, True)
    assert world.take(terminate(2, rg(10, used=10))).answer.cost_nanos == 70


# --- expiry of balances


def test_what_is_held_outlives_the_expiry_and_no_more() -> None:
    promo = Balance("promo", Unit.OCTETS, 1000, priority=5, expires_at_ns=NOON_NS + MINUTE_NS)
    world = World(money(1000, promo))
    assert world.line(initial(rg(10, 300))) == "SUCCESS 10=300 | promo 1000-300, main 1000"
    world.now_ns += 2 * MINUTE_NS
    line = world.line(update(1, rg(10, 100, 400)))
    assert line == "SUCCESS 10=100 | promo 700, main 900-100 | promo-300 main-100"


def test_a_promise_is_kept_over_two_amounts_of_one_report() -> None:
    promo = Balance("promo", Unit.OCTETS, 1000, priority=5, expires_at_ns=NOON_NS + MINUTE_NS)
    world = World(money(1000, promo))
    world.take(initial(rg(10, 300)))
    world.now_ns += 2 * MINUTE_NS
    line = world.line(update(1, rg(10, used=around(200, 200))))
    assert line == "SUCCESS 10=0 | promo 700, main 900 | promo-200 promo-100 main-100"


def test_a_debt_never_lies_on_an_expired_balance() -> None:
    promo = Balance("promo", Unit.MONEY, 100, priority=5, expires_at_ns=NOON_NS + MINUTE_NS)
    world = World(msgspec.structs.replace(money(0), balances=(promo,)))
    world.take(initial(rg(10, 100)))
    world.now_ns += 2 * MINUTE_NS
    assert (
        world.line(terminate(1, rg(10, used=150))) == "SUCCESS 10=0 | promo 0, main -50 | promo-100 main-50"
    )


def test_expired_credit_is_not_granted() -> None:
    promo = Balance("promo", Unit.OCTETS, 1000, expires_at_ns=NOON_NS)
    assert World(money(0, promo)).line(initial(rg(10, 5))) == "NO_CREDIT 10=NO_CREDIT | promo 1000, main 0"


def test_a_restricted_balance_pays_only_its_own() -> None:
    video = Balance("video", Unit.MONEY, 100, priority=5, rating_groups=(11,))
    other = Balance("calls", Unit.MONEY, 100, priority=5, services=("voice",))
    line = World(money(10, video, other)).line(initial(rg(10, 50), rg(11, 50)))
    assert line == "SUCCESS 10=10!TERMINATE 11=50 | video 100-50, calls 100, main 10-10"


# --- final units


def test_a_session_in_its_final_action_is_still_waiting_for_credit() -> None:
    world = World(money(100))
    world.take(initial(rg(10, 500)))
    answer = world.take(update(1, rg(10, used=100))).answer
    assert (answer.grants[0].unit, answer.grants[0].validity_ns) == (None, HOUR_NS)
    assert session_of(world).quotas[0].is_final


def test_a_rating_group_that_ended_waits_for_nothing() -> None:
    world = World(money(100))
    world.take(initial(rg(10, 500)))
    world.take(update(1, rg(10, used=100, reason=ReportingReason.FINAL)))
    assert not session_of(world).quotas[0].is_final


def test_the_last_slice_has_no_threshold() -> None:
    rule = QuotaRule(threshold={Unit.OCTETS: 20}, holding_time_ns=7 * SECOND_NS, triggers=(1, 2))
    grant = first_grant(World(money(100), policy(rule)), rg(10, 90))
    assert (grant.threshold, grant.holding_time_ns, grant.triggers) == (20, 7 * SECOND_NS, (1, 2))
    assert first_grant(World(money(100), policy(rule)), rg(10, 500)).threshold is None
    assert first_grant(World(money(100), policy(rule)), rg(10, 20)).threshold is None


# --- the life of a session


def test_a_late_report_is_taken_in_the_grace_only() -> None:
    world = World(money(1000))
    world.take(initial(rg(10, 100)))
    world.take(terminate(5))
    world.now_ns += world.policy.closed_grace_ns
    assert world.line(update(1, rg(10, used=10))) == "SUCCESS 10=0 | main 990 | main-10"
    world.now_ns += SECOND_NS
    assert world.line(update(2, rg(10, used=10))) == "UNKNOWN_SESSION | main 990"


def test_records_of_a_session_add_up_to_its_cost() -> None:
    world = World(money(1000))
    world.take(initial(rg(10, 100)))
    world.take(update(1, rg(10, 100, 70)))
    world.take(terminate(9, rg(10, used=20)))
    world.take(update(2, rg(10, used=5)))
    world.take(update(2, rg(10, used=5)))
    assert [(cdr.cause, cdr.cost_nanos, cdr.usage[0].used) for cdr in world.cdrs] == [
        ("terminated", 90, 90),
        ("late report", 5, 5),
    ]


def test_a_refused_session_with_usage_has_its_record() -> None:
    world = World(money(0))
    world.take(initial(rg(10, 10, 30)))
    assert [(cdr.cause, cdr.cost_nanos) for cdr in world.cdrs] == [("refused", 30)]


def test_a_silent_session_lives_as_long_as_its_slowest_quota() -> None:
    matches = (
        QuotaMatch(QuotaRule(validity_ns=HOUR_NS), rating_groups=((10, 10),)),
        QuotaMatch(QuotaRule(validity_ns=MINUTE_NS)),
    )
    world = World(money(1000), ChargingPolicy(matches, Supervision(2, 0)))
    world.take(initial(rg(10, 100), rg(11, 100)))
    assert session_of(world).deadline_ns == NOON_NS + 2 * HOUR_NS
    world.now_ns += MINUTE_NS
    world.take(update(1, rg(11, 100, 10)))
    assert session_of(world).deadline_ns == NOON_NS + 2 * HOUR_NS, (
        "rating group 10 may stay silent for an hour"
    )
    world.take(update(2, rg(10, used=1, reason=ReportingReason.FINAL), rg(11, 100, 10)))
    world.take(update(3, rg(11, 100, 10)))
    assert session_of(world).deadline_ns == world.now_ns + 2 * MINUTE_NS


def test_a_clock_set_back_charges_no_time_twice() -> None:
    world = World(money(10_000_000))
    world.take(initial(call(300), service="voice"))
    for number, step_s in ((1, 60), (2, -3600), (3, 60)):
        world.now_ns += step_s * SECOND_NS
        world.take(update(number, call(300, 60), service="voice"))
    assert sum(entry.amount for posting in world.postings for entry in posting.entries) == -180_000
    assert all(entry.kind is EntryKind.DEBIT for posting in world.postings for entry in posting.entries)
