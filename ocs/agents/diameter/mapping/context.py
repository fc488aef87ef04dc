"""What the price depends on besides units: PS-, IMS-, SMS- and MMS-Information (TS 32.299 7.2). Pure.

Every AVP that says something has one handler in one table, at whatever level it is found: some clients put
the members of PS-Information at the root of the request. Informational AVPs never make a request fail, groups
that cannot be walked do.
"""

import re
from collections.abc import Callable
from typing import Final

from ocs.agents.diameter.mapping.identities import (
    LONGEST_IDENTITY,
    number_or_name,
    subscription_id,
    subscription_id_extension,
    text_of,
)
from ocs.charging.events import ChargingContext, Identity
from ocs.diameter import avps
from ocs.diameter.avp import RawAvp, decode_address, invalid_value
from ocs.diameter.codes import AddressFamily
from ocs.diameter.message import Message

LONGEST_FACT: Final = 128
MOST_FACTS: Final = 24
MOST_RECIPIENTS: Final = 64
DEEPEST: Final = 6

RAT_TYPES: Final = {
    1: "UTRAN", 2: "GERAN", 3: "WLAN", 4: "GAN", 5: "HSPA", 6: "EUTRAN", 7: "VIRTUAL", 8: "NB-IOT",
    9: "LTE-M", 10: "NR", 51: "NR",
}  # fmt: skip
_ROLES: Final = {0: "originating", 1: "terminating", 2: "proxy", 3: "b2bua"}
_WITH_PLMN_FIRST: Final = frozenset((0, 1, 2, 128, 129, 130, 131, 135, 136, 137))
_OPERATOR: Final = re.compile(r"\.mnc(\d{2,3})\.mcc(\d{3})\.(?:gprs|3gppnetwork\.org)$", re.IGNORECASE)
_NETWORK: Final = re.compile(r"mnc(\d{2,3})\.mcc(\d{3})\.", re.IGNORECASE)
_CELL: Final = re.compile(r"cell-id-3gpp=\"?(\d{5})", re.IGNORECASE)


class Facts:
    """What has been found so far; `recipients` holds one number or name per recipient of a message."""

    __slots__ = (
        "apn", "called", "calling", "extra", "identities", "plmn", "plmn_of_location", "rat", "recipients",
        "requested", "role",
    )  # fmt: skip

    def __init__(self) -> None:
        self.apn = self.called = self.calling = self.plmn = self.plmn_of_location = self.rat = (
            self.requested
        ) = ""
        self.role: int | None = None
        self.extra: dict[str, str] = {}
        self.identities: list[Identity] = []
        self.recipients: list[str] = []

    def note(self, name: str, value: str) -> None:
        """Keep a fact for the CDR, within bounds; the first of a name stays."""
        if value and len(self.extra) < MOST_FACTS:
            self.extra.setdefault(name, value[:LONGEST_FACT])

    def context(self) -> ChargingContext:
        """The facts as the core takes them; what was dialled counts for the side that dialled."""
        called = self.called
        if self.requested:
            self.note("requested_party", self.requested)
            called = called if self.role == 1 else self.requested
        if self.recipients:
            called = called or self.recipients[0]
        return ChargingContext(
            called=called,
            calling=self.calling,
            apn=self.apn,
            plmn=self.plmn or self.plmn_of_location,
            rat=self.rat,
            extra=tuple(self.extra.items()),
        )


Handler = Callable[[Message, RawAvp, Facts], None]


def collect(message: Message, members: list[RawAvp], facts: Facts, depth: int = 0) -> None:
    """Add what the AVPs say; groups are walked down to a depth no legal message has."""
    handler_of = _HANDLERS.get
    for avp in members:
        key = avp[0]
        handler = handler_of(key)
        if handler is not None:
            handler(message, avp, facts)
        elif key in _GROUPS and depth < DEEPEST:
            collect(message, message.members(avp), facts, depth + 1)


def network_identifier(apn: str) -> str:
    """An APN in lower case without its operator identifier (TS 23.003 9.1)."""
    return _OPERATOR.sub("", apn.strip().lower())[:LONGEST_IDENTITY]


def plmn_of_bcd(octets: bytes) -> str:
    """MCC and MNC of three octets with swapped digits (TS 24.008 10.5.1.13), or ""."""
    digits = (
        f"{octets[0] & 15:x}{octets[0] >> 4:x}{octets[1] & 15:x}{octets[2] & 15:x}{octets[2] >> 4:x}"
        f"{octets[1] >> 4:x}"
    )
    plain = digits.removesuffix("f")
    return plain if plain.isdigit() else ""


def plmn_of_network(text: str) -> str:
    """MCC and MNC of a name like ims.mnc001.mcc001.3gppnetwork.org, or ""."""
    found = _NETWORK.search(text)
    if found is None:
        return ""
    mnc, mcc = found.groups()
    return mcc + (mnc[1:] if len(mnc) == 3 and mnc[0] == "0" else mnc)


# --- handlers


def _noted_text(name: str) -> Handler:
    def handle(message: Message, avp: RawAvp, facts: Facts) -> None:
        facts.note(name, text_of(message.frame, avp).strip("\0 "))

    return handle


def _noted_octets(name: str) -> Handler:
    def handle(message: Message, avp: RawAvp, facts: Facts) -> None:
        facts.note(name, message.frame[avp[2] : avp[3]].hex())

    return handle


def _noted_number(name: str) -> Handler:
    def handle(message: Message, avp: RawAvp, facts: Facts) -> None:
        if avp[3] - avp[2] == 4:
            facts.note(name, str(int.from_bytes(message.frame[avp[2] : avp[3]], "big", signed=True)))

    return handle


def _noted_address(name: str) -> Handler:
    def handle(message: Message, avp: RawAvp, facts: Facts) -> None:
        if avp[3] - avp[2] in (6, 18):
            facts.note(name, decode_address(message.frame, avp).text)

    return handle


def _apn(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.apn = facts.apn or network_identifier(text_of(message.frame, avp))


def _serving_plmn(message: Message, avp: RawAvp, facts: Facts) -> None:
    text = text_of(message.frame, avp)
    if text.isascii() and text.isdigit() and 5 <= len(text) <= 6:
        facts.plmn = text


def _rat(message: Message, avp: RawAvp, facts: Facts) -> None:
    number = int.from_bytes(message.frame[avp[2] : avp[3]][-4:], "big")
    facts.rat = RAT_TYPES.get(number, str(number))


def _location(message: Message, avp: RawAvp, facts: Facts) -> None:
    octets = message.frame[avp[2] : avp[3]]
    facts.note("user_location", octets.hex())
    if len(octets) >= 4 and octets[0] in _WITH_PLMN_FIRST:
        facts.plmn_of_location = plmn_of_bcd(octets[1:4])


def _access_network(message: Message, avp: RawAvp, facts: Facts) -> None:
    text = text_of(message.frame, avp)
    facts.note("access_network", text)
    found = _CELL.search(text)
    if found is not None and not facts.plmn_of_location:
        facts.plmn_of_location = found.group(1)


def _visited_network(message: Message, avp: RawAvp, facts: Facts) -> None:
    text = text_of(message.frame, avp)
    facts.note("visited_network", text)
    facts.plmn = facts.plmn or plmn_of_network(text)


def _role(message: Message, avp: RawAvp, facts: Facts) -> None:
    role = int.from_bytes(message.frame[avp[2] : avp[3]][-4:], "big")
    facts.role = role
    facts.note("role", _ROLES.get(role, str(role)))


def _calling(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.calling = facts.calling or number_or_name(text_of(message.frame, avp))


def _called(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.called = facts.called or number_or_name(text_of(message.frame, avp))


def _requested(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.requested = facts.requested or number_or_name(text_of(message.frame, avp))


def _subscription(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.identities += subscription_id(message, avp)


def _subscription_extension(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.identities += subscription_id_extension(message, avp)


def _recipient_info(message: Message, avp: RawAvp, facts: Facts) -> None:
    """One recipient of an SMS: the first of its addresses that is a number, else the first."""
    addresses = [
        _address_data(message, member)
        for member in message.members(avp)
        if member[0] == avps.RECIPIENT_ADDRESS
    ]
    named = [address for address in addresses if address]
    if named:
        number = next((address for address in named if address.isdigit()), named[0])
        _add_recipient(message, avp, facts, number)


def _recipient_address(message: Message, avp: RawAvp, facts: Facts) -> None:
    """One recipient of an MMS."""
    address = _address_data(message, avp)
    if address:
        _add_recipient(message, avp, facts, address)


def _add_recipient(message: Message, avp: RawAvp, facts: Facts, address: str) -> None:
    """One more to charge for; 5004 beyond the limit, as none must go uncharged."""
    if len(facts.recipients) >= MOST_RECIPIENTS:
        raise invalid_value(message.frame, avp)
    facts.recipients.append(address)


def _originator(message: Message, avp: RawAvp, facts: Facts) -> None:
    facts.calling = facts.calling or _address_data(message, avp)


def _address_data(message: Message, avp: RawAvp) -> str:
    for member in message.members(avp):
        if member[0] == avps.ADDRESS_DATA:
            return number_or_name(text_of(message.frame, member))
    return ""


def _smsc(message: Message, avp: RawAvp, facts: Facts) -> None:
    if avp[3] - avp[2] < 2 or message.frame[avp[2] : avp[2] + 2] != AddressFamily.E164.to_bytes(2, "big"):
        return
    facts.note("smsc", text_of(message.frame, (avp[0], avp[1], avp[2] + 2, avp[3])))


def _imei(message: Message, avp: RawAvp, facts: Facts) -> None:
    """User-Equipment-Info: ASCII digits or, in eight octets, swapped digits; a MAC stays as it is."""
    for member in message.members(avp):
        if member[0] == avps.USER_EQUIPMENT_INFO_VALUE:
            octets = message.frame[member[2] : member[3]]
            text = octets.decode("ascii", "ignore")
            if len(octets) == 8 and not text.isdigit():
                text = octets.hex()
                text = "".join(text[at + 1] + text[at] for at in range(0, 16, 2)).removesuffix("f")
            facts.note("equipment", text if text.isprintable() else octets.hex())


_GROUPS: Final = frozenset(
    (
        avps.SERVICE_INFORMATION, avps.PS_INFORMATION, avps.IMS_INFORMATION, avps.SMS_INFORMATION,
        avps.MMS_INFORMATION, avps.EVENT_TYPE, avps.INTER_OPERATOR_IDENTIFIER, avps.QOS_INFORMATION,
    )
)  # fmt: skip

_HANDLERS: Final[dict[int, Handler]] = {
    avps.CALLED_STATION_ID: _apn,
    avps.TGPP_SGSN_MCC_MNC: _serving_plmn,
    avps.TGPP_RAT_TYPE: _rat,
    avps.TGPP_USER_LOCATION_INFO: _location,
    avps.TGPP_CHARGING_ID: _noted_octets("charging_id"),
    avps.TGPP_IMSI_MCC_MNC: _noted_text("home_plmn"),
    avps.TGPP_CHARGING_CHARACTERISTICS: _noted_text("charging_characteristics"),
    avps.TGPP_MS_TIMEZONE: _noted_octets("time_zone"),
    avps.QOS_CLASS_IDENTIFIER: _noted_number("qci"),
    avps.CHARGING_RULE_BASE_NAME: _noted_text("rule_base"),
    avps.PDP_ADDRESS: _noted_address("pdp_address"),
    avps.SGSN_ADDRESS: _noted_address("serving_node"),
    avps.GGSN_ADDRESS: _noted_address("gateway"),
    avps.USER_EQUIPMENT_INFO: _imei,
    avps.ROLE_OF_NODE: _role,
    avps.CALLING_PARTY_ADDRESS: _calling,
    avps.CALLED_PARTY_ADDRESS: _called,
    avps.REQUESTED_PARTY_ADDRESS: _requested,
    avps.CALLING_STATION_ID: _noted_text("calling_station"),
    avps.USER_SESSION_ID: _noted_text("user_session"),
    avps.IMS_CHARGING_IDENTIFIER: _noted_text("ims_charging_id"),
    avps.ACCESS_NETWORK_INFORMATION: _access_network,
    avps.IMS_VISITED_NETWORK_IDENTIFIER: _visited_network,
    avps.CAUSE_CODE: _noted_number("cause_code"),
    avps.SUBSCRIPTION_ID: _subscription,
    avps.SUBSCRIPTION_ID_EXTENSION: _subscription_extension,
    avps.RECIPIENT_INFO: _recipient_info,
    avps.RECIPIENT_ADDRESS: _recipient_address,
    avps.ORIGINATOR_ADDRESS: _originator,
    avps.ORIGINATOR_RECEIVED_ADDRESS: _originator,
    avps.SMSC_ADDRESS: _smsc,
    avps.SM_MESSAGE_TYPE: _noted_number("sm_message_type"),
}
# At the root the Subscription-Id groups are read with the request itself.
ROOT_FACTS: Final = frozenset(_HANDLERS) - {avps.SUBSCRIPTION_ID, avps.SUBSCRIPTION_ID_EXTENSION}
