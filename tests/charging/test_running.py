"""What an agent that starts is told of the sessions it has forgotten."""

import pytest

from ocs.charging import running
from ocs.charging.control import RunningSession
from ocs.charging.events import ChargingContext, Identity, IdentityKind, Unit
from tests.support.charging import SECOND_NS, initial, rg, update
from tests.support.door import Door

VIRTUAL_TIME = True
CALL = {"service": "voice", "client": "fs1"}


async def test_the_open_sessions_of_a_client_come_with_what_was_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "PAGE", 2)
    world = Door()
    for index in range(5):
        identity = Identity(IdentityKind.E164, str(index))
        await world.open_account(1_000_000, f"a{index}", identity)
        who = {"identities": (identity,), "session": f"s{index}"}
        context = ChargingContext(extra=(("k", str(index)),))
        await world.say(initial(rg(None, 60 * SECOND_NS, unit=Unit.TIME), context=context, **CALL, **who))
        if index:
            used = rg(None, 60 * SECOND_NS, used=index * SECOND_NS, unit=Unit.TIME)
            await world.say(update(1, used, **CALL, **who))
    await world.say(initial(rg(10, 5), identities=(Identity(IdentityKind.E164, "1"),), session="other"))
    found = await running.running_sessions(world.store, "fs1")
    assert sorted(found, key=lambda each: each.session_id) == [
        RunningSession(f"s{index}", "voice", index * SECOND_NS, int(index > 0), (("k", str(index)),))
        for index in range(5)
    ]
    assert await running.running_sessions(world.store, "nobody") == ()
