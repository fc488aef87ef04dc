"""TLS of the listeners: 1.2 at least, certificates read again when their files change."""

import ssl
from pathlib import Path

import structlog

log = structlog.get_logger()


class ServerTls:
    """A certificate, its key, and the authority of clients where they must have certificates too."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._files = (certificate, key)
        if client_ca is not None:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self._stamps = self._stamped()
        self.context.load_cert_chain(certificate, key)

    def refresh(self) -> None:
        """New connections get the certificate that is in the files now; one that does not fit is not taken."""
        stamps = self._stamped()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trial.load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            log.error("rpc.certificate_unreadable", file=str(self._files[0]), error=str(error))
            return
        log.info("rpc.certificate_read", file=str(self._files[0]))

    def _stamped(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in self._files)
        except OSError:
            return ()
