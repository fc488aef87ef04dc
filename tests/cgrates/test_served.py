"""`ocs serve` that rounds like CGRateS."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from ocs.cgrates import served
from ocs.cgrates.agents.sections import Pace, freeswitch_settings
from ocs.cgrates.agents.voice import VoiceAgents
from ocs.cgrates.listening import StartError
from ocs.cgrates.runtime import Runtime
from ocs.config.figures import CgratesFigures
from ocs.config.profiles import BUILT_IN
from ocs.config.settings import (
    ChargingSettings,
    DiameterSettings,
    Endpoint,
    FreeswitchSettings,
    IdentitySettings,
    KamailioSettings,
    Profile,
    Proxy,
    QuotaRule,
    RadiusClient,
    RadiusSettings,
    RpcSettings,
    Settings,
    Switch,
)
from tests.cgrates.engine import write_folder

ACCOUNT = {
    "Actions.csv": "ACT,*topup,,,main,*monetary,,*any,,,*unlimited,,5,10,false,false,10\n",
    "ActionPlans.csv": "AP,ACT,*asap,10\n",
    "AccountActions.csv": "t,a,AP,,,\n",
}


def settings(folder: Path) -> Settings:
    charging = ChargingSettings(rounding="cgrates", tariffs=str(folder))
    identity = IdentitySettings("ocs.example.org", "example.org")
    rpc = RpcSettings(jsonrpc=Endpoint("127.0.0.1", 1), http=None)
    return Settings(identity=identity, charging=charging, rpc=rpc)


def test_listeners_are_those_of_the_settings(tmp_path: Path) -> None:
    found = served.engine_settings(settings(tmp_path))
    assert (found.listen.rpc_json, found.listen.birpc_json, found.listen.http) == (
        "127.0.0.1:1",
        "127.0.0.1:2014",
        "",
    )


def test_a_file_of_tariffs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"charging\.tariffs"):
        served.engine_settings(settings(tmp_path / "tariffs.yaml"))


def test_listeners_inside_tls_are_those_of_the_settings(tmp_path: Path) -> None:
    given = settings(tmp_path)
    files = {"certificate": "server.pem", "key": "server.key", "client_ca": "clients.pem"}
    rpc = msgspec.structs.replace(given.rpc, http_tls=Endpoint("127.0.0.1", 2), **files)
    found = served.engine_settings(msgspec.structs.replace(given, rpc=rpc))
    listen = found.listen
    assert (listen.http_tls, listen.rpc_json_tls, listen.birpc_json_tls) == ("127.0.0.1:2", "", "")
    assert (found.tls.server_certificate, found.tls.server_key, found.tls.ca_certificate) == tuple(
        files.values()
    )
    assert found.tls.server_policy == 4, "clients need a certificate where an authority is named"


def test_switches_are_served_as_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    switch = Switch("10.0.0.1", 8022, "fs1", password_file=str(tmp_path / "secret"))
    freeswitch = FreeswitchSettings(
        switches=(switch, Switch("10.0.0.2", password="other")),
        event_filters=("Call-Direction inbound", "variable_x y"),
        low_balance_announcement="low.wav",
        max_call_ns=60 * 10**9,
    )
    kamailio = KamailioSettings(connections=(Proxy("10.0.0.3", name="proxy"),))
    given = msgspec.structs.replace(settings(tmp_path), freeswitch=freeswitch, kamailio=kamailio)
    runtime = Runtime(served.engine_settings(given))
    agents = VoiceAgents(runtime)
    assert [client.name for client in agents.clients] == ["fs1", "10.0.0.2:8021", "proxy"]
    told = freeswitch_settings(runtime.settings.freeswitch_agent, Pace())
    assert [each.password for each in told.switches] == ["s3cret", "other"]
    assert told.event_filters == ("Call-Direction inbound", "variable_x y")
    assert told.low_balance_announcement == "low.wav"
    assert runtime.settings.freeswitch_agent.create_cdr is runtime.settings.kamailio_agent.create_cdr is True
    assert served.left_out(given) == ["freeswitch.max_call: has no effect"]
    assert VoiceAgents(Runtime(served.engine_settings(settings(tmp_path)))).clients == []


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    given = settings(tmp_path)
    quotas = QuotaRule(service="data"), QuotaRule(pool=7)
    charging = msgspec.structs.replace(
        given.charging, accounts="accounts.yaml", quotas=quotas, overdraft_floor_nanos=-1
    )
    sessions = msgspec.structs.replace(
        given.sessions, default_tenant="acme", ttl_ns=60 * 10**9, record_retention_ns=3600 * 10**9
    )
    diameter = DiameterSettings(profiles={"mine": Profile(tariff_time_change=True), "ergw": BUILT_IN["ergw"]})
    radius = RadiusSettings(clients=(RadiusClient("10.0.0.0/8", "nas"),), authorize_hold_ns=0)
    given = msgspec.structs.replace(
        given, charging=charging, sessions=sessions, radius=radius, diameter=diameter
    )
    assert served.left_out(given) == [
        "charging.accounts: accounts are those of AccountActions.csv",
        "charging.overdraft_floor: has no effect",
        "radius.authorize_hold: has no effect",
        "charging.quotas[1].pool: has no effect",
        "diameter.profiles.mine.tariff_time_change: has no effect",
        "sessions.record_retention: has no effect",
    ]


def test_figures_and_intervals_are_those_of_the_settings(tmp_path: Path) -> None:
    given = settings(tmp_path)
    usual = served.engine_settings(given)
    assert (usual.sessions.session_ttl, usual.rals.max_increments) == (0, 1_000_000)
    figures = CgratesFigures(rounding_decimals=3, max_increments=7, fallback_depth=2, remove_expired=False)
    charging = msgspec.structs.replace(given.charging, cgrates=figures)
    sessions = msgspec.structs.replace(given.sessions, debit_interval_ns=5, ttl_ns=6 * 10**9)
    found = served.engine_settings(msgspec.structs.replace(given, charging=charging, sessions=sessions))
    assert found.general.rounding_decimals == 3
    rals = found.rals
    assert (rals.max_increments, rals.fallback_depth, rals.remove_expired) == (7, 2, False)
    assert (found.sessions.debit_interval, found.sessions.session_ttl) == (5, 6 * 10**9)


def test_a_folder_is_loaded_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    write_folder(tmp_path, ACCOUNT)

    async def run() -> None:
        runtime = Runtime(served.engine_settings(settings(tmp_path)))

        def held() -> int:
            return runtime.state.accounts["t:a"].balances["*monetary"][0].value_nanos

        await served.load_tariff(runtime, tmp_path)
        await served.load_tariff(runtime, tmp_path)
        assert held() == 5 * 10**9
        write_folder(tmp_path, {"Destinations.csv": "D,33\n"})
        await served.load_tariff(runtime, tmp_path)
        assert held() == 10 * 10**9

    asyncio.run(run())
