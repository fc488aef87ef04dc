"""Keys of callers: made once, shown once, kept as digests. Pure.

A key is `ocs_<id>_<secret>`: the id finds its line in the file, the secret has 256 bits of chance, so that one
SHA-256 keeps it as well as a slow digest would. The file has one JSON object a line.
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from ocs.rpc.caller import Role, implied

PREFIX: Final = "ocs"
ID_OCTETS: Final = 6
SECRET_OCTETS: Final = 32
LONGEST_KEY: Final = 128
_NO_DIGEST: Final = "0" * 64  # what the key of an unknown id is compared with, to take as long


class Key(msgspec.Struct, frozen=True):
    """One key as it is kept; `revoked_at_ns` is 0 while it counts."""

    id: str
    name: str
    roles: tuple[str, ...]
    digest: str
    created_at_ns: int
    revoked_at_ns: int = 0

    @property
    def rights(self) -> frozenset[Role]:
        """What it is good for."""
        return implied(frozenset(Role(role) for role in self.roles))


class KeysError(Exception):
    """A file of keys that cannot be used; the text names file and line."""


def make(name: str, roles: tuple[Role, ...], chance: bytes, at_ns: int) -> tuple[Key, str]:
    """A new key and its text, of `ID_OCTETS + SECRET_OCTETS` octets of chance."""
    assert len(chance) == ID_OCTETS + SECRET_OCTETS, "a key is as long as it should be"
    name_of_key = chance[:ID_OCTETS].hex()
    secret = base64.urlsafe_b64encode(chance[ID_OCTETS:]).decode().rstrip("=")
    values = tuple(role.value for role in roles)
    return Key(name_of_key, name, values, _digest(secret), at_ns), f"{PREFIX}_{name_of_key}_{secret}"


def find(keys: dict[str, Key], text: str) -> Key | None:
    """The key that a text is; takes as long whether or not its id is known."""
    if len(text) > LONGEST_KEY:
        return None
    _, _, rest = text.partition("_")
    name, _, secret = rest.partition("_")
    key = keys.get(name)
    kept = _NO_DIGEST if key is None else key.digest
    is_right = hmac.compare_digest(kept.encode(), _digest(secret).encode())
    return key if is_right and key is not None and not key.revoked_at_ns else None


def decode_keys(text: str, source: str) -> dict[str, Key]:
    """Keys by id; KeysError with the line of the first that cannot be read."""
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            key = msgspec.json.decode(line, type=Key)
            known = frozenset(role.value for role in Role)
            if not set(key.roles) <= known:
                raise ValueError(f"roles are {', '.join(sorted(known))}")
        except (msgspec.MsgspecError, ValueError) as error:
            raise KeysError(f"{source}:{number}:1: is not a key: {error}") from None
        keys[key.id] = key
    return keys


def encode_keys(keys: dict[str, Key]) -> str:
    """The text of a file."""
    return "".join(msgspec.json.encode(key).decode() + "\n" for key in keys.values())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
