"""`OcsV1.Charge`: charging for applications that speak no other protocol.

One event of a session, or a one-time event, becomes a `ChargingEvent`; the answer has the grants. The same
`event` again is a repeat and gets the same answer without being charged.
"""

from typing import ClassVar

import msgspec

from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Grant,
    Identity,
    IdentityKind,
    RequestedUnits,
    RequestType,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.rpc.context import Context
from ocs.rpc.errors import InvalidParams, NotFound
from ocs.rpc.later import Later
from ocs.rpc.methods.ocs_v1.names import account_of, identity_of
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.methods.ocs_v1.quantities import UNIT_OF_SERVICE, asked_quantity, charged_unit
from ocs.rpc.methods.ocs_v1.views import Quantity, quantity
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Amount, Moment, Money, Params, duration_ns

CLIENT = "jsonrpc"
SERVICES = ("data", "voice", "sms", "mms", "generic")
NOTHING = "none"
ACTIONS = {
    "debit": Action.DIRECT_DEBITING,
    "refund": Action.REFUND_ACCOUNT,
    "check": Action.CHECK_BALANCE,
    "price": Action.PRICE_ENQUIRY,
    "authorize": Action.AUTHORIZE,
}
MOST_REPORTS = 64
SHORTEST_NS = 1_000_000_000  # of a step of metering, or of what an authorization holds
MOST_EXTRA = 32


class Report(Params, frozen=True, kw_only=True):
    """What one rating group used and wants. `requested` says `none` where nothing is wanted.

    `used` counts from the last report, `used_in_all` from the beginning of the session.
    """

    rating_group: int | None = None
    service_identifiers: tuple[int, ...] = ()
    requested: Amount | None = None
    used: Amount | None = None
    used_in_all: Amount | None = None
    unit: str | None = None
    called: Text | None = None
    aliases: ClassVar = {"usage": "used", "totalusage": "used_in_all"}


class ChargeParams(Report, frozen=True, kw_only=True):
    """One event. Members of a report stand here too where there is one only."""

    kind: str
    session: Text
    event: int | Text | None = None
    service: str = "generic"
    client: Text = CLIENT
    subscriber: Text | None = None
    account: Text | None = None
    reports: tuple[Report, ...] = ()
    action: str | None = None
    refund_token: Text | None = None
    calling: Text = ""
    apn: Text = ""
    plmn: Text = ""
    rat: Text = ""
    category: Text = ""
    occurred: Moment | None = None
    request_type: str = ""
    subject: Text = ""
    chargeable: bool = True
    meter: Text | None = None
    reserve: Text | None = None
    max_price: Money | None = None
    max_price_per: Amount | None = None
    extra: dict[str, Text] = msgspec.field(default_factory=dict)
    aliases: ClassVar = Report.aliases | {
        "sessionid": "session",
        "originid": "session",
        "eventid": "event",
        "tor": "service",
        "destination": "called",
        "msisdn": "subscriber",
        "imsi": "subscriber",
        "time": "occurred",
    }


class GrantView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one rating group may use now. `final`: when it is used up, there is no more."""

    rating_group: int | None
    service_identifiers: tuple[int, ...]
    result: str
    granted: Quantity | None
    cost_nanos: int
    validity_ns: int | None = None
    threshold: Quantity | None = None
    final: str | None = None
    redirect_address: str | None = None


class Charged(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to an event; `result` is SUCCESS or why not, `failed` the member at fault."""

    result: str
    session: str
    grants: tuple[GrantView, ...]
    cost_nanos: int | None
    remaining_nanos: int | None
    low_balance: bool = False
    has_credit: bool | None = None
    refund_token: str | None = None
    failed: str | None = None
    message: str | None = None


def charge(context: Context, params: ChargeParams) -> Later[Charged]:
    """Charge one event: open, update or end a session, or a one-time event."""
    later: Later[Charged] = Later()
    if params.subscriber is None and params.account is not None:
        context.spawn(_charge_account(context, params, params.account, later))
    else:
        _submit(context, _event(params, _identities(params)), later)
    return later


async def _charge_account(context: Context, params: ChargeParams, name: str, later: Later[Charged]) -> None:
    """Charge the account of that name by an identity of its subscriber."""
    try:
        account = await account_of(context.service, name)
        if not account.identities:
            raise NotFound(f"account {account.key[:80]} has no identity that an event could name")
        event = _event(params, account.identities[:1])
    except Exception as error:
        later.fail(error)
        return
    _submit(context, event, later)


def _submit(context: Context, event: ChargingEvent, later: Later[Charged]) -> None:
    began_ns = context.monotonic_ns()

    def deliver(answer: ChargingAnswer) -> None:
        took_ns = context.monotonic_ns() - began_ns
        context.metrics.request_answered(event.kind, answer.result, took_ns, "jsonrpc")
        context.activity.answered(event, answer, took_ns)
        later.set(_charged(event, answer))

    context.service.submit(event, deliver)


def register(registry: Registry) -> None:
    """Put the method of this module into a registry."""
    registry.method("OcsV1.Charge", Role.CHARGE)(charge)


def _event(params: ChargeParams, identities: tuple[Identity, ...]) -> ChargingEvent:
    kind = _kind(params.kind)
    service = params.service.casefold()
    if service not in SERVICES:
        raise InvalidParams(f'service: "{params.service[:40]}" is not {", ".join(SERVICES)}')
    if not params.session:
        raise InvalidParams("session: is empty")
    if len(params.extra) > MOST_EXTRA:
        raise InvalidParams(f"extra: has more than {MOST_EXTRA} members")
    return ChargingEvent(
        kind=kind,
        client=params.client,
        session_id=params.session,
        event_id=_event_id(kind, params.event),
        service=service,
        identities=identities,
        reports=_reports(kind, service, params),
        context=_context(params),
        action=_action(kind, params.action),
        refund_token=None if params.refund_token is None else params.refund_token.encode(),
        occurred_at_ns=None if params.occurred is None else params.occurred.at_ns,
        request_type=_request_type(params.request_type),
        subject=params.subject,
        is_chargeable=params.chargeable,
        reserve_ns=_span("reserve", params.reserve),
        meter_ns=_span("meter", params.meter),
        highest_price=_highest_price(service, params),
    )


def _highest_price(service: str, params: ChargeParams) -> tuple[int, int] | None:
    """What a unit may cost at most: nanos, for so many units."""
    price, per = params.max_price, params.max_price_per
    if price is None and per is None:
        return None
    if price is None or per is None:
        raise InvalidParams("max_price: and max_price_per stand together")
    _, units = asked_quantity("max_price_per", per, UNIT_OF_SERVICE.get(service), service)
    if price.nanos < 0 or units < 1:
        raise InvalidParams("max_price: is not below zero, and for at least one unit")
    return price.nanos, units


def _request_type(name: str) -> RequestType | None:
    """The type of that name, with or without the incumbent's star; none is that of the session, or prepaid."""
    if not name:
        return None
    try:
        return RequestType[name.removeprefix("*").upper()]
    except KeyError:
        known = ", ".join(kind.name.lower() for kind in RequestType)
        raise InvalidParams(f'request_type: "{name[:40]}" is not {known}') from None


def _span(member: str, text: str | None) -> int | None:
    """A length of time of at least a second."""
    if text is None:
        return None
    try:
        span_ns = duration_ns(text)
    except ValueError as error:
        raise InvalidParams(f"{member}: {error}") from None
    if span_ns < SHORTEST_NS:
        raise InvalidParams(f"{member}: is at least a second")
    return span_ns


def _kind(name: str) -> EventKind:
    try:
        return EventKind[name.upper()]
    except KeyError:
        known = ", ".join(kind.name for kind in EventKind)
        raise InvalidParams(f'kind: "{name[:40]}" is not {known}') from None


def _event_id(kind: EventKind, event: int | str | None) -> int | str:
    """The id of an event; a session begins and ends once, the others need one to be told from repeats."""
    if event is not None:
        return event
    match kind:
        case EventKind.INITIAL:
            return 0
        case EventKind.TERMINATION:
            return "termination"
        case EventKind.UPDATE | EventKind.EVENT:
            raise InvalidParams("event: is missing; it tells this event of the session from a repeat")


def _action(kind: EventKind, name: str | None) -> Action | None:
    if kind is not EventKind.EVENT:
        if name is not None:
            raise InvalidParams("action: is for kind EVENT only")
        return None
    action = ACTIONS.get("debit" if name is None else name.casefold())
    if action is None:
        raise InvalidParams(f'action: "{(name or "")[:40]}" is not {", ".join(ACTIONS)}')
    return action


def _identities(params: ChargeParams) -> tuple[Identity, ...]:
    """Who is charged; an update or the end of a session need not say."""
    text = params.subscriber
    if text is not None:
        if ":" in text:
            return (identity_of(text),)
        return (identity_of(text), Identity(IdentityKind.IMSI, text))
    if params.kind.upper() in ("INITIAL", "EVENT"):
        raise InvalidParams("subscriber: is missing; or name the account")
    return ()


def _reports(kind: EventKind, service: str, params: ChargeParams) -> tuple[UsageReport, ...]:
    single = (params.rating_group, params.requested, params.used, params.used_in_all, params.unit)
    if params.reports:
        if any(member is not None for member in single) or params.service_identifiers:
            raise InvalidParams("reports: are given, and members of a report beside them")
        if len(params.reports) > MOST_REPORTS:
            raise InvalidParams(f"reports: are more than {MOST_REPORTS}")
        return tuple(
            _report(kind, service, report, f"reports[{index}].")
            for index, report in enumerate(params.reports)
        )
    return (_report(kind, service, params, ""),)


def _report(kind: EventKind, service: str, report: Report, path: str) -> UsageReport:
    unit = None if report.unit is None else charged_unit(f"{path}unit", report.unit)
    used: tuple[UsedUnits, ...] = ()
    if report.used is not None and report.used_in_all is not None:
        raise InvalidParams(f"{path}used: is given, and used_in_all beside it")
    member, said = (
        ("used", report.used) if report.used_in_all is None else ("used_in_all", report.used_in_all)
    )
    if said is not None:
        used_unit, amount = asked_quantity(f"{path}{member}", said, unit, service)
        used = (UsedUnits(used_unit, amount, is_total=report.used_in_all is not None),)
    # At the top, `called` is the session's; a report of several may have one of its own.
    called = report.called if path else None
    requested = _requested(kind, service, report, unit, path)
    return UsageReport(report.rating_group, report.service_identifiers, requested, used, called=called)


def _requested(
    kind: EventKind, service: str, report: Report, unit: Unit | None, path: str
) -> RequestedUnits | None:
    """What is wanted; a session that says nothing gets what the server thinks fit."""
    if kind is EventKind.TERMINATION:
        return None
    if report.requested is None:
        return None if kind is EventKind.EVENT else RequestedUnits(unit)
    value = report.requested.value
    if isinstance(value, str) and value.casefold() == NOTHING:
        return None
    return RequestedUnits(*asked_quantity(f"{path}requested", report.requested, unit, service))


def _context(params: ChargeParams) -> ChargingContext | None:
    called = _number(params.called or "")
    extra = tuple(params.extra.items())
    said = (called, params.calling, params.apn, params.plmn, params.rat, params.category)
    return ChargingContext(*said, extra) if any(said) or extra else None


def _number(text: str) -> str:
    return text.removeprefix("+") if text.startswith("+") else text.removeprefix("00")


def _charged(event: ChargingEvent, answer: ChargingAnswer) -> Charged:
    return Charged(
        answer.result.name,
        event.session_id,
        tuple([_grant(grant) for grant in answer.grants]),
        answer.cost_nanos,
        answer.remaining_nanos,
        answer.is_low_balance,
        answer.has_credit,
        None if answer.refund_token is None else answer.refund_token.decode("utf-8", "backslashreplace"),
        answer.failed or None,
        answer.message or (None if answer.result is Result.SUCCESS else _said(answer.result)),
    )


def _said(result: Result) -> str:
    return result.name.replace("_", " ").lower()


def _grant(grant: Grant) -> GrantView:
    unit, final = grant.unit, grant.final_unit
    return GrantView(
        grant.rating_group,
        grant.service_identifiers,
        grant.result.name,
        None if unit is None else quantity(unit, grant.amount),
        grant.cost_nanos,
        grant.validity_ns,
        None if grant.threshold is None or unit is None else quantity(unit, grant.threshold),
        None if final is None else final.action.name,
        None if final is None else final.redirect_address or None,
    )
