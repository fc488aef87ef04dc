"""RADIUS on `ocs serve` with `rounding: cgrates`, from outside: access, accounting, disconnection."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute, Packet, decode, encode_response, is_answer_to
from tests.agents.radius.packets import SECRET, access, accounting, at, text, usage
from tests.cgrates.charging.world import TARIFF, Served, serving
from tests.interop.radius_world import Said, radclient
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S, until_so

USER = "49301001"
SESSION_MAX_TIME = "session_max_time#10800"
FILES = TARIFF | {
    "AccountActions.csv": f"cgrates.org,{USER},AP,,,\n",
    "Attributes.csv": "cgrates.org,PW,*radius,,,,*req.Password,*constant,pw,false,20\n",
}
QUOTAS = "  quotas: [{volume: 10MiB, time: 5m}]\n"
KIB, MIB = 1 << 10, 1 << 20
SIP_AVP = 225


class Nas:
    """An access server with one request at a time."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = {codes.ACCESS_REQUEST: ports[0], codes.ACCOUNTING_REQUEST: ports[1]}
        self._identifier = 0
        self._began_s = int(time.time())

    async def ask(self, password: str = "pw", *more: Attribute, user: str = USER) -> Packet:
        """An Access-Request and its answer."""
        return await asyncio.to_thread(
            self._exchanged, access(*more, user=user, password=password, identifier=self._next())
        )

    async def tell(self, status: int, *more: Attribute, after: int = 0, session: str = "s1") -> None:
        """An Accounting-Request of so many seconds after the begin of the sessions, which is answered."""
        said = (at(self._began_s + after), *more)
        datagram = accounting(status, *said, session=session, user=USER, identifier=self._next())
        answer = await asyncio.to_thread(self._exchanged, datagram)
        assert answer.code == codes.ACCOUNTING_RESPONSE

    def _next(self) -> int:
        self._identifier += 1
        return self._identifier

    def _exchanged(self, datagram: bytes) -> Packet:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.settimeout(PATIENCE_S)
            plain.sendto(datagram, ("127.0.0.1", self._ports[datagram[0]]))
            answer = decode(plain.recv(4_096))
        assert is_answer_to(answer, datagram[4:20], SECRET)
        return answer


def section(ports: list[int], more: str = "") -> str:
    """The section `radius` of one client on this machine."""
    client = (
        f"address: 127.0.0.1, name: ap, secret: '{SECRET.decode()}', message_authenticator: optional{more}"
    )
    listen = f'authentication: "127.0.0.1:{ports[0]}", accounting: "127.0.0.1:{ports[1]}"'
    return f"radius:\n  reject_delay: 0s\n  listen: [{{{listen}}}]\n  clients: [{{{client}}}]\n"


async def test_octets_of_a_session_are_charged_once_also_after_a_kill(tmp_path: Path) -> None:
    ports = free_ports(2)
    async with serving(tmp_path, FILES, QUOTAS, sections=section(ports)) as served:
        nas = Nas(ports)
        assert (await nas.ask()).code == codes.ACCESS_ACCEPT
        wrong = await nas.ask("guess")
        assert (wrong.code, wrong.text(codes.REPLY_MESSAGE)) == (codes.ACCESS_REJECT, "RADAUTH_FAILED")
        await nas.tell(codes.START)
        (active,) = await served.call("SessionSv1.GetActiveSessions", {})
        assert (active["Account"], active["ToR"], active["Category"]) == (USER, "*data", "data")
        before = await served.money(USER)
        await nas.tell(codes.INTERIM_UPDATE, *usage(60, 3 * MIB, MIB), after=60)
        assert before - 4 * 1.00352 - 0.00001 < await served.money(USER) < before, "the next grant is debited"
        after = await served.money(USER)
        await served.kill()
        await served.start()
        assert await served.money(USER) == after
        await nas.tell(codes.INTERIM_UPDATE, *usage(60, 3 * MIB, MIB), after=60)
        assert await served.money(USER) == after, "a report that comes twice costs nothing more"
        await nas.tell(codes.STOP, *usage(120, 5 * MIB, 2 * MIB), after=120)
        await nas.tell(codes.STOP, *usage(120, 5 * MIB, 2 * MIB), after=120)
        (record,) = await served.records()
        assert (record["Usage"], record["OriginHost"], record["Cost"]) == (7 * MIB, "ap/192.0.2.7", 7.0247)
        assert await served.money(USER) == 2000 - 7.0247


async def test_a_report_of_a_session_whose_start_was_lost_is_charged_whole(tmp_path: Path) -> None:
    ports = free_ports(2)
    async with serving(tmp_path, FILES, QUOTAS, sections=section(ports)) as served:
        nas = Nas(ports)
        await nas.tell(codes.STOP, *usage(120, MIB), after=120)
        (record,) = await served.records()
        assert (record["Usage"], record["ToR"]) == (MIB, "*data")
        await served.kill()
        await served.start()
        await nas.tell(codes.STOP, *usage(120, MIB), after=120)
        assert len(await served.records()) == 1, "its record tells that it was charged"
        await nas.tell(codes.STOP, *usage(120, 3 * MIB), after=120)
        assert [each["Usage"] for each in await served.records()] == [MIB, 2 * MIB], "the rest of it"


async def test_a_call_is_counted_by_the_server_and_a_proxy_is_told_how_long_it_may_last(
    tmp_path: Path,
) -> None:
    ports = free_ports(2)
    async with serving(tmp_path, FILES, QUOTAS, sections=section(ports, ", profile: kamailio")) as served:
        nas = Nas(ports)
        to = text(codes.CALLED_STATION_ID, "4930123")
        accepted = await nas.ask("pw", to)
        assert accepted.code == codes.ACCESS_ACCEPT
        assert SESSION_MAX_TIME.encode() in [value for _, value in accepted.attributes], "published result 94"
        await nas.tell(codes.START, to)
        assert await served.money(USER) == round(2000 - 0.05 - 0.6, 6), "a minute in advance"
        await nas.tell(codes.STOP, to, *usage(90), after=90)
        (record,) = await served.records()
        assert (record["Usage"], record["Destination"], record["Cost"]) == (90 * 10**9, "4930123", 0.95)
        assert await served.money(USER) == 1999.05


async def test_a_call_without_credit_is_ended_by_its_access_server(tmp_path: Path) -> None:
    ports = free_ports(3)
    poor = {"Actions.csv": "GIVE,*topup,,,main,*monetary,,*any,,,*unlimited,,0.07,10,false,false,10\n"}
    more = f", profile: voice, debit_interval: 1s, disconnect_port: {ports[2]}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind(("127.0.0.1", ports[2]))
        plain.settimeout(PATIENCE_S)
        async with serving(tmp_path, FILES | poor, QUOTAS, sections=section(ports, more)) as served:
            nas = Nas(ports)
            to = text(codes.CALLED_STATION_ID, "4930123")
            await nas.tell(codes.START, to)
            octets, address = await asyncio.to_thread(plain.recvfrom, 4_096)
            asked = decode(octets)
            assert (asked.code, asked.text(codes.ACCT_SESSION_ID)) == (codes.DISCONNECT_REQUEST, "s1")
            plain.sendto(
                encode_response(codes.DISCONNECT_ACK, asked, [], SECRET, has_authenticator=False), address
            )
            await recorded(served)
            (record,) = await served.records()
            assert 2 * 10**9 <= record["Usage"] < 5 * 10**9
            await nas.tell(codes.STOP, to, *usage(2), after=2)
            assert await served.call("SessionSv1.GetActiveSessionsCount", {}) == 0


@pytest.mark.peer
async def test_radclient_is_let_in_by_every_method_and_its_accounting_is_charged(tmp_path: Path) -> None:
    ports = free_ports(2)
    async with serving(tmp_path, FILES, QUOTAS, sections=section(ports)) as served:
        user = f'User-Name = "{USER}", NAS-IP-Address = 127.0.0.1, NAS-Port = 1'

        async def ask(port: int, command: str, *words: str) -> Said:
            said = ", ".join((user, *words))
            return await asyncio.to_thread(radclient, port, command, said, secret=SECRET.decode())

        for proof in ('User-Password = "pw"', 'CHAP-Password = "pw"', 'MS-CHAP-Password = "pw"'):
            assert (await ask(ports[0], "auth", proof)).has("Access-Accept"), proof
        assert (await ask(ports[0], "auth", 'User-Password = "no"')).has("Access-Reject", "RADAUTH_FAILED")
        for status, octets in (("Start", 0), ("Interim-Update", MIB), ("Stop", 2 * MIB)):
            words = f"Acct-Status-Type = {status}", 'Acct-Session-Id = "r1"', f"Acct-Input-Octets = {octets}"
            assert (await ask(ports[1], "acct", *words)).has("Accounting-Response"), status
        (record,) = await served.records()
        assert (record["Usage"], record["Account"]) == (2 * MIB, USER)


async def recorded(served: Served) -> None:
    """Wait for a record."""

    async def is_there() -> bool:
        return bool(await served.records())

    await until_so(is_there, "a record")


async def test_who_cannot_be_served_is_rejected_in_the_words_of_the_incumbent(tmp_path: Path) -> None:
    ports = free_ports(2)
    more = {
        "AccountActions.csv": f"cgrates.org,{USER},AP,,,\ncgrates.org,poor,,,,\n",
        "Resources.csv": f"cgrates.org,ONE,*string:~*req.Account:{USER},,-1,1,,false,false,10,*none\n",
    }
    async with serving(tmp_path, FILES | more, QUOTAS, sections=section(ports)) as served:
        nas = Nas(ports)
        for user, word in (("nobody", "RALS_ERROR:ACCOUNT_NOT_FOUND"), ("poor", "INSUFFICIENT_CREDIT")):
            rejected = await nas.ask(user=user)
            assert (rejected.code, rejected.text(codes.REPLY_MESSAGE)) == (codes.ACCESS_REJECT, word)
        await nas.tell(codes.START)
        rejected = await nas.ask()
        assert (rejected.code, rejected.text(codes.REPLY_MESSAGE)) == (
            codes.ACCESS_REJECT,
            "RESOURCE_UNAUTHORIZED",
        )
        await nas.tell(codes.ACCOUNTING_ON, session="boot")
        assert (await nas.ask()).code == codes.ACCESS_ACCEPT
        assert await served.call("SessionSv1.GetActiveSessionsCount", {}) == 0
