"""Seeded mutations that know where lengths and flags lie: only answers, drops and closes come out."""

import random

import pytest

from ocs.diameter.avp import DecodeError, RawAvp, header_start
from ocs.diameter.describe import describe
from ocs.diameter.dictionary import AvpType, standard
from ocs.diameter.events import Closed, RequestReceived, RequestRefused
from ocs.diameter.message import Message, encode_message
from tests.diameter.support import open_connection, samples, split

MUTATIONS = 10_000
SAMPLES = [bytes.fromhex(entry["hex"]) for entry in samples()]


def headers(message: Message, found: list[RawAvp]) -> list[int]:
    """Where every AVP of the message begins, groups included."""
    positions: list[int] = []
    for avp in found:
        positions.append(header_start(avp))
        definition = standard().lookup(avp[0])
        if definition is not None and definition.type is AvpType.GROUPED:
            positions += headers(message, message.members(avp))
    return positions


POSITIONS = [headers(message, message.avps) for message in map(Message.decode, SAMPLES)]


def mutated(rng: random.Random) -> bytes:
    """One sample with one to three changes, its header length made right most of the time."""
    index = rng.randrange(len(SAMPLES))
    frame = bytearray(SAMPLES[index])
    for _ in range(rng.randint(1, 3)):
        at = rng.choice(POSITIONS[index])
        match rng.randrange(7):
            case 0:  # an AVP length
                frame[at + 5 : at + 8] = rng.choice(
                    (0, 7, 8, 11, 12, 0xFFFFFF, rng.randrange(2000))
                ).to_bytes(3, "big")
            case 1:  # AVP flags
                frame[at + 4 : at + 5] = bytes([rng.randrange(256)])
            case 2:  # AVP code
                frame[at : at + 4] = rng.randrange(1 << 32).to_bytes(4, "big")
            case 3:  # any octet
                frame[rng.randrange(20, len(frame))] = rng.randrange(256)
            case 4:  # cut
                del frame[rng.randrange(20, len(frame)) :]
                frame += bytes(-len(frame) % 4)
            case 5:  # a piece twice
                start = rng.randrange(20, len(frame))
                frame[start:start] = frame[start : start + 4 * rng.randrange(1, 30)]
                frame += bytes(-len(frame) % 4)
            case _:  # message flags, command or application
                frame[4 + rng.randrange(8)] = rng.randrange(256)
        if len(frame) < max(POSITIONS[index]) + 12:
            break
    if rng.random() < 0.95:
        frame[1:4] = len(frame).to_bytes(3, "big")
    return bytes(frame)


@pytest.mark.parametrize("seed", range(4))
def test_every_mutation_is_delivered_answered_dropped_or_closes(seed: int) -> None:
    rng = random.Random(seed)
    connection = open_connection()
    outcomes = {"delivered": 0, "refused": 0, "dropped": 0, "closed": 0}
    for _ in range(MUTATIONS // 4):
        events = connection.receive_data(mutated(rng), 1)
        answers = split(connection.data_to_send())
        if any(isinstance(event, Closed) for event in events) or connection.next_timer() != 30_000_000_001:
            outcomes["closed"] += 1  # by itself, or it waits for the rest of a message that will not come
            connection = open_connection()
        elif any(isinstance(event, RequestRefused) for event in events):
            assert [answer.is_error for answer in answers] == [True]
            outcomes["refused"] += 1
        elif any(isinstance(event, RequestReceived) for event in events):
            assert answers == []
            outcomes["delivered"] += 1
        else:
            outcomes["dropped"] += 1
    assert min(outcomes.values()) > 0, outcomes


def fault_of(message: Message) -> DecodeError | None:
    """What reading the message and its top groups ends in."""
    try:
        message.scan()
        for avp in message.avps:
            message.members(avp)
    except DecodeError as error:
        return error
    return None


def test_every_fault_of_a_mutated_message_has_a_code_and_a_small_well_formed_failed_avp() -> None:
    rng = random.Random(7)
    faults = [fault for fault in (fault_of(Message(mutated(rng))) for _ in range(MUTATIONS // 4)) if fault]
    assert len(faults) > MUTATIONS // 20
    for fault in faults:
        assert fault.result_code in (5014, 5016)
        assert 8 <= len(fault.failed_avp) < 4_096
        if fault.result_code == 5014:
            assert Message.decode(encode_message(0x80, 272, 4, 1, 1, [fault.failed_avp])).avps


def test_every_mutated_message_can_be_shown() -> None:
    rng = random.Random(8)
    for _ in range(MUTATIONS // 10):
        assert describe(Message(mutated(rng)), standard()).endswith("\n")
