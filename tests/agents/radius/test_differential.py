"""The codec beside pyrad, which was written by others from the same RFCs."""

import io
import os

from hypothesis import given, settings
from hypothesis import strategies as st
from pyrad import dictionary, packet

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import (
    Attribute,
    decode,
    encode_request,
    encode_response,
    has_valid_message_authenticator,
    is_answer_to,
    is_signed_by,
)
from ocs.agents.radius.wire.passwords import Method, hidden, method_of, proves
from tests.agents.radius.packets import SECRET

THEIRS = dictionary.Dictionary(
    io.StringIO(
        "ATTRIBUTE User-Name 1 string\nATTRIBUTE User-Password 2 string encrypt=1\nATTRIBUTE Class 25 octets\n"
        "ATTRIBUTE Acct-Status-Type 40 integer\nATTRIBUTE Message-Authenticator 80 octets\n"
    )
)
VALUES = st.binary(min_size=1, max_size=253)
ATTRIBUTES = st.lists(st.tuples(st.sampled_from((25, 33, 44, 87, 90, 200)), VALUES), max_size=8)


def theirs(octets: bytes, kind: type[packet.Packet] = packet.Packet, **more: object) -> packet.Packet:
    return kind(packet=octets, secret=SECRET, dict=THEIRS, **more)


def by_number(attributes: list[Attribute]) -> list[Attribute]:
    return sorted(attributes)


@settings(max_examples=60)
@given(ATTRIBUTES, st.integers(0, 255))
def test_what_we_write_they_believe(attributes: list[Attribute], identifier: int) -> None:
    octets = encode_request(codes.ACCOUNTING_REQUEST, identifier, attributes, SECRET, has_authenticator=False)
    read = theirs(octets, packet.AcctPacket)
    assert read.VerifyAcctRequest()
    assert sorted((k, v) for k in dict.keys(read) for v in dict.__getitem__(read, k)) == by_number(attributes)
    answer = encode_response(codes.ACCOUNTING_RESPONSE, decode(octets), attributes, SECRET, False)
    assert read.VerifyReply(theirs(answer), answer)


@settings(max_examples=60)
@given(
    st.text(min_size=1, max_size=60).filter(lambda text: "\0" not in text),
    st.binary(min_size=16, max_size=16),
)
def test_passwords_they_hide_are_proved_and_ours_are_revealed(password: str, authenticator: bytes) -> None:
    asked = packet.AuthPacket(id=7, secret=SECRET, authenticator=authenticator, dict=THEIRS)
    asked["User-Name"] = "1001"
    asked["User-Password"] = asked.PwCrypt(password)
    asked.add_message_authenticator()
    read = decode(asked.RequestPacket())
    assert has_valid_message_authenticator(read, SECRET) is True
    assert method_of(read) is Method.PAP
    assert proves(read, Method.PAP, SECRET, password) == (True, ())
    assert proves(read, Method.PAP, SECRET, f"{password}x") == (False, ())
    mine = [(1, b"1001"), (2, hidden(password.encode(), SECRET, authenticator))]
    octets = encode_request(codes.ACCESS_REQUEST, 7, mine, SECRET, authenticator)
    back = theirs(octets, packet.AuthPacket)
    assert back.verify_message_authenticator()
    assert back.PwDecrypt(dict.__getitem__(back, 2)[0]) == password


@settings(max_examples=40)
@given(st.integers(0, 255))
def test_what_they_write_we_believe(identifier: int) -> None:
    told = packet.AcctPacket(id=identifier, secret=SECRET, dict=THEIRS)
    told["User-Name"] = "1001"
    told["Acct-Status-Type"] = 2
    octets = told.RequestPacket()
    request = decode(octets)
    assert is_signed_by(request, SECRET)
    assert request.text(codes.USER_NAME) == "1001"
    assert request.number(codes.ACCT_STATUS_TYPE) == codes.STOP
    reply = told.CreateReply()
    reply["Class"] = os.urandom(8)
    answer = decode(reply.ReplyPacket())
    assert is_answer_to(answer, request.authenticator, SECRET)
