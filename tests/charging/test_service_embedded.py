"""The door on the embedded store, in real time: much at once, little memory, a disk that fails."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.door import at_once
from ocs.charging.events import Action, ChargingAnswer, ChargingEvent, Identity, IdentityKind, Result
from ocs.charging.service import ChargingService, Limits
from ocs.charging.store import Query, Table
from ocs.charging.store.sqlite import SqliteStore
from tests.support.charging import NOON_NS, TARIFF, books_text, initial, once, rg, terminate, update
from tests.support.door import POLICY, SMS, Counts

STRANGER = Identity(IdentityKind.IMSI, "999")
PEOPLE = [Identity(IdentityKind.IMSI, f"{number:015}") for number in range(40)]


async def opened(path: Path, accounts: int = 4) -> ChargingService:
    """A service whose memory holds few accounts."""
    limits = Limits(accounts=accounts)
    return ChargingService(SqliteStore(path), TARIFF, POLICY, Counts(), limits, lambda: NOON_NS)


async def open_accounts(service: ChargingService) -> None:
    for number, identity in enumerate(PEOPLE):
        new = acts.NewAccount(f"default:{number}", "standard", (identity,), (acts.TopUp(10_000),))
        account, posting = acts.create(new, acts.Act(f"seed {number}", 0, "test"))
        assert posting is not None
        await service.create(Change(account, (posting,), has_new_identities=True))


def life(number: int, session: str) -> list[ChargingEvent]:
    """The events of one session, and a message."""
    names: dict[str, object] = {"session": f"{number}{session}", "identities": (PEOPLE[number],)}
    reports = [update(step, rg(10, 100, 10 * step), **names) for step in range(1, 5)]
    message = once(Action.DIRECT_DEBITING, SMS, session=f"{number}{session}e", identities=(PEOPLE[number],))
    return [initial(rg(10, 100), **names), *reports, message, terminate(9, rg(10, used=7), **names)]


async def live(service: ChargingService, number: int, session: str) -> None:
    for event in life(number, session):
        answers = await asyncio.gather(service.handle(event), service.handle(event))
        assert [answer.result for answer in answers] == [Result.SUCCESS] * 2


@pytest.mark.parametrize("immediate", [False, True])
async def test_many_lives_at_once_with_little_memory_leave_right_books(
    tmp_path: Path, immediate: bool
) -> None:
    path = tmp_path / "ocs.db"
    service = await opened(path)
    service.loads_at_once = immediate
    await open_accounts(service)
    await asyncio.gather(*(live(service, number, name) for number in range(40) for name in "ab"))
    await service.drained()
    await service.store.close()
    again = await opened(path)
    for number in range(40):
        account = await again.account(f"default:{number}")
        assert account is not None
        assert books_text(account) == f"main {10_000 - 2 * (100 + 5 + 7)}"
        assert await again.verify(account.key) == []
    await again.store.close()


async def test_after_a_restart_a_session_goes_on_and_repeats_get_their_answers(tmp_path: Path) -> None:
    path = tmp_path / "ocs.db"
    service = await opened(path)
    await open_accounts(service)
    events = life(3, "a")
    answers = [await service.handle(event) for event in events[:3]]
    await service.store.close()
    again = await opened(path)
    assert await again.handle(events[2]) == answers[2]
    for event in events[3:]:
        assert (await again.handle(event)).result is Result.SUCCESS
    assert await again.verify("default:3") == []
    await again.store.close()


async def test_the_store_lists_whoever_has_a_session_open_also_where_one_commit_opens_and_goes_on(
    tmp_path: Path,
) -> None:
    service = await opened(tmp_path / "ocs.db", 100)
    await open_accounts(service)
    lives = [life(number, "a") for number in range(10)]

    async def listed() -> list[str]:
        rows = (await service.store.read(Query(Table.SESSIONS))).rows
        return [row.key for row in rows if isinstance(row, Account)]

    everybody = sorted(f"default:{number}" for number in range(10))
    await asyncio.gather(*(service.handle(event) for events in lives for event in events[:2]))
    assert await listed() == everybody
    await asyncio.gather(*(service.handle(events[2]) for events in lives))
    assert await listed() == everybody
    await asyncio.gather(*(service.handle(event) for events in lives for event in (events[3], events[-1])))
    assert await listed() == []
    await service.store.close()


async def test_a_full_disk_makes_clients_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    service = await opened(tmp_path / "ocs.db", 100)
    await open_accounts(service)
    store = service.store
    assert isinstance(store, SqliteStore)
    events = [initial(rg(10, 100), session=f"s{n}", identities=(each,)) for n, each in enumerate(PEOPLE)]
    pages = store._writer.execute("pragma page_count").fetchone()[0]
    store._writer.execute(f"pragma max_page_count={pages}")
    refused = await asyncio.gather(*(service.handle(event) for event in events))
    assert Result.TOO_BUSY in {answer.result for answer in refused}
    store._writer.execute("pragma max_page_count=1000000")
    taken = await asyncio.gather(*(service.handle(event) for event in events))
    assert {answer.result for answer in taken} == {Result.SUCCESS}
    for number in range(40):
        assert await service.verify(f"default:{number}") == []
    await store.close()


@pytest.mark.parametrize("immediate", [False, True])
async def test_a_cold_account_needs_a_task_only_where_the_store_makes_it_wait(
    tmp_path: Path, immediate: bool
) -> None:
    service = await opened(tmp_path / "ocs.db")
    await open_accounts(service)
    service.loads_at_once = immediate
    assert "default:0" not in service._accounts, "memory holds four"
    answers: list[ChargingAnswer] = []
    service.submit(life(0, "a")[0], answers.append)
    assert bool(service._tasks) != immediate
    await service.drained()
    assert [answer.result for answer in answers] == [Result.SUCCESS]
    nobody = await service.handle(initial(rg(10, 100), session="x", identities=(STRANGER,)))
    assert nobody.result is Result.UNKNOWN_SUBSCRIBER
    await service.store.close()


async def test_a_store_that_cannot_be_read_at_once_makes_nobody_fail(tmp_path: Path) -> None:
    service = await opened(tmp_path / "ocs.db")
    await open_accounts(service)
    service.loads_at_once = True
    store = service.store
    assert isinstance(store, SqliteStore)
    reader, store._reader = store._reader, sqlite3.connect(":memory:")  # has no tables
    first = life(0, "a")[0]
    assert (await service.handle(first)).result is Result.TOO_BUSY
    store._reader.close()
    store._reader = reader
    assert (await service.handle(first)).result is Result.SUCCESS
    await store.close()


def test_what_waits_is_not_done_at_once() -> None:
    async def wait() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="has waited"):
        at_once(wait())
