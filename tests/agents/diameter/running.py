"""Running a test of the agent: bounded in time, with the settings it needs."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from ocs.config import settings as config
from ocs.config.settings import DiameterSettings, Limits, Timers
from tests.support.diameter_peer import (
    ANY_PORT,
)
from tests.support.gy import ccr, requested, service, total
from tests.support.waiting import PATIENCE_S

MS = config.MS


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run one test to its end, within the patience of all tests."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test

    asyncio.run(bounded())


def asking(number: int = 0, hop_by_hop: int = 1) -> bytes:
    return ccr(service(10, requested(total(5))), number=number, hop_by_hop=hop_by_hop)


def limited(**limits: int) -> DiameterSettings:
    return DiameterSettings(listen=ANY_PORT, limits=Limits(**limits))


def timed(**timers: int) -> DiameterSettings:
    return DiameterSettings(listen=ANY_PORT, timers=Timers(**timers))
