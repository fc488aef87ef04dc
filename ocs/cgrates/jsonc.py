"""JSON as the incumbent's configuration files write it: comments, trailing commas, variables. Pure.

Line and column of what is wrong are those of the file: what is removed is replaced by blanks.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])', re.DOTALL)
_VARIABLE = re.compile(
    r"\*env:([A-Za-z_][A-Za-z0-9_]*)|\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}"
)
_POSITION = re.compile(r"byte (\d+)")


class JsoncError(ValueError):
    """A text is no JSON; the message begins with line and column."""


def loads(text: str, variables: Mapping[str, str]) -> Any:
    """The value of a text. Raises JsoncError."""
    plain = _TOKEN.sub(_blank, text)
    replaced = _VARIABLE.sub(lambda found: _value(found, variables), plain)
    octets = replaced.encode("utf-8", "surrogatepass")
    try:
        return msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise JsoncError(f"{_place(octets, str(error))}: {error}") from None


def _blank(found: re.Match[str]) -> str:
    token = found[0]
    if token.startswith('"'):
        return token
    return "".join(character if character == "\n" else " " for character in token)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    """The variable's value; one that is not set stays as it is written."""
    name = found[1] or found[2] or found[3]
    return variables.get(name, found[0])


def _place(octets: bytes, message: str) -> str:
    position = _POSITION.search(message)
    at = min(int(position[1]), len(octets)) if position else len(octets)
    line = octets.count(b"\n", 0, at) + 1
    return f"{line}:{at - (octets.rfind(bytes([10]), 0, at) + 1) + 1}"


def merge(into: dict[str, Any], added: Mapping[str, Any]) -> None:
    """Objects are merged member by member, everything else replaces what was there."""
    for name, value in added.items():
        known = into.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merge(known, value)
        else:
            into[name] = value
