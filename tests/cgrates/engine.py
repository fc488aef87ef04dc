"""A runtime without ports for tests: methods are called as a connection would call them, on a clock that stands."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ocs.cgrates import config, tariff
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.state import State
from ocs.charging.cgrates import values
from ocs.rpc.caller import Caller
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from tests.support.waiting import PATIENCE_S

NOW_NS = values.instant_ns("2026-06-15T12:00:00Z")
ON: dict[str, Any] = {
    "rals": {"enabled": True},
    "cdrs": {"enabled": True, "chargers_conns": ["*internal"], "rals_conns": ["*internal"]},
    "chargers": {"enabled": True, "attributes_conns": ["*internal"]},
    "attributes": {"enabled": True},
    "sessions": {
        "enabled": True,
        "rals_conns": ["*internal"],
        "cdrs_conns": ["*internal"],
        "chargers_conns": ["*internal"],
    },
}


class Engine:
    """One runtime and a connection to it."""

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        state: State | None = None,
        wall_ns: Callable[[], int] = lambda: NOW_NS,
    ) -> None:
        merged = {section: dict(content) for section, content in ON.items()}
        for section, content in (settings or {}).items():
            merged.setdefault(section, {}).update(content)
        self.runtime = Runtime(config.read(merged), state, wall_ns)
        self.runtime.methods = methods_of(CGRATES, self.runtime)
        self._dispatcher = Dispatcher(CGRATES, self.runtime, EnvelopeLimits())
        self._caller = Caller("127.0.0.1:1")
        self._last_id = 0

    def load(self, files: dict[str, str]) -> None:
        """Loads a tariff folder's texts and runs what is to run at once, be it that some of it fails."""
        loaded = tariff.load(self.runtime.state, list(files.items()))
        assert not loaded.problems, loaded.problems
        for account_id, actions_id in loaded.asap:
            self.runtime.execute(account_id, actions_id)

    async def call(self, method: str, params: object) -> dict[str, Any]:
        """The whole answer to a request."""
        self._last_id += 1
        number = self._last_id
        frame = msgspec.json.encode({"method": method, "params": [params], "id": number})
        answer = await asyncio.wait_for(self._dispatcher.start(frame, self._caller), PATIENCE_S)
        assert answer is not None
        found: dict[str, Any] = msgspec.json.decode(answer)
        assert found["id"] == number
        return found

    async def result(self, method: str, params: object) -> Any:
        """The result of a request that must have one."""
        answer = await self.call(method, params)
        assert answer["error"] is None, answer["error"]
        return answer["result"]

    async def error(self, method: str, params: object) -> str:
        """The error of a request that must have one."""
        answer = await self.call(method, params)
        assert isinstance(answer["error"], str), answer
        return answer["error"]


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Writes texts as files."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
