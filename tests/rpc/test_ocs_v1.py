"""Every method of `OcsV1` on a charging service with a memory store."""

from typing import Any

import pytest

from ocs.charging.control import ControlResult
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.money import NANOS
from tests.rpc.world import IMSI, KIB_NANOS, MSISDN, World, in_world

INITIAL = {"kind": "INITIAL", "session": "s;1", "service": "data", "subscriber": MSISDN, "rating_group": 10}


async def opened(world: World, session: str = "s;1", requested: str = "1MiB", **more: Any) -> Any:
    """Open a data session."""
    return await world.call("Charge", **(INITIAL | {"session": session, "requested": requested} | more))


@pytest.mark.parametrize(
    "name", ["1001", "default:1001", MSISDN, f"+{MSISDN}", f"00{MSISDN}", IMSI, f"imsi:{IMSI}"]
)
@in_world
async def test_account_is_found_by_key_and_by_identity(world: World, name: str) -> None:
    account = await world.call("AccountShow", account=name)
    assert account["account"] == "default:1001"
    assert account["available_nanos"] == 10 * NANOS
    assert account["identities"] == [f"msisdn:{MSISDN}", f"imsi:{IMSI}"]
    [balance] = account["balances"]
    assert balance["posted"] == {"nanos": 10 * NANOS}
    assert (balance["id"], balance["reserved"]) == ("main", {"nanos": 0})


@pytest.mark.parametrize("name", ["", "nobody", "x" * 1_000, "imsi:", "\x00"])
@in_world
async def test_unknown_account_is_said_to_be_unknown(world: World, name: str) -> None:
    assert (await world.fail("AccountShow", account=name)).startswith("no account")


@in_world
async def test_account_shows_what_sessions_hold(world: World) -> None:
    await opened(world)
    account = await world.call("AccountShow", account="1001")
    held = 1024 * KIB_NANOS
    assert account["available_nanos"] == 10 * NANOS - held
    assert account["open_sessions"] == 1
    hold = {"session": "s;1", "rating_group": 10, "balance": "main", "amount": {"nanos": held}}
    assert account["holds"] == [hold]


@in_world
async def test_accounts_are_listed_page_by_page(world: World) -> None:
    for number in range(2_000, 2_005):
        await world.add(str(number))
    seen: list[str] = []
    page = await world.call("AccountList", limit=2)
    while True:
        seen += [row["account"] for row in page["accounts"]]
        if "next_after" not in page:
            break
        assert len(page["accounts"]) == 2
        page = await world.call("AccountList", limit=2, after=page["next_after"])
    assert seen == [f"default:{key}" for key in (1001, 2000, 2001, 2002, 2003, 2004)]


@in_world
async def test_created_account_has_its_balances_and_identities(world: World) -> None:
    created = await world.call(
        "AccountCreate",
        Account="mvno:alice",
        Plan="standard",
        Identities=["msisdn:+15550100777", "sip:alice@example.org"],
        Balances=[{"Amount": "5.25"}, {"Id": "data", "Unit": "octets", "Amount": "2GB", "Priority": 5}],
        LowBalance="1",
    )
    assert created["available_nanos"] == 5_250_000_000
    assert {balance["id"]: balance["posted"] for balance in created["balances"]} == {
        "data": {"octets": 2_000_000_000},
        "main": {"nanos": 5_250_000_000},
    }
    assert await world.call("AccountShow", account="15550100777") == created
    assert await world.call("AccountShow", account="sip:alice@example.org") == created
    assert (await world.call("AccountVerify", account="mvno:alice"))["ok"] is True


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"account": "1001"}, "there is an account default:1001 already"),
        ({"identities": [MSISDN]}, f"{MSISDN} is an identity of account default:1001"),
        ({"account": "default:1001"}, "there is an account default:1001 already"),
        ({"plan": "gold"}, 'plan: there is no plan "gold", but standard'),
        ({"identities": ["fax:1"]}, 'identities: "fax:1" does not begin with one of msisdn, imsi'),
        ({"balances": [{"amount": "0"}]}, "balances: amount is more than zero"),
        ({"balances": [{"amont": "1"}]}, 'balances[0].amont: is not a parameter; did you mean "amount"?'),
        ({"credit_limit": "-1"}, "credit_limit: and low_balance are not below zero"),
        ({"account": "a\nb"}, "account: is a name of printable characters"),
    ],
)
@in_world
async def test_account_that_cannot_be_created_is_refused(
    world: World, params: dict[str, Any], error: str
) -> None:
    refused = await world.fail("AccountCreate", **({"account": "new", "plan": "standard"} | params))
    assert refused.startswith(error)
    assert len((await world.call("AccountList"))["accounts"]) == 1


@in_world
async def test_of_accounts_created_at_once_under_one_name_one_is_made(world: World) -> None:
    client = await world.connect()
    for number in range(10):
        client.send(
            "AccountCreate", {"account": "bob", "plan": "standard", "balances": [{"amount": number + 1}]}
        )
    answers = [await client.receive() for _ in range(10)]
    [made] = [answer["result"] for answer in answers if answer["error"] is None]
    assert await world.call("AccountShow", account="bob") == made
    assert (await world.call("AccountVerify", account="bob"))["ok"] is True
    await client.close()


@in_world
async def test_topups_add_up_exactly(world: World) -> None:
    client = await world.connect()
    for amount in (b"0.1", b"0.2", b'"0.000000001"', b"1e-9", b"3"):
        client.write(
            b'{"method":"OcsV1.AccountTopup","params":[{"account":"1001","amount":' + amount + b'}],"id":1}'
        )
        assert (await client.receive())["error"] is None
    await client.close()
    account = await world.call("AccountShow", account="1001")
    assert account["available_nanos"] == 13_300_000_002
    assert (await world.call("AccountVerify"))["ok"] is True


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"amount": "0.0000000001"}, 'amount: "0.0000000001" has more than 9 decimals'),
        ({"amount": 1e-10}, "amount: has more than 9 decimals"),
        ({"amount": "1e3"}, 'amount: "1e3" is not a decimal amount'),
        ({"amount": 1e300}, "amount: is larger than any amount of money"),
        ({"amount": 10**20}, "amount: is larger than any amount of money"),
        ({"amount": "0"}, "amount: is more than zero"),
        ({"amount": "-1"}, "amount: is more than zero"),
        ({"amount": True}, "amount: is not an amount"),
        ({"amount": [1]}, "amount: is not an amount"),
        ({}, "amount: give either amount or amount_nanos"),
        ({"amount": 1, "amount_nanos": 1}, "amount: give either amount or amount_nanos"),
        ({"amount_nanos": 1.5}, "amount_nanos: expected int"),
        ({"amount_nanos": 10**28}, "amount_nanos: is larger than any amount of money"),
        ({"amount": 1, "unit": "beans"}, 'unit: "beans" is not money, octets, time or events'),
        ({"amount": 1, "unit": "octets", "balance": "main"}, "balance main holds MONEY, not OCTETS"),
        ({"amount": 1, "account": "nobody"}, "no account nobody"),
        ({"amount": 1, "Account": "1001"}, "Account: is given twice"),
        ({"amount": 1, "ammount": 1}, 'ammount: is not a parameter; did you mean "amount"?'),
        ({"amount": 1, "note": 5}, "note: expected str, got int"),
        ({"amount": 1, "expires": "soon"}, "expires: is not a time such as 2027-01-31T23:59:59Z"),
    ],
)
@in_world
async def test_topup_that_makes_no_sense_changes_nothing(
    world: World, params: dict[str, Any], error: str
) -> None:
    assert (await world.fail("AccountTopup", **({"account": "1001"} | params))).startswith(error)
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 10 * NANOS


@in_world
async def test_repeated_topup_is_booked_once_and_answered_alike(world: World) -> None:
    first = await world.call("AccountTopup", account="1001", amount="5", Id="pay-1", note="card")
    assert first["available_nanos"] == 15 * NANOS
    assert (
        await world.call("AccountTopup", account=MSISDN, amount_nanos=5 * NANOS, reference="pay-1") == first
    )
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 15 * NANOS
    [entry, _] = (await world.call("AccountHistory", account="1001"))["entries"]
    assert (entry["event"], entry["reason"], entry["kind"]) == ("pay-1", "card", "TOPUP")


@in_world
async def test_topups_of_one_reference_at_once_are_booked_once(world: World) -> None:
    client = await world.connect()
    for number in range(50):
        client.send("AccountTopup", {"account": "1001", "amount": "1", "id": "same"}, number)
    answers = [await client.receive() for _ in range(50)]
    assert {str(answer["result"]) for answer in answers} == {str(answers[0]["result"])}
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 11 * NANOS
    await client.close()


@in_world
async def test_reference_of_another_booking_is_refused(world: World) -> None:
    await world.call("AccountTopup", account="1001", amount="5", id="pay-1")
    for method, amount in (("AccountTopup", "6"), ("AccountAdjust", "5")):
        error = await world.fail(method, account="1001", amount=amount, id="pay-1")
        assert error == "reference: pay-1 was used for another booking of this account"
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 15 * NANOS


@in_world
async def test_topup_of_a_bundle_makes_its_balance(world: World) -> None:
    params = {"account": "1001", "balance": "bundle", "unit": "octets", "amount": "1GB", "priority": 9}
    topup = await world.call("AccountTopup", **params, expires="2100-01-01T00:00:00Z", rating_groups=[10])
    assert topup["after"] == {"octets": 10**9}
    balance = (await world.call("AccountShow", account="1001"))["balances"][0]
    assert (balance["id"], balance["rating_groups"]) == ("bundle", [10])
    assert balance["expires_at_ns"] == 4_102_444_800 * NANOS


@in_world
async def test_topup_lets_starved_sessions_ask_again(world: World) -> None:
    await world.add("poor", KIB_NANOS, (Identity(IdentityKind.E164, "15550100002"),))
    answer = await opened(world, "s;2", "1GB", subscriber="15550100002")
    assert answer["grants"][0]["final"] == "TERMINATE"
    await world.call("AccountTopup", account="poor", amount="100")
    asked, address = await world.control.asked.get()
    assert (asked, address.session_id) == ("reauthorize", "s;2")


@in_world
async def test_adjustment_may_take_away(world: World) -> None:
    adjusted = await world.call("AccountAdjust", account="1001", amount="-2.5", note="wrong top-up", by="ann")
    assert (adjusted["act"], adjusted["amount"]) == ("adjustment", {"nanos": -2_500_000_000})
    assert adjusted["after"] == {"nanos": 7_500_000_000}
    entry = (await world.call("AccountHistory", account="1001"))["entries"][0]
    assert (entry["kind"], entry["by"], entry["reason"]) == ("ADJUSTMENT", "ann", "wrong top-up")
    assert "has no balance gold" in await world.fail(
        "AccountAdjust", account="1001", amount=1, balance="gold"
    )
    assert await world.fail("AccountAdjust", account="1001", amount=0) == "amount: is not zero"


@in_world
async def test_barred_account_gets_nothing_until_it_is_unbarred(world: World) -> None:
    await opened(world)
    assert (await world.call("AccountBar", account=MSISDN))["standing"] == "BARRED"
    cause, address = await world.control.asked.get()
    assert (cause, address.session_id) == ("account barred", "s;1")
    assert (await opened(world, "s;2"))["result"] == "DENIED"
    assert (await world.call("AccountUnbar", account="1001"))["standing"] == "ACTIVE"
    assert (await opened(world, "s;3"))["result"] == "SUCCESS"


@in_world
async def test_history_is_paged_from_the_newest(world: World) -> None:
    for number in range(5):
        await world.call("AccountTopup", account="1001", amount=1, id=f"t{number}")
    page = await world.call("AccountHistory", account="1001", limit=4)
    assert [entry["event"] for entry in page["entries"]] == ["t4", "t3", "t2", "t1"]
    rest = await world.call("AccountHistory", account="1001", limit=4, after=page["next_after"])
    assert [entry["event"] for entry in rest["entries"]] == ["t0", "seed"]
    assert "next_after" not in rest
    everybody = await world.call("AccountHistory", limit=1)
    assert [(entry["account"], entry["event"]) for entry in everybody["entries"]] == [("default:1001", "t4")]
    assert (await world.fail("AccountHistory", account="1001", after="x")).startswith("after: is not")
    assert (await world.fail("AccountHistory", account="1001", limit=0)).startswith(
        "limit: expected int >= 1"
    )


@in_world
async def test_verify_finds_books_that_are_wrong(world: World) -> None:
    assert await world.call("AccountVerify") == {"ok": True, "accounts": 1, "differences": []}
    store: Any = world.service.store
    del store._postings[:]
    verdict = await world.call("AccountVerify", account="1001")
    assert verdict["ok"] is False
    assert verdict["differences"][0]["account"] == "default:1001"
    assert "entries sum to 0" in verdict["differences"][0]["problem"]


@in_world
async def test_charge_takes_a_session_from_its_beginning_to_its_end(world: World) -> None:
    answer = await opened(world, requested="1MiB", apn="internet", Called="+4930123")
    assert answer["result"] == "SUCCESS"
    [grant] = answer["grants"]
    assert (grant["rating_group"], grant["granted"]) == (10, {"octets": 1 << 20})
    update = {"kind": "UPDATE", "session": "s;1", "event": 1, "service": "data", "rating_group": 10}
    answer = await world.call("Charge", **update, used="512KiB", requested="1MiB")
    assert answer["cost_nanos"] == 512 * KIB_NANOS
    assert answer["remaining_nanos"] == 10 * NANOS - (512 + 1024) * KIB_NANOS
    assert await world.call("Charge", **update, used="512KiB", requested="1MiB") == answer
    detail = await world.call("SessionShow", session="s;1")
    assert (detail["client"], detail["apn"], detail["called"]) == ("jsonrpc", "internet", "4930123")
    [quota] = detail["quotas"]
    assert (quota["used"], quota["granted"]) == ({"octets": 512 << 10}, {"octets": 1 << 20})
    last = await world.call(
        "Charge", Kind="termination", SessionID="s;1", Service="data", RatingGroup=10, Used=0
    )
    assert last["cost_nanos"] == 512 * KIB_NANOS
    assert await world.fail("SessionShow", session="s;1") == "no open session s;1"
    account = await world.call("AccountShow", account="1001")
    assert account["available_nanos"] == 10 * NANOS - 512 * KIB_NANOS
    [cdr] = (await world.call("CdrList", session="s;1"))["cdrs"]
    assert (cdr["account"], cdr["cost_nanos"], cdr["cause"]) == (
        "default:1001",
        512 * KIB_NANOS,
        "terminated",
    )
    assert cdr["usage"][0]["used"] == {"octets": 512 << 10}
    assert (await world.call("AccountVerify"))["ok"] is True


@in_world
async def test_charge_takes_several_rating_groups(world: World) -> None:
    reports = [{"rating_group": 10, "requested": "1KiB"}, {"rating_group": 20, "requested": "2KiB"}]
    answer = await world.call(
        "Charge", kind="INITIAL", session="s", service="data", account="1001", reports=reports
    )
    granted = [(grant["rating_group"], grant["granted"]) for grant in answer["grants"]]
    assert granted == [(10, {"octets": 1024}), (20, {"octets": 2048})]
    nested = [{"ratingGroup": 10, "used": "x"}]
    error = await world.fail("Charge", kind="UPDATE", session="s", event=1, service="data", reports=nested)
    assert error == "reports[0].used: is not a whole number"


@in_world
async def test_charge_takes_time_and_messages(world: World) -> None:
    call = {"session": "call", "service": "voice", "subscriber": MSISDN}
    answer = await world.call("Charge", kind="INITIAL", **call, requested="1m")
    assert answer["grants"][0]["granted"] == {"ns": 60 * NANOS}
    answer = await world.call("Charge", kind="TERMINATION", **call, used="90s")
    assert answer["cost_nanos"] == 150_000_000
    message = {"session": "m", "event": "1", "service": "sms", "subscriber": MSISDN, "requested": 2}
    answer = await world.call("Charge", kind="EVENT", **message)
    assert (answer["result"], answer["cost_nanos"]) == ("SUCCESS", 100_000_000)
    assert await world.call("Charge", kind="EVENT", **message) == answer
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 10 * NANOS - 250_000_000
    price = await world.call("Charge", kind="EVENT", action="price", **(message | {"event": "2"}))
    assert price["cost_nanos"] == 100_000_000
    check = await world.call(
        "Charge", kind="EVENT", action="check", **(message | {"event": "3", "requested": 999})
    )
    assert check["has_credit"] is False
    refund = message | {"event": "4", "action": "refund", "refund_token": answer["refund_token"]}
    assert (await world.call("Charge", kind="EVENT", **refund))["result"] == "SUCCESS"
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 10 * NANOS - 150_000_000


@in_world
async def test_charge_that_is_refused_says_why(world: World) -> None:
    unknown = await opened(world, subscriber="15550199999")
    assert (unknown["result"], unknown["message"]) == ("UNKNOWN_SUBSCRIBER", "unknown subscriber")
    gone = await world.call("Charge", kind="UPDATE", session="gone", event=1, service="data")
    assert gone["result"] == "UNKNOWN_SESSION"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"kind": "BEGIN"}, 'kind: "BEGIN" is not INITIAL, UPDATE, TERMINATION, EVENT'),
        ({"service": "fax"}, 'service: "fax" is not data, voice, sms, mms, generic'),
        ({"session": ""}, "session: is empty"),
        ({"kind": "UPDATE"}, "event: is missing"),
        ({"kind": "EVENT"}, "event: is missing"),
        ({"action": "refund"}, "action: is for kind EVENT only"),
        (
            {"kind": "EVENT", "event": 1, "action": "steal"},
            'action: "steal" is not debit, refund, check, price',
        ),
        ({"subscriber": None}, "subscriber: is missing"),
        ({"requested": "many"}, "requested: is not a whole number"),
        ({"requested": "-5"}, "requested: is below zero"),
        ({"requested": 1.5}, "requested: is not a whole number"),
        ({"used": "1" * 30}, "used: is not a whole number"),
        ({"reports": [{}]}, "reports: are given, and members of a report beside them"),
        ({"occurred": "yesterday"}, "occurred: is not a time"),
        ({"extra": {"a": 1}}, "extra[...]: expected str, got int"),
        ({"extra": {str(number): "" for number in range(33)}}, "extra: has more than 32 members"),
        ({"rating_group": "10"}, "rating_group: expected int | null, got str"),
    ],
)
@in_world
async def test_charge_names_the_member_at_fault(world: World, params: dict[str, Any], error: str) -> None:
    assert (await world.fail("Charge", **(INITIAL | params))).startswith(error)


@in_world
async def test_sessions_are_listed_searched_and_paged(world: World) -> None:
    await world.add("2002", identities=(Identity(IdentityKind.E164, "15550100002"),))
    for number in range(5):
        await opened(world, f"a;{number}", "1KiB", apn="internet")
        await opened(world, f"b;{number}", "1KiB", apn="ims", subscriber="15550100002")
    page = await world.call("SessionList", limit=3)
    seen = [row["session"] for row in page["sessions"]]
    while "next_after" in page:
        page = await world.call("SessionList", limit=3, after=page["next_after"])
        seen += [row["session"] for row in page["sessions"]]
    assert seen == [f"{letter};{number}" for letter in "ab" for number in range(5)]
    assert page["total"] == 10
    found = await world.call("SessionList", search="IMS")
    assert {row["account"] for row in found["sessions"]} == {"default:2002"}
    found = await world.call("SessionList", search="a;3")
    assert [row["session"] for row in found["sessions"]] == ["a;3"]
    found = await world.call("SessionList", account="15550100002", limit=2)
    assert [row["session"] for row in found["sessions"]] == ["b;0", "b;1"]
    found = await world.call("SessionList", account="2002", after=found["next_after"])
    assert [row["session"] for row in found["sessions"]] == ["b;2", "b;3", "b;4"]
    assert (await world.call("SessionList", search="nothing like it"))["sessions"] == []


@in_world
async def test_session_of_any_client_is_found_by_its_id(world: World) -> None:
    await opened(world, "smf.example.org;7", client="smf.example.org")
    await opened(world, "odd", client="somebody")
    for name, client in (
        ("smf.example.org;7", "smf.example.org"),
        ("odd", "somebody"),
        ("somebody|odd", "somebody"),
    ):
        assert (await world.call("SessionShow", session=name))["client"] == client
    assert (await world.call("SessionShow", session="odd", client="somebody"))["account"] == "default:1001"
    assert await world.fail("SessionShow", session="odd", client="nobody") == "no open session odd"


@in_world
async def test_disconnect_asks_the_client_and_with_force_closes_here(world: World) -> None:
    await opened(world)
    asked = await world.call("SessionDisconnect", session="s;1", cause="fraud")
    assert (asked["answer"], asked["closed"]) == ("ACCEPTED", False)
    assert (await world.control.asked.get())[0] == "fraud"
    world.control.result = ControlResult.UNSUPPORTED
    asked = await world.call("SessionDisconnect", session="s;1")
    assert (asked["answer"], asked["closed"]) == ("UNSUPPORTED", False)
    asked = await world.call("SessionDisconnect", session="s;1", force=True)
    assert (asked["answer"], asked["closed"]) == ("UNSUPPORTED", True)
    account = await world.call("AccountShow", account="1001")
    assert (account["open_sessions"], account["available_nanos"]) == (0, 10 * NANOS)
    [cdr] = (await world.call("CdrList", account="1001"))["cdrs"]
    assert cdr["cause"] == "operator"


@in_world
async def test_reauthorize_asks_the_client(world: World) -> None:
    await opened(world)
    asked = await world.call("SessionReauthorize", session="s;1", rating_group=10)
    assert asked["answer"] == "ACCEPTED"
    _, address = await world.control.asked.get()
    assert (address.session_id, address.rating_group) == ("s;1", 10)
    assert await world.fail("SessionReauthorize", session="s;2") == "no open session s;2"
    world.control.result = ControlResult.UNKNOWN_SESSION  # the client has no such session: it is closed
    assert (await world.call("SessionReauthorize", session="s;1"))["closed"] is True
    assert await world.fail("SessionReauthorize", session="s;1") == "no open session s;1"


@in_world
async def test_cdrs_are_paged(world: World) -> None:
    for number in range(5):
        await world.call(
            "Charge",
            kind="EVENT",
            session=f"m{number}",
            event=1,
            service="sms",
            subscriber=MSISDN,
            requested=1,
        )
    page = await world.call("CdrList", limit=3)
    assert [row["session"] for row in page["cdrs"]] == ["m4", "m3", "m2"]
    page = await world.call("CdrList", account=MSISDN, limit=3, after=page["next_after"])
    assert [row["session"] for row in page["cdrs"]] == ["m1", "m0"]
    assert [row["session"] for row in (await world.call("CdrList", session="m2"))["cdrs"]] == ["m2"]


@in_world
async def test_peers_are_listed_with_those_who_knocked(world: World) -> None:
    peers = await world.call("PeerList")
    assert peers["peers"][0]["origin_host"] == "smf.example.org"
    assert peers["refused"][0]["remedy"].startswith("- {origin_host:")


@in_world
async def test_status_tells_how_the_server_is_doing(world: World) -> None:
    await opened(world)
    status = await world.call("Status")
    assert (status["open_sessions"], status["origin_host"]) == (1, "ocs.example.org")
    assert (status["peers"], status["refused_peers"], status["currency"]) == (1, 1, "EUR")
    assert await world.call("Ping") == "Pong"


@in_world
async def test_every_method_is_described(world: World) -> None:
    client = await world.connect()
    client.write(b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}')
    document = (await client.receive())["result"]
    await client.close()
    names = {method["name"].removeprefix("OcsV1."): method for method in document["methods"]}
    assert names.keys() >= {
        *("AccountShow", "AccountList", "AccountCreate", "AccountTopup", "AccountAdjust", "AccountBar"),
        *("AccountUnbar", "AccountHistory", "AccountVerify", "SessionList", "SessionShow"),
        *("SessionDisconnect", "SessionReauthorize", "CdrList", "PeerList", "Status", "Charge", "Ping"),
    }
    assert all(method["summary"] for method in document["methods"])
    reference = names["AccountTopup"]["params"][0]["schema"]["$ref"].rpartition("/")[2]
    assert "reference" in document["components"]["schemas"][reference]["properties"]
