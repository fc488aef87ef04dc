"""Plans: due times, catching up once, ids that a restart repeats, failures."""

from zoneinfo import ZoneInfo

from ocs.charging.account import Account, Extras, PlanState
from ocs.charging.actions.assign import assign, unassign
from ocs.charging.actions.model import Accounting, Action, ActionPlan, ActionSet, Do, PlanEntry, When
from ocs.charging.actions.plans import due, next_due_ns, others_of, run_due
from ocs.charging.cron import cron
from ocs.charging.tariff.quantities import moment_ns

ZONE = ZoneInfo("Europe/Berlin")
SET_NS = moment_ns("2026-01-31T10:00:00", ZONE)
FEE = ActionSet("fee", (Action(Do.DEBIT, amount=1, overdraws=True),))
GIFT = ActionSet("gift", (Action(Do.TOP_UP, amount=5),))
PAY = ActionSet("pay", (Action(Do.TRANSFER, amount=1, to_account="t:b"),))


def accounting(*entries: PlanEntry) -> Accounting:
    """One plan `p` with entries."""
    return Accounting(
        "Europe/Berlin", {one.name: one for one in (FEE, GIFT, PAY)}, {"p": ActionPlan("p", entries)}
    )


def at(text: str) -> int:
    return moment_ns(text, ZONE)


def account() -> Account:
    return assign(Account("t:a", "standard"), "p", SET_NS)


def run(one: Account, rules: Accounting, now_ns: int) -> tuple[Account, list[str]]:
    """The account after what is due, and the ids of the runs."""
    ran = run_due({one.key: one}, one.key, rules, now_ns)
    assert ran is not None
    return ran.accounts[one.key], [found.id for found in ran.runs]


def test_a_plan_is_assigned_once_and_taken_away() -> None:
    one = account()
    assert assign(one, "p", SET_NS + 1) is one
    assert one.extras == Extras(plans=(PlanState("p", SET_NS, SET_NS - 1),))
    assert unassign(one, "p") == Account("t:a", "standard")
    assert unassign(one, "q") is one


def test_asap_runs_once_when_the_plan_is_assigned() -> None:
    rules = accounting(PlanEntry(When(word="*asap"), "gift"))
    one, ids = run(account(), rules, SET_NS)
    assert (one.balances[0].posted, ids) == (5, [f"plan|p|gift|{SET_NS}"])
    assert next_due_ns(one, rules) is None
    assert run_due({"t:a": one}, "t:a", rules, SET_NS + 10**18) is None


def test_missed_runs_are_caught_up_once() -> None:
    rules = accounting(PlanEntry(When(cron("0 0 1 * *")), "fee"))
    now_ns = at("2026-05-20T12:00:00")
    one, ids = run(account(), rules, now_ns)
    assert (one.balances[0].posted, ids) == (-1, [f"plan|p|fee|{at('2026-02-01T00:00:00')}"])
    assert next_due_ns(one, rules) == at("2026-06-01T00:00:00")


def test_words_count_from_the_assignment_and_keep_the_day() -> None:
    rules = accounting(PlanEntry(When(word="*monthly_estimated"), "fee"))
    one = account()
    for text in ("2026-02-28T10:00:00", "2026-03-31T10:00:00", "2026-04-30T10:00:00"):
        assert next_due_ns(one, rules) == at(text)
        one, _ = run(one, rules, at(text))
    assert one.balances[0].posted == -3


def test_runs_that_are_due_together_come_by_time_then_weight() -> None:
    rules = accounting(
        PlanEntry(When(cron("0 0 1 2 *")), "fee", 10),
        PlanEntry(When(cron("0 0 1 2 *")), "gift", 20),
        PlanEntry(When(word="*asap"), "pay"),
    )
    assert [one.actions for one in due(account(), rules, at("2026-02-01T00:00:00"))] == ["pay", "gift", "fee"]
    assert others_of(account(), rules, SET_NS) == {"t:b"}


def test_a_run_that_fails_changes_nothing_but_is_noted() -> None:
    rules = accounting(PlanEntry(When(word="*asap"), "pay"), PlanEntry(When(word="*asap"), "none"))
    ran = run_due({"t:a": account()}, "t:a", rules, SET_NS)
    assert ran is not None
    assert [one.error for one in ran.runs] == ["there are no actions none", "pay: there is no account t:b"]
    assert ran.accounts["t:a"].balances == ()
    assert [(one.entries, one.reason.partition(", not done: ")[2]) for one in ran.postings] == [
        ((), "there are no actions none"),
        ((), "pay: there is no account t:b"),
    ]
    assert next_due_ns(ran.accounts["t:a"], rules) is None


def test_a_clock_set_back_runs_nothing_twice() -> None:
    rules = accounting(PlanEntry(When(cron("0 * * * *")), "fee"))
    one, _ = run(account(), rules, at("2026-01-31T11:00:00"))
    assert run_due({"t:a": one}, "t:a", rules, at("2026-01-31T10:30:00")) is None
    assert run_due({"t:a": one}, "t:a", rules, at("2026-01-31T11:30:00")) is None
