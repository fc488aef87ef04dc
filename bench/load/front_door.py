"""The front door of the server around one method with a canned result, without charging.

Run as `python -m bench.load.front_door PORT`. What it takes more than the echo is framing, envelope and dispatch of
the product; what a server with charging takes more than it is charging.
"""

import asyncio
import sys
from typing import Any

from bench.load.rpc_echo import HOST, RESULT, loop_factory
from ocs.config.settings import Endpoint
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.front import FrontDoor, Listeners
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.registry import Registry, Role
from ocs.rpc.tasks import Tasks
from ocs.rpc.tcp import TcpLimits

METHOD = "SessionSv1.AuthorizeEvent"


def canned(context: Tasks, params: dict[str, Any]) -> dict[str, int]:
    """The result of the echo."""
    return RESULT


async def serve(port: int) -> None:
    """Until the process is ended."""
    registry = Registry()
    registry.method(METHOD, Role.CHARGE)(canned)
    dispatcher = Dispatcher(registry, Tasks(), EnvelopeLimits())
    listeners = Listeners(jsonrpc=Endpoint(HOST, port))
    await FrontDoor(dispatcher, listeners, limits=TcpLimits(in_flight=1_000)).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1])))
