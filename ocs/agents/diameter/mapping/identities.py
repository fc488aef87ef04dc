"""Who is charged: Subscription-Id and its kin (RFC 8506 8.46, 8.58) as normalised identities. Pure."""

from collections.abc import Iterable

from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.charging.events import Identity, IdentityKind
from ocs.diameter import avps
from ocs.diameter.avp import RawAvp, decode_i32, invalid_value, missing
from ocs.diameter.message import Message

LONGEST_IDENTITY = 256
INTERNATIONAL_PREFIX = "00"
_SEPARATORS = str.maketrans("", "", "-.() ")
_EXTENSION_KINDS = {
    avps.SUBSCRIPTION_ID_E164: IdentityKind.E164,
    avps.SUBSCRIPTION_ID_IMSI: IdentityKind.IMSI,
    avps.SUBSCRIPTION_ID_SIP_URI: IdentityKind.SIP_URI,
    avps.SUBSCRIPTION_ID_NAI: IdentityKind.NAI,
    avps.SUBSCRIPTION_ID_PRIVATE: IdentityKind.PRIVATE,
}
_KINDS = {kind.value: kind for kind in IdentityKind}


def text_of(frame: bytes, avp: RawAvp) -> str:
    """Text that may be stored anywhere: what is no UTF-8 is replaced."""
    return frame[avp[2] : avp[3]].decode("utf-8", "replace")


def digits_of(text: str) -> str:
    """The digits of a telephone number or of a tel: or sip: URI, without "+"; "" when it is none."""
    scheme, colon, rest = text.strip().partition(":")
    number = rest if colon and scheme.lower() in ("tel", "sip", "sips") else text.strip()
    user = number.partition("@")[0].partition(";")[0].partition(":")[0]
    plain = user.translate(_SEPARATORS).removeprefix("+")
    return plain if plain.isascii() and plain.isdigit() else ""


def number_or_name(text: str) -> str:
    """A party as the rating sees it: digits where there are some, else the URI without parameters."""
    return digits_of(text) or _without_parameters(text.strip())[:LONGEST_IDENTITY]


def normalised(kind: IdentityKind, text: str) -> tuple[Identity, ...]:
    """The identities one text stands for: a SIP URI whose user is a number is that number too."""
    text = text.strip()
    match kind:
        case IdentityKind.E164:
            return (Identity(kind, digits_of(text) or text.removeprefix("+")),)
        case IdentityKind.SIP_URI:
            number = digits_of(text)
            numbers = (Identity(IdentityKind.E164, number),) if number else ()
            if text[:4].lower() == "tel:" and number:
                return numbers
            return (*numbers, Identity(kind, _sip_uri(text)))
        case IdentityKind.IMSI | IdentityKind.NAI | IdentityKind.PRIVATE:
            return (Identity(kind, text),)


def _without_parameters(uri: str) -> str:
    return uri.partition("?")[0].partition(";")[0]


def _sip_uri(text: str) -> str:
    """sip:user@host: no parameters, no port, host in lower case."""
    scheme, colon, rest = text.partition(":")
    address = rest if colon and scheme.lower() in ("sip", "sips") else text
    user, at, host = address.rpartition("@")
    host = _without_parameters(host).partition(":")[0].lower()
    return f"sip:{user.partition(';')[0]}{at}{host}"


def subscription_id(message: Message, avp: RawAvp) -> tuple[Identity, ...]:
    """The identities of one Subscription-Id group; 5005 when type or data is missing."""
    frame = message.frame
    kind: IdentityKind | None = None
    data: RawAvp | None = None
    for member in message.members(avp):
        if member[0] == avps.SUBSCRIPTION_ID_TYPE and kind is None:
            kind = _KINDS.get(decode_i32(frame, member))
            if kind is None:
                raise invalid_value(frame, member)
        elif member[0] == avps.SUBSCRIPTION_ID_DATA and data is None:
            data = member
    if kind is None:
        raise missing(frame, avps.SUBSCRIPTION_ID_TYPE, avp)
    if data is None:
        raise missing(frame, avps.SUBSCRIPTION_ID_DATA, avp)
    return _identities(frame, data, kind)


def subscription_id_extension(message: Message, avp: RawAvp) -> tuple[Identity, ...]:
    """The identities of one Subscription-Id-Extension group (RFC 8506 8.58)."""
    found: list[Identity] = []
    for member in message.members(avp):
        kind = _EXTENSION_KINDS.get(member[0])
        if kind is not None:
            found += _identities(message.frame, member, kind)
    return tuple(found)


def user_name(frame: bytes, avp: RawAvp) -> tuple[Identity, ...]:
    """User-Name, the last resort: a network access identifier where it has a realm."""
    text = text_of(frame, avp).strip()[:LONGEST_IDENTITY]
    if not text:
        return ()
    return (Identity(IdentityKind.NAI if "@" in text else IdentityKind.PRIVATE, text),)


def _identities(frame: bytes, data: RawAvp, kind: IdentityKind) -> tuple[Identity, ...]:
    text = text_of(frame, data)
    if not text.strip() or len(text) > LONGEST_IDENTITY:
        raise invalid_value(frame, data)
    return normalised(kind, text)


def completed(found: Iterable[Identity], country_code: str, trunk_prefix: str) -> list[Identity]:
    """Telephone numbers in their international form: 0049... and, of that country, 0... become 49..."""
    return [
        Identity(each.kind, _international(each.value, country_code, trunk_prefix))
        if each.kind is IdentityKind.E164
        else each
        for each in found
    ]


def _international(number: str, country_code: str, trunk_prefix: str) -> str:
    if number.startswith(INTERNATIONAL_PREFIX):
        return number.removeprefix(INTERNATIONAL_PREFIX)
    if number.startswith(trunk_prefix):
        return country_code + number.removeprefix(trunk_prefix)
    return number


def ordered(found: Iterable[Identity], priority: tuple[IdentityKind, ...]) -> tuple[Identity, ...]:
    """Each identity once, in the order of the profile; kinds it does not name are left out."""
    distinct = dict.fromkeys(found)
    if len(distinct) < 2:
        return tuple(identity for identity in distinct if identity.kind in priority)
    return tuple(identity for kind in priority for identity in distinct if identity.kind is kind)


def with_further(
    frame: bytes,
    single: dict[int, RawAvp],
    identities: tuple[Identity, ...],
    further: tuple[Identity, ...],
    profile: ClientProfile,
) -> tuple[Identity, ...]:
    """Identities of Service-Information join those of the root; User-Name is the last resort."""
    if further:
        if profile.country_code:
            further = tuple(completed(further, profile.country_code, profile.trunk_prefix))
        identities = ordered((*identities, *further), profile.priority)
    if not identities and avps.USER_NAME in single:
        return user_name(frame, single[avps.USER_NAME])
    return identities
