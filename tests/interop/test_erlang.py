"""The Diameter of Erlang/OTP as a client: it connects, surfs, and checks each answer against a grammar."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.server import NANOS_PER_SECOND, Server
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "erlang"
SESSIONS = 100
KINDS = {"data": ("32251@3gpp.org", "CC-Total-Octets"), "voice": ("32260@3gpp.org", "CC-Time")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("erlang"))
    yield started
    started.end()


def run(
    server: Server, folder: Path, sessions: int, who: str, rating_group: int, used: int, kind: str = "data"
) -> Counter[str]:
    """How often each line was printed: request type, number, Result-Code, that of the service."""
    context, unit = KINDS[kind]
    arguments = [server.diameter_port, sessions, who, rating_group, context, unit, used]
    done = subprocess.run(
        ["escript", HERE / "client.escript", folder, HERE / "gy.dia", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Counter(done.stdout.splitlines())


def test_a_hundred_sessions_side_by_side_are_charged_to_the_octet(server: Server, tmp_path: Path) -> None:
    before, _ = server.money("1004")
    said = run(server, tmp_path, SESSIONS, "1004", 10, 12_345)
    assert said == {"1 0 2001 2001": SESSIONS, "2 1 2001 2001": SESSIONS, "3 2 2001 2001": SESSIONS}
    assert server.money("1004") == (before - SESSIONS * 2 * 12_345, 0)
    assert server.is_consistent()
    assert "otp.test.invalid" not in server.open_peers(), "it has said goodbye"


def test_a_call_has_nothing_in_its_answers_that_it_does_not_know(server: Server, tmp_path: Path) -> None:
    before, _ = server.money("1001")
    said = run(server, tmp_path, 1, "1001", 100, 7, "voice")
    assert said == {"1 0 2001 2001": 1, "2 1 2001 2001": 1, "3 2 2001 2001": 1}
    assert server.money("1001") == (before - 2 * 7 * NANOS_PER_SECOND, 0)


@pytest.mark.parametrize(
    ("who", "rating_group", "answer"),
    [("1002", 10, "4012 4012"), ("1001", 901, "4010 4010"), ("4711", 10, "5030 none")],
)
def test_a_refusal_is_one_it_understands(
    server: Server, tmp_path: Path, who: str, rating_group: int, answer: str
) -> None:
    said = run(server, tmp_path, 1, who, rating_group, 0)
    assert said == {f"1 0 {answer}": 1, "2 1 5002 none": 1, "3 2 5002 none": 1}
