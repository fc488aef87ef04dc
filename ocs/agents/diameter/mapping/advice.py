"""Advice of charge (TS 32.280; TS 32.299 7.2.9): what a service costs and has cost, for the user to see. Pure."""

from typing import Final

from ocs.agents.diameter.mapping.money import value_members
from ocs.charging.events import ChargingAnswer, ShownPrice, Unit
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_i64, encode_time, encode_u32, group

_FULL, _COST_ONLY, _TARIFF_ONLY = 1, 2, 3  # AoC-Request-Type
_COSTS: Final = (_FULL, _COST_ONLY)
_TARIFFS: Final = (_FULL, _TARIFF_ONLY)
_UNIT_TYPES: Final = {Unit.TIME: 0, Unit.MONEY: 1, Unit.OCTETS: 2, Unit.EVENTS: 5}  # CC-Unit-Type
_SECOND_NS: Final = 1_000_000_000


def service_information(advice: int, answer: ChargingAnswer, currency_code: int, decimals: int) -> bytes:
    """Service-Information with the costs and prices an AoC-Request-Type asks for; nothing where none is known."""
    parts: list[bytes] = []
    if advice in _COSTS and answer.cost_nanos is not None:
        so_far = value_members(answer.cost_nanos, decimals)
        now = value_members(sum(grant.cost_nanos for grant in answer.grants), decimals)
        members = (
            group(avps.ACCUMULATED_COST, so_far),
            group(avps.INCREMENTAL_COST, now),
            encode_u32(avps.CURRENCY_CODE, currency_code),
        )
        parts.append(group(avps.AOC_COST_INFORMATION, members))
    if advice in _TARIFFS:
        price = next((grant.price for grant in answer.grants if grant.price is not None), None)
        if price is not None:
            parts.append(_tariff_information(price, currency_code, decimals))
    if not parts:
        return b""
    return group(avps.SERVICE_INFORMATION, (group(avps.AOC_INFORMATION, parts),))


def _tariff_information(price: ShownPrice, currency_code: int, decimals: int) -> bytes:
    currency = encode_u32(avps.CURRENCY_CODE, currency_code)
    element = _rate_element(price.unit, price.nanos, price.per_units, decimals)
    parts = [group(avps.CURRENT_TARIFF, (currency, element))]
    if price.until_ns is not None and price.next_nanos is not None:
        parts.append(encode_time(avps.TARIFF_TIME_CHANGE, price.until_ns))
        element = _rate_element(price.unit, price.next_nanos, price.next_per_units, decimals)
        parts.append(group(avps.NEXT_TARIFF, (currency, element)))
    return group(avps.TARIFF_INFORMATION, parts)


def _rate_element(unit: Unit, nanos: int, per_units: int, decimals: int) -> bytes:
    """So much money for so many units."""
    digits, exponent = per_units, 0
    if unit is Unit.TIME:
        digits, exponent = (per_units, -9) if per_units % _SECOND_NS else (per_units // _SECOND_NS, 0)
    size = encode_i64(avps.VALUE_DIGITS, digits), encode_i32(avps.EXPONENT, exponent)
    members = (
        encode_u32(avps.CC_UNIT_TYPE, _UNIT_TYPES[unit]),
        group(avps.UNIT_VALUE, size),
        group(avps.UNIT_COST, value_members(nanos, decimals)),
    )
    return group(avps.RATE_ELEMENT, members)
