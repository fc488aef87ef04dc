"""What a service of an answer holds: grants, validity, thresholds, final units."""

from decimal import Decimal

import pytest

from ocs.charging.events import (
    FinalUnit,
    FinalUnitAction,
    Grant,
    Result,
    Unit,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    decode_i32,
    decode_i64,
    decode_time,
    decode_u32,
    decode_u64,
    decode_utf8,
)
from tests.agents.diameter.answers import (
    ASKING,
    HOUR,
    answered,
    data,
    granted_units,
    inner,
    services,
    success,
)
from tests.support.gy import (
    NOW_NS,
    SECOND,
    ccr,
    requested,
    service,
    split,
)

# --- units


@pytest.mark.parametrize(
    ("unit", "amount", "key", "value"),
    [
        (Unit.OCTETS, 5, avps.CC_TOTAL_OCTETS, 5),
        (Unit.OCTETS, 1 << 70, avps.CC_TOTAL_OCTETS, (1 << 64) - 1),
        (Unit.TIME, 59_999_999_999, avps.CC_TIME, 59),
        (Unit.EVENTS, 3, avps.CC_SERVICE_SPECIFIC_UNITS, 3),
    ],
)
def test_a_grant_leaves_in_its_unit(unit: Unit, amount: int, key: int, value: int) -> None:
    message = answered(ASKING, success(Grant(10, (), Result.SUCCESS, unit, amount)))
    members = granted_units(message, services(message)[0])
    decode = decode_u32 if unit is Unit.TIME else decode_u64
    assert list(members) == [key]
    assert decode(message.frame, members[key]) == value


@pytest.mark.parametrize(
    ("nanos", "value"),
    [
        (12_500_000_000, "12.5"),
        (1, "0.000000001"),
        (0, "0"),
        (10_000_000, "0.01"),
        (1_234_567_890, "1.234567890"),
    ],
)
def test_money_is_exact(nanos: int, value: str) -> None:
    message = answered(ASKING, success(Grant(10, (), Result.SUCCESS, Unit.MONEY, nanos)))
    money = inner(message, granted_units(message, services(message)[0])[avps.CC_MONEY])
    unit_value = inner(message, money[avps.UNIT_VALUE])
    digits = decode_i64(message.frame, unit_value[avps.VALUE_DIGITS])
    exponent = decode_i32(message.frame, unit_value[avps.EXPONENT])
    assert Decimal(digits).scaleb(exponent) == Decimal(value)
    assert decode_u32(message.frame, money[avps.CURRENCY_CODE]) == 978


@pytest.mark.parametrize(
    ("asked", "shares"), [((3, 1), (750, 250)), ((0, 5), (0, 1_000)), ((0, 0), (500, 500))]
)
def test_input_and_output_are_granted_where_only_they_were_asked(
    asked: tuple[int, int], shares: tuple[int, int]
) -> None:
    message = answered(ccr(service(10, requested(split(*asked)))), success(data(1_000)))
    members = granted_units(message, services(message)[0])
    assert avps.CC_TOTAL_OCTETS not in members
    assert decode_u64(message.frame, members[avps.CC_INPUT_OCTETS]) == shares[0]
    assert decode_u64(message.frame, members[avps.CC_OUTPUT_OCTETS]) == shares[1]


def test_the_shorter_of_the_grants_and_the_profiles_validity_is_sent() -> None:
    def validity(granted_ns: int | None, name: str) -> int:
        message = answered(ASKING, success(data(validity_ns=granted_ns)), name)
        return decode_u32(message.frame, services(message)[0][avps.VALIDITY_TIME][0])

    assert validity(HOUR, "default") == 3_600
    assert (validity(HOUR, "open5gs"), validity(60 * SECOND, "open5gs"), validity(None, "open5gs")) == (
        600,
        60,
        600,
    )


@pytest.mark.parametrize(
    ("grant", "key", "value"),
    [
        (data(1_000, threshold=200), avps.VOLUME_QUOTA_THRESHOLD, 200),
        (data(1_000, threshold=1_000), avps.VOLUME_QUOTA_THRESHOLD, None),
        (
            Grant(10, (), Result.SUCCESS, Unit.TIME, 60 * SECOND, threshold=15 * SECOND),
            avps.TIME_QUOTA_THRESHOLD,
            15,
        ),
        (Grant(10, (), Result.SUCCESS, Unit.EVENTS, 9, threshold=2), avps.UNIT_QUOTA_THRESHOLD, 2),
        (Grant(10, (), Result.SUCCESS, Unit.MONEY, 9, threshold=2), avps.UNIT_QUOTA_THRESHOLD, None),
    ],
)
def test_a_threshold_is_sent_when_it_is_below_the_grant(grant: Grant, key: int, value: int | None) -> None:
    message = answered(ASKING, success(grant))
    found = services(message)[0].get(key)
    assert (None if found is None else decode_u32(message.frame, found[0])) == value


def test_a_client_without_thresholds_gets_none() -> None:
    message = answered(ASKING, success(data(1_000, threshold=200)), "magma")
    assert avps.VOLUME_QUOTA_THRESHOLD not in services(message)[0]


def test_holding_time_triggers_and_pool_are_sent_when_there_are_some() -> None:
    grant = data(holding_time_ns=30 * SECOND, triggers=(4, 3), pool=(7, 1_500_000))
    message = answered(ASKING, success(grant))
    (members,) = services(message)
    assert decode_u32(message.frame, members[avps.QUOTA_HOLDING_TIME][0]) == 30
    trigger = message.members(members[avps.TRIGGER][0])
    assert [decode_i32(message.frame, avp) for avp in trigger] == [4, 3]
    pool = inner(message, members[avps.G_S_U_POOL_REFERENCE][0])
    assert decode_u32(message.frame, pool[avps.G_S_U_POOL_IDENTIFIER]) == 7
    assert decode_i32(message.frame, pool[avps.CC_UNIT_TYPE]) == 2
    bare = services(answered(ASKING, success(data())))[0]
    assert not {avps.TRIGGER, avps.QUOTA_HOLDING_TIME, avps.G_S_U_POOL_REFERENCE} & set(bare)


def test_a_tariff_change_is_named_to_clients_that_know_it() -> None:
    change = success(data(tariff_change_at_ns=NOW_NS))
    known = answered(ASKING, change, "staros")
    members = granted_units(known, services(known)[0])
    assert decode_time(known.frame, members[avps.TARIFF_TIME_CHANGE]) == NOW_NS
    unknown = answered(ASKING, change)
    assert list(granted_units(unknown, services(unknown)[0])) == [avps.CC_TOTAL_OCTETS]


# --- final units


def test_terminate_contains_the_action_alone() -> None:
    final = FinalUnit(FinalUnitAction.TERMINATE, "https://x", ("permit in ip from any to any",), ("free",))
    message = answered(ASKING, success(data(final_unit=final)))
    (members,) = services(message)
    assert list(inner(message, members[avps.FINAL_UNIT_INDICATION][0])) == [avps.FINAL_UNIT_ACTION]
    assert avps.QOS_FINAL_UNIT_INDICATION not in members


@pytest.mark.parametrize(
    ("address", "kind"),
    [("https://top.up/?a=b&c=%20", 2), ("sip:ivr@ims.example", 3), ("192.0.2.1", 0), ("2001:db8::1", 1)],
)
def test_redirect_names_the_server_in_both_forms(address: str, kind: int) -> None:
    final = FinalUnit(FinalUnitAction.REDIRECT, address)
    message = answered(ASKING, success(data(final_unit=final)))
    (members,) = services(message)
    server = inner(message, inner(message, members[avps.FINAL_UNIT_INDICATION][0])[avps.REDIRECT_SERVER])
    assert decode_i32(message.frame, server[avps.REDIRECT_ADDRESS_TYPE]) == kind
    assert decode_utf8(message.frame, server[avps.REDIRECT_SERVER_ADDRESS]) == address
    extended = members[avps.QOS_FINAL_UNIT_INDICATION][0]
    assert not extended[1] & 0x40
    assert avps.REDIRECT_SERVER_EXTENSION in inner(message, extended)


def test_restriction_names_its_filters() -> None:
    final = FinalUnit(
        FinalUnitAction.RESTRICT_ACCESS, "", ("permit in ip from any to 192.0.2.0/24",), ("portal",)
    )
    message = answered(ASKING, success(data(final_unit=final)))
    members = inner(message, services(message)[0][avps.FINAL_UNIT_INDICATION][0])
    assert decode_utf8(message.frame, members[avps.RESTRICTION_FILTER_RULE]).startswith("permit in ip")
    assert decode_utf8(message.frame, members[avps.FILTER_ID]) == "portal"
