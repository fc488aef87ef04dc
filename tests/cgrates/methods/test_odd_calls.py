"""Every method with parameters that are odd: an answer in its own words, never an internal error."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ocs.rpc.methods.cgrates import CGRATES
from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import TARIFF

# What reads or writes files, waits for long, or is asked by another kind of connection.
APART = ("Sleep", "ExportTPToFolder", "ExportToFolder", "StartCPUProfiling", "StopCPUProfiling", "RemoteLock")
MEMBERS = (
    *(
        "Tenant",
        "ID",
        "Id",
        "Account",
        "AccountIDs",
        "Actions",
        "ActionsId",
        "ActionIDs",
        "ActionPlan",
        "GroupID",
    ),
    *("ActionPlanIDs", "ActionTriggerIDs", "ActionTrigger", "ActionTriggers", "ActionPlanId", "ActionPlanID"),
    *(
        "APIOpts",
        "Attributes",
        "Balance",
        "Balances",
        "BalanceType",
        "CacheID",
        "Category",
        "Config",
        "CgrId",
    ),
    *("DestinationIDs", "Destination", "DestinationRates", "DestinationBalanceID", "DestinationAccountID"),
    *(
        "Event",
        "EeIDs",
        "ExtraOptions",
        "Filter",
        "FilterIDs",
        "Filters",
        "Flags",
        "Limit",
        "Offset",
        "LockIDs",
    ),
    *(
        "Metrics",
        "Overwrite",
        "Prefixes",
        "Prefix",
        "RateSlots",
        "RatingPlanActivations",
        "RatingPlanBindings",
    ),
    *(
        "RatingPlanIDs",
        "Routes",
        "Rules",
        "SetupTime",
        "AnswerTime",
        "SharedGroups",
        "SourceAccountID",
        "Path",
    ),
    *(
        "SourceBalanceID",
        "Subject",
        "TPid",
        "TimingID",
        "Time",
        "TimeStart",
        "TimeEnd",
        "Units",
        "Usage",
        "Value",
    ),
    *("UsageRecord", "UniqueID", "Weight", "ActivationInterval", "Pools", "Items", "Section", "IDs", "RefID"),
    *("GetMaxUsage", "InitSession", "UpdateSession", "TerminateSession", "Debit", "CGRID", "RunID", "ToR"),
)
MUTANTS = 40
VALUES: tuple[Any, ...] = (
    *("", "x", "*any", "a:b:c", "\x00", "-1", "1e400", "\ud7ff", "9" * 40, "*now", "=+@"),
    *(0, -1, 1.5, 1 << 62, True, None, [], {}, [None], [[]], ["x", 1], [{}], [{"ID": 1}], {"x": {"y": []}}),
)


def odd_calls() -> Iterator[str]:
    """Names of the methods that are called."""
    for method in CGRATES:
        if not method.name.endswith(APART):
            yield method.name


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    """One server for all calls: what one breaks, the next ones show."""
    api = Api({"rals": {"max_increments": 1000}})
    api.engine.load(TARIFF)
    yield api
    api.close()


BASE: dict[str, Any] = {
    "Tenant": "cgrates.org",
    **dict.fromkeys(("ID", "Id", "TPid", "GroupID", "UniqueID", "CacheID", "ActionPlanId", "TimingID"), "x"),
    **dict.fromkeys(("ActionsId", "Subject", "CgrId", "Prefix", "Category", "RunID"), "call"),
    "Account": "1001",
    "BalanceType": "*monetary",
    "Value": 1,
    "Balance": {"ID": "main", "Weight": 1},
    "Balances": [{"BalanceType": "*sms", "Value": 1, "Balance": {"ID": "s"}}],
    "Actions": [{"Identifier": "*topup", "BalanceType": "*monetary", "Units": "1", "Weight": 1}],
    "ActionPlan": [{"ActionsId": "call", "Time": "*monthly", "TimingId": "*any"}],
    "ActionTriggers": [{"ThresholdType": "*min_balance", "ThresholdValue": 1}],
    "Attributes": [{"Path": "*req.X", "Type": "*constant", "Value": "1"}],
    "Event": {"OriginID": "o", "Account": "1001", "Destination": "4912", "ToR": "*voice", "Usage": "1m"},
    "Flags": ["*rals:*authorize", "*attributes"],
    "Prefixes": ["49"],
    "DestinationRates": [{"DestinationId": "x", "RateId": "x"}],
    "RateSlots": [{"Rate": 1, "RateUnit": "1s", "RateIncrement": "1s"}],
    "RatingPlanBindings": [{"DestinationRatesId": "x", "TimingId": "*any"}],
    "RatingPlanActivations": [{"ActivationTime": "2020-01-01T00:00:00Z", "RatingPlanId": "RP"}],
    "SharedGroups": [{"Account": "*any", "Strategy": "*lowest"}],
    "Rules": [{"Type": "*string", "Element": "~*req.Account", "Values": ["1"]}],
    "Destination": "4912",
    "Usage": "60s",
    "Units": 1,
    **dict.fromkeys(("SourceAccountID", "DestinationAccountID"), "1001"),
    **dict.fromkeys(("SourceBalanceID", "DestinationBalanceID"), "main"),
    **dict.fromkeys(("GetMaxUsage", "InitSession", "UpdateSession", "TerminateSession", "Debit"), True),
}


@pytest.mark.parametrize("name", list(odd_calls()))
def test_odd_parameters_are_answered(server: Api, name: str) -> None:
    for value in VALUES:
        _check(server, name, value)
        _check(server, name, dict.fromkeys(MEMBERS, value))


@pytest.mark.parametrize("name", list(odd_calls()))
def test_right_parameters_with_odd_members_are_answered(server: Api, name: str) -> None:
    chance = random.Random(name)
    for _ in range(MUTANTS):
        params = copy.deepcopy(BASE)
        for _ in range(chance.randint(0, 2)):
            _mutate(params, chance)
        _check(server, name, params)
    assert server("CoreSv1.Ping") == "Pong"


def _mutate(params: dict[str, Any], chance: random.Random) -> None:
    """Makes one member odd, of the object itself or of one inside."""
    member = chance.choice([*params, *MEMBERS])
    inner = params.get(member)
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        inner = inner[0]
    if isinstance(inner, dict) and inner and chance.random() < 0.7:
        inner[chance.choice(list(inner))] = chance.choice(VALUES)
    else:
        params[member] = chance.choice(VALUES)


def _check(server: Api, name: str, params: object) -> None:
    answer = server.runner.run(server.engine.call(name, params))
    assert answer["error"] != "internal error", (name, params)
