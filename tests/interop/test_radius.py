"""RADIUS with real peers: radclient, FreeRADIUS as proxy and as access server, Kamailio; tshark looks on."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.capture import Capture
from tests.interop.radius_world import SECRET, FreeRadius, RadiusServer, SipProxy, radclient
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.peer

USER = 'User-Name = "1001", NAS-IP-Address = 127.0.0.1, NAS-Port = 1'
PAP = f'{USER}, User-Password = "pw", Message-Authenticator = 0x00'
CHAP = f'{USER}, CHAP-Password = "pw"'
MS_CHAP = f'{USER}, MS-CHAP-Password = "pw"'
WRONG = f'{USER}, User-Password = "wrong", Message-Authenticator = 0x00'
STATUS = "Message-Authenticator = 0x00"
GIGAWORD = 1 << 32


def told(status: str, *more: str, session: str = "s1", user: str = "1001") -> str:
    """An Accounting-Request in radclient's words."""
    named = f'Acct-Session-Id = "{session}", User-Name = "{user}", NAS-IP-Address = 127.0.0.1, NAS-Port = 1'
    return ", ".join((f"Acct-Status-Type = {status}", named, *more))


def used(seconds: int, received: int, sent: int) -> tuple[str, ...]:
    """What was used, with gigawords."""
    return (
        f"Acct-Session-Time = {seconds}",
        f"Acct-Input-Octets = {received % GIGAWORD}, Acct-Input-Gigawords = {received // GIGAWORD}",
        f"Acct-Output-Octets = {sent % GIGAWORD}, Acct-Output-Gigawords = {sent // GIGAWORD}",
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RadiusServer]:
    running = RadiusServer(tmp_path)
    yield running
    running.end()


def complaints(capture: Capture, *ports: int) -> str:
    """What Wireshark has against packets between these ports, authenticators included."""
    command = ["tshark", "-2", "-n", "-r", str(capture.file), "-o", f"radius.shared_secret:{SECRET}"]
    command += ["-o", "radius.validate_authenticator:TRUE"]
    for port in ports:
        command += ["-d", f"udp.port=={port},radius"]
    bad = "_ws.malformed || radius.authenticator.invalid==1 || _ws.expert.severity >= 0x600000"
    told = []
    for wanted in ("radius", f"radius && ({bad})"):
        done = subprocess.run(
            [*command, "-Y", wanted], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        told.append(done.stdout)
    assert len(told[0].splitlines()) > 10, "it has seen the conversation"
    return told[1]


def test_radclient_is_let_in_by_every_method_and_charged_and_wireshark_has_nothing_to_say(
    server: RadiusServer, tmp_path: Path
) -> None:
    capture = Capture(tmp_path / "radius.pcapng", server.auth_port, server.acct_port, transport="udp")
    try:
        for packet in (PAP, CHAP, MS_CHAP):
            said = radclient(server.auth_port, "auth", packet)
            assert said.has("Received Access-Accept", 'Filter-Id = "gold"', "Message-Authenticator"), (
                said.output
            )
        assert "MS-CHAP-Response" in said.output, "radclient speaks version 1"
        said = radclient(server.auth_port, "auth", WRONG)
        assert said.has("Received Access-Reject", 'Reply-Message = "RADAUTH_FAILED"'), said.output
        assert radclient(server.auth_port, "status", STATUS).has("Received Access-Accept")
        assert radclient(server.acct_port, "status", STATUS).has("Received Accounting-Response")
        sent = [
            told("Start"),
            told("Interim-Update", *used(10, 1_000_000, 200_000)),
            told("Stop", *used(17, GIGAWORD + 7, 300_000), "Acct-Terminate-Cause = User-Request"),
        ]
        said = radclient(server.acct_port, "acct", *sent)
        assert said.output.count("Received Accounting-Response") == 3, said.output
    finally:
        capture.end()
    assert server.money("1001") == (10_000_000_000 - GIGAWORD - 300_007, 0)
    (record,) = server.records("1001")
    assert (record["client"], record["session"]) == ("nas/127.0.0.1", "s1")
    assert complaints(capture, server.auth_port, server.acct_port) == ""
    assert server.is_consistent()


def test_a_wrong_secret_is_silence(server: RadiusServer) -> None:
    assert radclient(server.auth_port, "auth", PAP, secret="another", timeout_s=1).has("No reply")
    assert radclient(server.acct_port, "acct", told("Start"), secret="another", timeout_s=1).has("No reply")
    server.program.until(lambda: "radius.packet_not_genuine" in server.program.output(), "it is logged")


def test_a_server_killed_in_mid_session_charges_nothing_twice_and_loses_nothing(server: RadiusServer) -> None:
    first = [told("Start"), told("Interim-Update", *used(10, 1_000_000, 0))]
    assert radclient(server.acct_port, "acct", *first).output.count("Received") == 2
    server.kill()
    server.program = server.start()
    again = [
        told("Interim-Update", *used(10, 1_000_000, 0)),
        told("Stop", *used(17, 1_500_000, 0)),
        told("Stop", *used(17, 1_500_000, 0)),
    ]
    assert radclient(server.acct_port, "acct", *again).output.count("Received") == 3
    assert server.money("1001") == (10_000_000_000 - 1_500_000, 0)
    assert len(server.records("1001")) == 1


def test_freeradius_stands_between_and_is_asked_to_end_what_has_no_credit(
    server: RadiusServer, tmp_path: Path
) -> None:
    folder = tmp_path / "freeradius"
    folder.mkdir()
    between = FreeRadius(folder, server)
    try:
        assert radclient(between.auth_port, "auth", PAP).has("Received Access-Accept", 'Filter-Id = "gold"')
        assert radclient(between.auth_port, "auth", WRONG).has("Received Access-Reject")
        sent = [told("Start", user="1006"), told("Interim-Update", *used(10, 2_000_000, 0), user="1006")]
        assert radclient(between.acct_port, "acct", *sent).output.count("Received") == 2
        until(
            lambda: between.asked() == ["Disconnect-Request s1 1006 INSUFFICIENT_CREDIT"],
            "a Disconnect-Request",
        )
        gone = [told("Start", session="gone"), told("Interim-Update", *used(5, 1_000, 0), session="gone")]
        assert radclient(between.acct_port, "acct", *gone).output.count("Received") == 2
        server.call("SessionDisconnect", client="nas/127.0.0.1", session="gone")
        until(lambda: not server.sessions("1001"), "a session its access server does not know is closed")
    finally:
        between.end()
    assert server.money("1006")[0] == 1_500_000 - 2_000_000


def test_kamailio_authenticates_and_accounts_a_call(tmp_path: Path) -> None:
    server = RadiusServer(tmp_path, "profile: kamailio, message_authenticator: optional, strip_realm: true")
    folder = tmp_path / "kamailio"
    folder.mkdir()
    proxy = SipProxy(folder, server)
    try:
        assert proxy.call("1001", "wrong", 1, is_refused=True) == 0
        assert server.money("1001") == (10_000_000_000, 0)
        began_s = time.monotonic()
        assert proxy.call("1001", "pw", 2) == 0, proxy.proxy.output()[-2000:]
        lasted_s = time.monotonic() - began_s
        until(lambda: bool(server.records("1001")), "a record of the call")
        (record,) = server.records("1001")
        spent = 10_000_000_000 - server.money("1001")[0]
        assert 2_000_000 <= spent <= (int(lasted_s) + 1) * 1_000_000
        assert spent % 1_000_000 == 0, "whole seconds, as its timestamps have"
        assert (record["service"], record["cost_nanos"]) == ("voice", spent)
        assert proxy.call("1002", "pw", 1, is_refused=True) == 0, "who has no credit does not call"
    finally:
        proxy.end()
        server.end()
