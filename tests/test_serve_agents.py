"""Claims about profiles around calls and sessions on `ocs serve`, from outside: a server process and its peers."""

import asyncio
import json
import re
from pathlib import Path

from tests.agents.kamailio.evapi_server import EvapiServer
from tests.interop.client import Client, result_of
from tests.support.gy import requested, service, total, used
from tests.support.waiting import PATIENCE_S, until
from tests.test_serve_sessions import CREDIT, OTHER, RICH, SECOND_COST, Server

PAGE = Path(__file__).resolve().parents[1] / "docs" / "profiles.md"


def blocks() -> dict[str, str]:
    """The profiles and the sections of ocs.yaml that the page shows, by name."""
    return dict(
        re.findall(r"^```yaml file=(\S+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )


async def _called(server: Server, proxy: EvapiServer) -> None:
    await proxy.until_connected()
    parties = {"RequestType": "*prepaid", "Account": "alice", "Destination": f"+{OTHER}"}
    ids = {"tr_index": "1", "tr_label": "2", "SetupTime": "1767606000"}
    proxy.say("CGR_AUTH_REQUEST", OriginID="c1", **ids, **parties)
    reply = await proxy.hear()
    while reply["Event"] != "CGR_AUTH_REPLY":
        reply = await proxy.hear()
    assert reply["Error"] == ""
    (shown,) = re.findall(r"^```json-reply\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert {name: reply[name] for name in json.loads(shown)} == json.loads(shown)
    proxy.say("CGR_CALL_START", OriginID="c1", h_entry="1", h_id="2", AnswerTime="1767606000", **parties)
    await asyncio.to_thread(held, server)
    await asyncio.to_thread(server.killed)
    await proxy.until_connected()
    proxy.say("CGR_CALL_END", OriginID="c1", h_entry="1", h_id="2", Usage="30", **parties)


def held(server: Server) -> None:
    """Wait until the call has its session, of two runs."""
    until(
        lambda: server.answer("SessionSv1.GetActiveSessionsCount", {})["result"] == 2, "the call has two runs"
    )


def recorded(server: Server) -> list[dict[str, object]]:
    """Wait until it has its records; what was not durable when the server was killed is charged with its end."""
    asked = "CDRsV1.GetCDRs", {"OriginIDs": ["c1"]}
    until(lambda: server.answer(*asked)["result"] is not None, "the call has its records")
    records: list[dict[str, object]] = server.call(*asked)
    return records


async def _served(tmp_path: Path) -> tuple[object, object, object]:
    profiles, settings = blocks()["profiles.yaml"], blocks()["ocs.yaml"]
    proxy = EvapiServer()
    await proxy.start()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "profiles.yaml").write_text(profiles, encoding="utf-8")
    settings = settings.replace("port: 8448", f"port: {proxy.port}")
    server = await asyncio.to_thread(Server, tmp_path, "profiles: profiles", settings)
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            await _called(server, proxy)
            records = await asyncio.to_thread(recorded, server)
        money = [server.money(payer) for payer in (RICH, "15550100003")]
        resource = server.call("ResourceSv1.GetResource", {"Tenant": "cgrates.org", "ID": "LINES"})
        return money, {(each["RunID"], each["Account"]) for each in records}, resource["Usages"]
    finally:
        server.stop()
        await proxy.stop()


def test_the_page_s_example_surrounds_the_calls_of_a_proxy_and_survives_a_kill(tmp_path: Path) -> None:
    money, records, usages = asyncio.run(_served(tmp_path))
    assert money == [(CREDIT - 30 * SECOND_COST, 0)] * 2
    assert records == {("*default", RICH), ("reseller", "15550100003")}
    assert not usages, "its place is free again"


def test_the_page_s_section_surrounds_the_sessions_of_a_gateway(tmp_path: Path) -> None:
    alias = """
attributes:
  - id: COMPANY
    contexts: ["*sessions"]
    filter_ids: ["*string:~*req.E164:15550100002"]
    attributes: [{path: "*req.Account", type: "*constant", value: "15550100001"}]
stats:
  - {id: VOLUME, metrics: [{metric_id: "*sum#~*req.Usage"}], filter_ids: ["*string:~*req.ToR:*data"]}
"""
    (tmp_path / "profiles").mkdir()
    profiles = blocks()["profiles.yaml"].partition("routes:")[0].partition("resources:")[2]
    (tmp_path / "profiles" / "profiles.yaml").write_text(f"{alias}\nresources:{profiles}", encoding="utf-8")
    subsystems = blocks()["diameter.yaml"].partition("subsystems:")[2].strip()
    server = Server(tmp_path, "profiles: profiles", gy=f"subsystems: {subsystems}")
    octets = 1_000_000
    try:
        with Client(server.diameter, realm="example.org") as gateway:
            first = gateway.ask(gateway.ccr(1, 0, service(10, requested()), who=OTHER, realm="example.org"))
            assert result_of(first) == 2001
            second = gateway.ccr(1, 0, service(10, requested()), who=RICH, session="2", realm="example.org")
            assert result_of(gateway.ask(second)) == 5006, "the one place is taken"
            said = service(10, used(total(octets)))
            assert result_of(gateway.ask(gateway.ccr(3, 1, said, who=OTHER, realm="example.org"))) == 2001
            again = gateway.ccr(1, 0, service(10, requested()), who=RICH, session="3", realm="example.org")
            assert result_of(gateway.ask(again)) == 2001, "and free again"
        assert server.money(RICH)[0] < CREDIT
        assert server.money(OTHER) == (CREDIT, 0)
        named = {"Tenant": "cgrates.org", "ID": "VOLUME"}
        assert server.call("StatSv1.GetQueueFloatMetrics", named) == {"*sum#~*req.Usage": octets}
    finally:
        server.stop()


def test_the_page_s_brand_pays_for_the_sessions_of_its_customers(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "profiles.yaml").write_text(blocks()["mvno.yaml"], encoding="utf-8")
    subsystems = blocks()["diameter.yaml"].partition("subsystems:")[2].strip()
    server = Server(tmp_path, "profiles: profiles", gy=f"subsystems: {subsystems}")
    octets, brand = 1_000_000, "15550100003"
    try:
        with Client(server.diameter, realm="example.org") as gateway:
            first = gateway.ask(gateway.ccr(1, 0, service(10, requested()), who=RICH, realm="example.org"))
            assert result_of(first) == 2001
            assert server.money(RICH)[1] == server.money(brand)[1] > 0, "both hold the same"
            report = service(10, requested(), used(total(octets)))
            told = gateway.ask(gateway.ccr(2, 1, report, who=RICH, realm="example.org"))
            assert result_of(told) == 2001
        server.killed()
        with Client(server.diameter, realm="example.org") as gateway:
            report = service(10, used(total(octets)))
            assert result_of(gateway.ask(gateway.ccr(3, 2, report, who=RICH, realm="example.org"))) == 2001
        assert server.money(RICH) == server.money(brand)
        assert server.money(brand)[0] < CREDIT
        records = {each: server.call("OcsV1.CdrList", {"account": each})["cdrs"] for each in (RICH, brand)}
        costs = {each: [record["cost_nanos"] for record in found] for each, found in records.items()}
        assert costs[RICH] == costs[brand] != []
        assert records[brand][0]["session"] == records[RICH][0]["session"] + "#run=brand"
    finally:
        server.stop()
