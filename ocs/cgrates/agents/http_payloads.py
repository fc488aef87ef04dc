"""Bodies of requests and replies that are no JSON-RPC: forms and XML to fields, fields to lines and XML. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, Self
from xml.parsers import expat

from ocs.cgrates.agents.templates import Field
from ocs.charging.profiles.view import ABSENT, Walked

MOST_ELEMENTS = 10_000
DEEPEST = 32
_NAME = re.compile(r"[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?", re.ASCII)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class PayloadError(ValueError):
    """A body that cannot be read; the text says where."""


class Element:
    """One element of a document: its name, its text, the elements in it, its attributes as `@name`."""

    __slots__ = ("children", "name", "texts")

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts: list[str] = []
        self.children: list[Element] = []

    @property
    def text(self) -> str:
        """What stands in it, without the space around."""
        return "".join(self.texts).strip()


class Paths(Mapping[str, object], Walked):
    """A request whose fields are found by path alone: it lists none."""

    def __getitem__(self, key: str) -> object:
        found = self.walk((key,))
        if found is ABSENT:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class XmlRequest(Paths):
    """A document by paths such as `notice.leg[1].id`, the first leg being 0; `id.@kind` is an attribute."""

    def __init__(self, root: Element) -> None:
        self._outermost = Element("")
        self._outermost.children.append(root)

    def walk(self, parts: Sequence[str]) -> object:
        """The text of the first element of a path, or of the one its numbers say; ABSENT where there is none."""
        found = [self._outermost]
        for part in parts:
            if part.isascii() and part.isdigit():
                found = found[int(part) : int(part) + 1]
            else:
                found = [child for each in found for child in each.children if child.name == part]
        return found[0].text if found else ABSENT

    def elements(self, path: Sequence[str]) -> Iterator["XmlRequest"]:
        """Every element of a path, outermost at its own name; without a path the outermost of all."""
        found = [self._outermost]
        for part in path or (self._outermost.children[0].name,):
            found = [child for each in found for child in each.children if child.name == part]
        return map(XmlRequest, found)


def read_xml(body: bytes, most: int = MOST_ELEMENTS) -> XmlRequest:
    """The elements of a document. Raises PayloadError, also for one that declares entities or is too deep."""
    root = Element("")
    above = [root]
    count = 0

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal count
        count += 1 + len(attributes)
        if count > most or len(above) > DEEPEST:
            raise PayloadError(f"more than {most} elements, or more than {DEEPEST} in each other")
        element = Element(name)
        for key, value in attributes.items():
            attribute = Element(f"@{key}")
            attribute.texts.append(value)
            element.children.append(attribute)
        above[-1].children.append(element)
        above.append(element)

    def declared(*_: object) -> None:
        raise PayloadError("a document type is not taken")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: above.pop()
    parser.CharacterDataHandler = lambda text: above[-1].texts.append(text)
    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise PayloadError(f"line {error.lineno}, column {error.offset + 1}: {reason}") from None
    return XmlRequest(root.children[0])


class Body(Protocol):
    """What a reply is made of, and how it goes out."""

    content_type: str

    def put(self, field: Field, text: str) -> None: ...
    def value(self, path: Sequence[str]) -> object | None: ...
    def remove(self, path: Sequence[str]) -> None: ...
    def octets(self) -> bytes: ...


class Lines:
    """A reply of one `name=text` a line, in the order in which the names were written first."""

    content_type = "text/plain"

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def put(self, field: Field, text: str) -> None:
        """Write one value, over the last one of its name or behind it."""
        name = ".".join(field.path)
        self._texts[name] = self._texts.get(name, "") + text if field.kind == "*composed" else text

    def value(self, path: Sequence[str]) -> object | None:
        """The text of a name."""
        return self._texts.get(".".join(path))

    def remove(self, path: Sequence[str]) -> None:
        """Take a name away."""
        self._texts.pop(".".join(path), None)

    def octets(self) -> bytes:
        """The lines; what would break one is a space."""
        said = (f"{name}={' '.join(text.splitlines())}\n" for name, text in self._texts.items())
        return "".join(said).encode("utf-8", "replace")


class Document:
    """A reply in XML; a path is one element in another, and `new_branch` begins the innermost group anew."""

    content_type = "text/xml"

    def __init__(self) -> None:
        self._root = Element("")

    def put(self, field: Field, text: str) -> None:
        """Write one value, over the last one of its path or behind it."""
        *groups, last = field.path
        at = self._root
        for number, name in enumerate(groups, 1):
            known = _last(at, name)
            if known is None or (field.new_branch and number == len(groups)):
                known = Element(name)
                at.children.append(known)
            at = known
        leaf = None if field.kind == "*group" else _last(at, last)
        if leaf is None:
            leaf = Element(last)
            at.children.append(leaf)
        leaf.texts = [*leaf.texts, text] if field.kind == "*composed" else [text]

    def value(self, path: Sequence[str]) -> object | None:
        """The text of the newest element of a path."""
        at: Element | None = self._root
        for name in path:
            at = None if at is None else _last(at, name)
        return None if at is None else at.text

    def remove(self, path: Sequence[str]) -> None:
        """Take all elements of a path away."""
        at = [self._root]
        for name in path[:-1]:
            at = [child for each in at for child in each.children if child.name == name]
        for each in at:
            each.children = [child for child in each.children if child.name != path[-1]]

    def octets(self) -> bytes:
        """The document, indented."""
        said = ['<?xml version="1.0" encoding="UTF-8"?>']
        for child in self._root.children:
            _write(child, "  ", said)
        return "\n".join(said).encode("utf-8", "replace")


class Payload:
    """How requests are read and replies are written."""

    def __init__(
        self, read: Callable[[bytes], Mapping[str, object]] | None, reply: type[Lines] | type[Document]
    ) -> None:
        self.read = read  # None: the values of query and form
        self.reply = reply

    @classmethod
    def of(cls, request: str, reply: str) -> Self:
        """By the names of the incumbent. Raises ValueError."""
        if request not in REQUESTS:
            raise ValueError(f"request_payload: {request[:20]} is not offered, only *url and *xml")
        if reply not in REPLIES:
            raise ValueError(f"reply_payload: {reply[:20]} is not offered, only *text_plain and *xml")
        return cls(REQUESTS[request], REPLIES[reply])

    def check(self, field: Field) -> None:
        """What this kind of reply cannot have. Raises ValueError."""
        if field.root != "*rep":
            if field.root not in ("*cgreq", "*opts", "*vars", "*tmp", "*uch"):
                raise ValueError(f"{field.root} cannot be written to")
        elif self.reply is Document and not all(_NAME.fullmatch(part) for part in field.path):
            raise ValueError(f"{'.'.join(field.path)[:60]} is no path of elements")


REQUESTS: dict[str, Callable[[bytes], Mapping[str, object]] | None] = {"*url": None, "*xml": read_xml}
REPLIES: dict[str, type[Lines] | type[Document]] = {"*text_plain": Lines, "*xml": Document}


def _last(above: Element, name: str) -> Element | None:
    return next((child for child in reversed(above.children) if child.name == name), None)


def _write(element: Element, indent: str, said: list[str]) -> None:
    if element.children:
        said.append(f"{indent}<{element.name}>")
        for child in element.children:
            _write(child, f"{indent}  ", said)
        said.append(f"{indent}</{element.name}>")
    else:
        said.append(f"{indent}<{element.name}>{_escaped(element.text)}</{element.name}>")


def _escaped(text: str) -> str:
    """A text as XML has it. The function of `xml.sax` brings half of the standard library with it."""
    plain = _NO_XML.sub(" ", text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
