"""freeDiameter as an agent between client and server, and as the judge of what the server says."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, encode_octets, encode_u32, encode_utf8, group
from ocs.diameter.message import Message
from tests.interop.capture import sent_by
from tests.interop.client import INITIAL, TERMINATION, UPDATE, Client, result_of
from tests.interop.freediameter_rules import judged
from tests.interop.relay_world import Relayed
from tests.interop.server import HOST, Server
from tests.support.gy import requested, service, total, used
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.peer

SESSIONS = range(1120, 1140)
WATCHDOG_ANSWER = bytes.fromhex("00000118" + "00000000")  # no flags, command 280, application 0


class ExactRelayed(Relayed):
    """`ocs serve` behind freeDiameter."""

    server: Server


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExactRelayed]:
    world = ExactRelayed(tmp_path_factory.mktemp("freediameter"), Server)
    yield world
    world.end()


def asking(octets: int = 0, more: int = 1_000_000) -> bytes:
    """A service that reports what it used and asks for more."""
    report = [used(total(octets))] if octets else []
    return service(10, requested(total(more)), *report)


@pytest.mark.parametrize(
    ("name", "host", "realm", "to_realm", "to_host"),
    [
        ("by realm", "gw.test.invalid", "test.invalid", "test.invalid", None),
        ("by host", "gw.test.invalid", "test.invalid", "test.invalid", HOST),
        (
            "to a server it does not know",
            "gw.test.invalid",
            "test.invalid",
            "test.invalid",
            "old.test.invalid",
        ),
        ("to another realm of the server", "gw.test.invalid", "test.invalid", "home.invalid", None),
        ("from another realm", "gw.visited.invalid", "visited.invalid", "test.invalid", None),
    ],
)
def test_a_session_that_is_routed_there_is_charged(
    relayed: ExactRelayed, name: str, host: str, realm: str, to_realm: str, to_host: str | None
) -> None:
    before, _ = relayed.server.money("1001")
    with Client(relayed.port, host, realm) as client:
        for kind, number, part in (
            (INITIAL, 0, asking()),
            (UPDATE, 1, asking(900_000)),
            (TERMINATION, 2, service(10, used(total(77)))),
        ):
            request = client.ccr(kind, number, part, session=name, realm=to_realm, to_host=to_host)
            answer = client.ask(request)
            assert result_of(answer) == 2001
            assert answer.octets(avps.ORIGIN_HOST) == HOST.encode()
    assert relayed.server.money("1001") == (before - 900_077, 0)


def test_what_proxies_left_in_a_request_comes_back_to_them(relayed: ExactRelayed) -> None:
    left = [
        group(
            avps.PROXY_INFO,
            [
                encode_utf8(avps.PROXY_HOST, f"proxy{number}.test.invalid"),
                encode_octets(avps.PROXY_STATE, state),
            ],
        )
        for number, state in enumerate((b"\x00\xff", b"state of mind"))
    ]
    passed = encode_utf8(avps.ROUTE_RECORD, "proxy0.test.invalid")
    with Client(relayed.port) as client:
        request = client.ccr(INITIAL, 0, asking(), *left, passed, session="proxied", who="1001")
        answer = client.ask(request)
        assert result_of(answer) == 2001
        client.ask(client.ccr(TERMINATION, 1, service(10, used(total(1))), session="proxied"))
    returned = [answer.frame[avp[2] : avp[3]] for avp in answer.all(avps.PROXY_INFO)]
    assert returned == [part[8:] for part in left]


@pytest.mark.parametrize(("host", "code"), [("gw.test.invalid", 4011), ("smf.test.invalid", 2001)])
def test_a_client_behind_the_agent_keeps_its_own_profile(relayed: ExactRelayed, host: str, code: int) -> None:
    """Service that is free is said to be so, but not to Open5GS, which takes that for a refusal."""
    with Client(relayed.port, host) as client:
        answer = client.ask(client.ccr(INITIAL, 0, service(900, requested(total(1))), session="free"))
        client.ask(client.ccr(TERMINATION, 1, session="free"))
    (answered,) = answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    (said,) = [avp for avp in answer.members(answered) if avp[0] == avps.RESULT_CODE]
    assert decode_u32(answer.frame, said) == code


def test_twenty_sessions_at_once_get_an_answer_each(relayed: ExactRelayed) -> None:
    with Client(relayed.port) as client:
        for number, (kind, part) in enumerate(
            (
                (INITIAL, asking()),
                (UPDATE, asking(500_000)),
                (UPDATE, asking(250_000)),
                (TERMINATION, service(10, used(total(1_000)))),
            )
        ):
            answers = client.answers(
                *(client.ccr(kind, number, part, who=str(who), session=f"many {who}") for who in SESSIONS)
            )
            assert [result_of(answer) for answer in answers] == [2001] * len(SESSIONS)
            assert [answer.octets(avps.SESSION_ID) for answer in answers] == [
                f"{client.host};1;many {who}".encode() for who in SESSIONS
            ]
    for who in SESSIONS:
        assert relayed.server.money(str(who)) == (1_000_000_000 - 751_000, 0)


@pytest.mark.parametrize(("method", "command"), [("Reauthorize", 258), ("Disconnect", 274)])
@pytest.mark.parametrize(
    ("code", "meaning"), [(2002, "ACCEPTED"), (5002, "UNKNOWN_SESSION"), (5012, "REFUSED")]
)
def test_a_request_of_the_server_reaches_the_client_behind_the_agent(
    relayed: ExactRelayed, method: str, command: int, code: int, meaning: str
) -> None:
    name = f"{method} {code}"
    with Client(relayed.port) as client, ThreadPoolExecutor(1) as asker:
        client.ask(client.ccr(INITIAL, 0, asking(), session=name))
        session = f"{client.host};1;{name}"
        asked = asker.submit(relayed.server.call, f"Session{method}", session=session)
        request = client.receive_request(command)
        assert request.octets(avps.SESSION_ID) == session.encode()
        assert request.octets(avps.DESTINATION_HOST) == client.host.encode()
        client.answer(request, code)
        assert asked.result(PATIENCE_S)["answer"] == meaning
        client.ask(client.ccr(TERMINATION, 1, session=name))


def test_a_session_goes_on_when_the_agent_comes_back(relayed: ExactRelayed) -> None:
    before, _ = relayed.server.money("1001")
    with Client(relayed.port) as client:
        assert result_of(client.ask(client.ccr(INITIAL, 0, asking(), session="again"))) == 2001
    relayed.agent.kill()
    relayed.start()
    with Client(relayed.port) as client:
        update = client.ccr(UPDATE, 1, asking(10_000), session="again")
        assert result_of(client.ask(update)) == 2001
        assert result_of(client.ask(client.ccr(TERMINATION, 2, session="again"))) == 2001
    assert relayed.server.money("1001") == (before - 10_000, 0)


def test_an_idle_connection_is_watched_and_lives(relayed: ExactRelayed) -> None:
    answered = relayed.capture.count(WATCHDOG_ANSWER)
    with Client(relayed.port) as client:

        def is_watched() -> bool:
            client.answer_what_comes(0.1)
            return relayed.capture.count(WATCHDOG_ANSWER) > answered

        relayed.agent.until(is_watched, "a watchdog between freeDiameter and the server")
        assert result_of(client.ask(client.ccr(INITIAL, 0, asking(), session="idle"))) == 2001
        assert result_of(client.ask(client.ccr(TERMINATION, 1, session="idle"))) == 2001


def test_nothing_that_went_through_the_agent_is_wrong(relayed: ExactRelayed) -> None:
    port = relayed.server.diameter_port
    relayed.capture.end()
    messages = relayed.capture.messages()
    answers = sent_by(messages, port)
    assert answers
    assert judged(answers, relayed.folder) == []
    assert relayed.capture.complaints(port) == []
    assert relayed.capture.unanswered(port) == []
    requests = [each.message for each in messages if each.target == port and each.message.command_code == 272]
    assert all(request.is_request and request.all(avps.ROUTE_RECORD) for request in requests)
    assert relayed.server.is_consistent()


def test_the_judge_sees_what_a_client_would_throw_away(tmp_path: Path) -> None:
    fine = Message.decode(
        (Path(__file__).parents[1] / "vectors/diameter/kamailio_ro_004_s2c_CCA-I.bin").read_bytes()
    )
    parts = [fine.frame[avp[2] - 8 : avp[3] + -avp[3] % 4] for avp in fine.avps]
    without_type = [part for part in parts if part[:4] != avps.CC_REQUEST_TYPE.to_bytes(4, "big")]
    unknown = [*parts, encode_u32(99_999, 7)]
    late_session = [*parts[1:], parts[0]]
    said = judged([whole(fine, each) for each in (parts, without_type, unknown, late_session)], tmp_path)
    assert [line.split(":")[0] for line in said] == ["rules", "dictionary", "rules"]
    assert "MISSING_AVP" in said[0]


def whole(head: Message, parts: list[bytes]) -> bytes:
    """A message with the header of another one."""
    body = b"".join(parts)
    return head.frame[:1] + (20 + len(body)).to_bytes(3, "big") + head.frame[4:20] + body
