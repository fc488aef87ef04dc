"""`ocs cgrates` with the example of docs/cgrates.md: Kamailio, freeDiameter and python-diameter in front of it."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diameter.message import constants
from diameter.message.avp.grouped import MultipleServicesCreditControl, RequestedServiceUnit, SubscriptionId
from diameter.message.commands import CreditControlAnswer, CreditControlRequest
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication

from tests.interop.capture import sent_by
from tests.interop.cgrates_server import SECOND, CgratesServer
from tests.interop.client import INITIAL, TERMINATION, UPDATE, Client, result_of
from tests.interop.freediameter_rules import judged
from tests.interop.ims_world import Ims
from tests.interop.programs import is_listening
from tests.interop.relay_world import Relayed
from tests.interop.server import HOST, REALM
from tests.support.gy import requested, service, total, used
from tests.support.ports import free_ports
from tests.support.waiting import until

pytestmark = pytest.mark.peer

KIB = 100_000  # nanos that 1024 octets cost
OPENED = re.compile(r"peer\.opened.*?peer=(\S+)|\"peer\": ?\"([^\"]+)\"[^\n]*peer\.opened")


class CgratesDiameter(CgratesServer):
    """The server with Diameter on a port of its own."""

    def __init__(self, folder: Path) -> None:
        (self.diameter_port,) = free_ports(1)
        listener = {"address": f"127.0.0.1:{self.diameter_port}", "network": "tcp"}
        super().__init__(folder, "diameter", {"diameter_agent": {"listeners": [listener]}})
        self.program.until(lambda: is_listening(self.diameter_port), "Diameter is served")

    def open_peers(self) -> set[str]:
        """Origin-Hosts of the peers that have ever connected, as the log says."""
        return {name for found in OPENED.findall(self.program.output()) for name in found if name}


class CgratesIms(Ims):
    """It beside Kamailio."""

    server: CgratesDiameter

    def seconds(self, account: str, before: int) -> tuple[int, list[int]]:
        """What an account has paid for since, and what its records say."""
        paid, rest = divmod(before - self.server.nanos(account), SECOND)
        assert rest == 0
        return paid, [round(each["Cost"] * 1_000) for each in self.server.records(account)]


class CgratesRelayed(Relayed):
    """It behind freeDiameter."""

    server: CgratesDiameter


@pytest.fixture(scope="module")
def ims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CgratesIms]:
    world = CgratesIms(tmp_path_factory.mktemp("kamailio"), CgratesDiameter)
    yield world
    world.end()


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CgratesRelayed]:
    world = CgratesRelayed(tmp_path_factory.mktemp("freediameter"), CgratesDiameter)
    yield world
    world.end()


# --- Kamailio


def test_a_call_of_kamailio_pays_for_its_seconds(ims: CgratesIms) -> None:
    before = ims.server.nanos("1001")
    ims.over(ims.call("caller_ends", ["1001"], "-d", 3_000), "1001")
    paid, recorded = ims.seconds("1001", before)
    assert paid >= 2
    assert recorded == [paid]


def test_a_caller_without_credit_is_refused_before_the_call_is_set_up(ims: CgratesIms) -> None:
    ims.over(ims.call("refused", ["1002"]), "1002")
    assert ims.server.nanos("1002") == 0


def test_a_call_is_cut_when_the_credit_is_used_up(ims: CgratesIms) -> None:
    before = ims.server.nanos("1005")
    assert before == 3 * SECOND
    ims.over(ims.call("network_ends", ["1005"]), "1005")
    paid, recorded = ims.seconds("1005", before)
    assert paid >= 3, "the grant, and what Kamailio takes to look at its clock"
    assert recorded == [paid]


def test_a_call_survives_the_death_of_the_server_and_is_paid_for_once(ims: CgratesIms) -> None:
    before = ims.server.nanos("1004")
    call = ims.call("caller_ends", ["1004"], "-d", 15_000)
    call.until(lambda: bool(ims.server.sessions("1004")), "the call has begun")
    for value in (1.0, 2.0):  # what is answered behind it shows that the call's answer is on disk, and out
        ims.server.set_money("1998", value)
    opened = ims.server.program.output().count("peer.opened")
    ims.server.kill()
    ims.server.start()
    ims.server.program.until(
        lambda: ims.server.program.output().count("peer.opened") > opened, "Kamailio connects again"
    )
    ims.over(call, "1004")
    paid, recorded = ims.seconds("1004", before)
    assert paid >= 14
    assert recorded == [paid]


def test_nothing_that_kamailio_was_told_is_wrong(ims: CgratesIms) -> None:
    """By the dictionaries of freeDiameter and tshark."""
    port = ims.server.diameter_port
    ims.capture.end()
    messages = ims.capture.messages()
    assert len(sent_by(messages, port)) > 10
    assert ims.capture.complaints(port) == []
    assert judged(sent_by(messages, port), ims.folder) == []


# --- freeDiameter


def test_data_behind_an_agent_is_charged_by_rating_groups(relayed: CgratesRelayed) -> None:
    before = relayed.server.nanos("1006")
    with Client(relayed.port) as client:
        for kind, number, parts in (
            (INITIAL, 0, [service(20, requested())]),
            (UPDATE, 1, [service(20, requested(), used(total(1_048_576)))]),
            (TERMINATION, 2, [service(20, used(total(524_288)))]),
        ):
            answer = client.ask(client.ccr(kind, number, *parts, who="1006", session="data"))
            assert result_of(answer) == 2001
            assert answer.octets(5_000_000) is None
            assert (answer.octets(264) or b"").decode() == HOST
    assert before - relayed.server.nanos("1006") == 1_536 * KIB
    (record,) = relayed.server.records("1006")
    assert record["OriginID"].endswith("data_20")


def test_the_agent_brings_the_server_s_own_requests_to_the_client(relayed: CgratesRelayed) -> None:
    with Client(relayed.port) as client:
        opened = client.ccr(INITIAL, 0, service(20, requested()), who="1007", session="asr")
        assert result_of(client.ask(opened)) == 2001
        session = f"{client.host};1;asr"
        told: list[Any] = []
        calling = threading.Thread(
            target=lambda: told.append(
                relayed.server.call("SessionSv1.ForceDisconnect", Filters=["*string:~*req.Account:1007"])
            )
        )
        calling.start()
        asked = client.receive_request(274)
        assert (asked.application_id, (asked.octets(263) or b"").decode()) == (4, session)
        client.answer(asked, 2001)
        calling.join(10)
        assert told == ["OK"]
        end = client.ccr(TERMINATION, 1, service(20, used(total(0))), who="1007", session="asr")
        assert result_of(client.ask(end)) == 2001
    until(lambda: not relayed.server.sessions("1007"), "the session is closed")


def test_nothing_that_the_agent_was_told_is_wrong(relayed: CgratesRelayed) -> None:
    port = relayed.server.diameter_port
    relayed.capture.end()
    messages = relayed.capture.messages()
    assert relayed.capture.complaints(port) == []
    assert judged(sent_by(messages, port), relayed.folder) == []


# --- python-diameter


def test_a_node_of_python_diameter_is_granted_and_charged(tmp_path: Path) -> None:
    server = CgratesDiameter(tmp_path)
    node = Node("py.test.invalid", REALM, ip_addresses=["127.0.0.1"])
    try:
        peer = node.add_peer(f"aaa://{HOST}:{server.diameter_port};transport=tcp", REALM, ["127.0.0.1"], True)
        credit_control = constants.APP_DIAMETER_CREDIT_CONTROL_APPLICATION
        gateway = SimpleThreadingApplication(credit_control, is_auth_application=True)
        node.add_application(gateway, [peer])
        node.start()
        gateway.wait_for_ready(timeout=60)
        request = CreditControlRequest()
        request.session_id = node.session_generator.next_id()
        request.origin_host, request.origin_realm = b"py.test.invalid", REALM.encode()
        request.destination_realm = REALM.encode()
        request.auth_application_id = credit_control
        request.service_context_id = "32251@3gpp.org"
        request.cc_request_type = constants.E_CC_REQUEST_TYPE_INITIAL_REQUEST
        request.cc_request_number = 0
        request.subscription_id = [SubscriptionId(constants.E_SUBSCRIPTION_ID_TYPE_END_USER_E164, "1008")]
        request.multiple_services_credit_control = [
            MultipleServicesCreditControl(requested_service_unit=RequestedServiceUnit(), rating_group=20)
        ]
        answer = gateway.send_request(request, timeout=60)
        assert isinstance(answer, CreditControlAnswer)
        (granted,) = answer.multiple_services_credit_control
        assert (answer.result_code, granted.rating_group, granted.result_code) == (2001, 20, 2001)
        assert granted.granted_service_unit.cc_total_octets == 2_097_152
        assert server.nanos("1008") == 10 * 1_000_000_000 - 2_048 * KIB
    finally:
        node.stop(wait_timeout=5, force=True)
        server.end()
