"""The example configuration of docs/freeswitch.md as it stands: its settings, its listener, its dialplan."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

from ocs import config
from tests.agents.freeswitch.dialplan import Dialplan, Step
from tests.agents.freeswitch.scripted import Plan, Scripted, ScriptedCall
from tests.agents.freeswitch.world import World, connected

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "freeswitch"
BARRED = "OUTGOING_CALL_BARRED"


class Dialled(ScriptedCall):
    """A call that does what the dialplan says."""

    dialplan = Dialplan(EXAMPLE / "dialplan.xml")

    def __init__(self, switch: Scripted, uuid: str, plan: Plan) -> None:
        super().__init__(switch, uuid, plan)
        self.steps: list[Step] = []

    def look_up(self, name: str) -> str:
        known = {"destination_number": self.number, "caller_id_number": self.plan.account}
        return known.get(name) or self.variables.get(name, "")

    def begin(self) -> None:
        self.enter()
        if self.plan.cancel_s is not None:
            self.later(self.plan.cancel_s, self.cancel)

    def transfer(self, number: str) -> None:
        self.number, self.is_parked = number, False
        self.enter()

    def enter(self) -> None:
        for application, data in self.dialplan.steps(self.look_up):
            self.steps.append((application, data))
            match application:
                case "set":
                    name, _, value = data.partition("=")
                    self.variables[name] = value
                case "park":
                    self.park()
                    wait_s, _, cause = self.variables["park_timeout"].partition(":")
                    self.later(float(wait_s), lambda cause=cause: self.give_up(cause))  # type: ignore[misc]
                case "hangup":
                    self.hang_up(data)
                case "bridge":
                    self.proceed()

    def give_up(self, cause: str) -> None:
        if self.is_parked:
            self.hang_up(cause)


class Exemplary(Scripted):
    """The switch of the example."""

    def __init__(self) -> None:
        listener = ElementTree.parse(EXAMPLE / "event_socket.conf.xml").getroot()
        told = {each.get("name"): each.get("value") or "" for each in listener.iter("param")}
        super().__init__(told["listen-ip"], int(told["listen-port"]), told["password"])

    def dial(self, plan: Plan) -> Dialled:
        self._begun += 1
        call = Dialled(self, f"call-{self._begun}", plan)
        self.calls[call.uuid] = call
        call.begin()
        return call


@asynccontextmanager
async def example(nanos: int) -> AsyncIterator[tuple[World, Exemplary]]:
    switch = Exemplary()
    settings = config.load(EXAMPLE / "ocs.yaml").freeswitch
    made = World(grant_s=300, switches=settings.switches, extra_fields=settings.extra_fields)
    await made.open_account("1001", nanos)
    await made.agent.start()
    await connected(made)
    try:
        yield made, switch
    finally:
        await made.agent.drain()


async def test_a_call_with_credit_is_routed_and_charged() -> None:
    async with example(1_000_000) as (made, switch):
        call = switch.dial(Plan(number="+15550100", talk_s=7.5))
        await asyncio.sleep(20)
        assert [step for step in call.steps if step[0] in ("park", "bridge")] == [
            ("park", ""),
            ("bridge", "sofia/gateway/carrier/15550100"),
        ]
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 7_500, 0)
        (record,) = made.records()
        assert dict(record.context.extra)["request_type"] == "*prepaid"


async def test_a_call_without_credit_is_barred_and_never_routed() -> None:
    async with example(0) as (made, switch):
        call = switch.dial(Plan(number="15550100"))
        await asyncio.sleep(5)
        assert (call.cause, call.answered_us) == (BARRED, 0)
        assert all(application != "bridge" for application, _ in call.steps)
        assert made.left() == (0, 0)


async def test_the_credit_ends_the_call() -> None:
    async with example(5_000) as (made, switch):
        call = switch.dial(Plan(number="15550100", talk_s=None))
        await asyncio.sleep(20)
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert made.left()[1] == 0


async def test_without_the_server_nobody_waits_longer_than_the_dialplan_says() -> None:
    async with example(1_000_000) as (made, switch):
        await made.agent.drain()
        call = switch.dial(Plan(number="15550100"))
        await asyncio.sleep(9)
        assert call.uuid in switch.calls
        await asyncio.sleep(2)
        assert call.cause == "SERVICE_UNAVAILABLE"
