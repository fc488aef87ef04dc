"""`ocs serve` that rounds like CGRateS."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from ocs.cgrates import served
from ocs.cgrates.listening import StartError
from ocs.cgrates.runtime import Runtime
from ocs.config.settings import ChargingSettings, Endpoint, IdentitySettings, RpcSettings, Settings
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


def test_what_cannot_be_had_is_refused(tmp_path: Path) -> None:
    given = settings(tmp_path)
    rpc = msgspec.structs.replace(given.rpc, http_tls=Endpoint("127.0.0.1", 2))
    with pytest.raises(StartError, match="TLS"):
        served.engine_settings(msgspec.structs.replace(given, rpc=rpc))


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
