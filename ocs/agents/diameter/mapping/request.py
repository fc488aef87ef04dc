"""Credit-Control-Request (RFC 8506 3.1, TS 32.299 6.4.2) to charging event. Pure.

The hot path of the server: one pass over the top level, groups that come again and again (subscriber, service
information, the units asked for) are decoded once and remembered by their bytes, in bounded tables.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final, NoReturn

from ocs.agents.diameter.mapping.context import ROOT_FACTS, Facts, collect
from ocs.agents.diameter.mapping.credit_control import Client, CreditControlRequest, ServiceKey, note_state
from ocs.agents.diameter.mapping.identities import (
    completed,
    ordered,
    subscription_id,
    subscription_id_extension,
    text_of,
    with_further,
)
from ocs.agents.diameter.mapping.options import GyOptions
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.agents.diameter.mapping.recipients import per_recipient
from ocs.agents.diameter.mapping.remembered import Remembered
from ocs.agents.diameter.mapping.rules import (
    KNOWN_AT_ROOT,
    KNOWN_IN_SERVICE,
    refuse_repeated,
    refuse_unknown,
    require_route,
    text_key,
)
from ocs.agents.diameter.mapping.units import (
    VODAFONE_REPORTING_REASON,
    Asked,
    asked,
    measured,
    on_side,
    reporting_reason,
    tariff_change,
)
from ocs.charging.events import (
    Action,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Identity,
    ReportingReason,
    RequestedUnits,
    TariffChange,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    RawAvp,
    decode_i32,
    decode_time,
    decode_u32,
    fault,
    invalid_value,
    missing,
    octets_encoder,
    scan_into,
)
from ocs.diameter.capabilities import LONGEST_IDENTITY
from ocs.diameter.codes import AVP_MANDATORY, CREDIT_CONTROL_APPLICATION, RETRANSMITTED, ResultCode
from ocs.diameter.message import Message, proxy_infos

_u32: Final = Struct(">I").unpack_from
_session_id: Final = octets_encoder(avps.SESSION_ID)
_EVENT: Final = EventKind.EVENT  # before Python 3.12 looking a member up in its class is slow
_REFUND: Final = Action.REFUND_ACCOUNT
_KINDS: Final = {kind.to_bytes(4, "big"): kind for kind in EventKind}
_ACTIONS: Final = {action.value: action for action in Action if action <= Action.PRICE_ENQUIRY}
_REASON_KEYS: Final = (avps.REPORTING_REASON, VODAFONE_REPORTING_REASON)
_SERVICE: Final = avps.MULTIPLE_SERVICES_CREDIT_CONTROL
_RATING_GROUP: Final = avps.RATING_GROUP
_IDENTIFIER: Final = avps.SERVICE_IDENTIFIER
_REQUESTED: Final = avps.REQUESTED_SERVICE_UNIT
_USED: Final = avps.USED_SERVICE_UNIT
_SUBSCRIPTION: Final = avps.SUBSCRIPTION_ID
_EXTENSION: Final = avps.SUBSCRIPTION_ID_EXTENSION
_SERVICES_REMEMBERED: Final = 1_024
MOST_IDENTIFIERS: Final = 64  # Service-Identifiers of one Multiple-Services-Credit-Control

_GY: Final = CREDIT_CONTROL_APPLICATION.to_bytes(4, "big")
_TARIFF_ADVICE: Final = (1, 3)  # AoC-Request-Type: AoC_FULL, AoC_TARIFF_ONLY


# Of a Service-Information: context, further identities, recipients.
_Context = tuple[ChargingContext | None, tuple[Identity, ...], tuple[str, ...]]


class _Services:
    """What the MSCCs of one request add up to."""

    __slots__ = ("contradictions", "ignored", "impossible", "refund_token", "reports", "splits")

    def __init__(self) -> None:
        self.reports: list[UsageReport] = []
        self.splits: dict[ServiceKey, tuple[int, int]] | None = None
        self.refund_token: bytes | None = None
        self.ignored = 0
        self.contradictions = 0  # totals that are not the sum of their parts
        self.impossible = b""  # the first usage that no session can have


class GyReader:
    """Maps requests by the rules of `options`; holds nothing but decoded groups and the names of clients."""

    def __init__(self, options: GyOptions, states: Mapping[str, int] | None = None) -> None:
        """`states` are the Origin-State-Ids known from before, by names in lower case."""
        self._states: Mapping[str, int] = {} if states is None else states
        self._clients: Remembered[Client] = Remembered(options.remembered)
        self.use(options)

    def use(self, options: GyOptions) -> None:
        """Map by these rules: clients stay known, what was decoded by others is decoded anew."""
        self.options = options
        self._services: Remembered[str] = Remembered(_SERVICES_REMEMBERED)
        self._subscribers: dict[str, Remembered[tuple[Identity, ...]]] = {}
        self._contexts: Remembered[_Context] = Remembered(options.remembered)
        self._asked: dict[str, Remembered[Asked]] = {}
        for client in self._clients.known.values():
            client.own_profile = options.profiles.configured(client.name)

    def read(
        self, message: Message, origin: str, connection_profile: ClientProfile | None, now_ns: int
    ) -> CreditControlRequest:
        """The event a CCR is, or DecodeError with what to answer.

        `origin` names the peer the message came from; a client without a profile of its own has that peer's.
        """
        frame = message.frame
        single, services, subscriptions, repeated, unknown = _sort(message)
        session_octets = _session_octets(message, single)
        kind = _kind(frame, single)
        number = decode_u32(
            frame, single.get(avps.CC_REQUEST_NUMBER) or _missing(frame, avps.CC_REQUEST_NUMBER)
        )
        client = self._client(frame, single)
        profile = client.own_profile or connection_profile or self.options.profiles.default
        require_route(message, single, self.options)
        if profile.strict or self.options.strict:
            refuse_unknown(message)
        service = self._service(frame, single)
        mapped = self._map_services(message, services, service, unknown)
        root_level = self._root_report(message, single, repeated, service, mapped)
        context, further, recipients = self._context(message, single)
        identities = self._identities(message, subscriptions, profile)
        if further or not identities:
            identities = with_further(frame, single, identities, further, profile)
        reports = tuple(mapped.reports)
        reports = per_recipient(reports, recipients) if len(recipients) > 1 else reports
        action = _action(frame, single, mapped) if kind is _EVENT else None
        money = _money(reports) if kind is _EVENT and root_level and not services else None
        advice = _advice(frame, single) if profile.advice_of_charge else 0
        event = ChargingEvent(
            kind,
            client.name,
            _text(session_octets),
            number,
            service,
            identities,
            reports,
            context,
            action,
            money,
            mapped.refund_token,
            self._occurred_at(frame, single, now_ns),
            message.flags & RETRANSMITTED != 0,
            _number(frame, single, avps.TERMINATION_CAUSE),
            origin,
            profile.name,
            profile.tariff_time_change,
            profile.denies_per_service,
            profile.replaces_same_bearer,
            knows_dual_quota=profile.dual_quota,
            wants_tariff=advice in _TARIFF_ADVICE,
            is_never_too_late=profile.late_answers,
        )
        request = CreditControlRequest(event, client, profile, _session_id(session_octets), number)
        request.command_level = root_level and not services and profile.command_level_units
        request.splits, request.advice = mapped.splits, advice
        self._complete(request, message, single, mapped)
        return request

    def _complete(
        self, request: CreditControlRequest, message: Message, single: dict[int, RawAvp], mapped: _Services
    ) -> None:
        """What only some requests have: proxies on their way, a client that counts its restarts."""
        request.contradictions, request.impossible = mapped.contradictions, mapped.impossible
        request.ignored = mapped.ignored
        application = single.get(avps.AUTH_APPLICATION_ID)
        if application is not None and message.frame[application[2] : application[3]] != _GY:
            request.is_misnamed = decode_u32(message.frame, application) != CREDIT_CONTROL_APPLICATION
        if avps.OC_SUPPORTED_FEATURES in single:
            request.knows_overload = True
        if avps.PROXY_INFO in single:
            request.proxy_infos = proxy_infos(message)
        state_id = single.get(avps.ORIGIN_STATE_ID)
        if state_id is not None:
            request.restarted = note_state(request.client, decode_u32(message.frame, state_id))

    # --- who

    def _client(self, frame: bytes, single: dict[int, RawAvp]) -> Client:
        host = single.get(avps.ORIGIN_HOST) or _missing(frame, avps.ORIGIN_HOST)
        realm = single.get(avps.ORIGIN_REALM) or _missing(frame, avps.ORIGIN_REALM)
        octets = frame[host[2] : host[3]]
        client = self._clients.known.get(octets)
        if client is None or not 0 < realm[3] - realm[2] <= LONGEST_IDENTITY:
            for name in (host, realm):
                if not 0 < name[3] - name[2] <= LONGEST_IDENTITY:
                    raise invalid_value(frame, name)
            client = self.client(text_of(frame, host), text_of(frame, realm), octets)
        return client

    def client(self, name: str, realm: str, octets: bytes | None = None) -> Client:
        """The client of that Origin-Host, new ones included."""
        octets = name.encode("utf-8", "replace") if octets is None else octets
        client = self._clients.known.get(octets)
        if client is None:  # a name in another case is that of the same client
            plain = octets.lower()
            client = self._clients.known.get(plain)
            if client is None:
                own, state_id = self.options.profiles.configured(name), self._states.get(name.lower())
                client = self._clients.keep(plain, Client(name, realm, own, state_id))
            if plain != octets:
                self._clients.keep(octets, client)
        return client

    def _identities(
        self, message: Message, groups: list[RawAvp], profile: ClientProfile
    ) -> tuple[Identity, ...]:
        """The subscriber's names in the profile's order; all groups together are one key of the table."""
        if not groups:
            return ()
        if len(groups) > self.options.subscription_ids:
            raise invalid_value(message.frame, groups[self.options.subscription_ids])
        table = self._subscribers.get(profile.name)
        if table is None:
            table = self._subscribers[profile.name] = Remembered(self.options.remembered)
        octets = b"".join([message.frame[avp[2] - 8 : avp[3]] for avp in groups])
        known = table.known.get(octets)
        if known is not None:
            return known
        found: list[Identity] = []
        for avp in groups:
            read = subscription_id if avp[0] == avps.SUBSCRIPTION_ID else subscription_id_extension
            found += read(message, avp)
        if profile.country_code:
            found = completed(found, profile.country_code, profile.trunk_prefix)
        return table.keep(octets, ordered(found, profile.priority))

    # --- what

    def _service(self, frame: bytes, single: dict[int, RawAvp]) -> str:
        avp = single.get(avps.SERVICE_CONTEXT_ID) or _missing(frame, avps.SERVICE_CONTEXT_ID)
        octets = frame[avp[2] : avp[3]]
        service = self._services.known.get(octets)
        if service is not None:
            return service
        name = text_key(octets)
        found = next((value for ending, value in self.options.contexts if name.endswith(ending)), None)
        found = found or self.options.unknown_context
        if found is None:
            raise fault(ResultCode.RATING_FAILED, frame, avp, "service context is not served")
        return self._services.keep(octets, found)

    def _context(self, message: Message, single: dict[int, RawAvp]) -> _Context:
        information = single.get(avps.SERVICE_INFORMATION)
        at_root = not ROOT_FACTS.isdisjoint(single)
        if information is None and not at_root:
            return None, (), ()
        octets = b"" if information is None else message.frame[information[2] : information[3]]
        if not at_root:
            known = self._contexts.known.get(octets)
            if known is not None:
                return known
        facts = Facts()
        if information is not None:
            collect(message, message.members(information), facts)
        if at_root:
            collect(message, [avp for key, avp in single.items() if key in ROOT_FACTS], facts)
        found = facts.context(), tuple(facts.identities), tuple(facts.recipients)
        return found if at_root else self._contexts.keep(octets, found)

    def _map_services(self, message: Message, groups: list[RawAvp], service: str, unknown: int) -> _Services:
        mapped = _Services()
        mapped.ignored = unknown
        if len(groups) > self.options.services_per_request:
            raise invalid_value(message.frame, groups[self.options.services_per_request])
        for avp in groups:
            self._map_service(message, avp, service, mapped)
        return mapped

    def _map_service(self, message: Message, avp: RawAvp, service: str, mapped: _Services) -> None:
        """One Multiple-Services-Credit-Control (RFC 8506 8.16)."""
        frame = message.frame
        rating_group: int | None = None
        identifiers: tuple[int, ...] = ()
        wanted: Asked | None = None
        used: tuple[UsedUnits, ...] = ()
        reason: ReportingReason | None = None
        side: TariffChange | None = None
        members: list[RawAvp] = []
        scan_into(members, frame, avp[2], avp[3], message.limits.avps - message.scanned_avps)
        message.scanned_avps += len(members)
        for member in members:
            key = member[0]
            if key == _RATING_GROUP:
                number = decode_u32(frame, member)
                rating_group = number if rating_group is None else rating_group
            elif key == _IDENTIFIER:
                identifiers += (decode_u32(frame, member),)
                if len(identifiers) > MOST_IDENTIFIERS:
                    raise invalid_value(frame, member)
            elif key == _REQUESTED:
                wanted = wanted or self._wanted(message, member, service)
            elif key == _USED:
                usage = measured(message, member, self.options.currency_code)
                used = used + usage.used if used else usage.used
                reason = usage.reason if reason is None else reason
                mapped.contradictions += usage.is_contradicting
                mapped.impossible = mapped.impossible or usage.impossible
            elif key in _REASON_KEYS:
                reason = reporting_reason(frame, member)
            elif key == avps.TARIFF_CHANGE_USAGE:
                side = tariff_change(frame, member)
            elif key == avps.REFUND_INFORMATION:
                mapped.refund_token = frame[member[2] : member[3]]
            elif member[1] & AVP_MANDATORY and key not in KNOWN_IN_SERVICE:
                mapped.ignored += 1
        if side is not None:
            used = on_side(used, side)
        requested: RequestedUnits | None = None
        if wanted is not None:
            requested = wanted.units
            if wanted.split is not None:
                _split(mapped, rating_group, identifiers, wanted.split)
        mapped.reports.append(UsageReport(rating_group, identifiers, requested, used, reason))

    def _root_report(
        self,
        message: Message,
        single: dict[int, RawAvp],
        repeated: list[RawAvp],
        service: str,
        mapped: _Services,
    ) -> bool:
        """Units at command level (RFC 8506 5.1.1) as one more report; whether there were any."""
        refund = single.get(avps.REFUND_INFORMATION)
        if refund is not None:
            mapped.refund_token = message.frame[refund[2] : refund[3]]
        asking = single.get(avps.REQUESTED_SERVICE_UNIT)
        usage = single.get(avps.USED_SERVICE_UNIT)
        if asking is None and usage is None:
            return False
        identifier = _number(message.frame, single, avps.SERVICE_IDENTIFIER)
        identifiers = () if identifier is None else (identifier,)
        requested: RequestedUnits | None = None
        if asking is not None:
            wanted = self._wanted(message, asking, service)
            requested = wanted.units
            if wanted.split is not None:
                _split(mapped, None, identifiers, wanted.split)
        used: tuple[UsedUnits, ...] = ()
        reason: ReportingReason | None = None
        if usage is not None:
            for avp in (usage, *(again for again in repeated if again[0] == avps.USED_SERVICE_UNIT)):
                part = measured(message, avp, self.options.currency_code)
                used += part.used
                mapped.impossible = mapped.impossible or part.impossible
                reason = part.reason if reason is None else reason
        mapped.reports.append(UsageReport(None, identifiers, requested, used, reason))
        return True

    def _wanted(self, message: Message, avp: RawAvp, service: str) -> Asked:
        table = self._asked.get(service)
        if table is None:
            table = self._asked[service] = Remembered(self.options.remembered)
        octets = message.frame[avp[2] : avp[3]]
        known = table.known.get(octets)
        if known is not None:
            return known
        found = asked(message, avp, service, self.options.currency_code)
        return table.keep(octets, found)

    def _occurred_at(self, frame: bytes, single: dict[int, RawAvp], now_ns: int) -> int | None:
        """Event-Timestamp where it is believable; clients have been seen to send times never set."""
        avp = single.get(avps.EVENT_TIMESTAMP)
        if avp is None:
            return None
        at_ns = decode_time(frame, avp)
        options = self.options
        return (
            at_ns if now_ns - options.oldest_event_ns <= at_ns <= now_ns + options.newest_event_ns else None
        )


def _sort(
    message: Message,
) -> tuple[dict[int, RawAvp], list[RawAvp], list[RawAvp], list[RawAvp], int]:
    """The top level in one pass: first instances by key, services, Subscription-Ids, and what is repeated.

    Also how many of the first instances have the M bit and are not in the grammar.
    """
    unknown = 0
    single: dict[int, RawAvp] = {}
    services: list[RawAvp] = []
    subscriptions: list[RawAvp] = []
    repeated: list[RawAvp] = []
    for avp in message.avps:
        key = avp[0]
        if key == _SERVICE:
            services.append(avp)
        elif key in (_SUBSCRIPTION, _EXTENSION):
            subscriptions.append(avp)
        elif key in single:
            repeated.append(avp)
        else:
            single[key] = avp
            if avp[1] & AVP_MANDATORY and key not in KNOWN_AT_ROOT:
                unknown += 1
    if repeated:
        refuse_repeated(message.frame, single, repeated)
    return single, services, subscriptions, repeated, unknown


def _missing(frame: bytes, key: int) -> NoReturn:
    raise missing(frame, key)


def _session_octets(message: Message, single: dict[int, RawAvp]) -> bytes:
    """Session-Id as it stands there; 5004 when empty or longer than any session's."""
    avp = single.get(avps.SESSION_ID) or _missing(message.frame, avps.SESSION_ID)
    octets = message.frame[avp[2] : avp[3]]
    if not octets or len(octets) > message.limits.session_id_octets:
        raise invalid_value(message.frame, avp)
    return octets


def _kind(frame: bytes, single: dict[int, RawAvp]) -> EventKind:
    avp = single.get(avps.CC_REQUEST_TYPE) or _missing(frame, avps.CC_REQUEST_TYPE)
    kind = _KINDS.get(frame[avp[2] : avp[3]])
    if kind is None:
        decode_i32(frame, avp)
        raise invalid_value(frame, avp)
    return kind


def _action(frame: bytes, single: dict[int, RawAvp], mapped: _Services) -> Action:
    """Requested-Action, which only a one-time event has; a refund says of what (RFC 8506 6.4)."""
    avp = single.get(avps.REQUESTED_ACTION) or _missing(frame, avps.REQUESTED_ACTION)
    action = _ACTIONS.get(decode_i32(frame, avp))
    if action is None:
        raise invalid_value(frame, avp)
    is_named = mapped.refund_token is not None or any(each.requested for each in mapped.reports)
    if action is _REFUND and not is_named:
        raise missing(frame, avps.REQUESTED_SERVICE_UNIT)
    return action


def _money(reports: tuple[UsageReport, ...]) -> int | None:
    """CC-Money asked for at command level."""
    requested = reports[0].requested if reports else None
    return requested.amount if requested is not None and requested.unit is Unit.MONEY else None


def _advice(frame: bytes, single: dict[int, RawAvp]) -> int:
    """AoC-Request-Type (TS 32.299 7.2.14); 0 where none is asked for, or what is asked for is not known."""
    avp = single.get(avps.AOC_REQUEST_TYPE)
    advice = 0 if avp is None else decode_i32(frame, avp)
    return advice if 0 <= advice <= _TARIFF_ADVICE[-1] else 0


def _number(frame: bytes, single: dict[int, RawAvp], key: int) -> int | None:
    avp = single.get(key)
    return None if avp is None else decode_u32(frame, avp)


def _text(octets: bytes) -> str:
    """A Session-Id as text that any store takes; octets that are no UTF-8 are written out."""
    return octets.decode("utf-8", "backslashreplace")


def _split(
    mapped: _Services, rating_group: int | None, identifiers: tuple[int, ...], split: tuple[int, int]
) -> None:
    if mapped.splits is None:
        mapped.splits = {}
    mapped.splits[rating_group, identifiers] = split
