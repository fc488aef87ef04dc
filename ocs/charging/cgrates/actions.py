"""Action sets and balance calls: what they do to accounts, and what is left for others to carry out.

A set runs heaviest action first and is all or nothing for its account. Actions that reach outside (posts, mails,
profiles) change no account here; they come back as `effects`, in order.
"""

import json
from collections.abc import Callable, Mapping

import msgspec

from ocs.charging.cgrates.account import Account, Balance, all_balances
from ocs.charging.cgrates.actions_model import Action, BalanceFilter
from ocs.charging.cgrates.editor import Editor
from ocs.charging.cgrates.formula import incremental_nanos
from ocs.charging.cgrates.plan import Settings, Tariff

PARTIALLY_EXECUTED = "PARTIALLY_EXECUTED"
NOT_FOUND = "NOT_FOUND"
ID_MISSING = "MANDATORY_IE_MISSING: [BalanceID or BalanceUUID]"

Passes = Callable[[Action, Account], bool]


class Changed(msgspec.Struct, frozen=True):
    """Accounts after a call (None where one was removed), with the memberships and effects it had, or why not."""

    accounts: Mapping[str, Account | None] = {}
    joined: tuple[tuple[str, str], ...] = ()  # (group id, account id)
    effects: tuple[Action, ...] = ()
    error: str = ""


class Moment(msgspec.Struct, frozen=True):
    """Settings, present time, and the id of the request that new balances are named after."""

    settings: Settings
    now_ns: int
    event_id: str

    def edit(self, account: Account) -> Editor:
        """An editor of an account."""
        return Editor(account, self.settings, self.now_ns, f"{self.event_id}:{account.account_id}")


def unfiltered(action: Action, account: Account) -> bool:
    """Passes the actions that have no filters."""
    return not action.filters


def execute(
    accounts: Mapping[str, Account],
    account_id: str,
    tag: str,
    tariff: Tariff,
    moment: Moment,
    passes: Passes = unfiltered,
) -> Changed:
    """Runs an action set on an account; an action that its filters refuse is passed over."""
    actions = tariff.actions.get(tag)
    if actions is None or account_id not in accounts:
        return Changed(error=NOT_FOUND)
    done = run_actions(accounts, account_id, actions, moment, passes)
    return Changed(error=done.error) if done.error else done


def run_actions(
    accounts: Mapping[str, Account],
    account_id: str,
    actions: tuple[Action, ...],
    moment: Moment,
    passes: Passes = unfiltered,
) -> Changed:
    """Runs actions until one fails; with its error comes what those before it have done."""
    editor = moment.edit(accounts[account_id])
    others: dict[str, Account | None] = {}
    effects: list[Action] = []
    is_removed = False
    error = ""
    for number, action in enumerate(sorted(actions, key=lambda entry: -entry.weight)):
        if not passes(action, editor.account):
            continue
        if action.kind == "*remove_account":
            is_removed = True
        elif action.kind == "*transfer_balance":
            current = {**accounts, **others, account_id: editor.account}
            held = {key: account for key, account in current.items() if account is not None}
            part = msgspec.structs.replace(moment, event_id=f"{moment.event_id}:{number}")
            moved = _transfer_action(held, account_id, action, part)
            others |= {key: account for key, account in moved.accounts.items() if key != account_id}
            editor.adopt(moved.accounts.get(account_id) or editor.account)
            error = moved.error
        elif (step := _STEPS.get(action.kind)) is None:
            effects.append(action)
        elif not step(editor, action):
            error = PARTIALLY_EXECUTED
        if error:
            break
    editor.clean()
    joined = tuple((group, account_id) for group in editor.joined)
    last = None if is_removed else editor.account
    return Changed({**others, account_id: last}, joined, tuple(effects), error)


def add_balance(
    account: Account, kind: str, wanted: BalanceFilter, nanos: int, moment: Moment, *, overwrites: bool
) -> Changed:
    """Tops up (a negative amount debits) every balance the filter names; overwriting starts from zero."""
    editor = moment.edit(account)
    editor.clean()
    editor.add(kind, wanted, nanos, resets=overwrites)
    return _finished(editor)


def set_balance(account: Account, kind: str, wanted: BalanceFilter, nanos: int, moment: Moment) -> Changed:
    """Sets a balance by its id, without the sign of the value; zero keeps the one it has."""
    if not (wanted.balance_id or wanted.uid):
        return Changed(error=ID_MISSING)
    editor = moment.edit(account)
    editor.set(kind, wanted, abs(nanos) or None)
    return _finished(editor)


def remove_balances(account: Account, kind: str, wanted: BalanceFilter, moment: Moment) -> Changed:
    """Removes every balance the filter names."""
    editor = moment.edit(account)
    if not editor.remove(kind, wanted):
        return Changed(error=PARTIALLY_EXECUTED)
    return _finished(editor)


def transfer_balance(
    accounts: Mapping[str, Account],
    source: tuple[str, str],
    target: tuple[str, str],
    nanos: int,
    moment: Moment,
) -> Changed:
    """Moves an amount between (account id, balance id) pairs; the target balance is made where it is missing.

    Fails without a source balance that holds the amount, and without the target account.
    """
    payer, receiver = accounts.get(source[0]), accounts.get(target[0])
    found = _holding(payer, source[1], moment.now_ns) if payer is not None else None
    if payer is None or receiver is None or found is None or found[1].value_nanos < nanos:
        return Changed(error=PARTIALLY_EXECUTED)
    kind = found[0]
    from_editor = moment.edit(payer)
    from_editor.add(kind, BalanceFilter(balance_id=source[1]), -nanos)
    to_editor = from_editor if source[0] == target[0] else moment.edit(receiver)
    to_editor.add(kind, BalanceFilter(balance_id=target[1]), nanos)
    return Changed({source[0]: from_editor.account, target[0]: to_editor.account})


def _finished(editor: Editor) -> Changed:
    editor.clean()
    joined = tuple((group, editor.account_id) for group in editor.joined)
    return Changed({editor.account_id: editor.account}, joined)


def _holding(account: Account, balance_id: str, now_ns: int) -> tuple[str, Balance] | None:
    for kind, balance in all_balances(account):
        if balance.balance_id == balance_id and not balance.expired_at(now_ns):
            return kind, balance
    return None


def _transfer_action(
    accounts: Mapping[str, Account], account_id: str, action: Action, moment: Moment
) -> Changed:
    """A `*transfer_balance` action: ExtraParameters name the target, the balance columns the source and amount."""
    try:
        told = json.loads(action.parameters)
        target = (
            f"{account_id.partition(':')[0]}:{told['DestinationAccountID']}",
            str(told["DestinationBalanceID"]),
        )
    except (ValueError, KeyError, TypeError):
        return Changed(error=PARTIALLY_EXECUTED)
    source = account_id, action.balance.balance_id or ""
    return transfer_balance(accounts, source, target, action.balance.units_nanos or 0, moment)


def _amount(editor: Editor, action: Action) -> int | None:
    """Nanos of an action's Units, also where they are a formula; None where the formula is unknown."""
    formula = action.balance.units_formula
    if formula:
        return incremental_nanos(formula, editor.now_ns)
    return action.balance.units_nanos or 0


def _add(sign: int, *, resets: bool = False, resets_debt: bool = False) -> Callable[[Editor, Action], bool]:
    def step(editor: Editor, action: Action) -> bool:
        nanos = _amount(editor, action)
        if nanos is None or not action.balance.kind:
            return False
        editor.add(action.balance.kind, action.balance, sign * nanos, resets=resets, resets_debt=resets_debt)
        return True

    return step


def _set(editor: Editor, action: Action) -> bool:
    if not action.balance.kind:
        return False
    nanos = _amount(editor, action) if action.balance.units_formula else action.balance.units_nanos
    editor.set(action.balance.kind, action.balance, nanos)
    return True


def _set_expiry(editor: Editor, action: Action) -> bool:
    editor.set_expiry(action.balance.kind or "", action.balance)
    return True


def _remove(editor: Editor, action: Action) -> bool:
    return editor.remove(action.balance.kind or "", action.balance)


def _reset_account(editor: Editor, action: Action) -> bool:
    editor.reset()
    return True


def _collect(editor: Editor, action: Action) -> bool:
    editor.collect_money(action.balance)
    return True


def _clean(editor: Editor, action: Action) -> bool:
    editor.clean()
    return True


def _allow_negative(value: bool) -> Callable[[Editor, Action], bool]:
    def step(editor: Editor, action: Action) -> bool:
        editor.allows_negative = value
        return True

    return step


def _disable(value: bool) -> Callable[[Editor, Action], bool]:
    def step(editor: Editor, action: Action) -> bool:
        editor.is_disabled = value
        return True

    return step


_STEPS: Mapping[str, Callable[[Editor, Action], bool]] = {
    "*topup": _add(1),
    "*topup_reset": _add(1, resets=True),
    "*topup_zero_negative": _add(-1, resets_debt=True),  # the incumbent does not turn the sign here
    "*debit": _add(-1),
    "*debit_reset": _add(-1, resets=True),
    "*set_balance": _set,
    "*set_expiry": _set_expiry,
    "*remove_balance": _remove,
    "*reset_account": _reset_account,
    "*transfer_monetary_default": _collect,
    "*remove_expired": _clean,
    "*allow_negative": _allow_negative(True),
    "*deny_negative": _allow_negative(False),
    "*enable_account": _disable(False),
    "*disable_account": _disable(True),
}
