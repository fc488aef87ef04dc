"""Amounts of parameters and their units: `100MB`, `60s`, `10.00`, `1`."""

from decimal import Decimal

from ocs.charging.events import Unit
from ocs.rpc import values
from ocs.rpc.errors import InvalidParams
from ocs.rpc.values import Amount

UNITS = {
    "money": Unit.MONEY,
    "octets": Unit.OCTETS,
    "volume": Unit.OCTETS,
    "data": Unit.OCTETS,
    "time": Unit.TIME,
    "voice": Unit.TIME,
    "events": Unit.EVENTS,
    "units": Unit.EVENTS,
    "points": Unit.GENERIC,
    "generic": Unit.GENERIC,
}
UNIT_OF_SERVICE = {"data": Unit.OCTETS, "voice": Unit.TIME}  # the others count events


def charged_unit(member: str, name: str) -> Unit:
    """The unit of that name."""
    unit = UNITS.get(name.casefold())
    if unit is None:
        raise InvalidParams(f'{member}: "{name[:40]}" is not money, octets, time or events')
    return unit


def quantity_of(member: str, amount: Amount, unit: Unit) -> int:
    """An amount of a known unit, in nanos, octets, ns or events; it may be below zero."""
    value = amount.value
    negative = isinstance(value, str) and value.startswith("-")
    text = value[1:] if isinstance(value, str) and negative else value
    try:
        if unit in (Unit.MONEY, Unit.GENERIC):
            return values.nanos(value)
        if isinstance(value, int):
            return -values.count(-value) if value < 0 else values.count(value)
        if isinstance(value, Decimal):
            raise ValueError("is not a whole number")
        positive = _units(str(text), unit)
    except ValueError as error:
        raise InvalidParams(f"{member}: {error}") from None
    return -positive if negative else positive


def _units(text: str, unit: Unit) -> int:
    if unit is Unit.OCTETS:
        octets = values.octets(text)
        return values.count(text) if octets is None else octets
    if unit is Unit.TIME:
        return values.duration_ns(text)
    return values.count(text)


def asked_quantity(member: str, amount: Amount, unit: Unit | None, service: str) -> tuple[Unit, int]:
    """An amount whose unit is the one given, that of its text, or that of the service."""
    value = amount.value
    if unit is None:
        unit = _unit_of_text(value) if isinstance(value, str) else None
    if unit is None:
        unit = UNIT_OF_SERVICE.get(service, Unit.EVENTS)
    counted = quantity_of(member, amount, unit)
    if counted < 0:
        raise InvalidParams(f"{member}: is below zero")
    return unit, counted


def _unit_of_text(text: str) -> Unit | None:
    if text.isascii() and text.isdigit():
        return None
    return Unit.TIME if _is_duration(text) else Unit.OCTETS


def _is_duration(text: str) -> bool:
    try:
        values.duration_ns(text)
    except ValueError:
        return False
    return True
