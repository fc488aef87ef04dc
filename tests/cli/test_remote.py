"""The commands that ask a running server: what they send, what they show, how they fail."""

import getpass
import json
from typing import Any

import pytest

from ocs.cli.main import main
from tests.cli.conftest import FakeServer
from tests.support.ports import free_port

Capture = pytest.CaptureFixture[str]


def run(server: FakeServer, *words: str) -> int:
    return main([*words, "--server", server.address])


@pytest.mark.parametrize(
    ("words", "method", "parameters"),
    [
        (["account", "show", "1001"], "AccountShow", {"account": "1001"}),
        (["account", "history", "1001"], "AccountHistory", {"account": "1001", "limit": 50}),
        (["account", "verify", "1001"], "AccountVerify", {"account": "1001"}),
        (["account", "verify", "--all"], "AccountVerify", {}),
        (["session", "ls"], "SessionList", {"limit": 50}),
        (
            ["session", "ls", "--account", "1001", "--limit", "7"],
            "SessionList",
            {"account": "1001", "limit": 7},
        ),
        (["session", "show", "a;1;2"], "SessionShow", {"session": "a;1;2"}),
        (["cdr", "ls", "--session", "a;1;2"], "CdrList", {"session": "a;1;2", "limit": 50}),
        (["peer", "ls"], "PeerList", {}),
    ],
)
def test_command_calls_its_method(
    server: FakeServer, words: list[str], method: str, parameters: dict[str, Any]
) -> None:
    server.answers({"ok": True})
    assert run(server, *words) == 0
    asked = {"jsonrpc": "2.0", "method": f"OcsV1.{method}", "params": [parameters], "id": 1}
    assert server.requests == [asked]


def test_topup_sends_exact_nanos_and_a_reference(server: FakeServer) -> None:
    server.answers({"ok": True})
    assert run(server, "account", "topup", "1001", "10.000000001", "--note", "gift") == 0
    [parameters] = server.requests[0]["params"]
    assert len(parameters.pop("reference")) == 36
    assert parameters == {
        "account": "1001",
        "balance": "main",
        "amount_nanos": 10_000_000_001,
        "note": "gift",
        "by": getpass.getuser(),
    }


def test_topup_keeps_the_reference_it_is_given(server: FakeServer) -> None:
    server.answers({"ok": True})
    assert run(server, "account", "topup", "1001", "1", "--reference", "r-1") == 0
    assert server.requests[0]["params"][0]["reference"] == "r-1"


@pytest.mark.parametrize("amount", ["0", "0.00", "1e3", "1,5", "1.0000000001", "ten", ""])
def test_topup_refuses_an_amount_that_is_not_exact(server: FakeServer, capsys: Capture, amount: str) -> None:
    assert run(server, "account", "topup", "1001", amount) == 2
    assert server.requests == []
    assert "amount" in capsys.readouterr().err


def test_account_is_shown_as_lines_and_tables(server: FakeServer, capsys: Capture) -> None:
    server.answers(
        {
            "account": "1001",
            "available_nanos": 12_345_000_000,
            "balances": [
                {"id": "main", "posted_nanos": 20_000_000_000, "reserved_nanos": 7_655_000_000},
                {"id": "bonus", "posted_nanos": 1, "reserved_nanos": 0},
            ],
        }
    )
    assert run(server, "account", "show", "1001") == 0
    assert capsys.readouterr().out.splitlines() == [
        "ACCOUNT    1001",
        "AVAILABLE  12.345",
        "",
        "BALANCES",
        "ID          POSTED  RESERVED",
        "main         20.00     7.655",
        "bonus  0.000000001      0.00",
    ]


def test_json_prints_the_result_as_it_came(server: FakeServer, capsys: Capture) -> None:
    result = [{"amount_nanos": 10**21, "name": "M\u00fcller"}]
    server.answers(result)
    assert run(server, "cdr", "ls", "--json") == 0
    assert json.loads(capsys.readouterr().out) == result


def test_empty_list_says_so(server: FakeServer, capsys: Capture) -> None:
    server.answers([])
    assert run(server, "session", "ls") == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_verify_that_finds_a_difference_exits_1(server: FakeServer) -> None:
    server.answers({"ok": False, "differences": [{"account": "1001", "difference_nanos": 5}]})
    assert run(server, "account", "verify", "--all") == 1


def test_verify_of_all_asks_until_there_is_no_more(server: FakeServer, capsys: Capture) -> None:
    pages: list[dict[str, Any]] = [
        {"ok": True, "accounts": 2, "differences": [], "next_after": "b"},
        {"ok": False, "accounts": 1, "differences": [{"account": "c", "problem": "p"}]},
    ]
    server.reply = lambda request: json.dumps({"id": 1, "result": pages.pop(0), "error": None}).encode()
    assert run(server, "account", "verify", "--all", "--json") == 1
    assert [request["params"] for request in server.requests] == [[{}], [{"after": "b"}]]
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "accounts": 3,
        "differences": [{"account": "c", "problem": "p"}],
    }


def test_answer_in_single_octets_is_put_together(server: FakeServer, capsys: Capture) -> None:
    server.answers({"note": 'brackets }]" in \\ text'})
    server.piece = 1
    assert run(server, "account", "show", "1001") == 0
    assert 'brackets }]" in \\ text' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b'{"id": 1, "result": null, "error": "unknown account"}', "ocs: unknown account\n"),
        (b'{"id": 1, "error": {"code": 5, "message": "no such account"}}', "ocs: no such account\n"),
        (b'{"id": 9, "result": 1}', "is not JSON-RPC"),
        (b"[1]", "is not JSON-RPC"),
        (b'{"id": 1, "resu', "not JSON, or was cut off"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not JSON, or was cut off"),
        (b"", "closed the connection without an answer"),
    ],
)
def test_failed_call_says_why_and_exits_1(
    server: FakeServer, capsys: Capture, reply: bytes, expected: str
) -> None:
    server.reply = lambda request: reply
    assert run(server, "account", "show", "1001") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert expected in shown.err


def test_server_that_is_not_there_is_said_clearly(capsys: Capture) -> None:
    port = free_port()
    assert main(["peer", "ls", "--server", f"127.0.0.1:{port}"]) == 1
    error = capsys.readouterr().err
    assert f"no server at 127.0.0.1:{port} (Connection refused): is `ocs serve` running there?" in error


@pytest.mark.parametrize("address", ["nowhere", "host:", ":2012", "host:99999", "host:x"])
def test_address_without_a_port_is_said_clearly(capsys: Capture, address: str) -> None:
    assert main(["peer", "ls", "--server", address]) == 1
    assert "is not host:port" in capsys.readouterr().err
