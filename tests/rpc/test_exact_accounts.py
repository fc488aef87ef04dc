"""A portal written for CGRateS on the accounts of the exact core."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.exact.accounting import ExactAccounting
from ocs.metrics import Metrics
from ocs.rpc.activity import Activity
from ocs.rpc.caller import Caller
from ocs.rpc.context import Context
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.methods.cgrates.exact_accounts import ExactAccounts
from ocs.rpc.methods.ocs_v1 import all as ocs_v1
from ocs.rpc.registry import Registry
from tests.rpc.world import catalogue, settings
from tests.support.waiting import PATIENCE_S

TENANT = "cgrates.org"
S = 1_000_000_000


class Portal:
    """The methods on an empty store, called as a connection would."""

    def __init__(self) -> None:
        metrics = Metrics()
        self.service = ChargingService(MemoryStore(), catalogue(), ChargingPolicy(), metrics)
        context = Context(self.service, settings(), metrics, Activity())
        registry = Registry()
        ocs_v1.register(registry)
        ExactAccounts(ExactAccounting(self.service, TENANT), TENANT).register(registry)
        self._dispatcher = Dispatcher(registry, context, EnvelopeLimits())

    async def answer(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer."""
        name = method if "." in method else f"APIerSv1.{method}"
        frame = msgspec.json.encode({"method": name, "params": [params], "id": 1})
        answer = await asyncio.wait_for(self._dispatcher.start(frame, Caller("127.0.0.1:1")), PATIENCE_S)
        assert answer is not None
        found: dict[str, Any] = msgspec.json.decode(answer)
        return found

    async def call(self, method: str, **params: Any) -> Any:
        """The result of a call that must have one."""
        answer = await self.answer(method, **params)
        assert answer["error"] is None, answer
        return answer["result"]

    async def error(self, method: str, **params: Any) -> str:
        """The error of a call that must have one."""
        answer = await self.answer(method, **params)
        assert isinstance(answer["error"], str), answer
        return answer["error"]

    async def balances(self, name: str = "1001") -> dict[str, list[tuple[str, float]]]:
        """Ids and values of an account's balances."""
        found = (await self.call("APIerSv2.GetAccount", Account=name))["BalanceMap"] or {}
        return {kind: [(one["ID"], one["Value"]) for one in held] for kind, held in found.items()}


def portal(test: Callable[[Portal], Awaitable[None]]) -> Callable[[], None]:
    """Decorator: run a test with a portal."""

    def run() -> None:
        async def body() -> None:
            await test(Portal())

        asyncio.run(body())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@portal
async def test_an_account_is_opened_filled_and_shown(api: Portal) -> None:
    assert await api.error("GetAccount", Account="1001") == "NOT_FOUND"
    assert await api.call("SetAccount", Tenant=TENANT, Account="1001") == "OK"
    main = {"ID": "main", "Weight": 10, "ExpiryTime": "2030-01-01T00:00:00Z"}
    money = {"Account": "1001", "BalanceType": "*monetary", "Value": 10.5, "Balance": main}
    assert await api.call("AddBalance", **money) == "OK"
    shown = await api.call("APIerSv2.GetAccount", Tenant=TENANT, Account="1001")
    assert (shown["ID"], shown["AllowNegative"], shown["Disabled"]) == ("cgrates.org:1001", False, False)
    assert shown["BalanceMap"]["*monetary"] == [
        {
            "Uuid": "main",
            "ID": "main",
            "Value": 10.5,
            "ExpirationDate": "2030-01-01T00:00:00Z",
            "Weight": 10,
            "DestinationIDs": {},
            "RatingSubject": "",
            "Categories": {},
            "SharedGroups": {},
            "Timings": None,
            "TimingIDs": {},
            "Disabled": False,
            "Factors": None,
            "Blocker": False,
        }
    ]
    told = await api.call("OcsV1.AccountVerify", account="1001")
    assert told["ok"] is True


@portal
async def test_balances_of_every_kind_are_set_and_removed(api: Portal) -> None:
    for kind, value in (("*voice", 90 * S), ("*data", 1024), ("*sms", 5), ("*mms", 2)):
        assert await api.call("SetBalance", Account="1001", BalanceType=kind, Value=value) == "OK"
    assert await api.balances() == {
        "*voice": [("voice", 90 * S)],
        "*data": [("data", 1024)],
        "*sms": [("sms", 5)],
        "*mms": [("mms", 2)],
    }
    bundle = {
        "ID": "voice",
        "RatingSubject": "*zero1s",
        "DestinationIDs": "!premium;germany",
        "Blocker": True,
    }
    await api.call("SetBalance", Account="1001", BalanceType="*voice", Balance=bundle)
    shown = (await api.call("APIerSv2.GetAccount", Account="1001"))["BalanceMap"]["*voice"][0]
    assert (shown["Value"], shown["RatingSubject"], shown["Blocker"]) == (90 * S, "*zero1s", True)
    assert shown["DestinationIDs"] == {"premium": False, "germany": True}
    assert await api.call("RemoveBalances", Account="1001", BalanceType="*voice") == "OK"
    nothing = {"Account": "1001", "BalanceType": "*data", "Balance": {"ID": "other"}}
    assert await api.error("RemoveBalances", **nothing) == "PARTIALLY_EXECUTED"
    assert sorted(await api.balances()) == ["*data", "*mms", "*sms"]


@portal
async def test_money_is_taken_and_overwritten(api: Portal) -> None:
    await api.call("AddBalance", Account="1001", BalanceType="*monetary", Value=10)
    assert await api.call("DebitBalance", Account="1001", BalanceType="*monetary", Value=0.1) == "OK"
    assert await api.balances() == {"*monetary": [("main", 9.9)]}
    await api.call("AddBalance", Account="1001", BalanceType="*monetary", Value=3, Overwrite=True)
    assert await api.balances() == {"*monetary": [("main", 3)]}
    await api.call("SetBalance", Account="1001", BalanceType="*monetary", Value=0)
    assert await api.balances() == {"*monetary": [("main", 0)]}
    history = await api.call("OcsV1.AccountHistory", account="1001")
    assert [entry["amount"]["nanos"] for entry in history["entries"]] == [
        -3 * S,
        -6_900_000_000,
        -S // 10,
        10 * S,
    ]


@portal
async def test_several_balances_are_set_together_or_not_at_all(api: Portal) -> None:
    two = [
        {"BalanceType": "*monetary", "Value": 1},
        {"BalanceType": "*data", "Value": 5, "Balance": {"ID": "d"}},
    ]
    assert await api.call("SetBalances", Account="1001", Balances=two) == "OK"
    assert await api.balances() == {"*monetary": [("main", 1)], "*data": [("d", 5)]}
    clash = [
        {"BalanceType": "*monetary", "Value": 2},
        {"BalanceType": "*voice", "Value": 5, "Balance": {"ID": "d"}},
    ]
    error = await api.error("SetBalances", Account="1001", Balances=clash)
    assert error == "SERVER_ERROR: balance d holds OCTETS, not TIME"
    assert await api.balances() == {"*monetary": [("main", 1)], "*data": [("d", 5)]}


@portal
async def test_an_account_is_barred_and_freed_of_its_limit(api: Portal) -> None:
    await api.call("SetAccount", Account="1001", ExtraOptions={"Disabled": True, "AllowNegative": True})
    shown = await api.call("GetAccount", Account="1001")
    assert (shown["Disabled"], shown["AllowNegative"]) == (True, True)
    await api.call("APIerSv2.SetAccount", Account="1001", ExtraOptions={"Disabled": False})
    shown = await api.call("GetAccount", Account="1001")
    assert (shown["Disabled"], shown["AllowNegative"]) == (False, True)
    assert await api.error("SetAccount", Account="1001", ActionPlanID="NONE") == "NOT_FOUND"


@portal
async def test_accounts_are_listed_by_tenant_in_pages(api: Portal) -> None:
    for name in ("1001", "1002", "1003"):
        await api.call("SetAccount", Account=name)
    await api.call("SetAccount", Tenant="other.org", Account="2001")
    assert await api.call("GetAccountIDs") == ["1001", "1002", "1003"]
    assert await api.call("GetAccountIDs", Offset=1, Limit=1) == ["1002"]
    assert await api.call("GetAccountsCount", Tenant="other.org") == 1
    shown = await api.call("APIerSv2.GetAccounts", Offset=1, Limit=5)
    assert [each["ID"] for each in shown] == ["cgrates.org:1002", "cgrates.org:1003"]
    named = await api.call("GetAccounts", AccountIDs=["1003", "9"])
    assert [each["ID"] for each in named] == ["cgrates.org:1003"]
    foreign = await api.call("GetAccounts", Tenant="other.org")
    assert [each["ID"] for each in foreign] == ["other.org:2001"]


@portal
async def test_a_name_of_digits_is_a_number_that_nobody_else_gets(api: Portal) -> None:
    await api.call("SetAccount", Account="15550100001")
    found = await api.call("OcsV1.AccountShow", account="msisdn:15550100001")
    assert found["account"] == "default:15550100001"
    assert await api.error("SetAccount", Tenant="other.org", Account="15550100001") == "EXISTS"


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("AddBalance", {"BalanceType": "*monetary", "Value": 1}, "MANDATORY_IE_MISSING: [Account]"),
        ("AddBalance", {"Account": "1"}, "MANDATORY_IE_MISSING: [BalanceType]"),
        ("GetAccount", {}, "MANDATORY_IE_MISSING: [Account]"),
        ("DebitBalance", {"Account": "1", "BalanceType": "*monetary", "Value": 1}, "NOT_FOUND"),
        ("SetBalance", {"Account": "1", "BalanceType": "*gold"}, "SERVER_ERROR: BalanceType: is one of "),
        (
            "AddBalance",
            {"Account": "1", "BalanceType": "*data", "Value": 0.5},
            "SERVER_ERROR: Value, Weight: ",
        ),
        ("AddBalance", {"Account": "1", "BalanceType": "*data", "Value": 0}, "SERVER_ERROR: Value: is more"),
        ("SetAccount", {"Account": "a\nb"}, "SERVER_ERROR: Account: is a name"),
    ],
)
def test_what_cannot_be_done_is_told(method: str, params: dict[str, Any], error: str) -> None:
    async def body() -> str:
        return await Portal().error(method, **params)

    assert asyncio.run(body()).startswith(error)
