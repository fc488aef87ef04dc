"""Claims about profiles around the calls of a switch on `ocs serve`, from outside: a server process and a proxy."""

import asyncio
import re
from pathlib import Path

from tests.agents.kamailio.evapi_server import EvapiServer
from tests.test_serve_sessions import CREDIT, OTHER, RICH, SECOND_COST, Server

PAGE = Path(__file__).resolve().parents[1] / "docs" / "profiles.md"


def section() -> tuple[str, str]:
    """The profiles and the section of ocs.yaml that the page shows."""
    found = dict(
        re.findall(r"^```yaml file=(\S+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    return found["profiles.yaml"], found["ocs.yaml"]


async def _called(server: Server, proxy: EvapiServer) -> None:
    await proxy.until_connected()
    parties = {"RequestType": "*prepaid", "Account": "alice", "Destination": f"+{OTHER}"}
    ids = {"tr_index": "1", "tr_label": "2", "SetupTime": "1767606000"}
    proxy.say("CGR_AUTH_REQUEST", OriginID="c1", **ids, **parties)
    reply = await proxy.hear()
    while reply["Event"] != "CGR_AUTH_REPLY":
        reply = await proxy.hear()
    assert reply["Error"] == ""
    assert (reply["Attributes"], reply["ResourceAllocation"]) == (f"Account:{RICH}", "one line")
    assert reply["Routes"] == "gw2,gw1:sip:gw1.example.org"
    proxy.say("CGR_CALL_START", OriginID="c1", h_entry="1", h_id="2", AnswerTime="1767606000", **parties)
    await asyncio.to_thread(held, server)
    await asyncio.to_thread(server.killed)
    await proxy.until_connected()
    proxy.say("CGR_CALL_END", OriginID="c1", h_entry="1", h_id="2", Usage="30", **parties)


def held(server: Server) -> None:
    """Wait until the call has its session, of two runs."""
    while server.answer("SessionSv1.GetActiveSessionsCount", {})["result"] != 2:
        continue


def ended(server: Server) -> None:
    """Wait until it has none."""
    while server.answer("SessionSv1.GetActiveSessionsCount", {})["result"] != 0:
        continue


async def _served(tmp_path: Path) -> tuple[object, object, object]:
    profiles, settings = section()
    proxy = EvapiServer()
    await proxy.start()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "profiles.yaml").write_text(profiles, encoding="utf-8")
    settings = settings.replace("port: 8448", f"port: {proxy.port}")
    server = await asyncio.to_thread(Server, tmp_path, "profiles: profiles", settings)
    try:
        async with asyncio.timeout(60):
            await _called(server, proxy)
            await asyncio.to_thread(ended, server)
        money = [server.money(payer) for payer in (RICH, "15550100003")]
        records = server.call("CDRsV1.GetCDRs", {"OriginIDs": ["c1"]})
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
