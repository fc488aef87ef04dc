"""Netstrings: the same payloads come out however the stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.agents.kamailio.netstring import NetstringDecoder, NetstringError, encode_netstring
from tests.agents.kamailio.recorded import recorded


def whole(stream: bytes, step: int) -> list[bytes]:
    decoder = NetstringDecoder()
    found: list[bytes] = []
    for start in range(0, len(stream), step):
        found += decoder.feed(stream[start : start + step])
    assert decoder.pending == 0
    return found


def test_the_recorded_conversation_is_read_whole_and_octet_by_octet() -> None:
    rows = recorded("in")
    stream = b"".join(rows)
    expected = [row.partition(b":")[2][:-1] for row in rows]
    assert whole(stream, len(stream)) == whole(stream, 1) == whole(stream, 7) == expected
    assert [encode_netstring(payload) for payload in expected] == rows


def test_a_tail_waits_for_the_rest() -> None:
    decoder = NetstringDecoder()
    assert decoder.feed(b'2:{},5:{"a"') == [b"{}"]
    assert decoder.feed(b":") == []
    assert decoder.feed(b",") == [b'{"a":']


def test_line_ends_between_netstrings_are_left_out() -> None:
    assert NetstringDecoder().feed(b"\r\n2:{},\n\n2:[],\n") == [b"{}", b"[]"]


@pytest.mark.parametrize(
    "stream", [b"hello", b":{},", b"-1:,", b"2:{};", b"99999999999", b"16777217:", b"1 :x,"]
)
def test_what_is_no_netstring_is_an_error(stream: bytes) -> None:
    with pytest.raises(NetstringError):
        NetstringDecoder().feed(stream)


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 50))
def test_every_list_of_payloads_survives_every_cut(payloads: list[bytes], step: int) -> None:
    stream = b"".join(map(encode_netstring, payloads))
    assert whole(stream, step) == payloads


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_noise_is_an_error_or_payloads_and_never_anything_else(pieces: list[bytes]) -> None:
    decoder = NetstringDecoder(1_000)
    fed = taken = 0
    try:
        for piece in pieces:
            fed += len(piece)
            taken += sum(map(len, decoder.feed(piece)))
    except NetstringError:
        return
    assert taken + decoder.pending <= fed
