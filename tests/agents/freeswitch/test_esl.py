"""The wire: every recorded stream, however it is cut, and what no switch would send."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocs.agents.freeswitch import esl
from ocs.agents.freeswitch.esl import CommandError, Frame, FrameReader, WireError
from tests.agents.freeswitch import recorded

EVENTS = (esl.EVENT_JSON, esl.EVENT_PLAIN)


def shown(frames: list[Frame]) -> list[tuple[dict[str, str], bytes]]:
    return [(frame.headers, frame.body) for frame in frames]


def read(chunks: list[bytes]) -> tuple[list[Frame], int]:
    reader = FrameReader()
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    return frames, reader.pending


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_recorded_stream_is_read_whole_and_as_it_came_without_leftovers(name: str) -> None:
    whole, left = read([recorded.sent(name)])
    assert (shown(whole), left) == (recorded.frames(name), 0)
    assert read(recorded.reads(name)) == (whole, 0)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_recorded_stream_is_read_byte_by_byte(name: str) -> None:
    data = recorded.sent(name)
    size = 1 if len(data) < 60_000 else 7
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    frames, left = read(cut)
    assert (shown(frames), left) == (recorded.frames(name), 0)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_tail_waits_for_its_rest(name: str) -> None:
    reader = FrameReader()
    tail = b"Content-Type: api/response\nContent-Length: 9\n\n+OK"
    assert shown(reader.feed(recorded.sent(name) + tail)) == recorded.frames(name)
    assert reader.pending > 0
    assert [frame.body for frame in reader.feed(b" again")] == [b"+OK again"]
    assert reader.pending == 0


@pytest.mark.parametrize("name", recorded.NAMES)
def test_every_field_of_every_recorded_event_is_read(name: str) -> None:
    frames, _ = read([recorded.sent(name)])
    events = [esl.event_of(frame) for frame in frames if frame.content_type in EVENTS]
    expected = recorded.events(name)
    assert len(events) == len(expected)
    for event, fields in zip(events, expected, strict=True):
        wanted = {key: value for key, value in fields.items() if key != "_body" and value}
        assert {key: event.get(key) for key in wanted} == wanted


def test_the_same_call_reads_the_same_in_both_formats() -> None:
    plain = esl.plain_event(_body("01-answered-plain", "CHANNEL_PARK"))
    json = esl.json_event(_body("01-answered-json", "CHANNEL_PARK"))
    for name in (
        "Caller-Username",
        "Caller-Destination-Number",
        "variable_sip_h_X-Customer",
        "Call-Direction",
    ):
        assert plain.get(name) == json.get(name) != ""


def _body(name: str, event: str) -> bytes:
    return next(body for _, body in recorded.frames(name) if event.encode() in body[:40])


def test_a_plus_stays_a_plus_and_arrays_look_alike() -> None:
    plain = {name: value for event in recorded.events("08-subscriber-plain") for name, value in event.items()}
    json = {name: value for event in recorded.events("08-subscriber-json") for name, value in event.items()}
    frames, _ = read([recorded.sent("08-subscriber-json")])
    last = [esl.event_of(frame) for frame in frames if frame.content_type in EVENTS][-1]
    assert "+" in plain["Caller-Destination-Number"]
    assert last.variable("cgr_routes") == plain["variable_cgr_routes"] == json["variable_cgr_routes"]
    assert last.variable("cgr_routes").startswith("ARRAY::2|:")


def test_a_background_job_brings_what_it_printed() -> None:
    for name in ("06-bgapi-heartbeat-plain", "06-bgapi-heartbeat-json"):
        frames, _ = read([recorded.sent(name)])
        jobs = [esl.event_of(frame) for frame in frames if frame.content_type in EVENTS]
        bodies = {job.get("Job-Command"): job.body for job in jobs if job.name == "BACKGROUND_JOB"}
        assert bodies["version"].startswith("FreeSWITCH Version 1.11")
        assert bodies["nosuchcommand"].startswith("-ERR")


@pytest.mark.parametrize(
    ("text", "is_ok", "is_unknown"),
    [
        ("+OK", True, False),
        ("true", True, False),
        ("-ERR No such channel!", False, True),
        ("-USAGE: <uuid>", False, False),
        ("-ERROR", False, False),
    ],
)
def test_every_refusal_begins_with_a_minus(text: str, is_ok: bool, is_unknown: bool) -> None:
    reply = esl.reply_of(Frame({"Content-Type": "api/response"}, f"{text}\n".encode()))
    assert (reply.text, reply.is_ok, reply.is_unknown_channel) == (text, is_ok, is_unknown)


def test_octets_that_are_no_utf8_are_replaced_not_the_event_lost() -> None:
    event = esl.json_event(b'{"Event-Name": "CHANNEL_PARK", "Caller-Caller-ID-Name": "Ren\xe9"}')
    assert (event.name, event.get("Caller-Caller-ID-Name")) == ("CHANNEL_PARK", "Ren\ufffd")
    assert esl.plain_event(b"Event-Name: X\nName: Ren%E9\n\n").get("Name") == "Ren\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"no header\n\n",
        b"Content-Length: -4\n\n",
        b"Content-Length: 99999999999999\n\n",
        b"Content-Length: \xc2\xb2\n\n",
        b"A: " + b"x" * esl.HEADER_LIMIT + b"\n\n",
        b"A: " + b"x" * esl.HEADER_LIMIT,
    ],
)
def test_what_is_no_frame_is_an_error_of_the_wire(data: bytes) -> None:
    with pytest.raises(WireError):
        FrameReader().feed(data)


@pytest.mark.parametrize("text", ["api a\nauth x", "a\rb", "a\0b", "\n"])
def test_a_command_is_one_line(text: str) -> None:
    with pytest.raises(CommandError):
        esl.encode_command(text)
    with pytest.raises(CommandError):
        esl.encode_command("bgapi status", Job_UUID=text)


def test_a_command_ends_with_an_empty_line() -> None:
    assert esl.encode_command("bgapi status", Job_UUID="1") == b"bgapi status\nJob-UUID: 1\n\n"


def survives(data: bytes) -> None:
    """Read until the reader says that it cannot; nothing else may come out of it."""
    try:
        frames = FrameReader().feed(data)
    except WireError:
        return
    for frame in frames:
        if frame.content_type in EVENTS:
            try:
                event = esl.event_of(frame)
            except WireError:
                continue
            event.get("Event-Name")
            event.number("Event-Sequence")
        else:
            esl.reply_of(frame)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_survived_and_read_the_same_in_pieces(data: bytes) -> None:
    survives(data)
    survives(b"Content-Type: text/event-json\nContent-Length: %d\n\n%s" % (len(data), data))
    survives(b"Content-Type: text/event-plain\nContent-Length: %d\n\n%s" % (len(data), data))
    assert _outcome([data]) == _outcome([data[at : at + 1] for at in range(len(data))])


def _outcome(chunks: list[bytes]) -> object:
    """The frames, as far as they go, and whether an error ended them."""
    reader, found = FrameReader(), []
    try:
        for chunk in chunks:
            found += reader.feed(chunk)
    except WireError:
        return "refused"
    return found, reader.pending


def test_damaged_recordings_are_survived() -> None:
    dice = random.Random(7)
    survived = 0
    for name in recorded.NAMES:
        data = bytearray(recorded.sent(name)[:20_000])
        for _ in range(20):
            for _ in range(dice.randrange(1, 6)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            survives(bytes(data))
            survived += 1
    assert survived == 20 * len(recorded.NAMES)
