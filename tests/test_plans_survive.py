"""Action plans over kill -9: every run is made once, and is in the history with its due time."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ocs.charging.account import Account
from ocs.charging.entry import Posting
from ocs.charging.store import Query, Table
from ocs.charging.store.sqlite import SqliteStore
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S
from tests.test_app import ROOT

ACCOUNTS = 20
SETTINGS = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: [{{address: 127.0.0.1, port: {port}}}]}}
charging: {{tariffs: {folder}/tariffs.yaml, accounts: {folder}/accounts.yaml}}
rpc: {{jsonrpc: none, bidirectional: none, http: none}}
log: {{format: json}}
"""
TARIFF = """
currency: EUR
plans: {standard: {data: {free: true}}}
actions:
  welcome: {top_up: {money: "100.00"}}
  fee:
    - {debit: {money: "0.01"}, overdraw: true}
    - {top_up: {points: "1"}, balance: points}
action_plans:
  always:
    - {run: welcome, at: asap}
    - {run: fee, cron: "@every 1s"}
"""
PEOPLE = f"""
accounts:
  - {{count: {ACCOUNTS}, key: "{{n}}", plan: standard, action_plans: always}}
"""


def start(folder: Path) -> "subprocess.Popen[str]":
    """The server in a folder of its own."""
    (folder / "ocs.yaml").write_text(SETTINGS.format(folder=folder, port=free_port()), encoding="utf-8")
    (folder / "tariffs.yaml").write_text(TARIFF, encoding="utf-8")
    (folder / "accounts.yaml").write_text(PEOPLE, encoding="utf-8")
    command = [sys.executable, "-m", "ocs", "serve", "--config", str(folder / "ocs.yaml")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "--data-dir", str(folder / "data")],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_then_kill(folder: Path, runs: int) -> list[str]:
    """Ids of the runs that were told before the server was killed, in the middle of its work."""
    server = start(folder)
    told: list[str] = []
    assert server.stderr is not None
    try:
        for line in server.stderr:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == "account.plan_run":
                told.append(f"{event['account']} {event['run']}")
            if len(told) >= runs:
                break
    finally:
        server.kill()
        server.stderr.close()
        server.wait(PATIENCE_S)
    assert len(told) >= runs, "it ended by itself"
    return told


def test_kill_9_neither_loses_nor_repeats_a_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    told = [one for runs in (7, 45, 33) for one in run_then_kill(tmp_path, runs)]
    asyncio.run(check_all(tmp_path / "data" / "ocs.db", told))


async def check_all(path: Path, told: list[str]) -> None:
    """Compare every account with its history, and with the runs that were told."""
    store = SqliteStore(path)
    try:
        for number in range(ACCOUNTS):
            key = f"default:{number}"
            account = await store.load(key)
            assert account is not None
            await check(store, account, [one for one in told if one.startswith(f"{key} ")])
    finally:
        await store.close()


async def check(store: SqliteStore, account: Account, told: list[str]) -> None:
    """Compare an account with its history, and with the runs that were told."""
    rows = (await store.read(Query(Table.POSTINGS, account.key, None, 1_000))).rows
    postings = [row for row in rows if isinstance(row, Posting)]
    ids = [f"{account.key} {posting.event_id}" for posting in postings]
    repeated = [one for one, count in Counter(ids).items() if count > 1]
    assert repeated == []
    assert set(told) <= set(ids), "what was told is durable"
    fees = sum(posting.reason.startswith("fee") for posting in postings)
    welcomes = len(postings) - fees
    held = {balance.id: balance.posted for balance in account.balances}
    assert welcomes == (1 if postings else 0)
    assert held == (
        {"main": 10**11 - fees * 10**7} | ({"points": fees * 10**9} if fees else {}) if postings else {}
    )
