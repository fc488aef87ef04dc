"""Where a subscriber is: 3GPP-User-Location-Info (TS 29.061 16.4.7.2) taken apart. Pure."""

from collections.abc import Mapping
from string import hexdigits

PLMN_OCTETS = 3
# By part: the names of what follows the PLMN, and in how many bits; the first bits of a cell's number are spare.
_PARTS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "CGI": (("LAC", 16), ("CI", 16)),
    "SAI": (("LAC", 16), ("SAC", 16)),
    "RAI": (("LAC", 16), ("RAC", 8)),
    "TAI": (("TAC", 16),),
    "ECGI": (("ECI", 32),),
    "NCGI": (("NCI", 40),),
    "TAI5GS": (("TAC", 24),),
}
_USED_BITS = {"ECI": 28, "NCI": 36}
_KINDS: Mapping[int, tuple[str, ...]] = {
    0: ("CGI",),
    1: ("SAI",),
    2: ("RAI",),
    128: ("TAI",),
    129: ("ECGI",),
    130: ("TAI", "ECGI"),
    135: ("NCGI",),
    136: ("TAI5GS",),
    137: ("TAI5GS", "NCGI"),
}
FIELDS = frozenset(_PARTS) | frozenset(
    f"{part}.{name}" for part, numbers in _PARTS.items() for name in ("MCC", "MNC", *dict(numbers))
)


def octets_of(value: object) -> bytes:
    """Octets as agents show them: in hexadecimal, with or without `0x`, or as they are."""
    if isinstance(value, bytes):
        return value
    text = str(value)
    digits = text.removeprefix("0x")
    if digits and len(digits) % 2 == 0 and all(digit in hexdigits for digit in digits):
        return bytes.fromhex(digits)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"not octets: {text[:40]!r}") from None


def location_of(octets: bytes) -> dict[str, dict[str, object]]:
    """The parts of a location, each with MCC, MNC and its numbers. Raises ValueError."""
    parts = _KINDS.get(octets[0]) if octets else None
    if parts is None:
        raise ValueError(f"not a location: {octets[:20].hex()!r}")
    found: dict[str, dict[str, object]] = {}
    at = 1
    for part in parts:
        end = at + PLMN_OCTETS + sum(bits for _, bits in _PARTS[part]) // 8
        if end > len(octets):
            raise ValueError(f"a location that is cut off: {octets.hex()!r}")
        found[part] = _part(part, octets[at:end])
        at = end
    return found


def _part(part: str, octets: bytes) -> dict[str, object]:
    found: dict[str, object] = dict(zip(("MCC", "MNC"), _network(octets[:PLMN_OCTETS]), strict=True))
    at = PLMN_OCTETS
    for name, bits in _PARTS[part]:
        number = int.from_bytes(octets[at : at + bits // 8], "big")
        found[name] = number & ((1 << _USED_BITS.get(name, bits)) - 1)
        at += bits // 8
    return found


def _network(octets: bytes) -> tuple[str, str]:
    """Country and network of a PLMN (TS 24.008 10.5.1.3): digits with the lower half of an octet first."""
    digits = [half for octet in octets for half in (octet & 0xF, octet >> 4)]
    country, network = digits[:3], [digits[4], digits[5], digits[3]]
    if network[2] == 0xF:
        network.pop()
    if any(digit > 9 for digit in (*country, *network)):
        raise ValueError(f"not a network: {octets.hex()!r}")
    return "".join(map(str, country)), "".join(map(str, network))
