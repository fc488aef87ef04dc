"""The turn of an account or an event that is not plain: balances with terms, shared groups, request types. Pure.

`turn_of` chooses: a prepaid event on an account whose balances have no terms never comes here.
"""

import msgspec

from ocs.charging.account import Account, Extras, Hold, Loan, Quota, Session
from ocs.charging.decision import Decision
from ocs.charging.entry import Posting
from ocs.charging.events import ChargingContext, ChargingEvent, RequestType, Unit, UsageReport, UsedUnits
from ocs.charging.ledger import Ledger
from ocs.charging.money import MOST_NANOS
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rating import cost
from ocs.charging.session import context_of
from ocs.charging.spending import UNRATED, Circumstances, Spending
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.line import Line
from ocs.charging.tariff.model import Priced, Query
from ocs.charging.totals import Payments
from ocs.charging.turn import Turn
from ocs.charging.wallet import Demand, Owner, wallet
from ocs.charging.working import Part, WorkingQuota

FACTOR = "factor"  # member of a context's `extra` that names the factor to use instead of the service
UNPAID = (RequestType.RATED, RequestType.NONE)
NOT_HELD = (RequestType.POSTPAID, *UNPAID)


class FullTurn(Turn):
    """A turn with everything an account can have; `others` are the members of its groups."""

    __slots__ = ("_taken", "_used_context", "request_type")

    def __init__(
        self,
        account: Account,
        event: ChargingEvent,
        catalogue: Catalogue,
        policy: ChargingPolicy,
        now_ns: int,
        service: str,
        plan: str,
        context: ChargingContext,
        quotas: tuple[Quota, ...] = (),
        opened_at_ns: int | None = None,
        request_type: RequestType = RequestType.PREPAID,
        others: tuple[Account, ...] = (),
    ) -> None:
        super().__init__(
            account, event, catalogue, policy, now_ns, service, plan, context, quotas, opened_at_ns
        )
        self.request_type = request_type
        self.others = {each.key: Owner(each.key, each, Ledger(each.balances, now_ns)) for each in others}
        self._used_context = context
        self._taken: Payments = ()

    # --- paying

    def settle(self, part: Part, context: ChargingContext) -> None:
        """Debit what a report says was used, at the conditions of `context`."""
        self._used_context = context
        super().settle(part, context)

    def _payments(self, mark: int) -> Payments:
        return self._taken

    def _pay(self, part: Part, used: UsedUnits, line: Line | None, quota: WorkingQuota, units: int) -> None:
        self._taken = ()
        if not self.event.is_chargeable or self.request_type is RequestType.NONE:
            return
        if self.request_type is RequestType.RATED:
            self._rate(part, used, line, quota, units)
            return
        spending = self._spending(part, used.unit, quota, part.held, is_hold=False)
        if used.unit is Unit.MONEY:
            spending.pay_money(units, used.at_ns or self.used_at_ns)
        else:
            for priced, piece, at_ns in self._timed_pieces(line, used, quota, units):
                spending.cover(priced, piece, at_ns)
        spending.keep()
        self._taken = spending.taken
        part.is_unrated = part.is_unrated or spending.is_unrated
        quota.cost_nanos = min(quota.cost_nanos + spending.nanos, MOST_NANOS)
        part.nanos = min(part.nanos + spending.nanos, MOST_NANOS)

    def _rate(self, part: Part, used: UsedUnits, line: Line | None, quota: WorkingQuota, units: int) -> None:
        """Tell the cost of used units and take nothing."""
        nanos = 0 if used.unit is not Unit.MONEY else units
        for priced, piece in self._pieces(line, used, quota, units) if used.unit is not Unit.MONEY else ():
            if priced.rate is None:
                part.is_unrated = True
                continue
            nanos += cost(priced.rate, quota.rated, piece)
            quota.rated += piece
        quota.cost_nanos = min(quota.cost_nanos + nanos, MOST_NANOS)
        part.nanos = min(part.nanos + nanos, MOST_NANOS)

    def _timed_pieces(
        self, line: Line | None, used: UsedUnits, quota: WorkingQuota, units: int
    ) -> list[tuple[Priced, int, int]]:
        """The pieces of a usage, each with the moment it began."""
        ends_ns = used.at_ns or self.used_at_ns
        at_ns = ends_ns
        if used.unit is Unit.TIME:
            at_ns = max(ends_ns - units, min(quota.rated_at_ns or 0, ends_ns))
        found = []
        for priced, piece in self._pieces(line, used, quota, units):
            found.append((priced, piece, at_ns))
            at_ns += piece if used.unit is Unit.TIME else 0
        return found

    # --- reserving

    def reserve(
        self,
        part: Part,
        unit: Unit,
        wanted: int,
        line: Line | None,
        quota: WorkingQuota,
        change_before_ns: int = 0,
    ) -> tuple[int, tuple[Hold, ...], bool]:
        """Hold what the balances cover of a wish; returns units granted, holds, and whether anything rates it."""
        priced = None if line is None else line.at(self.now_ns)
        if not self.event.is_chargeable or self.request_type in NOT_HELD:
            is_rated = unit is Unit.MONEY or (priced is not None and priced.rate is not None)
            is_rated = is_rated or self.request_type is RequestType.NONE or not self.event.is_chargeable
            return (wanted if is_rated else 0), (), is_rated
        spending = self._spending(part, unit, quota, (), is_hold=True)
        if unit is Unit.MONEY:
            amount = spending.pay_money(wanted, self.now_ns)
            spending.is_rated = True
        else:
            amount = self._cover(spending, unit, wanted, line)
        if self.request_type is RequestType.PSEUDOPREPAID:
            self.release(spending.holds)
            return amount, (), spending.is_rated
        return amount, spending.holds, spending.is_rated

    def _cover(self, spending: Spending, unit: Unit, wanted: int, line: Line | None) -> int:
        """How many of the wanted units are covered, stretch by stretch of one price."""
        if line is None:
            return spending.cover(UNRATED, wanted, self.now_ns)
        is_time = unit is Unit.TIME
        pieces = line.split(self.now_ns, wanted) if is_time else [(line.at(self.now_ns), wanted)]
        amount, at_ns = 0, self.now_ns
        for priced, piece in pieces:
            covered = spending.cover(priced, piece, at_ns)
            amount += covered
            at_ns += piece
            if covered < piece:
                break
        return amount

    def release(self, holds: tuple[Hold, ...]) -> None:
        """Give back what was set aside, on every account it was set aside on."""
        for hold in holds:
            ledger = self.others[hold.account].ledger if hold.account else self.ledger
            ledger.release((hold,))

    # --- leaves

    def _spending(
        self, part: Part, unit: Unit, quota: WorkingQuota, held: tuple[Hold, ...], is_hold: bool
    ) -> Spending:
        self.ledger.ensure_money()  # first: it may move the others
        report = part.report
        context = self.context if is_hold else self._used_context
        query = _query(self.service, report, unit, context)
        factor = next((value for name, value in context.extra if name == FACTOR), self.service)
        demand = Demand(
            unit,
            self.service,
            report.rating_group,
            query.called,
            context.category,
            factor,
            self.event.session_id,
            held,
        )
        own = Owner("", self.account, self.ledger)
        is_lenient = self.request_type in (RequestType.POSTPAID, RequestType.DIRECTDEBIT)
        credit = None if is_lenient else self.account.credit_limit_nanos
        given = Circumstances(
            self.catalogue,
            self.account.key,
            query,
            self.opened_at_ns,
            self.ledger,
            report.rating_group,
            credit,
            None if is_lenient or credit is None else self.policy.floor_nanos,
            self.event.highest_price,
        )
        return Spending(wallet(demand, own, self.others, self.catalogue), quota, given, is_hold)

    # --- the accounts of a group

    def others_after(self, key: str, session: Session | None) -> tuple[Account, ...]:
        """The members as they are after the turn; `session` is None where it has ended."""
        lent: dict[str, dict[str, int]] = {}
        for quota in () if session is None else session.quotas:
            for hold in quota.holds:
                if hold.account:
                    amounts = lent.setdefault(hold.account, {})
                    amounts[hold.balance_id] = amounts.get(hold.balance_id, 0) + hold.amount
        return tuple(
            _with_loans(owner.account, owner.ledger, self.account.key, key, lent.get(owner.key, {}))
            for owner in self.others.values()
        )

    def other_postings(self, key: str) -> tuple[Posting, ...]:
        """What was debited from members for this event."""
        event = self.event
        return tuple(
            Posting(
                owner.key,
                key,
                event.kind,
                event.event_id,
                self.now_ns,
                tuple(owner.ledger.entries),
                reason=f"for {self.account.key}",
            )
            for owner in self.others.values()
            if owner.ledger.entries
        )


def _query(service: str, report: UsageReport, unit: Unit, context: ChargingContext) -> Query:
    identifiers = report.service_identifiers
    return Query(
        service,
        unit,
        report.rating_group,
        identifiers[0] if identifiers else None,
        report.called or context.called,
        context.apn,
        context.plmn,
        context.category,
    )


def _with_loans(account: Account, ledger: Ledger, borrower: str, key: str, lent: dict[str, int]) -> Account:
    """A member with its balances as they are now and what is lent of them; the same where nothing changed."""
    balances = ledger.balances()
    extras = account.extras or Extras()
    kept = tuple(loan for loan in extras.loans if loan.session_key != key)
    loans = (*kept, *(Loan(borrower, key, balance_id, amount) for balance_id, amount in lent.items()))
    if balances is account.balances and loans == extras.loans:
        return account
    extras = msgspec.structs.replace(extras, loans=loans)
    return msgspec.structs.replace(account, balances=balances, extras=None if extras == Extras() else extras)


def given_back(others: tuple[Account, ...], key: str, now_ns: int) -> tuple[Account, ...]:
    """The members of a group without what they lend to a session."""
    found = []
    for account in others:
        loans = () if account.extras is None else account.extras.loans
        ledger = Ledger(account.balances, now_ns)
        ledger.release(tuple(Hold(loan.balance_id, loan.amount) for loan in loans if loan.session_key == key))
        found.append(_with_loans(account, ledger, "", key, {}))
    return tuple(found)


def one_version_on(others: tuple[Account, ...], before: tuple[Account, ...]) -> tuple[Account, ...]:
    """The accounts that are not what they were, each one version further."""
    known = {account.key: account for account in before}
    return tuple(
        msgspec.structs.replace(account, version=known[account.key].version + 1)
        for account in others
        if account is not known[account.key]
    )


def is_plain(account: Account) -> bool:
    """Whether nothing on the account needs more than the short way."""
    if account.extras is not None and account.extras.groups:
        return False
    for balance in account.balances:  # noqa: SIM110 - a generator costs more than the rest of it
        if balance.terms is not None or balance.unit is Unit.GENERIC:
            return False
    return True


def turn_of(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    service: str,
    plan: str,
    context: ChargingContext,
    quotas: tuple[Quota, ...] = (),
    opened_at_ns: int | None = None,
    request_type: RequestType = RequestType.PREPAID,
    others: tuple[Account, ...] = (),
) -> Turn:
    """The working state of an event: the short way where account, event and session are plain."""
    if request_type is RequestType.PREPAID and event.is_chargeable and is_plain(account):
        return Turn(account, event, catalogue, policy, now_ns, service, plan, context, quotas, opened_at_ns)
    return FullTurn(
        account,
        event,
        catalogue,
        policy,
        now_ns,
        service,
        plan,
        context,
        quotas,
        opened_at_ns,
        request_type,
        others,
    )


def with_others(decision: Decision, turn: Turn, key: str, session: Session | None) -> Decision:
    """The decision with what the turn made of the members of the account's groups."""
    if not turn.others or not isinstance(turn, FullTurn):
        return decision
    return msgspec.structs.replace(
        decision, others=turn.others_after(key, session), other_postings=turn.other_postings(key)
    )


def first_turn(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: tuple[Account, ...],
) -> Turn:
    """The working state of an event that begins something: its own subject and request type count."""
    context = context_of(account, event)
    plan = account.plan
    if event.subject:
        plan = catalogue.plan_of(account.key, context.category, event.subject)
    request_type = event.request_type or RequestType.PREPAID
    return turn_of(
        account,
        event,
        catalogue,
        policy,
        now_ns,
        event.service,
        plan,
        context,
        request_type=request_type,
        others=others,
    )
