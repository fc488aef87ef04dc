"""The incumbent's arithmetic as the charging core of the event pipeline."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ocs.cgrates.cost_forms import event_cost_form, summary_form
from ocs.cgrates.cost_reader import told_details
from ocs.cgrates.details import BalanceSummary, Details, Held, Money
from ocs.cgrates.objects.numbers import number, real
from ocs.cgrates.state import NO_CALLS, State
from ocs.charging.cgrates import cdr, event_cost, model, session
from ocs.charging.cgrates.account import Account, Balance, all_balances
from ocs.charging.cgrates.authorize import authorize, default_usage
from ocs.charging.cgrates.call import DIRECT_DEBIT, DYNAPREPAID, Call, Refusal
from ocs.charging.cgrates.cost import call_cost
from ocs.charging.cgrates.editor import Editor
from ocs.charging.cgrates.model import Charges, Context, Debited, RatedCdr, Stepped
from ocs.charging.cgrates.plan import Settings
from ocs.charging.cgrates.usage import account_id
from ocs.sessions import values
from ocs.sessions.accounting import Outcome, Rated, Report, Step
from ocs.sessions.model import MAIN_FIELDS, Run
from ocs.sessions.values import Event

Holds = Mapping[str, Mapping[str, int]]  # of accounts by id: nanos by the uid of a balance


class CgratesAccounting:
    """Steps of sessions on the accounts of a state; none of them suspends."""

    def __init__(self, state: State, settings: Settings, now_ns: Callable[[], int]) -> None:
        self._state = state
        self._settings = settings
        self._now_ns = now_ns
        self.open_account: Callable[[str], None] = _not_opened  # of a *dynaprepaid event that has none

    def use(self, settings: Settings) -> None:
        """Goes on with other settings."""
        self._settings = settings

    # --- runs

    def open(
        self, tenant: str, event: Event, usage: int, *, forces: bool = False, request_type: str = ""
    ) -> Money:
        """The money of a new run. Raises ValueError for a bad member."""
        call = call_of_event(tenant, event, usage, self._now_ns(), forces=forces)
        if request_type == DIRECT_DEBIT and event.get("Cost") is not None:
            call = msgspec.structs.replace(call, direct_nanos=values.nanos(event["Cost"]))
        run = model.Run(values.text(event.get("RunID")), request_type, call)
        return Money(run, call)

    def restore(self, stored: Any) -> Money:
        """Money as it was."""
        return msgspec.convert(stored, Money)

    def default_usage(self, tor: str) -> int:
        """Usage of an event that names none."""
        return default_usage(tor, self._settings)

    def period(self, run: Run) -> int:
        """Usage of the event a run was opened for."""
        return int(run.money.first.duration_ns)

    def used(self, run: Run) -> int:
        """Usage of a run so far."""
        return int(run.money.run.total_usage_ns)

    def last_granted(self, run: Run) -> int:
        """The last usage a run was granted."""
        last: int = run.money.run.last_usage_ns
        return last

    def told(self, run: Run) -> dict[str, Any]:
        """Members of an external session that come from the last debit."""
        call: Call = run.money.run.call
        return {
            "LoopIndex": call.loop,
            "DurationIndex": call.index_ns,
            "MaxRate": real(call.max_rate),
            "MaxRateUnit": call.max_rate_unit_ns,
            "MaxCostSoFar": number(call.max_cost_so_far_nanos),
        }

    # --- steps

    def authorize(self, run: Run) -> Outcome:
        """How much of its usage a run may have."""
        money: Money = run.money
        call = money.run.call
        self._welcome((run,))
        snapshot = self._state.snapshot(account_id(call))
        found = authorize(snapshot, self._state.tariff, call, run.request_type, self._settings)
        if isinstance(found, Refusal):
            return Outcome(refusal=str(found))
        if found.accounts:
            self._state.put_accounts(found.accounts)
        return Outcome(found.usage_ns)

    def authorize_beside(self, run: Run, held: Holds) -> Outcome:
        """How much of its usage a run may have where others hold parts of balances; nothing is changed."""
        context = self._beside((run,), held)
        money: Money = run.money
        found = authorize(context.snapshot, context.tariff, money.run.call, run.request_type, self._settings)
        return Outcome(refusal=str(found)) if isinstance(found, Refusal) else Outcome(found.usage_ns)

    def holds_of(self, runs: tuple[Run, ...], usage: int, held: Holds) -> dict[str, dict[str, int]]:
        """What of which balance a usage would take where others hold parts of them; nothing is changed."""
        before = self._beside(runs, held)
        after = session.update(before, _states(runs), model.Report(usage)).context
        found: dict[str, dict[str, int]] = {}
        for name, account in before.snapshot.accounts.items():
            left = {
                balance.uid: balance.value_nanos for _, balance in all_balances(after.snapshot.accounts[name])
            }
            for _, balance in all_balances(account):
                taken = balance.value_nanos - left.get(balance.uid, balance.value_nanos)
                if taken > 0:
                    found.setdefault(name, {})[balance.uid] = taken
        return found

    def _beside(self, runs: tuple[Run, ...], held: Holds) -> Context:
        """What runs may touch, less what others hold of it."""
        context = self._context(runs)
        known = context.snapshot.accounts
        return session.after(context, {name: less(known[name], held[name]) for name in known if name in held})

    def update(self, runs: tuple[Run, ...], report: Report, *, is_paused: bool = False) -> Step:
        """Settles the last grant of every run and grants more."""
        told = model.Report(report.wanted, report.last_used, report.total)
        step = session.pause if is_paused else session.update
        self._welcome(runs)
        return self._kept(runs, step(self._context(runs), _states(runs), told))

    def terminate(
        self, runs: tuple[Run, ...], usage: int | None, last_used: int | None, further: int = 0
    ) -> Step:
        """Ends every run at its usage, or beyond it."""
        ended = session.terminate(self._context(runs), _states(runs), usage, last_used, further)
        return self._kept(runs, ended)

    def message(self, runs: tuple[Run, ...], report: Report, usage: int | None) -> Step:
        """A session of one request."""
        self._welcome(runs)
        told = model.Report(report.wanted, report.last_used, report.total)
        return self._kept(runs, session.message(self._context(runs), _states(runs), told, usage))

    def rate_session(self, run: Run) -> Rated:
        """The cost of a session's run, whose usage is known."""
        money: Money = run.money
        context = self._context((run,))
        rated, after, charges = cdr.rate_session_cdr(context, money.run, money.first)
        held = money.before or self._held_now(run)
        self._keep(run, context, after)
        return self._rated(rated, money.first, charges, after, held)

    def rate(self, run: Run, *, is_rerate: bool = False) -> Rated:
        """The cost of a run that has no session."""
        money: Money = run.money
        self._welcome((run,))
        if is_rerate:
            self._forget_expired(account_id(money.run.call))
        context = self._context((run,))
        rated, after, charges = cdr.rate_cdr(context, money.run.call, run.request_type)
        held = self._held_now(run)
        self._keep(run, context, after)
        return self._rated(rated, money.first, charges, after, held)

    def _forget_expired(self, name: str) -> None:
        """What has expired since a record was first charged does not pay it again."""
        account = self._state.accounts.get(name)
        if account is not None:
            editor = Editor(account, self._settings, self._now_ns(), "")
            editor.clean()
            if editor.account != account:
                self._state.put_accounts({name: editor.account})

    def told_details(self, run: Run) -> Any:
        """The cost a run's event comes with. Raises ValueError for one that cannot be read."""
        return told_details(run.event)

    def settle(self, run: Run, details: Any, usage: int | None, source: str) -> Rated:
        """The cost of a run that was charged by somebody else."""
        found = details if isinstance(details, Details) else msgspec.convert(details, Details)
        call: Call = run.money.first
        covered = event_cost.usage_ns(found.charges)
        covers = covered >= call.duration_ns if usage is None else call.duration_ns in (0, usage)
        if not covers:
            self.refund(run, found)
            return self.rate(run)
        cost_nanos = event_cost.cost_nanos(found.charges, self._settings)
        rated = RatedCdr(call.duration_ns or usage or covered, cost_nanos, source)
        return self._rated(rated, call, found.charges, self._context((run,)))

    def refund(self, run: Run, details: Any) -> None:
        """Gives back what a record's details say was taken."""
        found = details if isinstance(details, Details) else msgspec.convert(details, Details)
        context = self._context((run,), *_payers(found.charges))
        books = event_cost.refund(
            context.snapshot, found.charges, found.kind, self._settings, is_partial=False
        )
        self._state.put_accounts(books.changed(), _calls((run,)))

    def price(self, run: Run) -> Rated:
        """What a run's usage costs by price alone."""
        call: Call = run.money.first
        cost = call_cost(self._state.tariff, call, self._settings)
        if isinstance(cost, Refusal):
            return Rated(call.duration_ns, cdr.UNRATED_NANOS, "", str(cost))
        charges = event_cost.unpaid_charges(cost)
        details = Details(charges, call.start_ns, call.offset_ns, call.kind)
        return Rated(call.duration_ns, cost.cost_nanos, cdr.CDRS, details=details)

    def details_of(self, run: Run) -> Any:
        """Who paid what of a session's run so far."""
        money: Money = run.money
        if money.run.charges is None:
            return None
        return details_of(money.first, money.run.charges, self._context((run,)), money.before)

    def paid_cost(self, call: Call, debited: Debited) -> dict[str, Any]:
        """The outcome of a debit, kept or not, as the `EventCost` of the API."""
        return event_cost_form("", "", self._details_of_debit(call, debited), self._settings)

    def summary(self, call: Call, debited: Debited) -> dict[str, Any]:
        """The account behind a debit, before it and after it."""
        return summary_form(self._details_of_debit(call, debited))

    def _details_of_debit(self, call: Call, debited: Debited) -> Details:
        state = self._state
        snapshot = state.snapshot(account_id(call))
        before = Context(snapshot, state.tariff, self._settings, self._now_ns())
        after = session.after(before, debited.accounts)
        return details_of(call, event_cost.charges_of(debited.paid), after)

    def cost_details(self, cgrid: str, run_id: str, details: Any) -> dict[str, Any]:
        """A record's details as the `EventCost` of the API."""
        found = details if isinstance(details, Details) else msgspec.convert(details, Details)
        return event_cost_form(cgrid, run_id, found, self._settings)

    # --- within

    def _welcome(self, runs: tuple[Run, ...]) -> None:
        """Has accounts opened for those runs of *dynaprepaid events that have none."""
        for run in runs:
            if run.request_type == DYNAPREPAID:
                name = account_id(run.money.run.call)
                if name not in self._state.accounts:
                    self.open_account(name)

    def _context(self, runs: Iterable[Run], *others: str) -> Context:
        names = [account_id(run.money.run.call) for run in runs]
        state = self._state
        snapshot = state.snapshot(*dict.fromkeys((*names, *others)) if len(names) != 1 or others else names)
        return Context(snapshot, state.tariff, self._settings, self._now_ns())

    def _kept(self, runs: tuple[Run, ...], stepped: Stepped) -> Step:
        """Takes over the accounts of a step; its runs in the pipeline's form."""
        before = [self._held(run, money) for run, money in zip(runs, stepped.runs, strict=True)]
        for key, account in stepped.context.snapshot.accounts.items():
            if self._state.accounts.get(key) is not account:
                self._state.put_accounts(
                    {key: account}, _calls(runs) if self._state.watches_accounts else NO_CALLS
                )
        after = tuple(
            msgspec.structs.replace(run, money=Money(money, run.money.first, held))
            for run, money, held in zip(runs, stepped.runs, before, strict=True)
        )
        outcome = stepped.outcome
        return Step(
            after, Outcome(refusal=str(outcome)) if isinstance(outcome, Refusal) else Outcome(outcome)
        )

    def _held(self, run: Run, after: model.Run) -> Held:
        """What the balances of a run's account hold, where it is charged for the first time; else what they did."""
        held: Held = run.money.before
        if held or after.charges is None or run.money.run.charges is not None:
            return held
        return self._held_now(run)

    def _held_now(self, run: Run) -> Held:
        account = self._state.accounts.get(account_id(run.money.first))
        if account is None:
            return ()
        return tuple([(balance.uid, balance.value_nanos) for _, balance in all_balances(account)])

    def _keep(self, run: Run, before: Context, after: Context) -> None:
        if after is not before:
            known = self._state.accounts
            self._state.put_accounts(
                {
                    key: account
                    for key, account in after.snapshot.accounts.items()
                    if known.get(key) is not account
                },
                _calls((run,)),
            )

    def _rated(
        self, rated: RatedCdr, call: Call, charges: Charges | None, after: Context, held: Held = ()
    ) -> Rated:
        details = details_of(call, charges, after, held) if charges is not None else None
        return Rated(rated.usage_ns, rated.cost_nanos, rated.source, rated.extra, details)


def _not_opened(account_id: str) -> None:
    """Accounts are not opened by events."""


def less(account: Account, held: Mapping[str, int]) -> Account:
    """An account without what is held of its balances; one of which less is left has nothing."""

    def lessened(balance: Balance) -> Balance:
        taken = held.get(balance.uid, 0)
        if not taken:
            return balance
        value = balance.value_nanos
        return msgspec.structs.replace(balance, value_nanos=max(value - taken, min(value, 0)))

    balances = {kind: tuple([lessened(each) for each in found]) for kind, found in account.balances.items()}
    return msgspec.structs.replace(account, balances=balances)


def call_of_event(tenant: str, event: Event, usage: int, now_ns: int, *, forces: bool = False) -> Call:
    """The call an event describes; without any time it is now. Raises ValueError for a bad member."""
    start_ns, offset_ns = values.moment(event.get("AnswerTime"), now_ns)
    if not start_ns:
        start_ns, offset_ns = values.moment(event.get("SetupTime"), now_ns)
    if not start_ns:
        start_ns = now_ns
    account = values.text(event.get("Account"))
    return Call(
        tenant=tenant,
        category=values.text(event.get("Category")),
        destination=values.text(event.get("Destination")),
        kind=values.text(event.get("ToR")),
        subject=values.text(event.get("Subject")) or account,
        account=account,
        start_ns=start_ns,
        end_ns=start_ns + usage,
        offset_ns=offset_ns,
        factor_id=values.text(event.get("BalanceFactorID")),
        forces_duration=forces,
    )


def extra_fields(event: Event) -> dict[str, str]:
    """Members of an event that a call has no place for."""
    return {name: values.text(value) for name, value in event.items() if name not in MAIN_FIELDS}


def _states(runs: tuple[Run, ...]) -> tuple[model.Run, ...]:
    """The runs as the core knows them; a run's request type is that of its event."""
    return tuple([run.money.run for run in runs])


def _calls(runs: Iterable[Run]) -> dict[str, Call]:
    """The calls of runs by the account they are debited from."""
    return {account_id(run.money.run.call): run.money.run.call for run in runs}


def _payers(charges: Charges) -> set[str]:
    return {
        steps.payment.account_id for charge in charges for steps in charge.steps if steps.payment.account_id
    }


def details_of(call: Call, charges: Charges, context: Context, held: Held = ()) -> Details:
    """Charges with the account that they have left behind, and what it held before them."""
    account = context.snapshot.accounts.get(account_id(call))
    return Details(
        charges,
        call.start_ns,
        call.offset_ns,
        call.kind,
        account_id(call) if account is not None else "",
        () if account is None else _summaries(account, event_cost.taken_nanos(charges)),
        account is not None and account.allows_negative,
        account is not None and account.is_disabled,
        held,
    )


def _summaries(account: Account, taken: Mapping[str, int]) -> tuple[BalanceSummary, ...]:
    return tuple(
        [
            BalanceSummary(
                balance.uid,
                balance.balance_id,
                kind,
                balance.value_nanos,
                balance.weight,
                balance.is_disabled,
                balance.value_nanos + taken[balance.uid] if balance.uid in taken else None,
                dict(balance.factors),
            )
            for kind, balance in all_balances(account)
        ]
    )
