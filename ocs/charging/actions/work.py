"""Carries sets of actions out on accounts: working copies in, changed accounts and their postings out. Pure.

A set is done as a whole or not at all; what it does is one posting per account, with the id of the run. The account
it is done on has one also where no balance changed, or the set failed: its history tells every run.
"""

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import msgspec

from ocs.charging.account import Account, Balance, Extras, Standing, Terms
from ocs.charging.actions.conditions import holds
from ocs.charging.actions.model import Action, ActionSet, Do, Move, Notice
from ocs.charging.actions.moments import ends_ns, part_of
from ocs.charging.actions.wording import amount_text
from ocs.charging.acts import MOST, Act, ActError
from ocs.charging.entry import Entry, EntryKind, Posting
from ocs.charging.events import Unit
from ocs.charging.ledger import MAIN, Ledger

TELLING = (Do.NOTIFY, Do.POST, Do.MAIL, Do.RECORD)
MOVING = (Do.TOP_UP, Do.DEBIT, Do.SET, Do.TRANSFER)


class Bench:
    """Accounts under work by key; those of `accounts` not touched stay as they are."""

    def __init__(self, accounts: Mapping[str, Account], zone_name: str) -> None:
        self.accounts = dict(accounts)
        self.postings: list[Posting] = []
        self.notices: list[Notice] = []
        self._before = accounts
        self._zone = ZoneInfo(zone_name)

    def run(self, key: str, actions: ActionSet, act: Act) -> None:
        """Does a set on an account. Raises ActError, and has done nothing then."""
        kept = dict(self.accounts)
        entries: dict[str, list[Entry]] = {key: []}
        done: list[Action] = []
        try:
            for action in actions.actions:
                if action.filters and not holds(action.filters, self.accounts[key], act.at_ns):
                    continue
                action = self._whole(action, act)
                self._do(key, action, act, entries)
                done.append(action)
        except ActError as error:
            self.accounts = kept
            raise ActError(f"{actions.name}: {error}") from None
        moves = tuple(_move(action) for action in done if action.do in MOVING)
        for action in done:
            if action.do in TELLING:
                self.notices.append(_notice(key, actions, action, act, len(self.notices), moves))
        self.postings += [
            Posting(owner, "", None, act.id, act.at_ns, tuple(found), act.by, act.reason)
            for owner, found in entries.items()
            if found or owner == key
        ]

    def failed(self, key: str, act: Act, error: ActError) -> None:
        """Leaves in the history of an account that a set was not done, and why."""
        reason = f"{act.reason}, not done: {error}"
        self.postings.append(Posting(key, "", None, act.id, act.at_ns, (), act.by, reason))

    def changed(self) -> dict[str, Account]:
        """Accounts that differ, each one version on."""
        return {
            key: msgspec.structs.replace(account, version=self._before[key].version + 1)
            for key, account in self.accounts.items()
            if account is not self._before[key]
        }

    def _whole(self, action: Action, act: Act) -> Action:
        """An action with the amount it has at this moment."""
        if action.share is None:
            return action
        amount = part_of(action.amount, action.share, act.at_ns, self._zone)
        return msgspec.structs.replace(action, amount=amount, share=None)

    def _do(self, key: str, action: Action, act: Act, entries: dict[str, list[Entry]]) -> None:
        account = self.accounts[key]
        match action.do:
            case Do.BAR | Do.UNBAR:
                standing = Standing.BARRED if action.do is Do.BAR else Standing.ACTIVE
                self.accounts[key] = msgspec.structs.replace(account, standing=standing)
            case Do.CREDIT_LIMIT:
                self.accounts[key] = msgspec.structs.replace(
                    account, credit_limit_nanos=action.credit_limit_nanos
                )
            case Do.RESET_TRIGGERS | Do.RESET_COUNTERS:
                self.accounts[key] = _reset_marks(account, action)
            case Do.NOTIFY | Do.POST | Do.MAIL | Do.RECORD:
                pass  # told when the set is done
            case Do.TRANSFER:
                self._transfer(key, action, act, entries)
            case (  # on balances
                Do.TOP_UP | Do.DEBIT | Do.SET | Do.REMOVE | Do.EXPIRE | Do.SET_EXPIRY | Do.COLLECT | Do.EMPTY
            ):
                ledger = Ledger(account.balances, act.at_ns)
                _STEPS[action.do](ledger, account, action, ends_ns(action.expires, act.at_ns, self._zone))
                self._keep(key, ledger, entries)

    def _keep(self, key: str, ledger: Ledger, entries: dict[str, list[Entry]]) -> None:
        if any(abs(entry.amount) > MOST or abs(entry.after) > MOST for entry in ledger.entries):
            raise ActError(f"a balance holds {MOST} at most")
        self.accounts[key] = msgspec.structs.replace(self.accounts[key], balances=ledger.balances())
        entries.setdefault(key, []).extend(ledger.entries)

    def _transfer(self, key: str, action: Action, act: Act, entries: dict[str, list[Entry]]) -> None:
        target = target_of(action, key)
        if target not in self.accounts:
            raise ActError(f"there is no account {target}")
        ledger = Ledger(self.accounts[key].balances, act.at_ns)
        _need(ledger, self.accounts[key], action)
        ledger.credit(action.balance_id, EntryKind.TRANSFER, -action.amount)
        self._keep(key, ledger, entries)
        ledger = Ledger(self.accounts[target].balances, act.at_ns)
        _ensure(ledger, action.to_balance, action.unit)
        ledger.credit(action.to_balance, EntryKind.TRANSFER, action.amount)
        self._keep(target, ledger, entries)


def _move(action: Action) -> Move:
    return Move(
        action.do,
        action.unit,
        action.balance_id,
        action.amount,
        action.resets,
        action.resets_debt,
        action.services,
    )


def _notice(
    key: str, actions: ActionSet, action: Action, act: Act, number: int, moves: tuple[Move, ...]
) -> Notice:
    text = action.text or actions.name
    name = f"{key}|{act.id}|{number}"
    return Notice(
        key,
        text,
        act.by,
        action.do,
        action.target,
        actions.name,
        act.reason,
        name,
        act.at_ns,
        action.fields,
        moves if action.do is Do.RECORD else (),
    )


def accounts_of(actions: ActionSet, key: str) -> frozenset[str]:
    """Keys of the other accounts a set works on when it is done on one."""
    return frozenset(target_of(action, key) for action in actions.actions) - {key}


def target_of(action: Action, key: str) -> str:
    """The account a transfer pays to; a name without a tenant is of the payer's."""
    name = action.to_account
    if not name or ":" in name:
        return name or key
    return f"{key.partition(':')[0]}:{name}"


def _top_up(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    balance = _ensure(ledger, action.balance_id, action.unit, action, expires_at_ns)
    _reset(ledger, balance, action)
    if expires_at_ns is not None or action.terms is not None:
        changes = {
            "expires_at_ns": balance.expires_at_ns if expires_at_ns is None else expires_at_ns,
            "terms": balance.terms if action.terms is None else action.terms,
        }
        ledger.reshape(msgspec.structs.replace(balance, **changes))
    ledger.credit(action.balance_id, EntryKind.TOPUP, action.amount)


def _debit(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    balance = _ensure(ledger, action.balance_id, action.unit, action, expires_at_ns)
    _reset(ledger, balance, action)
    if not action.overdraws and not action.resets:
        _need(ledger, account, action)
    if action.amount:
        ledger.credit(action.balance_id, EntryKind.DEBIT, -action.amount)


def _set(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    balance = _ensure(ledger, action.balance_id, action.unit, action, expires_at_ns)
    shape = msgspec.structs.replace(
        balance,
        priority=balance.priority if action.priority is None else action.priority,
        expires_at_ns=expires_at_ns if action.expires else balance.expires_at_ns,
        services=action.services or balance.services,
        rating_groups=action.rating_groups or balance.rating_groups,
        terms=balance.terms if action.terms is None else action.terms,
    )
    ledger.reshape(shape)
    if action.amount != balance.posted and not action.keeps:
        ledger.credit(action.balance_id, EntryKind.ADJUSTMENT, action.amount - balance.posted)


def _remove(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    """Takes a balance away; what sessions hold of it stays until they end."""
    balance = ledger.find(action.balance_id)
    if balance is None:
        raise ActError(f"there is no balance {action.balance_id}")
    _take_free(ledger, balance)
    if not balance.reserved:
        ledger.remove(balance.id)


def _expire(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    for balance in account.balances:
        if balance.expires_at_ns is not None and balance.expires_at_ns <= ledger.now_ns:
            _take_free(ledger, balance, EntryKind.EXPIRY)


def _set_expiry(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    balance = ledger.find(action.balance_id)
    if balance is None:
        raise ActError(f"there is no balance {action.balance_id}")
    ledger.reshape(msgspec.structs.replace(balance, expires_at_ns=expires_at_ns))


def _collect(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    """Moves what is free on other money balances that have not ended to the main one."""
    total = 0
    for balance in account.balances:
        free = balance.posted - balance.reserved
        has_ended = balance.expires_at_ns is not None and balance.expires_at_ns <= ledger.now_ns
        if balance.unit is Unit.MONEY and balance.id != MAIN and free > 0 and not has_ended:
            ledger.credit(balance.id, EntryKind.TRANSFER, -free)
            total += free
    _ensure(ledger, MAIN, Unit.MONEY)
    if total:
        ledger.credit(MAIN, EntryKind.TRANSFER, total)


def _empty(ledger: Ledger, account: Account, action: Action, expires_at_ns: int | None) -> None:
    for balance in account.balances:
        _take_free(ledger, balance)


_STEPS: Mapping[Do, Callable[[Ledger, Account, Action, int | None], None]] = {
    Do.TOP_UP: _top_up,
    Do.DEBIT: _debit,
    Do.SET: _set,
    Do.REMOVE: _remove,
    Do.EXPIRE: _expire,
    Do.SET_EXPIRY: _set_expiry,
    Do.COLLECT: _collect,
    Do.EMPTY: _empty,
}


def _ensure(
    ledger: Ledger,
    balance_id: str,
    unit: Unit,
    action: Action | None = None,
    expires_at_ns: int | None = None,
) -> Balance:
    """The balance of that name, made where it is missing. Raises ActError where it holds something else."""
    if balance_id == MAIN and unit is not Unit.MONEY:
        raise ActError(f"balance {MAIN} holds money; name another one for {unit.name}")
    balance = ledger.find(balance_id)
    if balance is not None:
        if balance.unit is not unit:
            raise ActError(f"balance {balance_id} holds {balance.unit.name}, not {unit.name}")
        return balance
    made = Balance(balance_id, unit, 0)
    if action is not None:
        terms = None if action.terms == Terms() else action.terms
        made = Balance(
            balance_id,
            unit,
            0,
            0,
            action.priority or 0,
            expires_at_ns,
            action.services,
            action.rating_groups,
            terms,
        )
    ledger.add(made)
    return made


def _need(ledger: Ledger, account: Account, action: Action) -> None:
    """Raises ActError where a balance lacks the amount; the main one may go down to the credit limit."""
    balance = ledger.find(action.balance_id)
    if balance is None:
        raise ActError(f"there is no balance {action.balance_id}")
    if balance.unit is not action.unit:
        raise ActError(f"balance {balance.id} holds {balance.unit.name}, not {action.unit.name}")
    if balance.expires_at_ns is not None and balance.expires_at_ns <= ledger.now_ns:
        raise ActError(f"balance {balance.id} has ended")
    if balance.id == MAIN and account.credit_limit_nanos is None:
        return
    free = balance.posted - balance.reserved
    limit = account.credit_limit_nanos or 0 if balance.id == MAIN else 0
    if free + limit < action.amount:
        held, wanted = amount_text(free, balance.unit), amount_text(action.amount, balance.unit)
        raise ActError(f"balance {balance.id} has {held}, not {wanted}")


def _reset(ledger: Ledger, balance: Balance, action: Action) -> None:
    """Empties a balance; what sessions hold of it stays."""
    free = balance.posted - balance.reserved
    if free and (action.resets or (action.resets_debt and free < 0)):
        ledger.credit(balance.id, EntryKind.ADJUSTMENT, -free)


def _take_free(ledger: Ledger, balance: Balance, kind: EntryKind = EntryKind.ADJUSTMENT) -> None:
    free = balance.posted - balance.reserved
    if free and (free > 0 or kind is EntryKind.ADJUSTMENT):
        ledger.credit(balance.id, kind, -free)


def _reset_marks(account: Account, action: Action) -> Account:
    """Triggers may run again, or count from zero; a name says which group."""
    extras = account.extras or Extras()
    watched = tuple(
        msgspec.structs.replace(
            group,
            marks=tuple(
                msgspec.structs.replace(
                    mark,
                    executed=mark.executed and action.do is not Do.RESET_TRIGGERS,
                    counted=0 if action.do is Do.RESET_COUNTERS else mark.counted,
                )
                for mark in group.marks
            ),
        )
        if action.text in ("", group.group)
        else group
        for group in extras.watched
    )
    if watched == extras.watched:
        return account
    return msgspec.structs.replace(account, extras=msgspec.structs.replace(extras, watched=watched))
