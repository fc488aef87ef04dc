"""When a certificate ends: the one thing of X.509 that the standard library does not tell of a file. Pure."""

import binascii
import calendar
import ssl
import time

UTC_TIME, GENERALIZED_TIME, VERSION = 0x17, 0x18, 0xA0
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class CertificateError(ValueError):
    """A text that holds no certificate."""


def expires_at(pem: str) -> int:
    """When the first certificate of a text ends, in seconds of the epoch. Raises CertificateError."""
    begin, end = pem.find(BEGIN), pem.find(END)
    if begin < 0 or end < begin:
        raise CertificateError("no certificate in PEM form")
    try:
        octets = ssl.PEM_cert_to_DER_cert(pem[begin : end + len(END)])
        certificate, _ = _inside(octets)
        part, _ = _inside(certificate)  # tbsCertificate
        if part[0] == VERSION:
            _, part = _inside(part)
        for _ in range(3):  # serialNumber, signature, issuer
            _, part = _inside(part)
        validity, _ = _inside(part)
        _, validity = _inside(validity)  # notBefore
        text, _ = _inside(validity)
        form = {UTC_TIME: "%y%m%d%H%M%SZ", GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}[validity[0]]
        return calendar.timegm(time.strptime(text.decode("ascii"), form))
    except (binascii.Error, IndexError, KeyError, ValueError) as error:
        raise CertificateError("not a certificate of X.509") from error


def _inside(octets: bytes) -> tuple[bytes, bytes]:
    """The contents of the first value in DER, and what is behind it."""
    length, begin = octets[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(octets[2:begin], "big")
    if begin + length > len(octets):
        raise CertificateError("not a certificate of X.509")
    return octets[begin : begin + length], octets[begin + length :]
