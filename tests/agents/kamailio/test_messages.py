"""Messages of evapi: what Kamailio writes is read, however it wrote it; what it is told has CGRateS' form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.agents.kamailio.messages import (
    DIALOG_LIST_REQUEST,
    Dialog,
    DialogList,
    Kind,
    Message,
    MessageError,
    Reply,
    decode_message,
    encode_disconnect,
    encode_reply,
)
from ocs.agents.kamailio.netstring import NetstringDecoder
from tests.agents.kamailio.recorded import recorded


def payloads(direction: str) -> list[bytes]:
    return NetstringDecoder().feed(b"".join(recorded(direction)))


def test_every_recorded_message_is_understood() -> None:
    read = [decode_message(payload) for payload in payloads("in")]
    kinds = {message.kind for message in read if isinstance(message, Message)}
    assert kinds == {Kind.AUTHORISE, Kind.START, Kind.END, Kind.MESSAGE}
    (listed,) = [message for message in read if isinstance(message, DialogList)]
    assert Dialog("330", "3747", frozenset({"3-4273@127.0.0.1", "3-4273@127.0.0.1;4273c3"})) in listed.dialogs


def test_replies_have_the_recorded_form() -> None:
    said = {payload for payload in payloads("out") if b'"CGR_AUTH_REPLY"' in payload}
    for payload in said:
        found = json.loads(payload)
        reply = Reply(
            "CGR_AUTH_REPLY", found["TransactionIndex"], found["TransactionLabel"],
            MaxUsage=found["MaxUsage"], Error=found["Error"],
        )  # fmt: skip
        assert encode_reply(reply) == payload
    cuts = [payload for payload in payloads("out") if b"CGR_SESSION_DISCONNECT" in payload]
    for payload in cuts:
        found = json.loads(payload)
        assert encode_disconnect(found["HashEntry"], found["HashId"], "INSUFFICIENT_CREDIT") == payload
    assert len(said) > 3
    assert cuts
    assert json.loads(DIALOG_LIST_REQUEST) == {"Event": "CGR_DLG_LIST"}


def test_line_ends_and_tabs_inside_of_values_are_kept() -> None:
    read = decode_message(b'{"event":"CGR_CALL_END",\n\t"OriginID":"a\n\tb",\r\n"Account":" 1001 "}')
    assert isinstance(read, Message)
    assert read.get("OriginID") == "a\n\tb"
    assert read.get("Account") == "1001"


def test_values_are_text_whatever_json_they_were() -> None:
    read = decode_message(
        b'{"Event":"CGR_CALL_END","Usage":45,"x":1.5,"y":null,"z":true,"l":[1,"a"],"n":"<null>"}'
    )
    assert isinstance(read, Message)
    assert [read.get(name) for name in ("Usage", "x", "y", "z", "l", "n", "none")] == [
        "45", "1.5", "", "true", '[1,"a"]', "", "",
    ]  # fmt: skip


def test_octets_that_are_no_utf_8_are_replaced() -> None:
    read = decode_message(b'{"event":"CGR_CALL_END","Account":"\xff\xfe1001","k\\ud800":"\\udfff"}')
    assert isinstance(read, Message)
    assert read.get("Account").endswith("1001")
    assert json.dumps(read.fields).encode("utf-8")


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":1,"result":[%s]}',
        '"{\\"jsonrpc\\":\\"2.0\\",\\"result\\":[%s]}"',
        "[%s]",
        '{"result":%s}',
    ],
)
def test_dialog_lists_come_in_several_forms(body: str) -> None:
    one = '{"h_entry":873,"h_id":4771,"call-id":"c1","state":4,"start_ts":17,"caller":{"tag":"t1"},' + (
        '"variables":[{"cgrOriginID":"o1"},{"cgrOriginHost":"kam1"}]}'
    )
    text = body % (one.replace('"', '\\"') if body.startswith('"') else one)
    read = decode_message(b'{"event":"CGR_DLG_LIST_REPLY","jsonrpl_body":%b}' % text.encode())
    assert read == DialogList((Dialog("873", "4771", frozenset({"c1", "c1;t1", "o1", "kam1"}), 4, 17),))


def test_no_dialogs_are_a_list_and_an_error_is_none() -> None:
    assert decode_message(b'{"event":"CGR_DLG_LIST","jsonrpl_body":{"result":[]}}') == DialogList(())
    for body in (b'{"error":{"code":500}}', b'"no json"', b"null", b"17"):
        with pytest.raises(MessageError):
            decode_message(b'{"event":"CGR_DLG_LIST","jsonrpl_body":%b}' % body)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"{}", b'{"event":"CGR_UNHEARD_OF"}', b'{"event":["CGR_CALL_END"]}', b"[" * 100_000],
)
def test_anything_else_is_an_error(payload: bytes) -> None:
    with pytest.raises(MessageError):
        decode_message(payload)


def test_a_message_of_too_many_fields_is_an_error() -> None:
    fields = ",".join(f'"f{number}":"x"' for number in range(200))
    with pytest.raises(MessageError):
        decode_message(f'{{"event":"CGR_CALL_END",{fields}}}'.encode())


@given(st.sampled_from(payloads("in")), st.integers(0, 400), st.binary(max_size=5))
def test_a_damaged_message_is_read_or_refused(payload: bytes, place: int, damage: bytes) -> None:
    try:
        read = decode_message(payload[:place] + damage + payload[place + len(damage) :])
    except MessageError:
        return
    assert isinstance(read, (Message, DialogList))
