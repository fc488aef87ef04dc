"""Actions, plans and triggers in a tariff file, and every problem at its place."""

import pytest

from ocs.charging.account import Terms
from ocs.charging.actions.model import (
    Accounting,
    Action,
    ActionPlan,
    ActionSet,
    Do,
    PlanEntry,
    Share,
    Trigger,
    Watches,
    When,
)
from ocs.charging.cron import cron
from ocs.charging.events import Unit
from ocs.charging.schedule import LAST, Calendar, Once
from ocs.charging.tariff.yaml_reader import read_yaml

NANOS = 10**9
HEAD = """currency: EUR
time_zone: Europe/Berlin
destinations: {germany: ["49"]}
plans: {standard: {data: {free: true}}}
"""
TEXT = """actions:
  bundle:
    - {top_up: {volume: 10GB}, reset: true, expires: month_end, priority: 10, services: data}
    - {debit: {money: "9.99"}, overdraw: true}
    - {set: {time: 10m}, balance: gift, destinations: germany, blocker: true}
    - {transfer: {money: "1"}, to_account: partner}
  end:
    - {remove: gift}
    - {set_expiry: data, expires: +30d}
    - {credit_limit: unlimited}
    - {bar: true}
    - {reset_triggers: all}
    - {notify: "it is over"}
action_plans:
  monthly:
    - {run: bundle, every: month}
    - {run: bundle, at: asap, weight: 5}
    - {run: end, cron: "0 0 1 * *"}
    - {run: end, at: 2026-12-24T00:00:00Z}
    - {run: end, on: {months: jan-mar, month_days: [15, last], weekdays: sun, at: "08:30"}}
triggers:
  safety:
    - {id: low, at_most: {money: "2"}, balance: main, run: end, recurring: true, min_sleep: 1h}
    - {used: {volume: 1GB}, services: data, to: germany, run: end}
    - {ended: volume, run: end, from: 2026-01-01, until: 2027-01-01}
"""


def accounting(text: str = TEXT) -> Accounting:
    """What a file says, which has no problems."""
    tariff, problems = read_yaml(HEAD + text, "t.yaml")
    assert tariff is not None, problems
    return tariff.accounting


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_yaml(HEAD + text, "t.yaml")[1]]


def test_actions_are_read() -> None:
    sets = accounting().sets
    assert sets["bundle"].actions == (
        Action(
            Do.TOP_UP,
            "volume",
            Unit.OCTETS,
            10 * 1000**3,
            True,
            priority=10,
            expires="month_end",
            services=("data",),
            source="t.yaml:7",
        ),
        Action(Do.DEBIT, amount=9_990_000_000, overdraws=True, source="t.yaml:8"),
        Action(
            Do.SET,
            "gift",
            Unit.TIME,
            600 * NANOS,
            terms=Terms(("germany",), is_blocker=True),
            source="t.yaml:9",
        ),
        Action(Do.TRANSFER, amount=NANOS, to_account="partner", source="t.yaml:10"),
    )
    assert [action.do for action in sets["end"].actions] == [
        Do.REMOVE,
        Do.SET_EXPIRY,
        Do.CREDIT_LIMIT,
        Do.BAR,
        Do.RESET_TRIGGERS,
        Do.NOTIFY,
    ]
    assert (sets["end"].actions[1].expires, sets["end"].actions[2].credit_limit_nanos) == ("+30d", None)


def test_an_amount_may_be_the_share_of_a_day() -> None:
    [fee] = accounting('actions: {a: {debit: {money: "31"}, share: day/month}}').sets["a"].actions
    assert (fee.amount, fee.share) == (31 * NANOS, Share("month", "day"))


def test_records_of_a_set_may_have_members_of_their_own() -> None:
    text = "actions: {a: [{record: true}, {record: {Category: fee, Usage: 1m, Cost: '0.5', Till: '7'}}]}"
    plain, told = accounting(text).sets["a"].actions
    assert (plain.do, plain.fields) == (Do.RECORD, ())
    assert told.fields == (("Category", "fee"), ("Usage", "1m"), ("Cost", "0.5"), ("Till", "7"))


def test_an_action_may_have_filters() -> None:
    text = 'actions: {a: {bar: true, filters: ["*lt:~*req.BalanceMap.*monetary[0].Value:0"]}}'
    [bar] = accounting(text).sets["a"].actions
    assert (bar.do, bar.filters) == (Do.BAR, ("*lt:~*req.BalanceMap.*monetary[0].Value:0",))


def test_plans_are_read_on_the_clock_of_the_file() -> None:
    found = accounting()
    assert found.time_zone == "Europe/Berlin"
    assert found.plans["monthly"] == ActionPlan(
        "monthly",
        (
            PlanEntry(When(word="*monthly_estimated"), "bundle"),
            PlanEntry(When(word="*asap"), "bundle", 5.0),
            PlanEntry(When(cron("0 0 1 * *")), "end"),
            PlanEntry(When(Once(1_798_070_400 * NANOS)), "end"),
            PlanEntry(
                When(Calendar((), (1, 2, 3), (LAST, 15), (0,), (8,), (30,))),
                "end",
            ),
        ),
    )


def test_triggers_are_read() -> None:
    low, used, ended = accounting().triggers["safety"]
    assert low == Trigger(
        "low",
        Watches.AT_MOST,
        "end",
        amount=2 * NANOS,
        balance_id="main",
        recurs=True,
        min_sleep_ns=3600 * NANOS,
    )
    assert used == Trigger(
        "2",
        Watches.USED_AT_LEAST,
        "end",
        Unit.OCTETS,
        1000**3,
        services=("data",),
        destinations=("germany",),
    )
    assert (ended.watches, ended.unit, ended.from_ns is None) == (Watches.EXPIRED, Unit.OCTETS, False)


def test_a_file_without_them_has_none() -> None:
    assert accounting("") == Accounting("Europe/Berlin")
    assert accounting("").is_empty
    assert accounting("actions: {x: {bar: true}}\n").sets == {
        "x": ActionSet("x", (Action(Do.BAR, source="t.yaml:5"),))
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("actions: {a: {jump: true}}", "t.yaml:5:14: actions.a: an action is exactly one of top_up"),
        ("actions: {a: {bar: true, unbar: true}}", "an action is exactly one of"),
        ("actions: {a: {bar: no}}", "actions.a.bar: is true"),
        ("actions: {a: {record: no}}", "actions.a.record: is true"),
        ("actions: {a: {record: {CGRID: x}}}", '"CGRID" is no member that a record can be given'),
        ("actions: {a: {record: {Cost: dear}}}", 'actions.a.record.Cost: "dear" is not a decimal amount'),
        ("actions: {a: {record: {Usage: 1MB}}}", "is not a usage such as 60s or 1"),
        ('actions: {a: {record: {Account: "~*acnt.ID"}}}', "Account is a template"),
        ("actions: {a: {top_up: {gold: 1}}}", "is one amount such as"),
        ("actions: {a: {top_up: {volume: 1h}}}", "is time, not volume"),
        ("actions: {a: {top_up: {money: -1}}}", "negative"),
        ("actions: {a: {top_up: {money: 1}, expires: soon}}", '"soon" is not an end'),
        ("actions: {a: {debit: {money: 1}, overdraw: maybe}}", "is true or false"),
        ("actions: {a: {debit: {money: 1}, share: month/day}}", '"month/day" is not a share'),
        ("actions: {a: {top_up: {money: 1}, reset: maybe}}", "is true, false or debt"),
        ('actions: {a: {bar: true, filters: "*odd:~*req.ID:1"}}', "*odd is not a filter type"),
        ("actions: {a: {top_up: {money: 1}, colour: red}}", "is not known here"),
        ("action_plans: {p: {run: a, at: asap}}", 'there is no set of actions "a"'),
        ("actions: {a: {bar: true}}\naction_plans: {p: {run: a}}", "exactly one of at, every, cron and on"),
        ("actions: {a: {bar: true}}\naction_plans: {p: {run: a, every: moon}}", 'there is no period "moon"'),
        ("actions: {a: {bar: true}}\naction_plans: {p: {run: a, cron: 0 0 * *}}", "5 to 7 fields"),
        ('actions: {a: {bar: true}}\naction_plans: {p: {run: a, cron: "0 0 30 2 *"}}', "never comes"),
        (
            "actions: {a: {bar: true}}\naction_plans: {p: {run: a, on: {month_days: 40}}}",
            "last day is `last`",
        ),
        ("triggers: {g: {at_most: {money: 1}}}", "run is missing"),
        ("actions: {a: {bar: true}}\ntriggers: {g: {run: a}}", "exactly one of at_most"),
        (
            "actions: {a: {bar: true}}\ntriggers: {g: {run: a, used: {money: 1}, to: mars}}",
            'no destination "mars"',
        ),
        (
            "actions: {a: {bar: true}}\n"
            "triggers: {g: [{id: x, run: a, ended: money}, {id: x, run: a, ended: money}]}",
            'two triggers have the id "x"',
        ),
    ],
)
def test_problems_are_told_at_their_place(text: str, expected: str) -> None:
    found = problems(text)
    assert any(expected in problem for problem in found), found
