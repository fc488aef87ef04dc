"""A throwaway certificate authority, made with the openssl command."""

import ssl
import subprocess
from pathlib import Path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


class Authority:
    """A CA in a folder; it issues certificates for DNS names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=throwaway",
            "-out", self.ca, "-keyout", self.ca_key,
        )  # fmt: skip

    def issue(self, name: str) -> tuple[str, str]:
        """Paths of a certificate for that DNS name and of its key."""
        certificate, key, request = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{name}\n")
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-out", request, "-keyout", key
        )
        _openssl(
            "x509", "-req", "-days", "1", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
            "-CAcreateserial", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return str(certificate), str(key)

    def client_context(self, name: str | None = None) -> ssl.SSLContext:
        """What a client trusts and, with a name, shows."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if name is not None:
            context.load_cert_chain(*self.issue(name))
        return context
