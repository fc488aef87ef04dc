"""The one door to charging, as agents and operators see it: turns, supervision, requests to clients.

Every change goes through `door`; everybody else only reads the store.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import structlog

from ocs.charging.account import RUN_MARK, Account, Session, first_run_of, run_session_id, session_key
from ocs.charging.acting import ActingDoor
from ocs.charging.acts import Act
from ocs.charging.control import Ask, ControlResult, OpenSession, SessionAddress, Wish, asked
from ocs.charging.decision import Change, Decision
from ocs.charging.endings import close, let_go
from ocs.charging.entry import Cdr, EntryKind, Posting
from ocs.charging.ledger import check
from ocs.charging.memory import member_keys
from ocs.charging.pending import Limits, Observer, Pending
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rerate import Books, rerate
from ocs.charging.store import Query as StoreQuery
from ocs.charging.store import StoreError, Table, VersionConflict
from ocs.charging.supervision import SessionRef
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.turns import ATTEMPTS

__all__ = ["ChargingService", "Limits", "Observer", "Pending", "member_keys"]

log = structlog.get_logger()

CAUSE_SILENT = "client silent"
CAUSE_RESTARTED = "client restarted"
CAUSE_FIRST_RUN = "its first run has ended"
CAUSE_UNKNOWN = "unknown to its client"
BOOKS_PAUSE_S = 0.02  # until what memory is ahead by is durable
RECORDS_LOOKED_AT = 200
CLOSED_AT_ONCE = 1_000  # sessions: silent ones in one second, lost ones at a time
ASKED_AT_ONCE = 64  # clients asked to ask again when prices change


class ChargingService(ActingDoor):
    """Takes events, answers each exactly once, supervises sessions, and does what operators ask."""

    # --- supervision

    async def run(self) -> None:
        """Watch over silent sessions until cancelled."""
        await self._adopt_open_sessions()
        while True:
            await asyncio.sleep(1)
            self.observer.sessions_open(len(self.supervision))
            self.observer.queue_depth(self.in_flight)
            try:
                await self._find_sessions_again()
            except StoreError as error:
                log.warning("charging.supervision_failed", error=str(error))
            due = self.supervision.due(self._monotonic_ns(), CLOSED_AT_ONCE)
            closings = [self.close_session(ref, CAUSE_SILENT) for ref in due]
            for outcome in await asyncio.gather(*closings, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    log.warning("charging.closing_failed", error=repr(outcome))

    async def _find_sessions_again(self) -> None:
        """After a failed change: take the sessions of its account under supervision again."""
        for account_key in tuple(self._unwatched):
            account = await self._account(account_key)
            self._unwatched.discard(account_key)
            if account is not None:
                self._watch(account)

    async def _adopt_open_sessions(self) -> None:
        """After a start: take the sessions the store knows of under supervision, page by page."""
        self._adopted.clear()
        after: str | int | None = ""
        while after is not None:
            try:
                page = await self.store.read(StoreQuery(Table.SESSIONS, after=after, limit=200))
            except StoreError as error:  # it may come back; until then its sessions are not watched
                log.warning("charging.adoption_delayed", error=str(error))
                await asyncio.sleep(1)
                continue
            for account in page.rows:
                if isinstance(account, Account) and account.key not in self._accounts:
                    self._watch(account)
            after = page.next_after
            await asyncio.sleep(0)
        self._adopted.set()

    def keep_open(self, key: str, account_key: str, lifetime_ns: int) -> None:
        """Let a session be silent for so long from now: others watch over it."""
        self.supervision.touch(key, account_key, self._monotonic_ns() + lifetime_ns)

    async def close_session(self, ref: SessionRef, cause: str) -> bool:
        """End a session without its client; False where it has ended already, or is not silent any more."""
        is_closed = False
        session: Session | None = None

        def act(account: Account) -> Change | None:
            nonlocal is_closed, session
            is_closed = False
            session = next((each for each in account.sessions if each.key == ref.key), None)
            latest = self.supervision.get(ref.key)
            if latest is not None and latest.deadline_ns > self._monotonic_ns() and cause is CAUSE_SILENT:
                return None
            if cause is CAUSE_SILENT and session is not None and self._was_heard_elsewhere(session, account):
                return None
            if not self._has_members(account):
                return None  # what they lend could not be given back now: the next round tries again
            self.supervision.forget(ref.key)
            if session is None:
                return None
            others = self.members_in_memory(account)
            ended = close(account, session, self.policy, self._wall_ns(), cause, others)
            is_closed = True
            return Change(
                ended.account,
                cdrs=ended.cdrs,
                closed_keys=let_go(account, ended.account),
                others=ended.others,
            )

        await self.apply(ref.account_key, act)
        if not is_closed:
            return False
        self.observer.session_expired()
        log.info("charging.session_closed", session=ref.key, cause=cause)
        if cause is CAUSE_SILENT and self.policy.supervision.aborts and session is not None:
            self._spawn(self._abort(session))
        if session is not None and session.runs:
            await self._close_other_runs(session)
        return True

    async def _close_other_runs(self, session: Session) -> None:
        for run in session.runs:
            key = session_key(session.client, run_session_id(session.session_id, run.name))
            await self.close_session(SessionRef(key, run.account, 0), CAUSE_FIRST_RUN)

    def _end_other_runs(self, ended: Sequence[Session], key: str) -> None:
        for session in ended:
            if session.runs and session.key != key:
                self._spawn(self._close_other_runs(session))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _was_heard_elsewhere(self, session: Session, account: Account) -> bool:
        """Whether another server has heard of a session that was silent here."""
        left_ns = session.deadline_ns - self._wall_ns()
        if not self.is_shared or left_ns <= 0:
            return False
        self.supervision.touch(session.key, account.key, self._monotonic_ns() + left_ns)
        return True

    async def _abort(self, session: Session) -> None:
        """Tell the client of a session that was closed here to end it."""
        if RUN_MARK not in session.session_id:  # of the first run, its client is told
            await self.ask(Ask(Wish.DISCONNECT, address_of(session), CAUSE_SILENT))

    async def client_restarted(self, client: str) -> int:
        """A client has lost its sessions (Origin-State-Id rose, RFC 6733 8.16): close them, count them."""
        await self._adopted.wait()
        closed, keys = 0, self.supervision.keys_of(client)
        for at in range(0, len(keys), CLOSED_AT_ONCE):  # together: the disk is waited for once
            refs = [self.supervision.get(key) for key in keys[at : at + CLOSED_AT_ONCE]]
            closings = [self.close_session(ref, CAUSE_RESTARTED) for ref in refs if ref is not None]
            closed += sum(await asyncio.gather(*closings))
        if closed:
            log.info("charging.client_restarted", client=client, sessions=closed)
        return closed

    async def sessions_of(self, client: str) -> list[OpenSession]:
        """The open sessions of a client, for an agent that does not know them any more."""
        found: list[OpenSession] = []
        after: str | int | None = ""
        while after is not None:
            page = await self.store.read(StoreQuery(Table.SESSIONS, after=after, limit=200))
            for row in page.rows:
                if isinstance(row, Account):
                    latest = self._accounts.get(row.key, row)
                    mine = [each for each in latest.sessions if each.client == client and _is_known(each)]
                    found += [_shown(session, row.key) for session in mine]
            after = page.next_after
        return found

    async def sessions_below(self, clients: tuple[str, ...]) -> list[OpenSession]:
        """The open sessions of all clients whose names begin so, for an agent that serves many behind one."""
        found: list[OpenSession] = []
        after: str | int | None = ""
        while after is not None:
            page = await self.store.read(StoreQuery(Table.SESSIONS, after=after, limit=200))
            for row in page.rows:
                if isinstance(row, Account):
                    latest = self._accounts.get(row.key, row)
                    mine = [
                        each
                        for each in latest.sessions
                        if each.client.startswith(clients) and _is_known(each)
                    ]
                    found += [_shown(session, row.key) for session in mine]
            after = page.next_after
        return found

    async def records_of(self, account_key: str, client: str, session_id: str) -> list[Cdr]:
        """The records of a session among the newest of its account."""
        page = await self.store.read(StoreQuery(Table.CDRS, account_key, None, RECORDS_LOOKED_AT))
        return [
            row
            for row in page.rows
            if isinstance(row, Cdr) and (row.client, row.session_id) == (client, session_id)
        ]

    # --- the running sessions of an account

    async def reauthorize_starved(self, account: Account) -> None:
        """Ask the clients of sessions that were told their credit ends to ask again (RFC 8506 5.5)."""
        starved = [each for each in account.sessions if any(quota.is_final for quota in each.quotas)]
        await self._ask_clients(account, starved, Wish.REAUTHORIZE)

    async def reauthorize_all(self) -> int:
        """Ask the clients of all open sessions to ask again, some at a time: prices have changed; counts them."""
        keys = self.supervision.keys()
        for at in range(0, len(keys), ASKED_AT_ONCE):
            await asyncio.gather(*[self._reauthorize(key) for key in keys[at : at + ASKED_AT_ONCE]])
        log.info("charging.reauthorized", sessions=len(keys))
        return len(keys)

    async def _reauthorize(self, key: str) -> None:
        ref = self.supervision.get(key)
        account = None if ref is None else await self._account(ref.account_key)
        if account is not None:
            sessions = [each for each in account.sessions if each.key == key and not each.is_promise]
            await self._ask_clients(account, sessions, Wish.REAUTHORIZE)

    async def disconnect_all(self, account: Account, cause: str) -> None:
        """Ask the clients of all sessions of an account to end them."""
        await self._ask_clients(account, account.sessions, Wish.DISCONNECT, cause)

    async def warn(self, account: Account, session: Session) -> None:
        """Have the user of one session told that the credit ends soon."""
        await self._ask_clients(account, (session,), Wish.WARN)

    async def disconnect(self, account: Account, session: Session, cause: str) -> None:
        """Tell the client of one session to end it."""
        await self._ask_clients(account, (session,), Wish.DISCONNECT, cause)

    async def _ask_clients(
        self, account: Account, sessions: Iterable[Session], wish: Wish, cause: str = ""
    ) -> None:
        """Ask about all these sessions at once; one that its client does not know any more is closed."""

        async def ask_about(session: Session) -> None:
            if await self.ask(Ask(wish, address_of(session), cause)) is ControlResult.UNKNOWN_SESSION:
                await self.close_session(SessionRef(session.key, account.key, 0), CAUSE_UNKNOWN)

        await asyncio.gather(*[ask_about(session) for session in sessions])

    async def ask(self, ask: Ask) -> ControlResult:
        """Ask the client of a session, over another server where this one does not reach it."""
        said = await self.ask_here(ask)
        if self.elsewhere is not None and said in (ControlResult.NO_ANSWER, ControlResult.UNSUPPORTED):
            return min(said, await self.elsewhere(ask))
        return said

    async def ask_here(self, ask: Ask) -> ControlResult:
        """Ask over this server's own connections: the first agent whose client it is."""
        for control in reversed(tuple(self.session_control.values())):  # Diameter, the first, has no bounds
            said = await asked(control, ask)
            if said is not ControlResult.UNSUPPORTED:
                return said
        return ControlResult.UNSUPPORTED

    # --- what other servers do

    def outdated(self, key: str, version: int) -> None:
        """Another server has made this version of an account: it is read again when it is needed."""
        account = self._accounts.get(key)
        if account is not None and account.version < version and key not in self._undurable:
            self._forget_identities(self._accounts.pop(key))

    async def is_open(self, key: str) -> bool:
        """Whether a session is open, here or at another server."""
        if self.supervision.get(key) is not None:
            return True
        account_key = await self.store.find(key)
        account = None if account_key is None else await self.account(account_key)
        return account is not None and any(session.key == key for session in account.sessions)

    async def take_over(self, key: str) -> None:
        """Watch over the sessions of an account, wherever they were begun."""
        account = await self.account(key)
        if account is not None:
            self._watch(account)

    async def drained(self) -> None:
        """Return when every event taken in has its answer."""
        while self.in_flight:
            self._idle.clear()
            await self._idle.wait()

    def swap(self, catalogue: Catalogue, policy: ChargingPolicy) -> Catalogue | None:
        """Go on with another tariff and policy from the next turn on; open sessions still find the former one.

        Returned is a tariff that no session needs any more.
        """
        gone = None
        if catalogue is not self.catalogue:
            gone = catalogue.succeed(self.catalogue, self._wall_ns())
        self.catalogue, self.policy = catalogue, policy
        return gone

    async def rerate(
        self, account_key: str, client: str, session_id: str, act: Act, is_refund: bool = False
    ) -> Decision | None:
        """Charge a stored session anew by the present tariff, or give it back; None for an unknown account.

        The same act twice is the caller's to find; a refund twice gives nothing back the second time.
        """
        for _ in range(ATTEMPTS):
            decision = await self._rerated(account_key, client, session_id, act, is_refund)
            if decision is not None or await self._account(account_key) is None:
                return decision
            await asyncio.sleep(BOOKS_PAUSE_S)
        raise VersionConflict(f"{account_key} is changed all the time")

    async def _rerated(
        self, account_key: str, client: str, session_id: str, act: Act, is_refund: bool
    ) -> Decision | None:
        """One attempt; None where the account moved on while its books were read."""
        decision: Decision | None = None
        stored = await self.store.load(account_key)
        books = await self._books(account_key, client, session_id)

        def change(account: Account) -> Change | None:
            nonlocal decision
            if stored is None or account.version != stored.version:
                return None
            others = self.members_in_memory(account)
            decision = rerate(account, books, self.catalogue, self.policy, act, others, is_refund)
            if decision.account is account:
                return None
            postings = () if decision.posting is None else (decision.posting,)
            return Change(
                decision.account,
                (*postings, *decision.other_postings),
                decision.cdrs,
                others=decision.others,
            )

        await self.apply(account_key, change)
        return decision

    async def _books(self, account_key: str, client: str, session_id: str) -> Books:
        """The records and postings of a session, on its account and on those that share with it."""
        account = await self._account(account_key)
        if account is None:
            return Books((), ())
        key = session_key(client, session_id)
        cdrs = [
            row
            for row in await self._rows(Table.CDRS, account_key)
            if isinstance(row, Cdr) and (row.client, row.session_id) == (client, session_id)
        ]
        postings = [
            row
            for owner in (account_key, *member_keys(account))
            for row in await self._rows(Table.POSTINGS, owner)
            if isinstance(row, Posting) and row.session_key == key
        ]
        return Books(tuple(cdrs), tuple(postings))

    async def _rows(self, table: Table, account_key: str) -> list[Account | Posting | Cdr]:
        """All rows of an account, the oldest first."""
        rows: list[Account | Posting | Cdr] = []
        after: str | int | None = None
        while True:
            page = await self.store.read(StoreQuery(table, account_key, after, 1_000))
            rows += page.rows
            after = page.next_after
            if after is None:
                return rows[::-1]

    async def verify(self, account_key: str) -> list[str]:
        """What is wrong with the books of an account: holds, and postings against balances."""
        account = await self._account(account_key)
        if account is None:
            return [f"no account {account_key}"]
        problems = check(account)
        sums: dict[str, int] = {}
        after: str | int | None = None
        while True:
            page = await self.store.read(StoreQuery(Table.POSTINGS, account_key, after, 1_000))
            for posting in page.rows:
                if isinstance(posting, Posting):
                    for entry in posting.entries:
                        if entry.kind is not EntryKind.WRITE_OFF:
                            sums[entry.balance_id] = sums.get(entry.balance_id, 0) + entry.amount
            after = page.next_after
            if after is None:
                break
        return problems + [
            f"balance {balance.id}: posted {balance.posted}, entries sum to {sums.get(balance.id, 0)}"
            for balance in account.balances
            if balance.posted != sums.get(balance.id, 0)
        ]


def address_of(session: Session) -> SessionAddress:
    """Where a session's client is, by the name it knows."""
    return SessionAddress(session.client, first_run_of(session.session_id), session.origin, session.service)


def _is_known(session: Session) -> bool:
    """Whether its client knows of a session."""
    return not session.is_promise and RUN_MARK not in session.session_id


def _shown(session: Session, account_key: str) -> OpenSession:
    used = sum(quota.used for quota in session.quotas)
    granted = sum(quota.granted for quota in session.quotas)
    last_update = session.seen[-1][1] if session.seen else 0
    return OpenSession(
        session.session_id,
        session.service,
        account_key,
        session.opened_at_ns,
        session.context,
        used,
        granted,
        last_update,
        session.client,
    )
