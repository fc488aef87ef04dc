"""The accounting files of a CGRateS folder: what their rows become, and what is said of rows that cannot."""

import pytest

from ocs.charging.account import Factor, Terms
from ocs.charging.actions.model import (
    Accounting,
    Action,
    ActionPlan,
    Do,
    Group,
    PlanEntry,
    Provision,
    Share,
    Trigger,
    Watches,
    When,
)
from ocs.charging.actions.plans import run_due
from ocs.charging.acts import Act, NewAccount, create
from ocs.charging.events import Unit
from ocs.charging.schedule import Calendar
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from tests.charging.cgrates.worlds import worlds
from tests.charging.tariff.test_import_cgrates import FILES

NANOS = 10**9
NOW_NS = 1_780_000_000 * NANOS
MINUTE_NS = 60 * NANOS
ACCOUNTING = {
    "SharedGroups.csv": "SG,*any,*lowest,\n",
    "Actions.csv": (
        "ACT,*topup_reset,,,main,*monetary,,*any,,,*unlimited,,25,10,false,false,10\n"
        'ACT,*topup,"{""smsFactor"":4.5}",,bonus,*voice,call,DE;!MOB,*zero1m,SG,+24h,PEAK,90m,20,true,false,20\n'
        "ACT,*debit,,,,*data,,,,,,,1024,,,,5\n"
        "WARN,*log,,,,,,,,,,,,,,,10\n"
    ),
    "ActionPlans.csv": "AP,ACT,*monthly,10\nAP,WARN,PEAK,20\n",
    "ActionTriggers.csv": (
        "TR,low,*min_balance,2,true,1m,,2026-01-01T00:00:00Z,main,*monetary,,,,,,,,,,WARN,10\n"
        "TR,,*max_event_counter,50,,,,,,*monetary,call,DE,,,,,,,,WARN,5\n"
    ),
    "AccountActions.csv": "t,1001,AP,TR,true,\nt,1002,AP,,,true\nt,1001,AP,TR,,\n",
}


def read(files: dict[str, str]) -> tuple[Accounting | None, list[str]]:
    """The accounting of the files above with some others, and the findings as text."""
    tariff, findings = read_cgrates({**FILES, **files}.items(), ImportOptions())
    return None if tariff is None else tariff.accounting, [str(finding) for finding in findings]


def test_rows_become_sets_plans_triggers_and_accounts() -> None:
    accounting, findings = read(ACCOUNTING)
    assert accounting is not None, findings
    terms = Terms(
        ("DE", "!MOB"), ("call",), "*zero1m", ("PEAK",), ("SG",), (Factor("smsFactor", 9, 2),), True
    )
    bonus = Action(
        Do.TOP_UP,
        "bonus",
        Unit.TIME,
        90 * MINUTE_NS,
        priority=20,
        expires="+24h",
        services=("voice",),
        terms=terms,
        source="Actions.csv:2",
    )
    money = Action(
        Do.TOP_UP, amount=25 * NANOS, resets=True, priority=10, expires="*unlimited", source="Actions.csv:1"
    )
    data = Action(
        Do.DEBIT, "data", Unit.OCTETS, 1024, overdraws=True, services=("data",), source="Actions.csv:3"
    )
    assert accounting.sets["ACT"].actions == (bonus, money, data)
    assert accounting.sets["WARN"].actions == (Action(Do.NOTIFY, text="WARN"),)
    peak = When(Calendar(week_days=(1, 2, 3, 4, 5), hours=(8,)))
    assert accounting.plans == {
        "AP": ActionPlan("AP", (PlanEntry(When(word="*monthly"), "ACT", 10.0), PlanEntry(peak, "WARN", 20.0)))
    }
    assert accounting.triggers["TR"] == (
        Trigger(
            "low",
            Watches.AT_MOST,
            "WARN",
            Unit.MONEY,
            2 * NANOS,
            "main",
            recurs=True,
            min_sleep_ns=MINUTE_NS,
            from_ns=1_767_225_600 * NANOS,
            weight=10.0,
        ),
        Trigger(
            "2",
            Watches.USED_AT_LEAST,
            "WARN",
            Unit.MONEY,
            50 * NANOS,
            categories=("call",),
            destinations=("DE",),
            weight=5.0,
        ),
    )
    assert accounting.groups == {"SG": Group("SG", "LOWEST")}
    assert accounting.accounts == (
        Provision("t:1001", "t:*any", ("AP",), ("TR",), None),
        Provision("t:1002", "t:*any", ("AP",), (), 0, True),
    )


def test_an_account_with_a_profile_of_its_own_has_its_plan() -> None:
    profiles = FILES["RatingProfiles.csv"] + "t,call,1001,2026-01-01T00:00:00Z,RP,\n"
    accounting, findings = read({**ACCOUNTING, "RatingProfiles.csv": profiles})
    assert accounting is not None, findings
    assert [one.plan for one in accounting.accounts] == ["t:1001", "t:*any"]


def test_destinations_of_balances_stay_though_nothing_is_priced_by_them() -> None:
    files = {**ACCOUNTING, "Destinations.csv": FILES["Destinations.csv"] + "FR,33\n"}
    files["Actions.csv"] = "ACT,*topup,,,x,*voice,,FR,,,,,60,,,,10\nWARN,*log,,,,,,,,,,,,,,,10\n"
    tariff, findings = read_cgrates({**FILES, **files}.items(), ImportOptions())
    assert tariff is not None, findings
    assert tariff.destinations["FR"] == ("33",)


def row(count: int, **cells: str) -> str:
    """A row of some columns, those given by number as `c3`."""
    found = [""] * count
    for name, text in cells.items():
        found[int(name[1:])] = text
    return ",".join(found) + "\n"


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "Actions",
            row(17, c0="A", c1="*topup", c5="*gold"),
            "Actions.csv:5:6: BalanceType: there is no type",
        ),
        ("Actions", row(17, c0="A", c1="*topup", c12="many"), "Actions.csv:5:13: Units"),
        ("Actions", row(17, c0="A", c1="*topup", c10="soon"), "Actions.csv:5:11: ExpiryTime"),
        (
            "Actions",
            row(17, c0="A", c1="*topup", c7="XX"),
            'DestinationTags: there is no destination "XX"',
        ),
        ("Actions", row(17, c0="A", c1="*topup", c11="XX"), 'TimingTags: there is no timing "XX"'),
        (
            "Actions",
            row(17, c0="A", c1="*http_post", c2="x"),
            "not carried over: ExtraParameters: *http_post",
        ),
        ("Actions", row(17, c0="A", c1="*cgr_rpc", c2="{}"), "not carried over: Action: *cgr_rpc"),
        ("Actions", row(17, c0="A", c1="*topup", c3="*strong:~*req.ID:1"), "Actions.csv:5:4: Filters"),
        ("Actions", row(17, c0="A", c1="*topup", c3="FLT"), 'Filters: there is no filter "FLT"'),
        ("Actions", row(17, c0="A", c1="*topup", c12="{}"), "Units: is no formula of the method"),
        ("Actions", row(17, c0="A", c1="*topup", c13="*time_asc"), "not carried over: BalanceWeight"),
        (
            "Actions",
            row(17, c0="A", c1="*transfer_balance", c12="1"),
            "ExtraParameters: needs Destination",
        ),
        (
            "ActionPlans",
            "AP,ACTT,*asap,10\n",
            'ActionsTag: there is no set of actions "ACTT" - did you mean',
        ),
        ("ActionPlans", "AP,ACT,NEVER,10\n", 'TimingTag: there is no timing "NEVER"'),
        ("ActionTriggers", row(21, c0="T", c2="*odd", c19="WARN"), "not carried over: ThresholdType: *odd"),
        (
            "ActionTriggers",
            row(21, c0="T", c2="*min_balance", c19="X"),
            'ActionsTag: there is no set of actions "X"',
        ),
        (
            "ActionTriggers",
            row(21, c0="T", c2="*min_balance", c6="+1h", c19="WARN"),
            "not carried over: ExpiryTime",
        ),
        (
            "ActionTriggers",
            row(21, c0="T", c2="*min_balance", c12="x", c19="WARN"),
            "not carried over: BalanceRating",
        ),
        (
            "AccountActions",
            "t,1003,APX,,,\n",
            "AccountActions.csv:4:3: ActionPlanTag: there is no action plan",
        ),
        ("AccountActions", "t,,AP,,,\n", "Account: is empty"),
        ("AccountActions", "t,1003,AP,,maybe,\n", "AccountActions.csv:4:5: AllowNegative"),
        ("SharedGroups", "SG,1001,*highest,\n", "not carried over: Account: a group has one strategy"),
        ("SharedGroups", "SH,*any,*best,\n", 'warning: Strategy: "*best" is no strategy'),
    ],
)
def test_rows_that_cannot_be_used_are_told_at_their_cell(file: str, text: str, expected: str) -> None:
    name = f"{file}.csv"
    accounting, findings = read({**ACCOUNTING, name: ACCOUNTING[name] + text})
    assert any(expected in finding for finding in findings), findings
    is_usable = "not carried over" in expected or "warning" in expected
    assert (accounting is not None) == is_usable


def test_recorded_folders_with_accounts_load_without_an_error() -> None:
    seen = 0
    for world in worlds("action"):
        tariff, findings = read_cgrates(world.files.items(), ImportOptions())
        assert tariff is not None, (world.name, findings)
        seen += len(tariff.accounting.accounts)
    assert seen


def test_profile_files_are_read_and_listed() -> None:
    files = {
        **ACCOUNTING,
        "Chargers.csv": "t,CH_A,,,*default,*none,0\nt,CH_B,,,*raw,*none,heavy\n",
        "Resources.csv": "t,RS,,,-1,2,chan,false,true,10,*none\n",
    }
    accounting, findings = read(files)
    assert accounting is not None, findings
    told = "2 chargers (t:CH_A, t:CH_B); `ocs cgrates` serves them, `ocs serve` as sessions.profiles; "
    told += "no price depends on them"
    assert f"Chargers.csv:1:1: not carried over: Tenant: {told}" in findings
    assert any(one.startswith("Chargers.csv:2:7: warning: Weight:") for one in findings), findings
    assert any("1 resources (t:RS)" in one for one in findings), findings


def test_an_amount_may_be_the_part_of_a_month() -> None:
    params = '{""Units"":31,""Interval"":""month"",""Increment"":""day""}'
    formula = f'"{{""Method"":""*incremental"",""Params"":{params}}}"'
    accounting, findings = read(
        {**ACCOUNTING, "Actions.csv": ACCOUNTING["Actions.csv"] + row(17, c0="A", c1="*topup", c12=formula)}
    )
    assert accounting is not None, findings
    [action] = accounting.sets["A"].actions
    assert (action.amount, action.share) == (31 * NANOS, Share("month", "day"))
    wrong = formula.replace("month", "minute")
    assert any(
        "the longer one first" in one
        for one in read({**ACCOUNTING, "Actions.csv": row(17, c0="A", c1="*topup", c12=wrong)})[1]
    )


def test_filters_of_actions_are_kept_those_of_the_folder_written_out() -> None:
    stored = "t,FLT,*string,~*req.ID,t:1001;t:1002,\nt,FLT,*lt,~*req.BalanceMap.*monetary[0].Value,5,\n"
    action = row(17, c0="A", c1="*topup", c3="FLT;*string:~*req.Disabled:false", c12="1")
    accounting, findings = read(
        {**ACCOUNTING, "Filters.csv": stored, "Actions.csv": ACCOUNTING["Actions.csv"] + action}
    )
    assert accounting is not None, findings
    assert accounting.sets["A"].actions[0].filters == (
        "*string:~*req.ID:t:1001|t:1002",
        "*lt:~*req.BalanceMap.*monetary[0].Value:5",
        "*string:~*req.Disabled:false",
    )


def test_a_tag_of_several_types_is_a_balance_of_each() -> None:
    rows = "".join(
        row(17, c0="A", c1="*topup", c4=tag, c5=kind, c12="1")
        for tag, kind in (("main", "*data"), ("", "*data"), ("b", "*monetary"), ("b", "*sms"), ("c", "*sms"))
    )
    accounting, findings = read({**ACCOUNTING, "Actions.csv": ACCOUNTING["Actions.csv"] + rows})
    assert accounting is not None, findings
    names = [(action.balance_id, action.unit) for action in accounting.sets["A"].actions]
    assert names == [
        ("main-data", Unit.OCTETS),
        ("data", Unit.OCTETS),
        ("b", Unit.MONEY),
        ("b-sms", Unit.EVENTS),
        ("c", Unit.EVENTS),
    ]


def test_plans_of_recorded_folders_run_on_the_exact_core() -> None:
    """Every set that an account gets at once is done, and none fails for want of a name or a unit."""
    for world in worlds("action"):
        tariff, findings = read_cgrates(world.files.items(), ImportOptions())
        assert tariff is not None, findings
        for provision in tariff.accounting.accounts:
            new = NewAccount(provision.key, provision.plan, action_plans=provision.action_plans)
            account, _ = create(new, Act("a", NOW_NS, "test"))
            ran = run_due({account.key: account}, account.key, tariff.accounting, NOW_NS)
            assert ran is not None
            assert [
                run.error for run in ran.runs if run.error and "there is no balance" not in run.error
            ] == []


def test_the_records_of_a_set_have_what_their_template_gives() -> None:
    template = '{""Category"":""fee"",""Cost"":0.5,""Subject"":""~*acnt.ID""}'
    rows = row(17, c0="A", c1="*cdrlog") + f'A,*cdrlog,"{template}",,,,,,,,,,,,,,5\n'
    accounting, findings = read({**ACCOUNTING, "Actions.csv": ACCOUNTING["Actions.csv"] + rows})
    assert accounting is not None, findings
    assert accounting.sets["A"].actions == (
        Action(Do.RECORD, fields=(("Category", "fee"), ("Cost", "0.5"))),
        Action(Do.RECORD),
    )
    assert any("Subject is a template" in one for one in findings), findings
