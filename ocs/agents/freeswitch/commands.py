"""What the agent tells the switch, as text of API commands. Pure.

Nothing a caller chose may become more than a value: numbers and ids that are not plain words make the call be
refused, values lose what the switch would interpret (line ends, backslashes, variable expansion).
"""

import msgspec

from ocs.agents.freeswitch.esl import ARRAY, ARRAY_SEPARATOR
from ocs.charging.events import ProfileResults
from ocs.config.settings import FreeswitchSettings

WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+*#._@~!-:=%")
WORD_LIMIT = 255
VALUE_LIMIT = 1_024
INTERPRETED = str.maketrans(dict.fromkeys("\\`$", None))
LIMIT_CAUSE = "allotted_timeout"
DISCONNECT_CAUSE = "MANAGER_REQUEST"
REFUSAL_CAUSE = "CALL_REJECTED"
AUTHORISED = "AUTH_OK"
SECOND_NS = 1_000_000_000


def is_word(text: str) -> bool:
    """Whether a text can be one argument of a command and nothing else."""
    return 0 < len(text) <= WORD_LIMIT and text[0] != "-" and WORD.issuperset(text)


def value_text(value: str) -> str:
    """A value as the switch stores it: one line, without what it would interpret."""
    kept = value[:VALUE_LIMIT].translate(INTERPRETED)
    return "".join(character if character.isprintable() else " " for character in kept).strip()


def array(values: tuple[str, ...]) -> str:
    """A list as a channel variable holds it, its length first, as dialplans made for CGRateS expect."""
    cleaned = [value_text(value).replace(ARRAY_SEPARATOR, "") for value in values]
    return ARRAY + ARRAY_SEPARATOR.join((str(len(cleaned)), *cleaned))


def setvar(uuid: str, name: str, value: str) -> str:
    """Set a channel variable."""
    return f"uuid_setvar {uuid} {name} {value_text(value)}"


def attributes(profiles: ProfileResults | None) -> list[tuple[str, str]]:
    """The fields that were altered, each as the variable of its name; one that is no word is left out."""
    return [] if profiles is None else [each for each in profiles.attributes if is_word(each[0])]


def results(profiles: ProfileResults | None) -> list[tuple[str, str]]:
    """What the dialplan reads of resources and routes."""
    found = []
    if profiles is not None and profiles.resource:
        found.append(("cgr_resource_allocation", profiles.resource))
    if profiles is not None and profiles.routes:
        found.append(("cgr_routes", array(profiles.routes)))
    return found


def transfer(uuid: str, number: str) -> str:
    """Let a parked call go on through its dialplan."""
    return f"uuid_transfer {uuid} {number}"


def kill(uuid: str, cause: str = DISCONNECT_CAUSE) -> str:
    """End a call."""
    return f"uuid_kill {uuid} {cause}"


def broadcast(uuid: str, file: str) -> str:
    """Play a file to the caller of a running call."""
    return f"uuid_broadcast {uuid} playback::{file} aleg"


def whole_seconds(duration_ns: int) -> int:
    """Seconds for the switch's timers, which never run longer than they are told: rounded down."""
    return max(1, duration_ns // SECOND_NS)


class CreditEnd(msgspec.Struct, frozen=True):
    """What the switch does by itself when the granted time is over, whether the server is there or not.

    The first that is set decides, as in the incumbent's agent: `context`, `announcement`, `extension`, else the
    call is hung up. After a treatment of `treatment_ns` the call is hung up in any case.
    """

    context: str = ""
    announcement: str = ""
    extension: str = ""
    treatment_ns: int = 120 * SECOND_NS

    @property
    def hangs_up(self) -> bool:
        """Whether the call ends with the credit; else it goes on, uncharged, with what the operator plays."""
        return not (self.context or self.announcement or self.extension)

    def variables(self, number: str, granted_ns: int) -> tuple[tuple[str, str], ...]:
        """The channel variables that start the timers at the answer."""
        seconds = whole_seconds(granted_ns)
        application = self._application(number, seconds)
        if application is None:
            return (("execute_on_answer", f"sched_hangup +{seconds} {LIMIT_CAUSE}"),)
        last = f"sched_hangup +{seconds + self.treatment_ns // SECOND_NS} {LIMIT_CAUSE}"
        return (("execute_on_answer", application), ("execute_on_answer_last", last))

    def rearm(self, uuid: str, number: str, left_ns: int) -> tuple[str, ...]:
        """The commands that replace the timers of an answered call."""
        seconds = whole_seconds(left_ns)
        commands = [f"sched_del {uuid}"]
        hangup_s = seconds
        target = self._target(number)
        if target:
            commands.append(f"sched_transfer +{seconds} {uuid} {target}")
        elif self.announcement:
            commands.append(f"sched_broadcast +{seconds} {uuid} {self._played()} aleg")
        if not self.hangs_up:
            hangup_s += self.treatment_ns // SECOND_NS
        return (*commands, f"sched_hangup +{hangup_s} {uuid} {LIMIT_CAUSE}")

    def now(self, uuid: str, number: str, cause: str) -> tuple[str, ...]:
        """The commands for a call whose credit has ended and that must not go on."""
        notify = setvar(uuid, "cgr_notify", cause)
        if self.hangs_up or cause != "INSUFFICIENT_CREDIT":
            return (notify, kill(uuid))
        target = self._target(number)
        action = (
            f"uuid_transfer {uuid} {target}" if target else f"uuid_broadcast {uuid} {self._played()} aleg"
        )
        last = f"sched_hangup +{whole_seconds(self.treatment_ns)} {uuid} {LIMIT_CAUSE}"
        return (notify, f"sched_del {uuid}", last, action)

    def _target(self, number: str) -> str:
        """Number, dialplan and context a call goes to."""
        if self.context:
            return f"{number} XML {self.context}"
        return f"{self.extension} XML default" if self.extension and not self.announcement else ""

    def _played(self) -> str:
        return f"playback!manager_request::{self.announcement}"

    def _application(self, number: str, seconds: int) -> str | None:
        target = self._target(number)
        if target:
            return f"sched_transfer +{seconds} {target}"
        return f"sched_broadcast +{seconds} {self._played()} aleg" if self.announcement else None


def credit_end(settings: FreeswitchSettings) -> CreditEnd:
    """The configured end of credit."""
    return CreditEnd(
        settings.empty_balance_context or "",
        settings.empty_balance_announcement or "",
        settings.transfer_extension or "",
        settings.treatment_ns,
    )
