"""The recorded streams: their bytes, their frames cut by hand, the calls in them."""

import json
from pathlib import Path
from urllib.parse import unquote

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "freeswitch"
NAMES = sorted(path.name.removesuffix(".s2c.esl") for path in FOLDER.glob("*.s2c.esl"))
Fields = dict[str, str]
EVENT_TYPES = ("text/event-json", "text/event-plain")


def sent(name: str) -> bytes:
    """What the switch sent."""
    return (FOLDER / f"{name}.s2c.esl").read_bytes()


def said(name: str) -> list[str]:
    """The commands of the client, without what surrounds them."""
    text = (FOLDER / f"{name}.c2s.esl").read_text(encoding="utf-8")
    return [command for block in text.split("\n\n") if (command := block.strip())]


def reads(name: str) -> list[bytes]:
    """What the switch sent, as the client's reads cut it."""
    rows = json.loads((FOLDER / f"{name}.index.json").read_text())
    data = sent(name)
    return [data[row[2] : row[2] + row[3]] for row in rows if row[1] == "s"]


def frames(name: str) -> list[tuple[Fields, bytes]]:
    """Every frame, by a reader that has the whole stream and needs no care."""
    data, found = sent(name), []
    while data := data.lstrip(b"\n"):
        head, _, rest = data.partition(b"\n\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\n"))
        length = int(headers.get("Content-Length", "0"))
        found.append((headers, rest[:length]))
        data = rest[length:]
    return found


def raw_frame(headers: Fields, body: bytes) -> bytes:
    """A frame as it was on the wire."""
    head = "".join(f"{key}: {value}\n" for key, value in headers.items())
    return head.encode() + b"\n" + body


def raw_events(name: str) -> list[bytes]:
    """The octets of every event, in the order of `events`."""
    return [raw_frame(*frame) for frame in frames(name) if frame[0]["Content-Type"] in EVENT_TYPES]


def events(name: str) -> list[Fields]:
    """Every event with its values decoded; lists of JSON as they are in plain events."""
    found = []
    for headers, body in frames(name):
        if headers["Content-Type"] == "text/event-json":
            read = json.loads(body)
            found.append(
                {
                    key: "ARRAY::" + "|:".join(value) if isinstance(value, list) else value
                    for key, value in read.items()
                }
            )
        elif headers["Content-Type"] == "text/event-plain":
            head = body.decode().partition("\n\n")[0]
            pairs = (line.partition(": ") for line in head.split("\n"))
            found.append({key: unquote(value) for key, _, value in pairs})
    return found


def template(name: str, event: str) -> Fields:
    """The first event of that name in a recording."""
    return next(fields for fields in events(name) if fields["Event-Name"] == event)
