"""Charging answer to Credit-Control-Answer (RFC 8506 3.2, TS 32.299 6.4.3). Pure.

What is the same in every answer is encoded once. Amounts leave as their unit on the wire: octets, whole
seconds rounded down, events, exact money.
"""

from collections.abc import Callable
from struct import Struct, pack
from typing import Final

from msgspec.structs import replace

from ocs.agents.diameter.mapping.advice import service_information
from ocs.agents.diameter.mapping.credit_control import CreditControlRequest, ServiceKey
from ocs.agents.diameter.mapping.final_unit import final_unit
from ocs.agents.diameter.mapping.money import money_members
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.agents.diameter.mapping.results import COMMAND_CODES, SERVICE_CODES, failed_avp_of
from ocs.charging.events import NO_TRIGGER, Action, ChargingAnswer, EventKind, Grant, Result, Unit
from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    encode_i32,
    encode_i64,
    encode_octets,
    encode_time,
    encode_u32,
    encode_utf8,
    group,
    octets_encoder,
    u32_encoder,
    u64_encoder,
)
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, ResultCode, is_protocol_error
from ocs.diameter.message import (
    Message,
    answer_message,
    encode_answer,
    failed_avp,
    identity,
    proxy_infos,
    session_id,
)

SECOND_NS: Final = 1_000_000_000
LARGEST_U32: Final = (1 << 32) - 1
LARGEST_U64: Final = (1 << 64) - 1

_result_code: Final = u32_encoder(avps.RESULT_CODE)
_request_type: Final = u32_encoder(avps.CC_REQUEST_TYPE)
_request_number: Final = u32_encoder(avps.CC_REQUEST_NUMBER)
_rating_group: Final = u32_encoder(avps.RATING_GROUP)
_service_identifier: Final = u32_encoder(avps.SERVICE_IDENTIFIER)
_validity_time: Final = u32_encoder(avps.VALIDITY_TIME)
_total_octets: Final = u64_encoder(avps.CC_TOTAL_OCTETS)
_input_octets: Final = u64_encoder(avps.CC_INPUT_OCTETS)
_output_octets: Final = u64_encoder(avps.CC_OUTPUT_OCTETS)
_specific_units: Final = u64_encoder(avps.CC_SERVICE_SPECIFIC_UNITS)
_cc_time: Final = u32_encoder(avps.CC_TIME)
_time_threshold: Final = u32_encoder(avps.TIME_QUOTA_THRESHOLD)
_volume_threshold: Final = u32_encoder(avps.VOLUME_QUOTA_THRESHOLD)
_unit_threshold: Final = u32_encoder(avps.UNIT_QUOTA_THRESHOLD)
_holding_time: Final = u32_encoder(avps.QUOTA_HOLDING_TIME)
_consumption_time: Final = u32_encoder(avps.QUOTA_CONSUMPTION_TIME)
_trigger_type: Final = u32_encoder(avps.TRIGGER_TYPE)
_service: Final = octets_encoder(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
_granted: Final = octets_encoder(avps.GRANTED_SERVICE_UNIT)

_BEFORE_CHANGE: Final = encode_u32(avps.TARIFF_CHANGE_USAGE, 0)
_AFTER_CHANGE: Final = encode_u32(avps.TARIFF_CHANGE_USAGE, 1)
_CODE_AVPS: Final = {int(code): _result_code(code) for code in ResultCode}
_TYPE_AVPS: Final = {kind: _request_type(kind) for kind in EventKind}
# Granted-Service-Unit holding CC-Total-Octets alone: the commonest grant, in one step.
_volume_grant: Final = Struct(">IIIIQ").pack
_GRANT_HEAD: Final = (avps.GRANTED_SERVICE_UNIT, 0x40 << 24 | 24, avps.CC_TOTAL_OCTETS, 0x40 << 24 | 16)
# The commonest service, in one step too: such a grant, Validity-Time, Rating-Group, Result-Code 2001.
_VOLUME_SERVICE: Final = Struct(">24sQ8sI8sI12s")
_volume_service: Final = _VOLUME_SERVICE.pack
_VOLUME_HEAD: Final = pack(
    ">6I", avps.MULTIPLE_SERVICES_CREDIT_CONTROL, 0x40 << 24 | _VOLUME_SERVICE.size, *_GRANT_HEAD
)
_VALIDITY_HEAD: Final = _validity_time(0)[:8]
_RATING_GROUP_HEAD: Final = _rating_group(0)[:8]
_SUCCESS_AVP: Final = _result_code(ResultCode.SUCCESS)
_POOL_UNITS: Final = {Unit.TIME: 0, Unit.MONEY: 1, Unit.OCTETS: 2, Unit.EVENTS: 5}  # CC-Unit-Type
_THRESHOLDS: Final = {
    Unit.TIME: _time_threshold,
    Unit.OCTETS: _volume_threshold,
    Unit.EVENTS: _unit_threshold,
}
# Members named for every answer; before Python 3.12 looking one up in its class is slow.
_SUCCESS: Final = Result.SUCCESS
_OCTETS: Final = Unit.OCTETS
_INITIAL: Final = EventKind.INITIAL
_UPDATE: Final = EventKind.UPDATE
_EVENT: Final = EventKind.EVENT
_FREE: Final = Result.FREE_OF_CHARGE


class AnswerWriter:
    """Encodes answers of one node; `currency_code` and its decimals are those of all amounts."""

    def __init__(self, origin_host: str, origin_realm: str, currency_code: int, decimals: int) -> None:
        self.identity = identity(origin_host, origin_realm)
        self._head = self.identity + encode_u32(avps.AUTH_APPLICATION_ID, CREDIT_CONTROL_APPLICATION)
        self._currency_code = currency_code
        self._decimals = decimals

    def credit_control_answer(
        self, message: Message, request: CreditControlRequest, answer: ChargingAnswer, overload: bytes = b""
    ) -> bytes:
        """The CCA; a protocol error (3xxx) is an answer-message instead.

        `overload` is what clients that know RFC 7683 are told.
        """
        event, profile = request.event, request.profile
        kind, grants = event.kind, answer.grants
        code = COMMAND_CODES[answer.result]
        if request.impossible and answer.result is _SUCCESS:  # everything else has been charged
            code = ResultCode.INVALID_AVP_VALUE
        if code == ResultCode.CREDIT_CONTROL_NOT_APPLICABLE and profile.free_as_grant and grants:
            code = ResultCode.SUCCESS
        if answer.has_ended and kind is _UPDATE and any(each.requested for each in event.reports):
            code, grants = ResultCode.UNKNOWN_SESSION_ID, ()  # some clients take 2001 without units for free
        if profile.refuses_bare_final_unit and any(map(_is_bare_final_unit, grants)):
            grants = tuple(_refused(grant) if _is_bare_final_unit(grant) else grant for grant in grants)
            if kind is _INITIAL and all(grant.result is Result.NO_CREDIT for grant in grants):
                code = ResultCode.CREDIT_LIMIT_REACHED
        if code != ResultCode.SUCCESS and is_protocol_error(code):
            return answer_message(message, code, self.identity)
        parts = [
            request.session_id,
            _CODE_AVPS[code],
            self._head,
            _TYPE_AVPS[kind],
            _request_number(request.number),
        ]
        if kind is _INITIAL:
            parts.append(self._failure_handling(profile))
        if request.command_level:
            if grants:
                parts += self._units_of(merged(grants)[0], request)
            elif answer.validity_ns is not None:
                parts.append(_seconds(_validity_time, answer.validity_ns))
        else:
            if len(grants) > 1:
                grants = merged(grants)
            further = b""
            if answer.refund_token is not None and kind is _EVENT:
                further = _refund_information(answer.refund_token)
            for grant in grants:
                if grant.amount_after is None:
                    parts.append(self._service_of(grant, request, further))
                else:
                    parts += self._two_quotas_of(grant, request)
                further = b""
        if kind is not _UPDATE or event.service != "data" or profile.cost_in_updates:
            self._add_amounts(parts, request, answer)
        if kind is _EVENT:
            self._add_event(parts, request, answer)
        if code != ResultCode.SUCCESS:
            if answer.message:
                parts.append(encode_utf8(avps.ERROR_MESSAGE, answer.message, False))
            parts.append(failed_avp(request.impossible or failed_avp_of(message, code, answer.failed)))
        if request.advice and answer.result is _SUCCESS:
            parts.append(service_information(request.advice, answer, self._currency_code, self._decimals))
        parts += (overload, request.proxy_infos)
        return encode_answer(message, parts)

    def refusal(self, message: Message, error: DecodeError) -> bytes:
        """The answer to a CCR that cannot be mapped: shaped as CCA where type and number can be read.

        Otherwise, and for protocol errors, it is an answer-message with E (RFC 6733 7.1.3, 7.2).
        """
        code = error.result_code
        request_type = message.octets(avps.CC_REQUEST_TYPE)
        number = message.octets(avps.CC_REQUEST_NUMBER)
        readable = request_type in _READABLE_TYPES and number is not None and len(number) == 4
        session = session_id(message)
        if is_protocol_error(code) or not readable or not session:
            return answer_message(message, code, self.identity, error.message, error.failed_avp, error=True)
        parts = [
            session,
            _result_code(code),
            self._head,
            encode_octets(avps.CC_REQUEST_TYPE, request_type or b""),
            encode_octets(avps.CC_REQUEST_NUMBER, number or b""),
            encode_utf8(avps.ERROR_MESSAGE, error.message, False),
            failed_avp(error.failed_avp),
            proxy_infos(message),
        ]
        return encode_answer(message, parts)

    def too_busy(self, message: Message) -> bytes:
        """3004: the client may try another node."""
        return answer_message(message, ResultCode.TOO_BUSY, self.identity)

    def unable(self, message: Message) -> bytes:
        """5012: this node failed."""
        return self.refusal(message, DecodeError(ResultCode.UNABLE_TO_COMPLY, "internal error"))

    # --- parts of an answer

    def _failure_handling(self, profile: ClientProfile) -> bytes:
        """What the client does when this server is silent, said at the start of the session."""
        key = profile.session_failover, profile.failure_handling, profile.debiting_failure_handling
        known = _FAILURE_HANDLING.get(key)
        if known is None:
            names = (
                avps.CC_SESSION_FAILOVER,
                avps.CREDIT_CONTROL_FAILURE_HANDLING,
                avps.DIRECT_DEBITING_FAILURE_HANDLING,
            )
            said = zip(names, key, strict=True)
            known = b"".join([encode_u32(name, value) for name, value in said if value is not None])
            _FAILURE_HANDLING[key] = known
        return known

    def _add_amounts(self, parts: list[bytes], request: CreditControlRequest, answer: ChargingAnswer) -> None:
        """Cost-Information where something has been charged, and the balance for clients that announce it."""
        kind, service = request.event.kind, request.event.service
        cost_nanos = answer.cost_nanos if request.profile.cost_information or _is_enquiry(request) else None
        if cost_nanos is not None and kind is not _INITIAL and answer.result is _SUCCESS:
            parts.append(group(avps.COST_INFORMATION, self._money(cost_nanos)))
        if not request.profile.shows_balance or service == "data":
            return
        if answer.remaining_nanos is not None:
            parts.append(group(avps.REMAINING_BALANCE, self._money(answer.remaining_nanos), False))
        if answer.is_low_balance:
            parts.append(encode_u32(avps.LOW_BALANCE_INDICATION, 1, False))

    def _add_event(self, parts: list[bytes], request: CreditControlRequest, answer: ChargingAnswer) -> None:
        """What only one-time events have (RFC 8506 6)."""
        if request.event.action is Action.CHECK_BALANCE and answer.has_credit is not None:
            parts.append(encode_u32(avps.CHECK_BALANCE_RESULT, 0 if answer.has_credit else 1))
        if answer.refund_token is not None and not (answer.grants and not request.command_level):
            parts.append(_refund_information(answer.refund_token))

    def _money(self, nanos: int) -> tuple[bytes, bytes]:
        return money_members(nanos, self._currency_code, self._decimals)

    def _service_of(self, grant: Grant, request: CreditControlRequest, further: bytes) -> bytes:
        """One Multiple-Services-Credit-Control, naming the service exactly as it was asked."""
        rating_group = grant.rating_group
        if rating_group is not None and not further and _is_plain_volume(grant, request):
            amount, validity_s = min(grant.amount, LARGEST_U64), _whole_seconds(grant.validity_ns or 0)
            return _volume_service(
                _VOLUME_HEAD,
                amount,
                _VALIDITY_HEAD,
                validity_s,
                _RATING_GROUP_HEAD,
                rating_group,
                _SUCCESS_AVP,
            )
        parts = self._units_of(grant, request)
        for identifier in grant.service_identifiers:
            parts.append(_service_identifier(identifier))
        if rating_group is not None:
            parts.append(_rating_group(rating_group))
        elif not (parts or further or grant.service_identifiers or request.profile.empty_group_echo) and (
            grant.result is _SUCCESS
        ):
            return b""
        if request.profile.result_in_services or grant.result is not _SUCCESS:
            parts.append(_CODE_AVPS[self._service_code(grant, request)])
        parts.append(further)
        return _service(b"".join(parts))

    def _two_quotas_of(self, grant: Grant, request: CreditControlRequest) -> list[bytes]:
        """Two groups for one service: units for before the tariff change, and for after it (RFC 8506 8.27)."""
        later = replace(grant, amount=grant.amount_after or 0, final_unit=None, threshold=None)
        before = self._service_of(grant, request, _BEFORE_CHANGE)
        return [before, self._service_of(later, request, _AFTER_CHANGE)]

    def _service_code(self, grant: Grant, request: CreditControlRequest) -> int:
        if grant.result is _FREE and request.profile.free_as_grant and grant.unit is not None:
            return ResultCode.SUCCESS
        return SERVICE_CODES[grant.result]

    def _units_of(self, grant: Grant, request: CreditControlRequest) -> list[bytes]:
        """Grant, validity, final unit, thresholds, triggers: the same AVPs in a service and at the root."""
        profile = request.profile
        is_success = self._service_code(grant, request) == ResultCode.SUCCESS
        parts: list[bytes] = []
        validity_ns = grant.validity_ns
        if grant.unit is not None and is_success:
            parts.append(self._granted_of(grant, request))
            if grant.final_unit is None:  # the last units keep what the quota rule says
                validity_ns = _least(validity_ns, profile.validity_ns)
        if validity_ns is not None:
            parts.append(_seconds(_validity_time, validity_ns))
        if grant.final_unit is not None and profile.final_unit:
            parts.append(final_unit(grant.final_unit))
        if grant.threshold and profile.thresholds and grant.unit is not None and is_success:
            parts.append(_threshold(grant))
        if grant.holding_time_ns is not None:
            parts.append(_seconds(_holding_time, grant.holding_time_ns))
        if grant.consumption_time_ns is not None and grant.unit is not None:
            parts.append(_seconds(_consumption_time, grant.consumption_time_ns))
        if grant.triggers:
            armed = [_trigger_type(trigger) for trigger in grant.triggers if trigger != NO_TRIGGER]
            parts.append(group(avps.TRIGGER, armed))
        if grant.pool is not None:
            parts.append(_pool(grant))
        return parts

    def _granted_of(self, grant: Grant, request: CreditControlRequest) -> bytes:
        """Granted-Service-Unit."""
        members: list[bytes] = []
        if grant.tariff_change_at_ns is not None and request.profile.tariff_time_change:
            members.append(encode_time(avps.TARIFF_TIME_CHANGE, grant.tariff_change_at_ns))
        amount = min(grant.amount, LARGEST_U64)
        match grant.unit:
            case Unit.OCTETS:
                split = None if request.splits is None else request.splits.get(_key(grant))
                if split is not None or request.profile.splits_octets:
                    members += _split(amount, split or (1, 1))
                elif not members:
                    return _volume_grant(*_GRANT_HEAD, amount)
                else:
                    members.append(_total_octets(amount))
            case Unit.TIME:
                members.append(_seconds(_cc_time, amount))
            case Unit.EVENTS:
                members.append(_specific_units(amount))
            case Unit.MONEY:
                members.append(group(avps.CC_MONEY, self._money(grant.amount)))
            case Unit.GENERIC | None:
                pass
        return _granted(b"".join(members))


# --- leaves

_READABLE_TYPES: Final = frozenset(kind.to_bytes(4, "big") for kind in EventKind)
_FAILURE_HANDLING: dict[tuple[int, int, int | None], bytes] = {}


def merged(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """Grants of one service and unit as one: the recipients of a message were asked for in one group."""
    if _are_ascending(grants):
        return grants
    together: dict[tuple[ServiceKey, Unit | None], Grant] = {}
    for grant in grants:
        key = _key(grant), grant.unit
        first = together.get(key)
        if first is None:
            together[key] = grant
        else:
            result = first.result if first.result is not _SUCCESS else grant.result
            together[key] = replace(first, amount=first.amount + grant.amount, result=result)
    return grants if len(together) == len(grants) else tuple(together.values())


def _are_ascending(grants: tuple[Grant, ...]) -> bool:
    """Whether each grant has a higher rating group than the one before: then no two are for one service."""
    before = -1
    for grant in grants:
        rating_group = grant.rating_group
        if rating_group is None or rating_group <= before:
            return False
        before = rating_group
    return True


def _is_enquiry(request: CreditControlRequest) -> bool:
    event = request.event
    return event.kind is _EVENT and event.action is Action.PRICE_ENQUIRY


def _is_plain_volume(grant: Grant, request: CreditControlRequest) -> bool:
    """Whether a grant says no more than an amount of octets, how long it holds, and that all is well."""
    profile = request.profile
    return (
        grant.unit is _OCTETS
        and grant.result is _SUCCESS
        and grant.validity_ns is not None
        and profile.validity_ns is None
        and profile.result_in_services
        and not (grant.threshold or grant.triggers or grant.service_identifiers)
        and grant.final_unit is None
        and grant.holding_time_ns is None
        and grant.consumption_time_ns is None
        and grant.tariff_change_at_ns is None
        and grant.pool is None
        and request.splits is None
        and not profile.splits_octets
    )


def _is_bare_final_unit(grant: Grant) -> bool:
    """Whether a grant says what follows the last units, and has none."""
    return grant.final_unit is not None and grant.unit is None


def _refused(grant: Grant) -> Grant:
    return replace(grant, result=Result.NO_CREDIT, final_unit=None)


def _key(grant: Grant) -> ServiceKey:
    return grant.rating_group, grant.service_identifiers


def _seconds(encode: Callable[[int], bytes], duration_ns: int) -> bytes:
    return encode(_whole_seconds(duration_ns))


def _whole_seconds(duration_ns: int) -> int:
    """Whole seconds rounded down, so that the client never takes more than was granted."""
    return min(duration_ns // SECOND_NS, LARGEST_U32)


def _least(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _split(amount: int, asked: tuple[int, int]) -> tuple[bytes, bytes]:
    """Input and output octets in the proportion asked for, halves when nothing was."""
    received, sent = asked if sum(asked) else (1, 1)
    share = amount * received // (received + sent)
    return _input_octets(share), _output_octets(amount - share)


def _threshold(grant: Grant) -> bytes:
    """The threshold for the granted unit; one that is not below the grant would make no sense."""
    threshold = grant.threshold
    encode = None if grant.unit is None else _THRESHOLDS.get(grant.unit)
    if encode is None or threshold is None or threshold >= grant.amount:
        return b""
    if grant.unit is Unit.TIME:
        threshold //= SECOND_NS
    return encode(min(threshold, LARGEST_U32)) if threshold else b""


def _pool(grant: Grant) -> bytes:
    """G-S-U-Pool-Reference (RFC 8506 8.30); the multiplier is in millionths."""
    identifier, multiplier = grant.pool or (0, 0)
    value = encode_i64(avps.VALUE_DIGITS, multiplier), encode_i32(avps.EXPONENT, -6)
    members = (
        encode_u32(avps.G_S_U_POOL_IDENTIFIER, identifier),
        encode_u32(avps.CC_UNIT_TYPE, _POOL_UNITS[grant.unit or Unit.OCTETS]),
        group(avps.UNIT_VALUE, value),
    )
    return group(avps.G_S_U_POOL_REFERENCE, members)


def _refund_information(token: bytes) -> bytes:
    return encode_octets(avps.REFUND_INFORMATION, token, False)
