"""`/freeswitch_json`: where mod_json_cdr posts its records with a configuration of CGRateS."""

import asyncio

import structlog
from aiohttp import web

from ocs.agents.freeswitch import mapping
from ocs.agents.freeswitch.free import free_event
from ocs.agents.freeswitch.json_cdr import RecordError, event_of
from ocs.cgrates.agents.events import Defaults, cgr_event, used, with_usage
from ocs.cgrates.runtime import Runtime
from ocs.charging.events import ChargingEvent, EventKind, Unit, UsageReport, UsedUnits
from ocs.rpc.caller import Role
from ocs.rpc.http import CALLER
from ocs.sessions.errors import EXISTS, PARTIALLY_EXECUTED, ServiceError

log = structlog.get_logger()

BODY_S = 30.0
CLIENT = "freeswitch_json"


class HttpRecords:
    """Charges posted records, each once; the answer comes when it is durable."""

    def __init__(self, runtime: Runtime) -> None:
        general = runtime.settings.general
        self._runtime = runtime
        self._defaults = Defaults(runtime.tenant, general.default_category, general.default_request_type)

    def routes(self, path: str) -> list[web.RouteDef]:
        """The path, where there is one."""
        return [web.post(path, self.take)] if path else []

    async def take(self, request: web.Request) -> web.Response:
        """One record: 200 once it is charged, 400 for what is none, 500 to be sent again."""
        if Role.CHARGE not in request[CALLER].roles:
            raise web.HTTPForbidden(text="not allowed to charge\n")
        async with asyncio.timeout(BODY_S):
            body = await request.read()
        try:
            event = event_of(body, request.content_type)
        except RecordError as error:
            return web.Response(status=400, text=f"{error}\n")
        if mapping.is_ignored(event):
            return web.Response(text="OK\n")
        fields = self._runtime.settings.freeswitch_agent.extra_fields
        free = free_event(event, CLIENT, tuple(fields))
        units = UsedUnits(Unit.TIME, mapping.billed_ns(event))
        said = ChargingEvent(
            EventKind.EVENT, CLIENT, event.get("Unique-ID"), "record", "voice",
            reports=(UsageReport(used=(units,)),), free=free,
        )  # fmt: skip
        try:
            self._runtime.cdrs.process(with_usage(cgr_event(said, self._defaults), used(said, 0)))
        except ServiceError as error:
            if str(error) not in (EXISTS, PARTIALLY_EXECUTED):
                log.warning("freeswitch.record_refused", session=said.session_id, reason=str(error))
                return web.Response(status=500, text=f"{error}\n")
        await self._runtime.durable()
        return web.Response(text="OK\n")
