"""The section `diameter_agent` is read whole before anything opens: mistakes are told with file, key and field."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from ocs.cgrates import config
from ocs.cgrates.agents.diameter_node import listeners_of
from ocs.cgrates.agents.diameter_section import DiameterAgentSection, ListenerSection, plan_of
from ocs.cgrates.agents.processors import ProcessorSection
from ocs.cgrates.agents.sections import SectionError
from ocs.cgrates.config import Tls
from ocs.config.settings import MINUTE, SECOND, Listener
from tests.cgrates.diameter.world import Client, run, section, served, shown
from tests.support.diameter_peer import code_of

OWN = """<diameter>
  <application id="16777999" type="auth" name="Own">
    <vendor id="4711" name="Own"/>
    <command code="8388999" short="OW" name="Own"/>
    <avp name="Own-Colour" code="1" vendor-id="4711" must="V,M">
      <data type="Enumerated"><item code="1" name="RED"/></data>
    </avp>
  </application>
</diameter>
"""


def written(folder: Path, settings: dict[str, Any], name: str = "a.json") -> Path:
    (folder / name).write_text(json.dumps(settings))
    return folder


def with_field(**keys: Any) -> dict[str, Any]:
    given = {"tag": "Mine", "path": "*cgreq.X", "type": "*variable", "value": "1", **keys}
    return section({"id": "p", "flags": ["*none"], "request_fields": [given]})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "*contant"}, "request_fields[0].type: *contant is not offered (field Mine), processor p"),
        (
            {"path": "*rep.Sesion-Id"},
            "[0]: no dictionary has an AVP named Sesion-Id (field Mine), processor p",
        ),
        ({"path": "*rep.Subscription-Id"}, "[0]: AVP Subscription-Id is a group and needs members"),
        ({"path": "*radDAReq.User-Name"}, "[0]: *radDAReq cannot be written to (field Mine)"),
        ({"value": "~*req.Acount"}, "[0]: no dictionary has an AVP named Acount (field Mine), processor p"),
        ({"value": "a;~*req.Session-Id.X"}, "[0]: AVP Session-Id is no group, and has no X"),
        ({"filters": ["*empty:~*req.Acount:"]}, "[0]: no dictionary has an AVP named Acount (field Mine)"),
        ({"filters": ["*empy:~*req.Session-Id:"]}, "*empy is not a filter type (field Mine), processor p"),
        ({"width": "wide"}, "[0]: width: 0 to 4096, not wide (field Mine)"),
    ],
)
def test_a_mistake_in_a_field_is_told_with_file_processor_and_field(
    keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    written(tmp_path, {"diameter_agent": {"enabled": True}})
    file = written(tmp_path, with_field(**keys), "b.json") / "b.json"
    with pytest.raises(config.ConfigError) as caught:
        config.load(tmp_path)
    assert str(caught.value).startswith(f"{file}: diameter_agent.request_processors[0].request_fields[0]")
    assert message in str(caught.value)


def test_a_mistake_in_a_template_names_the_template(tmp_path: Path) -> None:
    bad = {"path": "*rep.Reslt-Code", "type": "*constant", "value": "1"}
    settings = section({"id": "p", "reply_fields": [{"type": "*template", "value": "mine"}]})
    written(tmp_path, settings | {"templates": {"mine": [bad]}})
    with pytest.raises(
        config.ConfigError, match=r"a.json: templates.mine\[0\]: no dictionary has .* Reslt-Code"
    ):
        config.load(tmp_path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"forced_disconnect": "*kill"}, "forced_disconnect: is one of *none, *asr, *rar"),
        ({"asr_template": "mine"}, "there is no template mine"),
        ({"rar_template": "mine"}, "there is no template mine"),
        ({"ce_applications": ["Nothing"]}, "ce_applications[0]: no dictionary has an application nothing"),
        ({"ce_applications": ["Base"]}, "ce_applications: names no application that could be served"),
        ({"dictionaries_path": "/nowhere"}, "dictionaries_path: /nowhere: there is no such folder"),
        (
            {"listeners": (ListenerSection("127.0.0.1"),)},
            'listeners[0].address: "127.0.0.1" is not an address',
        ),
        ({"listeners": (ListenerSection("host.example:3868"),)}, "host.example is no IP address"),
        ({"listeners": (ListenerSection(network="udp"),)}, "listeners[0].network: udp is not offered"),
        ({"listen": "127.0.0.1:x"}, 'listen: "127.0.0.1:x" is not an address'),
        ({"listen_net": "udp"}, "listen_net: udp is not offered"),
        ({"origin_host": "a b"}, "origin_host: 'a b' is no name"),
        ({"conn_health_check_interval": "soon"}, "conn_health_check_interval"),
        (
            {"request_processors": [ProcessorSection("p", flags=["*acounts"])]},
            "flags[0]: *acounts is no flag",
        ),
        (
            {"request_processors": [ProcessorSection("p", flags=["*radauth"])]},
            "*radauth is a matter of RADIUS",
        ),
        (
            {"request_processors": [ProcessorSection("p", filters=["*string:~*vars.*cmd"])]},
            "request_processors[0]: filter *string:~*vars.*cmd:: has no value, processor p",
        ),
        (
            {"request_processors": [ProcessorSection("p", filters=["*string:~*req.Typo:1"])]},
            "request_processors[0]: no dictionary has an AVP named Typo, processor p",
        ),
    ],
)
def test_a_mistake_in_the_section_is_told_with_its_key(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SectionError) as caught:
        plan_of(DiameterAgentSection(enabled=True, **keys), {})
    assert message in str(caught.value)


def test_a_section_that_is_off_is_not_looked_at(tmp_path: Path) -> None:
    settings = with_field(type="*contant")
    settings["diameter_agent"]["enabled"] = False
    assert not config.load(written(tmp_path, settings))[0].diameter_agent.enabled


def test_what_is_not_served_is_told_once(tmp_path: Path) -> None:
    field = {"path": "*tmp.X", "type": "*constant", "value": "1", "attribute_id": "A"}
    settings = section(
        {"id": "p", "flags": ["*none", "*da_stats:SQ1"], "continue": True, "request_fields": [field]},
        stats_conns=["*internal"],
        slr_template="*slr",
        sessions_conns=["*internal"],
    )
    _, told = config.load(written(tmp_path, settings | {"templates": {"t": [field]}}))
    assert {each.key for each in told} == {
        "diameter_agent.stats_conns",
        "diameter_agent.slr_template",
        "diameter_agent.request_processors[].continue",
        "diameter_agent.request_processors: *da_stats:SQ1",
        "diameter_agent.request_processors: attribute_id",
        "templates: attribute_id",
    }
    assert not any("not known here" in each.meaning for each in told)


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("100ms", 6 * SECOND), ("1m", MINUTE), ("0", 0), ("10h", 60 * MINUTE)]
)
def test_the_interval_of_health_checks_is_that_of_the_watchdog(text: str, expected: int) -> None:
    assert plan_of(DiameterAgentSection(conn_health_check_interval=text), {}).watchdog_ns == expected


# --- where it listens


def opened(places: tuple[ListenerSection, ...], tls: Tls | None = None, *, unencrypted: bool = False) -> Any:
    plan = plan_of(DiameterAgentSection(listeners=places), {})
    with capture_logs() as logs:
        found = listeners_of(plan.places, tls or Tls(), unencrypted=unencrypted)
    return found, [each["wanted"] for each in logs if each["event"] == "listener.on_loopback_alone"]


def test_strangers_are_kept_out_unless_they_are_let_in() -> None:
    places = tuple(
        ListenerSection(text) for text in (":3868", "192.0.2.1:3869", "[::]:3870", "127.0.0.2:3871")
    )
    found, told = opened(places)
    assert [each.address for each in found] == ["127.0.0.1", "127.0.0.1", "::1", "127.0.0.2"]
    (kept_back,) = told
    assert sorted(kept_back) == [f"diameter_agent.listeners[{number}].address" for number in range(3)]
    assert kept_back["diameter_agent.listeners[0].address"] == ":3868"
    found, told = opened(places, unencrypted=True)
    assert [each.address for each in found] == ["0.0.0.0", "192.0.2.1", "::", "127.0.0.2"]
    assert told == []


def test_tls_lets_those_in_who_show_a_certificate() -> None:
    place = (ListenerSection(":3868", "tls"),)
    files = Tls(server_certificate="/c.pem", server_key="/k.pem")
    found, told = opened(place, msgspec.structs.replace(files, ca_certificate="/ca.pem"))
    assert found == (Listener("0.0.0.0", 3868, "tls", "/c.pem", "/k.pem", "/ca.pem", verify_peer=True),)
    assert told == []
    found, told = opened(place, files)
    assert (found[0].address, found[0].verify_peer) == ("127.0.0.1", False)
    assert told == [{"diameter_agent.listeners[0].address": ":3868"}]


@pytest.mark.parametrize("network", ["sctp", "tcp"])
def test_sctp_and_tcp_are_networks(network: str) -> None:
    found, _ = opened((ListenerSection("127.0.0.1:3868", network),))
    assert found == (Listener("127.0.0.1", 3868, "sctp" if network == "sctp" else "tcp"),)


# --- dictionaries of an operator


@pytest.mark.parametrize("has_defaults", [True, False])
def test_a_dictionary_of_an_operator_brings_applications_commands_and_avps(
    has_defaults: bool, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "own.xml").write_text(OWN)
    serves = {
        "id": "own",
        "filters": ["*string:~*vars.*cmd:OWR", "*string:~*vars.*app:Own"],
        "flags": ["*none"],
        "reply_fields": [{"path": "*rep.Own-Colour", "type": "*constant", "value": "RED"}],
    }
    keys = {"dictionaries_path": str(tmp_path), "dictionaries_append_defaults": has_defaults}

    async def test() -> None:
        async with served(section(serves, **keys)) as world:
            client: Client = await world.client(application=16777999)
            answer = await client.ask(client.ccr(1, 0, application=16777999, command=8388999))
            assert code_of(answer) == 2001
            assert "4711:1" in shown(answer)
            told = [application.name for application in world.front._plan.applications]
            assert ("Charging Control" in told) is has_defaults

    run(test())


def test_a_broken_dictionary_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_text("<diameter>\n<avp/></diameter>")
    with pytest.raises(SectionError, match=r"dictionaries_path: .*own.xml:2: <avp> has no code"):
        plan_of(DiameterAgentSection(dictionaries_path=str(tmp_path)), {})
