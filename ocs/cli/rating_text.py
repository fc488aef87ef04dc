"""Prices and explanations for people; takes what `OcsV1.Rate` and `OcsV1.Explain` answer."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ocs.charging.events import Unit
from ocs.charging.money import format_nanos
from ocs.charging.tariff.difference import units_text
from ocs.cli.tables import printable, shown

UNITS = {
    "time": Unit.TIME,
    "ns": Unit.TIME,
    "octets": Unit.OCTETS,
    "events": Unit.EVENTS,
    "nanos": Unit.MONEY,
}
COLUMN = 52  # where amounts stand


def rated(result: Mapping[str, Any]) -> str:
    """What a usage would cost."""
    unit = UNITS.get(result["unit"])
    towards = f" to {result['called']}" if result["called"] else ""
    group = "" if result["rating_group"] is None else f", rating group {result['rating_group']}"
    lines = [
        f"{units_text(result['units'], unit)} of {result['service']}{towards}{group}, "
        f"plan {result['plan']}, at {shown('at_ns', result['at_ns'])}"
    ]
    for piece in result["pieces"]:
        lines += ["", *_piece(piece, unit)]
    lines += [
        "",
        amount_line(f"{result['result']}: total in {result['currency']}", format_nanos(result["cost_nanos"])),
    ]
    lines += ["", *_why(result)]
    return "\n".join(printable(line) for line in lines)


def _piece(piece: Mapping[str, Any], unit: Unit | None) -> Iterator[str]:
    what = units_text(piece["units"], unit)
    when = f" from {shown('at_ns', piece['start_ns'])}" if unit is Unit.TIME else ""
    if not piece["rule"]:
        yield f"{what}{when}: no rule has a price"
        return
    yield f"{what}{when}: {_decision(piece)}"
    if piece["breakdown"] is None:
        yield f"  {piece['verdict'].lower()}"
    else:
        yield from _breakdown(piece["breakdown"], unit)


def _decision(piece: Mapping[str, Any]) -> str:
    parts = [f"plan {piece['plan']}", f"rule {piece['rule']}"]
    parts += [f"{name} {piece[name]}" for name in ("rate", "window", "zone") if piece[name]]
    if piece["destination"]:
        parts.append(f"prefix {piece['prefix'] or '*'} of {piece['destination']}")
    return ", ".join(parts)


def _breakdown(parts: Mapping[str, Any], unit: Unit | None) -> Iterator[str]:
    """Fee, slots, then how their exact sum became the amount."""
    if parts["connect_fee_nanos"]:
        yield amount_line("  connect fee", format_nanos(parts["connect_fee_nanos"]))
    for slot in parts["slots"]:
        terms = f"{format_nanos(slot['price_nanos'])}/{units_text(slot['per_units'], unit)}"
        increments = f"{slot['increments']} x {units_text(slot['increment_units'], unit)}"
        yield amount_line(
            f"  from {units_text(slot['start_units'], unit)}: {increments} at {terms}",
            _exact(slot["cost_nanos"]),
        )
    capped = ""
    if parts["cap_nanos"] is not None:
        capped = f", at most {format_nanos(parts['cap_nanos'])} ({parts['cap_strategy'].lower()})"
    rounding = f"rounded {parts['rounding'].lower()} to {parts['decimals']} decimals{capped}"
    if parts["rated_from"]:
        span = f"{units_text(parts['rated_from'], unit)} before: {format_nanos(parts['before_nanos'])}"
        yield f"  session {rounding}; {span}, with this: {format_nanos(parts['after_nanos'])}"
    else:
        yield f"  {_exact(parts['exact_nanos'])} {rounding}"
    yield amount_line("  cost", format_nanos(parts["cost_nanos"]))


def _exact(text: str) -> str:
    """Exact nanos as money: what is less than a nano stands behind it."""
    number = sum((Fraction(part) for part in text.split()), Fraction(0))
    whole, rest = divmod(number.numerator, number.denominator)
    return format_nanos(whole) + (f" + {rest}/{number.denominator} nano" if rest else "")


def amount_line(label: str, amount: str) -> str:
    """A line with an amount of money at its end."""
    return f"{label:<{COLUMN}} {amount:>14}"


def _why(result: Mapping[str, Any]) -> Iterator[str]:
    """Prefixes tried, and the rules with what became of each."""
    if result["prefixes"]:
        tried = ", ".join(
            f"{each['prefix'] or '*'} ({', '.join(each['destinations'])})" for each in result["prefixes"]
        )
        yield f"prefixes, the longest first: {tried}"
    for rule in result["considered"]:
        rank = "-" if rule["rank"] is None else rule["rank"]
        source = f" ({rule['source']})" if rule["source"] else ""
        yield f"{rank:>3} {rule['plan']} {rule['rule']}{source}: {rule['reason']}"
    if result["left_off"]:
        yield f"    and {result['left_off']} rules that are about something else"


def explained(result: Mapping[str, Any]) -> str:
    """Why a session cost what it did."""
    lines = list(_head(result))
    for event in result["events"]:
        who = f" by {event['by']}" if event["by"] else ""
        why = f": {event['reason']}" if event["reason"] else ""
        kind = event["kind"] or "OPERATOR"
        lines += ["", f"{shown('at_ns', event['at_ns'])} {kind} {event['event']}{who}{why}"]
        for charge in event["charges"]:
            lines += _charge(charge)
    for charge in result.get("free", ()):
        paid = "rated, and paid by nobody" if charge["amount_nanos"] else "used for nothing, with no entry"
        lines += ["", f"{paid}; looked up in the tariff:", *_charge(charge)]
    paid = format_nanos(result["entries_nanos"])
    if result["is_complete"]:
        lines += ["", amount_line("all entries together", paid)]
    else:
        lines += ["", f"all entries together {paid}, the session {format_nanos(result['cost_nanos'])}"]
    return "\n".join(printable(line) for line in lines)


def _head(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"session {result['session']} of {result['client']}, account {result['account']}"
    where = ", ".join(f"{name} {result[name]}" for name in ("called", "apn") if result[name])
    yield f"{result['service']}{', ' if where else ''}{where}, plan {result['plan'] or '?'}"
    closed = result["closed_at_ns"]
    ended = "open" if closed is None else f"until {shown('at_ns', closed)} ({result['cause']})"
    yield f"from {shown('at_ns', result['opened_at_ns'])}, {ended}, cost {format_nanos(result['cost_nanos'])}"
    for usage in result["usage"]:
        group = "" if usage["rating_group"] is None else f"rating group {usage['rating_group']}: "
        used = _quantity(usage["units"], usage["unit"])
        yield f"  {group}{used} used, cost {format_nanos(usage['cost_nanos'])}"


def _charge(charge: Mapping[str, Any]) -> Iterator[str]:
    decision, unit = charge["decision"], UNITS.get(charge["unit"])
    group = "" if charge["rating_group"] is None else f"rating group {charge['rating_group']}, "
    used = _quantity(charge["units"], charge["unit"]) if charge["units"] else ""
    if decision["plan"]:
        names = ("plan", "rule", "rate", "window")
        parts = [f"{name} {decision[name]}" for name in names if decision[name]]
        parts += [f"prefix or zone {decision['prefix_or_zone']}"] if decision["prefix_or_zone"] else []
        version = "" if charge["tariff"] is None else f", tariff version {charge['tariff']}"
        yield f"  {group}{used}: {', '.join(parts)}{version}"
    else:
        yield f"  {group}{used} {decision['text']}".rstrip()
    if charge["breakdown"] is not None:
        yield from (f"  {line}" for line in _breakdown(charge["breakdown"], unit))
    for change in charge["balances"]:
        before, amount, after = (
            _quantity(change[name], change["unit"]) for name in ("before", "amount", "after")
        )
        sign = "" if change["amount"] < 0 else "+"
        yield f"    {change['kind'].lower()} {change['balance']}: {before} {sign}{amount} -> {after}"
    yield from (f"    {line}" for line in _why(charge))
    if charge["note"]:
        yield f"    note: {charge['note']}"


def _quantity(amount: int, member: str) -> str:
    if member == "nanos":
        return format_nanos(amount)
    text = units_text(abs(amount), UNITS.get(member))
    return f"-{text}" if amount < 0 else text
