"""Actions, plans and triggers in words, for lists and for what changes between two tariffs. Pure."""

from ocs.charging.actions.model import Action, Do, PlanEntry, Trigger, Watches, When
from ocs.charging.events import Unit
from ocs.charging.money import format_nanos
from ocs.charging.schedule import Calendar, Interval, Once

_VERBS = {
    Do.TOP_UP: "top up",
    Do.DEBIT: "debit",
    Do.SET: "set",
    Do.REMOVE: "remove",
    Do.TRANSFER: "transfer",
    Do.EXPIRE: "take off what has ended",
    Do.SET_EXPIRY: "set the end of",
    Do.BAR: "bar",
    Do.UNBAR: "unbar",
    Do.CREDIT_LIMIT: "credit limit",
    Do.RESET_TRIGGERS: "reset triggers",
    Do.RESET_COUNTERS: "reset counters",
    Do.NOTIFY: "notify",
    Do.COLLECT: "collect money on main",
    Do.EMPTY: "empty all balances",
    Do.POST: "post to",
    Do.MAIL: "mail to",
    Do.RECORD: "make records of the set",
}
_WATCHES = {
    Watches.AT_MOST: "at most",
    Watches.AT_LEAST: "at least",
    Watches.EXPIRED: "ended",
    Watches.USED_AT_LEAST: "used at least",
    Watches.USED_AT_MOST: "used at most",
}
_PARTS = ("years", "months", "month_days", "week_days", "hours", "minutes", "seconds")


def amount_text(amount: int, unit: Unit) -> str:
    """An amount with its unit; money and points are decimals."""
    if unit in (Unit.MONEY, Unit.GENERIC):
        return format_nanos(amount) + ("" if unit is Unit.MONEY else " points")
    return f"{amount} {'ns' if unit is Unit.TIME else unit.name.lower()}"


def action_text(action: Action) -> str:
    """`top up 10.00 of main, emptied first, until month_end`."""
    words = [_VERBS[action.do]]
    if action.do in (Do.TOP_UP, Do.DEBIT, Do.SET, Do.TRANSFER):
        words.append(f"{amount_text(action.amount, action.unit)} of {action.balance_id}")
    if action.do in (Do.REMOVE, Do.SET_EXPIRY):
        words.append(action.balance_id)
    if action.do is Do.TRANSFER:
        words.append(f"to {action.to_account or 'the same account'}/{action.to_balance}")
    if action.do is Do.CREDIT_LIMIT:
        limit = action.credit_limit_nanos
        words.append("none" if limit is None else format_nanos(limit))
    if action.target:
        words.append(action.target)
    words += [f"{name}={text}" for name, text in action.fields]
    if action.text:
        words.append(action.text)
    more = [
        ""
        if action.share is None
        else f"the part of a {action.share.increment} in a {action.share.interval}",
        "emptied first" if action.resets else "",
        "without its debt" if action.resets_debt else "",
        "below zero if need be" if action.overdraws else "",
        f"until {action.expires}" if action.expires else "",
        f"priority {action.priority}" if action.priority is not None else "",
        f"for {' '.join(action.services)}" if action.services else "",
        f"if {' and '.join(action.filters)}" if action.filters else "",
        "with terms" if action.terms is not None else "",
    ]
    return ", ".join([" ".join(words), *filter(None, more)])


def when_text(when: When) -> str:
    """When something runs."""
    match when.schedule:
        case None:
            return when.word
        case Once():
            return f"once at {when.schedule.at_ns} ns"
        case Interval():
            return f"every {when.schedule.every_ns} ns"
        case Calendar():
            calendar = when.schedule
            parts = [
                f"{name} {' '.join(map(str, numbers))}"
                for name in _PARTS
                if (numbers := getattr(calendar, name)) not in ((), (0,))
            ]
            return ", ".join(parts) or "daily at midnight"


def entry_text(entry: PlanEntry) -> str:
    """One entry of a plan."""
    weight = f", weight {entry.weight:g}" if entry.weight else ""
    return f"{entry.actions}: {when_text(entry.when)}{weight}"


def trigger_text(trigger: Trigger) -> str:
    """What a trigger watches and does."""
    about = trigger.balance_id or f"any {trigger.unit.name.lower()} balance"
    words = [f"{about} {_WATCHES[trigger.watches]}"]
    if trigger.watches is not Watches.EXPIRED:
        words.append(amount_text(trigger.amount, trigger.unit))
    for name in ("services", "categories", "destinations"):
        if values := getattr(trigger, name):
            words.append(f"for {' '.join(values)}")
    words.append(f"runs {trigger.actions}")
    if trigger.recurs:
        words.append("again and again")
    return " ".join(words)
