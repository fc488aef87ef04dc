"""The HTTP agents of `ocs cgrates`: requests of SMS gateways, portals and the like through request processors."""

import asyncio
from typing import Any

import structlog
from aiohttp import web

from ocs.cgrates.agents.calling import ProcessorCalls
from ocs.cgrates.agents.http_payloads import Body, PayloadError
from ocs.cgrates.agents.http_section import HttpPlan
from ocs.cgrates.agents.templates import TemplateError
from ocs.cgrates.journal import JournalError
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.values import Event
from ocs.rpc.caller import Role
from ocs.rpc.http import CALLER

log = structlog.get_logger()

NAME = "http"
BODY_S = 30.0
IN_FLIGHT = 1_000


class HttpAgent:
    """One path over HTTP."""

    def __init__(self, runtime: Runtime, plan: HttpPlan) -> None:
        self._runtime = runtime
        self._plan = plan
        self._calls = ProcessorCalls(runtime, NAME, plan.processors, lambda: None)
        self._in_flight = 0

    def routes(self) -> list[web.RouteDef]:
        """Its path, for whatever method."""
        return [web.route("*", self._plan.url, self.take)]

    async def take(self, request: web.Request) -> web.Response:
        """One request: 200 with the reply once it is durable, 400 for one that cannot be used, 429 for too many."""
        if Role.CHARGE not in request[CALLER].roles:
            raise web.HTTPForbidden(text="not allowed to charge\n")
        if self._in_flight >= IN_FLIGHT:
            raise web.HTTPTooManyRequests(text="too many requests at once\n")
        self._in_flight += 1
        try:
            return await self._answer(request)
        except (PayloadError, TemplateError) as error:
            log.warning(
                "http.request_unusable", agent=self._plan.name, peer=request.remote, reason=str(error)
            )
            return web.Response(status=400, text=f"{error}\n")
        except JournalError as error:
            log.warning("http.request_not_durable", agent=self._plan.name)
            raise web.HTTPServiceUnavailable(text="not durable: ask again\n") from error
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request) -> web.Response:
        fields = await self._fields(request)
        body: Body = self._plan.payload.reply()
        scope = self._calls.scope(fields, {"RemoteHost": request.remote or ""}, {"*rep": body})
        if not await self._calls.run(scope, request.remote or "", lambda *_: False, lambda _: None):
            raise TemplateError("no request processor fits")
        await self._runtime.durable()
        return web.Response(body=body.octets(), content_type=body.content_type, charset="utf-8")

    async def _fields(self, request: web.Request) -> Event:
        try:
            async with asyncio.timeout(BODY_S):
                if self._plan.payload.read is not None:
                    return self._plan.payload.read(await request.read())
                found: dict[str, Any] = dict(request.query)
                for key, value in (await request.post()).items():
                    found.setdefault(key, value if isinstance(value, str) else "")
                return found
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the body did not come\n") from None
