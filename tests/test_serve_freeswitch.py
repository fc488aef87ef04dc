"""The FreeSWITCH example of docs/profiles.md, from outside: a process and a switch that plays a recorded call."""

import re
from pathlib import Path

from tests.agents.freeswitch import recorded
from tests.interop.test_freeswitch_cgrates import TcpSwitch
from tests.support.waiting import until
from tests.test_serve_agents import PAGE, blocks
from tests.test_serve_sessions import CREDIT, OTHER, RICH, Server

CALL = recorded.template("01-answered-plain", "CHANNEL_PARK")["Unique-ID"]
SHOWN = re.compile(r"^```text file=freeswitch.commands\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MINE = {
    "variable_cgr_account": "alice",
    "variable_cgr_destination": OTHER,
    "variable_cgr_reqtype": "*prepaid",
}


class SwitchOfAlice(TcpSwitch):
    """The recorded call is one of alice's."""

    def _answer(self, command: str, events: list[recorded.Fields]) -> bytes:
        return super()._answer(command, [{**event, **MINE} for event in events])


def test_the_page_s_example_tells_the_dialplan(tmp_path: Path) -> None:
    switch = SwitchOfAlice()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "profiles.yaml").write_text(blocks()["profiles.yaml"], encoding="utf-8")
    (tmp_path / "fs1.password").write_text("ClueCon", encoding="utf-8")
    (expected,) = SHOWN.findall(PAGE.read_text("utf-8"))
    settings = blocks()["freeswitch.yaml"].replace("port: 8021", f"port: {switch.port}")
    server = Server(tmp_path, "profiles: profiles", settings)
    try:
        records = "OcsV1.CdrList", {"account": RICH}
        until(lambda: server.call(*records)["cdrs"] != [], "the call has its record")
        told = [said.partition("uuid_")[2] for said in switch.heard if said.startswith("api uuid_")]
        assert [f"uuid_{said.replace(CALL, 'ID')}" for said in told][
            : expected.count("\n")
        ] == expected.split("\n")[:-1]
        assert server.money(RICH)[0] == server.money("15550100003")[0] < CREDIT, "both runs are charged"
        resource = server.call("ResourceSv1.GetResource", {"Tenant": "cgrates.org", "ID": "LINES"})
        assert not resource["Usages"], "its place is free again"
    finally:
        server.stop()
        switch.end()
