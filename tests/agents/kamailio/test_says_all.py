"""An agent that leaves it to the core what is charged: it hears of every message, and passes on what is said."""

import json
from typing import Any

import msgspec

from ocs.agents.kamailio.book import Clocks
from ocs.agents.kamailio.messages import decode_message
from ocs.agents.kamailio.proxy import ProxyCalls
from ocs.charging.events import ChargingAnswer, EventKind, ProfileResults, Result
from ocs.config.settings import KamailioSettings
from tests.agents.kamailio.world import PARTIES, Answered
from tests.agents.voice.answering import AnsweringDoor, granting

VIRTUAL_TIME = True
TRANSACTION = {"tr_index": "1", "tr_label": "2", "SetupTime": "1763805600", "OriginID": "c1"}
RESULTS = ProfileResults(
    (("Password", "CGRateS.org"), ("cgrTenant", "cgrates.org")),
    "SPECIAL_1002",
    ("route2", "route1"),
    ("THD_1", "THD_2"),
    ("SQ_1",),
)


def asked(door: AnsweringDoor, **fields: str) -> list[dict[str, Any]]:
    """What Kamailio is told of an authorisation."""
    said: list[dict[str, Any]] = []

    def send(payload: bytes) -> bool:
        said.append(json.loads(payload))
        return True

    clocks = Clocks(lambda: 1_763_805_600 * 10**9, lambda: 0)
    proxy = ProxyCalls("kam1", KamailioSettings(), door, Answered(), clocks, says_all=True)
    proxy.send = send
    event = {"event": "CGR_AUTH_REQUEST", **TRANSACTION, **PARTIES, **fields}
    proxy.received(decode_message(json.dumps(event).encode()))
    proxy.stop()
    return said


async def test_a_reply_has_the_results_of_profiles_in_the_incumbents_form() -> None:
    door = AnsweringDoor(lambda _: msgspec.structs.replace(granting(1_200), profiles=RESULTS))
    assert asked(door, reply_route="CGR_SESSIONAUTH_REPLY") == [
        {
            "Event": "CGR_SESSIONAUTH_REPLY",
            "TransactionIndex": "1",
            "TransactionLabel": "2",
            "Attributes": "Password:CGRateS.org,cgrTenant:cgrates.org",
            "ResourceAllocation": "SPECIAL_1002",
            "MaxUsage": 1200,
            "Routes": "route2,route1",
            "Thresholds": "THD_1,THD_2",
            "StatQueues": "SQ_1",
            "Error": "",
        }
    ]


async def test_messages_that_are_not_about_money_and_any_request_type_reach_the_core() -> None:
    door = AnsweringDoor(lambda _: granting(1_200, Result.FREE_OF_CHARGE))
    (reply,) = asked(door, cgr_flags="*routes", RequestType="*rated")
    assert reply["MaxUsage"] == -1
    (event,) = door.heard
    assert event.kind is EventKind.INITIAL
    assert event.free is not None
    assert (event.free.flags, dict(event.free.fields)["RequestType"]) == ("*routes", "*rated")


async def test_a_refusal_is_passed_on_in_the_words_of_the_core() -> None:
    door = AnsweringDoor(lambda _: ChargingAnswer(Result.DENIED, message="ATTRIBUTES_ERROR:NOT_FOUND"))
    (reply,) = asked(door)
    assert (reply["MaxUsage"], reply["Error"]) == (0, "ATTRIBUTES_ERROR:NOT_FOUND")
