"""Sets of actions: what each does, entries with who and why, and nothing where one fails."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ocs.charging.account import Account, Balance, Extras, Mark, Standing, Terms, Watched
from ocs.charging.actions.model import Action, ActionSet, Do, Move, Share
from ocs.charging.actions.moments import check_end, ends_ns
from ocs.charging.actions.work import Bench, accounts_of
from ocs.charging.acts import Act, ActError
from ocs.charging.entry import EntryKind
from ocs.charging.events import Unit
from ocs.charging.tariff.quantities import moment_ns

ZONE = ZoneInfo("Europe/Berlin")
NOW_NS = moment_ns("2026-01-31T10:00:00", ZONE)
ACT = Act("run-1", NOW_NS, "plan monthly", "bundle")


def bench(*balances: Balance, **fields: Any) -> Bench:
    """An account `t:a` with balances, and an empty one `t:b`."""
    one = Account("t:a", "standard", balances, version=7, **fields)
    return Bench({"t:a": one, "t:b": Account("t:b", "standard", version=3)}, "Europe/Berlin")


def run(work: Bench, *actions: Action) -> Bench:
    """Does actions on `t:a`."""
    work.run("t:a", ActionSet("set", actions), ACT)
    return work


def held(work: Bench, key: str = "t:a") -> dict[str, int]:
    """Balances by id."""
    return {balance.id: balance.posted for balance in work.accounts[key].balances}


def money(posted: int, name: str = "main", reserved: int = 0) -> Balance:
    return Balance(name, Unit.MONEY, posted, reserved)


def test_a_top_up_makes_its_balance_and_tells_who_and_why() -> None:
    action = Action(
        Do.TOP_UP,
        "data",
        Unit.OCTETS,
        10,
        priority=5,
        expires="month_end",
        services=("data",),
        terms=Terms(is_blocker=True),
    )
    work = run(bench(), action)
    [balance] = work.accounts["t:a"].balances
    ends = moment_ns("2026-02-01T00:00:00", ZONE)
    assert balance == Balance("data", Unit.OCTETS, 10, 0, 5, ends, ("data",), (), Terms(is_blocker=True))
    [posting] = work.postings
    assert (posting.event_id, posting.by, posting.reason) == ("run-1", "plan monthly", "bundle")
    assert [(entry.kind, entry.amount) for entry in posting.entries] == [(EntryKind.TOPUP, 10)]
    assert {key: account.version for key, account in work.changed().items()} == {"t:a": 8}


def test_a_reset_leaves_what_sessions_hold() -> None:
    work = run(bench(money(9, reserved=4)), Action(Do.TOP_UP, amount=20, resets=True))
    assert held(work) == {"main": 24}
    assert [entry.amount for entry in work.postings[0].entries] == [-5, 20]


@pytest.mark.parametrize(("posted", "left"), [(-3, 10), (3, 13)])
def test_only_a_debt_is_reset_where_that_is_asked(posted: int, left: int) -> None:
    assert held(run(bench(money(posted)), Action(Do.TOP_UP, amount=10, resets_debt=True))) == {"main": left}


def test_a_debit_needs_what_it_takes_and_the_set_is_undone_as_a_whole() -> None:
    work = bench(money(9, reserved=5))
    with pytest.raises(ActError, match=r"set: balance main has 0\.000000004, not 0\.000000005"):
        run(work, Action(Do.TOP_UP, "gift", amount=1), Action(Do.DEBIT, amount=5))
    assert (work.changed(), work.postings) == ({}, [])
    assert held(run(work, Action(Do.DEBIT, amount=5, overdraws=True))) == {"main": 4}


@pytest.mark.parametrize(("limit", "amount", "fits"), [(6, 10, True), (6, 11, False), (None, 99, True)])
def test_the_main_balance_may_go_to_the_credit_limit(limit: int | None, amount: int, fits: bool) -> None:
    work = bench(money(4), credit_limit_nanos=limit)
    if fits:
        assert held(run(work, Action(Do.DEBIT, amount=amount))) == {"main": 4 - amount}
    else:
        with pytest.raises(ActError, match=r"main has 0\.000000004"):
            run(work, Action(Do.DEBIT, amount=amount))


def test_a_balance_is_set_and_reshaped() -> None:
    work = run(bench(money(9)), Action(Do.SET, amount=2, priority=3, expires="+1d"))
    [balance] = work.accounts["t:a"].balances
    assert (balance.posted, balance.priority, balance.expires_at_ns) == (2, 3, NOW_NS + 86_400 * 10**9)
    assert [(entry.kind, entry.amount) for entry in work.postings[0].entries] == [(EntryKind.ADJUSTMENT, -7)]


def test_a_removed_balance_keeps_what_is_held() -> None:
    assert held(run(bench(money(9), money(3, "gift")), Action(Do.REMOVE, "gift"))) == {"main": 9}
    assert held(run(bench(money(9, reserved=4)), Action(Do.REMOVE))) == {"main": 4}
    with pytest.raises(ActError, match="no balance gift"):
        run(bench(), Action(Do.REMOVE, "gift"))


def test_a_transfer_is_two_entries_of_one_run() -> None:
    action = Action(Do.TRANSFER, amount=4, to_account="b", to_balance="gift")
    work = run(bench(money(9)), action)
    assert (held(work), held(work, "t:b")) == ({"main": 5}, {"gift": 4})
    entries = [entry for posting in work.postings for entry in posting.entries]
    assert [(entry.kind, entry.amount) for entry in entries] == [
        (EntryKind.TRANSFER, -4),
        (EntryKind.TRANSFER, 4),
    ]
    assert {key: account.version for key, account in work.changed().items()} == {"t:a": 8, "t:b": 4}
    assert accounts_of(ActionSet("s", (action,)), "t:a") == {"t:b"}


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Action(Do.TRANSFER, amount=4, to_account="t:none"), "no account t:none"),
        (Action(Do.TRANSFER, amount=40, to_account="t:b"), "main has 0.000000009"),
        (Action(Do.TOP_UP, unit=Unit.OCTETS, amount=1), "main holds money"),
        (Action(Do.TOP_UP, "gift", Unit.OCTETS, 1), "gift holds MONEY"),
        (Action(Do.TOP_UP, amount=1 << 63), "at most"),
        (Action(Do.SET_EXPIRY, "none", expires="+1d"), "no balance none"),
    ],
)
def test_what_cannot_be_done_says_why(action: Action, message: str) -> None:
    with pytest.raises(ActError, match=message):
        run(bench(money(9), money(1, "gift")), action)


def test_ended_balances_are_taken_off() -> None:
    ended = Balance("old", Unit.MONEY, 5, 2, 0, NOW_NS)
    work = run(bench(ended, money(1)), Action(Do.EXPIRE))
    assert held(work) == {"old": 2, "main": 1}
    assert work.postings[0].entries[0].kind is EntryKind.EXPIRY


def test_money_is_collected_and_balances_emptied() -> None:
    ended = Balance("old", Unit.MONEY, 5, 0, 0, NOW_NS)
    gifts = (money(3, "x"), money(4, "y", reserved=1), ended, Balance("data", Unit.OCTETS, 8))
    assert held(run(bench(*gifts), Action(Do.COLLECT))) == {"x": 0, "y": 1, "old": 5, "data": 8, "main": 6}
    assert held(run(bench(*gifts), Action(Do.EMPTY))) == {"x": 0, "y": 1, "old": 0, "data": 0}


def test_standing_limit_notices_and_marks() -> None:
    extras = Extras(watched=(Watched("g", (Mark("low", True, 5, 7),)),))
    work = run(
        bench(extras=extras),
        Action(Do.BAR),
        Action(Do.CREDIT_LIMIT, credit_limit_nanos=None),
        Action(Do.NOTIFY, text="hello"),
        Action(Do.RESET_TRIGGERS),
        Action(Do.RESET_COUNTERS, text="other"),
    )
    account = work.accounts["t:a"]
    assert (account.standing, account.credit_limit_nanos) == (Standing.BARRED, None)
    assert [(notice.text, notice.by) for notice in work.notices] == [("hello", "plan monthly")]
    assert account.extras == Extras(watched=(Watched("g", (Mark("low", False, 5, 7),)),))
    assert run(work, Action(Do.UNBAR)).accounts["t:a"].standing is Standing.ACTIVE


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("", None),
        ("2999-01-01", None),
        ("+99999d", None),
        ("*unlimited", None),
        ("+36h", "2026-02-01T22:00:00"),
        ("*daily", "2026-02-01T10:00:00"),
        ("*monthly", "2026-02-28T10:00:00"),
        ("yearly", "2027-01-31T10:00:00"),
        ("month_end", "2026-02-01T00:00:00"),
        ("year_end", "2027-01-01T00:00:00"),
        ("2026-07-01", "2026-07-01T00:00:00"),
        ("2026-07-01T00:00:00Z", "2026-07-01T02:00:00"),
    ],
)
def test_ends_are_read_on_the_clock_of_the_zone(word: str, end: str | None) -> None:
    assert ends_ns(word, NOW_NS, ZONE) == (None if end is None else moment_ns(end, ZONE))


def test_a_leap_day_ends_a_year_later() -> None:
    leap = moment_ns("2028-02-29T10:00:00", ZONE)
    assert ends_ns("yearly", leap, ZONE) == moment_ns("2029-02-28T10:00:00", ZONE)


def test_an_end_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="soon"):
        check_end("soon")


@pytest.mark.parametrize(
    ("share", "part"),
    [
        (Share("month", "day"), 20),
        (Share("year", "month"), 52),
        (Share("year", "year"), 620),
        (Share("week", "hour"), 3),
    ],
)
def test_an_amount_may_be_a_part_of_one(share: Share, part: int) -> None:
    """January has 31 days, 2026 has 365."""
    assert held(run(bench(), Action(Do.TOP_UP, amount=620, share=share))) == {"main": part}


@pytest.mark.parametrize(
    ("filters", "is_done"),
    [
        (("*string:~*req.ID:t:a",), True),
        (("*string:~*req.ID:t:b",), False),
        (("*lt:~*req.BalanceMap.*monetary[0].Value:5",), True),
        (("*gte:~*req.BalanceMap.*monetary[0].Value:5",), False),
        (("*lt:~*req.BalanceMap.*monetary[0].Value:5", "*string:~*req.Disabled:true"), False),
        (("*string:~*req.BalanceMap.*data[0].ID:data", "*gt:~*req.BalanceMap.*data[0].Value:7"), True),
        (("*notexists:~*req.BalanceMap.*voice[0].ID:",), True),
    ],
)
def test_an_action_whose_filters_do_not_hold_is_passed_over(filters: tuple[str, ...], is_done: bool) -> None:
    work = bench(money(6 * 10**9, reserved=2 * 10**9), Balance("data", Unit.OCTETS, 8))
    run(work, Action(Do.TOP_UP, "gift", amount=1, filters=filters), Action(Do.TOP_UP, "other", amount=1))
    assert ("gift" in held(work), "other" in held(work)) == (is_done, True)


def test_records_are_of_all_moves_of_their_set_that_were_done() -> None:
    work = run(
        bench(money(100)),
        Action(Do.RECORD, fields=(("Category", "fee"),)),
        Action(Do.TOP_UP, amount=7, filters=("*string:~*req.ID:t:nobody",)),
        Action(Do.BAR),
        Action(
            Do.TOP_UP, "sms", Unit.EVENTS, 31, resets=True, services=("sms",), share=Share("month", "day")
        ),
        Action(Do.DEBIT, amount=40),
    )
    [notice] = work.notices
    assert (notice.do, notice.fields) == (Do.RECORD, (("Category", "fee"),))
    assert notice.moves == (
        Move(Do.TOP_UP, Unit.EVENTS, "sms", 1, resets=True, services=("sms",)),
        Move(Do.DEBIT, Unit.MONEY, "main", 40),
    )


def test_a_set_that_fails_makes_no_records() -> None:
    work = bench(money(1))
    with pytest.raises(ActError):
        run(work, Action(Do.RECORD), Action(Do.DEBIT, amount=2))
    assert work.notices == []
