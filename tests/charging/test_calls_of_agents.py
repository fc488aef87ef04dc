"""What agents of switches and proxies ask of the core: totals, own slices, account keys, their sessions."""

import pytest

from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.events import (
    ChargingContext,
    EventKind,
    Identity,
    IdentityKind,
    Unit,
    UsageReport,
    UsedUnits,
)
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    CLIENT,
    SECOND_NS,
    World,
    event,
    initial,
    money,
    rg,
    terminate,
    update,
)
from tests.support.door import door

VIRTUAL_TIME = True


def total(seconds: int, more: int | None = None) -> UsageReport:
    """So much used since the session began."""
    report = rg(None, None if more is None else more * SECOND_NS, unit=Unit.TIME)
    used = UsedUnits(Unit.TIME, seconds * SECOND_NS, is_total=True)
    return UsageReport(requested=report.requested, used=(used,))


def asking(seconds: int) -> UsageReport:
    return rg(None, seconds * SECOND_NS, unit=Unit.TIME)


def test_a_total_is_charged_less_what_was_charged_before() -> None:
    world = World(money(100_000))
    world.take(initial(asking(10), service="voice"))
    assert (
        world.line(update("a", total(9, 10))) == f"SUCCESS -={10 * SECOND_NS} | main 91000-10000 | main-9000"
    )
    assert world.line(update("b", total(9, 10))) == f"SUCCESS -={10 * SECOND_NS} | main 91000-10000"
    assert world.line(update("c", total(5, 10))) == f"SUCCESS -={10 * SECOND_NS} | main 91000-10000", (
        "not taken back"
    )
    assert world.line(terminate("end", total(21))) == "SUCCESS -=0 | main 79000 | main-12000"


def test_a_total_of_a_closed_session_is_charged_less_what_was_charged_before() -> None:
    world = World(money(100_000))
    world.take(initial(asking(10), service="voice"))
    world.take(terminate("vanished", total(9)))
    assert world.line(terminate("end", total(12))) == "SUCCESS -=0 | main 88000 | main-3000"
    assert world.line(terminate("end", total(12))) == "SUCCESS -=0 | main 88000"


@pytest.mark.parametrize(("slices_itself", "granted_s"), [(False, 3_600), (True, 10_800)])
def test_an_agent_that_slices_itself_is_not_cut_to_the_quota(slices_itself: bool, granted_s: int) -> None:
    world = World(money(10**9))
    said = world.take(initial(asking(10_800), service="voice", slices_itself=slices_itself)).answer
    assert said.grants[0].amount == granted_s * SECOND_NS


async def test_an_account_key_comes_before_identities() -> None:
    world = await door()
    await world.open_account(500, "default:bob", Identity(IdentityKind.E164, "4930"))
    bob = initial(rg(10, 5), account="default:bob", identities=(ALICE,))
    assert await world.say(bob) == "SUCCESS 10=5"
    assert (world.books("default:bob"), world.books()) == ("main 500-5", "main 10000")
    again = initial(rg(10, 7), account="default:bob", identities=(ALICE,), number=1)
    assert await world.say(again) == "SUCCESS 10=7", "the session is bob's, whatever identities are named"
    assert world.books("default:bob") == "main 500-7"
    unknown = initial(rg(10, 5), account="default:nobody", session="s2")
    assert await world.say(unknown) == "SUCCESS 10=5"
    assert world.books() == "main 10000-5", "no such key: the identities decide"
    once = event(
        EventKind.EVENT, 0, rg(None, 1, unit=Unit.EVENTS, called="1"), account="default:bob", service="sms"
    )
    assert (await world.service.handle(once)).cost_nanos == 5
    assert world.books("default:bob") == "main 495-7"


async def test_the_sessions_of_a_client_are_found_with_what_they_used() -> None:
    world = await door(100_000)
    context = ChargingContext(called="2001", extra=(("h_id", "12"),))
    await world.say(initial(asking(10), service="voice", context=context))
    await world.say(update("a", total(4, 10)))
    await world.say(initial(rg(10, 5), session="s2", client="other"))
    (found,) = await world.service.sessions_of(CLIENT)
    assert (found.session_id, found.service, found.account) == ("s1", "voice", ACCOUNT)
    assert (found.used, found.granted, found.last_update) == (4 * SECOND_NS, 10 * SECOND_NS, 0)
    assert found.context == context
    assert await world.service.sessions_of("nobody") == []


async def test_a_session_that_is_found_says_the_last_number_of_its_updates() -> None:
    world = await door(100_000)
    await world.say(initial(asking(10), service="voice"))
    for number in (1, 2, 5):
        await world.say(update(number, total(number, 10)))
    (found,) = await world.service.sessions_of(CLIENT)
    assert (found.used, found.last_update) == (5 * SECOND_NS, 5)


class Control:
    """An agent that has the sessions of one client, or of everybody."""

    def __init__(self, client: str | None) -> None:
        self.client = client
        self.asked: list[str] = []

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        return await self.disconnect(session, "")

    async def warn(self, session: SessionAddress) -> ControlResult:
        return await self.disconnect(session, "")

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        if self.client not in (None, session.client):
            return ControlResult.UNSUPPORTED
        self.asked.append(session.session_id)
        return ControlResult.ACCEPTED if self.client else ControlResult.UNKNOWN_SESSION


async def test_the_agent_that_has_a_session_is_asked_and_no_other() -> None:
    world = await door()
    diameter, kamailio, freeswitch = Control(None), Control(CLIENT), Control("fs1")
    world.service.session_control |= {"diameter": diameter, "freeswitch": freeswitch, "kamailio": kamailio}
    await world.say(initial(rg(10, 5)))
    account = await world.service.account(ACCOUNT)
    assert account is not None
    await world.service.disconnect_all(account, "FRAUD")
    assert (diameter.asked, freeswitch.asked, kamailio.asked) == ([], [], ["s1"])
    assert world.books() == "main 10000-5", "its session is not closed on the word of another"
