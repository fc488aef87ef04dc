"""Tariff versions, prices and explanations over JSON-RPC, on a server that charges meanwhile."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from ocs.charging.money import NANOS
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.sources import YAML, Source
from ocs.rpc.methods.ocs_v1 import tariffs as methods
from ocs.tariffs import Tariffs
from tests.rpc.world import KIB_NANOS, MSISDN, World, in_world, settings
from tests.support.tariff_texts import keep, yaml_source
from tests.support.waiting import PATIENCE_S

VOICE = {"service": "voice", "subscriber": MSISDN, "called": "4930"}
MINUTE = {"plan": "standard", "service": "voice", "usage": "60s"}


def with_versions(world: World, folder: Path, *texts: tuple[str, str]) -> Tariffs:
    """Give a server versions with these prices and currencies."""
    tariffs = Tariffs(settings(), folder)
    for price, currency in texts:
        keep(tariffs.versions, yaml_source(price, currency))
    world.server.context.tariffs = tariffs
    return tariffs


@pytest.mark.parametrize("method", ["TariffList", "TariffRollback"])
@in_world
async def test_a_server_without_versions_says_so(world: World, method: str) -> None:
    assert await world.fail(method) == "this server keeps no versions of its tariff"


@in_world
async def test_versions_are_listed_activated_and_rolled_back(world: World, tmp_path: Path) -> None:
    with_versions(world, tmp_path, ("0.20", "EUR"), ("0.30", "EUR"))
    assert (await world.call("Rate", **MINUTE))["cost_nanos"] == NANOS // 10
    for version, price in ((1, 2), (2, 3)):
        switched = await world.call("TariffActivate", version=version, by="me")
        told = {"version": version, "state": "active", "error": "", "active": version, "warnings": []}
        assert switched == told
        assert (await world.call("Rate", **MINUTE))["cost_nanos"] == price * NANOS // 10
    listed = await world.call("TariffList")
    assert [(row["version"], row["active"], row["plans"]) for row in listed["versions"]] == [
        (1, False, 1),
        (2, True, 1),
    ]
    assert (await world.call("TariffRollback"))["version"] == 1
    assert (await world.call("Rate", **MINUTE))["cost_nanos"] == NANOS // 5


@in_world
async def test_a_switch_may_have_open_sessions_ask_again(world: World, tmp_path: Path) -> None:
    with_versions(world, tmp_path, ("0.20", "EUR"))
    await world.call("Charge", **VOICE, kind="INITIAL", session="s;9", requested="60s")
    await world.call("TariffActivate", version=1)
    assert world.control.asked.empty()
    await world.call("TariffRollback", reauthorize=True)
    async with asyncio.timeout(PATIENCE_S):
        asked, address = await world.control.asked.get()
    assert (asked, address.session_id) == ("reauthorize", "s;9")


@in_world
async def test_a_switch_tells_what_accounts_lose_by_it(world: World, tmp_path: Path) -> None:
    """Also of balances; what no tariff has, such as a destination never heard of, is no loss."""
    tariffs = with_versions(world, tmp_path, ("0.20", "EUR"))
    keep(tariffs.versions, yaml_source("0.20", plan="other"))
    for number in ("8", "9"):
        await world.call("AccountCreate", account=number, plan="standard")
    terms = {"destinations": ["!germany", "atlantis"], "subject": "*zero1s"}
    await world.call("AccountTopup", account="9", amount="1m", unit="time", balance="b", terms=terms)
    text = yaml_source("0.20").files[0][1] + "destinations: {germany: [49]}\n"
    keep(tariffs.versions, Source(YAML, (("t.yaml", text),)))
    assert (await world.call("TariffActivate", version=3))["warnings"] == []
    switched = await world.call("TariffActivate", version=2)
    assert switched["warnings"] == [
        '3 accounts name plan "standard", which is gone: default:1001, default:8, default:9',
        '1 account names destination "germany", which is gone: default:9',
    ]
    assert (await world.call("TariffList"))["switch"]["warnings"] == switched["warnings"]


@in_world
async def test_a_switch_that_fails_changes_nothing(world: World, tmp_path: Path) -> None:
    tariffs = with_versions(world, tmp_path, ("0.20", "USD"))
    assert "prices are in USD" in await world.fail("TariffActivate", version=1)
    assert await world.fail("TariffActivate", version=4) == "there is no tariff version 4"
    assert "nothing to roll back" in await world.fail("TariffRollback")
    assert (await world.call("Rate", **MINUTE))["cost_nanos"] == NANOS // 10
    assert (await world.call("TariffList"))["switch"]["state"] == "failed"
    assert tariffs.versions.current() == 0


def test_a_long_switch_goes_on_while_the_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch is asked for, the server charges by the old tariff, and by the new one when it is done."""
    monkeypatch.setattr(methods, "WAIT_S", 0.0)
    may_go_on = threading.Event()

    @in_world
    async def run(world: World) -> None:
        tariffs = with_versions(world, tmp_path, ("0.20", "EUR"))
        compile_, done = tariffs.compile, threading.Event()

        def slow(number: int) -> Catalogue:
            assert may_go_on.wait(PATIENCE_S)
            done.set()
            return compile_(number)

        monkeypatch.setattr(tariffs, "compile", slow)
        assert (await world.call("TariffActivate", version=1))["state"] == "compiling"
        assert "is being compiled" in await world.fail("TariffActivate", version=1)
        assert (await world.call("Rate", **MINUTE))["cost_nanos"] == NANOS // 10
        may_go_on.set()
        while (await world.call("TariffList"))["switch"]["state"] == "compiling":
            assert done.wait(PATIENCE_S)
        assert (await world.call("Rate", **MINUTE))["cost_nanos"] == NANOS // 5

    run()
    assert may_go_on.is_set()


@in_world
async def test_a_rule_that_is_gone_refuses_and_still_debits(world: World, tmp_path: Path) -> None:
    """Gy case 97: the answer is no success, and what was used is paid by the tariff before."""
    with_versions(world, tmp_path, ("0.20", "EUR"))
    data = {"session": "d;1", "service": "data", "rating_group": 10, "requested": "1MiB"}
    await world.call("Charge", kind="INITIAL", subscriber=MSISDN, **data)
    await world.call("TariffActivate", version=1)
    answer = await world.call("Charge", kind="UPDATE", event=1, used="10KiB", **data)
    [grant] = answer["grants"]
    assert (grant["result"], grant["cost_nanos"]) == ("RATING_FAILED", 10 * KIB_NANOS)
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 10 * NANOS - 10 * KIB_NANOS


@in_world
async def test_a_price_is_told_with_its_reasons(world: World) -> None:
    told = await world.call(
        "Rate", account="1001", service="voice", usage="95s", called="+4930", at="2026-06-01T00:00:00Z"
    )
    assert (told["plan"], told["called"], told["unit"], told["units"]) == (
        "standard",
        "4930",
        "time",
        95 * NANOS,
    )
    [piece] = told["pieces"]
    assert (piece["rule"], piece["breakdown"]["slots"][0]["increments"]) == ("voice", 95)
    assert told["considered"][0]["reason"] == 'chosen: rate "minute" at any time'


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"plan": "nobody"}, 'there is no plan "nobody"'),
        ({"plan": None}, "plan: is missing; or name the account"),
        ({"account": "1001"}, "plan: is given, and an account beside it"),
        ({"service": "fax"}, 'service: "fax" is not'),
        ({"unit": "money", "usage": 5}, "usage: is money"),
        ({"rated_from": "-1s"}, "rated_from: is below zero"),
    ],
)
@in_world
async def test_wrong_questions_name_the_member(world: World, params: dict[str, Any], expected: str) -> None:
    assert expected in await world.fail("Rate", **(MINUTE | params))


async def call_of_two_minutes(world: World, session: str) -> None:
    """A session that costs 0.20."""
    await world.call("Charge", kind="INITIAL", session=session, requested="60s", **VOICE)
    await world.call("Charge", kind="UPDATE", event=1, session=session, used="60s", service="voice")
    await world.call("Charge", kind="TERMINATION", session=session, used="60s", service="voice")


@in_world
async def test_a_closed_session_is_explained_entry_by_entry(world: World) -> None:
    await call_of_two_minutes(world, "v;1")
    for question in ({"session": "v;1"}, {"account": MSISDN}, {"session": "v;1", "client": "jsonrpc"}):
        told = await world.call("Explain", **question)
        assert (told["session"], told["cost_nanos"], told["is_complete"]) == ("v;1", NANOS // 5, True)
        assert [event["kind"] for event in told["events"]] == ["UPDATE", "TERMINATION"]
        [charge] = told["events"][1]["charges"]
        assert (charge["rated_from"], charge["units"]) == (60 * NANOS, 60 * NANOS)
        assert charge["decision"]["text"] == "standard|voice|minute||"
        [change] = charge["balances"]
        assert (change["before"], change["amount"], change["after"]) == (
            99 * NANOS // 10,
            -NANOS // 10,
            98 * NANOS // 10,
        )


@in_world
async def test_an_open_session_is_explained_so_far(world: World) -> None:
    await world.call("Charge", kind="INITIAL", session="v;2", requested="60s", **VOICE)
    await world.call("Charge", kind="UPDATE", event=1, session="v;2", used="30s", service="voice")
    for question in ({"session": "v;2"}, {"account": "1001"}):
        told = await world.call("Explain", **question)
        assert (told["closed_at_ns"], told["cost_nanos"], len(told["events"])) == (None, NANOS // 20, 1)


@in_world
async def test_each_entry_is_explained_by_the_tariff_of_its_time(world: World, tmp_path: Path) -> None:
    with_versions(world, tmp_path, ("0.20", "EUR"))
    await world.call("Charge", kind="INITIAL", session="v;3", requested="60s", **VOICE)
    await world.call("Charge", kind="UPDATE", event=1, session="v;3", used="60s", service="voice")
    await world.call("TariffActivate", version=1)
    await world.call("Charge", kind="TERMINATION", session="v;3", used="60s", service="voice")
    told = await world.call("Explain", session="v;3")
    charges = [event["charges"][0] for event in told["events"]]
    assert [charge["amount_nanos"] for charge in charges] == [NANOS // 10, NANOS // 5]
    assert (charges[1]["tariff"], charges[1]["note"]) == (1, "")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, "session: is missing; or name the account"),
        ({"session": "nothing"}, "no session nothing"),
        ({"account": "1001"}, "no session of account default:1001 has changed a balance"),
        ({"account": "nobody"}, "no account nobody"),
    ],
)
@in_world
async def test_what_cannot_be_explained_is_said(
    world: World, question: dict[str, str], expected: str
) -> None:
    assert await world.fail("Explain", **question) == expected
