"""The names of parties in signalling to those of accounts and tariffs. Pure."""

from ocs.charging.events import Identity, IdentityKind

URI_SCHEMES = ("tel", "sip", "sips")
_SEPARATORS = str.maketrans("", "", "-.() ")


def digits_of(text: str) -> str:
    """The digits of a telephone number, or of that in a tel: or sip: URI, without "+"; "" when it is none."""
    scheme, colon, rest = text.partition(":")
    number = _user(rest) if colon and scheme.strip().lower() in URI_SCHEMES else text
    plain = number.strip().translate(_SEPARATORS).removeprefix("+")
    return plain if plain.isascii() and plain.isdigit() else ""


def number_or_name(text: str) -> str:
    """A party as tariffs know it: its digits where it is a number, else the text without parameters."""
    return digits_of(text) or text.partition("?")[0].partition(";")[0].strip()


def identities_of(account: str) -> tuple[Identity, ...]:
    """What the name of an account may be besides its key: a number, an address, or just a name."""
    name = account.strip()
    if not name:
        return ()
    found = []
    digits = digits_of(name)
    if digits:
        found.append(Identity(IdentityKind.E164, digits))
    if "@" in name:
        is_uri = name.lower().startswith(("sip:", "sips:"))
        address = name.partition(":")[2] if is_uri else name
        user, _, host = address.partition(";")[0].rpartition("@")
        found.append(Identity(IdentityKind.SIP_URI, f"sip:{user}@{host.partition(':')[0].lower()}"))
        if not is_uri:
            found.append(Identity(IdentityKind.NAI, name))
    return (*found, Identity(IdentityKind.PRIVATE, name))


def _user(address: str) -> str:
    return address.partition("@")[0].partition(";")[0]
