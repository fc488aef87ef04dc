"""A FreeSWITCH of our own for tests: it parks, answers, ends and times calls as the recorded one did.

Its events are those of the recordings with the call's own values in them. It lives on virtual time, and its
connections are pairs of buffers.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.agents.freeswitch import recorded
from tests.support.charging import NOON_NS
from tests.support.virtual_time import VirtualLoop

PARK = recorded.template("01-answered-json", "CHANNEL_PARK")
ANSWER = recorded.template("01-answered-json", "CHANNEL_ANSWER")
HANGUP = recorded.template("01-answered-json", "CHANNEL_HANGUP_COMPLETE")
NOTICE = b"Content-Type: text/disconnect-notice\nContent-Length: 14\n\nDisconnected.\n"
NO_CHANNEL = "-ERR No such channel!"


class Pipe(asyncio.Transport):
    """The client's end of a connection to a scripted switch."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, switch: "Scripted"
    ) -> None:
        super().__init__()
        self.loop, self.protocol, self.switch = loop, protocol, switch
        self.is_open = True
        self.is_authenticated = False
        self.filters: list[str] = []
        self.format = ""
        self.names: set[str] = set()
        self._unread = b""

    def write(self, data: Any) -> None:
        if self.is_open:
            self.loop.call_soon(self._arrive, bytes(data))

    def _arrive(self, data: bytes) -> None:
        self._unread += data
        while b"\n\n" in self._unread:
            command, _, self._unread = self._unread.partition(b"\n\n")
            if command.strip() and self.is_open:
                self.switch.hear(self, command.strip().decode())

    def give(self, data: bytes) -> None:
        """Send to the client."""
        if self.is_open:
            self.loop.call_soon(self._give, data)

    def _give(self, data: bytes) -> None:
        if self.is_open:
            self.protocol.data_received(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, for both sides."""
        if self.is_open:
            self.is_open = False
            self.switch.connections.discard(self)
            self.loop.call_soon(self.protocol.connection_lost, None)


class SwitchLoop(VirtualLoop):
    """Virtual time on which every TCP connection leads to a scripted switch."""

    def __init__(self) -> None:
        super().__init__()
        self.switches: dict[tuple[str, int], Scripted] = {}
        self.attempts: list[float] = []

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        self.attempts.append(self.time())
        switch = self.switches.get((host, port))
        if switch is None or switch.is_down:
            raise ConnectionRefusedError("nobody listens")
        protocol = protocol_factory()
        pipe = Pipe(self, protocol, switch)
        protocol.connection_made(pipe)
        switch.accept(pipe)
        return pipe, protocol


@dataclass
class Plan:
    """What the people of a call do."""

    account: str = "1001"
    number: str = "1002"
    ring_s: float = 0.3
    talk_s: float | None = 3.0  # None: until somebody else ends it
    cancel_s: float | None = None  # the caller gives up, if nobody has answered
    answers_first: bool = False  # the dialplan answers before it parks
    is_parked: bool = True
    treatment_s: float = 4.0  # of a call sent elsewhere when the credit has ended
    variables: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class ScriptedCall:
    """One channel of the switch."""

    def __init__(self, switch: "Scripted", uuid: str, plan: Plan) -> None:
        self.switch, self.uuid, self.plan = switch, uuid, plan
        self.variables = dict(plan.variables)
        self.created_us = switch.now_us()
        self.answered_us = self.ended_us = 0
        self.number = plan.number
        self.is_parked = False
        self.is_treated = False
        self.cause = ""
        self.heard: list[str] = []  # files played
        self.tasks: list[asyncio.TimerHandle] = []

    def fields(self, template: recorded.Fields) -> recorded.Fields:
        """An event about this call as it is now."""
        now_us = self.switch.now_us()
        made = template | {
            "Unique-ID": self.uuid,
            "Core-UUID": self.switch.core,
            "Event-Date-Timestamp": str(now_us),
            "Call-Direction": "inbound",
            "Caller-Username": self.plan.account,
            "Caller-Caller-ID-Number": self.plan.account,
            "Caller-Destination-Number": self.number,
            "Caller-Channel-Created-Time": str(self.created_us),
            "Caller-Channel-Answered-Time": str(self.answered_us),
            "Caller-Channel-Hangup-Time": str(self.ended_us),
        }
        for name in [name for name in made if name.startswith(("variable_cgr_", "variable_execute_on"))]:
            del made[name]
        made |= {f"variable_{name}": value for name, value in self.variables.items()} | self.plan.headers
        if self.ended_us:
            billed_us = self.ended_us - self.answered_us if self.answered_us else 0
            made |= {"variable_billusec": str(billed_us), "variable_billsec": str(billed_us // 1_000_000 + 1)}
            made |= {"Hangup-Cause": self.cause, "variable_hangup_cause": self.cause}
        return made

    def later(self, delay_s: float, do: Callable[[], None]) -> asyncio.TimerHandle:
        return self.switch.loop.call_later(delay_s, do)

    def begin(self) -> None:
        if self.plan.answers_first:
            self.answer()
        if self.plan.is_parked:
            self.park()
        else:
            self.proceed()
        if self.plan.cancel_s is not None:
            self.later(self.plan.cancel_s, self.cancel)

    def park(self) -> None:
        self.is_parked = True
        self.switch.emit(self.fields(PARK) | {"variable_current_application": "park"})

    def cancel(self) -> None:
        if not self.answered_us:
            self.hang_up("ORIGINATOR_CANCEL")

    def transfer(self, number: str) -> None:
        """The dialplan once more: as the tutorial's, it lets on what is authorised and bars the rest."""
        self.number = number
        was_parked, self.is_parked = self.is_parked, False
        if not was_parked:
            self.treat()
        elif self.variables.get("cgr_notify") == "AUTH_OK":
            self.proceed()
        else:
            self.hang_up("OUTGOING_CALL_BARRED")

    def proceed(self) -> None:
        if self.answered_us:
            self.talk()
        else:
            self.later(self.plan.ring_s, self.answer)

    def answer(self) -> None:
        if self.ended_us or self.answered_us:
            return
        self.answered_us = self.switch.now_us()
        self.switch.emit(self.fields(ANSWER))
        for name, value in list(self.variables.items()):
            if name.startswith("execute_on_answer"):
                command, delay, *rest = value.split(" ")
                self.schedule(command, delay, rest)
        if not self.plan.answers_first:
            self.talk()

    def talk(self) -> None:
        if self.plan.talk_s is not None:
            self.later(self.plan.talk_s, lambda: self.hang_up("NORMAL_CLEARING"))

    def treat(self) -> None:
        self.is_treated = True
        self.later(self.plan.treatment_s, lambda: self.hang_up("NORMAL_CLEARING"))

    def schedule(self, command: str, delay: str, rest: list[str]) -> None:
        """A task at a whole second of the switch's clock."""
        now_us = self.switch.now_us()
        due_s = (now_us // 1_000_000 + int(delay)) - now_us / 1e6

        def run() -> None:
            if command == "sched_hangup":
                self.hang_up(rest[0].upper())
            elif command == "sched_transfer":
                self.transfer(rest[0])
            else:
                self.play(rest[0])

        self.tasks.append(self.later(due_s, run))

    def play(self, said: str) -> None:
        self.heard.append(said)
        if said.startswith("playback!"):
            self.treat()

    def unschedule(self) -> int:
        count = sum(not task.cancelled() for task in self.tasks)
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()
        return count

    def hang_up(self, cause: str) -> None:
        if self.ended_us:
            return
        self.ended_us, self.cause = self.switch.now_us(), cause
        self.unschedule()
        del self.switch.calls[self.uuid]
        self.switch.ended.append(self)
        self.switch.emit(self.fields(HANGUP))


class Scripted:
    """The switch: connections, commands, calls."""

    def __init__(self, host: str = "fs1.test", port: int = 8021, password: str = "secret") -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SwitchLoop)
        self.loop = loop
        self.password = password
        self.core = "core-1"
        self.calls: dict[str, ScriptedCall] = {}
        self.ended: list[ScriptedCall] = []
        self.heard: list[str] = []
        self.connections: set[Pipe] = set()
        self.is_down = False
        self.is_mute = False  # connections stay, but nothing is said any more
        self.answers: dict[str, str] = {}  # what to reply to commands that begin like this
        self.slow_jobs_s = 0.0  # how long the switch takes for what it does in the background
        self.before_list: Callable[[], None] = lambda: None  # happens just before the list of calls is made
        self._begun = 0
        loop.switches[host, port] = self

    def now_us(self) -> int:
        return NOON_NS // 1_000 + round(self.loop.time() * 1e6)

    def call(self, plan: Plan | None = None, uuid: str = "") -> ScriptedCall:
        """Somebody calls."""
        self._begun += 1
        call = ScriptedCall(self, uuid or f"call-{self._begun}", plan or Plan())
        self.calls[call.uuid] = call
        call.begin()
        return call

    def cut(self) -> None:
        """Every connection breaks."""
        for pipe in tuple(self.connections):
            pipe.close()

    def commands(self, prefix: str) -> list[str]:
        """The api commands that begin like this, in order."""
        return [said.removeprefix("api ") for said in self.heard if said.startswith(f"api {prefix}")]

    # --- the wire

    def accept(self, pipe: Pipe) -> None:
        self.connections.add(pipe)
        if not self.is_mute:
            pipe.give(b"Content-Type: auth/request\n\n")

    def emit(self, fields: recorded.Fields) -> None:
        """Send an event to everybody who wants it."""
        for pipe in self.connections:
            if self.is_mute or fields["Event-Name"] not in pipe.names:
                continue
            wanted = [each.split(" ", 1) for each in pipe.filters]
            if not wanted or any(fields.get(name) == value for name, value in wanted):
                pipe.give(self.frame(fields, pipe.format))

    def frame(self, fields: recorded.Fields, form: str) -> bytes:
        """An event on the wire."""
        return event_bytes(fields, form)

    def hear(self, pipe: Pipe, command: str) -> None:
        self.heard.append(command)
        if self.is_mute:
            return
        word, _, rest = command.partition(" ")
        if word == "auth":
            self._authenticate(pipe, rest)
        elif not pipe.is_authenticated:
            pipe.give(reply_bytes("-ERR command not found"))
        elif word == "filter":
            pipe.filters.append(rest)
            pipe.give(reply_bytes("+OK filter added."))
        elif word == "event":
            pipe.format, *names = rest.split(" ")
            pipe.names = set(names)
            pipe.give(reply_bytes(f"+OK event listener enabled {pipe.format}"))
        elif word == "api":
            body = f"{self.run(rest)}\n".encode()
            pipe.give(b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body))
        elif word == "bgapi":
            said, _, job = rest.partition("\nJob-UUID: ")
            pipe.give(reply_bytes(f"+OK Job-UUID: {job}"))
            fields = {"Event-Name": "BACKGROUND_JOB", "Job-UUID": job}
            done = event_bytes(fields, pipe.format, self.run(said))
            self.loop.call_later(self.slow_jobs_s, pipe.give, done)
        else:
            pipe.give(reply_bytes("-ERR command not found"))

    def _authenticate(self, pipe: Pipe, password: str) -> None:
        pipe.is_authenticated = password == self.password
        pipe.give(reply_bytes("+OK accepted" if pipe.is_authenticated else "-ERR invalid"))
        if not pipe.is_authenticated:
            pipe.give(NOTICE)

    def run(self, command: str) -> str:
        """The output of an api command."""
        for prefix, answer in self.answers.items():
            if command.startswith(prefix):
                return answer
        if command == "show channels as json":
            self.before_list()
            rows = [self._row(call) for call in self.calls.values()]
            return json.dumps({"row_count": len(rows)} | ({"rows": rows} if rows else {}))
        if command == "hostname":
            return "fs1"
        word, _, rest = command.partition(" ")
        call, arguments = self._call(word, rest)
        return NO_CHANNEL if call is None else self._command(call, word, arguments)

    def _call(self, word: str, rest: str) -> tuple[ScriptedCall | None, list[str]]:
        arguments = rest.split(" ")
        if word in ("sched_hangup", "sched_transfer", "sched_broadcast"):
            return self.calls.get(arguments[1]), [arguments[0], *arguments[2:]]
        return self.calls.get(arguments[0]), arguments[1:]

    def _command(self, call: ScriptedCall, word: str, arguments: list[str]) -> str:
        if word == "uuid_setvar":
            call.variables[arguments[0]] = " ".join(arguments[1:])
        elif word == "uuid_transfer":
            self.loop.call_soon(call.transfer, arguments[0])
        elif word == "uuid_kill":
            self.loop.call_soon(call.hang_up, arguments[0])
        elif word == "uuid_broadcast":
            call.play(arguments[0])
        elif word == "sched_del":
            return f"+OK Deleted: {call.unschedule()}"
        elif word.startswith("sched_"):
            call.schedule(word, arguments[0], arguments[1:])
        elif word == "uuid_dump":
            waiting = {"variable_current_application": "park" if call.is_parked else "playback"}
            return json.dumps(call.fields(PARK) | {"Event-Name": "CHANNEL_DATA"} | waiting)
        else:
            return f"-ERR {word} Command not found!"
        return "+OK"

    def _row(self, call: ScriptedCall) -> dict[str, str]:
        state = "ACTIVE" if call.answered_us else "RINGING"
        return {"uuid": call.uuid, "direction": "inbound", "callstate": state}


def reply_bytes(text: str) -> bytes:
    """A command/reply."""
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def event_bytes(fields: recorded.Fields, form: str, body: str = "") -> bytes:
    """An event on the wire, plain or JSON."""
    if form == "json":
        text = json.dumps(fields | ({"_body": body} if body else {}))
    else:
        lines = [f"{name}: {quote(value, safe=' ,*/')}".replace("%20", " ") for name, value in fields.items()]
        lines = [line.replace(" ", "%20").replace(":%20", ": ", 1) for line in lines]
        length = f"Content-Length: {len(body.encode())}\n" if body else ""
        text = "\n".join(lines) + f"\n{length}\n{body}"
    data = text.encode()
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (len(data), form.encode(), data)
