"""Values of rules: constants and paths joined, with rewrites and converters. Pure.

`~*req.Destination:s/^0(\\d+)$/+49${1}/{*strip:*prefix:1};suffix`: parts are joined by `;`, a part that
begins with `~` is read from the event, then rewritten, then converted; what stands in backticks is constant.
"""

from collections.abc import Callable

import msgspec

from ocs.charging.profiles.converters import Converter, converter
from ocs.charging.profiles.regex import Regex
from ocs.charging.profiles.values import text_of
from ocs.charging.profiles.view import ABSENT, Getter, View, getter

MOST_PARTS = 64


class Rewrite(msgspec.Struct, frozen=True):
    """`s/regex/template/`: a text that matches becomes the template, another stays as it is."""

    regex: Regex
    template: str

    def apply(self, text: str) -> str:
        """The rewritten text."""
        spans = self.regex.search(text)
        return text if spans is None else self.regex.expand(self.template, text, spans)


class Part(msgspec.Struct, frozen=True):
    """One part of a value, as written and compiled; a constant has no path."""

    text: str
    path: str = ""
    get: Getter | None = None
    rewrites: tuple[Rewrite, ...] = ()
    converters: tuple[Converter, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether the part is a path and nothing more."""
        return self.get is not None and not self.rewrites and not self.converters

    def value(self, view: View) -> object:
        """What the part is for an event; ABSENT where its path has nothing. Raises ValueError from converters."""
        if self.get is None:
            return self.text
        found = self.get(view)
        if found is ABSENT or not (self.rewrites or self.converters):
            return found
        if self.rewrites:
            text = text_of(found)
            for rewrite in self.rewrites:
                text = rewrite.apply(text)
            found = text
        try:
            for convert in self.converters:
                found = convert(found)
        except ArithmeticError:
            raise ValueError(f"{self.text}: too large a number") from None
        return found


class Value(msgspec.Struct, frozen=True):
    """A value of one or more parts."""

    parts: tuple[Part, ...]

    @property
    def is_constant(self) -> bool:
        """Whether no part looks at the event."""
        return all(part.get is None for part in self.parts)

    @property
    def constant(self) -> str:
        """The value as it stands, for an event or none."""
        return "".join(part.text for part in self.parts)

    def text(self, view: View) -> str:
        """The value as text; a path without value adds nothing."""
        if len(self.parts) == 1:
            found = self.parts[0].value(view)
            return "" if found is ABSENT else text_of(found)
        found_all = [part.value(view) for part in self.parts]
        return "".join(text_of(found) for found in found_all if found is not ABSENT)

    def value(self, view: View) -> object:
        """A single part with its type kept, ABSENT where its path has nothing; else the joined text."""
        return self.parts[0].value(view) if len(self.parts) == 1 else self.text(view)


def parse_value(text: str, separator: str = ";") -> Value:
    """Compile a value. Raises ValueError."""
    parts: list[Part] = []
    at = 0
    while at < len(text) or not parts:
        if len(parts) == MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS} parts")
        read: Callable[[str, int, str], tuple[Part, int]] = _constant
        if text.startswith("~", at):
            read = _dynamic
        part, at = read(text, at, separator)
        parts.append(part)
        if at < len(text):
            at += len(separator)  # it stands there: both readers stop at it
    return Value(tuple(parts))


def parse_element(text: str) -> Part:
    """Compile the one part of a filter's element. Raises ValueError."""
    part, end = _dynamic(text, 0, "\0") if text.startswith("~") else _constant(text, 0, "\0")
    if end != len(text):
        raise ValueError(f"unexpected {text[end : end + 40]!r} in {text[:80]!r}")
    return part


def element_end(text: str, start: int) -> int:
    """Where the element that begins at `start` ends: at the colon before the values, or at the end of the text."""
    at, depth = start, 0
    while at < len(text):
        if text.startswith(":s/", at) and not depth:
            at = _rewrite(text, at)[1]
            continue
        if text[at] in "{[<":
            depth += 1
        elif text[at] in "}]>":
            depth -= 1
        elif text[at] == ":" and depth <= 0:
            return at
        at += 1
    return at


def _constant(text: str, at: int, separator: str) -> tuple[Part, int]:
    pieces: list[str] = []
    while at < len(text) and not text.startswith(separator, at):
        end = text.find("`", at + 1) if text[at] == "`" else -1
        if end > 0:
            pieces.append(text[at + 1 : end])
            at = end + 1
        else:
            pieces.append(text[at])
            at += 1
    return Part("".join(pieces)), at


def _dynamic(text: str, start: int, separator: str) -> tuple[Part, int]:
    at = start + 1
    while at < len(text) and not (text[at] == "{" or text.startswith((separator, ":s/"), at)):
        at += 1
    path = text[start + 1 : at]
    rewrites: list[Rewrite] = []
    while text.startswith(":s/", at):
        rewrite, at = _rewrite(text, at)
        rewrites.append(rewrite)
    converters: tuple[Converter, ...] = ()
    if text.startswith("{", at):
        end = text.find("}", at)
        if end < 0:
            raise ValueError(f"no }} after {text[at : at + 40]!r}")
        converters = tuple(converter(name) for name in text[at + 1 : end].split("&"))
        at = end + 1
    if at < len(text) and not text.startswith(separator, at):
        raise ValueError(f"unexpected {text[at : at + 40]!r} in {text[:80]!r}")
    return Part(text[start:at], path, getter(path), tuple(rewrites), converters), at


def _rewrite(text: str, start: int) -> tuple[Rewrite, int]:
    """The rewrite that begins with `:s/` at `start`, and where it ends."""
    pieces: list[str] = []
    at = start + 3
    while len(pieces) < 2:
        piece: list[str] = []
        while at < len(text) and text[at] != "/":
            if text.startswith("\\/", at):
                at += 1
            elif text[at] == "\\" and at + 1 < len(text):
                piece.append("\\")
                at += 1
            piece.append(text[at])
            at += 1
        if at >= len(text):
            raise ValueError(f"a rewrite is s/regex/template/, not {text[start + 1 : start + 41]!r}")
        pieces.append("".join(piece))
        at += 1
    return Rewrite(Regex(pieces[0]), pieces[1]), at
