"""A real server on SQLite, killed at full traffic again and again: no debit is lost, none taken twice."""

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.load.server import ROOT, Server
from tests.longrun.books import DEBIT, TOPUP, Audit, debit_nanos
from tests.longrun.link import Caller
from tests.longrun.traffic import FIRST_MSISDN, Books, Line, Subscription, Topups
from tests.support.waiting import PATIENCE_S, until_so

ACCOUNTS, LANES, CLIENTS = 8, 3, 2
LONGEST_LIFE_S = 0.6


class Report:
    """Figures of one run, printed at its end."""

    def __init__(self) -> None:
        self.kills = 0
        self.restarts_s: list[float] = []
        self.books = Books()

    def text(self) -> str:
        """One line."""
        books, restarts = self.books, sorted(self.restarts_s)
        return (
            f"{self.kills} kills, {books.acknowledged} requests and {books.topups} top-ups acknowledged,"
            f" {books.repeated} sent again, {books.compared} stored answers compared;"
            f" restart {restarts[len(restarts) // 2]:.2f} s in the middle, {restarts[-1]:.2f} s at most"
        )


def check_between_lives(audit: Audit, books: Books) -> None:
    """While the server is dead: all that was acknowledged is in the file, and no more than was asked for."""
    assert audit.problems() == []
    for name, used in books.used.items():
        least = debit_nanos(used)
        most = debit_nanos(used + books.under_way.get(name, used.__class__()))
        assert least <= audit.debits[name] <= most, (
            f"{name}: {least} acknowledged, {audit.debits[name]} debited"
        )


def check_at_the_end(audit: Audit, books: Books) -> None:
    """Nothing is under way: the file is what the client's books say, to the nano."""
    assert audit.problems() == []
    for name, used in books.used.items():
        assert audit.debits[name] == debit_nanos(used), name
    assert set(audit.debits) <= set(books.used)
    for account in range(ACCOUNTS):
        key = f"default:{account}"
        found = audit.accounts[key]
        assert found.posted == {"main": books.expected_nanos(account)}, key
        assert found.reserved == {"main": 0}, key
        assert found.open_sessions == 0, key
        assert audit.kinds[key, TOPUP] + audit.kinds[key, DEBIT] == found.posted["main"], key


async def check_verified(server: Server) -> None:
    """The server agrees, by its API and by its command."""
    caller = await Caller.open(server.rpc_port)
    for account in range(ACCOUNTS):
        verdict = await caller.call("OcsV1.AccountVerify", account=str(FIRST_MSISDN + account))
        assert verdict["ok"], verdict
    await caller.close()
    command = [sys.executable, "-m", "ocs", "account", "verify", "--all"]
    ran = await asyncio.to_thread(
        subprocess.run,
        [*command, "--server", f"127.0.0.1:{server.rpc_port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


async def progress(books: Books, requests: int) -> None:
    """Wait until so many more requests are acknowledged, and a few top-ups."""
    wanted, topups = books.acknowledged + requests, books.topups + 2
    await until_so(lambda: books.acknowledged >= wanted and books.topups >= topups, "the server serves")


async def killed_again_and_again(server: Server, kills: int, seed: int, audit_every: int) -> Report:
    """The whole story of one store file."""
    chance, report = random.Random(seed), Report()
    line, books = Line(server, CLIENTS), report.books
    traffic: list[Subscription | Topups] = [
        Subscription(line, books, account, lane, seed * 1_000 + account * LANES + lane)
        for account in range(ACCOUNTS)
        for lane in range(LANES)
    ]
    traffic.append(Topups(line, books, ACCOUNTS, seed))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in traffic]
        for kill in range(kills):
            report.restarts_s.append(await asyncio.to_thread(server.start))
            await line.connect()
            await progress(books, chance.randrange(20, 60))
            await asyncio.wait(running, timeout=chance.uniform(0.02, LONGEST_LIFE_S))
            server.kill()
            assert "Traceback" not in server.log_text()
            report.kills += 1
            await line.disconnect()
            if kill % audit_every == 0:
                check_between_lives(Audit.of_file(server.database), books)
        await asyncio.to_thread(server.start)
        await line.connect()
        for each in traffic:
            each.stopping = True
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait(running)
    await check_verified(server)
    await line.disconnect()
    server.kill()
    check_at_the_end(Audit.of_file(server.database), books)
    assert line.strays == 0, "an answer that nobody waited for"
    return report


def run(folder: Path, kills: int, seed: int, audit_every: int) -> Report:
    """Run the story and end the server whatever comes of it."""
    server = Server(folder)
    try:
        report = asyncio.run(killed_again_and_again(server, kills, seed, audit_every))
    finally:
        server.kill()
    print(report.text())
    return report


def test_five_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, kills=5, seed=1, audit_every=1)
    assert report.books.acknowledged > 100
    assert report.books.topups > 5
    assert report.books.repeated > 0, "no request was under way at any kill"


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_two_hundred_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, kills=200, seed=time.time_ns() % 1_000_000, audit_every=10)
    assert report.books.acknowledged > 10_000
    assert report.books.compared > 200
