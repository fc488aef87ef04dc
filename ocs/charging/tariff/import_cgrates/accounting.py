"""SharedGroups.csv, Actions.csv, ActionPlans.csv, ActionTriggers.csv and AccountActions.csv as `Accounting`. Pure.

A balance is known here by its name: BalanceTag, or `main` for money and the type's own name for units where there
is none. A tag that balances of several types have becomes `tag-data`, `tag-voice` for all but money. What a row
asks for beyond that is told as not carried over.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from ocs.charging.account import Factor, Strategy
from ocs.charging.actions.conditions import check_filter
from ocs.charging.actions.model import (
    Accounting,
    Action,
    ActionPlan,
    ActionSet,
    Do,
    Group,
    PlanEntry,
    Provision,
    Share,
    Trigger,
    Watches,
    When,
)
from ocs.charging.actions.moments import PERIODS, check_end
from ocs.charging.actions.targets import check_address, check_url
from ocs.charging.cgrates import values
from ocs.charging.cgrates.csv_folder import Row, Rows
from ocs.charging.events import Unit
from ocs.charging.ledger import MAIN
from ocs.charging.money import parse_nanos
from ocs.charging.profiles.csv_reader import read_profiles, words
from ocs.charging.profiles.filters import describe, is_inline
from ocs.charging.schedule import Calendar, named
from ocs.charging.tariff.import_cgrates.balances import KINDS, Kind, Names, extra_json, kind_of, read_terms
from ocs.charging.tariff.import_cgrates.cells import Cells
from ocs.charging.tariff.import_cgrates.rates import ANY
from ocs.charging.tariff.import_cgrates.record_rows import record_members
from ocs.charging.terms_reader import factor

TAG, ACTION, PARAMETERS, FILTERS, BALANCE, TYPE, CATEGORIES, DESTINATIONS, SUBJECT, GROUPS, EXPIRY = range(11)
TIMINGS, UNITS, BALANCE_WEIGHT, BLOCKER, DISABLED, WEIGHT = range(11, 17)
BALANCE_COLUMNS = (CATEGORIES, DESTINATIONS, SUBJECT, GROUPS, TIMINGS, BLOCKER, DISABLED)
VERBS: Mapping[str, Do] = {
    "*topup": Do.TOP_UP,
    "*topup_reset": Do.TOP_UP,
    "*topup_zero_negative": Do.TOP_UP,
    "*debit": Do.DEBIT,
    "*debit_reset": Do.DEBIT,
    "*set_balance": Do.SET,
    "*remove_balance": Do.REMOVE,
    "*transfer_balance": Do.TRANSFER,
    "*transfer_monetary_default": Do.COLLECT,
    "*remove_expired": Do.EXPIRE,
    "*set_expiry": Do.SET_EXPIRY,
    "*reset_account": Do.EMPTY,
    "*enable_account": Do.UNBAR,
    "*disable_account": Do.BAR,
    "*allow_negative": Do.CREDIT_LIMIT,
    "*deny_negative": Do.CREDIT_LIMIT,
    "*reset_triggers": Do.RESET_TRIGGERS,
    "*reset_counters": Do.RESET_COUNTERS,
    "*log": Do.NOTIFY,
    "*cdrlog": Do.RECORD,
    "*http_post": Do.POST,
    "*http_post_async": Do.POST,
    "*mail_async": Do.MAIL,
}
THRESHOLDS: Mapping[str, Watches] = {
    "*min_balance": Watches.AT_MOST,
    "*max_balance": Watches.AT_LEAST,
    "*balance_expired": Watches.EXPIRED,
    "*max_event_counter": Watches.USED_AT_LEAST,
    "*max_balance_counter": Watches.USED_AT_LEAST,
    "*min_event_counter": Watches.USED_AT_MOST,
    "*min_balance_counter": Watches.USED_AT_MOST,
}
NONE: tuple[int, ...] = ()
DEFAULT = "*default"
MOST_TARGET = 200  # characters of an account's or a balance's name


class Told(NamedTuple):
    """What the rows are read against."""

    cells: Cells
    names: Names
    zone: ZoneInfo
    plan_names: frozenset[str]  # tariff plans
    filters: Mapping[str, tuple[str, ...]]  # rules of Filters.csv by id
    shared_tags: frozenset[str]  # names that balances of several types have


def read_accounting(
    cells: Cells, rows: Rows, names: Names, zone_name: str, plan_names: frozenset[str]
) -> Accounting:
    """Everything the folder says of accounts."""
    filters = {
        one.id: tuple(describe(rule) for rule in one.rules)
        for one in read_profiles({"Filters.csv": rows.get("Filters.csv", ())})[0].filters
    }
    told = Told(cells, names, ZoneInfo(zone_name), plan_names, filters, _shared_tags(rows))
    groups = _shared_groups(cells, rows.get("SharedGroups.csv", ()))
    sets = _sets(told, rows.get("Actions.csv", ()))
    plans = _plans(told, rows, sets)
    triggers = _triggers(told, rows.get("ActionTriggers.csv", ()), sets)
    accounts = _accounts(told, rows.get("AccountActions.csv", ()), plans, triggers)
    return Accounting(zone_name, sets, plans, triggers, groups, accounts)


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.cells[TAG], []).append(row)
    return found


# --- SharedGroups.csv


def _shared_groups(cells: Cells, rows: Sequence[Row]) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for tag, same in _grouped(rows).items():
        chosen = next((row for row in same if row.cells[1] in ("", ANY)), same[0])
        for row in same:
            if row is not chosen:
                cells.lose(row, 1, "a group has one strategy for all its members")
        word = chosen.cells[2].removeprefix("*").upper()
        if word and word not in Strategy.__members__:
            cells.warn(chosen, 2, f'"{chosen.cells[2]}" is no strategy; the order is *mine_random')
            word = ""
        found[tag] = Group(tag, word, chosen.cells[3])
    return found


# --- Actions.csv


def _sets(told: Told, rows: Sequence[Row]) -> dict[str, ActionSet]:
    found = {}
    for tag, same in _grouped(rows).items():
        weighed = [(told.cells.read(row, WEIGHT, values.real, 0.0), row) for row in same]
        ordered = [row for _, row in sorted(weighed, key=lambda pair: -pair[0])]
        actions = [action for row in ordered if (action := _action(told, row)) is not None]
        found[tag] = ActionSet(tag, tuple(actions))
    return found


def _action(told: Told, row: Row) -> Action | None:
    """The action of a row; None where it is not carried over."""
    cells, word = told.cells, row.cells[ACTION]
    do = VERBS.get(word)
    if not word:
        cells.error(row, ACTION, "is missing")
        return None
    if do is None:
        cells.lose(row, ACTION, f"{word} is not carried out here; the other actions of the set are")
        return None
    filters = _filters(told, row)
    step = None if filters is None else _step(told, row, do)
    return None if step is None else msgspec.structs.replace(step, filters=filters or ())


def _filters(told: Told, row: Row) -> tuple[str, ...] | None:
    """Inline rules of a cell, those of Filters.csv written out; None with a finding where they cannot be used."""
    found: list[str] = []
    for word in words(row.cells[FILTERS]):
        if not is_inline(word):
            if word not in told.filters:
                told.cells.unknown(row, FILTERS, "filter", told.filters)
                return None
            found += told.filters[word]
            continue
        try:
            found.append(check_filter(word))
        except ValueError as error:
            told.cells.error(row, FILTERS, str(error))
            return None
    return tuple(found)


def _step(told: Told, row: Row, do: Do) -> Action | None:
    cells, word = told.cells, row.cells[ACTION]
    kind = kind_of(cells, row, TYPE)
    match do:
        case Do.TOP_UP | Do.DEBIT | Do.SET:
            return None if kind is None else _on_balance(told, row, do, kind)
        case Do.REMOVE | Do.SET_EXPIRY:
            expires = cells.read(row, EXPIRY, check_end, "") if do is Do.SET_EXPIRY else ""
            return None if kind is None else Action(do, _name(told, row, kind), kind.unit, expires=expires)
        case Do.TRANSFER:
            return None if kind is None else _transfer(told, row, kind)
        case Do.CREDIT_LIMIT:
            return Action(do, credit_limit_nanos=None if word == "*allow_negative" else 0)
        case Do.NOTIFY:
            return Action(do, text=row.cells[PARAMETERS] or row.cells[TAG])
        case Do.RECORD:
            return Action(do, fields=record_members(cells, row, PARAMETERS))
        case Do.POST | Do.MAIL:
            check = check_url if do is Do.POST else check_address
            try:
                return Action(do, text=row.cells[TAG], target=check(row.cells[PARAMETERS]))
            except ValueError as error:
                cells.lose(row, PARAMETERS, f"{word}: {error}")
                return None
        case Do.RESET_TRIGGERS | Do.RESET_COUNTERS:
            return Action(do, text=str(extra_json(cells, row, PARAMETERS).get("GroupID", "")))
        case Do.COLLECT | Do.EXPIRE | Do.EMPTY | Do.BAR | Do.UNBAR:
            return Action(do)


def _on_balance(told: Told, row: Row, do: Do, kind: Kind) -> Action | None:
    cells, word = told.cells, row.cells[ACTION]
    amount, share = abs(_amount(cells, row, UNITS, kind)), None
    if row.cells[UNITS].startswith("{"):
        amount, share = _formula(cells, row, kind)
    weight = row.cells[BALANCE_WEIGHT]
    if weight.startswith("*"):
        cells.lose(row, BALANCE_WEIGHT, f"{weight}: of equal balances the one that ends first is used first")
        weight = ""
    return Action(
        do,
        _name(told, row, kind),
        kind.unit,
        amount,
        keeps=do is Do.SET and not row.cells[UNITS],
        share=share,
        resets=word.endswith("_reset"),
        resets_debt=word == "*topup_zero_negative",
        overdraws=do is Do.DEBIT,
        priority=cells.read(row, BALANCE_WEIGHT, _priority, 0) if weight else None,
        expires=cells.read(row, EXPIRY, check_end, ""),
        services=kind.services,
        terms=read_terms(cells, row, BALANCE_COLUMNS, told.names, _factors(cells, row)),
        source=f"{row.file}:{row.line}",
    )


def _name(told: Told, row: Row, kind: Kind, column: int = BALANCE) -> str:
    """The name of the balance a cell names."""
    return _named(told, row.cells[column], kind)


def _named(told: Told, tag: str, kind: Kind) -> str:
    """A tag, or the name of the type; a tag that several types have with the type, but for money."""
    name = kind.name if tag in ("", DEFAULT) else tag
    return f"{name}-{kind.name}" if name in told.shared_tags and kind.unit is not Unit.MONEY else name


def _shared_tags(rows: Rows) -> frozenset[str]:
    """Names that balances of several types have: a balance here has one."""
    kinds: dict[str, set[str]] = {MAIN: {"*monetary"}}
    columns = (("Actions.csv", BALANCE, TYPE), ("ActionTriggers.csv", 8, 9))
    for file, tag_at, kind_at in columns:
        for row in rows.get(file, ()):
            word = row.cells[kind_at] or "*monetary"
            tag = row.cells[tag_at]
            known = KINDS.get(word)
            if known is not None:
                kinds.setdefault(known.name if tag in ("", DEFAULT) else tag, set()).add(word)
    return frozenset(name for name, found in kinds.items() if len(found) > 1)


def _formula(cells: Cells, row: Row, kind: Kind) -> tuple[int, Share | None]:
    """`{"Method":"*incremental","Params":{"Units":10,"Interval":"month","Increment":"day"}}`."""
    told = extra_json(cells, row, UNITS)
    params = told.get("Params")
    if told.get("Method") != "*incremental" or not isinstance(params, dict):
        cells.error(row, UNITS, "is no formula of the method *incremental with its Params")
        return 0, None
    interval, increment = params.get("Interval"), params.get("Increment")
    if (
        interval not in PERIODS
        or increment not in PERIODS
        or PERIODS.index(increment) > PERIODS.index(interval)
    ):
        cells.error(
            row, UNITS, f"Interval and Increment are two of {', '.join(PERIODS)}, the longer one first"
        )
        return 0, None
    try:
        units = Fraction(parse_nanos(str(params.get("Units"))), 10**9)
    except ValueError as error:
        cells.error(row, UNITS, f"Units: {error}")
        return 0, None
    is_decimal = kind.unit in (Unit.MONEY, Unit.GENERIC)
    return int(abs(units) * (10**9 if is_decimal else 1)), Share(interval, increment)


def _amount(cells: Cells, row: Row, column: int, kind: Kind) -> int:
    """An amount in nanos, ns, octets or events; a fraction of a unit is dropped."""
    text = row.cells[column]
    if not text or text.startswith("{"):
        return 0
    if kind.unit is Unit.TIME:
        return cells.read(row, column, values.duration_ns, 0)
    number = cells.read(row, column, lambda cell: Fraction(parse_nanos(cell), 10**9), Fraction(0))
    if kind.unit in (Unit.MONEY, Unit.GENERIC):
        return int(number * 10**9)
    if number.denominator != 1:
        cells.lose(row, column, "a part of a unit; whole ones count")
    return int(number)


def _priority(text: str) -> int:
    weight = values.real(text)
    if not weight.is_integer():
        raise ValueError(f'"{text}" is not a whole number')
    return int(weight)


def _factors(cells: Cells, row: Row) -> tuple[Factor, ...]:
    found = []
    for name, value in extra_json(cells, row, PARAMETERS).items():
        try:
            ratio = factor(str(value))
        except ValueError as error:
            cells.error(row, PARAMETERS, f"{name}: {error}")
        else:
            found.append(Factor(name, ratio.numerator, ratio.denominator))
    return tuple(found)


def _transfer(told: Told, row: Row, kind: Kind) -> Action | None:
    extra = extra_json(told.cells, row, PARAMETERS)
    account, balance = str(extra.get("DestinationAccountID", "")), str(extra.get("DestinationBalanceID", ""))
    if not account or not balance or max(len(account), len(balance)) > MOST_TARGET:
        told.cells.error(row, PARAMETERS, "needs DestinationAccountID and DestinationBalanceID")
        return None
    if "DestinationReferenceValue" in extra:
        told.cells.lose(row, PARAMETERS, "DestinationReferenceValue; the amount of Units is moved")
    amount = _amount(told.cells, row, UNITS, kind)
    return Action(
        Do.TRANSFER, _name(told, row, kind), kind.unit, amount, to_account=account,
        to_balance=_named(told, balance, kind),
    )  # fmt: skip


# --- ActionPlans.csv


def _plans(told: Told, rows: Rows, sets: Mapping[str, ActionSet]) -> dict[str, ActionPlan]:
    timings = {row.cells[0]: row for row in rows.get("Timings.csv", ())}
    found: dict[str, list[PlanEntry]] = {}
    for row in rows.get("ActionPlans.csv", ()):
        entries = found.setdefault(row.cells[0], [])
        if row.cells[1] not in sets:
            told.cells.unknown(row, 1, "set of actions", sets)
            continue
        when = _when(told, row, timings)
        if when is not None:
            entries.append(PlanEntry(when, row.cells[1], told.cells.read(row, 3, values.real, 0.0)))
    return {tag: ActionPlan(tag, tuple(entries)) for tag, entries in found.items()}


def _when(told: Told, row: Row, timings: Mapping[str, Row]) -> When | None:
    """The timing of an entry: a row of Timings.csv, or a word."""
    cells, tag = told.cells, row.cells[2]
    timing = timings.get(tag)
    if timing is None:
        if tag in (ANY, "*always"):
            return When(Calendar())
        if named(tag, 0, told.zone) is None:
            cells.unknown(row, 2, "timing", timings)
            return None
        return When(word=tag)
    numbers = [cells.read(timing, column, values.numbers, NONE) for column in range(1, 5)]
    years, months, month_days, week_days = (tuple(sorted(found)) for found in numbers)
    clock = timing.cells[5]
    if clock.startswith("+"):
        cells.lose(timing, 5, f"{clock} after loading; it runs as soon as an account has the plan")
        return When(word="*asap")
    if clock.startswith("*") and not (years or months or month_days or week_days):
        if named(clock, 0, told.zone) is None:
            cells.error(timing, 5, f'"{clock}" is not a time')
            return None
        return When(word=clock)
    at_s = 0 if clock.startswith("*") else cells.read(timing, 5, values.time_of_day_ns, 0) // 10**9
    months = months or ((1,) if years else ())
    month_days = month_days or ((1,) if months else ())
    return When(
        Calendar(
            years,
            months,
            month_days,
            tuple(sorted({day % 7 for day in week_days})),
            (at_s // 3600,),
            (at_s // 60 % 60,),
            (at_s % 60,),
            clock == "*monthly_estimated",
        )
    )


# --- ActionTriggers.csv


def _triggers(
    told: Told, rows: Sequence[Row], sets: Mapping[str, ActionSet]
) -> dict[str, tuple[Trigger, ...]]:
    found: dict[str, list[Trigger]] = {}
    for number, row in enumerate(rows, 1):
        trigger = _trigger(told, row, sets, row.cells[1] or str(number))
        group = found.setdefault(row.cells[0], [])
        if trigger is not None:
            group.append(trigger)
    return {tag: tuple(group) for tag, group in found.items()}


def _trigger(told: Told, row: Row, sets: Mapping[str, ActionSet], name: str) -> Trigger | None:
    cells = told.cells
    watches = THRESHOLDS.get(row.cells[2])
    if watches is None:
        cells.lose(row, 2, f"{row.cells[2]} is no threshold here; the trigger is left out")
        return None
    if row.cells[19] not in sets:
        cells.unknown(row, 19, "set of actions", sets)
    kind = kind_of(cells, row, 9)
    if kind is None:
        return None
    if row.cells[2].endswith("balance_counter"):
        cells.lose(row, 2, "counts what all its balances pay, as an event counter does")
    for column in (12, 13, 14, 15, 16, 17, 18):
        if row.cells[column] not in ("", ANY, "*unlimited"):
            cells.lose(row, column, "a balance is known by its tag and type alone")
    return Trigger(
        name,
        watches,
        row.cells[19],
        kind.unit,
        _amount(cells, row, 3, kind),
        "" if not row.cells[8] else _name(told, row, kind, 8),
        kind.services,
        tuple(word for word in values.words(row.cells[10]) if word != ANY),
        told.names.destinations(cells, row, 11),
        cells.read(row, 4, values.flag, False),
        cells.read(row, 5, values.length_ns, 0),
        _moment(cells, row, 7),
        _moment(cells, row, 6),
        cells.read(row, 20, values.real, 0.0),
    )


def _moment(cells: Cells, row: Row, column: int) -> int | None:
    text = row.cells[column]
    if text in ("", "*unlimited", "*never"):
        return None
    if text.startswith(("+", "*")):
        cells.lose(row, column, f"{text} counts from the loading of a trigger; it has no such limit here")
        return None
    return cells.read(row, column, values.instant_ns, 0) or None


# --- AccountActions.csv


def _accounts(
    told: Told,
    rows: Sequence[Row],
    plans: Mapping[str, ActionPlan],
    triggers: Mapping[str, tuple[Trigger, ...]],
) -> tuple[Provision, ...]:
    found: dict[str, Provision] = {}
    for row in rows:
        tenant, account, plan, group = row.cells[:4]
        if not account:
            told.cells.error(row, 1, "is empty: an account has a name")
            continue
        if plan and plan not in plans:
            told.cells.unknown(row, 2, "action plan", plans)
        if group and group not in triggers:
            told.cells.unknown(row, 3, "group of triggers", triggers)
        allows_negative = told.cells.read(row, 4, values.flag, False)
        key = f"{tenant}:{account}"
        before = found.get(key, Provision(key, _tariff_plan(told, tenant, account)))
        found[key] = msgspec.structs.replace(
            before,
            action_plans=_with(before.action_plans, plan),
            trigger_groups=_with(before.trigger_groups, group),
            credit_limit_nanos=None if allows_negative else before.credit_limit_nanos,
            is_barred=told.cells.read(row, 5, values.flag, False),
        )
    return tuple(found.values())


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if not name or name in names else (*names, name)


def _tariff_plan(told: Told, tenant: str, account: str) -> str:
    """The plan of the account's own profiles, else that of all accounts."""
    own = f"{tenant}:{account}"
    return own if own in told.plan_names else f"{tenant}:{ANY}"
