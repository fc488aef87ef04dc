"""Calls of CGRateS' arithmetic explained for people; takes what `OcsV1.Explain` of `ocs cgrates` answers."""

from collections.abc import Iterator, Mapping
from typing import Any

from ocs.charging.events import Unit
from ocs.charging.money import format_nanos
from ocs.charging.tariff.difference import units_text
from ocs.cli.rating_text import amount_line
from ocs.cli.tables import printable, shown

UNITS = {"*voice": Unit.TIME, "*data": Unit.OCTETS}  # all else is counted
MONEY = "*monetary"
NANOS = 10**9


def explained(result: Mapping[str, Any]) -> str:
    """Why a call cost what it did."""
    lines = [f"call {result['session']} of {result['client'] or 'nobody named'}, {result['cgrid']}"]
    for run in result["runs"]:
        lines += ["", *_run(run)]
    if not result["is_complete"]:
        lines += ["", "the charges do not add up to the cost: it was set from outside"]
    return "\n".join(printable(line) for line in lines)


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    unit = UNITS.get(run["kind"], Unit.EVENTS)
    number = "open" if run["is_open"] else f"record {run['order_id']}"
    yield f"run {run['run']} ({number}), account {run['account']}, {run['request_type']}"
    subject = f", subject {run['subject']}" if run["subject"] else ""
    towards = f" to {run['destination']}" if run["destination"] else ""
    yield f"{run['kind']}{towards}, category {run['category'] or 'none'}{subject}"
    yield f"from {shown('at_ns', run['started_at_ns'])}, {units_text(run['usage'], unit)} used"
    before: list[Any] = []
    for charge in run["charges"]:
        yield ""
        yield from _charge(charge, unit)
        yield from _why(charge, before)
        before = charge["considered"]
    if run["balances"]:
        yield ""
        yield from (_balance(use, UNITS.get(use["kind"], Unit.EVENTS)) for use in run["balances"])
    source = f" ({run['source']})" if run["source"] else ""
    if run["cost_nanos"] < 0:
        yield f"  no cost: {run['info'] or 'it was not rated'}"
    else:
        yield amount_line(f"  cost{source}", format_nanos(run["cost_nanos"]))


def _charge(charge: Mapping[str, Any], unit: Unit) -> Iterator[str]:
    members = ("plan", "destination", "prefix", "rate")
    parts = [f"{name} {charge[name]}" for name in members if charge[name] and charge[name] != "*none"]
    parts += [f"hours {charge['hours']}"] if charge["hours"] else []
    times = f"{charge['parts']} x " if charge["parts"] > 1 else ""
    used = f"{times}{units_text(charge['units'], unit)}"
    yield f"  from {units_text(charge['from_units'], unit)}: {used}: {', '.join(parts) or 'no rate'}"
    yield f"    of {charge['profile']}"
    for increment in charge["increments"]:
        yield from _increment(increment, charge["parts"], unit)
    if charge["rounding"]:
        to = f"rounded {charge['rounding'].removeprefix('*')} to {charge['rounding_decimals']} decimals"
        correction = charge["correction_nanos"]
        yield (
            amount_line(f"    {to}", format_nanos(correction)) if correction else f"    {to}: nothing to add"
        )
    yield amount_line("    cost", format_nanos(charge["cost_nanos"]))


def _why(charge: Mapping[str, Any], before: list[Any]) -> Iterator[str]:
    """What was looked at, where it is not what was looked at for the part before."""
    if charge["considered"] and charge["considered"] == before:
        yield "    the same was looked at as for the part before"
    else:
        yield from (f"    {each['what']} {each['name']}: {each['reason']}" for each in charge["considered"])
    if charge["note"]:
        yield f"    note: {charge['note']}"


def _increment(increment: Mapping[str, Any], parts: int, unit: Unit) -> Iterator[str]:
    slot, count = increment["slot"], increment["count"] * parts
    if slot is None:
        what = "connect fee" if not increment["units"] else units_text(increment["units"], unit)
        label = what if count == 1 else f"{count} x {what}"
    else:
        terms = f"{slot['price']:g}/{units_text(slot['per_units'] or NANOS, unit)}"
        label = f"{count} x {units_text(increment['units'], unit)} at {terms}"
        if slot["start_units"]:
            label += f" from {units_text(slot['start_units'], unit)} on"
    payers = []
    if increment["unit_balance"]:
        units = units_text(increment["unit_nanos"] * count // NANOS, unit)
        payers.append(f"{units} of {increment['unit_balance']}")
    if increment["money_balance"]:
        payers.append(f"by {increment['money_balance']}")
    paid = f", {' and '.join(payers)}" if payers else ", nobody pays"
    yield amount_line(f"    {label}{paid}", format_nanos(increment["cost_nanos"] * count))


def _balance(use: Mapping[str, Any], unit: Unit) -> str:
    def told(nanos: int) -> str:
        if use["kind"] in ("", MONEY):
            return format_nanos(nanos)
        text = units_text(abs(nanos) // NANOS, unit)
        return f"-{text}" if nanos < 0 else text

    name = f"  balance {use['balance']} of {use['account']}"
    if use["before_nanos"] is None and use["after_nanos"] is None:
        return f"{name}: {told(use['taken_nanos'])} taken; what it held was not written down"
    before = "?" if use["before_nanos"] is None else told(use["before_nanos"])
    line = f"{name}: {before} -{told(use['taken_nanos'])}"
    if use["by_others_nanos"]:
        sign = "+" if use["by_others_nanos"] > 0 else ""
        line += f", {sign}{told(use['by_others_nanos'])} by others meanwhile"
    return f"{line} -> {told(use['after_nanos'])}"
