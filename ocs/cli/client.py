"""`ocs client ccr`: one credit-control request to a server and its answer in words; a client to try things with."""

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Final

from ocs.cli.dialogue import ClientError, Dialogue
from ocs.config import scalars
from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    decode_u32,
    encode_i32,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    group,
)
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, ResultCode
from ocs.diameter.describe import describe
from ocs.diameter.dictionary import standard
from ocs.diameter.message import Message

ANSWERED, FAILED, WRONG_ARGUMENT = 0, 1, 2
SECOND_NS: Final = 1_000_000_000

_KINDS: Final = {"initial": 1, "update": 2, "termination": 3, "event": 4}
_ACTIONS: Final = {"debit": 0, "refund": 1, "check": 2, "price": 3}
_CONTEXTS: Final = {
    "data": "32251@3gpp.org",
    "voice": "32260@3gpp.org",
    "sms": "32274@3gpp.org",
    "mms": "32270@3gpp.org",
    "generic": "32276@3gpp.org",
}
_TERMINATED_BY_USER: Final = 1
_MSISDN: Final = 1  # Address-Type (TS 32.299 7.2.4)


def ccr(arguments: argparse.Namespace) -> int:
    """Send one request; 0 when the answer and every service in it say 2001."""
    try:
        parts = request_avps(arguments, time.time_ns())
    except scalars.InvalidValue as error:
        print(f"amount: {error}", file=sys.stderr)
        return WRONG_ARGUMENT
    try:
        answer = asyncio.run(_exchange(arguments, parts))
    except ClientError as error:
        print(f"ocs client: {error}", file=sys.stderr)
        return FAILED
    codes = result_codes(answer)
    if arguments.json:
        shown = {"session": arguments.session, "result_codes": codes, "answer": _lines(answer)}
        print(json.dumps(shown, indent=2))
    else:
        print(describe(answer, standard()), end="")
    return ANSWERED if codes and all(code == ResultCode.SUCCESS for code in codes) else FAILED


def result_codes(answer: Message) -> list[int]:
    """The Result-Code of the answer, then those of its services."""
    found: list[int] = []
    try:
        command = answer.first(avps.RESULT_CODE)
        found += [] if command is None else [decode_u32(answer.frame, command)]
        for service in answer.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
            for member in answer.members(service):
                if member[0] == avps.RESULT_CODE:
                    found.append(decode_u32(answer.frame, member))
    except DecodeError as error:
        raise ClientError(f"unreadable answer: {error.message}") from error
    return found


def _lines(answer: Message) -> list[str]:
    return describe(answer, standard()).splitlines()


# --- the request


def request_avps(arguments: argparse.Namespace, now_ns: int) -> list[bytes]:
    """AVPs of the request the arguments describe; fills in `session` where none was given."""
    own_host, own_realm = arguments.origin_host, arguments.origin_realm
    if arguments.session is None:
        arguments.session = (
            f"{own_host};{now_ns // SECOND_NS & 0xFFFFFFFF};{now_ns % SECOND_NS};{os.getpid()}"
        )
        print(f"session: {arguments.session}", file=sys.stderr)
    context = arguments.service_context or _CONTEXTS[arguments.service]
    parts = [
        encode_utf8(avps.SESSION_ID, arguments.session),
        encode_utf8(avps.ORIGIN_HOST, own_host),
        encode_utf8(avps.ORIGIN_REALM, own_realm),
        encode_utf8(avps.DESTINATION_REALM, arguments.destination_realm or own_realm),
        encode_u32(avps.AUTH_APPLICATION_ID, CREDIT_CONTROL_APPLICATION),
        encode_utf8(avps.SERVICE_CONTEXT_ID, context),
        encode_i32(avps.CC_REQUEST_TYPE, _KINDS[arguments.kind]),
        encode_u32(avps.CC_REQUEST_NUMBER, arguments.number),
        encode_time(avps.EVENT_TIMESTAMP, now_ns),
    ]
    if arguments.destination_host:
        parts.append(encode_utf8(avps.DESTINATION_HOST, arguments.destination_host))
    parts += [
        _subscription_id(kind, value)
        for kind, value in ((1, arguments.imsi), (0, arguments.subscriber))
        if value
    ]
    if arguments.kind == "event":
        parts.append(encode_i32(avps.REQUESTED_ACTION, _ACTIONS[arguments.action]))
    if arguments.kind == "termination":
        parts.append(encode_i32(avps.TERMINATION_CAUSE, _TERMINATED_BY_USER))
    parts.append(encode_i32(avps.MULTIPLE_SERVICES_INDICATOR, 1))
    parts += [_service(arguments, rating_group) for rating_group in arguments.rating_group or [None]]
    return [*parts, *_service_information(arguments)]


def _subscription_id(kind: int, value: str) -> bytes:
    members = encode_i32(avps.SUBSCRIPTION_ID_TYPE, kind), encode_utf8(avps.SUBSCRIPTION_ID_DATA, value)
    return group(avps.SUBSCRIPTION_ID, members)


def _service(arguments: argparse.Namespace, rating_group: int | None) -> bytes:
    """One Multiple-Services-Credit-Control; quota is asked for in every request but the last."""
    members: list[bytes] = []
    if arguments.request is not None or arguments.kind != "termination":
        wanted = [] if arguments.request is None else [units(arguments.request, arguments.service)]
        members.append(group(avps.REQUESTED_SERVICE_UNIT, wanted))
    if arguments.used is not None:
        members.append(group(avps.USED_SERVICE_UNIT, [units(arguments.used, arguments.service)]))
    if arguments.service_identifier is not None:
        members.append(encode_u32(avps.SERVICE_IDENTIFIER, arguments.service_identifier))
    if rating_group is not None:
        members.append(encode_u32(avps.RATING_GROUP, rating_group))
    return group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, members)


def units(text: str, service: str) -> bytes:
    """An amount as an AVP: a size is octets, a duration time, a bare number what the service counts."""
    if text.isascii() and text.isdigit():
        amount = int(text)
        if service == "data":
            return encode_u64(avps.CC_TOTAL_OCTETS, amount)
        if service == "voice":
            return encode_u32(avps.CC_TIME, amount)
        return encode_u64(avps.CC_SERVICE_SPECIFIC_UNITS, amount)
    if text.endswith(("B", "b")):
        return encode_u64(avps.CC_TOTAL_OCTETS, scalars.size(text))
    return encode_u32(avps.CC_TIME, scalars.duration(text) // SECOND_NS)


def _service_information(arguments: argparse.Namespace) -> list[bytes]:
    """Where the service goes, in the group its service has for that."""
    members: list[bytes] = []
    if arguments.apn:
        members.append(group(avps.PS_INFORMATION, (encode_utf8(avps.CALLED_STATION_ID, arguments.apn),)))
    if arguments.called and arguments.service in ("sms", "mms"):
        kind, data = encode_i32(avps.ADDRESS_TYPE, _MSISDN), encode_utf8(avps.ADDRESS_DATA, arguments.called)
        address = group(avps.RECIPIENT_ADDRESS, (kind, data))
        if arguments.service == "sms":
            recipient = group(avps.RECIPIENT_INFO, (address,))
            members.append(group(avps.SMS_INFORMATION, (recipient,)))
        else:
            members.append(group(avps.MMS_INFORMATION, (address,)))
    elif arguments.called:
        called = encode_utf8(avps.CALLED_PARTY_ADDRESS, f"tel:{arguments.called}")
        role = encode_i32(avps.ROLE_OF_NODE, 0)
        members.append(group(avps.IMS_INFORMATION, (role, called)))
    return [group(avps.SERVICE_INFORMATION, members)] if members else []


async def _exchange(arguments: argparse.Namespace, parts: list[bytes]) -> Message:
    """Connect, exchange capabilities, ask, take leave."""
    dialogue = await Dialogue.open(
        arguments.server, arguments.origin_host, arguments.origin_realm, arguments.timeout
    )
    try:
        return await dialogue.ask(parts, arguments.retransmit)
    finally:
        await dialogue.leave()
