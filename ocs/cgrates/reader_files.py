"""Files of foreign records as rows: CSV, JSON, XML, lines of fixed width. Pure."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ocs.cgrates.agents.http_payloads import Paths, PayloadError, XmlRequest, read_xml
from ocs.charging.profiles.values import Event
from ocs.charging.profiles.view import ABSENT, split

MOST_ELEMENTS = 10_000_000  # of an XML file
HEADER, TRAILER = "*hdr", "*trl"


class Row(msgspec.Struct, frozen=True):
    """One record: `*req`, and what stands around it by root; `fault` says why it is none."""

    request: Event
    around: Mapping[str, Event] = {}
    fault: str = ""


class FixedLine(Paths):
    """A line by places: `~*req.0-12` are its first twelve characters."""

    def __init__(self, line: str) -> None:
        self._line = line

    def walk(self, parts: Sequence[str]) -> object:
        """The characters between two places; ABSENT where the path is none."""
        begin, _, end = parts[0].partition("-") if len(parts) == 1 else ("", "", "")
        return self._line[int(begin) : int(end)] if begin.isdecimal() and end.isdecimal() else ABSENT


class _Below(Paths):
    """An element by paths that begin at it, or at the outermost as those of the incumbent do."""

    def __init__(self, element: XmlRequest, root: tuple[str, ...]) -> None:
        self._element = element
        self._root = root

    def walk(self, parts: Sequence[str]) -> object:
        """The text of the first element of a path."""
        inside = parts[len(self._root) :] if tuple(parts[: len(self._root)]) == self._root else parts
        return self._element.walk((*self._root[-1:], *inside))


class FileForm:
    """How one reader's files are read. Raises ValueError for options that cannot be."""

    def __init__(
        self, kind: str, options: Mapping[str, Any], *, has_header: bool = False, has_trailer: bool = False
    ) -> None:
        """`has_header` and `has_trailer`: the first and the last line of fixed width are no records."""
        if kind not in KINDS:
            raise ValueError(f"type {kind[:40]} is not offered")
        self.suffix, self._read = KINDS[kind]
        self.separator = str(options.get("csvFieldSeparator") or ",")
        self.header = str(options.get("csvHeaderDefineChar") or "")
        length = options.get("csvRowLength", -1)
        if not isinstance(length, int):
            raise ValueError(f"csvRowLength: {str(length)[:20]} is no number")
        self.length = length
        if len(self.separator) != 1:
            raise ValueError(f"csvFieldSeparator: {self.separator[:20]!r} is not one character")
        self.has_header, self.has_trailer = has_header, has_trailer
        path = str(options.get("xmlRootPath") or "").replace("/", ".").strip(".")
        self.root = split(path) if path else ()

    def rows(self, content: str) -> Iterator[Row]:
        """The rows of a file. Raises ValueError for a file that is none."""
        return self._read(self, content)


def _csv(form: FileForm, content: str) -> Iterator[Row]:
    names: list[str] = []
    length = form.length
    for cells in csv.reader(io.StringIO(content, newline=""), delimiter=form.separator):
        if not cells or cells[0].startswith("#"):
            continue
        if form.header and not names and cells[0].startswith(form.header):
            names = [cell.removeprefix(form.header) for cell in cells]
            continue
        request = {str(at): cell for at, cell in enumerate(cells)}
        request.update(zip(names, cells, strict=False))
        length = length or len(cells)
        fault = "" if length in (-1, len(cells)) else f"has {len(cells)} fields, not {length}"
        yield Row(request, fault=fault)


def _json(form: FileForm, content: str) -> Iterator[Row]:
    if content.lstrip()[:1] == "[":
        found = msgspec.json.decode(content, type=list[Any])
    else:
        lines = content.splitlines()
        try:
            found = [msgspec.json.decode(content)]
        except msgspec.DecodeError:
            found = [msgspec.json.decode(line) for line in lines if line.strip()]
    for each in found:
        yield Row(each) if isinstance(each, dict) else Row({}, fault="is no object")


def _xml(form: FileForm, content: str) -> Iterator[Row]:
    document = read_xml(content.encode(), MOST_ELEMENTS)
    for element in document.elements(form.root):
        yield Row(_Below(element, form.root))


def _fixed(form: FileForm, content: str) -> Iterator[Row]:
    lines = [line for line in content.splitlines() if line.strip()]
    around: dict[str, Event] = {}
    if form.has_header and lines:
        around[HEADER] = FixedLine(lines.pop(0))
    if form.has_trailer and lines:
        around[TRAILER] = FixedLine(lines.pop())
    for line in lines:
        yield Row(FixedLine(line), around)


KINDS: Mapping[str, tuple[str, Callable[[FileForm, str], Iterator[Row]]]] = {
    "*file_csv": (".csv", _csv),
    "*file_json": (".json", _json),
    "*file_xml": (".xml", _xml),
    "*file_fwv": (".fwv", _fixed),
}
FAULTS = (PayloadError, msgspec.DecodeError, csv.Error, UnicodeDecodeError)  # of a whole file
