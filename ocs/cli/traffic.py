"""`ocs client traffic`: sessions of many subscribers against a server, so that there is something to look at.

What a gateway does, at a pace a person can follow: open, report what was used, end when the user does or when the
credit does. The same seed makes the same sessions.
"""

import argparse
import asyncio
import json
import math
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from ocs.cli.client import request_avps, result_codes
from ocs.cli.dialogue import ClientError, Dialogue
from ocs.config import scalars
from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, RawAvp, decode_u32, decode_u64
from ocs.diameter.codes import ResultCode
from ocs.diameter.message import Message

ALL_WELL, FAILED = 0, 1
SECOND_NS: Final = 1_000_000_000
MILLISECOND_NS: Final = 1_000_000
OPEN_AT_ONCE: Final = 2_000  # sessions; more are not begun until some have ended
LAST_TENTH: Final = (
    0.25  # this part of the sessions is of the last tenth of the subscribers: the poor of the demo
)

# Service, how many in a hundred, the numbers that are called, the rating groups.
MIX: Final = (
    ("data", 60, (), (10, 30, 900)),
    ("voice", 25, ("4915112345678", "4930123456", "15550100007", "33123456789"), ()),
    ("sms", 12, ("4915112345678", "15550100007"), ()),
    ("mms", 3, ("4930123456",), ()),
)
SERVED: Final = frozenset({ResultCode.SUCCESS, ResultCode.CREDIT_CONTROL_NOT_APPLICABLE})
ONE_TIME: Final = frozenset({"sms", "mms"})
DATA_PER_REPORT: Final = (1_000_000, 100_000_000)  # octets
CALL_PER_REPORT: Final = (20, 300)  # seconds


NOTHING_ASKED: Final = {
    **{"service_context": None, "service_identifier": None, "imsi": None, "apn": None},
    **{"action": "debit", "retransmit": False},
}


class Tally(msgspec.Struct):
    """What came back."""

    sessions: int = 0
    open: int = 0
    answers: int = 0
    results: Counter[int] = msgspec.field(
        default_factory=Counter
    )  # by result code; of a service, where one is refused
    took_ns: list[int] = msgspec.field(default_factory=list)


class Granted(msgspec.Struct, frozen=True):
    """One answer, as far as a session goes on by it; `codes` are its own Result-Code and those of its services."""

    codes: list[int]
    units: int = 0
    is_final: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the server knows the session."""
        return self.codes[:1] == [ResultCode.SUCCESS]

    @property
    def refused(self) -> int | None:
        """The code of what is not served, of a service rather than of all."""
        return next((code for code in reversed(self.codes) if code not in SERVED), None)

    @property
    def is_served(self) -> bool:
        """Whether there is something to use."""
        return self.refused is None

    def used(self, wanted: int) -> int | None:
        """What of the wanted units can be used; nothing is counted where nothing is charged or served."""
        return min(wanted, self.units) if self.units else None


def traffic(arguments: argparse.Namespace) -> int:
    """Run for the time that was asked for; 0 when every request was answered, whatever the answers say."""
    try:
        plan = Plan(arguments)
        tally = asyncio.run(_run(arguments, plan))
    except scalars.InvalidValue as error:
        print(f"duration: {error}", file=sys.stderr)
        return 2
    except ClientError as error:
        print(f"ocs client: {error}", file=sys.stderr)
        return FAILED
    print(json.dumps(summary(tally), indent=2) if arguments.json else _words(tally))
    return ALL_WELL


class Plan:
    """Who does what next; every choice comes from the seed."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._random = random.Random(arguments.seed)
        self._first, self._count = int(arguments.first), arguments.subscribers
        self._host = arguments.origin_host
        self._run = time.time_ns() // SECOND_NS & 0xFFFFFFFF
        self._digits = len(arguments.first)
        self._number = 0
        self.rate: int = arguments.rate
        self.duration_s = scalars.duration(arguments.duration) / SECOND_NS
        self.pause_s = scalars.duration(arguments.pause) / SECOND_NS
        self._defaults = {**vars(arguments), **NOTHING_ASKED}

    def next_session(self) -> "Sketch":
        """The next session, decided from beginning to end but for what the answers decide."""
        chance = self._random
        self._number += 1
        [(service, _, numbers, groups)] = chance.choices(MIX, [part for _, part, _, _ in MIX])
        tenth = max(1, self._count // 10)
        poor = chance.random() < LAST_TENTH
        place = chance.randrange(self._count - tenth if poor else 0, self._count)
        return Sketch(
            session=f"{self._host};{self._run};{self._number}",
            subscriber=str(self._first + place).zfill(self._digits),
            service=service,
            called=chance.choice(numbers) if numbers else None,
            rating_group=chance.choice(groups) if groups else None,
            reports=[self._report(service) for _ in range(chance.randint(1, 6))],
        )

    def _report(self, service: str) -> int:
        least, most = CALL_PER_REPORT if service == "voice" else DATA_PER_REPORT
        return self._random.randint(least, most)

    def request(self, sketch: "Sketch", kind: str, number: int, used: int | None) -> list[bytes]:
        """AVPs of one request of a session."""
        unit = "s" if sketch.service == "voice" else "B"
        asked = {
            "session": sketch.session,
            "subscriber": sketch.subscriber,
            "service": sketch.service,
            "called": sketch.called,
            "rating_group": None if sketch.rating_group is None else [sketch.rating_group],
            "kind": kind,
            "number": number,
            "used": None if used is None else f"{used}{unit}",
            "request": "1" if kind == "event" else None,
        }
        return request_avps(argparse.Namespace(**{**self._defaults, **asked}), time.time_ns())


class Sketch(msgspec.Struct, frozen=True):
    """A session to come; `reports` are the units its user would use, one report after the other."""

    session: str
    subscriber: str
    service: str
    called: str | None
    rating_group: int | None
    reports: list[int]


async def _run(arguments: argparse.Namespace, plan: Plan) -> Tally:
    """Begin sessions at the rate, then wait until the last one has ended."""
    tally = Tally()
    dialogue = await Dialogue.open(
        arguments.server, arguments.origin_host, arguments.origin_realm, arguments.timeout
    )
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ending.set)  # what is open is ended first
    failed: list[ClientError] = []
    try:
        async with asyncio.TaskGroup() as around:
            showing = around.create_task(_show(tally))
            async with asyncio.TaskGroup() as sessions:
                await _begin(
                    sessions, plan, tally, ending, lambda: _session(dialogue, plan, tally, ending, failed)
                )
            showing.cancel()
    finally:
        await dialogue.leave()
    if failed:
        raise failed[0]
    return tally


async def _begin(
    sessions: asyncio.TaskGroup,
    plan: Plan,
    tally: Tally,
    ending: asyncio.Event,
    session: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Begin sessions at the rate until the time is over, or everything is; in the end none is missing."""
    began_s = time.monotonic()
    in_all, spent_s = math.ceil(plan.duration_s * plan.rate), 0.0
    while not ending.is_set():
        due = min(int(spent_s * plan.rate) + 1, in_all)
        while tally.sessions < due and tally.open < OPEN_AT_ONCE:
            tally.sessions += 1
            tally.open += 1
            sessions.create_task(session())
        if spent_s >= plan.duration_s:
            break
        await _pause(ending, min(1 / plan.rate, plan.duration_s - spent_s))
        spent_s = time.monotonic() - began_s
    ending.set()


async def _session(
    dialogue: Dialogue, plan: Plan, tally: Tally, ending: asyncio.Event, failed: list[ClientError]
) -> None:
    """One session to its end; the first failure of the connection is everybody's."""
    try:
        sketch = plan.next_session()
        ask = _Asking(dialogue, plan, tally, sketch)
        if sketch.service in ONE_TIME:
            await ask("event", 0, None)
            return
        granted = await ask("initial", 0, None)
        number, reports = 1, list(sketch.reports)
        while granted.is_served and not (granted.is_final or ending.is_set()) and len(reports) > 1:
            await _pause(ending, plan.pause_s)
            granted = await ask("update", number, granted.used(reports.pop(0)))
            number += 1
        if granted.is_open:
            await _pause(ending, plan.pause_s)
            await ask("termination", number, granted.used(reports[0]))
    except ClientError as error:
        failed.append(error)
        ending.set()
    finally:
        tally.open -= 1


async def _pause(ending: asyncio.Event, seconds: float) -> None:
    """What the user uses takes a while; at the end of the run everybody hurries."""
    try:
        async with asyncio.timeout(seconds):
            await ending.wait()
    except TimeoutError:
        return


class _Asking:
    """The requests of one session."""

    def __init__(self, dialogue: Dialogue, plan: Plan, tally: Tally, sketch: Sketch) -> None:
        self._dialogue, self._plan, self._tally, self._sketch = dialogue, plan, tally, sketch

    async def __call__(self, kind: str, number: int, used: int | None) -> Granted:
        began_ns = time.monotonic_ns()
        answer = await self._dialogue.ask(self._plan.request(self._sketch, kind, number, used))
        granted = read(answer)
        tally = self._tally
        tally.answers += 1
        tally.took_ns.append(time.monotonic_ns() - began_ns)
        tally.results[granted.refused or ResultCode.SUCCESS] += 1
        return granted


def read(answer: Message) -> Granted:
    """What an answer grants; raises ClientError where it cannot be read."""
    codes = result_codes(answer)
    units, is_final = 0, False
    try:
        for service in answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
            for member in answer.members(service):
                if member[0] == avps.FINAL_UNIT_INDICATION:
                    is_final = True
                elif member[0] == avps.GRANTED_SERVICE_UNIT:
                    units += sum(_units(answer, unit) for unit in answer.members(member))
    except DecodeError as error:
        raise ClientError(f"unreadable answer: {error.message}") from error
    return Granted(codes, units, is_final)


def _units(answer: Message, unit: RawAvp) -> int:
    if unit[0] == avps.CC_TIME:
        return decode_u32(answer.frame, unit)
    if unit[0] in (avps.CC_TOTAL_OCTETS, avps.CC_SERVICE_SPECIFIC_UNITS):
        return decode_u64(answer.frame, unit)
    return 0


# --- what is shown


async def _show(tally: Tally) -> None:
    """A line that rewrites itself, for a person who watches."""
    began_s = time.monotonic()
    while sys.stderr.isatty():
        await asyncio.sleep(1)
        spent_s = time.monotonic() - began_s
        refused = tally.answers - tally.results[ResultCode.SUCCESS]
        line = f"{spent_s:.0f} s  open {tally.open}  answers {tally.answers}  refused {refused}"
        print(f"\r{line:<60}", end="", file=sys.stderr, flush=True)


def summary(tally: Tally) -> dict[str, Any]:
    """The run in numbers; times in ns."""
    ordered = sorted(tally.took_ns)
    quantiles = {
        f"p{percent}_ns": ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0
        for percent in (50, 99)
    }
    return {
        "sessions": tally.sessions,
        "answers": tally.answers,
        "results": {str(code): count for code, count in tally.results.most_common()},
        **quantiles,
    }


def _words(tally: Tally) -> str:
    shown = summary(tally)
    lines = [f"{tally.sessions} sessions, {tally.answers} answers"]
    lines += [f"{count:>8}  {code} {_name(code)}" for code, count in tally.results.most_common()]
    lines += [
        f"{shown[f'p{percent}_ns'] / MILLISECOND_NS:>8.1f}  ms: {percent} % within" for percent in (50, 99)
    ]
    return ("\n" if sys.stderr.isatty() else "") + "\n".join(lines)


def _name(code: int) -> str:
    try:
        return f"DIAMETER_{ResultCode(code).name}"
    except ValueError:
        return ""
