"""Final-Unit-Indication and QoS-Final-Unit-Indication (RFC 8506 8.34, 8.68). Pure."""

from ipaddress import ip_address

from ocs.charging.events import FinalUnit, FinalUnitAction
from ocs.diameter import avps
from ocs.diameter.avp import encode_address, encode_u32, encode_utf8, group

_IPV4, _IPV6, _URL, _SIP_URI = range(4)  # Redirect-Address-Type


def final_unit(final: FinalUnit) -> bytes:
    """What to do at the end of the grant, in both forms; TERMINATE has nothing beside the action.

    A client that knows the QoS form ignores the other one; it goes without M, being newer than most clients.
    """
    action = encode_u32(avps.FINAL_UNIT_ACTION, final.action)
    if final.action is FinalUnitAction.TERMINATE:
        return group(avps.FINAL_UNIT_INDICATION, (action,))
    plain, extended = [action], [action]
    plain += [encode_utf8(avps.RESTRICTION_FILTER_RULE, rule) for rule in final.filter_rules]
    filters = [encode_utf8(avps.FILTER_ID, name) for name in final.filter_ids]
    plain += filters
    extended += filters
    if final.action is FinalUnitAction.REDIRECT and final.redirect_address:
        plain.append(_redirect_server(final.redirect_address))
        extended.append(_redirect_server_extension(final.redirect_address))
    indication = group(avps.FINAL_UNIT_INDICATION, plain)
    if final.filter_rules:
        return indication  # IPFilterRule has no place in the QoS form (RFC 5777 rules go there)
    return indication + group(avps.QOS_FINAL_UNIT_INDICATION, extended, False)


def _address_type(address: str) -> int:
    if address.lower().startswith(("sip:", "sips:", "tel:")):
        return _SIP_URI
    try:
        return _IPV4 if ip_address(address).version == 4 else _IPV6
    except ValueError:
        return _URL


def _redirect_server(address: str) -> bytes:
    kind = encode_u32(avps.REDIRECT_ADDRESS_TYPE, _address_type(address))
    return group(avps.REDIRECT_SERVER, (kind, encode_utf8(avps.REDIRECT_SERVER_ADDRESS, address)))


def _redirect_server_extension(address: str) -> bytes:
    match _address_type(address):
        case 2:
            member = encode_utf8(avps.REDIRECT_ADDRESS_URL, address, False)
        case 3:
            member = encode_utf8(avps.REDIRECT_ADDRESS_SIP_URI, address, False)
        case _:
            member = encode_address(avps.REDIRECT_ADDRESS_IPADDRESS, address, False)
    return group(avps.REDIRECT_SERVER_EXTENSION, (member,), False)
