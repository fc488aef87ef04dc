"""CC-Money and Unit-Value (RFC 8506 8.8, 8.22): digits and power of ten, to and from whole nanos. Pure."""

from collections.abc import Callable

from ocs.diameter import avps
from ocs.diameter.avp import (
    RawAvp,
    decode_i32,
    decode_i64,
    decode_u32,
    encode_i32,
    encode_i64,
    encode_u32,
    fault,
    group,
    invalid_value,
    missing,
)
from ocs.diameter.codes import ResultCode
from ocs.diameter.message import Message

NANO_DIGITS = 9
LARGEST_EXPONENT = 18  # of either sign; 10^2147483647 is not computed
LARGEST_NANOS = (1 << 63) - 1
_POWERS: tuple[int, ...] = tuple(10**power for power in range(LARGEST_EXPONENT + NANO_DIGITS + 1))


def cc_money(message: Message, avp: RawAvp, currency_code: int) -> int:
    """Nanos of a CC-Money, rounded up; 5031 when it is of another currency."""
    value: RawAvp | None = None
    for member in message.members(avp):
        if member[0] == avps.UNIT_VALUE:
            value = member
        elif member[0] == avps.CURRENCY_CODE and decode_u32(message.frame, member) != currency_code:
            raise fault(ResultCode.RATING_FAILED, message.frame, member, "currency is not the server's")
    if value is None:
        raise missing(message.frame, avps.UNIT_VALUE, avp)
    return unit_value(message, value, nanos_of)


def unit_value(message: Message, avp: RawAvp, scaled: Callable[[int, int], int]) -> int:
    """The value of a Unit-Value; 5004 when negative, absurd or not to be held in 63 bits."""
    frame = message.frame
    digits: RawAvp | None = None
    exponent = 0
    for member in message.members(avp):
        if member[0] == avps.VALUE_DIGITS:
            digits = member
        elif member[0] == avps.EXPONENT:
            exponent = decode_i32(frame, member)
            if not -LARGEST_EXPONENT <= exponent <= LARGEST_EXPONENT:
                raise invalid_value(frame, member)
    if digits is None:
        raise missing(frame, avps.VALUE_DIGITS, avp)
    value = decode_i64(frame, digits)
    if value < 0:
        raise invalid_value(frame, digits)
    amount = scaled(value, exponent)
    if amount > LARGEST_NANOS:
        raise invalid_value(frame, digits)
    return amount


def nanos_of(digits: int, exponent: int) -> int:
    """Nanos of digits * 10^exponent currency units; less than a nano counts as one."""
    shift = exponent + NANO_DIGITS
    if shift < 0:
        return -(-digits // _POWERS[-shift])
    return digits * _POWERS[shift]


def value_members(nanos: int, decimals: int) -> tuple[bytes, bytes]:
    """Value-Digits and Exponent of an exact amount; in minor units where it has no smaller part."""
    exponent = -decimals if nanos % 10 ** (NANO_DIGITS - decimals) == 0 else -NANO_DIGITS
    digits = nanos // 10 ** (NANO_DIGITS + exponent)
    return encode_i64(avps.VALUE_DIGITS, digits), encode_i32(avps.EXPONENT, exponent)


def money_members(nanos: int, currency_code: int, decimals: int) -> tuple[bytes, bytes]:
    """Unit-Value and Currency-Code of an exact amount."""
    return group(avps.UNIT_VALUE, value_members(nanos, decimals)), encode_u32(
        avps.CURRENCY_CODE, currency_code
    )
