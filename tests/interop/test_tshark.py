"""One conversation with every kind of answer and request of the server, before two independent judges.

Wireshark's dissectors look at encodings, freeDiameter at dictionaries and grammar. Neither may find anything.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, encode_i32, encode_octets, encode_u32, encode_utf8, group
from ocs.diameter.codes import Command
from ocs.diameter.message import Message
from tests.interop.capture import Capture, Captured, sent_by
from tests.interop.client import (
    EVENT,
    INITIAL,
    SMS,
    TERMINATION,
    UPDATE,
    VOICE,
    Client,
    result_of,
)
from tests.interop.freediameter_rules import judged
from tests.interop.server import Server
from tests.support.gy import events, money, requested, seconds, service, total, used

pytestmark = pytest.mark.peer

MEGABYTE = 1_000_000
Answers = dict[str, Message]


def volume(rating_group: int, want: int | None = MEGABYTE, octets: int | None = None) -> bytes:
    """A service that asks for octets and reports some."""
    parts = [] if want is None else [requested(total(want))]
    return service(rating_group, *parts, *([] if octets is None else [used(total(octets))]))


def called(number: str) -> bytes:
    """IMS information naming the called party."""
    party = encode_utf8(avps.CALLED_PARTY_ADDRESS, f"tel:+{number}")
    return group(avps.SERVICE_INFORMATION, [group(avps.IMS_INFORMATION, [party])])


def recipient(number: str) -> bytes:
    """SMS information naming the recipient."""
    address = group(
        avps.RECIPIENT_ADDRESS,
        [encode_i32(avps.ADDRESS_TYPE, 1), encode_utf8(avps.ADDRESS_DATA, number)],
    )
    information = group(avps.SMS_INFORMATION, [group(avps.RECIPIENT_INFO, [address])])
    return group(avps.SERVICE_INFORMATION, [information])


def action(number: int) -> bytes:
    """Requested-Action."""
    return encode_i32(avps.REQUESTED_ACTION, number)


def grants(client: Client, said: Answers) -> None:
    """Sessions that are served: volume, several services, time, free of charge, command level."""
    said["volume"] = client.ask(client.ccr(INITIAL, 0, volume(10), session="a"))
    said["volume update"] = client.ask(client.ccr(UPDATE, 1, volume(10, octets=MEGABYTE), session="a"))
    said["volume end"] = client.ask(client.ccr(TERMINATION, 2, volume(10, None, 99), session="a"))
    mixed = volume(10), volume(11), volume(900), volume(901)
    said["mixed"] = client.ask(client.ccr(INITIAL, 0, *mixed, session="b"))
    parts = volume(10, None, 5), volume(11, octets=7)
    said["mixed update"] = client.ask(client.ccr(UPDATE, 1, *parts, session="b"))
    said["mixed end"] = client.ask(client.ccr(TERMINATION, 2, session="b"))
    call = partial(client.ccr, session="c", context=VOICE)
    wanted = service(100, requested(seconds(30)))
    said["voice"] = client.ask(call(INITIAL, 0, called("15550002"), wanted))
    said["voice end"] = client.ask(call(TERMINATION, 1, service(100, used(seconds(3)))))
    said["command level"] = client.ask(
        client.ccr(INITIAL, 0, called("15550002"), requested(seconds(30)), session="d", context=VOICE)
    )
    client.ask(client.ccr(TERMINATION, 1, used(seconds(1)), session="d", context=VOICE))
    call = partial(client.ccr, session="e", context=VOICE, who="1010")
    said["low balance"] = client.ask(call(INITIAL, 0, called("1555"), wanted))
    client.ask(call(TERMINATION, 1))


def offers(client: Client, said: Answers) -> None:
    """What is said beyond units: pools, triggers, prices, overload control."""
    said["pool"] = client.ask(client.ccr(INITIAL, 0, volume(40), volume(41), session="p"))
    leaving = service(40, used(total(5)), encode_i32(avps.REPORTING_REASON, 2))
    said["pool update"] = client.ask(client.ccr(UPDATE, 1, leaving, volume(41, octets=7), session="p"))
    client.ask(client.ccr(TERMINATION, 2, session="p"))
    call = partial(client.ccr, session="v", context=VOICE)
    wanted, advice = service(100, requested(seconds(8))), encode_i32(avps.AOC_REQUEST_TYPE, 1)
    said["prices"] = client.ask(call(INITIAL, 0, called("15550002"), wanted, advice))
    said["costs"] = client.ask(call(UPDATE, 1, service(100, used(seconds(8))), wanted, advice))
    client.ask(call(TERMINATION, 2, service(100, used(seconds(1)))))
    features = encode_octets(avps.OC_FEATURE_VECTOR, bytes(7) + b"\1", False)
    known = group(avps.OC_SUPPORTED_FEATURES, [features], False)
    said["overload known"] = client.ask(client.ccr(INITIAL, 0, known, session="o"))
    client.ask(client.ccr(TERMINATION, 1, session="o"))


def final_units(client: Client, said: Answers) -> None:
    """The last units, with each thing a client may be told to do at their end."""
    for rating_group, who, name in (
        (10, "1006", "terminate"),
        (20, "1007", "redirect"),
        (30, "1008", "restrict by rule"),
        (31, "1009", "restrict by name"),
    ):
        request = partial(client.ccr, session=name, who=who)
        client.ask(request(INITIAL, 0, volume(rating_group)))
        said[name] = client.ask(request(UPDATE, 1, volume(rating_group, octets=MEGABYTE)))
        begun = request(UPDATE, 2, volume(rating_group, None, 500_000))
        said[f"{name}, action begun"] = client.ask(begun)
        said[f"{name}, nothing left"] = client.ask(request(UPDATE, 3, volume(rating_group)))
        client.ask(request(TERMINATION, 4))


def one_time_events(client: Client, said: Answers) -> None:
    """Debit, its repeat, refund, balance check and price of a message."""
    message = service(1, requested(events(1)))
    parts = action(0), recipient("15550002"), message
    debit = client.ccr(EVENT, 0, *parts, session="sms", context=SMS)
    said["debit"] = client.ask(debit)
    said["refused message"] = client.ask(
        client.ccr(EVENT, 0, action(0), recipient("1900555"), message, session="sms2", context=SMS)
    )
    said["check"] = client.ask(
        client.ccr(EVENT, 0, action(2), recipient("1555"), message, session="check", context=SMS)
    )
    said["no credit to check"] = client.ask(
        client.ccr(EVENT, 0, action(2), recipient("1"), message, session="no", context=SMS, who="1002")
    )
    said["price"] = client.ask(
        client.ccr(EVENT, 0, action(3), recipient("1555"), message, session="price", context=SMS)
    )
    said["money"] = client.ask(
        client.ccr(EVENT, 0, action(0), requested(money(25, -2, 978)), session="money", context=SMS)
    )
    said["refund"] = client.ask(
        client.ccr(EVENT, 0, action(1), requested(money(25, -2, 978)), session="back", context=SMS)
    )


def refusals(client: Client, said: Answers) -> None:
    """Requests that are answered with something else than success, with and without Failed-AVP."""
    ask = client.ask
    said["4012"] = ask(client.ccr(INITIAL, 0, volume(10), session="r1", who="1002"))
    said["4010"] = ask(client.ccr(INITIAL, 0, volume(901), session="r2"))
    said["5030"] = ask(client.ccr(INITIAL, 0, volume(10), session="r3", who="4040"))
    said["5031"] = ask(client.ccr(INITIAL, 0, volume(10), session="r4", who="1005"))
    said["5002"] = ask(client.ccr(UPDATE, 7, volume(10, octets=1), session="nobody's"))
    said["5031, unknown context"] = ask(
        client.ccr(INITIAL, 0, volume(10), session="r5", context="1@x.invalid")
    )
    said["5005"] = ask(client.ccr(INITIAL, 0, session="r6", without=[avps.SERVICE_CONTEXT_ID]))
    said["5005, no type"] = ask(client.ccr(INITIAL, 0, session="r7", without=[avps.CC_REQUEST_TYPE]))
    said["5005, no session"] = ask(client.ccr(INITIAL, 0, without=[avps.SESSION_ID]))
    said["5005, no action"] = ask(client.ccr(EVENT, 0, session="r8", context=SMS))
    said["5004"] = ask(client.ccr(9, 0, session="r9"))
    short = service(10, requested(encode_u32(avps.CC_TOTAL_OCTETS, 5)))
    said["5014"] = ask(client.ccr(INITIAL, 0, short, session="r10"))
    twice = encode_u32(avps.CC_REQUEST_NUMBER, 8)
    said["5009"] = ask(client.ccr(INITIAL, 0, twice, session="r11"))
    loop = encode_utf8(avps.ROUTE_RECORD, "ocs.test.invalid")
    said["3005"] = ask(client.ccr(INITIAL, 0, loop, session="r12"))
    said["3001"] = ask(client.request(265, 4, [client.identity()]))
    said["3007"] = ask(client.request(Command.CREDIT_CONTROL, 16_777_238, [client.identity()]))
    state = encode_octets(avps.PROXY_STATE, b"state")
    proxy = group(avps.PROXY_INFO, [encode_utf8(avps.PROXY_HOST, "proxy.test.invalid"), state])
    said["4012, proxied"] = ask(client.ccr(INITIAL, 0, volume(10), proxy, session="r13", who="1002"))


def requests_of_the_server(client: Client, server: Server, said: Answers) -> None:
    """RAR and ASR, for a session and for one rating group of it."""
    client.ask(client.ccr(INITIAL, 0, volume(10), session="pushed"))
    session = f"{client.host};1;pushed"
    with ThreadPoolExecutor(1) as asker:
        for name, command, method, more in (
            ("RAR", Command.RE_AUTH, "SessionReauthorize", {}),
            ("RAR of a group", Command.RE_AUTH, "SessionReauthorize", {"rating_group": 10}),
            ("RAR of a pool", Command.RE_AUTH, "SessionReauthorize", {"pool": 7}),
            ("RAR of a service", Command.RE_AUTH, "SessionReauthorize", {"service_identifier": 3}),
            ("ASR", Command.ABORT_SESSION, "SessionDisconnect", {}),
        ):
            asked = asker.submit(server.call, method, session=session, **more)
            said[name] = client.receive_request(command)
            client.answer(said[name], 2002 if command is Command.RE_AUTH else 2001)
            assert asked.result(10)["answer"] == "ACCEPTED"
    client.ask(client.ccr(TERMINATION, 1, volume(10, None, 10), session="pushed"))


class Conversation:
    """What was said, by its name, and the capture of it."""

    def __init__(self, said: Answers, capture: Capture, port: int, rest: list[Captured]) -> None:
        self.said = said
        self.capture = capture
        self.port = port
        self.messages = rest


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    folder = tmp_path_factory.mktemp("conversation")
    server = Server(folder)
    capture = Capture(folder / "gy.pcapng", server.diameter_port)
    said: Answers = {}
    try:
        with Client(server.diameter_port) as client:
            said["CEA"] = client.capabilities
            said["DWA"] = client.ask(client.dwr())
            grants(client, said)
            offers(client, said)
            final_units(client, said)
            one_time_events(client, said)
            refusals(client, said)
            requests_of_the_server(client, server, said)
            said["DPA"] = client.leave()
        with Client(server.diameter_port, "second.test.invalid") as client:
            server.program.ask_to_end()
            said["DPR"] = client.receive_request(Command.DISCONNECT_PEER)
            client.answer(said["DPR"], 2001)
            server.program.wait()
    finally:
        capture.end()
        server.end()
    return Conversation(said, capture, server.diameter_port, capture.messages())


CODES = {
    "volume": 2001,
    "pool": 2001,
    "pool update": 2001,
    "prices": 2001,
    "costs": 2001,
    "overload known": 2001,
    "mixed": 2001,
    "voice": 2001,
    "voice end": 2001,
    "command level": 2001,
    "terminate": 2001,
    "redirect": 2001,
    "restrict by rule": 2001,
    "restrict by name": 2001,
    "debit": 2001,
    "check": 2001,
    "price": 2001,
    "money": 2001,
    "refund": 2001,
    "5031, unknown context": 5031,
}


# What Wireshark says about messages that are as they should be, by the name of their session. Its dictionary has
# no QoS-Final-Unit-Indication (RFC 8506 8.68; sent without M). A missing AVP of any length is shown in Failed-AVP
# as an empty one (RFC 6733 7.5), and an AVP that is too short as it came.
EXPLAINED: dict[str, tuple[str, ...]] = {
    "redirect": ("Unknown AVP 669",),
    "restrict by name": ("Unknown AVP 669",),
    "r6": ("Data is empty",),
    "": ("Data is empty",),
    "r10": ("Bad Unsigned64 Length",),
}


def test_every_kind_of_answer_was_given(conversation: Conversation) -> None:
    said = conversation.said
    wanted = CODES | {name: int(name[:4]) for name in said if name[:4].isdigit()}
    assert {name: result_of(said[name]) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("volume", avps.MULTIPLE_SERVICES_CREDIT_CONTROL),
        ("volume end", avps.RESULT_CODE),
        ("voice end", avps.COST_INFORMATION),
        ("command level", avps.GRANTED_SERVICE_UNIT),
        ("low balance", avps.LOW_BALANCE_INDICATION),
        ("voice", avps.REMAINING_BALANCE),
        ("prices", avps.SERVICE_INFORMATION),
        ("costs", avps.SERVICE_INFORMATION),
        ("overload known", avps.OC_SUPPORTED_FEATURES),
        ("check", avps.CHECK_BALANCE_RESULT),
        ("price", avps.COST_INFORMATION),
        ("5005", avps.FAILED_AVP),
        ("5004", avps.FAILED_AVP),
        ("5014", avps.FAILED_AVP),
        ("5009", avps.FAILED_AVP),
        ("5031", avps.FAILED_AVP),
        ("4012, proxied", avps.PROXY_INFO),
        ("RAR of a group", avps.RATING_GROUP),
        ("ASR", avps.DESTINATION_HOST),
        ("DPR", avps.DISCONNECT_CAUSE),
    ],
)
def test_the_conversation_has(conversation: Conversation, name: str, key: int) -> None:
    assert conversation.said[name].all(key)


def test_members_of_a_pool_name_it_and_their_triggers(conversation: Conversation) -> None:
    answer = conversation.said["pool"]
    for each in answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
        inside = {member[0] for member in answer.members(each)}
        assert {avps.G_S_U_POOL_REFERENCE, avps.TRIGGER, avps.GRANTED_SERVICE_UNIT} <= inside


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("terminate", {avps.FINAL_UNIT_ACTION}),
        ("redirect", {avps.FINAL_UNIT_ACTION, avps.REDIRECT_SERVER}),
        ("restrict by rule", {avps.FINAL_UNIT_ACTION, avps.RESTRICTION_FILTER_RULE, avps.FILTER_ID}),
        ("restrict by name", {avps.FINAL_UNIT_ACTION, avps.FILTER_ID}),
    ],
)
def test_the_last_units_say_what_follows(conversation: Conversation, name: str, inside: set[int]) -> None:
    answer = conversation.said[name]
    (answered,) = answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    (final,) = [each for each in answer.members(answered) if each[0] == avps.FINAL_UNIT_INDICATION]
    assert {member[0] for member in answer.members(final)} == inside


def test_every_answer_to_a_session_names_it_first(conversation: Conversation) -> None:
    answers = [
        each.message
        for each in conversation.messages
        if each.source == conversation.port and each.message.command_code == Command.CREDIT_CONTROL
    ]
    late = [answer for answer in answers if answer.avps[0][0] != avps.SESSION_ID]
    assert len(answers) > 50
    assert [result_of(answer) for answer in late] == [5005, 3007], "the request had none"


def test_the_server_leaves_as_one_that_comes_back(conversation: Conversation) -> None:
    leaving = conversation.said["DPR"]
    assert decode_u32(leaving.frame, leaving.require(avps.DISCONNECT_CAUSE)) == 0, "others keep clients away"


def test_every_message_that_was_received_is_in_the_capture(conversation: Conversation) -> None:
    captured = set(sent_by(conversation.messages, conversation.port))
    assert [name for name, message in conversation.said.items() if message.frame not in captured] == []


def test_wireshark_has_nothing_against_any_message(conversation: Conversation) -> None:
    found = conversation.capture.complaints(conversation.port)
    unexplained = [
        complaint
        for complaint in found
        if not any(complaint.text.startswith(text) for text in EXPLAINED.get(name_of(complaint.session), ()))
    ]
    assert unexplained == []
    assert "r10" in {name_of(complaint.session) for complaint in found}, "faults are seen"


def test_no_request_was_left_without_an_answer(conversation: Conversation) -> None:
    assert conversation.capture.unanswered(conversation.port) == []


def test_freediameter_accepts_every_message(
    conversation: Conversation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sent = sent_by(conversation.messages, conversation.port)
    found = judged(sent, tmp_path_factory.mktemp("judge"))
    assert len(found) == 1, found
    assert ";r10" in found[0], "Failed-AVP shows the client its own AVP, too short as it was"
    assert "INVALID_AVP_LENGTH" in found[0]


def name_of(session: str) -> str:
    """The last part of a Session-Id."""
    return session.rpartition(";")[2]
