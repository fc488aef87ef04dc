"""Settings read again while the server runs: what is taken over, what is named, what changes nothing."""

import asyncio
import signal
from pathlib import Path

import pytest
import structlog

from ocs import config
from ocs.config.convert import field_hints
from ocs.config.settings import Settings
from ocs.reload import TAKEN_OVER, Reloader, ReloadRefused, differences, fields_of, with_keys
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S
from tests.test_app import read_until, start

FILE = """
identity: {origin_host: ocs.example.org, origin_realm: example.org}
diameter:
  peers: []
charging:
  quotas: [{volume: 1MB}]
log: {level: info}
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "ocs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_that_is_taken_over_is_a_key_of_the_file() -> None:
    known = {
        f"{section}.{key}"
        for section, (field, _) in field_hints(Settings).items()
        for key in fields_of(getattr(config.load("ocs.yaml"), field))
    }
    assert known >= TAKEN_OVER


def test_what_can_change_is_taken_over_and_the_rest_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    seen: list[Settings] = []
    reloader = Reloader(path, config.load(path), (seen.append,))
    changed = FILE.replace("1MB", "2MB").replace("ocs.example.org", "other.example.org")
    written(tmp_path, changed.replace("peers: []", "peers: [{origin_host: pgw.example.org}]"))
    done = reloader.reload()
    assert done.changed == ("diameter.peers", "charging.quotas")
    assert done.needs_restart == ("identity.origin_host",)
    [settings] = seen
    assert settings.charging.quotas[0].volume_octets == 2_000_000
    assert settings.diameter.peers[0].origin_host == "pgw.example.org"
    assert settings.identity.origin_host == "ocs.example.org"
    assert reloader.reload().changed == ()


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    seen: list[Settings] = []
    reloader = Reloader(path, config.load(path), (seen.append,))
    written(tmp_path, FILE.replace("1MB", "2MB"))
    assert reloader.reload(is_dry_run=True).changed == ("charging.quotas",)
    assert (seen, reloader.settings.charging.quotas[0].volume_octets) == ([], 1_000_000)


def test_a_file_with_a_problem_changes_nothing_and_is_told_by_place(tmp_path: Path) -> None:
    path = written(tmp_path)
    seen: list[Settings] = []
    reloader = Reloader(path, config.load(path), (seen.append,))
    written(tmp_path, FILE.replace("1MB", "2MB").replace("peers: []", "perrs: []"))
    with pytest.raises(ReloadRefused, match='did you mean "peers"'):
        reloader.reload()
    with structlog.testing.capture_logs() as lines:
        reloader.on_signal()
    assert [line["event"] for line in lines] == ["settings.refused"]
    assert "ocs.yaml:4:3" in lines[0]["problems"][0]
    assert seen == []


def test_differences_are_named_by_section_and_key(tmp_path: Path) -> None:
    old = config.load(written(tmp_path))
    new = config.load(written(tmp_path, FILE.replace("level: info", "level: debug")))
    assert differences(old, old) == []
    assert differences(old, new) == ["log.level"]
    assert with_keys(old, new, ["log.level"]) == new


def test_a_running_server_takes_new_peers_and_lets_those_go_that_left_the_file(tmp_path: Path) -> None:
    """SIGHUP from the outside: the peer was let in, leaves the file, gets a DPR, and cannot come back."""
    from ocs.cli.dialogue import ClientError, Dialogue

    port = free_port()
    server = start(tmp_path, port)
    read_until(server, "server.ready")
    path = tmp_path / "ocs.yaml"
    text = path.read_text(encoding="utf-8")

    async def conversation() -> None:
        dialogue = await Dialogue.open(f"127.0.0.1:{port}", "pgw.example.org", "example.org", PATIENCE_S)
        strict = text.replace("diameter: {", "diameter: {admit_unlisted: none, ")
        path.write_text(strict, encoding="utf-8")
        server.send_signal(signal.SIGHUP)
        with pytest.raises(ClientError, match="closed"):
            await dialogue.closed()
        await dialogue.leave()
        with pytest.raises(ClientError, match="3010"):
            await Dialogue.open(f"127.0.0.1:{port}", "pgw.example.org", "example.org", PATIENCE_S)
        listed = strict.replace("diameter: {", "diameter: {peers: [{origin_host: pgw.example.org}], ")
        path.write_text(listed, encoding="utf-8")
        server.send_signal(signal.SIGHUP)
        read_until(server, "settings.reloaded")
        read_until(server, "settings.reloaded")
        again = await Dialogue.open(f"127.0.0.1:{port}", "pgw.example.org", "example.org", PATIENCE_S)
        await again.leave()

    try:
        asyncio.run(conversation())
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0
