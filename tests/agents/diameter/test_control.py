"""Requests of the server to clients: what is in them."""

import pytest
from msgspec.structs import replace

from ocs.agents.diameter.control import abort_session_request, re_auth_request
from ocs.charging.control import SessionAddress
from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, scan
from ocs.diameter.message import identity

ADDRESS = SessionAddress("pgw.example.net", "pgw.example.net;1;1", "dra.example.net", "data")
OWN = identity("ocs.example.net", "example.net")
HEAD = [
    avps.SESSION_ID,
    avps.ORIGIN_HOST,
    avps.ORIGIN_REALM,
    avps.DESTINATION_REALM,
    avps.DESTINATION_HOST,
    avps.AUTH_APPLICATION_ID,
]


def members(parts: list[bytes]) -> dict[int, bytes]:
    """The AVPs by key."""
    body = b"".join(parts)
    return {avp[0]: body[avp[2] : avp[3]] for avp in scan(body, 0, len(body))}


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("rating_group", avps.RATING_GROUP),
        ("service_identifier", avps.SERVICE_IDENTIFIER),
        ("pool", avps.G_S_U_POOL_IDENTIFIER),
    ],
)
def test_a_re_auth_request_may_be_about_a_part_of_the_session(field: str, key: int) -> None:
    whole = members(re_auth_request(ADDRESS, OWN, "example.net"))
    assert list(whole) == [*HEAD, avps.RE_AUTH_REQUEST_TYPE]
    part = members(re_auth_request(replace(ADDRESS, **{field: 7}), OWN, "example.net"))
    assert list(part) == [*HEAD, avps.RE_AUTH_REQUEST_TYPE, key]
    assert decode_u32(part[key], (key, 0, 0, 4)) == 7


def test_an_abort_request_is_the_head_alone() -> None:
    assert list(members(abort_session_request(ADDRESS, OWN, "example.net"))) == HEAD
