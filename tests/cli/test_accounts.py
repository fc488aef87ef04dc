"""Commands that change accounts and end sessions: what they send, and their exit codes."""

import getpass
from typing import Any

import pytest

from ocs.cli.main import main
from tests.cli.conftest import FakeServer

Capture = pytest.CaptureFixture[str]
ME = getpass.getuser()


@pytest.mark.parametrize(
    ("words", "method", "parameters"),
    [
        (["account", "ls", "--limit", "3"], "AccountList", {"limit": 3}),
        (["account", "bar", "1001"], "AccountBar", {"account": "1001"}),
        (["account", "unbar", "1001"], "AccountUnbar", {"account": "1001"}),
        (
            ["balance", "adjust", "1001", "-0.50", "--reference", "r"],
            "AccountAdjust",
            {"account": "1001", "amount": "-0.50", "balance": "main", "reference": "r", "note": "", "by": ME},
        ),
        (
            ["balance", "add", "1001", "100MB", "--unit", "octets", "--reference", "r", "--service", "data"],
            "AccountTopup",
            {
                "account": "1001",
                "amount": "100MB",
                "balance": "main",
                "reference": "r",
                "note": "",
                "by": ME,
                "unit": "octets",
                "services": ["data"],
            },
        ),
        (
            ["session", "kill", "a;1", "--force"],
            "SessionDisconnect",
            {"session": "a;1", "cause": "operator", "force": True},
        ),
    ],
)
def test_command_calls_its_method(
    server: FakeServer, words: list[str], method: str, parameters: dict[str, Any]
) -> None:
    server.answers({"ok": True, "session": "a;1", "answer": "ACCEPTED", "closed": False})
    assert main([*words, "--server", server.address]) == 0
    [request] = server.requests
    assert (request["method"], request["params"]) == (f"OcsV1.{method}", [parameters])


def test_session_that_is_not_ended_is_a_failure(server: FakeServer, capsys: Capture) -> None:
    server.answers({"session": "a;1", "client": "c", "answer": "UNREACHABLE", "closed": False})
    assert main(["session", "kill", "a;1", "--server", server.address]) == 1
    assert capsys.readouterr().out == "a;1: unreachable\n"


def test_every_changing_command_makes_a_reference(server: FakeServer) -> None:
    server.answers({"ok": True})
    for words in (["balance", "add", "1", "5"], ["account", "create", "x", "--plan", "standard"]):
        assert main([*words, "--server", server.address]) == 0
        assert len(server.requests.pop()["params"][0]["reference"]) == 36
