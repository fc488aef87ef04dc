"""Requests of a message gateway over HTTP: the example of docs/cgrates.md in a process of its own."""

import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates.config import ConfigError, load
from ocs.cli.jsonrpc import call
from tests.interop.programs import Program, is_listening
from tests.interop.server import PROJECT
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S

EXAMPLES = PROJECT / "docs" / "examples" / "cgrates"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
PRICE = 0.05


class Gateway:
    """The server, and what a gateway says to it."""

    def __init__(self, folder: Path) -> None:
        self.rpc_port, self.http_port = free_ports(2)
        configuration = folder / "cgrates"
        configuration.mkdir()
        shutil.copy(EXAMPLES / "http" / "cgrates.json", configuration)
        ports = {"rpc_json": f"127.0.0.1:{self.rpc_port}", "http": f"127.0.0.1:{self.http_port}"}
        (configuration / "ports.json").write_text(json.dumps({"listen": ports}))
        command = [sys.executable, "-m", "ocs", "cgrates", "-config_path", str(configuration)]
        self.program = Program(command, folder / "ocs.log", cwd=PROJECT)
        ready = "server.ready"
        self.program.until(lambda: is_listening(self.http_port) and ready in self.program.output(), ready)
        self.call("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(EXAMPLES / "tariffs"))
        named = {"Tenant": "cgrates.org", "Account": "1001", "BalanceType": "*monetary"}
        self.call("APIerSv1.SetBalance", **named, Value=0.11, Balance={"ID": "main"})

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method."""
        return call(f"127.0.0.1:{self.rpc_port}", method, parameters)

    def money(self) -> float:
        """What account 1001 has."""
        view = self.call("APIerSv2.GetAccount", Tenant="cgrates.org", Account="1001")
        return float(view["BalanceMap"]["*monetary"][0]["Value"])

    def said(
        self, path: str, body: bytes | None = None, kind: str = "application/xml"
    ) -> tuple[int, str, str]:
        """Status, type and text of an answer."""
        headers = {} if body is None else {"Content-Type": kind}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("gateway"))
    yield running
    running.program.end()


def test_messages_are_charged_until_the_money_ends(gateway: Gateway) -> None:
    plain, xml = "text/plain; charset=utf-8", "text/xml; charset=utf-8"
    allowed = f"{HEAD}  <reply>\n    <allow>1</allow>\n  </reply>"
    refused = f"{HEAD}  <reply>\n    <allow>0</allow>\n  </reply>"
    document = b'<message id="%s"><from>1001</from><to>2001</to></message>'
    assert gateway.said("/sms?id=m1&from=1001&to=2001") == (200, plain, "reply.allow=1\n")
    assert gateway.said("/sms.xml", document % b"m2") == (200, xml, allowed)
    assert gateway.money() == pytest.approx(0.11 - 2 * PRICE)
    assert gateway.said("/sms?id=m1&from=1001&to=2001") == (200, plain, "reply.allow=1\n"), "it comes again"
    assert gateway.said("/sms.xml", document % b"m3") == (200, xml, refused)
    form = b"id=m4&from=1001&to=2001"
    assert gateway.said("/sms", form, "application/x-www-form-urlencoded") == (200, plain, "reply.allow=0\n")
    assert gateway.money() == pytest.approx(0.11 - 2 * PRICE)
    records = gateway.call("CDRsV1.GetCDRs", Accounts=["1001"], RunIDs=["*default"])
    costs = {each["OriginID"]: float(each["Cost"]) for each in records}
    assert costs == {"m1": PRICE, "m2": PRICE, "m3": 0, "m4": 0}


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/sms", None, "no request processor fits"),
        ("/sms?from=1001&to=2001", None, "MANDATORY_IE_MISSING: [OriginID]"),
        ("/sms.xml", b"<message><from>1001</message>", "line 1, column 22: mismatched tag"),
        ("/sms.xml", b"", "line 1, column 1: no element found"),
        ("/sms.xml", b'<!DOCTYPE m [<!ENTITY a "b">]><m>&a;</m>', "a document type is not taken"),
        ("/sms.xml", b"<a>" * 40 + b"</a>" * 40, "32 in each other"),
        ("/sms.xml", b"<a>" + b"<b/>" * 10_001 + b"</a>", "more than 10000 elements"),
    ],
)
def test_what_cannot_be_used_is_told_and_charged_nothing(
    gateway: Gateway, path: str, body: bytes | None, reason: str
) -> None:
    before = gateway.money()
    status, _, text = gateway.said(path, body)
    assert (status, reason in text) == (400, True), text
    assert gateway.money() == before


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"url": "sms"}, 'http_agent[0].url: "sms" is not a path such as /sms'),
        ({"url": "/a", "request_payload": "*json"}, "http_agent[0].request_payload: *json is not offered"),
        ({"url": "/a", "reply_payload": "*json"}, "http_agent[0].reply_payload: *json is not offered"),
        (
            {"url": "/a", "request_processors": [{"flags": ["*radauth"]}]},
            "http_agent[0].request_processors[0].flags: *radauth is for RADIUS",
        ),
        (
            {
                "url": "/a",
                "request_processors": [{"reply_fields": [{"path": "*rep.a b", "type": "*constant"}]}],
            },
            "a b is no path of elements",
        ),
        (
            {
                "url": "/a",
                "request_processors": [{"reply_fields": [{"path": "*diamreq.X", "type": "*constant"}]}],
            },
            "*diamreq cannot be written to",
        ),
    ],
)
def test_a_mistake_in_the_section_is_told_with_its_key(
    tmp_path: Path, section: dict[str, Any], reason: str
) -> None:
    (tmp_path / "cgrates.json").write_text(json.dumps({"http_agent": [section]}))
    with pytest.raises(ConfigError) as told:
        load(tmp_path)
    assert reason in str(told.value)


def test_two_agents_cannot_have_one_path_and_keys_without_effect_are_told(tmp_path: Path) -> None:
    (tmp_path / "cgrates.json").write_text(json.dumps({"http_agent": [{"url": "/a"}, {"url": "/a"}]}))
    with pytest.raises(ConfigError, match=r"http_agent\[1\].url: /a is that of another agent"):
        load(tmp_path)
    (tmp_path / "cgrates.json").write_text(json.dumps({"http_agent": [{"url": "/a", "colour": "red"}]}))
    _, unsupported = load(tmp_path)
    assert [each.key for each in unsupported] == ["http_agent[].colour"]
