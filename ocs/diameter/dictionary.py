"""AVP definitions by key and by name: python-diameter's table, corrected and extended by XML dictionaries.

The XML form is the one go-diameter and CGRateS read: `<diameter><application id type name><vendor id/><command code
short name/><avp name code vendor-id must><data type><rule avp/><item code name/></data></avp>`. Files shipped with
the server come first, an operator's afterwards; a later definition replaces an earlier one of the same code and
vendor. Corrections to python-diameter's table (real Enumerated and DiameterIdentity types, OC-OLR without vendor,
Unused-Quota-Timer 4407) are thus entries of the XML.
"""

from collections.abc import Iterable, Set
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final
from xml.parsers import expat

import msgspec

NO_KEYS: Final[Set[int]] = frozenset()
MAXIMUM_FILE_OCTETS: Final = 16 * 1024 * 1024


class AvpType(StrEnum):
    """Data formats of RFC 6733 4.2-4.4, spelled as in dictionaries."""

    OCTET_STRING = "OctetString"
    INTEGER32 = "Integer32"
    INTEGER64 = "Integer64"
    UNSIGNED32 = "Unsigned32"
    UNSIGNED64 = "Unsigned64"
    FLOAT32 = "Float32"
    FLOAT64 = "Float64"
    GROUPED = "Grouped"
    ADDRESS = "Address"
    TIME = "Time"
    UTF8_STRING = "UTF8String"
    DIAMETER_IDENTITY = "DiameterIdentity"
    DIAMETER_URI = "DiameterURI"
    ENUMERATED = "Enumerated"
    IP_FILTER_RULE = "IPFilterRule"
    QOS_FILTER_RULE = "QoSFilterRule"


# Spellings of other vendors' files.
_TYPE_ALIASES: Final = {
    "IPAddress": AvpType.ADDRESS,
    "IPv4": AvpType.OCTET_STRING,
    "IPv6": AvpType.OCTET_STRING,
    "UTF8string": AvpType.UTF8_STRING,
    "Utf8String": AvpType.UTF8_STRING,
    "Unknown": AvpType.OCTET_STRING,
    "VendorId": AvpType.UNSIGNED32,
    "AppId": AvpType.UNSIGNED32,
}
_TYPES: Final = {kind.value: kind for kind in AvpType} | _TYPE_ALIASES


class DictionaryError(ValueError):
    """A dictionary file that cannot be used; the text begins with `file:line`."""


class Definition(msgspec.Struct, frozen=True):
    """One AVP; `values` names an enumeration, `members` lists a group's AVPs."""

    key: int
    name: str
    type: AvpType
    mandatory: bool
    values: dict[int, str] = {}
    members: tuple[str, ...] = ()


class Application(msgspec.Struct, frozen=True):
    """One application; `commands` are its own, by code, with their short names (`CC`)."""

    id: int
    name: str = ""
    is_accounting: bool = False
    vendor: int = 0
    commands: dict[int, str] = {}


class Dictionary:
    """Definitions looked up by key when reading, by name when configuration names an AVP."""

    def __init__(self) -> None:
        self._by_key: dict[int, Definition] = {}
        self._by_name: dict[str, Definition] = {}
        self._keys: dict[str, set[int]] = {}
        self._commands: dict[int, str] = {}
        self.applications: dict[int, Application] = {}

    def add(self, definition: Definition) -> None:
        """Add or replace; the name afterwards means this definition."""
        replaced = self._by_key.get(definition.key)
        if replaced is not None:
            if self._by_name.get(replaced.name) == replaced:
                del self._by_name[replaced.name]
            self._keys[replaced.name].discard(replaced.key)
        self._by_key[definition.key] = definition
        self._by_name[definition.name] = definition
        self._keys.setdefault(definition.name, set()).add(definition.key)

    def add_command(self, code: int, name: str) -> None:
        """Name a command, without -Request or -Answer."""
        self._commands[code] = name

    def add_application(self, told: Application) -> None:
        """Add an application, or what is new of a known one."""
        known = self.applications.get(told.id, told)
        self.applications[told.id] = Application(
            told.id,
            told.name or known.name,
            told.is_accounting,
            told.vendor or known.vendor,
            {**known.commands, **told.commands},
        )

    def lookup(self, key: int) -> Definition | None:
        """The definition of that code and vendor."""
        return self._by_key.get(key)

    def named(self, name: str) -> Definition | None:
        """The definition of that name, the last one where several vendors have it."""
        return self._by_name.get(name)

    def keys_named(self, name: str) -> Set[int]:
        """Every key of that name, whatever the vendor."""
        return self._keys.get(name, NO_KEYS)

    def command_name(self, code: int, is_request: bool) -> str:
        """`Credit-Control-Request` and the like; the number for an unknown command."""
        name = self._commands.get(code, f"Command-{code}")
        return f"{name}-{'Request' if is_request else 'Answer'}"

    def keys(self) -> Iterable[int]:
        """Every key defined."""
        return self._by_key.keys()

    def __len__(self) -> int:
        return len(self._by_key)


def load(folders: Iterable[Path], library: bool = True) -> Dictionary:
    """Everything in python-diameter (unless `library` is off) and in the `*.xml` of `folders`, in that order.

    Raises DictionaryError for the first unusable file. Takes some 0.4 s, most of it the library's import.
    """
    dictionary = Dictionary()
    if library:
        _add_library(dictionary)
    for folder in folders:
        if not folder.is_dir():
            raise DictionaryError(f"{folder}:0: no such folder")
        for path in sorted(folder.glob("*.xml")):
            read_file(dictionary, path)
    return dictionary


def shipped_folder() -> Path:
    """Where this installation's dictionaries lie: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "dictionaries" / "diameter"
    return checkout if checkout.is_dir() else package / "dictionaries" / "diameter"


@cache
def standard() -> Dictionary:
    """The library's and the shipped definitions, loaded once."""
    return load((shipped_folder(),))


def read_file(dictionary: Dictionary, path: Path) -> None:
    """Add the definitions of one XML file, or none of them and raise DictionaryError with file and line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DictionaryError(f"{path}:0: {error.strerror}") from error
    if len(content) > MAXIMUM_FILE_OCTETS:
        raise DictionaryError(f"{path}:0: larger than {MAXIMUM_FILE_OCTETS} octets")
    reader = _Reader(str(path))
    reader.read(content)
    for definition in reader.definitions.values():
        dictionary.add(definition)
    for code, name in reader.commands.items():
        dictionary.add_command(code, name)
    for application in reader.applications:
        dictionary.add_application(application)


class _Reader:
    """Reads one file; expat is used directly because it knows the line of every element."""

    def __init__(self, path: str) -> None:
        self.definitions: dict[int, Definition] = {}
        self.commands: dict[int, str] = {}
        self.applications: list[Application] = []
        self._path = path
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._depth = 0
        self._application: Application | None = None
        self._vendors: list[int] = []
        self._shorts: dict[int, str] = {}
        self._head: tuple[int, str, bool] | None = None
        self._type: AvpType | None = None
        self._values: dict[int, str] = {}
        self._members: list[str] = []

    def read(self, content: bytes) -> None:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            raise DictionaryError(f"{self._path}:{error.lineno}: {expat.ErrorString(error.code)}") from error

    def _fail(self, message: str) -> DictionaryError:
        return DictionaryError(f"{self._path}:{self._parser.CurrentLineNumber}: {message}")

    def _doctype(self, *_: object) -> None:
        raise self._fail("a document type declaration is not accepted")

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and element != "diameter":
            raise self._fail(f"the outermost element is <{element}>, not <diameter>")
        match element:
            case "application":
                self._start_application(attributes)
            case "vendor" if self._application is not None:
                self._vendors.append(self._number(element, attributes, "id"))
            case "command":
                code = self._number(element, attributes, "code")
                self.commands[code] = self._text(element, attributes, "name")
                self._shorts[code] = attributes.get("short", "")
            case "avp":
                self._start_avp(attributes)
            case "data" if self._head is not None:
                self._type = self._data_type(self._text(element, attributes, "type"))
            case "rule" if self._type is not None:
                self._members.append(self._text(element, attributes, "avp"))
            case "item" if self._type is not None:
                code = self._number(element, attributes, "code", lowest=-(1 << 31))
                self._values[code] = self._text(element, attributes, "name")
            case _:
                pass  # request and the like carry nothing needed here

    def _start_application(self, attributes: dict[str, str]) -> None:
        self._application, self._vendors, self._shorts = None, [], {}
        if "id" in attributes:
            number = self._number("application", attributes, "id")
            is_accounting = attributes.get("type") == "acct"
            self._application = Application(number, attributes.get("name", ""), is_accounting)

    def _end_application(self) -> None:
        if self._application is not None:
            vendor = self._vendors[0] if self._vendors else 0
            self.applications.append(
                msgspec.structs.replace(self._application, vendor=vendor, commands=self._shorts)
            )

    def _start_avp(self, attributes: dict[str, str]) -> None:
        if self._head is not None:
            raise self._fail("<avp> inside <avp>")
        vendor = self._number("avp", attributes, "vendor-id") if "vendor-id" in attributes else 0
        key = vendor << 32 | self._number("avp", attributes, "code")
        self._head = key, self._text("avp", attributes, "name"), "M" in attributes.get("must", "")
        self._type, self._values, self._members = None, {}, []

    def _end(self, element: str) -> None:
        self._depth -= 1
        if element == "application":
            self._end_application()
        if element != "avp" or self._head is None:
            return
        key, name, mandatory = self._head
        if self._type is None:
            raise self._fail(f"AVP {name} has no <data type=...>")
        definition = Definition(key, name, self._type, mandatory, self._values, tuple(self._members))
        earlier = self.definitions.get(key)
        if earlier is not None and earlier.type is not definition.type:
            raise self._fail(f"AVP {name} was defined before as {earlier.name}, {earlier.type}")
        self.definitions[key] = definition
        self._head = self._type = None

    def _text(self, element: str, attributes: dict[str, str], name: str) -> str:
        value = attributes.get(name, "")
        if not value:
            raise self._fail(f"<{element}> has no {name}")
        return value

    def _number(self, element: str, attributes: dict[str, str], name: str, lowest: int = 0) -> int:
        text = self._text(element, attributes, name)
        try:
            value = int(text)
        except ValueError:
            raise self._fail(f'<{element}> has {name}="{text}", which is no number') from None
        if not lowest <= value < 1 << 32:
            raise self._fail(f"<{element}> has {name}={value}, which is out of range")
        return value

    def _data_type(self, text: str) -> AvpType:
        found = _TYPES.get(text)
        if found is None:
            raise self._fail(f'unknown data type "{text}"')
        return found


def _add_library(dictionary: Dictionary) -> None:
    """python-diameter's table: broad, without names of enumerated values."""
    from diameter.message.avp import dictionary as library

    tables = {0: library.AVP_DICTIONARY, **{v: t for v, t in library.AVP_VENDOR_DICTIONARY.items() if v}}
    for vendor, entries in tables.items():
        for code, entry in entries.items():
            kind = _TYPES.get(entry["type"].__name__.removeprefix("Avp"), AvpType.OCTET_STRING)
            name = str(entry["name"])
            if dictionary.named(name) is not None:
                name = f"{name}:{vendor}"  # vendors' copies of standard AVPs do not take their names
            dictionary.add(Definition(vendor << 32 | code, name, kind, bool(entry.get("mandatory", False))))
