"""Access-Requests: who is let in, for how long, and what is not even answered."""

import asyncio
import os

import pytest

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Packet, encode_request, has_valid_message_authenticator
from ocs.charging import acts
from ocs.charging.account import Account, Standing
from ocs.charging.decision import Change
from tests.agents.radius.packets import NAS, NOON_S, SECRET, access, accounting, at, number, text, usage
from tests.agents.radius.world import RadiusWorld, like, settle, world

VIRTUAL_TIME = True
CALLED = text(codes.CALLED_STATION_ID, "2001")


async def ask(radius: RadiusWorld, datagram: bytes, source: str = NAS) -> Packet | None:
    answer = await radius.say(datagram, codes.ACCESS_REQUEST, source)
    if answer is not None:
        assert answer.attributes[0][0] == codes.MESSAGE_AUTHENTICATOR
        assert has_valid_message_authenticator(answer, SECRET, datagram[4:20])
    return answer


def shown(radius: RadiusWorld, answer: Packet | None) -> dict[str, str]:
    """An answer by names, without what is there to tell that it is genuine."""
    assert answer is not None
    (client,) = radius.agent.accounting._clients.by_name.values()
    names = {definition.name: value for definition, value in client.dictionary.named(answer)}
    del names["Message-Authenticator"]
    return {"Code": str(answer.code), **names}


async def test_a_user_with_credit_is_told_how_much_volume_there_is() -> None:
    radius = await world(5_000_000_000, like(volume_limits=("mikrotik", "chillispot")))
    assert shown(radius, await ask(radius, access())) == {
        "Code": "2",
        "Mikrotik-Total-Limit": "705032704",
        "Mikrotik-Total-Limit-Gigawords": "1",
        "ChilliSpot-Max-Total-Octets": "705032704",
        "ChilliSpot-Max-Total-Gigawords": "1",
        "Acct-Interim-Interval": "300",
        "Class": "0x" + b"ocs:1001".hex(),
    }
    assert radius.money() == "5000000000", "nothing is held for it"


async def test_a_caller_is_told_how_long_the_credit_lasts_in_the_words_of_the_proxy() -> None:
    radius = await world(90_000, like(profile="kamailio"))
    request = access(CALLED, text(codes.ACCT_SESSION_ID, "c1"))
    answer = shown(radius, await ask(radius, request))
    assert (answer["Session-Timeout"], answer["SIP-AVP"]) == ("90", "session_max_time#90")
    assert "Acct-Interim-Interval" not in answer
    assert radius.money() == "90000-90000", "another call is not promised the same"
    other = access(CALLED, text(codes.ACCT_SESSION_ID, "c2"), identifier=2)
    assert shown(radius, await ask(radius, other)) == {"Code": "3", "Reply-Message": "INSUFFICIENT_CREDIT"}
    failed = accounting(codes.FAILED, session="c1")
    assert await radius.say(failed) is not None
    assert radius.money() == "90000"


async def test_the_start_of_a_call_takes_what_was_promised_to_it() -> None:
    radius = await world(90_000, like(profile="kamailio"))
    await ask(radius, access(CALLED, text(codes.ACCT_SESSION_ID, "c1")))
    await radius.start(CALLED, session="c1")
    assert radius.money() == "90000-60000", "a minute at a time"
    await asyncio.sleep(10)
    assert await radius.report(codes.STOP, session="c1")
    assert radius.money() == "80000"


async def test_nobody_is_promised_more_than_the_longest_session() -> None:  # 94
    radius = await world(10**12, like(profile="voice"))
    answer = await ask(radius, access(CALLED, text(codes.ACCT_SESSION_ID, "c1")))
    assert shown(radius, answer)["Session-Timeout"] == "10800"


async def test_a_cisco_gateway_has_its_own_words() -> None:
    radius = await world(90_000, like(profile="cisco"))
    answer = shown(radius, await ask(radius, access(CALLED)))
    assert answer["h323-credit-time"] == "h323-credit-time=90"
    assert answer["h323-return-code"] == "h323-return-code=0"


@pytest.mark.parametrize("password", ["wrong", "", None])
async def test_who_does_not_prove_the_password_is_rejected(password: str | None) -> None:
    radius = await world()
    answer = await ask(radius, access(password=password))
    assert shown(radius, answer) == {"Code": "3", "Reply-Message": "RADAUTH_FAILED"}
    assert radius.metrics.access == [False]


async def test_who_has_no_password_is_rejected_and_a_client_may_be_trusted_with_that() -> None:
    radius = await world()
    radius.given.clear()
    assert shown(radius, await ask(radius, access()))["Reply-Message"] == "RADAUTH_FAILED"
    trusting = await world(1_000_000, like(authentication="none"))
    trusting.given.clear()
    assert shown(trusting, await ask(trusting, access(password=None)))["Code"] == "2"


async def test_refusals_say_why() -> None:
    radius = await world(0)
    assert shown(radius, await ask(radius, access()))["Reply-Message"] == "INSUFFICIENT_CREDIT"
    stranger = access(user="stranger", identifier=2)
    assert shown(radius, await ask(radius, stranger))["Reply-Message"] == "RALS_ERROR:ACCOUNT_NOT_FOUND"
    await radius.door.service.apply("1001", barred)
    said = shown(radius, await ask(radius, access(identifier=3)))["Reply-Message"]
    assert said == "RALS_ERROR:ACCOUNT_DISABLED"


def barred(account: Account) -> Change:
    return Change(acts.set_standing(account, Standing.BARRED))


async def test_a_rejection_takes_its_time() -> None:
    radius = await world(1_000_000)
    radius.settings = type(radius.settings)((radius.client,))
    radius.build()
    assert await ask(radius, access(password="wrong")) is None
    await asyncio.sleep(0.9)
    assert radius.sent == []
    await asyncio.sleep(0.2)
    assert [octets[0] for octets, _ in radius.sent] == [codes.ACCESS_REJECT]


async def test_profiles_see_the_request_and_give_attributes_and_the_account() -> None:
    radius = await world()
    radius.given |= {"Account": "1001", "Filter-Id": "gold", "Session-Timeout": "60", "Tunnel-Type:1": "VLAN"}
    radius.given |= {"Framed-IP-Address": "nonsense", "Destination": "2002"}
    answer = shown(radius, await ask(radius, access(CALLED, user="somebody")))
    assert (answer["Filter-Id"], answer["Session-Timeout"], answer["Tunnel-Type"]) == ("gold", "60", "VLAN")
    assert "Framed-IP-Address" not in answer
    (seen,) = radius.asked
    assert (seen["User-Name"], seen["Called-Station-Id"], seen["NAS-IP-Address"]) == ("somebody", "2001", NAS)
    assert (seen["LoginMethod"], seen["ToR"], seen["Source"]) == ("pap", "*data", "ap")
    assert "User-Password" not in seen


async def test_what_proxies_want_back_comes_back_in_order() -> None:
    radius = await world()
    states = [(codes.PROXY_STATE, b"one"), (codes.PROXY_STATE, b"two")]
    answer = await ask(radius, access(*states))
    assert answer is not None
    assert answer.all(codes.PROXY_STATE) == [b"one", b"two"]
    told = await radius.say(accounting(codes.STOP, *usage(1, 10), *states))
    assert told is not None
    assert told.all(codes.PROXY_STATE) == [b"one", b"two"]


async def test_an_access_request_without_message_authenticator_is_silence() -> None:
    radius = await world(1_000_000, like(message_authenticator="required"))
    assert await ask(radius, access(signed=False)) is None
    assert radius.metrics.dropped == ["no_message_authenticator"]
    assert await ask(radius, access(identifier=2)) is not None
    assert await radius.say(accounting(codes.STOP, *usage(1, 10))) is not None, (
        "accounting is signed otherwise"
    )


async def test_behind_a_proxy_it_is_wanted_even_where_it_is_optional() -> None:
    radius = await world()
    assert await ask(radius, access(signed=False)) is not None
    assert await ask(radius, access((codes.PROXY_STATE, b"x"), signed=False, identifier=2)) is None
    assert await ask(radius, access((codes.EAP_MESSAGE, b"x"), signed=False, identifier=3)) is None
    assert radius.metrics.dropped == ["no_message_authenticator"] * 2


async def test_what_is_not_genuine_is_silence() -> None:
    radius = await world()
    wrong = encode_request(codes.ACCESS_REQUEST, 1, [(1, b"1001")], b"another", os.urandom(16))
    assert await ask(radius, wrong) is None
    told = bytearray(accounting(codes.STOP, *usage(1, 10)))
    told[-1] ^= 1
    assert await radius.say(bytes(told)) is None
    assert await ask(radius, access(), source="198.51.100.1") is None
    assert await ask(radius, b"\1\2\3") is None
    assert await ask(radius, accounting(codes.STOP)) is None, "the port is for others"
    assert await radius.say(access()) is None
    assert radius.metrics.dropped == [
        "message_authenticator", "authenticator", "unknown_client", "malformed", "wrong_code", "wrong_code",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "datagram",
    [
        accounting(codes.STOP, session=""),
        accounting(codes.STOP, (codes.ACCT_SESSION_TIME, b"\1")),
        encode_request(codes.ACCOUNTING_REQUEST, 1, [text(codes.ACCT_SESSION_ID, "s")], SECRET),
    ],
    ids=["no session", "a short number", "no status"],
)
async def test_accounting_that_cannot_be_understood_is_silence_and_leaves_room(datagram: bytes) -> None:
    radius = await world()
    assert await radius.say(datagram) is None
    assert radius.metrics.dropped == ["malformed"]
    assert radius.agent.door.in_flight == 0
    await radius.stop(1, 10)


async def test_status_server_is_answered_by_either_port() -> None:
    radius = await world()
    status = encode_request(codes.STATUS_SERVER, 1, [], SECRET, os.urandom(16))
    answer = await ask(radius, status)
    assert answer is not None
    assert answer.code == codes.ACCESS_ACCEPT
    status = encode_request(codes.STATUS_SERVER, 2, [], SECRET, os.urandom(16))
    answer = await radius.say(status)
    assert answer is not None
    assert answer.code == codes.ACCOUNTING_RESPONSE
    bare = encode_request(codes.STATUS_SERVER, 3, [], SECRET, os.urandom(16), has_authenticator=False)
    assert await ask(radius, bare) is None


async def test_requests_beyond_the_limit_are_not_taken() -> None:
    radius = await world(1_000_000, requests_in_flight=1)
    radius.door.store.is_held = True
    assert await radius.say(accounting(codes.START, at(NOON_S))) is None
    assert await radius.say(accounting(codes.START, at(NOON_S), session="s2", identifier=2)) is None
    assert radius.metrics.dropped == ["too_busy"]
    radius.door.store.flush()
    await settle()
    assert len(radius.sent) == 1


async def test_a_user_of_a_realm_is_found_where_it_is_to_be_left_out() -> None:
    radius = await world()
    said = shown(radius, await ask(radius, access(user="1001@example.org")))
    assert said["Reply-Message"] == "RALS_ERROR:ACCOUNT_NOT_FOUND"
    stripping = await world(1_000_000, like(strip_realm=True))
    assert shown(stripping, await ask(stripping, access(user="1001@example.org")))["Code"] == "2"


async def test_an_account_is_found_by_its_number() -> None:
    radius = await world()
    answer = shown(radius, await ask(radius, access(user="+49 30")))
    assert answer["Class"] == "0x" + b"ocs:1001".hex()


async def test_access_servers_that_were_heard_of_are_peers() -> None:
    radius = await world()
    await ask(radius, access(number(codes.NAS_PORT, 1)))
    await radius.stop(1, 10)
    ((name, requests, answers),) = [
        (peer.origin_host, peer.requests, peer.answers) for peer in radius.agent.peers()
    ]
    assert (name, requests, answers) == (f"ap/{NAS}", 2, 2)
