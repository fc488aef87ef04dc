"""`ocs doctor`: each thing that can be wrong with a machine is found, and what is well is said to be."""

import errno
import json
import re
import resource
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ocs import doctor, open_files
from ocs.certificate import CertificateError, expires_at
from ocs.cli.main import main
from ocs.config import load
from tests.support.ports import free_ports
from tests.support.redis_server import RedisServer

ROOT = Path(__file__).resolve().parent.parent


def settings_of(folder: Path, more: str = "", diameter: str = "[]") -> Path:
    """A configuration that listens nowhere but where it is told to."""
    path = folder / "ocs.yaml"
    rpc = "rpc: {jsonrpc: none, bidirectional: none, http: none}"
    path.write_text(
        "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"
        f"diameter: {{listen: {diameter}}}\n{rpc if 'rpc:' not in more else ''}\n{more}\n"
    )
    return path


def found(folder: Path, more: str = "", diameter: str = "[]") -> dict[str, tuple[str, str]]:
    """Verdict and words by what they are about."""
    settings = load(str(settings_of(folder, more, diameter)))
    return {each.about: (each.verdict, each.found) for each in doctor.examine(settings, folder / "data")}


def of_folder(folder: Path) -> list[tuple[str, str]]:
    """What is said of the data folder."""
    looked = doctor.examine(load(str(settings_of(folder))), folder / "data")
    return [(each.verdict, each.found) for each in looked if each.about == f"data folder {folder / 'data'}"]


def test_a_folder_that_is_not_there_yet_can_be_made_and_one_that_is_there_is_timed(tmp_path: Path) -> None:
    assert of_folder(tmp_path) == [("ok", "is made at the first start")]
    (tmp_path / "data").mkdir()
    (_, time), (_, space) = of_folder(tmp_path)
    assert re.fullmatch(r"a forced write takes [0-9.]+ ms", time)
    assert re.fullmatch(r"[0-9.]+ GiB free", space)
    assert list((tmp_path / "data").iterdir()) == [], "nothing is left behind"


def test_a_disk_that_is_slow_or_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(doctor, "_sync_time", lambda probe: 0.03)
    for free, verdict in ((50 << 20, "fail"), (500 << 20, "warn"), (2 << 30, "ok")):
        monkeypatch.setattr(doctor, "_free_octets", lambda folder, free=free: free)
        slow, space = of_folder(tmp_path)
        assert slow == ("warn", "a forced write takes 30.0 ms")
        assert space[0] == verdict


def test_a_folder_that_cannot_be_made_or_written_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    looked = doctor.examine(load(str(settings_of(tmp_path))), tmp_path / "file" / "data")
    assert [each.found for each in looked if each.verdict == "fail"] == [
        f"cannot be made: {tmp_path / 'file'} is not writable"
    ]

    def read_only(probe: Path) -> float:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "data").mkdir()
    monkeypatch.setattr(doctor, "_sync_time", read_only)
    assert of_folder(tmp_path) == [("fail", "cannot be written to: Read-only file system")]


def test_each_port_is_tried(tmp_path: Path) -> None:
    taken, free, udp, spare = free_ports(4)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        looked = found(
            tmp_path,
            f"radius: {{clients: [{{address: 127.0.0.1, name: nas, secret: testing123}}],"
            f" listen: [{{authentication: '127.0.0.1:{udp}', accounting: '127.0.0.1:{spare}'}}]}}",
            f"[{{address: 127.0.0.1, port: {taken}}}, {{address: 127.0.0.1, port: {free}}},"
            f" {{address: 203.0.113.1, port: {free}}}, {{address: 127.0.0.1, port: {free}, transport: sctp}}]",
        )
    assert looked[f"diameter tcp 127.0.0.1:{taken}"] == ("fail", "in use by another program")
    assert looked[f"diameter tcp 127.0.0.1:{free}"] == ("ok", "is free")
    assert looked[f"diameter tcp 203.0.113.1:{free}"] == ("fail", "is no address of this machine")
    assert looked[f"radius authentication 127.0.0.1:{udp}"] == ("ok", "is free")
    has_sctp = Path("/proc/net/sctp").exists()
    sctp = ("ok", "is free") if has_sctp else ("fail", "this kernel has no SCTP")
    assert looked[f"diameter sctp 127.0.0.1:{free}"] == sctp


def test_ports_of_the_server_that_runs_on_the_folder_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    holder = (
        "import fcntl, sys, socket; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "data" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        port = int(running.stdout.readline())
        looked = found(tmp_path, diameter=f"[{{address: 127.0.0.1, port: {port}}}]")
        running.terminate()
    assert looked[f"diameter tcp 127.0.0.1:{port}"] == ("ok", "in use, and a server runs on this data folder")


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [(0x2001, "ok", "synchronized"), (0x40, "warn", "not synchronized"), (None, "ok", "does not say")],
)
def test_a_clock_that_nothing_keeps_right_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, verdict: str, words: str
) -> None:
    monkeypatch.setattr(doctor, "_clock_status", lambda: status)
    said = found(tmp_path)["clock"]
    assert (said[0], words in said[1]) == (verdict, True)


def test_the_kernel_is_asked_for_the_clock() -> None:
    status = doctor._clock_status()
    assert status is None or 0 <= status <= 0xFFFF


def test_fewer_open_files_than_connections_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_most_files", lambda: 4_096)
    assert found(tmp_path)["open files"] == ("warn", "4096 allowed, 21200 may be needed")
    monkeypatch.setattr(doctor, "_most_files", lambda: resource.RLIM_INFINITY)
    assert found(tmp_path)["open files"][0] == "ok"


def test_a_server_takes_all_open_files_that_it_may_have() -> None:
    code = (
        "import resource; from ocs import open_files; _, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); assert open_files.raise_limit() == hard;"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"
    assert open_files.raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def certificate(folder: Path, days: int) -> tuple[Path, Path]:
    """A certificate that ends in so many days, and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    named = ["-subj", "/CN=ocs.example.org", "-keyout", str(key), "-out", str(chain), "-days", str(days)]
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        *named,
    ]
    subprocess.run(made, check=True, capture_output=True)
    return chain, key


@pytest.mark.parametrize(("days", "verdict"), [(365, "ok"), (3, "warn"), (9_000, "ok")])
def test_a_certificate_that_ends_soon_and_a_key_for_all_are_told(
    tmp_path: Path, days: int, verdict: str
) -> None:
    chain, key = certificate(tmp_path, days)
    key.chmod(0o644)
    tls = f"rpc: {{jsonrpc: none, bidirectional: none, http: none, certificate: {chain}, key: {key}}}"
    looked = found(tmp_path, tls)
    assert looked[f"certificate {chain}"][0] == verdict
    assert looked[f"secret {key}"] == ("warn", "others may read it (mode 644)")
    key.chmod(0o600)
    assert found(tmp_path, tls)[f"secret {key}"][0] == "ok"


def test_the_end_of_a_certificate_is_that_of_openssl(tmp_path: Path) -> None:
    for days in (1, 400, 12_000):  # the last is beyond 2049: another form of time
        chain, _ = certificate(tmp_path, days)
        said = subprocess.run(
            ["openssl", "x509", "-in", chain, "-noout", "-enddate"],
            capture_output=True,
            text=True,
            check=True,
        )
        text = said.stdout.strip().removeprefix("notAfter=")
        assert expires_at(chain.read_text()) == ssl.cert_time_to_seconds(text)


@pytest.mark.parametrize(
    "damage", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "short"]
)
def test_what_is_no_certificate_is_an_error(tmp_path: Path, damage: str) -> None:
    text = certificate(tmp_path, 1)[0].read_text()
    with pytest.raises(CertificateError):
        expires_at(text[:200] + text[-26:] if damage == "short" else damage)


def test_neighbours_are_called(tmp_path: Path) -> None:
    there, away = free_ports(2)
    with socket.socket() as switch:
        switch.bind(("127.0.0.1", there))
        switch.listen()
        looked = found(
            tmp_path,
            f"freeswitch: {{switches: [{{host: 127.0.0.1, port: {there}, password: pw}}]}}\n"
            f"kamailio: {{connections: [{{host: 127.0.0.1, port: {away}}}]}}",
        )
    assert looked[f"FreeSWITCH 127.0.0.1:{there}"] == ("ok", "can be reached")
    assert looked[f"Kamailio 127.0.0.1:{away}"] == ("warn", "cannot be reached: Connection refused")


def redis_findings(folder: Path, url: str, durability: str = "required") -> list[tuple[str, str]]:
    store = f"store: {{kind: redis, redis: {{url: '{url}', durability: {durability}}}}}"
    settings = load(str(settings_of(folder, store)))
    looked = doctor.examine(settings, folder / "data")
    return [(each.verdict, each.found) for each in looked if each.about.startswith("Redis")]


def test_a_redis_that_would_forget_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", fsync="everysec").start()
    try:
        (version, weakness) = redis_findings(tmp_path, server.url)
        assert version[0] == "ok"
        assert weakness == ("fail", "appendfsync is everysec: set it to always")
        assert redis_findings(tmp_path, server.url, "reported")[1][0] == "warn"
        assert server.say("DBSIZE") == b":0\r\n"
        assert server.say("FUNCTION LIST") == b"*0\r\n"
    finally:
        server.kill()
    ((verdict, words),) = redis_findings(tmp_path, server.url)
    assert (verdict, server.url in words) == ("fail", True)


def test_the_command_ends_by_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = settings_of(tmp_path)
    assert main(["doctor", "--config", str(path), "--data-dir", str(tmp_path / "data")]) == 0
    assert "ok    data folder" in capsys.readouterr().out
    path = settings_of(tmp_path, diameter="[{address: 203.0.113.1, port: 3868}]")
    assert main(["doctor", "--config", str(path), "--data-dir", str(tmp_path / "data")]) == 1
    assert "FAIL  diameter tcp 203.0.113.1:3868: is no address" in capsys.readouterr().out
    assert main(["doctor", "--json", "--config", str(path), "--data-dir", str(tmp_path / "data")]) == 1
    looked: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert {"verdict", "about", "found", "advice"} == set(looked[0])
    path.write_text("identity: {origin_hots: x}\n")
    assert main(["doctor", "--config", str(path)]) == 2
    assert 'did you mean "origin_host"' in capsys.readouterr().err
