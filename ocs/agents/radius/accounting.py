"""Accounting-Requests: sessions of access servers, charged by the core, answered when that is durable.

What a report says was used is always charged: also where its Start was lost, where the core has closed the session
meanwhile, and where nothing more is granted. Reports of one session are decided in the order in which they came.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from ocs.agents.radius.books import Books
from ocs.agents.radius.charging import ChargingCore, ChargingDoor
from ocs.agents.radius.exchange import Exchange
from ocs.agents.radius.mapping.access import account_in_class
from ocs.agents.radius.mapping.charging import SECOND_NS, initial, termination, update
from ocs.agents.radius.mapping.clients import Client, Clients
from ocs.agents.radius.mapping.model import Report
from ocs.agents.radius.mapping.report import decode_report, facts_of
from ocs.agents.radius.mapping.session import ACCOUNT, NasSession
from ocs.agents.radius.metrics import RadiusMetrics
from ocs.agents.radius.wire import codes
from ocs.agents.voice.outcomes import BUSY, GRANTED, NO_CREDIT, grant_of, is_last_credit, outcome, reason
from ocs.agents.voice.recent import Recent
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Result, Unit
from ocs.config.settings import RadiusSettings

log = structlog.get_logger()

ENDED_KEPT = 20_000
SWEEP_S = 60.0
SWEPT_AT_ONCE = 1_000
CAUSE_NAS_RESTARTED = "access server restarted"
CAUSE_ID_REUSED = "its id was used again"

Cut = Callable[[Client, NasSession, str], None]  # tell the access server to end a session, and why
Extend = Callable[[Client, NasSession, int], None]  # ... how many seconds it may last in all


class Due:
    """A report on its way through the core: whose it is, what it says was used, what is to follow."""

    __slots__ = ("client", "exchange", "is_end", "kind", "reopened", "report", "session", "totals")

    def __init__(
        self,
        client: Client,
        session: NasSession,
        exchange: Exchange | None,
        report: Report | None,
        is_end: bool,
    ) -> None:
        self.client = client
        self.session = session
        self.exchange = exchange
        self.report = report
        self.is_end = is_end
        self.kind = EventKind.UPDATE
        self.totals = session.totals()
        self.reopened = False


class AccountingFlow:
    """The sessions of all access servers; `cut` is for one whose credit has ended, `extend` for one with more."""

    def __init__(
        self,
        settings: RadiusSettings,
        clients: Clients,
        service: ChargingCore,
        charging: ChargingDoor,
        metrics: RadiusMetrics,
        cut: Cut,
        extend: Extend,
    ) -> None:
        self.sessions: dict[str, dict[str, NasSession]] = {}  # by access server and id
        self._settings = settings
        self._clients = clients
        self._service = service
        self._charging = charging
        self._metrics = metrics
        self._books = Books(clients, service)
        self._cut = cut
        self._extend = extend
        self._ended: Recent[NasSession] = Recent(ENDED_KEPT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: dict[str, list[Callable[[], None]]] = {}  # by key: reports behind one that waits

    async def adopt(self) -> int:
        """Go on with the sessions that were open when the server ended; how many there were."""
        names = tuple(f"{name}/" for name in self._clients.by_name)
        found = await self._service.sessions_below(names) if names else []
        for opened in found:
            session = NasSession(opened.client, opened.session_id, opened.opened_at_ns // SECOND_NS)
            if session.recall(opened.context.extra):
                session.heard_ns = time.monotonic_ns()
                self._put(session)
                self._keep_open(session)
        return len(found)

    async def stop(self) -> None:
        """Finish what waits for the store; timers end."""
        await asyncio.gather(*tuple(self._tasks), return_exceptions=True)
        for sessions in self.sessions.values():
            for session in sessions.values():
                stop_timer(session)

    async def sweep(self) -> None:
        """Forget, from time to time, sessions that the core has closed and nobody speaks of any more."""
        while True:
            await asyncio.sleep(SWEEP_S)
            before_ns = time.monotonic_ns() - self._settings.silence_ns
            known = [session for sessions in self.sessions.values() for session in sessions.values()]
            for number, session in enumerate(known, 1):
                if session.heard_ns < before_ns and self._service.supervision.get(session.key) is None:
                    self.forget(session)
                if number % SWEPT_AT_ONCE == 0:
                    await asyncio.sleep(0)

    def find(self, client: str, session_id: str) -> NasSession | None:
        """A session by its names in the core."""
        return self.sessions.get(client, {}).get(session_id)

    def take(self, exchange: Exchange) -> None:
        """Charge a report and answer it. Raises Malformed."""
        client, packet = exchange.client, exchange.packet
        report = decode_report(packet, exchange.address[0], self._service.now_ns() // SECOND_NS)
        if report.status in (codes.ACCOUNTING_ON, codes.ACCOUNTING_OFF):
            self._spawn(self._restarted(exchange, report), exchange)
        elif report.status in (codes.START, codes.INTERIM_UPDATE, codes.STOP):
            key = f"{client.name}/{report.nas}|{report.session_id}"
            self._in_order(key, lambda: self._report(exchange, report))
        elif report.status == codes.FAILED:
            self._given_up(exchange, report)
        else:
            exchange.reply(codes.ACCOUNTING_RESPONSE)  # tunnels: nothing of it is charged

    def _in_order(self, key: str, work: Callable[[], None]) -> None:
        """Do something about a session, behind whatever waits for the store."""
        waiting = self._busy.get(key)
        if waiting is None:
            work()
        else:
            waiting.append(work)

    def _report(self, exchange: Exchange, report: Report) -> None:
        client, nas = exchange.client, f"{exchange.client.name}/{report.nas}"
        session = self.find(nas, report.session_id)
        begun_s = report.happened_s - (report.counters.seconds or 0)
        if session is not None and _is_another(session, report, begun_s):
            self._renewed(exchange, report, session, begun_s)
            return
        if session is None:
            ended = self._ended.get(f"{nas}|{report.session_id}")
            if ended is not None and (
                ended.is_same(begun_s, report.is_timed) or report.happened_s <= ended.last_s
            ):
                self._after_the_end(exchange, report, ended)
                return
            session = NasSession(nas, report.session_id, begun_s)
            if report.status != codes.START:  # its Start was lost, or charged long ago
                self._unknown(exchange, report, session)
                return
        self._learn(session, exchange, report)
        self._charge(client, session, exchange, report)

    def _unknown(self, exchange: Exchange, report: Report, session: NasSession) -> None:
        """A report of a session nothing is known of here: the records of its account may tell."""
        self._learn(session, exchange, report)
        log.debug("radius.session_unknown", peer=session.client, session=session.session_id)
        if report.status == codes.INTERIM_UPDATE:
            self._put(session)

        def charge() -> None:
            session.read(report)  # once more, where the session was found with what it had counted
            self._charge(exchange.client, session, exchange, report)

        self._look_up(session, exchange, charge)

    def _renewed(self, exchange: Exchange, report: Report, former: NasSession, begun_s: int) -> None:
        """A report under the id of another session, whose Stop was lost: what that was charged stands."""
        session = NasSession(former.client, former.session_id, begun_s)
        log.warning("radius.session_id_reused", peer=exchange.client.name, session=session.session_id)
        self.forget(former)
        self._learn(session, exchange, report)
        self._put(session)
        self._behind(
            session,
            exchange,
            self._closed(former),
            lambda: self._charge(exchange.client, session, exchange, report),
        )

    async def _closed(self, former: NasSession) -> None:
        ref = self._service.supervision.get(former.key)
        if ref is not None:
            await self._charging.close_session(ref, CAUSE_ID_REUSED)

    def _after_the_end(self, exchange: Exchange, report: Report, ended: NasSession) -> None:
        """A report of a session that has ended: only a total that is higher says anything new."""
        ended.read(report)
        totals = ended.totals()
        if totals[0] <= ended.charged_s and totals[1] <= ended.charged_octets:
            exchange.reply(codes.ACCOUNTING_RESPONSE)
            return
        ended.settle()
        self._charge(exchange.client, ended, exchange, report, is_end=True)

    def _learn(self, session: NasSession, exchange: Exchange, report: Report) -> None:
        packet = exchange.packet
        if report.status == codes.START or not session.is_known(packet.first(codes.FRAMED_IP_ADDRESS)):
            facts = facts_of(packet)
            account = account_in_class(packet)
            if account:
                facts = (*facts, (ACCOUNT, account))
                session.account = account
            session.facts = tuple((dict(session.facts) | dict(facts)).items())
            session.address = packet.first(codes.FRAMED_IP_ADDRESS)
        session.user = report.user or session.user
        session.origin = exchange.address[0]
        session.heard_ns = time.monotonic_ns()
        session.read(report)

    def _put(self, session: NasSession) -> None:
        self.sessions.setdefault(session.client, {})[session.session_id] = session

    def forget(self, session: NasSession) -> None:
        """A session has ended."""
        stop_timer(session)
        session.is_open = False
        self._ended.add(session.key, session)
        sessions = self.sessions.get(session.client, {})
        if sessions.get(session.session_id) is session:
            del sessions[session.session_id]
            if not sessions:
                del self.sessions[session.client]

    # --- charging

    def _charge(
        self, client: Client, session: NasSession, exchange: Exchange, report: Report, is_end: bool = False
    ) -> None:
        """Give a report to the core; a session it does not have is opened first."""
        due = Due(client, session, exchange, report, is_end or report.status == codes.STOP)
        if not due.is_end:
            self._put(session)
            session.has_interims = session.has_interims or report.status == codes.INTERIM_UPDATE
        if session.is_open and report.status == codes.START:
            self._submit(due, EventKind.INITIAL, initial(client, session, wants=True))
        elif session.is_open:
            self._continue(due)
        elif due.is_end and not session.has_more():
            self.forget(session)
            self._done(due)
        else:
            self._open(due)

    def _continue(self, due: Due) -> None:
        if due.is_end:
            assert due.report is not None, "only a report ends a session"
            event = termination(due.client, due.session, due.report.terminate_cause)
            self._submit(due, EventKind.TERMINATION, event)
        else:
            self._submit(due, EventKind.UPDATE, update(due.client, due.session, due.session.asked))

    def _open(self, due: Due) -> None:
        session = due.session
        if due.report is None or due.report.status != codes.START:
            session.openings += 1
        session.is_open = True
        self._submit(due, EventKind.INITIAL, initial(due.client, session, wants=not due.is_end))

    def _submit(self, due: Due, kind: EventKind, event: ChargingEvent) -> None:
        due.kind = kind
        self._charging.submit(event, lambda answer: self._answered(due, answer))

    def _answered(self, due: Due, answer: ChargingAnswer) -> None:
        session, exchange = due.session, due.exchange
        if exchange is not None:
            took_ns = exchange.took_ns()
            self._metrics.request_answered(due.kind, outcome(answer), took_ns, "radius")
        if answer.result in BUSY:
            session.is_open = session.is_open and due.kind is not EventKind.INITIAL
            if exchange is not None:
                exchange.drop("too_busy")
            return
        if answer.result is Result.UNKNOWN_SESSION and due.kind is not EventKind.INITIAL and not due.reopened:
            due.reopened = True
            session.is_open = False
            self._look_up(session, exchange, lambda: self._go_on(due))
            return
        session.charged(due.totals)
        match due.kind:
            case EventKind.INITIAL:
                self._opened(due, answer)
            case EventKind.UPDATE:
                self._updated(due, answer)
            case EventKind.TERMINATION | EventKind.EVENT:
                self.forget(session)
                self._done(due)

    def _go_on(self, due: Due) -> None:
        """The core has closed the session; what it was charged is known, the rest opens another."""
        if due.is_end and not due.session.has_more():
            self.forget(due.session)
            self._done(due)
        else:
            self._open(due)

    def _opened(self, due: Due, answer: ChargingAnswer) -> None:
        session = due.session
        if answer.result in GRANTED:
            if due.is_end:
                self._continue(due)
                return
            self._granted(due, answer)
        else:
            session.settle()
            self._refused(due, answer)
        self._done(due)

    def _refused(self, due: Due, answer: ChargingAnswer) -> None:
        """The core opens no session; what was used is charged all the same, where there is an account."""
        session = due.session
        if answer.result is Result.UNKNOWN_SUBSCRIBER:
            seconds, octets = due.totals
            session.charged_s = session.charged_octets = session.settled_s = session.settled_octets = 0
            log.warning(
                "radius.usage_unclaimed",
                peer=due.client.name,
                session=session.session_id,
                subscriber=session.user,
                seconds=seconds,
                octets=octets,
            )
        if due.is_end:
            self.forget(session)
        else:
            self._cut(due.client, session, reason(answer))

    def _updated(self, due: Due, answer: ChargingAnswer) -> None:
        session = due.session
        if answer.has_ended:  # closed a moment ago, and charged: whoever closed it may not want it to go on
            session.settle()
            if not due.reopened:
                due.reopened = True
                self._open(due)
                return
        elif answer.result is Result.DENIED:
            session.settle()
            self._cut(due.client, session, reason(answer))
        else:
            self._granted(due, answer)
        self._done(due)

    def _granted(self, due: Due, answer: ChargingAnswer) -> None:
        """What is granted lasts until the next report, or ends the session at its access server."""
        session = due.session
        self._keep_open(session)
        stop_timer(session)
        grant = grant_of(answer)
        if grant is None:
            self._cut(due.client, session, reason(answer))
            return
        if due.report is None and grant.unit is Unit.TIME:
            most_s = self._settings.max_session_ns // SECOND_NS
            self._extend(due.client, session, min(session.seconds.total + grant.amount // SECOND_NS, most_s))
        if is_last_credit(answer) and grant.unit is Unit.TIME and not due.client.debit_interval_ns:
            loop = asyncio.get_running_loop()
            passed_s = max(self._service.now_ns() // SECOND_NS - session.last_s, 0)
            left_s = max(grant.amount / SECOND_NS - passed_s, 0)
            session.timer = loop.call_later(left_s, lambda: self._cut(due.client, session, NO_CREDIT))

    def _done(self, due: Due) -> None:
        if due.exchange is not None:
            due.exchange.reply(codes.ACCOUNTING_RESPONSE)

    def _keep_open(self, session: NasSession) -> None:
        """The core waits for the next report as long as this access server may take."""
        ref = self._service.supervision.get(session.key)
        if ref is None:
            return
        client = self._clients.by_name.get(session.client.partition("/")[0])
        interval_ns = 0 if client is None else client.settings.interim_interval_ns
        silence_ns = self._settings.silence_ns
        if session.has_interims and interval_ns:
            silence_ns = min(silence_ns, interval_ns * self._settings.missed_interims)
        self._service.keep_open(session.key, ref.account_key, silence_ns)

    def ask(self, client: Client, session: NasSession) -> None:
        """There may be credit again: ask for it without a report."""
        session.asked += 1
        due = Due(client, session, None, None, is_end=False)
        self._in_order(
            session.key, lambda: self._submit(due, EventKind.UPDATE, update(client, session, session.asked))
        )

    # --- what is not in memory

    def _look_up(self, session: NasSession, exchange: Exchange | None, then: Callable[[], None]) -> None:
        """Find out what closed sessions of the core have charged of a session."""
        self._behind(session, exchange, self._books.settle(session), then)

    def _behind(
        self,
        session: NasSession,
        exchange: Exchange | None,
        first: Coroutine[Any, Any, None],
        then: Callable[[], None],
    ) -> None:
        """Do something that waits, then the rest; other reports of the session come after that."""
        self._busy.setdefault(session.key, [])
        self._spawn(self._done_first(session, exchange, first, then), None)

    async def _done_first(
        self,
        session: NasSession,
        exchange: Exchange | None,
        first: Coroutine[Any, Any, None],
        then: Callable[[], None],
    ) -> None:
        try:
            await first
            then()
        except BaseException:  # also where the task is ended: nothing was promised, so a repeat begins anew
            if exchange is not None:
                exchange.drop("failed")
            raise
        finally:
            for work in self._busy.pop(session.key, ()):
                self._in_order(session.key, work)

    # --- access servers that begin anew, calls that do not take place

    async def _restarted(self, exchange: Exchange, report: Report) -> None:
        """Accounting-On or -Off: the sessions this access server had before are over."""
        nas = f"{exchange.client.name}/{report.nas}"
        closed = 0
        for session in tuple(self.sessions.get(nas, {}).values()):
            if session.started_s > report.happened_s:
                continue
            ref = self._service.supervision.get(session.key)
            if ref is not None:
                closed += await self._charging.close_session(ref, CAUSE_NAS_RESTARTED)
            self.forget(session)
        log.info("radius.access_server_restarted", peer=nas, sessions=closed)
        exchange.reply(codes.ACCOUNTING_RESPONSE)

    def _given_up(self, exchange: Exchange, report: Report) -> None:
        """A call that failed: what was promised to it is free again."""
        session = NasSession(f"{exchange.client.name}/{report.nas}", report.session_id, report.happened_s)
        if self.find(session.client, session.session_id) is not None:
            exchange.reply(codes.ACCOUNTING_RESPONSE)
            return
        self._learn(session, exchange, report)

        def answered(answer: ChargingAnswer) -> None:
            if answer.result in BUSY:
                exchange.drop("too_busy")
            else:
                exchange.reply(codes.ACCOUNTING_RESPONSE)

        self._charging.submit(termination(exchange.client, session, None), answered)

    def _spawn(self, work: Coroutine[Any, Any, None], exchange: Exchange | None) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if not done.cancelled() and done.exception() is not None:
                log.error("radius.report_failed", error=repr(done.exception()))
            if exchange is not None:
                exchange.drop("failed")

        task.add_done_callback(ended)


def stop_timer(session: NasSession) -> None:
    """Nothing happens to a session by itself any more."""
    if isinstance(session.timer, asyncio.TimerHandle):
        session.timer.cancel()
    session.timer = None


def _is_another(session: NasSession, report: Report, begun_s: int) -> bool:
    """Whether a report is of another session than the one that is known under its id."""
    if session.is_same(begun_s, report.is_timed):
        return False
    is_other_user = bool(report.user and session.user) and report.user != session.user
    return report.status == codes.START or is_other_user
