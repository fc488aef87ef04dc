"""STIR/SHAKEN: signs calls and checks who signed them, with keys of files or of the web (ES256).

A key of the web is fetched once in three hours. `sessions.stir.trusted_keys` are beginnings of the paths and
addresses whose keys may have signed; where it is empty, any key that a header names will do, as in the incumbent.
Needs the package `cryptography`.
"""

import asyncio
import importlib
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocs.cgrates import passport
from ocs.cgrates.passport import Expected, PassportError
from ocs.lazily import lazily
from ocs.sessions.errors import ServiceError

if TYPE_CHECKING:
    import aiohttp

    from ocs.cgrates.config import StirSection
    from ocs.cgrates.runtime import Runtime
else:
    aiohttp = lazily("aiohttp")

PREFIX = "*stir_authenticate: "
MOST_OCTETS = 65_536
MOST_KEYS = 1_000
KEPT_NS = 3 * 3_600 * 10**9
WEB = ("https://", "http://")


class Stir:
    """One per server. Raises ServiceError for whatever is not as it has to be."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._keys: OrderedDict[tuple[str, bool], tuple[int, Any]] = OrderedDict()

    @property
    def section(self) -> "StirSection":
        """What the configuration says."""
        return self._runtime.settings.sessions.stir

    async def sign(self, payload: dict[str, Any], public_path: str, private_path: str) -> str:
        """The Identity header of a call."""
        key = await self._key(private_path or self.section.privatekey_path, is_private=True)
        path = public_path or self.section.publickey_path
        signed = passport.signing_input(payload, path)
        return passport.identity(signed, _signature(key, signed), path)

    async def authenticate(self, identity: str, expected: Expected) -> None:
        """Checks an Identity header against a call."""
        try:
            found = passport.parse(identity)
            passport.check(found, expected, self._runtime.wall_ns())
            trusted = self.section.trusted_keys
            if trusted and not found.key_path.startswith(tuple(trusted)):
                raise PassportError("the key is not of a trusted place")
            key = await self._key(found.key_path, is_private=False)
            _verify(key, found.signature, found.signed)
        except PassportError as error:
            raise ServiceError(f"{PREFIX}{error}") from None

    async def _key(self, path: str, *, is_private: bool) -> Any:
        """A key, as it was read last."""
        if not path:
            raise ServiceError(f"{PREFIX}no {'private' if is_private else 'public'} key is named")
        now_ns = self._runtime.wall_ns()
        kept = self._keys.get((path, is_private))
        if kept is not None and now_ns - kept[0] < KEPT_NS:
            return kept[1]
        timeout_s = self._runtime.settings.general.reply_timeout / 1e9
        try:
            async with asyncio.timeout(timeout_s):
                octets = await (
                    _fetched(path) if path.startswith(WEB) else asyncio.to_thread(_read, Path(path))
                )
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise ServiceError(f"{PREFIX}the key {path} cannot be had: {_told(error)}") from None
        key = _loaded(octets, path, is_private=is_private)
        self._keys[path, is_private] = now_ns, key
        while len(self._keys) > MOST_KEYS:
            self._keys.popitem(last=False)
        return key


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_OCTETS)


async def _fetched(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        answer.raise_for_status()
        return await answer.content.read(MOST_OCTETS)


def _cryptography(name: str) -> Any:
    """A module of `cryptography`, which is not needed otherwise."""
    try:
        return importlib.import_module(f"cryptography.{name}")
    except ImportError:
        raise ServiceError(
            f"{PREFIX}the package cryptography is not installed: pip install 'ocs[stir]'"
        ) from None


def _loaded(octets: bytes, path: str, *, is_private: bool) -> Any:
    """A key of the curve P-256: a private one, a public one, or that of a certificate."""
    serialization = _cryptography("hazmat.primitives.serialization")
    try:
        if is_private:
            key = serialization.load_pem_private_key(octets, None)
        elif b"BEGIN CERTIFICATE" in octets:
            key = _cryptography("x509").load_pem_x509_certificate(octets).public_key()
        else:
            key = serialization.load_pem_public_key(octets)
    except (ValueError, TypeError, _cryptography("exceptions").UnsupportedAlgorithm):
        raise ServiceError(f"{PREFIX}{path} is no key in PEM") from None
    if getattr(getattr(key, "curve", None), "name", "") != "secp256r1":
        raise ServiceError(f"{PREFIX}{path} is no key of the curve P-256")
    return key


def _scheme() -> Any:
    elliptic = _cryptography("hazmat.primitives.asymmetric.ec")
    return elliptic.ECDSA(_cryptography("hazmat.primitives.hashes").SHA256())


def _signature(key: Any, signed: bytes) -> bytes:
    """The two numbers of a signature side by side, as RFC 7518 3.4 has them."""
    pair = _cryptography("hazmat.primitives.asymmetric.utils")
    first, second = pair.decode_dss_signature(key.sign(signed, _scheme()))
    return bytes(first.to_bytes(32, "big") + second.to_bytes(32, "big"))


def _verify(key: Any, signature: bytes, signed: bytes) -> None:
    if len(signature) != 64:
        raise PassportError("wrong signature")
    pair = _cryptography("hazmat.primitives.asymmetric.utils")
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(pair.encode_dss_signature(*numbers), signed, _scheme())
    except _cryptography("exceptions").InvalidSignature:
        raise PassportError("wrong signature") from None
