"""The parts of a tariff file about accounts: `actions`, `action_plans`, `triggers`. Pure.

Works on `Field`s; what is wrong is recorded there. docs/actions.md describes the file.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ocs.charging import terms_reader
from ocs.charging.actions.conditions import check_filter
from ocs.charging.actions.model import (
    Accounting,
    Action,
    ActionPlan,
    ActionSet,
    Do,
    PlanEntry,
    Share,
    Trigger,
    Watches,
    When,
)
from ocs.charging.actions.moments import PERIODS, check_end
from ocs.charging.actions.record_members import check_member
from ocs.charging.actions.targets import check_address, check_url
from ocs.charging.cron import cron
from ocs.charging.events import Unit
from ocs.charging.ledger import MAIN
from ocs.charging.schedule import LAST, Calendar, Once, next_run
from ocs.charging.tariff.quantities import (
    amount_nanos,
    clock_seconds,
    days_of_week,
    moment_ns,
    months,
    number_range,
    quantity,
    whole,
)
from ocs.charging.tariff.yaml_marks import Field, closest

T = TypeVar("T")

KEYS = ("actions", "action_plans", "triggers")
AMOUNTS = {
    "money": Unit.MONEY,
    "volume": Unit.OCTETS,
    "time": Unit.TIME,
    "events": Unit.EVENTS,
    "points": Unit.GENERIC,
}
VERBS = {
    "top_up": Do.TOP_UP,
    "debit": Do.DEBIT,
    "set": Do.SET,
    "remove": Do.REMOVE,
    "transfer": Do.TRANSFER,
    "expire": Do.EXPIRE,
    "set_expiry": Do.SET_EXPIRY,
    "bar": Do.BAR,
    "unbar": Do.UNBAR,
    "credit_limit": Do.CREDIT_LIMIT,
    "reset_triggers": Do.RESET_TRIGGERS,
    "reset_counters": Do.RESET_COUNTERS,
    "notify": Do.NOTIFY,
    "post": Do.POST,
    "mail": Do.MAIL,
    "record": Do.RECORD,
    "collect": Do.COLLECT,
    "empty": Do.EMPTY,
}
BALANCE_KEYS = ("balance", "share", "priority", "expires", "services", "rating_groups", *terms_reader.KEYS)
MORE_KEYS = {
    Do.TOP_UP: ("reset", *BALANCE_KEYS),
    Do.DEBIT: ("reset", "overdraw", *BALANCE_KEYS),
    Do.SET: BALANCE_KEYS,
    Do.TRANSFER: ("balance", "to_account", "to_balance"),
    Do.SET_EXPIRY: ("expires",),
    Do.POST: ("text",),
    Do.MAIL: ("text",),
}
EVERY = {
    "minute": "*every_minute",
    "hour": "*hourly",
    "day": "*daily",
    "week": "*weekly",
    "month": "*monthly_estimated",
    "month_end": "*month_end",
    "year": "*yearly",
}
WATCHES = {
    "at_most": Watches.AT_MOST,
    "at_least": Watches.AT_LEAST,
    "used": Watches.USED_AT_LEAST,
    "ended": Watches.EXPIRED,
}
TRIGGER_KEYS = (
    "id",
    "run",
    *WATCHES,
    "balance",
    "services",
    "categories",
    "to",
    "recurring",
    "min_sleep",
    "from",
    "until",
    "weight",
)
MOST_ACTIONS = 100  # of a set: all of them are one change


class Amount(NamedTuple):
    """How much of what."""

    value: int = 0
    unit: Unit = Unit.MONEY
    name: str = "money"


def read_accounting(
    members: Mapping[str, Field], zone_name: str, destinations: Mapping[str, object]
) -> Accounting:
    """What a tariff file says of accounts."""
    zone = ZoneInfo(zone_name)
    sets = {name: _set(name, item) for name, item in _entries(members.get("actions")).items()}
    plans = {
        name: ActionPlan(name, tuple(_entry(one, sets, zone) for one in item.items()))
        for name, item in _entries(members.get("action_plans")).items()
    }
    triggers = {
        name: _group(item, sets, destinations, zone)
        for name, item in _entries(members.get("triggers")).items()
    }
    return Accounting(zone_name, sets, plans, triggers)


def _entries(field: Field | None) -> dict[str, Field]:
    return {} if field is None else field.entries()


# --- actions


def _set(name: str, field: Field) -> ActionSet:
    items = field.items()
    if len(items) > MOST_ACTIONS:
        field.problem(f"has more than {MOST_ACTIONS} actions")
    return ActionSet(name, tuple(_action(item) for item in items))


def _action(field: Field) -> Action:
    named = [verb for verb in field.entries() if verb in VERBS] if field.is_mapping else []
    if len(named) != 1:
        field.problem(f"an action is exactly one of {', '.join(VERBS)}")
        return Action(Do.NOTIFY)
    verb = named[0]
    do = VERBS[verb]
    members = field.members((verb, "filters", *MORE_KEYS.get(do, ())))
    filters = tuple(members["filters"].values(check_filter)) if "filters" in members else ()
    return msgspec.structs.replace(_step(do, members, members[verb], field.source), filters=filters)


def _step(do: Do, members: dict[str, Field], said: Field, source: str) -> Action:
    match do:
        case Do.TOP_UP | Do.DEBIT | Do.SET:
            return _on_balance(do, members, said, source)
        case Do.TRANSFER:
            amount = _amount(said)
            return Action(
                do,
                _text(members.get("balance"), _default_id(amount)),
                amount.unit,
                amount.value,
                to_account=_text(members.get("to_account"), ""),
                to_balance=_text(members.get("to_balance"), _default_id(amount)),
                source=source,
            )
        case Do.REMOVE | Do.SET_EXPIRY:
            expires = _parsed(members.get("expires"), check_end, "")
            return Action(do, _text(said, MAIN), expires=expires, source=source)
        case Do.CREDIT_LIMIT:
            limit = None if said.text() == "unlimited" else said.value(amount_nanos)
            return Action(do, credit_limit_nanos=limit, source=source)
        case Do.NOTIFY | Do.RESET_TRIGGERS | Do.RESET_COUNTERS:
            text = _text(said, "")
            return Action(do, text="" if text == "all" and do is not Do.NOTIFY else text, source=source)
        case Do.POST | Do.MAIL:
            target = _parsed(said, check_url if do is Do.POST else check_address, "")
            return Action(do, text=_text(members.get("text"), ""), target=target, source=source)
        case Do.RECORD if said.is_mapping:
            return Action(do, fields=_record_members(said), source=source)
        case Do.RECORD | Do.EXPIRE | Do.BAR | Do.UNBAR | Do.COLLECT | Do.EMPTY:
            if said.text() != "true":
                said.problem("is true: leave it out where it is not meant")
            return Action(do, source=source)


def _on_balance(do: Do, members: dict[str, Field], said: Field, source: str) -> Action:
    amount = _amount(said)
    reset = _text(members.get("reset"), "false")
    if reset not in ("true", "false", "debt"):
        members["reset"].problem("is true, false or debt")
    groups = members.get("rating_groups")
    return Action(
        do,
        _text(members.get("balance"), _default_id(amount)),
        amount.unit,
        amount.value,
        reset == "true",
        reset == "debt",
        _flag(members.get("overdraw")),
        _parsed(members.get("priority"), lambda text: whole(text, -1000, 1000), None),
        _parsed(members.get("expires"), check_end, ""),
        _words(members.get("services")),
        () if groups is None else tuple(groups.values(lambda text: whole(text, 0, 2**32 - 1))),
        terms_reader.read_terms(members),
        source=source,
        share=_parsed(members.get("share"), _share, None),
    )


def _record_members(field: Field) -> tuple[tuple[str, str], ...]:
    found = (item.value(partial(check_member, name)) for name, item in field.entries().items())
    return tuple(pair for pair in found if pair is not None)


def _share(text: str) -> Share:
    """`day/month`: the part of a day in the present month."""
    increment, _, interval = text.partition("/")
    if (
        increment not in PERIODS
        or interval not in PERIODS
        or PERIODS.index(increment) > PERIODS.index(interval)
    ):
        raise ValueError(f'"{text}" is not a share such as day/month, of {", ".join(PERIODS)}')
    return Share(interval, increment)


def _amount(field: Field) -> Amount:
    """`{money: "1.00"}`, `{volume: 1GB}`, `{time: 10m}`, `{events: 5}` or `{points: "3"}`."""
    entries = field.entries()
    if len(entries) != 1 or next(iter(entries)) not in AMOUNTS:
        field.problem(f'is one amount such as {{money: "1.00"}}: {", ".join(AMOUNTS)}')
        return Amount()
    [(name, item)] = entries.items()
    unit = AMOUNTS[name]
    if unit in (Unit.MONEY, Unit.GENERIC):
        return Amount(_parsed(item, amount_nanos, 0), unit, name)
    nothing: tuple[int, Unit | None] = (0, None)
    value, written = _parsed(item, quantity, nothing)
    if written is not None and written is not unit:
        item.problem(f"is {written.name.lower()}, not {name}")
    return Amount(value, unit, name)


def _default_id(amount: Amount) -> str:
    return MAIN if amount.unit is Unit.MONEY else amount.name


# --- plans


def _entry(field: Field, sets: Mapping[str, object], zone: ZoneInfo) -> PlanEntry:
    members = field.members(("run", "at", "every", "cron", "on", "weight"))
    said = [name for name in ("at", "every", "cron", "on") if name in members]
    when = When(word="*asap")
    if len(said) != 1:
        field.problem("an entry says exactly one of at, every, cron and on")
    else:
        when = _when(said[0], members[said[0]], zone)
    if isinstance(when.schedule, Calendar) and next_run(when.schedule, 0, zone) is None:
        members[said[0]].problem("never comes")
    return PlanEntry(when, _run(field, members, sets), _weight(members))


def _when(name: str, field: Field, zone: ZoneInfo) -> When:
    if name == "at":
        if field.text() == "asap":
            return When(word="*asap")
        at_ns = field.value(lambda text: moment_ns(text, zone))
        return When(Once(at_ns or 0))
    if name == "every":
        word = field.name_of(EVERY, "period")
        return When(word=EVERY.get(word or "", "*daily"))
    if name == "cron":
        return When(field.value(cron) or Calendar())
    return When(_calendar(field))


def _calendar(field: Field) -> Calendar:
    members = field.members(("years", "months", "month_days", "weekdays", "at"))
    clock_s = _parsed(members.get("at"), clock_seconds, 0)
    weekdays = _sets(members.get("weekdays"), days_of_week)
    return Calendar(
        _numbers(members.get("years"), 1970, 9990),
        tuple(sorted(_sets(members.get("months"), months))),
        tuple(sorted({day for text in _words(members.get("month_days")) for day in _days(members, text)})),
        tuple(sorted((day + 1) % 7 for day in weekdays)),
        (clock_s // 3600 % 24,),
        (clock_s // 60 % 60,),
        (clock_s % 60,),
    )


def _days(members: Mapping[str, Field], text: str) -> range | tuple[int]:
    if text == "last":
        return (LAST,)
    try:
        first, last = number_range(text, 1, 31)
    except ValueError as error:
        members["month_days"].problem(f"{error}; the last day is `last`")
        return range(0)
    return range(first, last + 1)


# --- triggers


def _group(
    field: Field, sets: Mapping[str, object], destinations: Mapping[str, object], zone: ZoneInfo
) -> tuple[Trigger, ...]:
    found = tuple(
        _trigger(str(number), item, sets, destinations, zone) for number, item in enumerate(field.items(), 1)
    )
    seen: set[str] = set()
    for trigger in found:
        if trigger.id in seen:
            field.problem(f'two triggers have the id "{trigger.id}"')
        seen.add(trigger.id)
    return found


def _trigger(
    number: str,
    field: Field,
    sets: Mapping[str, object],
    destinations: Mapping[str, object],
    zone: ZoneInfo,
) -> Trigger:
    members = field.members(TRIGGER_KEYS)
    said = [name for name in WATCHES if name in members]
    watches, amount, balance = Watches.AT_MOST, Amount(), _text(members.get("balance"), "")
    if len(said) != 1:
        field.problem(f"a trigger says exactly one of {', '.join(WATCHES)}")
    else:
        watches = WATCHES[said[0]]
        if watches is Watches.EXPIRED:
            unit = members["ended"].name_of(AMOUNTS, "kind of balance")
            amount = Amount(0, AMOUNTS.get(unit or "", Unit.MONEY))
        else:
            amount = _amount(members[said[0]])
    return Trigger(
        _text(members.get("id"), number),
        watches,
        _run(field, members, sets),
        amount.unit,
        amount.value,
        balance,
        _words(members.get("services")),
        _words(members.get("categories")),
        () if "to" not in members else members["to"].names_of(destinations, "destination"),
        _flag(members.get("recurring")),
        _parsed(members.get("min_sleep"), _length_ns, 0),
        _parsed(members.get("from"), lambda text: moment_ns(text, zone), None),
        _parsed(members.get("until"), lambda text: moment_ns(text, zone), None),
        _weight(members),
    )


# --- members


def _run(field: Field, members: Mapping[str, Field], sets: Mapping[str, object]) -> str:
    if "run" not in members:
        field.problem("run is missing: the name of the actions")
        return ""
    return members["run"].name_of(sets, "set of actions") or ""


def _weight(members: Mapping[str, Field]) -> float:
    return float(_parsed(members.get("weight"), lambda text: whole(text, -(10**6), 10**6), 0))


def _length_ns(text: str) -> int:
    value, unit = quantity(text)
    if unit is not Unit.TIME:
        raise ValueError(f'"{text}" is not a length such as 1h')
    return value


def _parsed(field: Field | None, parse: Callable[[str], T], default: T) -> T:
    """A scalar as `parse` reads it, or the default where it is missing or wrong."""
    found = None if field is None else field.value(parse)
    return default if found is None else found


def _text(field: Field | None, default: str) -> str:
    return default if field is None else field.text() or default


def _words(field: Field | None) -> tuple[str, ...]:
    return () if field is None else tuple(field.values(str))


def _flag(field: Field | None) -> bool:
    text = _text(field, "false")
    if text not in ("true", "false") and field is not None:
        field.problem("is true or false", closest(text, ("true", "false")))
    return text == "true"


def _numbers(field: Field | None, least: int, most: int) -> tuple[int, ...]:
    ranges = [] if field is None else field.values(lambda text: number_range(text, least, most))
    return tuple(sorted({number for first, last in ranges for number in range(first, last + 1)}))


def _sets(field: Field | None, parse: Callable[[str], frozenset[int]]) -> frozenset[int]:
    found = [] if field is None else field.values(parse)
    return frozenset(number for one in found for number in one)
