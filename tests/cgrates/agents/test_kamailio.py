"""Kamailio under the incumbent's configuration: its messages both ways, its figures, its records."""

import asyncio
import json
from typing import Any

from ocs.agents.kamailio.messages import decode_message
from ocs.agents.kamailio.proxy import ProxyCalls
from tests.cgrates.agents.world import CALL_NANOS, KAMAILIO, SwitchWorld

PARTIES = {"RequestType": "*prepaid", "Tenant": "cgrates.org", "Account": "1001", "Destination": "1002"}
ACCOUNTS = {"cgr_flags": "*accounts;*attributes"}


class ProxyWorld(SwitchWorld):
    """A server and one proxy, which is told what is in `said`."""

    def __init__(self, **section: Any) -> None:
        super().__init__({"kamailio_agent": KAMAILIO | section})
        self.open_account("1001", 1_000 * CALL_NANOS)
        self.transactions = 0
        self.connect()

    def connect(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.proxy.send = self._send

    def _send(self, payload: bytes) -> bool:
        self.said.append(json.loads(payload))
        return True

    @property
    def proxy(self) -> ProxyCalls:
        return self.agents.kamailio.proxies["kam1"]

    async def reborn(self) -> None:
        """The process is killed; the next one asks for the dialogs."""
        self.proxy.stop()
        self.begin(self.runtime.state)
        await self.runtime.start()
        await self.agents.take_over()
        self.connect()
        assert await self.proxy.adopt()
        self.proxy.connected()

    async def tell(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The proxy says something; what it is told."""
        self.said.clear()
        self.proxy.received(decode_message(json.dumps({"event": event, **fields}).encode()))
        await asyncio.sleep(0)
        return list(self.said)

    async def authorise(self, origin_id: str = "c1", **fields: object) -> dict[str, Any]:
        self.transactions += 1
        ids = {"tr_index": str(self.transactions), "tr_label": "77", "SetupTime": self.clock()}
        (reply,) = await self.tell(
            "CGR_AUTH_REQUEST", **ids, OriginID=origin_id, **(PARTIES | ACCOUNTS | fields)
        )
        return reply

    async def start(self, origin_id: str = "c1", **fields: object) -> list[dict[str, Any]]:
        said = {"h_entry": "7", "h_id": "12", "OriginID": origin_id, "AnswerTime": self.clock()}
        return await self.tell("CGR_CALL_START", **(PARTIES | ACCOUNTS | said | fields))

    async def end(self, usage: int, origin_id: str = "c1", **fields: object) -> None:
        said = {"h_entry": "7", "h_id": "12", "OriginID": origin_id, "Usage": str(usage)}
        assert await self.tell("CGR_CALL_END", **(PARTIES | ACCOUNTS | said | fields)) == []

    def clock(self) -> str:
        return str(self.wall_ns() // 10**9)


async def test_a_call_is_authorised_debited_and_recorded() -> None:
    made = ProxyWorld()
    reply = await made.authorise(reply_route="CGR_SESSIONAUTH_REPLY")
    assert reply["Event"] == "CGR_SESSIONAUTH_REPLY"
    assert (reply["MaxUsage"], reply["Error"]) == (1_000, "")
    assert made.left() == 1_000 * CALL_NANOS, "nothing is debited before the answer"
    assert await made.start() == []
    assert made.left() == 988 * CALL_NANOS, "ten seconds and two more for the answer to the next question"
    await asyncio.sleep(45)
    assert made.left() < 960 * CALL_NANOS
    await made.end(45, Trunk="north")
    assert made.left() == 955 * CALL_NANOS
    (cdr,) = made.cdrs()
    assert (cdr.usage, cdr.cost_nanos, cdr.origin_host) == (45_000_000_000, 45 * CALL_NANOS, "kam1")
    assert (cdr.source, cdr.extra_fields["h_id"]) == ("KamailioAgent", "12")


async def test_an_end_said_three_times_and_after_a_restart_is_charged_once() -> None:
    made = ProxyWorld()
    await made.authorise()
    await made.start()
    await asyncio.sleep(20)
    for _ in range(3):
        await made.end(20)
    assert made.left() == 980 * CALL_NANOS
    await made.reborn()
    await made.end(20, AnswerTime=made.clock())
    assert made.left() == 980 * CALL_NANOS
    assert len(made.cdrs()) == 1


async def test_refusals_have_the_incumbents_words() -> None:
    made = ProxyWorld()
    assert (await made.authorise(Account="4711"))["Error"] == "RALS_ERROR:ACCOUNT_NOT_FOUND"
    assert (await made.authorise("c2", Destination="+999", Account="1001"))["MaxUsage"] == 1_000
    assert (await made.authorise("c3", Destination="9"))["Error"].startswith("RALS_ERROR:")
    made.open_account("1002", 0)
    assert await made.authorise("c4", Account="1002") | {"TransactionIndex": ""} == {
        "Event": "CGR_AUTH_REPLY",
        "TransactionIndex": "",
        "TransactionLabel": "77",
        **dict.fromkeys(("Attributes", "ResourceAllocation", "Routes", "Thresholds", "StatQueues"), ""),
        "MaxUsage": 0,
        "Error": "",
    }


async def test_two_ringing_calls_are_not_promised_the_same_credit() -> None:
    made = ProxyWorld()
    made.open_account("1001", 50 * CALL_NANOS)
    assert (await made.authorise("c1"))["MaxUsage"] == 50
    assert (await made.authorise("c2"))["MaxUsage"] == 0


async def test_a_call_is_cut_at_zero() -> None:
    made = ProxyWorld()
    made.open_account("1001", 25 * CALL_NANOS)
    await made.authorise()
    await made.start()
    made.said.clear()
    await asyncio.sleep(24.9)
    assert made.said == []
    await asyncio.sleep(0.3)
    assert made.said[0] == {
        "Event": "CGR_SESSION_DISCONNECT",
        "HashEntry": "7",
        "HashId": "12",
        "Reason": "INSUFFICIENT_CREDIT",
    }
    await made.end(25)
    assert made.left() == 0


async def test_a_call_not_answered_gives_its_promise_back_and_has_a_record() -> None:
    made = ProxyWorld()
    await made.authorise()
    await made.tell("CGR_PROCESS_CDR", OriginID="c1", Usage="0", **PARTIES)
    assert made.left() == 1_000 * CALL_NANOS
    (cdr,) = made.cdrs()
    assert (cdr.usage, cdr.cost_nanos) == (0, 0)


async def test_a_record_is_made_where_the_script_asks_for_it() -> None:
    made = ProxyWorld(create_cdr=False)
    await made.authorise()
    await made.start()
    await asyncio.sleep(10)
    await made.end(10)
    assert made.cdrs() == []
    await made.tell("CGR_PROCESS_CDR", OriginID="c1", Usage="10", **PARTIES)
    (cdr,) = made.cdrs()
    assert (cdr.usage, cdr.cost_nanos) == (10_000_000_000, 10 * CALL_NANOS)
    assert made.left() == 990 * CALL_NANOS
    await made.authorise("c2")
    await made.start("c2")
    await made.end(1, "c2", cgr_flags="*accounts;*cdrs")
    assert len(made.cdrs()) == 2


async def test_a_record_that_is_asked_for_late_is_that_of_the_session_and_charges_nothing() -> None:
    made = ProxyWorld(create_cdr=False)
    await made.authorise()
    await made.start()
    await asyncio.sleep(10)
    await made.end(10)
    for session in list(made.runtime.state.closed.values()):
        made.runtime.state.forget_closed(session.cgrid)
    for _ in range(2):
        await made.tell("CGR_PROCESS_CDR", OriginID="c1", Usage="10", **PARTIES)
    (cdr,) = made.cdrs()
    assert (cdr.usage, cdr.cost_nanos) == (10_000_000_000, 10 * CALL_NANOS)
    assert made.left() == 990 * CALL_NANOS


async def test_a_session_of_somebody_else_is_left_alone() -> None:
    made = ProxyWorld()
    own = {"OriginID": "c1", "OriginHost": "kam1", "Usage": "60s", "SetupTime": made.clock(), "ToR": "*voice"}
    event = {"Tenant": "cgrates.org", "Event": PARTIES | own | {"Category": "call"}, "InitSession": True}
    assert await made.engine.result("SessionSv1.InitiateSession", event) == {"MaxUsage": 60_000_000_000}
    await made.authorise()
    made.said.clear()
    await made.start()
    await asyncio.sleep(0.5)
    assert [said["Reason"] for said in made.said if "Reason" in said] == ["EXISTS"]
    assert len(made.runtime.state.sessions) == 1


async def test_a_call_without_accounts_costs_nothing_where_no_record_is_wanted() -> None:
    made = ProxyWorld(create_cdr=False)
    flags = {"cgr_flags": "*attributes"}
    assert (await made.authorise(**flags))["MaxUsage"] == -1
    await made.start(**flags)
    await asyncio.sleep(10)
    await made.end(10, **flags)
    assert (made.left(), made.cdrs()) == (1_000 * CALL_NANOS, [])


async def test_a_restarted_server_finds_its_calls_and_promises() -> None:
    made = ProxyWorld()
    await made.authorise()
    await made.start()
    await made.authorise("c2")
    await asyncio.sleep(15)
    await made.reborn()
    assert made.said == [{"Event": "CGR_DLG_LIST"}]
    running = {"h_entry": 7, "h_id": 12, "call-id": "c1", "from_tag": "t"}
    await made.tell("CGR_DLG_LIST_REPLY", jsonrpl_body={"jsonrpc": "2.0", "id": 1, "result": [running]})
    await asyncio.sleep(20)
    made.proxy.ask_for_dialogs()
    await made.tell("CGR_DLG_LIST_REPLY", jsonrpl_body={"jsonrpc": "2.0", "id": 1, "result": [running]})
    assert made.promises() == 0, "its dialog is gone"
    await asyncio.sleep(10)
    await made.end(45)
    assert made.left() == 955 * CALL_NANOS
    assert made.runtime.state.sessions == {}


async def test_a_message_is_paid_for() -> None:
    made = ProxyWorld()
    ids = {"tr_index": "1", "tr_label": "2", "SetupTime": made.clock(), "Usage": "1", "ToR": "*sms"}
    (reply,) = await made.tell("CGR_PROCESS_MESSAGE", OriginID="m1", **ids, **PARTIES, **ACCOUNTS)
    assert (reply["Event"], reply["MaxUsage"], reply["Error"]) == ("CGR_PROCESS_MESSAGE", 1, "")
    assert made.left() < 1_000 * CALL_NANOS
    assert len(made.cdrs()) == 1


async def test_a_start_lost_with_the_server_is_learnt_from_the_list() -> None:
    made = ProxyWorld()
    await made.authorise()
    await made.reborn()
    answered = int(made.clock())
    await asyncio.sleep(4)
    dialog = {"h_entry": 7, "h_id": 12, "call-id": "c1", "from_tag": "t", "state": 4, "start_ts": answered}
    await made.tell("CGR_DLG_LIST_REPLY", jsonrpl_body={"jsonrpc": "2.0", "id": 1, "result": [dialog]})
    assert made.promises() == 0
    await asyncio.sleep(11)
    await made.end(15)
    (cdr,) = made.cdrs()
    assert (cdr.usage, cdr.answer[0] // 10**9) == (15_000_000_000, answered)
    assert made.left() == 985 * CALL_NANOS
