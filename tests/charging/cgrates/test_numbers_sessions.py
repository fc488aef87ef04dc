"""Published results of the incumbent's own tests: sessions and their records."""

import msgspec
import pytest

from ocs.charging.cgrates.account import Snapshot
from ocs.charging.cgrates.authorize import authorize
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.cdr import rate_cdr, rate_session_cdr
from ocs.charging.cgrates.model import Context, MaxUsage, Report, Run
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.session import message, terminate, update
from ocs.charging.cgrates.values import instant_ns
from tests.charging.cgrates.small import Price, S, balance, call, held, snapshot, tariff_of

FS_40CNT = tariff_of(Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s"))
RT_10CNT = tariff_of(Price("0.2 0.1/60s/60s@0s 0.05/60s/1s@60s"))
SECOND = tariff_of(Price("0 1/1s/1s"))
NOW_NS = instant_ns("2025-03-05T10:05:00Z")
FREE = tariff_of(Price("0 0/1s/1s"))


class Live:
    """One session of one run, step by step."""

    def __init__(
        self, before: Snapshot, tariff: Tariff, wanted: Call, request_type: str = "*prepaid"
    ) -> None:
        self.context = Context(before, tariff, Settings(), NOW_NS)
        self.first = wanted
        self.runs: tuple[Run, ...] = (Run("*default", request_type, wanted),)

    def update(self, wanted: int, used: int | None = None, total: int | None = None) -> int | Refusal:
        """Grants more."""
        found = update(self.context, self.runs, Report(wanted, used, total))
        self.context, self.runs = found.context, found.runs
        return found.outcome

    def end(self, usage: int | None, used: int | None = None) -> None:
        """Ends at a usage, or at what was used of the last grant."""
        found = terminate(self.context, self.runs, usage, used)
        self.context, self.runs = found.context, found.runs
        assert found.outcome == 0

    def held(self, kind: str = "*monetary") -> list[float]:
        """Values of the account."""
        return held(self.context.snapshot.accounts["t:a"], kind)


def test_surplus_of_a_reservation_comes_back() -> None:  # 71
    live = Live(snapshot(balance("5", name="one"), balance("5", name="two")), FS_40CNT, call(90 * S))
    assert live.update(90 * S) == 90 * S
    assert round(sum(live.held()), 9) == 8.70001
    live.end(60 * S)
    assert round(sum(live.held()), 9) == 8.8


def test_free_seconds_come_back() -> None:  # 72
    voice = (balance("120s", weight=10), balance("90s", destinations=("D44",)))
    live = Live(snapshot(voice=voice), FREE, call(90 * S))
    live.update(90 * S)
    assert sum(live.held("*voice")) == 120
    live.end(60 * S)
    assert sum(live.held("*voice")) == 150


def test_last_used_settles_every_grant() -> None:  # 74
    live = Live(snapshot(balance("8.79")), FS_40CNT, call(120 * S))
    values = []
    for used in (None, 90 * S, 150 * S):
        live.update(120 * S, used)
        values += live.held()
    live.end(60 * S)
    assert [*values, *live.held()] == [7.39002, 7.09005, 6.5901, 7.59]


def test_nothing_used_of_the_last_grant() -> None:  # 75
    live = Live(snapshot(balance("7.59")), FS_40CNT, call(120 * S))
    values = []
    for used in (None, 30 * S):
        live.update(120 * S, used)
        values += live.held()
    live.end(None, 0)
    assert [*values, *live.held()] == [6.19002, 6.09003, 6.59]


def test_data_grants_are_settled() -> None:  # 78, 79
    data = {"*data": (balance("102400"),)}
    short = Live(snapshot(other=data), FREE, call(5120, kind="*data"))
    short.update(5120)
    values = short.held("*data")
    short.update(5120, 4096)
    values += short.held("*data")
    short.end(None, 0)
    assert [*values, *short.held("*data")] == [97280, 93184, 98304]
    live = Live(snapshot(other=data), FREE, call(6144, kind="*data"))
    live.update(6144)
    values = live.held("*data")
    for wanted, used in ((8192, 7168), (1024, 5120), (1024, None)):
        live.update(wanted, used)
        values += live.held("*data")
    live.end(None, 0)
    assert [*values, *live.held("*data")] == [96256, 87040, 87040, 87040, 89088]
    record, *_ = rate_session_cdr(live.context, live.runs[0], live.first)
    assert record.usage_ns == 13312


def test_running_total_grants_the_difference() -> None:  # 82
    live = Live(snapshot(voice=(balance("210s"),)), FREE, call(15 * S))
    live.update(15 * S)
    assert live.update(435 * S, total=105 * S) == 90 * S
    assert live.held("*voice") == [105]
    assert live.update(435 * S, total=105 * S) == 0


@pytest.mark.parametrize(
    ("rounding", "cost", "left"), [("*up,1", 0.4, 3599999999999.6), ("*down,1", 0.3, 3599999999999.7)]
)
def test_session_cost_is_rounded_once(rounding: str, cost: float, left: float) -> None:  # 83
    tariff = tariff_of(Price("0 0.033/1s/1s", rounding=rounding))
    live = Live(snapshot(balance("3600000000000")), tariff, call(10 * S))
    live.update(10 * S)
    live.end(10 * S)
    record, *_ = rate_session_cdr(live.context, live.runs[0], live.first)
    assert (record.cost_nanos / 10**9, live.held()) == (cost, [left])
    billed, after, _ = rate_cdr(
        Context(snapshot(balance("3600000000000")), tariff, Settings(), 0), call(10 * S), "*postpaid"
    )
    assert (billed.cost_nanos / 10**9, held(after.snapshot.accounts["t:a"])) == (cost, [left])


def test_unused_session_gets_everything_back() -> None:  # 84, 85
    voice = Live(snapshot(voice=(balance("5s", subject="*zero5ms"),)), FREE, call(2 * S))
    voice.update(2 * S)
    assert voice.held("*voice") == [3]
    voice.end(0)
    assert voice.held("*voice") == [5]
    money = Live(snapshot(balance("10.65")), RT_10CNT, call(120 * S))
    money.update(120 * S)
    assert money.held() == [10.3002]
    money.end(0)
    assert money.held() == [10.65]


def test_factored_seconds_of_a_session() -> None:  # 60
    seconds = balance("100s", factors={"call": 2})
    live = Live(snapshot(voice=(seconds,)), FREE, call(10 * S, factor_id="call"))
    for wanted in (10, 5, 2):
        live.update(wanted * S)
    assert live.held("*voice") == [66]
    live.end(0)
    assert live.held("*voice") == [100]


def test_money_as_seconds_behind_free_ones() -> None:  # 87
    money = balance("3595s", subject="*zero1s")
    live = Live(snapshot(money, voice=(balance("5s", weight=10),)), FREE, call(10 * S))
    live.update(10 * S)
    live.end(10 * S)
    assert (live.held("*voice"), live.held()) == ([0], [3590 * 10**9])


@pytest.mark.parametrize("is_blocker", [False, True])
def test_updates_grant_what_is_left(is_blocker: bool) -> None:  # 61
    before = snapshot(voice=(balance("10s", is_blocker=is_blocker),))
    asked = authorize(before, SECOND, call(30 * S), "*prepaid", Settings())
    assert isinstance(asked, MaxUsage)
    assert asked.usage_ns == 10 * S
    live = Live(before, SECOND, call(S))
    grants = [live.update(S) for _ in range(29)]
    assert grants == [S] * 10 + [0] * 19


def test_money_without_a_profile_is_debited_in_units() -> None:  # 91
    before = snapshot(balance("10", is_blocker=True))
    asked = authorize(before, FREE, call(12, kind="*monetary"), "*prepaid", Settings())
    assert isinstance(asked, MaxUsage)
    assert asked.usage_ns == 10
    live = Live(before, FREE, call(3, kind="*monetary"))
    assert [live.update(3) for _ in range(3)] == [3, 3, 3]
    assert live.held() == [1]
    record, *_ = rate_cdr(live.context, call(3, kind="*monetary"), "*prepaid")
    assert record.extra == "INSUFFICIENT_CREDIT_BALANCE_BLOCKER"


def test_blocked_record_costs_minus_one() -> None:  # 62
    before = snapshot(voice=(balance("10s", is_blocker=True),))
    record, after, _ = rate_cdr(Context(before, SECOND, Settings(), 0), call(30 * S), "*prepaid")
    assert (record.cost_nanos, record.extra) == (-(10**9), "INSUFFICIENT_CREDIT_BALANCE_BLOCKER")
    assert held(after.snapshot.accounts["t:a"], "*voice") == [10]


@pytest.mark.parametrize(
    ("request_type", "credit", "grant", "left"),
    [
        ("*prepaid", "0", 0, 0),
        ("*prepaid", "3", 3, 0),
        ("*prepaid", "8", 5, 3),
        ("*pseudoprepaid", "0", 0, 0),
        ("*pseudoprepaid", "3", 3, 3),
        ("*pseudoprepaid", "8", 5, 8),
        ("*none", "3", 5, 3),
        ("*postpaid", "3", 5, 3),
        ("*rated", "3", 5, 3),
    ],
)
def test_message_grants_by_request_type(request_type: str, credit: str, grant: int, left: int) -> None:  # 66
    tariff = tariff_of(Price("0 1/1/1"))
    run = Run("*default", request_type, call(5, kind="*sms"))
    before = snapshot(other={"*sms": (balance(credit, name="sms"),)})
    found = message(Context(before, tariff, Settings(), 0), (run,), Report(5), None)
    assert found.outcome == grant
    assert held(found.context.snapshot.accounts["t:a"], "*sms") == [left]


def test_message_without_account_is_refused() -> None:  # 66
    run = Run("*default", "*prepaid", msgspec.structs.replace(call(5, kind="*sms"), account="nobody"))
    found = message(Context(snapshot(), SECOND, Settings(), 0), (run,), Report(5), None)
    assert found.outcome is Refusal.ACCOUNT_NOT_FOUND


def test_priced_blocks_then_money() -> None:  # 73
    tariff = tariff_of(Price("0 0.1/60s/1s"), Price("0 0.01/60s/60s", subject="block"))
    live = Live(snapshot(balance("8.8"), voice=(balance("90s", subject="block"),)), tariff, call(90 * S))
    live.update(90 * S)
    assert (live.held(), live.held("*voice")) == ([8.7399], [30])
    live.end(60 * S)
    assert (live.held(), live.held("*voice")) == ([8.79], [30])


@pytest.mark.parametrize(
    ("total", "left"), [pytest.param(2048, 100352, id="80"), pytest.param(3072, 99328, id="81")]
)
def test_a_forced_end_debits_what_was_used_beyond_the_grant(total: int, left: int) -> None:
    live = Live(snapshot(other={"*data": (balance("102400"),)}), FREE, call(1024, kind="*data"))
    live.update(1024)
    assert live.held("*data") == [101376]
    live.end(total)
    assert live.held("*data") == [left]
    record, *_ = rate_session_cdr(live.context, live.runs[0], live.first)
    assert record.usage_ns == total


def test_an_account_without_limit_is_granted_without_limit() -> None:
    found = authorize(snapshot(allows_negative=True), SECOND, call(30 * S), "*prepaid", Settings())
    assert found == MaxUsage(-1)
    assert authorize(snapshot(), SECOND, call(30 * S), "*postpaid", Settings()) == MaxUsage(30 * S)
