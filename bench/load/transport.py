"""The server's own transport without its mapping and its charging: a canned answer for every request.

Run as `python -m bench.load.transport PORT CLIENT GROUP...`. Sockets, framing, the checks of headers and top-level
AVPs, the watchdog, windows and writing are those of `ocs serve`; what it adds is measured against this.
"""

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec

from bench.load.echo import canned
from bench.load.generator import REALM, session_name
from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.peer import PeerProtocol
from ocs.charging.events import ChargingAnswer, ChargingEvent
from ocs.config.settings import DiameterSettings, IdentitySettings, Listener, Settings
from ocs.diameter.message import Message
from ocs.metrics import Metrics


class NobodyCharges:
    """A door that nothing comes to."""

    def submit(self, event: ChargingEvent, deliver: Callable[[ChargingAnswer], None]) -> None:
        """Never called."""
        raise AssertionError("requests are answered before they are mapped")

    async def client_restarted(self, client: str) -> int:
        """No client has sessions here."""
        return 0


class CannedAgent(DiameterAgent):
    """An agent whose peers copy an answer, patched with identifiers and Session-Id as an echo does it."""

    def __init__(self, settings: Settings, answer: bytes, session_end: int) -> None:
        super().__init__(settings, NobodyCharges(), Metrics())
        self._canned = answer
        self._session_end = session_end

    def new_peer(self, loop: asyncio.AbstractEventLoop) -> PeerProtocol:
        """A peer that answers by itself."""
        return PeerProtocol(self, loop, self._serve)

    def _serve(self, peer: PeerProtocol, message: Message) -> None:
        frame, end = message.frame, self._session_end
        answer = bytearray(self._canned)
        answer[12:20] = frame[12:20]
        answer[28:end] = frame[28:end]
        assert peer.connection is not None
        peer.connection.send(bytes(answer))


async def serve(port: int, client: str, groups: tuple[int, ...]) -> None:
    """Until the process is ended."""
    name = session_name(client, 0)
    settings = Settings(
        IdentitySettings("transport.load.test", REALM), DiameterSettings(listen=(Listener(port=port),))
    )
    agent = CannedAgent(settings, canned(len(name), groups), 28 + len(name))
    await agent.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve on the port given."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if find_spec("uvloop") is not None:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2], tuple(map(int, sys.argv[3:]))))


if __name__ == "__main__":
    main()
