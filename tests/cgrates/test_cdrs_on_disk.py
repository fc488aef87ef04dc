"""Call detail records on disk: the answers are those of memory; one transaction with the money they are about."""

import asyncio
import json
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ocs.cgrates import cdr_migration, cdr_rows
from ocs.cgrates.cdr_book import MemoryCdrs, portions
from ocs.cgrates.cdr_filter import CdrFilter, Span
from ocs.cgrates.cdr_table import TableError
from ocs.cgrates.journal import JournalError, SqliteJournal
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State, encode_record
from ocs.charging.cgrates.account import Account, Balance
from ocs.sessions.model import Cdr, Run, Session, SessionCost
from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import TARIFF

VECTORS = Path(__file__).parent.parent / "vectors" / "cgrates_journal"
ODD = ("", "a", "é", "a\x00b", "x'; drop table cdr", "\U0001f600")
FAR = (0, -5, 7, 1_790_000_000 * 10**9, 253_402_000_000 * 10**9, -(10**22))


def random_cdr(chance: random.Random, order_id: int) -> Cdr:
    """A record of odd texts and far numbers."""
    names: tuple[str, ...] = ("origin_host", "source", "origin_id", "tor", "request_type")
    names += ("tenant", "category", "account", "subject")
    return Cdr(
        f"c{order_id // 2}",
        f"r{order_id % 2}",
        order_id,
        **{name: chance.choice(ODD) for name in names},
        destination=chance.choice(("4912", "49", "431", "")),
        setup=(chance.choice(FAR), 3600),
        answer=(chance.choice(FAR), -1),
        usage=chance.choice((0, 60, 10**20, -(10**20))),
        extra_fields={chance.choice("ab"): chance.choice(("", "1", 'é"'))} if chance.random() < 0.6 else {},
        extra_info="why",
        is_partial=chance.random() < 0.5,
        is_pre_rated=chance.random() < 0.5,
        cost_source="*cdrs",
        cost_nanos=chance.choice((-(10**9), 0, 170_000, 10**21)),
        cost_details={"charges": [{"n": 10**30}]} if chance.random() < 0.5 else None,
        created_ns=order_id * 10,
        updated_ns=order_id * 11,
    )


def random_filter(chance: random.Random) -> CdrFilter:
    """A filter of some members."""

    def maybe(value: Any, otherwise: Any, likely: float = 0.25) -> Any:
        return value if chance.random() < likely else otherwise

    def texts() -> dict[str, frozenset[str]]:
        named = {name: frozenset(chance.sample(ODD, 3)) for name in ("Account", "Tenant", "ToR", "OriginID")}
        named |= {
            "CGRID": frozenset(f"c{chance.randint(0, 20)}" for _ in range(9)),
            "RunID": frozenset(["r0"]),
        }
        return {name: value for name, value in named.items() if chance.random() < 0.15}

    def span(*bounds: int) -> Span:
        first, second = sorted(chance.sample(bounds, 2))
        return Span(maybe(first, None, 0.5), maybe(second, None, 0.5))

    nobody = Span()
    return CdrFilter(
        wanted=texts(),
        unwanted=maybe(texts(), {}),
        prefixes=maybe(("49", "x"), ()),
        not_prefixes=maybe(("491",), ()),
        costs=maybe(frozenset((0, 10**21)), frozenset(), 0.1),
        not_costs=maybe(frozenset((0,)), frozenset(), 0.1),
        min_cost_nanos=maybe(0, None),
        max_cost_nanos=maybe(170_000, None, 0.1),
        extra=maybe({"a": chance.choice(("", "1", 'é"'))}, {}),
        not_extra=maybe({"b": "*exists"}, {}),
        order_ids=maybe(span(0, 5, 20, 33, 60), nobody),
        setup=maybe(span(*FAR), nobody),
        answer=maybe(span(*FAR), nobody),
        created=maybe(span(0, 100, 300, 400), nobody),
        updated=maybe(span(0, 100, 300, 400), nobody),
        usage=maybe(span(0, 60, 61), nobody),
        order=chance.choice(("", "orderid", "answertime", "setuptime", "usage", "cost")),
        is_descending=chance.random() < 0.5,
        offset=maybe(chance.randint(0, 9), 0),
        limit=maybe(chance.randint(1, 9), None),
    )


def in_memory(cdrs: list[Cdr]) -> MemoryCdrs:
    """The same records without a disk."""
    table: dict[str, Cdr] = {}
    found = MemoryCdrs(table, table.__setitem__, table.pop)
    for cdr in cdrs:
        found.put(cdr)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_disk_finds_what_memory_would(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.cgrates.cdr_book.PORTION", 4)
    monkeypatch.setattr("ocs.cgrates.cdr_table.AT_ONCE", 3)
    chance = random.Random(seed)
    cdrs = [random_cdr(chance, number) for number in range(1, 41)]

    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        for cdr in cdrs:
            state.put_cdr(cdr)
        memory = in_memory(cdrs)
        for number in range(60):
            wanted = random_filter(chance)
            expected = await memory.select(wanted)
            assert await state.cdrs.select(wanted) == expected
            assert await state.cdrs.count(wanted) == len(expected)
            pieces = [cdr async for piece in portions(state.cdrs, wanted) for cdr in piece]
            assert sorted(each.order_id for each in pieces) == sorted(each.order_id for each in expected)
            gone = chance.choice(cdrs)
            if number % 10 == 0 and state.cdrs.has(gone.cgrid, gone.run_id):
                state.remove_cdr(gone)
                memory.remove(gone)
        names = [(cdr.cgrid, cdr.run_id) for cdr in cdrs] + [("c0", "r7"), ("", "")]
        for _ in range(2):  # those that are not there are known the second time
            assert state.cdrs.which(names) == memory.which(names)
            assert [state.cdrs.get(*name) for name in names] == [memory.get(*name) for name in names]
        assert [state.cdrs.has(*name) for name in names] == [memory.has(*name) for name in names]
        await state.close()

    asyncio.run(run())


def test_texts_that_are_no_unicode_are_kept_and_found_with_their_faults_replaced(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        state.put_cdr(Cdr("a\ud800", "r", 1, account="b\ud800", extra_fields={"x": "c\ud800"}))
        [found] = await state.cdrs.select(CdrFilter({"Account": frozenset(["b\ud800"])}))
        assert (found.cgrid, found.account, found.extra_fields) == ("a?", "b?", {"x": "c?"})
        assert state.cdrs.has("a\ud800", "r")
        assert state.cdrs.has("a\ud801", "r")
        state.remove_cdr(found)
        assert await state.cdrs.count(CdrFilter()) == 0
        await state.close()

    asyncio.run(run())


def test_a_stop_does_not_wait_for_what_is_looked_for(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        table = state._journal.cdrs  # type: ignore[attr-defined]
        has_begun = threading.Event()

        def begin() -> int:
            has_begun.set()
            return 0

        table._far.create_function("begun", 0, begin)
        endless = "with recursive n (i) as (select begun() union all select i + 1 from n) select * from n"
        table._rows = lambda *_: table._far.execute(f"{endless} where i < 0")
        looking = asyncio.ensure_future(state.cdrs.select(CdrFilter()))
        await asyncio.to_thread(has_begun.wait)
        await state.close()
        with pytest.raises(TableError, match="interrupted"):
            await looking

    asyncio.run(run())


def test_two_records_of_one_order_id_are_refused_by_the_disk(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        state.put_cdr(Cdr("c0", "r", 1))
        state.put_cdr(Cdr("c1", "r", 1))
        with pytest.raises(JournalError, match="NOT NULL"):
            await state.durable()
        await state.close()

    asyncio.run(run())


def account(nanos: int) -> Account:
    """An account with one balance."""
    return Account("t:1", {"*monetary": (Balance("u", "main", nanos),)})


@pytest.mark.parametrize("table", ["log", "cdr"])
def test_a_record_and_its_debit_are_durable_together_or_not_at_all(tmp_path: Path, table: str) -> None:
    async def run() -> None:
        journal = SqliteJournal(tmp_path / "j")
        state = State(journal)
        state.put_accounts({"t:1": account(5)})
        state.put_cdr(Cdr("c0", "r", 1))
        await state.durable()
        journal._connection.execute(
            f"create trigger full after insert on {table} begin select raise(abort, 'no room'); end"
        )
        state.put_accounts({"t:1": account(4)})
        state.put_cdr(Cdr("c1", "r", 2))
        with pytest.raises(JournalError, match="no room"):
            await state.durable()
        await journal.close()
        again = State(SqliteJournal(tmp_path / "j"))
        again.load()
        assert again.accounts == {"t:1": account(5)}
        assert (again.cdrs.has("c0", "r"), again.cdrs.has("c1", "r")) == (True, False)
        await again.close()

    asyncio.run(run())


def test_what_is_not_on_disk_yet_is_known(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        seen: list[tuple[str, Any, bool]] = []

        def see(when: str) -> None:
            seen.append((when, state.cdrs.get("c", "r"), state.cdrs.has("c", "r")))

        first, second = Cdr("c", "r", 1), Cdr("c", "r", 1, cost_nanos=5)
        state.put_cdr(first)
        see("pending")
        waiting = asyncio.ensure_future(state.durable())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        see("under way")
        state.put_cdr(second)
        see("replaced")
        await waiting
        see("replaced again")
        await state.durable()
        see("on disk")
        state.remove_cdr(second)
        see("gone")
        await state.durable()
        see("gone from the disk")
        assert [(cdr, has) for _, cdr, has in seen] == [
            *((first, True), (first, True), (second, True), (second, True), (second, True)),
            *((None, False), (None, False)),
        ]
        await state.close()

    asyncio.run(run())


def test_a_start_reads_no_record_however_many_there_are(tmp_path: Path) -> None:
    async def filled(count: int) -> tuple[int, int]:
        state = State(SqliteJournal(tmp_path / "j"))
        for number in range(count):
            state.put_cdr(Cdr(f"c{number}", "r", number + 1))
        state.put_accounts({"t:1": account(5)})
        await state.close()
        again = State(SqliteJournal(tmp_path / "j"))
        read = again.load()
        kept = len(again.tables[Kind.CDR])
        assert await again.cdrs.count(CdrFilter()) == count
        await again.close()
        return read, kept

    assert asyncio.run(filled(3)) == asyncio.run(filled(3_000)) == (1, 0)


def test_order_ids_are_not_given_again_after_records_were_removed(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        for number in (1, 2, 3):
            state.put_cdr(Cdr(f"c{number}", "r", number))
        for number in (3, 2):
            state.remove_cdr(Cdr(f"c{number}", "r", number))
        await state.close()
        again = State(SqliteJournal(tmp_path / "j"))
        again.load()
        assert (again.cdrs.last_order(), again.last_order()) == (1, 3)
        await again.close()

    asyncio.run(run())


def test_without_a_disk_the_oldest_records_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.cgrates.state.MOST_CDRS", 3)
    state = State()
    for number in range(10):
        state.put_cdr(Cdr(f"c{number}", "r", number))
    assert list(state.tables[Kind.CDR]) == ["c7:r", "c8:r", "c9:r"]


def test_costs_that_no_record_comes_for_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.cgrates.state.MOST_COSTS", 2)
    state = State()
    for number in range(5):
        state.put_cost(SessionCost(f"c{number}", "r"))
    assert list(state.costs) == ["c3:r", "c4:r"]


def test_ended_sessions_are_forgotten_when_every_run_has_its_record(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        runs = tuple(Run(name, {}, "*prepaid", None) for name in ("r1", "r2"))
        sessions = [Session(name, "t", {}, {}, runs) for name in "abc"]
        for name, run_id in (("a", "r1"), ("b", "r1"), ("b", "r2")):
            state.put_cdr(Cdr(name, run_id, state.last_order() + 1))
            await state.durable()
        assert state.recorded(sessions) == {"b"}
        state.put_cdr(Cdr("a", "r2", 9))
        assert state.recorded(sessions) == {"a", "b"}
        await state.close()

    asyncio.run(run())


# --- by the methods


def event(name: str) -> dict[str, Any]:
    """A call of a minute."""
    call = {"OriginID": name, "RequestType": "*postpaid", "ToR": "*voice", "Category": "call"}
    call |= {"Account": "1001", "Destination": "4912", "AnswerTime": "2026-06-15T12:00:00Z", "Usage": "60s"}
    return call


def opened(path: Path) -> Api:
    """A server on a journal."""
    state = State(SqliteJournal(path))
    state.load()
    api = Api(state=state)
    api.runner.run(api.runtime.start())
    return api


def ended(api: Api) -> None:
    """Stop a server."""
    api.runner.run(api.runtime.stop())
    api.close()


def test_records_are_found_rated_and_removed_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocs.cgrates.cdr_book.PORTION", 3)
    api = opened(tmp_path / "j")
    api.engine.load(TARIFF)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=50, Balance={"ID": "main"})
    for number in range(8):
        api("CDRsV1.ProcessExternalCDR", **event(f"e{number}"))
    before = api("CDRsV1.GetCDRs", OrderBy="OrderID;desc", Limit=3, Offset=1)
    left = api.balances()
    ended(api)
    api = opened(tmp_path / "j")
    assert [cdr["OriginID"] for cdr in before] == ["e6", "e5", "e4"]
    assert api("CDRsV1.GetCDRs", OrderBy="OrderID;desc", Limit=3, Offset=1) == before
    assert api.error("CDRsV1.ProcessExternalCDR", **event("e3")) == "EXISTS"
    assert api("CDRsV1.RateCDRs") == "OK"
    assert api.balances() == left
    assert api("CDRsV1.GetCDRsCount", Accounts=["1001"]) == 8
    assert api("APIerSv1.RemoveCDRs", NotOriginIDs=["e3", "e5"]) == "OK"
    assert [cdr["OriginID"] for cdr in api("CDRsV1.GetCDRs")] == ["e3", "e5"]
    api("CDRsV1.ProcessExternalCDR", **event("e9"))
    assert [cdr["OrderID"] for cdr in api("CDRsV1.GetCDRs")] == [4, 6, 9]
    ended(api)


# --- the layout before


def migrated(path: Path) -> tuple[list[dict[str, Any]], State]:
    """What a server finds in a journal."""
    api = opened(path)
    found = [shown(cdr) if cdr["CostDetails"] else cdr for cdr in api("CDRsV1.GetCDRs")]
    state = api.runtime.state
    ended(api)
    return found, state


def before() -> Any:
    """What the program that wrote the journal answered."""
    return [shown(cdr) for cdr in json.loads((VECTORS / "layout2_records.json").read_bytes())]


def shown(cdr: dict[str, Any]) -> dict[str, Any]:
    """A record but for what summaries tell since of what balances held before."""
    details = dict(cdr["CostDetails"])
    summary = details.pop("AccountSummary")
    values = {each["UUID"]: each["Value"] for each in summary["BalanceSummaries"]}
    return {**cdr, "CostDetails": {**details, "values": values}}


def old_records(path: Path) -> int:
    """How many records are among the others."""
    with sqlite3.connect(path) as connection:
        return int(connection.execute("select count(*) from record where kind = 'cdr'").fetchone()[0])


def test_a_journal_of_the_layout_before_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdr_migration, "PIECE", 4)
    path = tmp_path / "cgrates.db"
    shutil.copy(VECTORS / "layout2.journal", path)
    assert old_records(path) == 15
    found, state = migrated(path)
    assert found == before()
    assert (len(state.accounts), len(state.sessions), len(state.closed), len(state.costs)) == (5, 2, 22, 1)
    assert old_records(path) == 0
    assert migrated(path)[0] == before()


def test_a_takeover_that_is_cut_short_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdr_migration, "PIECE", 4)
    path = tmp_path / "cgrates.db"
    shutil.copy(VECTORS / "layout2.journal", path)
    put, calls = cdr_migration._put, 0

    def cut(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        put(*arguments)
        if calls == 3:
            raise sqlite3.OperationalError("cut short")

    monkeypatch.setattr(cdr_migration, "_put", cut)
    with pytest.raises(JournalError, match="cut short"):
        SqliteJournal(path)
    assert old_records(path) == 15
    assert migrated(path)[0] == before()


def test_records_of_one_order_id_are_all_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    shutil.copy(VECTORS / "layout2.journal", path)
    with sqlite3.connect(path) as connection:
        for number, order_id in ((901, 1), (902, 0), (903, 1)):
            value = msgspec.json.encode(Cdr(f"x{number}", "r", order_id))
            connection.execute("insert into record values (?, 'cdr', ?, ?)", (number, f"x{number}:r", value))
    found = [(cdr["CGRID"], cdr["OrderID"]) for cdr in migrated(path)[0]]
    assert found[-3:] == [("x901", 22), ("x902", 23), ("x903", 24)]
    assert len(found) == len({order for _, order in found}) == 23


def test_every_column_has_its_place() -> None:
    chance = random.Random(1)
    encode: Callable[[Any], bytes] = encode_record
    for number in range(1, 100):
        cdr = random_cdr(chance, number)
        assert cdr_rows.cdr_of(cdr_rows.row_of(cdr, encode)) == cdr
