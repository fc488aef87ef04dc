"""Call set-ups per second of one core: `python bench/esl.py [calls]`.

The agent, the charging core and a memory store in one process; the switch is a buffer that answers every command
at once, with the park, answer and hangup events of a recorded call. Nothing is written to disk and nothing goes
through a network: this is the processor time of our own code.

The baseline, in the same run, is the least a client in Python can do with the same octets: split them into frames,
read the event with the standard library, and write the same commands. What the agent and the core take beyond
that is protocol state, the call's life, rating, reservation and the books.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

import structlog  # noqa: E402

from ocs.agents.freeswitch import esl  # noqa: E402
from ocs.agents.freeswitch.flow import CallFlow  # noqa: E402
from ocs.agents.freeswitch.transport import Link  # noqa: E402
from ocs.charging import acts  # noqa: E402
from ocs.charging.decision import Change  # noqa: E402
from ocs.charging.events import Identity, IdentityKind  # noqa: E402
from ocs.charging.quota import ChargingPolicy  # noqa: E402
from ocs.charging.service import ChargingService  # noqa: E402
from ocs.charging.store.memory import MemoryStore  # noqa: E402
from ocs.charging.tariff.catalogue import Catalogue  # noqa: E402
from ocs.charging.tariff.files import read as read_tariff  # noqa: E402
from ocs.config.settings import FreeswitchSettings  # noqa: E402
from ocs.config.shipped import demo_file  # noqa: E402
from ocs.metrics import Metrics  # noqa: E402

VECTORS = ROOT / "tests" / "vectors" / "freeswitch"
CALLS = 5_000
AT_ONCE = 100
ACCOUNTS = 500
UUID = b"6b2f0c1e-3a44-4d0a-9c55-%012d"
OK = b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n"
NAMES = ("CHANNEL_PARK", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE")


class Buffer(asyncio.Transport):
    """A switch that says yes."""

    def __init__(self) -> None:
        super().__init__()
        self.link: Link | None = None
        self.commands = 0
        self.transfers = 0

    def write(self, data: Any) -> None:
        count = data.count(b"\n\n")
        self.commands += count
        self.transfers += data.count(b"uuid_transfer")
        assert self.link is not None
        asyncio.get_running_loop().call_soon(self.link.data_received, OK * count)

    def get_write_buffer_size(self) -> int:
        return 0


def recorded_events(form: str) -> list[bytes]:
    """The three events of a recorded call as frames."""
    reader = esl.FrameReader()
    found = {}
    for frame in reader.feed((VECTORS / f"01-answered-{form}.s2c.esl").read_bytes()):
        if frame.content_type.startswith("text/event"):
            name = esl.event_of(frame).name
            found[name] = b"".join(
                (
                    b"Content-Length: %d\n" % len(frame.body),
                    b"Content-Type: text/event-%s\n\n" % form.encode(),
                    frame.body,
                )
            )
    return [found[name] for name in NAMES]


def frames_of(form: str, calls: int) -> list[list[bytes]]:
    """Every call's events, with an id, and one of some accounts, of its own."""
    events = recorded_events(form)
    original = esl.event_of(esl.FrameReader().feed(events[0])[0]).get("Unique-ID").encode()
    username = b'"Caller-Username":"1001"' if form == "json" else b"Caller-Username: 1001"
    return [
        [
            event.replace(original, UUID % number).replace(
                username, username.replace(b"1001", b"%04d" % (1_001 + number % ACCOUNTS))
            )
            for event in events
        ]
        for number in range(calls)
    ]


async def service_with_accounts() -> ChargingService:
    """A charging service on the demo tariff, with money for everybody."""
    tariff, problems = read_tariff(demo_file("tariffs.yaml"))
    assert tariff is not None, problems
    service = ChargingService(MemoryStore(), Catalogue(tariff), ChargingPolicy(), Metrics())
    for number in range(ACCOUNTS):
        name = f"{1_001 + number:04d}"
        new = acts.NewAccount(name, "standard", (Identity(IdentityKind.E164, name),), (acts.TopUp(10**18),))
        account, posting = acts.create(new, acts.Act(f"seed {name}", 0, "bench"))
        assert posting is not None
        await service.create(Change(account, (posting,), has_new_identities=True))
    return service


async def measure(form: str, calls: int) -> None:
    """Set-ups alone, then answer and end of the same calls."""
    service = await service_with_accounts()
    flow = CallFlow("fs1", FreeswitchSettings(), service)
    link = Link("fs1", flow.take, 10.0)
    buffer = Buffer()
    buffer.link = link
    link.connection_made(buffer)
    flow.resume(link)
    frames = frames_of(form, calls)
    bare_s = baseline(form, [events[0] for events in frames])
    begun = time.process_time()
    for start in range(0, calls, AT_ONCE):
        link.data_received(b"".join(events[0] for events in frames[start : start + AT_ONCE]))
        await idle(flow)
    set_up_s = time.process_time() - begun
    assert buffer.transfers == calls, "every call is let through"
    for start in range(0, calls, AT_ONCE):
        for event in (1, 2):
            link.data_received(b"".join(events[event] for events in frames[start : start + AT_ONCE]))
            await idle(flow)
    whole_s = time.process_time() - begun
    assert not flow.calls, "every call has ended"
    sys.stdout.write(
        f"{form:6} {calls / set_up_s:9.0f} set-ups/s  {calls / whole_s:9.0f} whole calls/s"
        f"  {set_up_s / calls * 1e6:6.0f} us a set-up, {buffer.commands / calls:.0f} commands a call\n"
        f"{form:6} {calls / bare_s:9.0f} set-ups/s by the bare client: the agent and the core take"
        f" {set_up_s / bare_s:.1f} times as long\n"
    )


def baseline(form: str, parks: list[bytes]) -> float:
    """Seconds a bare client takes: frames by their length, events by the standard library, commands as text."""
    stream, written = b"".join(parks), 0
    begun = time.process_time()
    place = 0
    while place < len(stream):
        head_end = stream.index(b"\n\n", place)
        headers = dict(line.split(b": ", 1) for line in stream[place:head_end].split(b"\n") if line)
        place = head_end + 2 + int(headers[b"Content-Length"])
        body = stream[head_end + 2 : place].decode()
        if form == "json":
            event = json.loads(body)
        else:
            pairs = (line.partition(": ") for line in body.split("\n") if line)
            event = {name: unquote(value) for name, _, value in pairs}
        uuid, number = event["Unique-ID"], event["Caller-Destination-Number"]
        commands = (
            f"api uuid_setvar {uuid} cgr_max_usage 3600\n\n",
            f"api uuid_setvar {uuid} execute_on_answer sched_hangup +3600 allotted_timeout\n\n",
            f"api uuid_setvar {uuid} cgr_originhost fs1\n\n",
            f"api uuid_setvar {uuid} cgr_notify AUTH_OK\n\n",
            f"api uuid_transfer {uuid} {number}\n\n",
        )
        written += len("".join(commands).encode())
    assert written > len(parks) * 200
    return time.process_time() - begun


async def idle(flow: CallFlow) -> None:
    """Wait until the agent has nothing to do."""
    while flow.under_way:  # noqa: ASYNC110 - the agent has no use for an event here
        await asyncio.sleep(0)


def parse(form: str) -> None:
    """Events a second through the parser alone, with the fields the agent looks at."""
    events = recorded_events(form)
    rounds = 3_000
    reader = esl.FrameReader()
    begun = time.process_time()
    for _ in range(rounds):
        for frame in reader.feed(b"".join(events)):
            esl.event_of(frame).get("Unique-ID")
    took_s = time.process_time() - begun
    octets = sum(map(len, events)) // len(events)
    sys.stdout.write(f"{form:6} {rounds * len(events) / took_s:9.0f} events/s parsed, {octets} octets each\n")


def main() -> int:
    """Print a line for each measurement."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    for form in ("json", "plain"):
        parse(form)
        asyncio.run(measure(form, calls))
    return 0


if __name__ == "__main__":
    sys.exit(main())
