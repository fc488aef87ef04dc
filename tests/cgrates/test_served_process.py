"""`ocs serve` with `rounding: cgrates` as a process: its switches, its listener inside TLS, and what check says."""

import json
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from tests.agents.diameter.test_listening import certificate
from tests.cgrates.engine import write_folder
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S
from tests.test_app import read_until

ROOT = Path(__file__).resolve().parents[2]
FOLDER = {
    "Destinations.csv": "D,49\n",
    "Rates.csv": "R,0,0.1,60s,1s,0s\n",
    "DestinationRates.csv": "DR,D,R,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
}
SETTINGS = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: [{{port: {diameter}}}]}}
charging: {{rounding: cgrates, tariffs: {folder}}}
sessions: {{record_retention: 1h}}
rpc: {{jsonrpc: "127.0.0.1:{plain}", bidirectional: none, http: none, jsonrpc_tls: "127.0.0.1:{tls}",
       certificate: {certificate}, key: {key}}}
freeswitch: {{switches: [{{host: 127.0.0.1, port: {switch}, name: fs1, password: s3cret}}]}}
kamailio: {{connections: [{{host: 127.0.0.1, port: {proxy}}}]}}
log: {{format: json}}
"""


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def ocs(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ocs", *words)


def check(config: Path) -> subprocess.CompletedProcess[str]:
    words = ocs("check", "--config", str(config))
    return subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_switches_and_tls_are_served_and_check_says_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "tariff").mkdir()
    write_folder(tmp_path / "tariff", FOLDER)
    pem, key = certificate(tmp_path)
    config = tmp_path / "ocs.yaml"
    with socket.create_server(("127.0.0.1", 0)) as switch, socket.create_server(("127.0.0.1", 0)) as proxy:
        tls = free_port()
        config.write_text(
            SETTINGS.format(
                folder=tmp_path / "tariff",
                plain=free_port(),
                diameter=free_port(),
                tls=tls,
                certificate=pem,
                key=key,
                switch=switch.getsockname()[1],
                proxy=proxy.getsockname()[1],
            )
        )
        checked = check(config)
        assert checked.returncode == 0
        assert checked.stdout.splitlines() == [
            f"{config}: no problems",
            f"{config}: with charging.rounding: cgrates: sessions.record_retention: has no effect",
        ]
        server = subprocess.Popen(
            ocs("serve", "--config", str(config), "--data-dir", str(tmp_path / "data")),
            cwd=ROOT,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            for listener in (switch, proxy):
                listener.settimeout(PATIENCE_S)
            peer, _ = switch.accept()
            with peer:
                peer.settimeout(PATIENCE_S)
                peer.sendall(b"Content-Type: auth/request\n\n")
                assert peer.makefile().readline() == "auth s3cret\n"
            proxy.accept()[0].close()
            read_until(server, "server.ready")
            assert cost_over_tls(tls) == 0.0501, "30 s by increments rounded one by one"
        finally:
            server.terminate()
            server.communicate(timeout=PATIENCE_S)


def cost_over_tls(port: int) -> float:
    """What the server says 30 s cost, inside TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked = {"Tenant": "cgrates.org", "Category": "call", "Subject": "1", "Destination": "49301"}
    asked |= {"AnswerTime": "2026-01-05T10:00:00Z", "Usage": "30s"}
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    with context.wrap_socket(plain) as connection:
        request = {"id": 1, "method": "APIerSv1.GetCost", "params": [asked]}
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(connection.makefile().readline())
    assert answer["error"] is None, answer
    return float(answer["result"]["Cost"])


def test_check_says_why_a_tariff_cannot_be_used_so(tmp_path: Path) -> None:
    config = tmp_path / "ocs.yaml"
    identity = "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"
    config.write_text(identity + "charging: {rounding: cgrates, tariffs: demo}\n")
    checked = check(config)
    assert checked.returncode == 2
    told = f"{config}:1:1: charging.tariffs: with rounding: cgrates it is a CGRateS tariff folder"
    assert told in checked.stdout + checked.stderr
