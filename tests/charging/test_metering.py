"""Claims about sessions whose time the server counts."""

from dataclasses import dataclass, field

import msgspec

from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.decision import Change
from ocs.charging.events import ChargingEvent, EventKind, RequestedUnits, Result, Unit, UsageReport
from ocs.charging.metering import Metering
from ocs.charging.quota import ChargingPolicy, Supervision
from ocs.charging.service import ChargingService
from tests.charging.test_terms import TARIFF, S
from tests.support.charging import ACCOUNT, NOON_NS, books_text, money
from tests.support.door import Counts
from tests.support.stores import ProcessStore, Truth


@dataclass
class Switch:
    """A client that is told to end sessions."""

    ended: list[tuple[str, str]] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        return ControlResult.UNSUPPORTED

    async def warn(self, session: SessionAddress) -> ControlResult:
        self.warned.append(session.session_id)
        return ControlResult.ACCEPTED

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        self.ended.append((session.session_id, cause))
        return ControlResult.ACCEPTED


class Live:
    """A service on a clock of its own, with one account at 10 nanos a second and a fee of 100."""

    def __init__(self, nanos: int, policy: ChargingPolicy | None = None, truth: Truth | None = None) -> None:
        self.now_ns = NOON_NS
        self.truth = truth or Truth()
        if truth is None:
            assert self.truth.take(Change(money(nanos), has_new_identities=True)) is None
        self.switch = Switch()
        self.service = ChargingService(
            ProcessStore(self.truth),
            TARIFF,
            policy or ChargingPolicy(),
            Counts(),
            wall_ns=lambda: self.now_ns,
            monotonic_ns=lambda: self.now_ns,
        )
        self.service.session_control["test"] = self.switch
        self.metering = Metering(self.service)

    async def say(self, kind: EventKind, step_s: int | None = None) -> Result:
        wish = () if step_s is None else (UsageReport(requested=RequestedUnits(Unit.TIME, step_s * S)),)
        meter_ns = None if step_s is None else step_s * S
        event = ChargingEvent(
            kind,
            "switch",
            "c1",
            kind.name,
            "voice",
            reports=wish,
            account=ACCOUNT,
            slices_itself=True,
            meter_ns=meter_ns,
        )
        return (await self.service.handle(event)).result

    async def wait(self, seconds: int) -> None:
        """Let time pass, second by second."""
        for _ in range(seconds):
            self.now_ns += S
            await self.metering.step()

    @property
    def books(self) -> str:
        return books_text(self.truth.accounts[ACCOUNT])


async def test_time_is_charged_step_by_step_and_ends_at_the_stop() -> None:
    live = Live(1000)
    assert await live.say(EventKind.INITIAL, 10) is Result.SUCCESS
    assert live.books == "main 1000-200"
    await live.wait(25)
    assert live.books == "main 700-100", "20 s and the fee are charged, ten more are held"
    assert await live.say(EventKind.TERMINATION) is Result.SUCCESS
    assert live.books == "main 650"
    assert [cdr.cost_nanos for cdr in live.truth.cdrs] == [350]
    await live.wait(20)
    assert live.books == "main 650"
    assert live.service.metered == {}


async def test_when_the_credit_ends_so_does_the_session() -> None:
    live = Live(225)
    await live.say(EventKind.INITIAL, 10)
    await live.wait(40)
    assert live.books == "main 5", "12 s: the last step is shorter, what is left pays for no second"
    assert live.switch.ended == [("c1", "credit exhausted")]
    assert [cdr.usage[0].used for cdr in live.truth.cdrs] == [12 * S]


SOON = ChargingPolicy(supervision=Supervision(warns_before_ns=4 * S))


async def test_the_client_is_warned_once_some_seconds_before_the_last_step_ends() -> None:
    live = Live(100 + 10 * 25, SOON)
    await live.say(EventKind.INITIAL, 10)
    await live.wait(20)
    assert live.switch.warned == []
    await live.wait(1)
    assert live.switch.warned == ["c1"]
    await live.wait(20)
    assert (live.switch.warned, live.switch.ended) == (["c1"], [("c1", "credit exhausted")])
    assert live.books == "main 0"
    assert [cdr.usage[0].used for cdr in live.truth.cdrs] == [25 * S]


async def test_the_client_is_warned_at_the_low_balance_mark_and_again_after_a_top_up() -> None:
    live = Live(1000)
    marked = msgspec.structs.replace(live.truth.accounts[ACCOUNT], low_balance_nanos=600)
    live.truth.accounts[ACCOUNT] = marked
    await live.say(EventKind.INITIAL, 10)
    await live.wait(19)
    assert live.switch.warned == [], "700 are left"
    await live.wait(11)
    assert live.switch.warned == ["c1"]
    await live.wait(10)
    assert live.switch.warned == ["c1"]

    def credit(one: Account) -> Change:
        changed, posting = acts.top_up(one, acts.TopUp(5_000), acts.Act("t", 0, "ops"))
        assert posting is not None
        return Change(changed, (posting,))

    await live.service.apply(ACCOUNT, credit)
    await live.wait(10)
    assert live.switch.warned == ["c1"]
    await live.wait(500)
    assert live.switch.warned == ["c1", "c1"]


async def test_a_session_nobody_ends_is_ended() -> None:
    live = Live(10_000, ChargingPolicy(supervision=Supervision(maximum_ns=60 * S)))
    await live.say(EventKind.INITIAL, 10)
    await live.wait(90)
    assert live.switch.ended == [("c1", "longer than any session")]
    assert live.books == "main 9200", "70 s and the fee"


async def test_after_a_restart_the_server_counts_on() -> None:
    live = Live(1000)
    await live.say(EventKind.INITIAL, 10)
    await live.wait(15)
    again = Live(0, truth=live.truth)
    again.now_ns = live.now_ns + 30 * S
    assert await again.service.account(ACCOUNT) is not None
    await again.wait(1)
    assert again.books == "main 440-100", "46 s are charged at once"
    assert await again.say(EventKind.TERMINATION) is Result.SUCCESS
    assert again.books == "main 440"
