"""One session through the methods, on virtual time or on a server process over its port."""

import asyncio
from typing import Any, Protocol

from tests.cgrates.engine import NOW_NS, Engine
from tests.charging.cgrates.small import Price, texts_of
from tests.support.virtual_time import running

DEFAULT = "t,DEF,,,*default,*none,0\n"
CHARGERS = f"t,RAW,,,*raw,*constant:*req.RequestType:*none,20\n{DEFAULT}"
PATIENCE_S = 20.0


class Asked(Protocol):
    """Whatever answers methods: a runtime, or a server over a connection."""

    async def call(self, method: str, params: object) -> dict[str, Any]: ...

    async def result(self, method: str, params: object) -> Any: ...

    async def error(self, method: str, params: object) -> str: ...


class Session:
    """One session of account `a`, and what its methods answer."""

    def __init__(self, asked: Asked, tenant: str = "t", **event: Any) -> None:
        base = {"OriginID": "o1", "OriginHost": "h", "ToR": "*voice", "RequestType": "*prepaid"}
        base |= {"Category": "call", "Account": "a", "Destination": "33"}
        self.event: dict[str, Any] = {**base, "AnswerTime": "2025-03-05T10:00:00Z", **event}
        self.tenant = tenant
        self._asked = asked
        self.over = asked  # what its own messages go over

    def named(self, origin_id: str) -> "Session":
        """Another session of the same account."""
        return Session(self._asked, self.tenant, **{**self.event, "OriginID": origin_id})

    async def give(self, kind: str, value: float, name: str = "main", **balance: Any) -> None:
        """Sets a balance."""
        params = {"Tenant": self.tenant, "Account": "a", "BalanceType": kind, "Value": value}
        await self._asked.result("APIerSv2.SetBalance", {**params, "Balance": {"ID": name, **balance}})

    async def account(self) -> dict[str, list[dict[str, Any]]]:
        """The account's balances, by kind."""
        found = await self._asked.result("APIerSv2.GetAccount", {"Tenant": self.tenant, "Account": "a"})
        return found["BalanceMap"] or {}

    async def held(self, kind: str = "*monetary") -> list[float]:
        """Values of the account's balances of a kind, as the API tells them."""
        return [balance["Value"] for balance in (await self.account()).get(kind, [])]

    def params(self, flag: str, options: dict[str, Any] | None = None, **event: Any) -> dict[str, Any]:
        """The parameters of a session method."""
        return {
            flag: True,
            "Tenant": self.tenant,
            "Event": {**self.event, **event},
            "APIOpts": options or {},
        }

    async def authorize(self, **event: Any) -> Any:
        """AuthorizeEvent for its usage."""
        return await self.over.result("SessionSv1.AuthorizeEvent", self.params("GetMaxUsage", **event))

    async def initiate(self, options: dict[str, Any] | None = None, **event: Any) -> int:
        """MaxUsage of InitiateSession."""
        found = await self.over.result(
            "SessionSv1.InitiateSession", self.params("InitSession", options, **event)
        )
        return int(found["MaxUsage"])

    async def update(self, options: dict[str, Any] | None = None, **event: Any) -> int:
        """MaxUsage of UpdateSession."""
        found = await self.over.result(
            "SessionSv1.UpdateSession", self.params("UpdateSession", options, **event)
        )
        return int(found["MaxUsage"])

    async def end(self, **event: Any) -> None:
        """TerminateSession."""
        params = self.params("TerminateSession", **event)
        assert await self.over.result("SessionSv1.TerminateSession", params) == "OK"

    async def process_cdr(self, *flags: str, **event: Any) -> None:
        """CDRsV1.ProcessEvent."""
        params = {**self.params("", **event), "Flags": list(flags)}
        assert await self._asked.result("CDRsV1.ProcessEvent", params) == "OK"

    async def record(self, *, made: bool = False) -> dict[str, Any]:
        """The record of the charged run, made by ProcessCDR where it is not there yet."""
        if not made:
            params = self.params("", Usage="1h")
            assert await self._asked.result("SessionSv1.ProcessCDR", params) == "OK"
        wanted = {"RunIDs": ["*default"]}
        wanted |= {f"{name}s": [self.event[name]] for name in ("OriginID", "OriginHost")}
        (found,) = await self._asked.result("CDRsV1.GetCDRs", wanted)
        record: dict[str, Any] = found
        return record

    async def gone(self) -> None:
        """Waits until the server has ended it by itself."""
        filters = [f"*string:~*req.OriginID:{self.event['OriginID']}"]
        asked = {"Tenant": self.tenant, "Filters": filters}
        async with asyncio.timeout(PATIENCE_S):
            while await self._asked.result("SessionSv1.GetActiveSessionsCount", asked):  # noqa: ASYNC110 - a server
                await asyncio.sleep(0.001)


class Call(Session):
    """A session on virtual time, with a runtime of its own."""

    def __init__(
        self,
        *prices: Price,
        settings: dict[str, Any] | None = None,
        chargers: str = CHARGERS,
        **event: Any,
    ) -> None:
        self.engine = Engine({"sessions": settings or {}}, wall_ns=lambda: NOW_NS + running().now_ns())
        self.engine.load({**dict(texts_of(*prices)), "Chargers.csv": chargers})
        super().__init__(self.engine, **event)
