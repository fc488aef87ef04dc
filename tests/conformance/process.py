"""A server process to be killed, its log in a file: `python -m tests.conformance.process STORE` prints a port."""

import asyncio
import sys
from pathlib import Path

from ocs.config.settings import (
    ChargingSettings,
    DiameterSettings,
    IdentitySettings,
    Listener,
    LogSettings,
    Settings,
)
from ocs.log import configure
from tests.conformance.client import ALICE_IMSI, ALICE_MSISDN
from tests.conformance.world import ALICE, RULES, World
from tests.support.waiting import PATIENCE_S


async def spawn(store: Path, log: Path) -> tuple[asyncio.subprocess.Process, tuple[str, int]]:
    """A running server and where it listens; whoever asks for it ends it."""
    with log.open("ab") as lines:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.conformance.process", str(store),
            stdout=asyncio.subprocess.PIPE, stderr=lines,
        )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        port = int(await process.stdout.readline())
    return process, ("127.0.0.1", port)


async def serve(path: Path) -> None:
    """Serve until killed."""
    settings = Settings(
        IdentitySettings("ocs.example.net", "example.net"),
        DiameterSettings(listen=(Listener(port=0),)),
        ChargingSettings(quotas=RULES),
    )
    world = World(settings, path)
    await world.start()
    if await world.service.account(ALICE) is None:
        await world.add("alice", imsi=ALICE_IMSI, msisdn=ALICE_MSISDN)
    sys.stdout.write(f"{world.agent.addresses()[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    configure(LogSettings(level="debug", format="json"))
    asyncio.run(serve(Path(sys.argv[1])))
