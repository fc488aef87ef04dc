"""An independent reading of answers: written after RFC 6733 3 and 4.1 alone, it shares no code with the server.

Every answer a test receives goes through `checked`, so what holds for all answers is shown by every test.
"""

from struct import unpack, unpack_from

from ocs.diameter import avps

GROUPED_RESULT = avps.MULTIPLE_SERVICES_CREDIT_CONTROL
REQUEST, PROXIABLE, ERROR, RETRANSMITTED = 0x80, 0x40, 0x20, 0x10
CCA_HEAD = (
    avps.SESSION_ID, avps.RESULT_CODE, avps.ORIGIN_HOST, avps.ORIGIN_REALM, avps.AUTH_APPLICATION_ID,
    avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER,
)  # fmt: skip


class Group:
    """AVPs in order, as (vendor and code, flags, payload)."""

    def __init__(self, data: bytes) -> None:
        self.avps: list[tuple[int, int, bytes]] = []
        position = 0
        while position < len(data):
            code, word = unpack_from(">II", data, position)
            flags, length, head = word >> 24, word & 0xFFFFFF, 8
            if flags & 0x80:
                (vendor,) = unpack_from(">I", data, position + 8)
                assert vendor, "the V bit comes with a vendor"
                code, head = vendor << 32 | code, 12
            assert head <= length <= len(data) - position, f"AVP {code & 0xFFFFFFFF} has a length of {length}"
            end = position + (length + 3) // 4 * 4
            assert end <= len(data), "the last AVP has its padding"
            assert not any(data[position + length : end]), "padding is zero"
            assert not flags & 0x1F, "reserved AVP bits are zero"
            self.avps.append((code, flags, data[position + head : position + length]))
            position = end

    @property
    def keys(self) -> list[int]:
        """What is there, in order."""
        return [key for key, _, _ in self.avps]

    def all(self, key: int) -> list[bytes]:
        """Payloads of every AVP of that key."""
        return [payload for each, _, payload in self.avps if each == key]

    def has(self, key: int) -> bool:
        """Whether there is one."""
        return key in self.keys

    def one(self, key: int) -> bytes:
        """The payload of the only one."""
        (payload,) = self.all(key)
        return payload

    def number(self, key: int) -> int:
        """Unsigned32 or Unsigned64, by size."""
        return int.from_bytes(self.one(key), "big")

    def text(self, key: int) -> str:
        """UTF8String."""
        return self.one(key).decode()

    def group(self, key: int) -> "Group":
        """The members of the only one."""
        return Group(self.one(key))

    def groups(self, key: int) -> list["Group"]:
        """The members of each."""
        return [Group(payload) for payload in self.all(key)]

    def money(self, key: int) -> tuple[int, int]:
        """Value-Digits and Exponent of the Unit-Value inside."""
        value = self.group(key).group(avps.UNIT_VALUE)
        (digits,), (exponent,) = (
            unpack(">q", value.one(avps.VALUE_DIGITS)),
            unpack(">i", value.one(avps.EXPONENT)),
        )
        return digits, exponent


class Decoded(Group):
    """One whole message."""

    def __init__(self, frame: bytes) -> None:
        word, flags, self.application, self.hop_by_hop, self.end_to_end = unpack_from(">IIIII", frame)
        assert word >> 24 == 1
        assert word & 0xFFFFFF == len(frame)
        assert not len(frame) & 3
        self.flags, self.command = flags >> 24, flags & 0xFFFFFF
        self.frame = frame
        super().__init__(frame[20:])

    @property
    def code(self) -> int:
        """Its Result-Code."""
        return self.number(avps.RESULT_CODE)

    @property
    def services(self) -> list[Group]:
        """Every Multiple-Services-Credit-Control."""
        return self.groups(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)

    @property
    def failed(self) -> Group:
        """What Failed-AVP holds."""
        return self.group(avps.FAILED_AVP)

    @property
    def said(self) -> str:
        """Code and services in one line: `2001 10=1000 20=4012`; `ok` is 2001 without units, `!` a final unit."""
        return " ".join([str(self.code), *(service_text(service) for service in self.services)])


def service_text(service: Group) -> str:
    """`rating group/service+service=units!action`."""
    name = str(service.number(avps.RATING_GROUP)) if service.has(avps.RATING_GROUP) else "-"
    identifiers = [str(int.from_bytes(each, "big")) for each in service.all(avps.SERVICE_IDENTIFIER)]
    name += "/" + "+".join(identifiers) if identifiers else ""
    code = service.number(avps.RESULT_CODE) if service.has(avps.RESULT_CODE) else 0
    said = "ok" if code in (0, 2001) else str(code)
    if service.has(avps.GRANTED_SERVICE_UNIT):
        granted = service.group(avps.GRANTED_SERVICE_UNIT)
        units = [
            str(int.from_bytes(payload, "big")) for key, _, payload in granted.avps if key != avps.CC_MONEY
        ]
        said = "+".join(units) if said == "ok" else f"{said}:{'+'.join(units)}"
    if service.has(avps.FINAL_UNIT_INDICATION):
        said += f"!{service.group(avps.FINAL_UNIT_INDICATION).number(avps.FINAL_UNIT_ACTION)}"
    return f"{name}={said}"


def checked(request: bytes, frame: bytes) -> Decoded:
    """The answer to a request after what every answer must have (RFC 6733 6.2, 7; RFC 8506 3.2)."""
    answer = Decoded(frame)
    _, flags, application, hop_by_hop, end_to_end = unpack_from(">IIIII", request)
    assert (answer.command, answer.application) == (flags & 0xFFFFFF, application)
    assert (answer.hop_by_hop, answer.end_to_end) == (hop_by_hop, end_to_end)
    assert not answer.flags & (REQUEST | RETRANSMITTED | 0x0F)
    assert answer.flags & PROXIABLE == flags >> 24 & PROXIABLE
    code = answer.code
    if answer.command in (280, 282):
        assert not answer.flags & ERROR
    elif code // 1000 == 3:
        assert answer.flags & ERROR, "a protocol error has the E bit"
    elif code // 1000 in (2, 4):
        assert not answer.flags & ERROR
    assert answer.text(avps.ORIGIN_HOST), "every answer says who sent it"
    assert answer.text(avps.ORIGIN_REALM)
    if answer.command == 272:
        _check_cca(request, answer)
    return answer


def _check_cca(request: bytes, answer: Decoded) -> None:
    if not answer.flags & ERROR:
        assert answer.keys[: len(CCA_HEAD)] == list(CCA_HEAD), "Open5GS insists on all of these"
        assert answer.number(avps.AUTH_APPLICATION_ID) == 4
    elif answer.has(avps.SESSION_ID):
        assert answer.keys[0] == avps.SESSION_ID
    if answer.has(avps.SESSION_ID):
        assert answer.one(avps.SESSION_ID) in request
    for proxy_info in answer.all(avps.PROXY_INFO):
        assert proxy_info in request
    keys = answer.keys
    assert keys.count(avps.RESULT_CODE) == 1
    for service in answer.services:
        assert service.keys.count(avps.GRANTED_SERVICE_UNIT) <= 1
        assert not service.has(avps.USED_SERVICE_UNIT)
