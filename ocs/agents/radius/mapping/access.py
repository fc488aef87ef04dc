"""Access-Requests: who asks, and what an Access-Accept or Access-Reject says. Pure."""

from collections.abc import Sequence
from typing import Final

from ocs.agents.radius.mapping.charging import SECOND_NS, account_name
from ocs.agents.radius.mapping.clients import Client
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.dictionary import Dictionary, Hide, InvalidText
from ocs.agents.radius.wire.packet import Attribute, Packet
from ocs.agents.radius.wire.passwords import Method
from ocs.charging.events import Grant, Unit

REFUSED: Final = "RADAUTH_FAILED"
PASSWORD: Final = "Password"  # of the fields that profiles give
CLASS: Final = b"ocs:"  # before the key of the account: accounting comes back with it
MOST_SECONDS: Final = (1 << 32) - 1
LOW_WORD: Final = (1 << 32) - 1
VOLUME_LIMITS: Final = {"mikrotik": "Mikrotik-Total-Limit", "chillispot": "ChilliSpot-Max-Total-"}

Fields = dict[str, str]


def fields_of(client: Client, packet: Packet, method: Method) -> Fields:
    """A request as profiles see it: its attributes by name, without secrets. Raises Malformed."""
    fields: Fields = {}
    for definition, text in client.dictionary.named(packet):
        if not definition.encryption:
            fields.setdefault(definition.name, text)
    name = account_name(packet.text(codes.USER_NAME), client.settings.strip_realm)
    return {
        **fields,
        "Account": name,
        "Subject": name,
        "Destination": packet.text(codes.CALLED_STATION_ID),
        "LoginMethod": method.value,
        "Source": client.name,
        "ToR": f"*{client.service}",
    }


def replies_of(
    dictionary: Dictionary, altered: Sequence[tuple[str, str]], hide: Hide
) -> tuple[list[Attribute], list[str]]:
    """The fields profiles gave that are attributes, and what of them cannot be sent, in words."""
    attributes: list[Attribute] = []
    problems: list[str] = []
    for name, text in altered:
        if dictionary.find(name.partition(":")[0]) is None:
            continue
        try:
            attributes += dictionary.encode(name, text, hide)
        except InvalidText as error:
            problems.append(f"{name}: {error}")
    return attributes, problems


def accepted(
    client: Client, account: str, grant: Grant | None, given: Sequence[Attribute], most_s: int
) -> list[Attribute]:
    """What an Access-Accept says; what profiles gave comes before what the server would say itself."""
    settings = client.settings
    own: list[Attribute] = []
    if grant is not None and grant.unit is Unit.TIME:
        seconds = min(grant.amount // SECOND_NS, most_s, MOST_SECONDS)
        own.append(_number(codes.SESSION_TIMEOUT, seconds))
        own += _voice_limits(client, seconds)
    if grant is not None and grant.unit is Unit.OCTETS:
        for limit in settings.volume_limits:
            own += _volume_limit(client.dictionary, limit, grant.amount)
    if settings.interim_interval_ns and not client.debit_interval_ns:
        own.append(_number(codes.ACCT_INTERIM_INTERVAL, settings.interim_interval_ns // SECOND_NS))
    if account:
        own.append((codes.CLASS, CLASS + account.encode("utf-8", "surrogateescape")[:249]))
    said = {number for number, _ in given if number != codes.VENDOR_SPECIFIC}
    return [*given, *(attribute for attribute in own if attribute[0] not in said)]


def rejected(reason: str, given: Sequence[Attribute]) -> list[Attribute]:
    """What an Access-Reject says."""
    return [*given, (codes.REPLY_MESSAGE, reason.encode()[:253])]


def account_in_class(packet: Packet) -> str:
    """The account that an Access-Accept named, in what came back of it."""
    for value in packet.all(codes.CLASS):
        if value.startswith(CLASS):
            return value.removeprefix(CLASS).decode("utf-8", "surrogateescape")
    return ""


def proxy_states(packet: Packet) -> list[Attribute]:
    """What proxies want back, in order (RFC 2865 5.33)."""
    return [attribute for attribute in packet.attributes if attribute[0] == codes.PROXY_STATE]


def _number(number: int, value: int) -> Attribute:
    return number, value.to_bytes(4, "big")


def _voice_limits(client: Client, seconds: int) -> list[Attribute]:
    match client.settings.profile:
        case "kamailio":
            return client.dictionary.encode("SIP-AVP", f"session_max_time#{seconds}")
        case "cisco":
            return [
                *client.dictionary.encode("h323-return-code", "h323-return-code=0"),
                *client.dictionary.encode("h323-credit-time", f"h323-credit-time={seconds}"),
            ]
        case "network" | "voice":
            return []


def _volume_limit(dictionary: Dictionary, limit: str, octets: int) -> list[Attribute]:
    name = VOLUME_LIMITS[limit]
    low, high = ("Octets", "Gigawords") if name.endswith("-") else ("", "-Gigawords")
    return [
        *dictionary.encode(name + low, str(octets & LOW_WORD)),
        *dictionary.encode(name + high, str(octets >> 32)),
    ]
