"""Sockets of the Diameter server: TCP, TLS on its own port (RFC 6733 13), SCTP in one-to-one style."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from socket import htonl
from struct import pack
from typing import Any, Protocol

from ocs.agents.diameter.associations import AssociationServer
from ocs.agents.diameter.peer import Factory
from ocs.config.settings import Listener

SCTP = 132  # IPPROTO_SCTP; not every build of Python names it
SCTP_NODELAY = 3  # RFC 6458 8.1.5
SCTP_DEFAULT_SNDINFO = 34  # RFC 6458 8.1.31; associations inherit it from their listening socket
PAYLOAD_PROTOCOL = 46  # of SCTP: Diameter in clear (RFC 6733 2.1.1)
BACKLOG = 512
TLS_HANDSHAKE_S = 10.0


class ListenError(Exception):
    """A listener that cannot be opened, in words for the operator."""


class Listening(Protocol):
    """A listener that is open."""

    @property
    def sockets(self) -> Sequence[Any]:
        """Its sockets."""
        ...

    def close(self) -> None:
        """Accept no more."""
        ...


async def listen(loop: asyncio.AbstractEventLoop, listener: Listener, factory: Factory) -> Listening:
    """Open one listener; raises ListenError."""
    where = f"diameter {listener.transport} {listener.address}:{listener.port}"
    try:
        if listener.transport == "sctp":
            opened = _sctp_socket(listener)
            opened.listen(BACKLOG)
            return AssociationServer(loop, opened, factory)
        context = _tls_context(listener) if listener.transport == "tls" else None
        return await loop.create_server(
            factory,
            listener.address,
            listener.port,
            backlog=BACKLOG,
            reuse_address=True,
            ssl=context,
            ssl_handshake_timeout=TLS_HANDSHAKE_S if context else None,
        )
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"{where}: {error}") from error


def _tls_context(listener: Listener) -> ssl.SSLContext:
    """TLS 1.2 and above; with `verify_peer` a certificate of the peer is demanded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if listener.certificate is None:
        raise ssl.SSLError("a TLS listener needs a certificate")
    context.load_cert_chain(listener.certificate, listener.key)
    if listener.verify_peer:
        context.verify_mode = ssl.CERT_REQUIRED
        if listener.ca is None:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        else:
            context.load_verify_locations(listener.ca)
    return context


def send_information() -> bytes:
    """struct sctp_sndinfo: stream 0, no flags, payload protocol in network order, no context, any association."""
    return pack("=HHIIi", 0, 0, htonl(PAYLOAD_PROTOCOL), 0, 0)


def _sctp_socket(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    try:
        opened = socket.socket(family, socket.SOCK_STREAM, SCTP)
    except OSError as error:
        raise OSError(
            error.errno, f"this kernel has no SCTP ({error.strerror}); load the module sctp"
        ) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(SCTP, SCTP_NODELAY, 1)
        opened.setsockopt(SCTP, SCTP_DEFAULT_SNDINFO, send_information())
        opened.bind((listener.address, listener.port))
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
