"""The `ocs` commands against a running server: both ends agree on names, units and errors."""

import asyncio
import json

import pytest

from ocs.cli.main import main
from tests.rpc.world import MSISDN, World, in_world

Capture = pytest.CaptureFixture[str]


async def run(world: World, *words: str) -> int:
    """Run a command beside the server."""
    assert "jsonrpc" in world.server.addresses
    server = "{}:{}".format(*world.server.addresses["jsonrpc"])
    return await asyncio.to_thread(main, [*words, "--server", server])


@in_world
async def test_commands_show_what_the_server_has(world: World, capsys: Capture) -> None:
    initial = {"kind": "INITIAL", "service": "data", "rating_group": 10, "requested": "1MiB"}
    await world.call("Charge", **initial, session="smf;1", subscriber=MSISDN)
    message = {"kind": "EVENT", "session": "m", "event": 1, "service": "sms", "requested": 1}
    await world.call("Charge", **message, subscriber=MSISDN)
    for words, expected in (
        (["account", "topup", MSISDN, "2.50", "--note", "gift"], ["topup", "2.50", "12.45"]),
        (["account", "show", MSISDN], ["1001", "standard", "BALANCES", "main", "12.45", "HOLDS", "1.024"]),
        (["account", "history", "1001", "--limit", "20"], ["TOPUP", "DEBIT", "gift", "2.50", "-0.05"]),
        (["account", "verify", "1001"], ["yes"]),
        (["account", "verify", "--all"], ["yes"]),
        (["session", "ls"], ["smf;1", "1001"]),
        (["session", "ls", "--account", MSISDN], ["smf;1"]),
        (["session", "show", "smf;1"], ["QUOTAS", "1.0 MiB"]),
        (["cdr", "ls", "--account", MSISDN], ["sms", "0.05"]),
        (["cdr", "ls", "--session", "m"], ["sms", "0.05"]),
        (["peer", "ls"], ["smf.example.org", "pgw.example.net", "origin_host"]),
    ):
        assert await run(world, *words) == 0
        shown = capsys.readouterr().out
        for text in expected:
            assert text in shown, (words, text, shown)


@in_world
async def test_commands_say_what_the_server_refuses(world: World, capsys: Capture) -> None:
    assert await run(world, "account", "show", "nobody") == 1
    assert capsys.readouterr().err == "ocs: no account nobody\n"
    assert await run(world, "session", "show", "gone") == 1
    assert capsys.readouterr().err == "ocs: no open session gone\n"
    assert await run(world, "session", "ls") == 0
    assert capsys.readouterr().out == "nothing found\n"


@in_world
async def test_repeated_topup_with_a_reference_is_booked_once(world: World, capsys: Capture) -> None:
    for _ in range(3):
        assert await run(world, "account", "topup", "1001", "1.00", "--reference", "r-1") == 0
    capsys.readouterr()
    assert await run(world, "account", "show", "1001", "--json") == 0
    assert json.loads(capsys.readouterr().out)["available_nanos"] == 11_000_000_000


@in_world
async def test_session_is_traced_killed_and_its_record_exported(world: World, capsys: Capture) -> None:
    start = {
        "kind": "INITIAL",
        "session": "smf;1",
        "service": "data",
        "rating_group": 10,
        "requested": "1MiB",
    }
    await world.call("Charge", **start, subscriber=MSISDN, apn="internet")
    update = {"kind": "UPDATE", "session": "smf;1", "event": 1, "service": "data", "rating_group": 10}
    await world.call("Charge", **update, used="1KiB", requested="1MiB")
    assert await run(world, "session", "trace", "smf;1") == 0
    traced = capsys.readouterr().out.splitlines()
    assert "account default:1001, data to internet" in traced[0]
    assert "UPDATE" in traced[1]
    assert "rating group 10 used 1.0 KiB: debit main -0.001 -> 9.999" in traced[1]
    assert traced[-1] == "open, cost 0.001"
    assert await run(world, "session", "kill", "smf;1") == 0
    assert capsys.readouterr().out == "smf;1: accepted\n"
    await world.call(
        "Charge", kind="TERMINATION", session="smf;1", service="data", rating_group=10, used="1KiB"
    )
    assert await run(world, "session", "trace", "smf;1", "--follow") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("closed ")
    assert await run(world, "cdr", "export") == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.startswith(
        "account,client,session,service,opened_at,closed_at,cause,called,apn,session_cost,"
    )
    assert row.startswith("default:1001,jsonrpc,smf;1,data,")
    assert ",0.002,10,2048,octets,0.002," in row


@in_world
async def test_account_is_opened_credited_and_barred(world: World, capsys: Capture) -> None:
    for words in (
        "account create 2001 --plan standard --identity msisdn:15550100077 --amount 1.5",
        "balance add 15550100077 100MB --balance bundle --unit octets --service data",
    ):
        assert await run(world, *words.split()) == 0
    assert await run(world, "balance", "adjust", "15550100077", "-0.5") == 0
    assert await run(world, "account", "bar", "2001") == 0
    capsys.readouterr()
    assert await run(world, "balance", "ls", "2001") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [["main", "1.00"], ["bundle", "95.3"]]
    assert await run(world, "account", "ls") == 0
    assert "BARRED" in capsys.readouterr().out


@in_world
async def test_an_ended_session_is_given_back_without_the_name_of_its_client(
    world: World, capsys: Capture
) -> None:
    message = {"kind": "EVENT", "session": "m", "event": 1, "service": "sms", "requested": 1}
    await world.call("Charge", **message, subscriber=MSISDN)
    before = (await world.call("AccountShow", account=MSISDN))["available_nanos"]
    assert await run(world, "session", "refund", MSISDN, "m") == 0
    capsys.readouterr()
    assert (await world.call("AccountShow", account=MSISDN))["available_nanos"] == before + 5 * 10**7
