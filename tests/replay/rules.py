"""What an answer must be for its client to take it: the grammar, and what Open5GS and Kamailio read.

Every rule returns what is wrong in words. The numbers are those of recordings that show what happens otherwise.
"""

from tests.replay.wire import ERROR, PROXIABLE, REQUEST, RETRANSMITTED, Avps, Packet

HEAD = ("Session-Id", "Result-Code", "Origin-Host", "Origin-Realm", "Auth-Application-Id", "CC-Request-Type")
SERVICE = "Multiple-Services-Credit-Control"
THRESHOLDS = {"Volume-Quota-Threshold": "CC-Total-Octets", "Time-Quota-Threshold": "CC-Time"}


def faults(request: Packet, answer: Packet) -> list[str]:
    """What is wrong with any answer to any request."""
    found = [
        f"{len(answer.avps.all(name))} times {name}"
        for name in ("Result-Code", "Origin-Host", "Origin-Realm")
        if len(answer.avps.all(name)) != 1
    ]
    if found:
        return found
    expected = request.flags & PROXIABLE | (ERROR if 3000 <= answer.result < 4000 else 0)
    if answer.flags & (REQUEST | PROXIABLE | ERROR | RETRANSMITTED) != expected:
        found.append(f"flags are {answer.flags:#x}")
    for name in ("command", "application", "hop_by_hop", "end_to_end"):
        if getattr(answer, name) != getattr(request, name):
            found.append(f"{name} differs")
    unknown = [avp.name for avp in answer.avps.deep() if avp.is_mandatory and not avp.is_known]
    if unknown:
        found.append(f"unknown AVPs with M: {unknown}")
    if request.command == 272:
        found += _credit_control(request, answer)
    return found


def _credit_control(request: Packet, answer: Packet) -> list[str]:
    """What every CCA has, refusals too (050-056, 060): in this order, and the request's own numbers."""
    found = []
    names = tuple(avp.name for avp in answer.avps)
    if answer.flags & ERROR:
        return [] if names[:1] == HEAD[:1] else ["Session-Id is not the first AVP"]
    if names[:7] != (*HEAD, "CC-Request-Number"):
        found.append(f"begins with {names[:7]}")
    for name in ("Session-Id", "CC-Request-Type", "CC-Request-Number"):
        said = [avp.octets for avp in answer.avps.all(name)]
        if said != [request.avps.one(name).octets]:
            found.append(f"{name} is not that of the request")
    if answer.avps.number("Auth-Application-Id") != 4:
        found.append("Auth-Application-Id is not 4")
    return found


def open5gs_faults(request: Packet, answer: Packet) -> list[str]:
    """What an SMF of Open5GS would stumble over."""
    found = faults(request, answer)
    if found or request.command != 272:
        return found
    services = [service.members for service in answer.avps.all(SERVICE)]
    if 4011 in (answer.result, *(service.number("Result-Code") for service in services)):
        found.append("4011 is a refusal there (013, 034)")
    if answer.kind == "T":
        if any(service.all("Granted-Service-Unit") for service in services):
            found.append("grants at the end")
    elif answer.result == 2001:
        found += _served(services)
    return found


def _served(services: list[Avps]) -> list[str]:
    """A success of CCA-I or CCA-U: one service with octets and validity (023-027, 207, 209), or a refused one."""
    if len(services) != 1:
        return [f"{len(services)} services: the last one wins (062, 063), none is unmetered (026)"]
    (service,) = services
    if service.number("Result-Code") in (4010, 4012):
        return ["refused, but with units"] if service.all("Granted-Service-Unit") else []
    if service.number("Result-Code") != 2001:
        return [f"the service has {service.number('Result-Code')}"]
    units = service.all("Granted-Service-Unit")
    if len(units) != 1:
        return ["success without a grant is unmetered (012, 024)"]
    found = []
    granted = units[0].members
    if not granted.number("CC-Total-Octets"):
        found.append("no octets: unmetered (023), or one report per packet (025, 206)")
    if not service.number("Validity-Time"):
        found.append("no Validity-Time: an idle session never reports (209)")
    if service.all("Rating-Group"):
        found.append("a Rating-Group nobody asked for")
    found += thresholds(service)
    final = service.all("Final-Unit-Indication")
    if final and [avp.name for avp in final[0].members][:1] != ["Final-Unit-Action"]:
        found.append("Final-Unit-Indication without an action (019)")
    if final and any(service.all(name) for name in THRESHOLDS):
        found.append("a threshold on the last units ends the session early (124)")
    return found


def thresholds(service: Avps) -> list[str]:
    """A threshold is below what is granted, or it is ignored (021)."""
    granted = service.one("Granted-Service-Unit").members
    return [
        f"{name} is not below the grant"
        for name, unit in THRESHOLDS.items()
        if service.all(name) and (service.number(name) or 0) >= (granted.number(unit) or 0)
    ]


def kamailio_faults(request: Packet, answer: Packet) -> list[str]:
    """What ims_charging would stumble over: it reads CC-Time of the last service only."""
    found = faults(request, answer)
    if found or request.command != 272:
        return found
    asked = request.avps.one(SERVICE).members
    for service in (each.members for each in answer.avps.all(SERVICE)):
        for name in ("Service-Identifier", "Rating-Group"):
            if service.number(name) != asked.number(name):
                found.append(f"{name} is not the one asked for")
    if answer.kind in "IU" and answer.result == 2001:
        (service,) = (each.members for each in answer.avps.all(SERVICE))
        units = service.all("Granted-Service-Unit")
        if service.number("Result-Code") == 2001 and not (units and units[0].members.number("CC-Time")):
            found.append("no CC-Time: it counts as a failure")
        if units:
            found += thresholds(service)
    return found
