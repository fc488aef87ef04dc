"""Claims about the store for several nodes that no other store has to keep, on a real redis-server."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from ocs.charging.account import Account, Extras, PlanState, Session
from ocs.charging.decision import Change
from ocs.charging.entry import Entry, EntryKind, Posting
from ocs.charging.events import EventKind, Identity, IdentityKind, Unit
from ocs.charging.store import Query, StoreError, StoreUnavailable, Table, VersionConflict
from ocs.charging.store.redis import RedisStore
from ocs.charging.store.shared import Recorded
from ocs.config.settings import MS, RedisSettings, Sentinel
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.peer
SHORT_S = 0.3
Told = "asyncio.Future[StoreError | None]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield started
    started.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server to kill, stop and start again."""
    started = RedisServer(tmp_path / "redis").start()
    yield started
    started.kill()


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@asynccontextmanager
async def nodes(settings: RedisSettings, count: int = 1) -> AsyncIterator[list[RedisStore]]:
    opened = [await RedisStore.open(settings) for _ in range(count)]
    try:
        yield opened
    finally:
        for store in opened:
            await store.close()


def state(key: str, version: int) -> Account:
    return Account(key, "standard", version=version)


def posting(key: str, number: int) -> Posting:
    entry = Entry(EntryKind.TOPUP, "main", Unit.MONEY, number, number)
    return Posting(key, "", EventKind.UPDATE, number, number, (entry,))


def change(key: str, version: int, number: int | None = None) -> Change:
    return Change(state(key, version), (posting(key, version if number is None else number),))


def put(store: RedisStore, *changes: Change) -> "list[asyncio.Future[StoreError | None]]":
    told: list[asyncio.Future[StoreError | None]] = []
    for one in changes:
        told.append(asyncio.get_running_loop().create_future())
        store.commit(one, told[-1].set_result)
    return told


def keep(store: RedisStore, key: str, value: bytes) -> "asyncio.Future[StoreError | None]":
    told: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
    store.keep((("session", key, value),), told.set_result)
    return told


async def loaded(store: RedisStore, key: str) -> Account:
    """An account that is there, once its server is."""
    while True:
        with suppress(StoreUnavailable):
            found = await store.load(key)
            assert found is not None
            return found
        await asyncio.sleep(0.02)


async def numbers(store: RedisStore, key: str) -> list[int]:
    """What the history of an account says, oldest first."""
    page = await store.read(Query(Table.POSTINGS, key, limit=10_000))
    return [row.at_ns for row in reversed(page.rows) if isinstance(row, Posting)]


async def test_a_posting_takes_no_more_memory_than_operators_are_told(own_server: RedisServer) -> None:
    def used() -> int:
        lines = own_server.say("INFO memory").decode().splitlines()
        return int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])

    entry = Entry(
        EntryKind.DEBIT, "main", Unit.MONEY, -123_456_789, 10**12, 10, Unit.OCTETS, 10**6, "r|s|4915"
    )
    session = "pgw.example.org|pgw.example.org;1;23456"
    count, before = 4_000, used()
    async with nodes(own_server.settings()) as (store,):
        for first in range(0, count, 500):
            told = put(
                store,
                *(
                    Change(
                        state(f"{number % 50}", number // 50 + 1),
                        (Posting(f"{number % 50}", session, EventKind.UPDATE, number, 10**18, (entry,)),),
                    )
                    for number in range(first, first + 500)
                ),
            )
            assert await asyncio.gather(*told) == [None] * 500
        assert (used() - before) / count < 300


async def test_what_rests_on_a_refused_change_is_refused_although_its_version_fits(
    server: RedisServer, prefix: str
) -> None:
    """Version 3 of this node was decided on its own version 2, not on that of the other node."""
    async with nodes(server.settings(prefix), 2) as (here, there):
        assert await put(here, change("a", 1))[0] is None
        assert await put(there, change("a", 2, 20))[0] is None
        (first,) = put(here, change("a", 2, 21))
        for _ in range(3):  # the first is under way now
            await asyncio.sleep(0)
        (second,) = put(here, change("a", 3, 31))
        assert isinstance(await first, VersionConflict)
        assert isinstance(await second, VersionConflict)
        assert await numbers(there, "a") == [1, 20]
        assert await put(here, change("a", 3, 32))[0] is None


async def test_a_refused_change_leaves_the_others_of_its_batch_alone(
    server: RedisServer, prefix: str
) -> None:
    async with nodes(server.settings(prefix)) as (store,):
        told = put(store, change("a", 1), change("b", 7), change("a", 2), change("b", 8), change("c", 1))
        outcomes = await asyncio.gather(*told)
        assert [type(each) for each in outcomes if each] == [VersionConflict, VersionConflict]
        assert [each is None for each in outcomes] == [True, False, True, False, True]
        assert store.batches == 1


async def test_records_and_the_changes_right_before_them_are_refused_together(
    server: RedisServer, prefix: str
) -> None:
    async with nodes(server.settings(prefix)) as (store,):
        assert await put(store, change("other", 1))[0] is None
        told = [*put(store, change("a", 1), change("b", 7)), keep(store, "s", b"1")]
        await asyncio.sleep(0)
        told += put(store, change("other", 2))
        outcomes = await asyncio.gather(*told)
        assert [each is None for each in outcomes] == [False, False, False, True]
        assert await store.load("a") is None
        assert store.kept() == []
        told = [*put(store, change("a", 1)), keep(store, "s", b"2")]
        assert await asyncio.gather(*told) == [None, None]
        assert store.kept() == [("session", "s", b"2")]


async def test_records_keep_the_place_at_which_they_came_first(server: RedisServer, prefix: str) -> None:
    async with nodes(server.settings(prefix)) as (store,):
        for key, value in (("b", b"1"), ("a", b"1"), ("b", b"\xff\x00"), ("c", b"1")):
            assert await keep(store, key, value) is None
        gone: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
        store.keep((("session", "a", None),), gone.set_result)
        assert await gone is None
        assert store.kept() == [("session", "b", b"\xff\x00"), ("session", "c", b"1")]


class Ear:
    """Writes down what it hears."""

    channels: tuple[str, ...] = ("words",)

    def __init__(self) -> None:
        self.heard: list[object] = []

    def changed(self, key: str, version: int, is_planned: bool) -> None:
        self.heard.append((key, version, is_planned))

    def recorded(self, entry: Recorded) -> None:
        self.heard.append((entry.position, entry.is_mine, entry.records))

    def said(self, channel: str, message: bytes) -> None:
        self.heard.append((channel, message))

    def missed(self) -> None:
        self.heard.append("missed")


async def until_heard(ear: Ear, count: int) -> list[object]:
    async with asyncio.timeout(PATIENCE_S):
        while len(ear.heard) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return ear.heard


async def test_nodes_hear_of_each_others_changes_and_words(server: RedisServer, prefix: str) -> None:
    async with nodes(server.settings(prefix), 2) as (here, there):
        ear = Ear()
        await here.subscribe(ear)
        assert await put(here, change("mine", 1))[0] is None
        planned = msgspec.structs.replace(state("b", 1), extras=Extras(plans=(PlanState("p", 0, 0),)))
        told = put(there, change("a", 1), Change(planned), change("a", 9))
        assert [each is None for each in await asyncio.gather(*told)] == [True, True, False]
        assert await there.say("words", b"\xff\x00") == 1
        assert await there.say("nobody", b"") == 0
        heard = await until_heard(ear, 4)
        assert heard == ["missed", ("a", 1, False), ("b", 1, True), ("words", b"\xff\x00")]


async def test_accounts_with_sessions_are_overdue_at_their_time(server: RedisServer, prefix: str) -> None:
    def open_until(key: str, version: int, *deadlines_ms: int) -> Change:
        sessions = tuple(
            Session(f"{key}{at}", "c", "s", "data", "p", 0, 0, at * MS, 0) for at in deadlines_ms
        )
        return Change(msgspec.structs.replace(state(key, version), sessions=sessions))

    async with nodes(server.settings(prefix)) as (store,):
        new = [
            open_until("a", 1, 500, 300),
            open_until("b", 1, 200),
            open_until("c", 1),
            open_until("d", 1, 900),
        ]
        assert await asyncio.gather(*put(store, *new)) == [None] * 4
        assert await store.overdue(0, 600, 10) == [("b", 200), ("a", 300)]
        assert await store.overdue(200, 600, 10) == [("a", 300)]
        assert await store.overdue(0, 600, 1) == [("b", 200)]
        assert await asyncio.gather(*put(store, open_until("b", 2, 700), open_until("a", 2))) == [None] * 2
        assert await store.overdue(0, 1000, 10) == [("b", 700), ("d", 900)]


class DeafProxy:
    """Between a store and its server: passes commands on, and may lose replies with their connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.port = 0
        self.losing = 0  # so many replies to batches
        self.lost = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["DeafProxy"]:
        served: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            served.add(task)
            await self._serve(reader, writer)

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        async with listening:
            yield self
        await asyncio.gather(*served)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, backward = await asyncio.open_connection("127.0.0.1", self._port)
        is_batch = False

        async def replies() -> None:
            while octets := await onward.read(65_536):
                if is_batch and self.losing:
                    self.losing -= 1
                    self.lost += 1
                    break
                writer.write(octets)
            writer.close()

        copying = asyncio.get_running_loop().create_task(replies())
        try:
            while octets := await reader.read(65_536):
                is_batch = b"FCALL" in octets
                backward.write(octets)
        finally:
            backward.close()
            await copying
            await asyncio.gather(backward.wait_closed(), writer.wait_closed(), return_exceptions=True)


async def test_a_batch_whose_reply_was_lost_is_not_done_twice(server: RedisServer, prefix: str) -> None:
    async with DeafProxy(server.port).running() as proxy:
        settings = msgspec.structs.replace(server.settings(prefix), url=f"redis://127.0.0.1:{proxy.port}/0")
        async with nodes(settings) as (store,):
            proxy.losing = 2
            told = put(store, change("a", 1), change("a", 2), change("b", 9))
            outcomes = await asyncio.gather(*told)
            assert [each is None for each in outcomes] == [True, True, False]
            assert proxy.lost == 2
            assert await numbers(store, "a") == [1, 2]
            assert await put(store, change("a", 3))[0] is None


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed(own_server: RedisServer) -> None:
    async with nodes(own_server.settings()) as (store,):
        acknowledged: list[int] = []
        version = 0
        for number in range(1, 200):
            store._link.timeout_s = SHORT_S if number in (50, 100, 150) else PATIENCE_S
            (told,) = put(store, change("a", version + 1, number))
            if number in (50, 100, 150):
                await asyncio.sleep(0)
                own_server.kill()
            if await told is None:
                acknowledged.append(number)
                version += 1
                continue
            if number in (50, 100, 150):
                own_server.start()
                store._link.timeout_s = PATIENCE_S
            version = (await loaded(store, "a")).version
        history = await numbers(store, "a")
        assert len(set(history)) == len(history), "none is there twice"
        assert set(acknowledged) <= set(history)
        assert len(acknowledged) >= 190


async def test_a_silent_server_fails_changes_in_time_and_is_used_again_when_it_speaks(
    own_server: RedisServer,
) -> None:
    async with nodes(own_server.settings()) as (store,):
        assert await put(store, change("a", 1))[0] is None
        own_server.signal(signal.SIGSTOP)
        store._link.timeout_s = SHORT_S
        try:
            async with asyncio.timeout(PATIENCE_S):
                assert isinstance(await put(store, change("a", 2))[0], StoreUnavailable)
                with pytest.raises(StoreUnavailable):
                    await store.load("a")
        finally:
            own_server.signal(signal.SIGCONT)
        store._link.timeout_s = PATIENCE_S
        version = (await loaded(store, "a")).version
        assert await put(store, change("a", version + 1))[0] is None
        assert await numbers(store, "a") == list(range(1, version + 2))


async def test_a_server_that_would_lose_changes_is_refused_or_reported(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "r", "--maxmemory-policy", "allkeys-lru", fsync="everysec").start()
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await RedisStore.open(server.settings())
        for part in ("appendfsync is everysec", "maxmemory-policy is allkeys-lru", "store.redis.durability"):
            assert part in str(refused.value)
        async with nodes(server.settings(durability="reported")) as (store,):
            assert await put(store, change("a", 1))[0] is None
        server.say("CONFIG SET appendonly no")
        with pytest.raises(StoreUnavailable, match="appendonly is no"):
            await RedisStore.open(server.settings())
    finally:
        server.kill()


async def test_data_of_another_layout_and_wrong_servers_are_refused(server: RedisServer, prefix: str) -> None:
    server.say(f"HSET {prefix}:meta layout 99 born_s 1")
    with pytest.raises(StoreUnavailable, match="layout 99"):
        await RedisStore.open(server.settings(prefix))
    with pytest.raises(StoreUnavailable):
        await RedisStore.open(RedisSettings(url=f"redis://127.0.0.1:{free_port()}/0", timeout_ns=300 * MS))


async def test_a_full_server_refuses_and_goes_on_when_there_is_room(own_server: RedisServer) -> None:
    async with nodes(own_server.settings()) as (store,):
        assert await put(store, change("a", 1))[0] is None
        own_server.say("CONFIG SET maxmemory 1")
        assert isinstance(await put(store, change("a", 2))[0], StoreUnavailable)
        own_server.say("CONFIG SET maxmemory 0")
        assert await put(store, change("a", 2))[0] is None
        assert await numbers(store, "a") == [1, 2]


async def test_an_answer_waits_for_the_replicas_asked_for(own_server: RedisServer, tmp_path: Path) -> None:
    replica = RedisServer(tmp_path / "replica", "--replicaof", f"127.0.0.1 {own_server.port}").start()
    try:
        replica.wait_for("INFO replication", b"master_link_status:up")
        async with nodes(own_server.settings(replicas=1)) as (store,):
            assert await put(store, change("a", 1))[0] is None
            replica.kill()
            store._waits = (("WAIT", 1, 100),)
            assert isinstance(await put(store, change("a", 2))[0], StoreUnavailable)
        with pytest.raises(StoreUnavailable, match="replica"):
            await RedisStore.open(replica.start().settings())
    finally:
        replica.kill()


def start_sentinel(config: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["redis-server", str(config), "--sentinel"], stdout=subprocess.DEVNULL)


def make_certificate(certificate: Path, key: Path) -> None:
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    command = [*made, "-keyout", str(key), "-out", str(certificate), *subject]
    subprocess.run(command, check=True, capture_output=True)


async def test_sentinels_say_where_the_primary_is(own_server: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor charging 127.0.0.1 {own_server.port} 1\n"
    )
    sentinel = start_sentinel(config)
    try:
        settings = RedisSettings(
            url="redis://localhost/0", sentinels=(Sentinel("127.0.0.1", port),), primary="charging"
        )
        opened = None
        async with asyncio.timeout(PATIENCE_S):
            while opened is None:
                try:
                    opened = await RedisStore.open(settings)
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
        assert await put(opened, change("a", 1))[0] is None
        assert opened.kept() == []
        await opened.close()
    finally:
        sentinel.kill()
        sentinel.wait()


async def test_tls_with_a_password_from_a_file(tmp_path: Path) -> None:
    certificate, key, password = tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "password"
    make_certificate(certificate, key)
    password.write_text("not to be told\n")
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    server = RedisServer(tmp_path / "r", *tls, "--tls-auth-clients", "no").start()
    try:
        server.say('CONFIG SET requirepass "not to be told"')
        settings = RedisSettings(
            url=f"rediss://127.0.0.1:{port}/1", password_file=str(password), ca=str(certificate)
        )
        async with nodes(settings) as (store,):
            told = [*put(store, change("a", 1)), keep(store, "s", b"1")]
            assert await asyncio.gather(*told) == [None, None]
            assert store.kept() == [("session", "s", b"1")]
        with pytest.raises(StoreUnavailable):
            await RedisStore.open(msgspec.structs.replace(settings, password_file=None))
    finally:
        server.kill()


async def test_an_identity_is_found_on_every_node_and_taken_by_one(server: RedisServer, prefix: str) -> None:
    number = Identity(IdentityKind.E164, "4930")
    new = [
        Change(msgspec.structs.replace(state(key, 1), identities=(number,)), has_new_identities=True)
        for key in ("a", "b")
    ]
    async with nodes(server.settings(prefix), 2) as (here, there):
        outcomes = await asyncio.gather(*put(here, new[0]), *put(there, new[1]))
        assert [type(each) for each in outcomes if each] == [VersionConflict]
        owner = "a" if outcomes[0] is None else "b"
        assert (await here.find(number), await there.find(number)) == (owner, owner)
