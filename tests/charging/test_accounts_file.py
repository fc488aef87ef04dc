"""Claims about files of accounts to begin with."""

import pytest

from ocs.charging.account import Extras, Factor, SharedGroup, Strategy, Terms
from ocs.charging.accounts_file import read_accounts
from ocs.charging.acts import NewAccount, TopUp
from ocs.charging.events import Identity, IdentityKind, Unit
from tests.support.charging import SECOND_NS


def read(text: str) -> list[NewAccount]:
    templates, problems = read_accounts(text, "a.yaml")
    assert problems == []
    return [account for template in templates for account in template.accounts()]


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in read_accounts(text, "a.yaml")[1]]


def test_one_account() -> None:
    text = """
accounts:
  - key: alice
    tenant: acme
    plan: gold
    msisdn: "15550100000"
    imsi: "001010000000000"
    sip_uri: alice@example.org
    balances: [{money: "10.00"}, {volume: 100MB, id: welcome, priority: 10}, {time: 5m}, {events: 3}]
    credit_limit: "2.50"
    low_balance: "1.00"
"""
    assert read(text) == [
        NewAccount(
            "acme:alice",
            "gold",
            (
                Identity(IdentityKind.IMSI, "001010000000000"),
                Identity(IdentityKind.E164, "15550100000"),
                Identity(IdentityKind.SIP_URI, "alice@example.org"),
            ),
            (
                TopUp(10 * SECOND_NS, Unit.MONEY, "main", 0),
                TopUp(100_000_000, Unit.OCTETS, "welcome", 10),
                TopUp(300 * SECOND_NS, Unit.TIME, "time", 0),
                TopUp(3, Unit.EVENTS, "events", 0),
            ),
            2_500_000_000,
            1_000_000_000,
        )
    ]


def test_a_range_counts_up_and_keeps_leading_zeros() -> None:
    text = 'accounts: [{count: 3, first: 9, key: "u{n}", imsi: "001010000000099", sip_uri: "u{n}@x"}]'
    accounts = read(text)
    assert [account.key for account in accounts] == ["default:u9", "default:u10", "default:u11"]
    assert [account.identities[0].value for account in accounts] == [
        "001010000000099",
        "001010000000100",
        "001010000000101",
    ]
    assert [account.identities[1].value for account in accounts] == ["u9@x", "u10@x", "u11@x"]


def test_a_large_range_is_not_kept_in_memory() -> None:
    templates, problems = read_accounts('accounts: [{count: 1000000, key: "{n}", imsi: "1"}]', "a.yaml")
    assert problems == []
    assert next(templates[0].accounts()).key == "default:0"


def test_no_limit() -> None:
    assert read("accounts: [{key: a, credit_limit: unlimited}]")[0].credit_limit_nanos is None
    assert read("accounts: [{key: a}]")[0].credit_limit_nanos == 0


def test_a_balance_says_where_when_and_how_it_pays() -> None:
    text = """
accounts:
  - count: 2
    key: "{n}"
    category: call
    groups: [{name: "family{n}", strategy: lowest, members: ["default:{n}", "default:9"]}]
    balances:
      - {time: 1h, id: weekend, expires: 2027-01-01, services: voice, destinations: [germany, "!premium"],
         categories: call, subject: "*zero60s", timings: ["!peak"], shared_groups: [family], blocker: true}
      - {points: "1.5", rating_groups: [1, 2], factors: {voice: 1/60000000000, sms: "0.25"}, disabled: true}
"""
    first, second = read(text)
    assert first.extras == Extras(
        "call", (SharedGroup("family0", Strategy.LOWEST, ("default:0", "default:9")),)
    )
    assert second.extras is not None
    assert second.extras.groups[0].members[0] == "default:1"
    terms = Terms(("germany", "!premium"), ("call",), "*zero60s", ("!peak",), ("family",), (), True)
    start_of_2027_ns = 1_798_761_600 * SECOND_NS
    factors = (Factor("voice", 1, 60 * SECOND_NS), Factor("sms", 1, 4))
    assert first.topups == (
        TopUp(3600 * SECOND_NS, Unit.TIME, "weekend", 0, start_of_2027_ns, ("voice",), (), terms),
        TopUp(
            1_500_000_000,
            Unit.GENERIC,
            "points",
            0,
            None,
            (),
            (1, 2),
            Terms(factors=factors, is_disabled=True),
        ),
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{}", "has no accounts"),
        ("accounts: [{plan: x}]", "an account needs a key"),
        ("accounts: [{count: 2, key: a}]", "must contain"),
        ("accounts: [{count: 0, key: a}]", "accounts[0].count"),
        ("accounts: [{key: a, balances: [{money: x}]}]", "balances[0].money"),
        ("accounts: [{key: a, balances: [{money: '1', volume: 1MB}]}]", "exactly one of"),
        ("accounts: [{key: a, balances: [{id: x}]}]", "exactly one of"),
        ("accounts: [{key: a, balances: [{volume: 5m}]}]", "not volume"),
        ("accounts: [{key: a, credit_limit: lots}]", "credit_limit"),
        ("accounts: [{kay: a}]", "kay"),
        ("accounts: [{key: a, balances: [{time: 5m, factors: {voice: 1e9}}]}]", "factors.voice"),
        ("accounts: [{key: a, balances: [{time: 5m, factors: {voice: 1/0}}]}]", "factors.voice"),
        ("accounts: [{key: a, balances: [{time: 5m, blocker: maybe}]}]", "blocker"),
        ("accounts: [{key: a, balances: [{time: 5m, expires: soon}]}]", "expires"),
        ("accounts: [{key: a, groups: [{name: g, strategy: mine, members: [a]}]}]", "strategy"),
        ("accounts: [{key: a, groups: [{name: g}]}]", "members"),
    ],
)
def test_every_problem_is_told_at_its_place(text: str, path: str) -> None:
    found = problems_of(text)
    assert found
    assert path in found[0] or any(path in each for each in found)
    assert all(each.startswith("a.yaml:1:") for each in found)


def test_accounts_may_have_action_plans_and_triggers() -> None:
    text = "accounts:\n  - {key: alice, plan: p, action_plans: monthly, triggers: [safety, more]}\n"
    [template], problems = read_accounts(text, "a.yaml")
    assert problems == []
    [new] = template.accounts()
    assert (new.action_plans, new.trigger_groups) == (("monthly",), ("safety", "more"))
