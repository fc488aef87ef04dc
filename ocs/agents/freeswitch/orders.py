"""What the switch is told about a call, and what that does to the call as we know it."""

import asyncio

import structlog

from ocs.agents.freeswitch import commands
from ocs.agents.freeswitch.calls import Call, Stage
from ocs.agents.freeswitch.commands import CreditEnd, is_word
from ocs.agents.freeswitch.esl import CommandError, Reply
from ocs.agents.freeswitch.transport import Link, LinkLost
from ocs.agents.voice.outcomes import NO_CREDIT
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.control import ControlResult
from ocs.config.settings import FreeswitchSettings

log = structlog.get_logger()

INVALID_NUMBER = "INVALID_NUMBER"
NO_NUMBER = "0"  # where a call is sent on whose own number cannot be said in a command


class Orders:
    """The commands of one switch; `link` is the connection while there is one."""

    def __init__(self, client: str, settings: FreeswitchSettings) -> None:
        self.link: Link | None = None
        self.end: CreditEnd = commands.credit_end(settings)
        self._client = client
        self._settings = settings

    async def tell(self, call: Call, *said: str) -> list[Reply]:
        """Run API commands in order; raises LinkLost, and CommandError where the call cannot be named."""
        if not is_word(call.facts.uuid):
            raise CommandError(f"no id of a call: {call.facts.uuid[:80]!r}")
        if self.link is None:
            raise LinkLost("not connected")
        return await self.link.api(*said)

    async def told(self, call: Call, *said: str) -> bool:
        """Whether the switch did all of it; if it did not and the call is there still, the call is ended."""
        replies = await self.tell(call, *said)
        refused = next((reply for reply in replies if not reply.is_ok), None)
        if refused is None:
            return True
        uuid = call.facts.uuid
        log.warning("freeswitch.command_failed", peer=self._client, session=uuid, reply=refused.text[:80])
        if not any(reply.is_unknown_channel for reply in replies):
            await self.tell(call, commands.kill(uuid))
        return False

    async def let_through(self, call: Call) -> None:
        """Arm the switch, then let the call into its dialplan; never the second without the first.

        The number is a word: of others calls are refused before.
        """
        uuid, number = call.facts.uuid, call.facts.dialled
        variables = commands.attributes(call.profiles)
        if call.stage is Stage.OPEN:
            variables.append(("cgr_max_usage", str(commands.whole_seconds(call.granted_ns))))
            if call.answered_s is None:
                variables += self.end.variables(number, call.granted_ns)
                call.armed_ns = call.granted_ns
        if call.has_session:
            variables.append(("cgr_originhost", self._client))
        variables += commands.results(call.profiles)
        if variables and not await self.told(call, *[commands.setvar(uuid, *each) for each in variables]):
            return
        notify = commands.setvar(uuid, "cgr_notify", commands.AUTHORISED)
        call.is_through = await self.told(call, notify, commands.transfer(uuid, number))

    async def refuse(self, call: Call, reason: str) -> None:
        """Say why, and give a parked call back to its dialplan, or end it."""
        call.stage = Stage.REFUSED
        call.is_through = True
        uuid, number = call.facts.uuid, call.facts.dialled
        notify = commands.setvar(uuid, "cgr_notify", reason)
        log.info("freeswitch.call_refused", peer=self._client, session=uuid, reason=reason)
        if call.answered_s is not None:
            await self.tell(call, *self.end.now(uuid, _number(call), reason))
        elif self._settings.refusal == "hangup" or not is_word(number):
            await self.tell(call, notify, commands.kill(uuid, commands.REFUSAL_CAUSE))
        else:
            await self.tell(call, notify, commands.transfer(uuid, number))

    async def rearm(self, call: Call) -> None:
        """Set the switch's timers to the call's limit; before the answer they only wait for it."""
        uuid, number = call.facts.uuid, _number(call)
        if call.answered_s is None:
            variables = self.end.variables(number, call.granted_ns)
            call.armed_ns = call.granted_ns
            await self.told(call, *[commands.setvar(uuid, *each) for each in variables])
            return
        left_ns = call.left_ns(_now_s())
        if left_ns < SECOND_NS:
            await self.disconnect(call, NO_CREDIT)
        else:
            call.armed_ns = call.limit_ns
            ticks = call.ticks_left(_now_s())
            await self.told(call, *self.end.rearm(uuid, number, ticks * SECOND_NS))

    async def warn(self, call: Call) -> None:
        """Tell the caller once that the balance is low."""
        file = self._settings.low_balance_announcement
        if file and not call.is_warned and call.answered_s is not None:
            call.is_warned = True
            await self.tell(call, commands.broadcast(call.facts.uuid, file))

    async def disconnect(self, call: Call, cause: str) -> ControlResult:
        """End a call, or send it where calls without credit go."""
        call.is_final = True
        replies = await self.tell(call, *self.end.now(call.facts.uuid, _number(call), cause))
        log.info("freeswitch.disconnected", peer=self._client, session=call.facts.uuid, cause=cause)
        if replies[-1].is_unknown_channel:
            return ControlResult.UNDER_WAY  # its last event is on its way
        if not replies[-1].is_ok:
            return ControlResult.REFUSED
        if call.answered_s is not None and not self.end.hangs_up:
            call.limit_ns = call.armed_ns = min(call.limit_ns, call.elapsed_ns(_now_s()))
        return ControlResult.ACCEPTED


def _number(call: Call) -> str:
    return call.facts.dialled if is_word(call.facts.dialled) else NO_NUMBER


def _now_s() -> float:
    return asyncio.get_running_loop().time()
