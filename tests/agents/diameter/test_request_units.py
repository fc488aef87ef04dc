"""Units, times, events and refunds of a Credit-Control-Request."""

import pytest

from ocs.agents.diameter.mapping.remembered import LONGEST, MOST_OCTETS, Remembered
from ocs.agents.diameter.mapping.request import GyReader
from ocs.charging.events import (
    Action,
    Identity,
    IdentityKind,
    ReportingReason,
    RequestedUnits,
    TariffChange,
    Unit,
    UsedUnits,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    encode_i32,
    encode_octets,
    encode_time,
    encode_u32,
    encode_utf8,
    group,
)
from ocs.diameter.message import Message
from tests.agents.diameter.refusals import failed_keys, refused
from tests.support.gy import (
    CLIENT,
    NOW_NS,
    SECOND,
    ccr,
    event_of,
    events,
    money,
    options,
    profile,
    read,
    requested,
    seconds,
    service,
    split,
    subscription,
    total,
    used,
)

# --- units


@pytest.mark.parametrize(
    ("asking", "context", "expected"),
    [
        (requested(), "32251@3gpp.org", RequestedUnits()),
        (requested(total(5)), "32251@3gpp.org", RequestedUnits(Unit.OCTETS, 5)),
        (requested(split(2, 3)), "32251@3gpp.org", RequestedUnits(Unit.OCTETS, 5)),
        (requested(seconds(9), total(5), split(1, 1)), "32251@3gpp.org", RequestedUnits(Unit.OCTETS, 5)),
        (requested(total(5), seconds(9)), "32260@3gpp.org", RequestedUnits(Unit.TIME, 9 * SECOND)),
        (requested(total(5), events(1)), "32274@3gpp.org", RequestedUnits(Unit.EVENTS, 1)),
        (requested(money(125, -2, 978)), "32251@3gpp.org", RequestedUnits(Unit.MONEY, 1_250_000_000)),
        (requested(money(1)), "32251@3gpp.org", RequestedUnits(Unit.MONEY, 1_000_000_000)),
    ],
)
def test_requested_units_are_one_unit_by_service(
    asking: bytes, context: str, expected: RequestedUnits
) -> None:
    (report,) = event_of(ccr(service(10, asking), context=context)).reports
    assert (report.rating_group, report.requested, report.used) == (10, expected, ())


def test_a_service_without_requested_units_asks_for_nothing() -> None:
    (report,) = event_of(ccr(service(10, used(total(5))), kind=2)).reports
    assert report.requested is None
    assert report.used == (UsedUnits(Unit.OCTETS, 5),)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ([used(split(2, 3))], [UsedUnits(Unit.OCTETS, 5)]),
        ([used(total(7), split(2, 3))], [UsedUnits(Unit.OCTETS, 7)]),
        ([used(seconds(3), split(2, 3))], [UsedUnits(Unit.OCTETS, 5), UsedUnits(Unit.TIME, 3 * SECOND)]),
        ([used(seconds(0), split(0, 0))], [UsedUnits(Unit.OCTETS, 0)]),
        ([used()], []),
        ([used(events(2))], [UsedUnits(Unit.EVENTS, 2)]),
        ([used(total((1 << 64) - 1))], [UsedUnits(Unit.OCTETS, (1 << 64) - 1)]),
        (
            [used(total(1), encode_i32(452, 0)), used(total(2), encode_i32(452, 1))],
            [UsedUnits(Unit.OCTETS, 1, TariffChange.BEFORE), UsedUnits(Unit.OCTETS, 2, TariffChange.AFTER)],
        ),
        (
            [used(total(1), encode_time(avps.EVENT_CHARGING_TIMESTAMP, NOW_NS))],
            [UsedUnits(Unit.OCTETS, 1, None, NOW_NS)],
        ),
    ],
)
def test_used_units_of_every_kind(usage: list[bytes], expected: list[UsedUnits]) -> None:
    (report,) = event_of(ccr(service(10, *usage), kind=2)).reports
    assert report.used == tuple(expected)


@pytest.mark.parametrize(
    "members",
    [
        [used(total(1), encode_i32(avps.REPORTING_REASON, 3))],
        [used(total(1)), encode_i32(avps.REPORTING_REASON, 3)],
        [used(total(1)), encode_i32(12645 << 32 | 261, 3)],
        [used(total(1), encode_i32(12645 << 32 | 261, 3))],
    ],
)
def test_the_reporting_reason_is_read_wherever_clients_put_it(members: list[bytes]) -> None:
    (report,) = event_of(ccr(service(10, *members), kind=2)).reports
    assert report.reason is ReportingReason.QUOTA_EXHAUSTED


def test_an_unknown_reporting_reason_says_nothing() -> None:
    (report,) = event_of(ccr(service(10, encode_i32(avps.REPORTING_REASON, 42)), kind=2)).reports
    assert report.reason is None


@pytest.mark.parametrize(
    ("units", "code"),
    [
        (money(-1, -2), 5004),
        (money(1, 2_147_483_647), 5004),
        (money(1, -2_147_483_648), 5004),
        (money(1 << 62, 18), 5004),
        (money(1, -2, 840), 5031),
        (group(avps.CC_MONEY, []), 5005),
        (encode_octets(avps.CC_TOTAL_OCTETS, b"\1"), 5014),
        (encode_octets(avps.CC_TIME, b"\1"), 5014),
        (split((1 << 64) - 1, 1), 5004),
    ],
)
def test_units_that_cannot_be_are_refused_in_requests_and_in_reports(units: bytes, code: int) -> None:
    assert refused(ccr(service(10, requested(units)))).result_code == code
    assert refused(ccr(service(10, used(units)))).result_code == code


def test_less_than_a_nano_counts_as_one() -> None:
    (report,) = event_of(ccr(service(10, requested(money(1, -18))))).reports
    assert report.requested == RequestedUnits(Unit.MONEY, 1)


def test_service_identifiers_keep_their_order() -> None:
    (report,) = event_of(ccr(service(10, requested(), identifiers=(3, 1, 2)))).reports
    assert report.service_identifiers == (3, 1, 2)


def test_services_keep_the_order_of_the_request() -> None:
    frame = ccr(service(20, requested()), service(10, requested()), service(None, requested()))
    assert [report.rating_group for report in event_of(frame).reports] == [20, 10, None]


def test_the_sixty_fifth_service_is_5004_with_itself() -> None:
    services = [service(number, requested()) for number in range(65)]
    assert len(event_of(ccr(*services[:64])).reports) == 64
    error = refused(ccr(*services))
    assert error.result_code == 5004
    assert services[64] in error.failed_avp


def test_units_at_command_level_are_one_report() -> None:
    frame = ccr(requested(seconds(60)), used(seconds(5)), used(seconds(6)), encode_u32(439, 7), kind=2)
    request = read(frame)
    (report,) = request.event.reports
    assert request.command_level
    assert (report.rating_group, report.service_identifiers) == (None, (7,))
    assert report.used == (UsedUnits(Unit.TIME, 5 * SECOND), UsedUnits(Unit.TIME, 6 * SECOND))
    assert report.requested == RequestedUnits(Unit.TIME, 60 * SECOND)


def test_no_units_are_no_reports() -> None:
    assert event_of(ccr()).reports == ()


# --- times, events, refunds


@pytest.mark.parametrize(
    ("offset_s", "believed"),
    [(-1, True), (-7 * 86_400 + 1, True), (-8 * 86_400, False), (3_000, True), (4_000, False)],
)
def test_the_event_timestamp_counts_within_a_week_back_and_an_hour_ahead(
    offset_s: int, believed: bool
) -> None:
    at_ns = NOW_NS + offset_s * SECOND
    stamp = {avps.EVENT_TIMESTAMP: encode_time(avps.EVENT_TIMESTAMP, at_ns)}
    assert event_of(ccr(replaced=stamp)).occurred_at_ns == (at_ns if believed else None)


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.AUTHORIZE])
def test_an_event_says_what_to_do(action: Action) -> None:
    asking = service(None, requested(events(1)))
    assert event_of(ccr(asking, encode_i32(436, action), kind=4)).action is action


def test_an_event_without_action_is_5005_and_with_an_unknown_one_5004() -> None:
    error = refused(ccr(kind=4))
    assert (error.result_code, failed_keys(error)) == (5005, [436])
    assert refused(ccr(encode_i32(436, 9), kind=4)).result_code == 5004
    assert refused(ccr(encode_i32(436, Action.AUTHORIZE), kind=4)).result_code == 5004  # not for the wire


def test_the_action_of_a_session_request_is_ignored() -> None:
    assert event_of(ccr(encode_i32(436, 9), kind=1)).action is None


def test_money_of_an_event_at_command_level() -> None:
    event = event_of(ccr(encode_i32(436, 0), requested(money(250, -2, 978)), kind=4))
    assert event.money_nanos == 2_500_000_000


@pytest.mark.parametrize("nested", [True, False])
def test_a_refund_token_is_found_in_the_service_and_at_the_root(nested: bool) -> None:
    token = encode_octets(avps.REFUND_INFORMATION, b"token")
    extra = service(1, requested(events(1)), token) if nested else token
    assert event_of(ccr(encode_i32(436, 1), extra, kind=4)).refund_token == b"token"


def test_the_termination_cause_is_kept() -> None:
    assert event_of(ccr(encode_i32(295, 4), kind=3)).termination_cause == 4


def test_a_rising_origin_state_id_is_noticed_once_per_client() -> None:
    reader = GyReader(options())

    def restarted(state_id: int, host: str = CLIENT) -> bool:
        replaced = {avps.ORIGIN_HOST: encode_utf8(avps.ORIGIN_HOST, host)}
        frame = ccr(encode_u32(avps.ORIGIN_STATE_ID, state_id), replaced=replaced)
        return reader.read(Message.decode(frame), "peer", None, NOW_NS).restarted

    seen = [
        restarted(5),
        restarted(5),
        restarted(6),
        restarted(6),
        restarted(4),
        restarted(9, "other"),
        restarted(7),
    ]
    assert seen == [False, False, True, False, False, False, True]


def test_the_profile_of_the_connection_shapes_the_event() -> None:
    plain = read(ccr()).event
    open5gs = read(ccr(), connection_profile=profile("open5gs")).event
    assert (plain.profile, plain.replaces_same_bearer, plain.denies_per_service) == ("default", False, False)
    assert (open5gs.profile, open5gs.replaces_same_bearer) == ("open5gs", True)
    assert read(ccr(), connection_profile=profile("ergw")).event.denies_per_service
    assert read(ccr(), connection_profile=profile("staros")).event.knows_tariff_change


def test_a_full_table_of_remembered_groups_starts_afresh() -> None:
    from msgspec.structs import replace

    reader = GyReader(replace(options(), remembered=2))
    for index in range(9):
        one = {avps.SUBSCRIPTION_ID: subscription(0, f"1555010000{index}")}
        event = reader.read(Message.decode(ccr(replaced=one)), "peer", None, NOW_NS).event
        assert event.identities == (Identity(IdentityKind.E164, f"1555010000{index}"),)
    assert all(len(table.known) <= 2 for table in reader._subscribers.values())


def test_what_is_remembered_is_bounded_by_octets_and_long_keys_are_not_kept() -> None:
    table: Remembered[int] = Remembered(1_000_000)
    assert table.keep(bytes(LONGEST + 1), 1) == 1
    assert table.known == {}
    for number in range(3 * MOST_OCTETS // LONGEST):
        table.keep(number.to_bytes(LONGEST, "big"), number)
    assert len(table.known) * LONGEST <= MOST_OCTETS
