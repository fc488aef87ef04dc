"""Answers as a client reads them."""

from diameter.message import Message as OtherMessage

from ocs.agents.diameter.mapping.answer import AnswerWriter
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.charging.events import (
    ChargingAnswer,
    Grant,
    Result,
    Unit,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    RawAvp,
    decode_u32,
)
from ocs.diameter.message import Message
from tests.support.gy import (
    SECOND,
    ccr,
    profile,
    read,
    requested,
    service,
    total,
)

WRITER = AnswerWriter("ocs.example.net", "example.net", 978, 2)
HOUR = 3_600 * SECOND


def answered(
    frame: bytes, answer: ChargingAnswer, name: str = "default", other: ClientProfile | None = None
) -> Message:
    request = read(frame, connection_profile=other or profile(name))
    encoded = WRITER.credit_control_answer(Message.decode(frame), request, answer)
    assert OtherMessage.from_bytes(encoded).header.length == len(encoded)
    return Message.decode(encoded)


def success(*grants: Grant) -> ChargingAnswer:
    return ChargingAnswer(Result.SUCCESS, grants)


def data(amount: int = 1_000_000, rating_group: int | None = 10, **fields: object) -> Grant:
    return Grant(rating_group, (), Result.SUCCESS, Unit.OCTETS, amount, **fields)  # type: ignore[arg-type]


def code_of(message: Message) -> int:
    return decode_u32(message.frame, message.require(avps.RESULT_CODE))


def services(message: Message) -> list[dict[int, list[RawAvp]]]:
    found = []
    for avp in message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
        members: dict[int, list[RawAvp]] = {}
        for member in message.members(avp):
            members.setdefault(member[0], []).append(member)
        found.append(members)
    return found


def inner(message: Message, avp: RawAvp) -> dict[int, RawAvp]:
    return {member[0]: member for member in message.members(avp)}


def granted_units(message: Message, members: dict[int, list[RawAvp]]) -> dict[int, RawAvp]:
    return inner(message, members[avps.GRANTED_SERVICE_UNIT][0])


ASKING = ccr(service(10, requested(total(1_000_000))))
