"""Recorded messages: bytes to text, and to the same bytes again.

The texts beside the recordings were written by `describe` and then read through; a change of wording changes
them all: `python -m tests.diameter.test_vectors` writes them anew.
"""

from pathlib import Path
from typing import Any

import pytest

from ocs.diameter.avp import RawAvp, encode_octets, group, name_of
from ocs.diameter.describe import describe, value_text
from ocs.diameter.dictionary import AvpType, standard
from ocs.diameter.message import Message, encode_message
from tests.diameter.support import open5gs_frames, open_connection, recordings, samples

SAMPLES = samples()


def members(message: Message, avp: RawAvp) -> list[RawAvp] | None:
    """The AVPs of a group known as one."""
    definition = standard().lookup(avp[0])
    return message.members(avp) if definition is not None and definition.type is AvpType.GROUPED else None


def encoded_again(message: Message) -> bytes:
    """The message rebuilt from keys, M bits and leaf payloads."""

    def rebuilt(avp: RawAvp) -> bytes:
        inner = members(message, avp)
        mandatory = bool(avp[1] & 0x40)
        if inner is None:
            return encode_octets(avp[0], message.frame[avp[2] : avp[3]], mandatory)
        return group(avp[0], [rebuilt(member) for member in inner], mandatory)

    parts = [rebuilt(avp) for avp in message.avps]
    header = (
        message.flags,
        message.command_code,
        message.application_id,
        message.hop_by_hop,
        message.end_to_end,
    )
    return encode_message(*header, parts)


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_a_recorded_message_has_its_text(path: Path) -> None:
    text = describe(Message.decode(path.read_bytes()), standard())
    assert text == path.with_suffix(".txt").read_text(encoding="utf-8")
    assert "!!" not in text


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_a_recorded_message_is_encoded_to_its_bytes_again(path: Path) -> None:
    message = Message.decode(path.read_bytes())
    assert encoded_again(message) == message.frame


def test_every_open5gs_message_is_understood_and_encoded_to_its_bytes_again() -> None:
    count = 0
    for place, frame in open5gs_frames():
        message = Message.decode(frame)
        assert encoded_again(message) == frame, place
        if "!!" in describe(message, standard()):
            pytest.fail(f"{place}: {describe(message, standard())}")
        count += 1
    assert count > 1_000


@pytest.mark.parametrize("entry", SAMPLES, ids=[entry["name"] for entry in SAMPLES])
def test_a_sample_has_the_values_another_decoder_found(entry: dict[str, Any]) -> None:
    message = Message.decode(bytes.fromhex(entry["hex"]))
    header = entry["header"]
    assert (message.flags, message.command_code) == (int(header["flags"], 16), header["command"])
    assert message.hop_by_hop == int(header["hop_by_hop"], 16)
    compare(message, message.avps, entry["avps"])


def compare(message: Message, found: list[RawAvp], wanted: list[dict[str, Any]]) -> None:
    assert [name_of(avp[0]) for avp in found] == [
        f"{row['vendor']}:{row['code']}" if row["vendor"] else str(row["code"]) for row in wanted
    ]
    for avp, row in zip(found, wanted, strict=True):
        definition = standard().lookup(avp[0])
        assert definition is not None
        assert definition.name == row["avp"]
        assert bool(avp[1] & 0x40) is ("M" in row["flags"])
        assert avp[3] - avp[2] == row["length"] - (12 if row["vendor"] else 8)
        if "children" in row:
            compare(message, message.members(avp), row["children"])
        else:
            compare_value(value_text(message.frame, avp, definition), row)


def compare_value(text: str, row: dict[str, Any]) -> None:
    """Numbers come with their name here, texts in quotes."""
    if isinstance(row["value"], int):
        assert text.split(" ")[0] == str(row["value"])
    else:
        assert text.strip('"') == row["value"].removeprefix("family 8: ")


@pytest.mark.parametrize(
    "path", [path for path in recordings() if "CCR" in path.stem], ids=lambda path: path.stem
)
def test_a_recorded_request_is_served_whole_byte_by_byte_and_with_a_tail(path: Path) -> None:
    frame = path.read_bytes()
    for chunks in ([frame], [frame[at : at + 1] for at in range(len(frame))], [frame + frame[:30]]):
        connection = open_connection()
        events = [event for chunk in chunks for event in connection.receive_data(chunk, 1)]
        assert [event.message.frame for event in events if hasattr(event, "message")] == [frame]


if __name__ == "__main__":
    for recording in recordings():
        shown = describe(Message.decode(recording.read_bytes()), standard())
        recording.with_suffix(".txt").write_text(shown, encoding="utf-8")
