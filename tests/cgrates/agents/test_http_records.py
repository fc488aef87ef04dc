"""Records that a switch posts: charged once, whoever charged the call before."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from ocs.cgrates.agents.http_records import HttpRecords
from ocs.rpc.caller import Caller, Role
from ocs.rpc.http import CALLER
from tests.agents.freeswitch.scripted import Plan
from tests.agents.freeswitch.test_json_cdr import RECORD
from tests.cgrates.agents.world import CALL_NANOS, SwitchWorld, switched


class Posted(dict[Any, Any]):
    """A request as the handler reads it."""

    def __init__(self, body: bytes, caller: Caller) -> None:
        super().__init__({CALLER: caller})
        self.body = body
        self.content_type = "application/json"

    async def read(self) -> bytes:
        return self.body


async def post(made: SwitchWorld, body: bytes) -> int:
    records = HttpRecords(made.runtime)
    response = await records.take(Posted(body, Caller("127.0.0.1:1")))  # type: ignore[arg-type]
    return response.status


def record(**variables: str) -> bytes:
    return json.dumps(RECORD | {"variables": RECORD["variables"] | variables}).encode()


async def test_a_record_is_charged_once() -> None:
    async with switched() as (made, _):
        for _ in range(3):
            assert await post(made, record()) == 200
        (cdr,) = made.cdrs()
        assert (cdr.usage, cdr.cost_nanos) == (11_250_000_000, 12 * CALL_NANOS)
        assert made.left() == 988 * CALL_NANOS


async def test_the_record_of_a_call_that_the_agent_has_charged_costs_nothing() -> None:
    async with switched() as (made, switch):
        switch.call(Plan(variables={"cgr_reqtype": "*prepaid"}, talk_s=10.0))
        await asyncio.sleep(30)
        assert made.left() == 990 * CALL_NANOS
        assert await post(made, record(uuid="call-1", billusec="10000000")) == 200
        assert made.left() == 990 * CALL_NANOS
        assert len(made.cdrs()) == 1


async def test_what_is_no_record_and_what_is_not_charged() -> None:
    async with switched() as (made, _):
        assert await post(made, b"{}") == 400
        assert await post(made, record(process_cdr="false")) == 200
        assert made.cdrs() == []


async def test_only_who_may_charge_may_post() -> None:
    async with switched() as (made, _):
        reader = Posted(record(), Caller("10.0.0.9:1", "reader", frozenset({Role.READ})))
        with pytest.raises(web.HTTPForbidden):
            await HttpRecords(made.runtime).take(reader)  # type: ignore[arg-type]
        assert made.cdrs() == []


async def test_a_path_may_be_switched_off() -> None:
    async with switched() as (made, _):
        records = HttpRecords(made.runtime)
        assert [route.path for route in records.routes("/freeswitch_json")] == ["/freeswitch_json"]
        assert records.routes("") == []
