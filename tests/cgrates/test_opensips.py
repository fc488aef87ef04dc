"""Recorded conversations of an OpenSIPS: answers in its form, and the server asks what the recorded one asked."""

import pytest

from tests.cgrates.opensips import OpenSips, Recordings
from tests.support.virtual_time import run

RECORDINGS = Recordings()
# What differs where the recorded engine was killed and came back without its sessions: this one never went away.
BETTER = {
    "10-engine-restart": {
        "SessionSv1.TerminateSession: None for 'UNAUTHORIZED_DESTINATION'",
        "SessionSv1.AuthorizeEventWithDigest: MaxUsage 9982",
    },
}


@pytest.mark.parametrize("name", RECORDINGS.by_name)
def test_conversation_is_as_recorded(name: str) -> None:
    async def play() -> list[str]:
        opensips = OpenSips(RECORDINGS, name)
        await opensips.play()
        return opensips.wrong

    assert set(run(play())) - BETTER.get(name, set()) == set()
