"""Requested-Service-Unit and Used-Service-Unit (RFC 8506 8.18, 8.19) as units of the charging core. Pure."""

from typing import Final

import msgspec
from msgspec.structs import replace

from ocs.agents.diameter.mapping.money import cc_money
from ocs.charging.events import ReportingReason, RequestedUnits, TariffChange, Unit, UsedUnits
from ocs.diameter import avps
from ocs.diameter.avp import (
    RawAvp,
    decode_i32,
    decode_time,
    encode_u64,
    invalid_value,
    scan_into,
    word,
    wrong_size,
)
from ocs.diameter.message import Message

SECOND_NS: Final = 1_000_000_000
LARGEST_OCTETS: Final = (1 << 64) - 1
MOST_OCTETS_USED: Final = (
    1 << 53
)  # nine petabytes: no report of a session is larger, nor is a count of events
MOST_UNITS_USED: Final = 1 << 40
VODAFONE_REPORTING_REASON: Final = 12645 << 32 | 261

_CC_TIME: Final = avps.CC_TIME
_TOTAL: Final = avps.CC_TOTAL_OCTETS
_TOTAL_HEAD: Final = encode_u64(_TOTAL, 0)[:8]
_INPUT: Final = avps.CC_INPUT_OCTETS
_OUTPUT: Final = avps.CC_OUTPUT_OCTETS
_UNITS: Final = avps.CC_SERVICE_SPECIFIC_UNITS
_MONEY: Final = avps.CC_MONEY
_REASONS: Final = {reason.value: reason for reason in ReportingReason}
_CHANGES: Final = {change.value: change for change in TariffChange}

_OCTETS: Final = Unit.OCTETS  # before Python 3.12 looking a member up in its class is slow
_TIME_FIRST: Final = (Unit.TIME, Unit.OCTETS, Unit.EVENTS, Unit.MONEY)
_EVENTS_FIRST: Final = (Unit.EVENTS, Unit.OCTETS, Unit.TIME, Unit.MONEY)
_OCTETS_FIRST: Final = (Unit.OCTETS, Unit.TIME, Unit.EVENTS, Unit.MONEY)
_PREFERENCE: Final = {"voice": _TIME_FIRST, "sms": _EVENTS_FIRST, "mms": _EVENTS_FIRST}


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A Requested-Service-Unit; `split` holds input and output octets where the client named only these."""

    units: RequestedUnits
    split: tuple[int, int] | None = None


class Measured:
    """One Used-Service-Unit; more than one unit where the client counts several at once."""

    __slots__ = ("impossible", "is_contradicting", "reason", "used")

    def __init__(self, used: tuple[UsedUnits, ...] = ()) -> None:
        self.used = used
        self.reason: ReportingReason | None = None
        self.is_contradicting = False  # the total is not the sum of its parts
        self.impossible = b""  # the AVP as it goes into Failed-AVP, where no session can have used it


def reporting_reason(frame: bytes, avp: RawAvp) -> ReportingReason | None:
    """Reporting-Reason; values of later releases say nothing here."""
    return _REASONS.get(decode_i32(frame, avp))


class Amounts:
    """The amounts in an RSU or USU as they stand there; None is absent."""

    __slots__ = ("is_contradicting", "money", "octets", "others", "split", "time", "units")

    def __init__(self, message: Message, avp: RawAvp, currency_code: int) -> None:
        self.time: int | None = None
        self.units: int | None = None
        self.money: int | None = None
        self.octets: int | None = None
        self.split: tuple[int, int] | None = None
        self.others: list[RawAvp] | None = None
        self.is_contradicting = False
        frame = message.frame
        total = received = sent = None
        members: list[RawAvp] = []
        scan_into(members, frame, avp[2], avp[3], message.limits.avps - message.scanned_avps)
        message.scanned_avps += len(members)
        for member in members:
            key, _, start, end = member
            size = end - start
            if key == _CC_TIME:
                if size != 4:
                    raise wrong_size(frame, member)
                if self.time is None:
                    self.time = word(frame, start) * SECOND_NS
            elif key == _TOTAL:
                if size != 8:
                    raise wrong_size(frame, member)
                if total is None:
                    total = word(frame, start) << 32 | word(frame, start + 4)
            elif key == _INPUT:
                if size != 8:
                    raise wrong_size(frame, member)
                if received is None:
                    received = word(frame, start) << 32 | word(frame, start + 4)
            elif key == _OUTPUT:
                if size != 8:
                    raise wrong_size(frame, member)
                if sent is None:
                    sent = word(frame, start) << 32 | word(frame, start + 4)
            elif key == _UNITS:
                if size != 8:
                    raise wrong_size(frame, member)
                if self.units is None:
                    self.units = word(frame, start) << 32 | word(frame, start + 4)
            elif key == _MONEY:
                money = cc_money(message, member, currency_code)
                self.money = money if self.money is None else self.money
            elif self.others is None:
                self.others = [member]
            else:
                self.others.append(member)
        if total is not None:
            self.octets = total
            self.is_contradicting = received is not None and sent is not None and received + sent != total
        elif received is not None or sent is not None:
            self.split = (received or 0, sent or 0)
            self.octets = sum(self.split)
            if self.octets > LARGEST_OCTETS:
                raise invalid_value(frame, avp)

    def of(self, unit: Unit) -> int | None:
        """The amount of a unit."""
        match unit:
            case Unit.OCTETS:
                return self.octets
            case Unit.TIME:
                return self.time
            case Unit.EVENTS:
                return self.units
            case Unit.MONEY:
                return self.money
            case Unit.GENERIC:
                return None


def asked(message: Message, avp: RawAvp, service: str, currency_code: int) -> Asked:
    """A Requested-Service-Unit in one unit: the one that counts most for the service."""
    amounts = Amounts(message, avp, currency_code)
    for unit in _PREFERENCE.get(service, _OCTETS_FIRST):
        amount = amounts.of(unit)
        if amount is not None:
            split = amounts.split if unit is Unit.OCTETS else None
            return Asked(RequestedUnits(unit, amount), split)
    return Asked(RequestedUnits())


def measured(message: Message, avp: RawAvp, currency_code: int) -> Measured:
    """A Used-Service-Unit: what is not zero, or one zero, as that report gives a quota back too.

    How long a session has lasted the core knows; other amounts no session can have are found here.
    """
    octets = _total_alone(message, avp)
    if octets is not None and octets <= MOST_OCTETS_USED:
        message.scanned_avps += 1
        return Measured((UsedUnits(_OCTETS, octets),))
    amounts = Amounts(message, avp, currency_code)
    result = Measured()
    result.is_contradicting = amounts.is_contradicting
    change: TariffChange | None = None
    at_ns: int | None = None
    if amounts.others is not None:
        change, at_ns = _circumstances(message.frame, amounts.others, result)
    octets, time, units, money = amounts.octets, amounts.time, amounts.units, amounts.money
    if (octets or 0) > MOST_OCTETS_USED or (units or 0) > MOST_UNITS_USED:
        result.impossible = invalid_value(message.frame, avp).failed_avp
    if octets and not time and not units and not money:
        result.used = (UsedUnits(_OCTETS, octets, change, at_ns),)
        return result
    pairs = ((Unit.OCTETS, octets), (Unit.TIME, time), (Unit.EVENTS, units), (Unit.MONEY, money))
    present = [(unit, amount) for unit, amount in pairs if amount is not None]
    counted = [(unit, amount) for unit, amount in present if amount] or present[:1]
    result.used = tuple([UsedUnits(unit, amount, change, at_ns) for unit, amount in counted])
    return result


def _total_alone(message: Message, avp: RawAvp) -> int | None:
    """CC-Total-Octets where nothing stands beside it, as most clients report; else None."""
    frame, start = message.frame, avp[2]
    if avp[3] - start != 16 or frame[start : start + 8] != _TOTAL_HEAD:
        return None
    if message.scanned_avps >= message.limits.avps:
        return None
    return word(frame, start + 8) << 32 | word(frame, start + 12)


def tariff_change(frame: bytes, avp: RawAvp) -> TariffChange:
    """Tariff-Change-Usage; 5004 for a side there is not."""
    change = _CHANGES.get(decode_i32(frame, avp))
    if change is None:
        raise invalid_value(frame, avp)
    return change


def on_side(used: tuple[UsedUnits, ...], change: TariffChange) -> tuple[UsedUnits, ...]:
    """Usage of one of two quotas of a rating group: what does not say its side itself is on that of the quota."""
    return tuple(
        [each if each.tariff_change is not None else replace(each, tariff_change=change) for each in used]
    )


def _circumstances(
    frame: bytes, members: list[RawAvp], result: Measured
) -> tuple[TariffChange | None, int | None]:
    """Tariff-Change-Usage and the first Event-Charging-TimeStamp; sets the reason of `result`."""
    change: TariffChange | None = None
    at_ns: int | None = None
    for member in members:
        key = member[0]
        if key in (avps.REPORTING_REASON, VODAFONE_REPORTING_REASON):
            result.reason = reporting_reason(frame, member)
        elif key == avps.TARIFF_CHANGE_USAGE:
            change = tariff_change(frame, member)
        elif key == avps.EVENT_CHARGING_TIMESTAMP and at_ns is None:
            at_ns = decode_time(frame, member)
    return change, at_ns
