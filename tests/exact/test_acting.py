"""What thresholds make of exact accounts, and what their actions tell outside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from ocs.cgrates.kinds import Kind
from ocs.charging.account import Account, Balance, Extras, Standing, Watched
from ocs.charging.actions.model import Accounting, Action, ActionSet, Do, Trigger, Watches
from ocs.charging.decision import Change
from ocs.charging.events import Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.config.exchange import ActionSettings
from ocs.config.settings import SessionSettings
from ocs.exact.sessions import ExactRuntime
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from tests.support.charging import NOON_NS, TARIFF
from tests.support.door import Counts
from tests.support.waiting import PATIENCE_S

ALICE = "t:alice"


def tariff(*sets: ActionSet) -> Catalogue:
    accounting = Accounting(sets={one.name: one for one in sets})
    return Catalogue(msgspec.structs.replace(TARIFF.tariff, accounting=accounting))


class Live:
    """A server with the account of alice; what was stored is there for the next."""

    def __init__(self, folder: Path, *sets: ActionSet, **settings: Any) -> None:
        self.store, self.folder = MemoryStore(), folder
        self.catalogue, self.settings = tariff(*sets), ActionSettings(**settings)
        self.begin()

    def begin(self) -> None:
        """A process begins."""
        self.service = ChargingService(
            self.store, self.catalogue, ChargingPolicy(), Counts(), None, lambda: NOON_NS
        )
        told = SessionSettings(default_tenant="t")
        self.runtime = ExactRuntime(self.service, self.store, told, None, self.settings, self.folder)
        self.methods = methods_of(CGRATES, self.runtime)

    async def open(self) -> None:
        new = Account(ALICE, "standard", (Balance("main", Unit.MONEY, 1_000),), version=1)
        await self.service.create(Change(new))

    async def threshold(self, *actions: str, is_async: bool = False) -> None:
        profile = {"Tenant": "t", "ID": "THD", "FilterIDs": [], "MaxHits": -1, "ActionIDs": list(actions)}
        assert await self.methods("APIerSv1.SetThresholdProfile", profile | {"Async": is_async}) == "OK"

    async def hit(self) -> object:
        event = {"Tenant": "t", "ID": "e", "Event": {"Account": "alice"}}
        await self.runtime.exact.prepare("t", event["Event"])  # type: ignore[arg-type]
        return await self.methods("ThresholdSv1.ProcessEvent", event)

    async def stored(self) -> Account:
        found = await self.store.load(ALICE)
        assert found is not None
        return found


BLOCK = ActionSet("BLOCK", (Action(Do.BAR),))
GIFT = ActionSet("GIFT", (Action(Do.TOP_UP, amount=500),))
DEAR = ActionSet("DEAR", (Action(Do.DEBIT, amount=5_000),))


async def test_a_synchronous_threshold_has_changed_the_account_when_its_answer_leaves(tmp_path: Path) -> None:
    live = Live(tmp_path, BLOCK, GIFT)
    await live.open()
    await live.threshold("BLOCK", "GIFT")
    assert await live.hit() == ["THD"]
    account = await live.stored()
    assert (account.standing, account.balances[0].posted) == (Standing.BARRED, 1_500)


async def test_an_asynchronous_one_changes_it_beside_the_step(tmp_path: Path) -> None:
    live = Live(tmp_path, GIFT)
    await live.open()
    await live.threshold("GIFT", is_async=True)
    assert await live.hit() == ["THD"]
    await live.runtime.finish(5)
    assert (await live.stored()).balances[0].posted == 1_500


async def test_what_an_asynchronous_one_wants_is_done_once_by_the_next_process(tmp_path: Path) -> None:
    live = Live(tmp_path, GIFT)
    await live.open()
    await live.threshold("GIFT", is_async=True)
    for _ in range(3):
        assert await live.hit() == ["THD"]
    for task in live.runtime.tasks:
        task.cancel()
    assert [name for name, _, _ in live.store.kept() if name == "wanted"], "it has not been run"
    for _ in range(2):
        live.begin()
        await live.runtime.start()
        await live.runtime.stop()
    assert (await live.stored()).balances[0].posted == 1_000 + 3 * 500
    assert not [name for name, _, _ in live.store.kept() if name == "wanted"]


async def test_a_set_whose_account_is_not_in_memory_is_not_forgotten(tmp_path: Path) -> None:
    live = Live(tmp_path, GIFT)
    await live.open()
    await live.threshold("GIFT")
    live.begin()
    event = {"Tenant": "t", "ID": "e", "Event": {"Account": "alice"}}
    assert await live.methods("ThresholdSv1.ProcessEvent", event) == ["THD"]
    for task in live.runtime.tasks:
        task.cancel()
    live.begin()
    await live.runtime.start()
    await live.runtime.stop()
    assert (await live.stored()).balances[0].posted == 1_500


@pytest.mark.parametrize("actions", ["DEAR", "NOBODY"])
async def test_a_set_that_cannot_be_done_is_told_by_the_synchronous_one_alone(
    actions: str, tmp_path: Path
) -> None:
    live = Live(tmp_path, DEAR)
    await live.open()
    await live.threshold(actions)
    with pytest.raises(RpcError, match="PARTIALLY_EXECUTED"):
        await live.hit()
    await live.threshold(actions, is_async=True)
    assert await live.hit() == ["THD"]
    await live.runtime.finish(5)
    assert (await live.stored()).balances[0].posted == 1_000


RECORDED = ActionSet(
    "RECORDED",
    (
        Action(Do.RECORD, fields=(("Category", "fee"), ("Till", "7"))),
        Action(Do.DEBIT, amount=400),
        Action(Do.TOP_UP, "gift", Unit.TIME, 60 * 10**9, resets=True),
        Action(Do.TOP_UP, "texts", Unit.EVENTS, 5, services=("mms",)),
        Action(Do.RECORD, fields=(("RequestType", "*postpaid"), ("Cost", "1.5"), ("Usage", "2s"))),
    ),
)


async def test_a_set_makes_a_record_of_each_of_its_moves(tmp_path: Path) -> None:
    live = Live(tmp_path, RECORDED)
    await live.open()
    await live.threshold("RECORDED")
    await live.hit()
    live.begin()  # what follows is of the store
    found: Any = await live.methods("CDRsV1.GetCDRs", {})
    shown = [
        tuple(
            one[name] for name in ("RunID", "ToR", "RequestType", "Category", "Cost", "Usage", "ExtraFields")
        )
        for one in found
    ]
    till = {"Till": "7"}
    assert shown == [
        ("*debit", "*monetary", "*none", "fee", 4e-07, 1, {"BalanceID": "main"} | till),
        ("*topup_reset", "*voice", "*none", "fee", 60e9, 1, {"BalanceID": "gift"} | till),
        ("*topup", "*mms", "*none", "fee", 5.0, 1, {"BalanceID": "texts"} | till),
        ("*debit", "*monetary", "*postpaid", "", 1.5, 2 * 10**9, {"BalanceID": "main"}),
        ("*topup_reset", "*voice", "*postpaid", "", 1.5, 2 * 10**9, {"BalanceID": "gift"}),
        ("*topup", "*mms", "*postpaid", "", 1.5, 2 * 10**9, {"BalanceID": "texts"}),
    ]
    assert {(one["Tenant"], one["Account"], one["Subject"], one["Source"]) for one in found} == {
        ("t", "alice", "alice", "*cdrlog")
    }
    assert len({one["CGRID"] for one in found}) == len({one["OrderID"] for one in found}) == 6


async def test_records_of_what_actions_booked_are_not_rated_again(tmp_path: Path) -> None:
    live = Live(tmp_path, RECORDED)
    await live.open()
    await live.threshold("RECORDED")
    await live.hit()
    before = await live.methods("CDRsV1.GetCDRs", {}), await live.stored()
    assert await live.methods("CDRsV1.RateCDRs", {"Accounts": ["alice"]}) == "OK"
    assert (await live.methods("CDRsV1.GetCDRs", {}), await live.stored()) == before


async def test_a_trigger_makes_records_too(tmp_path: Path) -> None:
    live = Live(tmp_path)
    sets = {"TAKE": ActionSet("TAKE", (Action(Do.DEBIT, amount=200),)), "RECORDED": RECORDED}
    low = Trigger("low", Watches.AT_MOST, "RECORDED", amount=900)
    accounting = Accounting(sets=sets, triggers={"safety": (low,)})
    live.catalogue = Catalogue(msgspec.structs.replace(TARIFF.tariff, accounting=accounting))
    live.begin()
    watched = Extras(watched=(Watched("safety", ()),))
    new = Account(ALICE, "standard", (Balance("main", Unit.MONEY, 1_000),), extras=watched, version=1)
    await live.service.create(Change(new))
    await live.threshold("TAKE")
    for _ in range(2):  # the trigger runs once
        await live.hit()
    assert (await live.stored()).balances[0].posted == 1_000 - 2 * 200 - 400
    live.begin()
    found: Any = await live.methods("CDRsV1.GetCDRs", {})
    assert [one["RunID"] for one in found] == ["*debit", "*topup_reset", "*topup"] * 2


async def test_a_change_that_is_lost_leaves_no_record(tmp_path: Path) -> None:
    live = Live(tmp_path, RECORDED)
    await live.open()
    await live.threshold("RECORDED")
    account = await live.stored()
    elsewhere = msgspec.structs.replace(account, version=account.version + 1)
    live.store.commit(Change(elsewhere), lambda error: None)
    with pytest.raises(RpcError):
        await live.hit()
    assert (await live.stored()).balances[0].posted == 1_000
    assert not live.runtime.state.tables[Kind.CDR]
    assert not [kind for kind, _, _ in live.store.kept() if kind == "cdr"]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def hook(answer: Handler) -> AsyncIterator[str]:
    """A server of somebody else's; its URL."""
    application = web.Application()
    application.router.add_post("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


def alarm(url: str, *more: str) -> ActionSet:
    posts = [Action(Do.POST, target=each, text="too much") for each in (url, *more)]
    return ActionSet("ALARM", (Action(Do.BAR), *posts))


async def test_a_post_is_told_again_until_it_is_taken(tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, str]]] = []
    taken = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        told.append((request.headers["Idempotency-Key"], await request.json()))
        if len(told) < 3:
            return web.Response(status=503)
        taken.set()
        return web.Response()

    async with hook(answer) as url:
        live = Live(tmp_path, alarm(url))
        await live.open()
        await live.threshold("ALARM")
        await live.hit()
        async with asyncio.timeout(PATIENCE_S):
            await taken.wait()
        await live.runtime.stop()
    assert len(told) == 3
    assert len({key for key, _ in told}) == 1, "whoever has seen it knows it again"
    members = told[0][1]
    assert (members["Account"], members["Text"], members["Actions"]) == (ALICE, "too much", "ALARM")
    assert members["By"] == "threshold THD"


async def test_a_post_that_was_not_told_before_the_server_died_is_told_by_the_next(tmp_path: Path) -> None:
    taken = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        taken.set()
        return web.Response()

    async with hook(answer) as url:
        live = Live(tmp_path, alarm(url))
        await live.open()
        await live.threshold("ALARM")
        live.runtime.outside._spawn = _never  # the process dies before it can tell anything
        await live.hit()
        assert (await live.stored()).standing is Standing.BARRED
        live.begin()
        await live.runtime.start()
        async with asyncio.timeout(PATIENCE_S):
            await taken.wait()
        await live.runtime.stop()
    assert taken.is_set()


async def test_a_silent_target_holds_up_no_other_and_is_kept_aside_and_told_later(tmp_path: Path) -> None:
    taken = asyncio.Event()
    is_up = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if is_up.is_set() else 500)

    async def answer(request: web.Request) -> web.StreamResponse:
        taken.set()
        return web.Response()

    async with hook(late) as silent, hook(answer) as url:
        live = Live(tmp_path, alarm(silent, url), attempts=2)
        await live.open()
        await live.threshold("ALARM")
        await live.hit()
        async with asyncio.timeout(PATIENCE_S):
            await taken.wait()
            while not (files := list((tmp_path / "failed_actions").glob("*.failed.json"))):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (kept,) = files
        assert live.runtime.outside.counts()[f"post {silent}"] == {"sent": 0, "failed": 1}
        assert b"too much" in kept.read_bytes()
        with pytest.raises(RpcError, match="PARTIALLY_EXECUTED"):
            await live.methods("APIerSv1.ReplayFailedPosts", {})
        is_up.set()
        assert await live.methods("APIerSv1.ReplayFailedPosts", {}) == "OK"
        assert not kept.exists()
        await live.runtime.stop()


async def test_a_mail_reaches_its_server(tmp_path: Path) -> None:
    mails: list[str] = []
    taken = asyncio.Event()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"250 ok\r\n")
            if word == b"QUIT":
                break
        writer.close()
        await writer.wait_closed()
        taken.set()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mail = ActionSet("MAIL", (Action(Do.MAIL, target="ops@example.org", text="too\nmuch"),))
    live = Live(tmp_path, mail, mail_server="127.0.0.1", mail_port=port)
    await live.open()
    await live.threshold("MAIL")
    await live.hit()
    async with asyncio.timeout(PATIENCE_S):
        await taken.wait()
    await live.runtime.stop()
    server.close()
    assert "To: ops@example.org" in mails[0]
    assert "Subject: too much (t:alice)" in mails[0]


def _never(work: Any) -> Any:
    work.close()
    return asyncio.get_running_loop().create_task(asyncio.Event().wait())
