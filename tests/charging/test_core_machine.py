"""A machine that does anything to accounts, in any order, while the books stay right."""

from fractions import Fraction
from math import ceil

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocs.charging import acts
from ocs.charging.account import Account, Balance, Session
from ocs.charging.endings import close
from ocs.charging.entry import EntryKind, Posting
from ocs.charging.events import Action, ChargingEvent, Result, Unit
from ocs.charging.ledger import check
from tests.support.charging import (
    CLIENT,
    HOUR_NS,
    NOON_NS,
    SECOND_NS,
    World,
    answer_text,
    books_text,
    initial,
    money,
    once,
    rg,
    terminate,
    update,
)

GROUPS = st.sampled_from([10, 11, 20, 30, 40, 50, 51, 60, 61, 70, 80, 99])
STEADY = {10: (1, 1), 11: (1, 1), 20: (3, 1), 30: (1, 1000), 80: (1, 3)}  # nanos a unit, or for so many
SESSIONS = st.sampled_from(["s1", "s2", "s3"])
AMOUNTS = st.integers(0, 3000)
REPORT = st.builds(rg, GROUPS, st.none() | AMOUNTS, st.none() | AMOUNTS)
REPORTS = st.lists(REPORT, max_size=4, unique_by=lambda report: report.rating_group).map(tuple)
DEBTS = (EntryKind.DEBIT, EntryKind.WRITE_OFF)


class Charging(RuleBasedStateMachine):
    """One account with money, a bundle and whatever is topped up; three sessions at a time."""

    @initialize(
        nanos=st.integers(0, 20_000),
        limit=st.sampled_from([0, 0, 500, None]),
        bundle=st.booleans(),
        floor=st.sampled_from([None, -1000]),
    )
    def start(self, nanos: int, limit: int | None, bundle: bool, floor: int | None) -> None:
        more = (Balance("bundle", Unit.OCTETS, 2000, priority=5, rating_groups=(10, 50)),) if bundle else ()
        self.world = World(money(nanos, *more, credit_limit_nanos=limit))
        self.world.policy.floor_nanos = floor
        self.start_balances = {each.id: each.posted for each in self.world.account.balances}
        self.sent: list[tuple[ChargingEvent, str]] = []
        self.debits: list[Posting] = []
        self.refunded: set[str] = set()
        self.number = 0

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _take(self, event: ChargingEvent) -> None:
        before = self.world.account
        decision = self.world.take(event)
        self.sent.append((event, answer_text(decision.answer)))
        if decision.answer.result is not Result.SUCCESS and decision.posting is None:
            assert books_text(before) == books_text(decision.account) or decision.closed_keys

    @rule(session=SESSIONS, reports=REPORTS)
    def open(self, session: str, reports: tuple[object, ...]) -> None:
        self._take(initial(*reports, session=session, number=self._next()))  # type: ignore[arg-type]

    @rule(session=SESSIONS, reports=REPORTS, skipped=st.integers(0, 2))
    def go_on(self, session: str, reports: tuple[object, ...], skipped: int) -> None:
        self.number += skipped
        self._take(update(self._next(), *reports, session=session))  # type: ignore[arg-type]

    @rule(session=SESSIONS, reports=REPORTS)
    def end(self, session: str, reports: tuple[object, ...]) -> None:
        self._take(terminate(self._next(), *reports, session=session))  # type: ignore[arg-type]

    @precondition(lambda self: self.world.account.sessions)
    @rule(reports=REPORTS, back=st.integers(1, 5))
    def report_late(self, reports: tuple[object, ...], back: int) -> None:
        session = self.world.account.sessions[0]
        number = self.number - back
        event = update(number, *reports, session=session.session_id)  # type: ignore[arg-type]
        if any(each.event_id == number and each.session_id == session.session_id for each, _ in self.sent):
            return
        self._take(event)

    @precondition(lambda self: self.sent)
    @rule()
    def repeat(self) -> None:
        """The last event once more: the same answer, and nothing changes."""
        event, answered = self.sent[-1]
        before = self.world.account
        decision = self.world.take(event)
        if decision.is_repeat or answer_text(decision.answer).startswith("UNKNOWN"):
            assert answer_text(decision.answer) == answered
            assert decision.account is before
        else:
            assert not answered.startswith("SUCCESS"), "only a refusal that left no trace is decided again"

    @rule(messages=st.integers(1, 50), called=st.sampled_from(["15551", "4930", "1900555"]))
    def send(self, messages: int, called: str) -> None:
        event = once(
            Action.DIRECT_DEBITING,
            rg(None, messages, unit=Unit.EVENTS, called=called),
            session=f"e{self._next()}",
        )
        decision = self.world.take(event)
        if decision.posting is not None:
            self.debits.append(decision.posting)

    @precondition(lambda self: self.debits)
    @rule()
    def refund(self) -> None:
        posting = self.debits.pop()
        event = once(Action.REFUND_ACCOUNT, session=f"r{self._next()}", refund_token=b"t")
        assert self.world.take(event, posting).answer.result is Result.SUCCESS

    @rule(amount=st.integers(1, 5000), expiring=st.booleans())
    def top_up(self, amount: int, expiring: bool) -> None:
        topup = acts.TopUp(amount)
        if expiring:
            expires_at_ns = self.world.now_ns + HOUR_NS
            topup = acts.TopUp(amount, balance_id="promo", priority=3, expires_at_ns=expires_at_ns)
        self._act(*acts.top_up(self.world.account, topup, self._stamp()))

    @rule()
    def expire(self) -> None:
        self._act(*acts.expire(self.world.account, self._stamp()))

    @precondition(lambda self: self.world.account.sessions)
    @rule()
    def fall_silent(self) -> None:
        session = self.world.account.sessions[0]
        ended = close(self.world.account, session, self.world.policy, self.world.now_ns, "client silent")
        self.world.account = ended.account

    @rule(step_s=st.sampled_from([1, 60, 3700, 20_000, -3600]))
    def let_time_pass(self, step_s: int) -> None:
        self.world.now_ns = max(NOON_NS, self.world.now_ns + step_s * SECOND_NS)

    def _stamp(self) -> acts.Act:
        return acts.Act(f"act {self._next()}", self.world.now_ns, "test")

    def _act(self, account: Account, posting: Posting | None) -> None:
        self.world.account = account
        if posting is not None:
            self.world.postings.append(posting)

    @invariant()
    def books_are_right(self) -> None:
        if not hasattr(self, "world"):
            return
        account = self.world.account
        assert check(account) == []
        sums = dict(self.start_balances)
        for posting in self.world.postings:
            for entry in posting.entries:
                if entry.kind is not EntryKind.WRITE_OFF:
                    sums[entry.balance_id] = sums.get(entry.balance_id, 0) + entry.amount
                    assert entry.after == sums[entry.balance_id]
        assert {each.id: each.posted for each in account.balances} == sums

    @invariant()
    def only_usage_overdraws(self) -> None:
        if not hasattr(self, "world"):
            return
        for balance in self.world.account.balances:
            assert balance.reserved >= 0
            assert balance.unit is Unit.MONEY or balance.posted >= 0
            if balance.posted - balance.reserved < 0:
                lends = self.world.account.credit_limit_nanos != 0
                assert lends or balance.id in ("main", "promo")
            floor = self.world.policy.floor_nanos
            assert floor is None or balance.posted >= floor

    @invariant()
    def sessions_cost_what_their_units_cost(self) -> None:
        if not hasattr(self, "world"):
            return
        for session in (*self.world.account.sessions, *self.world.account.closed):
            assert session.cost_nanos == sum(quota.cost_nanos for quota in session.quotas)
            check_prices(session)


def check_prices(session: Session) -> None:
    """Where one price holds all the time, a quota costs exactly what its rated units cost together."""
    for quota in session.quotas:
        if quota.rating_group == 30:
            assert quota.cost_nanos == ceil(Fraction(quota.rated, 1000)) * 1000
        elif quota.rating_group in STEADY:
            nanos, per = STEADY[quota.rating_group]
            assert quota.cost_nanos == ceil(Fraction(quota.rated * nanos, per))
        assert quota.rated <= quota.used


Charging.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCharging = Charging.TestCase


@settings(max_examples=150, deadline=None)
@given(
    REPORTS.flatmap(lambda reports: st.tuples(st.just(reports), st.permutations(reports))),
    st.integers(0, 5000),
    st.integers(0, 2000),
)
def test_the_outcome_does_not_depend_on_the_order_of_reports(
    reports: tuple[tuple[object, ...], list[object]], nanos: int, octets: int
) -> None:
    outcomes = []
    for ordered in reports:
        world = World(money(nanos, Balance("bundle", Unit.OCTETS, octets, priority=5)))
        world.take(initial())
        answer = world.take(update(1, *ordered)).answer
        grants = sorted(msgspec.json.encode(grant) for grant in answer.grants)
        outcomes.append((answer.result, grants, books_text(world.account)))
        assert [grant.rating_group for grant in answer.grants] == [each.rating_group for each in ordered]  # type: ignore[attr-defined]
    assert outcomes[0] == outcomes[1]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([10, 20, 30, 40, 60, 80]), st.lists(st.integers(1, 900), min_size=1, max_size=6))
def test_one_report_or_many_cost_the_same(rating_group: int, parts: list[int]) -> None:
    together = World(money(0, credit_limit_nanos=None))
    together.take(initial(rg(rating_group, 100)))
    together.take(terminate(1, rg(rating_group, used=sum(parts))))
    apart = World(money(0, credit_limit_nanos=None))
    apart.take(initial(rg(rating_group, 100)))
    for number, part in enumerate(parts, 1):
        apart.take(update(number, rg(rating_group, 100, part)))
    apart.take(terminate(99))
    assert books_text(apart.account) == books_text(together.account)
    assert [cdr.cost_nanos for cdr in apart.cdrs] == [cdr.cost_nanos for cdr in together.cdrs]


@settings(max_examples=100, deadline=None)
@given(REPORTS, st.integers(0, 5000))
def test_a_repeat_changes_nothing(reports: tuple[object, ...], nanos: int) -> None:
    world = World(money(nanos))
    world.take(initial())
    event = update(1, *reports)  # type: ignore[arg-type]
    first = world.take(event)
    second = world.take(event)
    assert second.account is first.account
    assert second.answer == first.answer
    assert second.posting is None
    assert CLIENT in first.account.sessions[0].key
