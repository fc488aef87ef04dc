"""Methods called one after the other, as a client would over its connection."""

import asyncio
from typing import Any

from ocs.cgrates.state import State
from tests.cgrates.engine import NOW_NS, Engine
from tests.support.virtual_time import VirtualLoop

TENANT = "cgrates.org"


class Api:
    """A runtime, its clock, and calls that wait for their answer."""

    def __init__(
        self, settings: dict[str, Any] | None = None, state: State | None = None, *, is_timed: bool = False
    ) -> None:
        self.runner = asyncio.Runner(loop_factory=VirtualLoop if is_timed else None)
        self.engine = Engine(settings, state, self.wall_ns)
        self.runtime = self.engine.runtime

    def wall_ns(self) -> int:
        """Its clock: it stands, or goes with the virtual time of the loop."""
        loop = self.runner.get_loop()
        return NOW_NS + (loop.now_ns() if isinstance(loop, VirtualLoop) else 0)

    def wait(self, length_ns: int) -> None:
        """Lets time go by."""
        self.runner.run(asyncio.sleep(length_ns / 1e9))

    def __call__(self, method: str, **params: Any) -> Any:
        """The result of a call that must have one."""
        return self.runner.run(self.engine.result(method, params))

    def bare(self, method: str, params: object) -> Any:
        """The result of a call whose parameter is no object."""
        return self.runner.run(self.engine.result(method, params))

    def error(self, method: str, **params: Any) -> str:
        """The error of a call that must have one."""
        return self.runner.run(self.engine.error(method, params))

    def account(self, name: str = "1001") -> dict[str, Any]:
        """An account as `APIerSv2.GetAccount` shows it."""
        found: dict[str, Any] = self("APIerSv2.GetAccount", Account=name)
        return found

    def balances(self, name: str = "1001") -> dict[str, list[tuple[str, float]]]:
        """Ids and values of an account's balances."""
        found = self.account(name)["BalanceMap"] or {}
        return {kind: [(one["ID"], one["Value"]) for one in held] for kind, held in found.items() if held}

    def close(self) -> None:
        """Ends its loop."""
        self.runner.close()
