"""Claims about profiles around RADIUS sessions on `ocs serve`, from outside: a server and an access server."""

import re
import socket
from pathlib import Path

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute, Packet, decode, is_answer_to
from tests.agents.radius.packets import SECRET, access, accounting, usage
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S
from tests.test_serve_sessions import CREDIT, RICH, Server

PAGE = Path(__file__).resolve().parents[1] / "docs" / "radius.md"
BLOCK = re.compile(r"^```yaml file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILTER_ID, CALLBACK_ID = 11, 20
OCTETS = 1_000_000


class Nas:
    """An access server with one request at a time, sent again until it is answered."""

    def __init__(self, authentication: int, accounting_port: int) -> None:
        self._ports = {codes.ACCESS_REQUEST: authentication, codes.ACCOUNTING_REQUEST: accounting_port}
        self._identifier = 0

    def ask(self) -> Packet:
        return self._exchanged(access(user=RICH, password=None, identifier=self._next()))

    def tell(self, status: int, *more: Attribute, session: str = "s1") -> None:
        said = accounting(status, *more, session=session, user=RICH, identifier=self._next())
        assert self._exchanged(said).code == codes.ACCOUNTING_RESPONSE

    def _next(self) -> int:
        self._identifier += 1
        return self._identifier

    def _exchanged(self, datagram: bytes) -> Packet:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.settimeout(PATIENCE_S)
            plain.sendto(datagram, ("127.0.0.1", self._ports[datagram[0]]))
            octets = plain.recv(4_096)
        answer = decode(octets)
        assert is_answer_to(answer, datagram[4:20], SECRET)
        return answer


def test_the_page_s_example_gives_a_user_one_session_and_a_lost_stop_leaks_no_place(tmp_path: Path) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text("utf-8")))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "profiles.yaml").write_text(blocks["profiles.yaml"], encoding="utf-8")
    ports = free_ports(2)
    client = f"address: 127.0.0.1, name: hotspots, secret: '{SECRET.decode()}', authentication: none"
    listen = f'authentication: "127.0.0.1:{ports[0]}", accounting: "127.0.0.1:{ports[1]}"'
    own = f"  reject_delay: 0s\n  listen: [{{{listen}}}]\n  clients: [{{{client}}}]\n"
    server = Server(tmp_path, "profiles: profiles", blocks["radius.yaml"] + own)
    nas = Nas(*ports)
    resource = {"Tenant": "cgrates.org", "ID": "ONE_EACH"}
    try:
        let_in = nas.ask()
        assert (let_in.code, let_in.text(FILTER_ID)) == (codes.ACCESS_ACCEPT, "single")
        routes = [value for code, value in let_in.attributes if code == CALLBACK_ID]
        assert routes == [b"gw2", b"gw1:sip:gw1.example.org"]
        nas.tell(codes.START)
        server.killed()
        refused = nas.ask()
        assert refused.code == codes.ACCESS_REJECT
        assert refused.text(codes.REPLY_MESSAGE) == "RESOURCE_UNAUTHORIZED: ONE_EACH"
        nas.tell(codes.STOP, *usage(60, OCTETS))
        assert nas.ask().code == codes.ACCESS_ACCEPT
        nas.tell(codes.START, session="s2")
        nas.tell(codes.INTERIM_UPDATE, *usage(1, OCTETS), session="s2")
        assert len(server.call("ResourceSv1.GetResource", resource)["Usages"]) == 1
        nas.tell(codes.ACCOUNTING_ON, session="boot")
        assert not server.call("ResourceSv1.GetResource", resource)["Usages"], "the Stop of s2 never came"
        assert server.money()[0] < CREDIT
        named = {"Tenant": "cgrates.org", "ID": "USED"}
        counted = server.call("StatSv1.GetQueueFloatMetrics", named)
        assert counted == {"*sum#~*req.Usage": 2 * OCTETS}
    finally:
        server.stop()
