"""The client's own books, and an auditor that reads the store without the program that wrote it.

Prices are computed here with fractions from the words of the demo tariff; the file is read as SQLite tables whose
records are msgpack arrays, by the positions of their members.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

NANOS = 10**9
TOPUP, DEBIT = 1, 2
DEMO_MONEY_NANOS = 1_000_000 * NANOS  # of the accounts 0 to 899


class Terms(NamedTuple):
    """Price for so many octets, billed by the increment."""

    price: Fraction
    per: int
    increment: int


DATA = Terms(Fraction(1), 100_000_000, 1_000)  # `data: {price: "1.00", per: 100MB, increment: 1kB}`
VIDEO = Terms(
    Fraction(2, 5), 100_000_000, 1_000_000
)  # `data_video: {price: "0.40", per: 100MB, increment: 1MB}`
TERMS = {10: DATA, 11: DATA, 30: VIDEO}


def price_nanos(terms: Terms, octets: int) -> int:
    """What so many octets of one session cost, rounded up to a nano."""
    increments = -(-octets // terms.increment)
    exact = terms.price * increments * terms.increment / terms.per * NANOS
    return -(-exact.numerator // exact.denominator)


def debit_nanos(used: dict[int, int]) -> int:
    """What a session owes for its usage by rating group."""
    return sum(price_nanos(TERMS[group], octets) for group, octets in used.items())


class Found(NamedTuple):
    """What the file says of one account."""

    posted: dict[str, int]
    reserved: dict[str, int]
    open_sessions: int


class Audit:
    """The whole of a store, added up from its records."""

    def __init__(self, accounts: Iterable[bytes], postings: Iterable[bytes], integrity: str = "ok") -> None:
        self.accounts: dict[str, Found] = {}
        self.entries: Counter[tuple[str, str]] = Counter()  # sums by account and balance
        self.kinds: Counter[tuple[str, int]] = Counter()  # sums by account and kind of entry
        self.debits: Counter[str] = Counter()  # sums by session, as the client names it
        self.postings: Counter[tuple[str, int | None, int | str]] = Counter()
        self.integrity = integrity
        for record in accounts:
            self._account(msgspec.msgpack.decode(record))
        for record in postings:
            self._posting(msgspec.msgpack.decode(record))

    @classmethod
    def of_file(cls, database: Path) -> "Audit":
        """Of a store in SQLite."""
        connection = sqlite3.connect(database)
        try:
            (integrity,) = connection.execute("pragma integrity_check").fetchone()
            accounts = [record for (record,) in connection.execute("select record from account")]
            postings = [record for (record,) in connection.execute("select record from posting")]
        finally:
            connection.close()
        return cls(accounts, postings, integrity)

    def _account(self, record: list[Any]) -> None:
        key, _, balances, sessions = record[:4]
        self.accounts[key] = Found(
            {balance[0]: balance[2] for balance in balances},
            {balance[0]: balance[3] if len(balance) > 3 else 0 for balance in balances},
            len(sessions),
        )

    def _posting(self, record: list[Any]) -> None:
        account, session_key, kind, event_id, _, entries = record[:6]
        if session_key:
            self.postings[session_key, kind, event_id] += 1
        for entry in entries:
            entry_kind, balance, _, amount = entry[:4]
            self.entries[account, balance] += amount
            self.kinds[account, entry_kind] += amount
            if session_key:
                self.debits[session_key.partition("|")[2]] -= amount

    def problems(self) -> list[str]:
        """What is wrong with the file by itself: balances, entries, an event booked twice."""
        found = [] if self.integrity == "ok" else [f"SQLite: {self.integrity}"]
        found += [f"booked {count} times: {name}" for name, count in self.postings.items() if count != 1]
        for key, account in self.accounts.items():
            for balance, posted in account.posted.items():
                if posted != self.entries[key, balance]:
                    found.append(f"{key} {balance}: {posted}, its entries {self.entries[key, balance]}")
        return found
