"""What `ocs migrate cgrates` writes is served by `ocs serve`, and charges as it was recorded of the incumbent."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocs.cli.main import main
from tests.cgrates.engine import ON, write_folder
from tests.cgrates.places import wired
from tests.cgrates.test_golden_sessions import differences
from tests.charging.cgrates.worlds import worlds
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
# A whole configuration, with everything that has a place in ocs.yaml.
WHOLE: dict[str, Any] = {
    **ON,
    "general": {
        "log_level": 6,
        "node_id": "CGR1",
        "default_tenant": "acme.test",
        "default_timezone": "UTC",
        "reply_timeout": "30s",
    },
    "schedulers": {"enabled": True},
    "apiers": {"enabled": True, "scheduler_conns": ["*internal"]},
}


@contextmanager
def serving(config: Path, data: Path, port: int) -> Iterator[None]:
    """`ocs serve` by a file of settings, as soon as it listens."""
    words = (sys.executable, "-m", "ocs", "serve", "--config", str(config), "--data-dir", str(data))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (config.parent / "log").open("wb") as log:
        server = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=log)
    try:
        _wait_for(server, config.parent / "log", port)
        yield
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def _wait_for(server: subprocess.Popen[bytes], log: Path, port: int) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end_s, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["session_special_1", "session_cfg_3102", "session_cfg_3106"])
def test_what_is_written_charges_as_was_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (world,) = (each for each in worlds("session") if each.name == name)
    port = free_port()
    folders = {part: tmp_path / part for part in ("conf", "tariff", "out")}
    for part in ("conf", "tariff"):
        folders[part].mkdir()
    write_folder(folders["tariff"], world.files)
    listen = {"rpc_json": f"127.0.0.1:{port}", "birpc_json": "", "http": ""}
    for number, content in enumerate((WHOLE, {"listen": listen}, world.config)):
        (folders["conf"] / f"{number}.json").write_text(json.dumps(content))
    words = ["migrate", "cgrates", str(folders["conf"]), "--tariff", str(folders["tariff"])]
    assert main([*words, "--out", str(folders["out"]), "--rounding", "cgrates"]) == 0
    config = folders["out"] / "ocs.yaml"
    assert main(["check", "--config", str(config)]) == 0
    assert "has no effect" not in capsys.readouterr().out

    async def replayed() -> list[tuple[Any, ...]]:
        async with wired(port) as wire:
            return await differences(wire, world)

    with serving(config, tmp_path / "data", port):
        assert asyncio.run(replayed()) == []
