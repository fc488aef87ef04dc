"""Sessions that take an address of a pool."""

import asyncio
from typing import Any

import pytest

from tests.cgrates.engine import Engine
from tests.cgrates.test_around import CONNECTED, EVENT, FOLDER, ON

POOL = "cgrates.org,IP1,,,1h,true,10,P1,,*ipv4,10.0.0.5/32,*ascending,mine,20,false\n"
GIVEN = {"ProfileID": "IP1", "PoolID": "P1", "Message": "mine", "Address": "10.0.0.5"}
CALLER = EVENT | {"Account": "1001"}
OTHER = CALLER | {"OriginID": "c-2"}


def engine() -> Engine:
    """A server with one address."""
    found = Engine(
        {**CONNECTED, "sessions": {**CONNECTED["sessions"], "ips_conns": ON}, "ips": {"enabled": True}}
    )
    found.load(FOLDER | {"IPs.csv": POOL})
    return found


def held(found: Engine) -> list[str]:
    """Who has an address."""
    addresses = found.runtime.surroundings.addresses
    profile = found.runtime.state.tables["ip"]["cgrates.org:IP1"]  # type: ignore[index] # a StrEnum is its text
    return list(addresses.held(profile))


async def _life() -> list[object]:
    found = engine()
    asked: dict[str, Any] = {"GetMaxUsage": True, "AuthorizeIP": True, "Event": CALLER}
    seen: list[object] = [(await found.result("SessionSv1.AuthorizeEvent", asked))["AllocatedIP"]]
    seen += [(await found.result("SessionSv1.AuthorizeEventWithDigest", asked))["AllocatedIP"], held(found)]
    begin = {"InitSession": True, "AllocateIP": True, "Event": CALLER}
    seen += [(await found.result("SessionSv1.InitiateSession", begin))["AllocatedIP"], held(found)]
    seen += [await found.error("SessionSv1.InitiateSession", {**begin, "Event": OTHER}), held(found)]
    end = {"TerminateSession": True, "ReleaseIP": True, "Event": CALLER}
    return [*seen, await found.result("SessionSv1.TerminateSession", end), held(found)]


def test_a_session_has_its_address_from_begin_to_end() -> None:
    asked = [GIVEN, "IP1:P1:mine:10.0.0.5", []]
    begun = [GIVEN, ["c-1"], "IPS_ERROR:IP_UNAVAILABLE", ["c-1"]]
    assert asyncio.run(_life()) == [*asked, *begun, "OK", []]


@pytest.mark.parametrize(
    ("method", "flag"), [("InitiateSession", "InitSession"), ("ProcessMessage", "Debit")]
)
def test_a_session_that_cannot_begin_keeps_no_address(method: str, flag: str) -> None:
    async def refused() -> tuple[str, list[str], object]:
        found = engine()
        request = {
            flag: True,
            "AllocateIP": True,
            "AllocateResources": True,
            "Event": CALLER | {"Account": "nobody"},
        }
        error = await found.error(f"SessionSv1.{method}", request)
        used = found.runtime.surroundings.resources.usage("cgrates.org", "CHANNELS", 0)
        return error, held(found), used

    assert asyncio.run(refused()) == ("RALS_ERROR:ACCOUNT_NOT_FOUND", [], 0)


def test_an_event_takes_an_address_by_its_flags() -> None:
    async def processed() -> None:
        found = engine()
        for flag, expected in (("*authorize", []), ("*allocate", ["c-1"])):
            request = {"Flags": [f"*ips:{flag}"], "Event": CALLER}
            answer = await found.result("SessionSv1.ProcessEvent", request)
            assert answer == {"AllocatedIP": {"*raw": GIVEN}}
            assert held(found) == expected
        assert (
            await found.result("SessionSv1.ProcessEvent", {"Flags": ["*ips:*release"], "Event": CALLER}) == {}
        )
        assert held(found) == []

    asyncio.run(processed())


def test_without_a_connection_nothing_is_taken() -> None:
    async def refused() -> str:
        found = Engine(CONNECTED)
        found.load(FOLDER | {"IPs.csv": POOL})
        request = {"InitSession": True, "AllocateIP": True, "Event": CALLER}
        error = await found.error("SessionSv1.InitiateSession", request)
        assert found.runtime.state.sessions == {}
        return error

    assert asyncio.run(refused()) == "NOT_CONNECTED: IPs"
