"""The published results of the incumbent's own tests, in exact arithmetic: clocks, records charged again, Gy."""

import msgspec

from ocs.charging.decision import Change
from ocs.charging.events import ChargingEvent, EventKind, RequestedUnits, Result, Unit, UsageReport
from ocs.charging.metering import CAUSE_EXHAUSTED, Metering
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.exact.accounting import ExactAccounting
from ocs.sessions.model import Run
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import KEY, S, account, balance, catalogue
from tests.charging.test_metering import Switch
from tests.conformance.client import EVENT, SMS, VOICE
from tests.conformance.test_j_events import DEBIT, ONE, to
from tests.conformance.world import World, served
from tests.support.charging import NOON_NS
from tests.support.door import Counts
from tests.support.gy import requested, seconds, service, used
from tests.support.stores import ProcessStore, Truth

MS = 10**6
SECOND = Price("0 1/1s/1ms")


class Metered:
    """A service whose clock is set, and a client that tells start and stop alone."""

    def __init__(self, voice: str) -> None:
        self.now_ns = NOON_NS
        self.truth, self.switch = Truth(), Switch()
        assert self.truth.take(Change(account(balance(voice, "voice")))) is None
        self.service = ChargingService(
            ProcessStore(self.truth),
            catalogue(SECOND),
            ChargingPolicy(),
            Counts(),
            wall_ns=lambda: self.now_ns,
            monotonic_ns=lambda: self.now_ns,
        )
        self.service.session_control["test"] = self.switch
        self.metering = Metering(self.service)

    async def say(self, kind: EventKind) -> None:
        """Start, in steps of a millisecond, or stop."""
        wish = UsageReport(requested=RequestedUnits(Unit.TIME, MS))
        begins = kind is EventKind.INITIAL
        event = ChargingEvent(
            kind,
            "switch",
            "c1",
            kind.name,
            "voice",
            reports=(wish,) if begins else (),
            account=KEY,
            slices_itself=True,
            meter_ns=MS if begins else None,
        )
        assert (await self.service.handle(event)).result is Result.SUCCESS

    async def wait(self, milliseconds: int) -> None:
        """Let time pass, step by step."""
        for _ in range(milliseconds):
            self.now_ns += MS
            await self.metering.step()

    @property
    def told(self) -> tuple[list[int], int]:
        """Usage of the records, and what the balance has left."""
        used_ns = [cdr.usage[0].used for cdr in self.truth.cdrs]
        return used_ns, self.truth.accounts[KEY].balances[0].posted


async def test_a_metered_session_takes_credit_until_there_is_none() -> None:  # 88
    live = Metered("10ms")
    await live.say(EventKind.INITIAL)
    await live.wait(50)
    assert live.switch.ended == [("c1", CAUSE_EXHAUSTED)]
    assert live.told == ([10 * MS], 0)


async def test_the_originator_of_a_metered_session_hangs_up() -> None:  # 89
    live = Metered("1s")
    await live.say(EventKind.INITIAL)
    await live.wait(7)
    await live.say(EventKind.TERMINATION)
    await live.wait(50)
    assert live.switch.ended == []
    assert live.told == ([7 * MS], S - 7 * MS)


async def test_a_record_charged_again_gives_back_to_what_has_expired() -> None:  # 86
    truth, now_ns = Truth(), NOON_NS
    short = balance("1s", "short", weight=100, expires_at_ns=NOON_NS + 50 * MS)
    assert truth.take(Change(account(balance("3600s", "long"), short))) is None
    service = ChargingService(
        ProcessStore(truth), catalogue(SECOND), ChargingPolicy(), Counts(), wall_ns=lambda: now_ns
    )
    core = ExactAccounting(service)
    event = {"OriginID": "o1", "OriginHost": "h", "RunID": "*default", "Account": "a", "Destination": "33"}
    event |= {"ToR": "*voice", "Category": "call"}
    await core.prepare("t", event)

    def left() -> list[int]:
        held = {each.id: each.posted for each in truth.accounts[KEY].balances}
        return [held["long"] // S, held["short"] // S]

    run = Run("*default", event, "*prepaid", core.open("t", event, 10 * S, request_type="*prepaid"))
    rated = core.rate(run)
    await core.durable()
    assert left() == [3600 - 9, 0]
    now_ns += 10 * S
    core.refund(run, rated.details)
    shorter = msgspec.structs.replace(run, money=msgspec.structs.replace(run.money, period=S))
    core.rate(shorter, is_rerate=True)
    await core.durable()
    assert left() == [3600 - 1, 1], "what has expired has its second back, and pays no more"


@served()
async def test_a_call_over_gy_is_granted_and_recorded(world: World) -> None:  # 92
    client = await world.open()
    first = await client.initial(service(None, requested(seconds(300))), context=VOICE, session="v;1")
    assert first.said == "2001 -=300"
    more = service(None, requested(seconds(300)), used(seconds(300)))
    assert (await client.update(1, more, context=VOICE, session="v;1")).said == "2001 -=300"
    last = service(None, used(seconds(250)))
    assert (await client.terminate(2, last, context=VOICE, session="v;1")).code == 2001
    [record] = await world.cdrs()
    assert record.usage[0].used == 550 * S


@served()
async def test_a_message_over_gy_is_recorded_as_one(world: World) -> None:  # 95
    client = await world.open()
    answer = await client.credit(EVENT, 0, DEBIT, ONE, to("15550100002"), context=SMS, session="e;1")
    assert answer.code == 2001
    [record] = await world.cdrs()
    assert record.usage[0].used == 1


@served()
async def test_an_absurd_wish_over_gy_is_cut_to_the_quota(world: World) -> None:
    """The incumbent's 93 is refused for a flag of its request template, which Gy has no field for."""
    client = await world.open()
    wish = service(None, requested(seconds(3_000_000_000)))
    assert (await client.initial(wish, context=VOICE, session="v;1")).said == "2001 -=300"
