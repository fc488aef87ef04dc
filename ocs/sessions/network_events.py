"""What network elements say (`ocs.charging.events`) as free-form events with the session API's names. Pure."""

from ocs.charging.events import ChargingContext, ChargingEvent
from ocs.sessions.values import Event

TORS = {"voice": "*voice", "data": "*data", "sms": "*sms", "mms": "*mms", "generic": "*generic"}  # by service


def fields_of(event: ChargingEvent) -> Event:
    """What rules may look at of an event; the names are those of the session API, and of its own facts."""
    context = event.context or ChargingContext()
    named: Event = {each.kind.name: each.value for each in reversed(event.identities)}
    found = {
        **dict(context.extra),
        **named,
        "EventType": event.kind.name,
        "ToR": TORS.get(event.service, "*generic"),
        "OriginID": event.session_id,
        "OriginHost": event.client,
        "Account": event.account.partition(":")[2] or (event.identities[0].value if event.identities else ""),
        "Subject": event.subject,
        "Destination": context.called,
        "Calling": context.calling,
        "Category": context.category,
        "APN": context.apn,
        "PLMN": context.plmn,
        "RAT": context.rat,
        "RequestType": "" if event.request_type is None else f"*{event.request_type.name.lower()}",
    }
    return {name: value for name, value in found.items() if value}
