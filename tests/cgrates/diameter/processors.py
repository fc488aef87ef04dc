"""Processors in the shape of the sample configurations, and requests that fit them."""

from typing import Any

from ocs.diameter.codes import PROXIABLE, REQUEST, RETRANSMITTED
from ocs.diameter.message import Message
from tests.cgrates.diameter.world import INITIAL, TO, UPDATE, Client, S
from tests.support.gy import requested, seconds, service, used

PAID = S // 1_000  # a second of a call
IS_CCR = "*string:~*vars.*cmd:CCR"
AGAIN = REQUEST | PROXIABLE | RETRANSMITTED


def field(path: str, value: str, kind: str = "*variable", **keys: Any) -> dict[str, Any]:
    return {"path": path, "type": kind, "value": value, **keys}


WHO = [
    field("*cgreq.ToR", "*voice", "*constant"),
    field("*cgreq.RequestType", "*prepaid", "*constant"),
    field("*cgreq.Category", "call", "*constant"),
    field("*cgreq.OriginID", "~*req.Session-Id", mandatory=True),
    field("*cgreq.OriginHost", "~*vars.RemoteHost"),
    field("*cgreq.Account", "~*req.Subscription-Id.Subscription-Id-Data[~Subscription-Id-Type(0)]"),
    field("*cgreq.Destination", "2001", "*constant"),
    field("*cgreq.AnswerTime", "~*req.Event-Timestamp"),
    field("*cgreq.Usage", "~*req.Requested-Service-Unit.CC-Time;s", "*composed"),
]
CCA: dict[str, Any] = {"type": "*template", "value": "*cca"}
REPLY = [
    CCA,
    field(
        "*rep.Granted-Service-Unit.CC-Time",
        "~*cgrep.MaxUsage{*duration_seconds}",
        filters=["*gte:~*cgrep.MaxUsage:0s"],
    ),
    field("*rep.Result-Code", "4012", "*constant", filters=["*eq:~*cgrep.MaxUsage:0s"]),
    field("*rep.Result-Code", "5030", "*constant", filters=["*notempty:~*cgrep.Error:"], blocker=True),
]
INIT = {
    "id": "init",
    "filters": [IS_CCR],
    "flags": ["*initiate", "*accounts"],
    "request_fields": WHO,
    "reply_fields": REPLY,
}


def processor(*flags: str, fields: list[dict[str, Any]] | None = None, **keys: Any) -> dict[str, Any]:
    return INIT | {"flags": list(flags), "request_fields": WHO if fields is None else fields, **keys}


def wish(client: Client, number: int = 0, kind: int = INITIAL, **keys: Any) -> bytes:
    return client.ccr(kind, number, requested(seconds(300)), **keys)


async def call(client: Client, report: int | None = None, number: int = 0, **keys: Any) -> Message:
    """One request of the example's call: its begin, or what was used."""
    units = [requested(seconds(300))] if report is None else [requested(seconds(300)), used(seconds(report))]
    kind = INITIAL if report is None else UPDATE
    return await client.ask(client.ccr(kind, number, TO, service(100, *units), **keys))
