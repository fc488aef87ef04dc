"""Who may connect and how: admission, limits, doubles, TLS, SCTP."""

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.listening import SCTP, ListenError, send_information
from ocs.config import settings as config
from ocs.config.settings import DiameterSettings, Listener
from ocs.diameter import avps
from ocs.diameter.message import Message
from tests.agents.diameter.running import MS, asking, limited, run, timed
from tests.support.diameter_peer import (
    ANY_PORT,
    Peer,
    answer_to,
    cer,
    code_of,
    dwr,
    running,
    settings,
)
from tests.support.gy import CLIENT, CountingMetrics, FakeService
from tests.support.waiting import until_so

# --- opening


def test_a_loopback_peer_is_admitted_and_served() -> None:
    async def test() -> None:
        async with running() as (agent, charging, metrics):
            peer = await Peer.opened(agent)
            peer.send(asking())
            answer = await peer.receive()
            assert (code_of(answer), answer.hop_by_hop) == (2001, 1)
            assert charging.events[0].origin == CLIENT
            (info,) = agent.peers()
            assert (info.origin_host, info.state, info.product) == (CLIENT, "open", "test peer")
            assert (info.requests, info.answers, info.in_flight, info.profile) == (1, 1, 0, "default")
            assert metrics.counts["answered.INITIAL.SUCCESS"] == 1
            assert metrics.open_connections == (1, 1)
            peer.close()

    run(test())


def test_the_capabilities_answer_names_this_server() -> None:
    async def test() -> None:
        async with running() as (agent, _, _):
            peer = await Peer.connect(agent)
            peer.send(cer())
            answer = await peer.receive()
            assert answer.octets(avps.ORIGIN_HOST) == b"ocs.example.net"
            assert answer.octets(avps.HOST_IP_ADDRESS) == b"\0\1\x7f\0\0\1"
            peer.close()

    run(test())


@pytest.mark.parametrize(
    ("diameter", "reason"),
    [
        (DiameterSettings(listen=ANY_PORT, admit_unlisted="none"), "peer is not configured"),
        (
            DiameterSettings(listen=ANY_PORT, peers=(config.Peer(CLIENT, addresses=("192.0.2.0/24",)),)),
            "address is not the configured one",
        ),
        (
            DiameterSettings(listen=ANY_PORT, peers=(config.Peer(CLIENT, tls_name="pgw.example.net"),)),
            "certificate does not have the configured name",
        ),
    ],
)
def test_an_unknown_peer_is_refused_and_listed_with_its_remedy(
    diameter: DiameterSettings, reason: str
) -> None:
    async def test() -> None:
        async with running(diameter) as (agent, _, metrics):
            for _ in range(2):
                peer = await Peer.connect(agent)
                peer.send(cer())
                answer = await peer.receive()
                assert (code_of(answer), answer.is_error) == (3010, True)
                assert await peer.closed()
                peer.close()
            (refused,) = agent.refused()
            assert (refused.origin_host, refused.reason, refused.attempts) == (CLIENT, reason, 2)
            assert refused.remedy == f'- {{origin_host: "{CLIENT}", addresses: ["127.0.0.1"]}}'
            assert metrics.counts["peer.unknown"] == 2

    run(test())


def test_the_remedy_for_a_refused_peer_is_a_line_of_settings(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")

    async def test() -> None:
        async with running(DiameterSettings(listen=ANY_PORT, admit_unlisted="none")) as (agent, _, _):
            peer = await Peer.connect(agent)
            peer.send(cer('evil"host: [x'))
            assert await peer.receive()
            peer.close()
            (entry,) = yaml.safe_load(agent.refused()[0].remedy)
            assert entry == {"origin_host": 'evil"host: [x', "addresses": ["127.0.0.1"]}

    run(test())


def test_a_configured_peer_gets_its_profile() -> None:
    async def test() -> None:
        entry = config.Peer(CLIENT.upper(), addresses=("127.0.0.0/8",), profile="open5gs")
        diameter = DiameterSettings(listen=ANY_PORT, admit_unlisted="none", peers=(entry,))
        async with running(diameter) as (agent, charging, _):
            peer = await Peer.opened(agent)
            peer.send(asking())
            await peer.receive()
            assert charging.events[0].profile == "open5gs"
            assert agent.peers()[0].profile == "open5gs"
            peer.close()

    run(test())


def test_a_peer_without_a_common_application_is_refused_with_5010() -> None:
    async def test() -> None:
        async with running() as (agent, _, metrics):
            peer = await Peer.connect(agent)
            peer.send(cer(application=16_777_238))
            assert code_of(await peer.receive()) == 5010
            assert await peer.closed()
            assert metrics.counts["peer.no_application"] == 1
            peer.close()

    run(test())


def test_a_request_before_capabilities_closes_the_connection() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            peer = await Peer.connect(agent)
            peer.send(asking())
            assert await peer.closed()
            assert charging.events == []
            peer.close()

    run(test())


def test_silence_after_connecting_closes_the_connection() -> None:
    async def test() -> None:
        async with running(timed(capabilities_timeout_ns=50 * MS)) as (agent, _, _):
            peer = await Peer.connect(agent)
            assert await peer.closed()
            peer.close()

    run(test())


@pytest.mark.parametrize("limit", ["connections", "connections_per_address", "unopened_connections"])
def test_connections_beyond_a_limit_are_dropped(limit: str) -> None:
    async def test() -> None:
        async with running(limited(**{limit: 1})) as (agent, _, metrics):
            first = await Peer.connect(agent)
            first.send(dwr()[:4])
            await until_so(lambda: bool(agent.peers()), "the first one is known")
            second = await Peer.connect(agent)
            assert await second.closed()
            assert metrics.counts["peer.limit"] == 1
            first.close()
            second.close()

    run(test())


# --- two connections of one name


def test_a_second_connection_is_refused_while_the_first_lives() -> None:
    async def test() -> None:
        async with running() as (agent, _, metrics):
            first = await Peer.opened(agent)
            second = await Peer.connect(agent)
            second.send(cer())
            probe = await first.receive()
            assert (probe.command_code, probe.is_request) == (280, True)
            first.send(answer_to(probe, 2001))
            assert code_of(await second.receive()) == 4003
            assert await second.closed()
            first.send(asking())
            assert code_of(await first.receive()) == 2001
            assert metrics.counts["peer.duplicate"] == 1
            first.close()
            second.close()

    run(test())


def test_a_second_connection_replaces_one_that_is_dead() -> None:
    async def test() -> None:
        async with running(timed(probe_ns=50 * MS)) as (agent, _, _):
            first = await Peer.opened(agent)
            second = await Peer.connect(agent)
            second.send(cer(), asking())
            assert (await first.receive()).command_code == 280
            assert code_of(await second.receive()) == 2001
            assert (await second.receive()).command_code == 272
            assert await first.closed()
            assert [info.state for info in agent.peers() if info.origin_host == CLIENT][-1] == "open"
            first.close()
            second.close()

    run(test())


# --- listeners


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of ocs.example.net."""
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=ocs.example.net",
         "-addext", "subjectAltName=DNS:ocs.example.net", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_tls_peers_are_known_by_the_name_in_their_certificate(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)

    async def test() -> None:
        listener = Listener(port=0, transport="tls", certificate=str(chain), key=str(key), ca=str(chain))
        entry = config.Peer(CLIENT, tls_name="ocs.example.net")
        diameter = DiameterSettings(listen=(listener,), admit_unlisted="none", peers=(entry,))
        async with running(diameter) as (agent, _, _):
            context = ssl.create_default_context(cafile=str(chain))
            context.load_cert_chain(chain, key)
            peer = await Peer.connect(agent, context)
            peer.send(cer(), asking())
            assert code_of(await peer.receive()) == 2001
            assert (await peer.receive()).command_code == 272
            peer.close()

    run(test())


def test_a_tls_peer_without_certificate_is_not_served(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)

    async def test() -> None:
        listener = Listener(port=0, transport="tls", certificate=str(chain), key=str(key), ca=str(chain))
        async with running(DiameterSettings(listen=(listener,))) as (agent, charging, _):
            context = ssl.create_default_context(cafile=str(chain))
            peer = await Peer.connect(agent, context)  # TLS 1.3: the server judges after the client's part
            peer.send(cer())
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await peer.receive()
            peer.writer.transport.abort()
            assert charging.events == []

    run(test())


@pytest.mark.parametrize(
    "listener",
    [
        Listener(address="192.0.2.1", port=0),
        Listener(port=0, transport="tls"),
        Listener(port=0, transport="tls", certificate="/nonexistent"),
    ],
)
def test_a_listener_that_cannot_open_says_which_and_why(listener: Listener) -> None:
    async def test() -> None:
        diameter = DiameterSettings(listen=(*ANY_PORT, listener))
        agent = DiameterAgent(settings(diameter), FakeService(), CountingMetrics())
        with pytest.raises(ListenError, match=f"diameter {listener.transport} {listener.address}:0: "):
            await agent.start()
        assert agent.addresses() == []

    run(test())


def has_sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP).close()
    except OSError:
        return False
    return True


def test_sctp_is_served_where_the_kernel_has_it_and_refused_with_a_reason_elsewhere() -> None:
    async def test() -> None:
        diameter = DiameterSettings(listen=(Listener(port=0, transport="sctp"),))
        agent = DiameterAgent(settings(diameter), FakeService(), CountingMetrics())
        if not has_sctp():
            with pytest.raises(ListenError, match="this kernel has no SCTP"):
                await agent.start()
            return
        await agent.start()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP) as client:
            client.setblocking(False)
            await loop.sock_connect(client, agent.addresses()[0])
            await loop.sock_sendall(client, cer())
            assert code_of(Message.decode(await loop.sock_recv(client, 4_096))) == 2001
        await agent.drain()

    run(test())


def test_sctp_messages_say_that_they_are_diameter() -> None:
    information = send_information()
    assert len(information) == 16, "struct sctp_sndinfo (RFC 6458 5.3.4)"
    assert information[4:8] == bytes((0, 0, 0, 46)), "in network order"
    assert not any(information[:4] + information[8:])
