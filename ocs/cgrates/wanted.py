"""What asynchronous thresholds want done: a record from the hit that made it until the transaction that did it.

So a hit that counts has its actions run, whatever becomes of the server, and once: the record goes in the
transaction of what the actions change.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind, Wanted
from ocs.cgrates.state import State
from ocs.charging.profiles.thresholds import Fired
from ocs.sessions import values
from ocs.sessions.model import CgrEvent

log = structlog.get_logger()

Perform = Callable[[str, Wanted], Awaitable[None]]


class WantedActions:
    """Those of one server; `perform` runs a record's sets and calls `done` in the same step."""

    def __init__(
        self,
        state: State,
        new_id: Callable[[], str],
        now_ns: Callable[[], int],
        in_background: Callable[[str, Awaitable[object]], None],
        perform: Perform,
    ) -> None:
        self._state = state
        self._new_id = new_id
        self._now_ns = now_ns
        self._in_background = in_background
        self._perform = perform
        self._running: set[str] = set()

    def add(self, event: CgrEvent, fired: Fired, depth: int) -> None:
        """Have the sets of a threshold run beside the step that hit it, when that is durable."""
        key, account = self._new_id(), values.text(event.event.get("Account"))
        wanted = Wanted(fired.threshold_id, event.tenant, account, fired.action_ids, self._now_ns(), depth)
        self._state.put(Kind.WANTED, key, wanted)
        self._begin(key)

    def begin_all(self, until_ns: int) -> None:
        """Run what has waited since then: its server ended before it could."""
        for key, wanted in list(self._state.tables[Kind.WANTED].items()):
            if wanted.at_ns <= until_ns:
                self._begin(key)

    def done(self, key: str) -> None:
        """The sets have run, in this step."""
        self._state.delete(Kind.WANTED, key)

    def _begin(self, key: str) -> None:
        if key not in self._running:
            self._running.add(key)
            self._in_background("threshold", self._run(key))

    async def _run(self, key: str) -> None:
        try:
            with suppress(JournalError):  # memory is as the store has it then
                await self._state.durable()
            wanted = self._state.tables[Kind.WANTED].get(key)
            if wanted is not None:  # else its step came to nothing
                await self._perform(key, wanted)
        except JournalError as error:  # it waits still: whoever looks after what waits tries again
            log.warning("threshold.put_off", error=str(error))
        finally:
            self._running.discard(key)


def fired_of(wanted: Wanted) -> tuple[CgrEvent, Fired]:
    """A record as the event and the threshold that it came from."""
    event = CgrEvent(wanted.tenant, {"Account": wanted.account})
    return event, Fired(wanted.threshold_id, wanted.action_ids, (), is_async=True)
