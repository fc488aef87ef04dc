"""Section `diameter_agent` of the incumbent's configuration: ports, identity, applications, processors, templates.

Everything is checked when it is read: an AVP, a type, a filter or a flag that there is none of is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import msgspec

from ocs.cgrates.agents.diameter_avps import check_read, check_written
from ocs.cgrates.agents.processors import Processor, ProcessorSection, processor_of
from ocs.cgrates.agents.sections import HIGHEST_PORT, SectionError, duration_ns
from ocs.cgrates.agents.templates import (
    DIAMETER_REQUEST,
    ORIGINAL,
    REPLY,
    REQUESTED,
    Field,
    TemplateError,
    compiled,
)
from ocs.charging.profiles.filters import is_inline, parse_inline
from ocs.charging.profiles.rsr import Part, parse_element
from ocs.charging.profiles.view import split
from ocs.config.settings import HOUR, SECOND
from ocs.diameter.dictionary import (
    Application,
    Dictionary,
    DictionaryError,
    load,
    read_file,
    shipped_folder,
    standard,
)

NAME = "diameter_agent"
LOOPBACK, LOOPBACK_V6, EVERY_ADDRESS = "127.0.0.1", "::1", "0.0.0.0"
PORT = 3868
BASE_FILE = "rfc6733.xml"
NETWORKS: Final = {"": "tcp", "tcp": "tcp", "sctp": "sctp", "tls": "tls"}
FORCED = ("*none", "*asr", "*rar")
READ_ROOTS = ("*req", REPLY, DIAMETER_REQUEST, ORIGINAL)
SHORTEST_WATCHDOG_NS = 6 * SECOND  # RFC 3539 3.4.1


def _identity(root: str) -> tuple[Mapping[str, Any], ...]:
    return (
        {"path": f"{root}.Session-Id", "type": "*variable", "value": "~*req.Session-Id", "mandatory": True},
        {"path": f"{root}.Origin-Host", "type": "*variable", "value": "~*vars.OriginHost", "mandatory": True},
        {
            "path": f"{root}.Origin-Realm",
            "type": "*variable",
            "value": "~*vars.OriginRealm",
            "mandatory": True,
        },
    )


def _to_client(root: str) -> tuple[Mapping[str, Any], ...]:
    return (
        *_identity(root),
        {
            "path": f"{root}.Destination-Realm",
            "type": "*variable",
            "value": "~*req.Origin-Realm",
            "mandatory": True,
        },
        {
            "path": f"{root}.Destination-Host",
            "type": "*variable",
            "value": "~*req.Origin-Host",
            "mandatory": True,
        },
        {
            "path": f"{root}.Auth-Application-Id",
            "type": "*variable",
            "value": "~*vars.*appid",
            "mandatory": True,
        },
    )


# What processors may include by name, and what requests of the server say, where the configuration does not.
BUILT_IN: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "*err": _identity(REPLY),
    "*cca": (
        *_identity(REPLY),
        {"path": "*rep.Result-Code", "type": "*constant", "value": "2001"},
        {
            "path": "*rep.Auth-Application-Id",
            "type": "*variable",
            "value": "~*vars.*appid",
            "mandatory": True,
        },
        {
            "path": "*rep.CC-Request-Type",
            "type": "*variable",
            "value": "~*req.CC-Request-Type",
            "mandatory": True,
        },
        {
            "path": "*rep.CC-Request-Number",
            "type": "*variable",
            "value": "~*req.CC-Request-Number",
            "mandatory": True,
        },
    ),
    "*asr": _to_client(DIAMETER_REQUEST),
    "*rar": (
        *_to_client(DIAMETER_REQUEST),
        {"path": "*diamreq.Re-Auth-Request-Type", "type": "*constant", "value": "0"},
    ),
}


class ListenerSection(msgspec.Struct, frozen=True):
    """One of `diameter_agent.listeners`; `tls` as network is this server's own."""

    address: str = f"{LOOPBACK}:{PORT}"
    network: str = "tcp"


class DiameterAgentSection(msgspec.Struct, frozen=True):
    """Section `diameter_agent`; `listen` and `listen_net` are the older words for one listener."""

    enabled: bool = False
    listeners: tuple[ListenerSection, ...] | None = None
    listen: str = ""
    listen_net: str = ""
    dictionaries_path: str = ""
    dictionaries_append_defaults: bool = True
    sessions_conns: list[str] = []
    origin_host: str = "CGR-DA"
    origin_realm: str = "cgrates.org"
    vendor_id: int = 0
    product_name: str = "CGRateS"
    ce_applications: list[str | int] = []
    synced_conn_requests: bool = False
    concurrent_requests: int = -1
    asr_template: str = ""
    rar_template: str = ""
    forced_disconnect: str = "*none"
    conn_health_check_interval: str | int = ""
    request_processors: list[ProcessorSection] = []


class Place(msgspec.Struct, frozen=True):
    """One listener: `transport` is tcp, sctp or tls."""

    address: str
    port: int
    transport: str
    key: str


class Plan(msgspec.Struct, frozen=True):
    """The section as the agent uses it; `errors` are the fields of `*err`, None for those of the protocol."""

    section: DiameterAgentSection
    places: tuple[Place, ...]
    dictionary: Dictionary
    applications: tuple[Application, ...]
    processors: tuple[Processor, ...]
    errors: tuple[Field, ...] | None
    aborts: tuple[Field, ...]
    reauths: tuple[Field, ...]
    watchdog_ns: int


def plan_of(section: DiameterAgentSection, templates: object) -> Plan:
    """What the section says. Raises SectionError with the key at fault."""
    own: Mapping[str, Any] = templates if isinstance(templates, Mapping) else {}
    named: dict[str, Any] = {**BUILT_IN, **own}
    if section.forced_disconnect not in FORCED:
        raise SectionError(f"{NAME}.forced_disconnect: is one of {', '.join(FORCED)}")
    for key in ("origin_host", "origin_realm"):
        text = getattr(section, key)
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise SectionError(f"{NAME}.{key}: {text[:60]!r} is no name of a Diameter node")
    dictionary = _dictionary(section)
    check = Checks(dictionary)
    try:
        processors = tuple(
            processor_of(each, f"{NAME}.request_processors[{number}]", named, check)
            for number, each in enumerate(section.request_processors)
        )
        for number, processor in enumerate(processors):
            check.processor(processor, f"{NAME}.request_processors[{number}]")
        return Plan(
            section,
            _places(section),
            dictionary,
            _applications(section, dictionary),
            processors,
            _template("*err", named, check) if "*err" in own else None,
            _template(section.asr_template or "*asr", named, check),
            _template(section.rar_template or "*rar", named, check),
            _watchdog_ns(section),
        )
    except ValueError as error:
        raise SectionError(str(error)) from None


def _template(name: str, named: Mapping[str, Any], check: "Checks") -> tuple[Field, ...]:
    if name not in named:
        raise TemplateError(f"{NAME}: there is no template {name[:40]}")
    return compiled(named[name], f"templates.{name}", named, check=check)


# --- what names AVPs


class Checks:
    """Whether fields and filters are about AVPs that there are."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary

    def __call__(self, field: Field) -> None:
        """Raises ValueError for a field that no message of Diameter can have."""
        if field.root == REQUESTED:
            raise ValueError(f"{field.root} cannot be written to")
        if field.root in (REPLY, DIAMETER_REQUEST) and field.path:
            check_written(self._dictionary, field.path)
        for value in (field.making.value, *field.making.parts):
            self._parts(value.parts)
        self.filters(field.filters)

    def processor(self, processor: Processor, place: str) -> None:
        """Raises TemplateError for a processor that no request of Diameter can have."""
        try:
            if processor.call == "*radauth":
                raise ValueError("*radauth is a matter of RADIUS")
            self.filters(processor.filters)
        except ValueError as error:
            raise TemplateError(f"{place}: {error}, processor {processor.name[:60]}") from None

    def filters(self, filters: Iterable[str]) -> None:
        """Raises ValueError for a filter about an AVP that there is none of."""
        for text in filters:
            if is_inline(text):
                rule = parse_inline(text)
                self._parts([parse_element(rule.element)])

    def _parts(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if part.path:
                root, *names = split(part.path)
                if root in READ_ROOTS and names:
                    check_read(self._dictionary, names)


def _dictionary(section: DiameterAgentSection) -> Dictionary:
    """The definitions that come with the server, or those of the base protocol alone, and those of the path."""
    if not section.dictionaries_path:
        return standard()
    dictionary = load((shipped_folder(),)) if section.dictionaries_append_defaults else Dictionary()
    if not section.dictionaries_append_defaults:
        read_file(dictionary, shipped_folder() / BASE_FILE)
    folder = Path(section.dictionaries_path)
    if not folder.is_dir():
        raise SectionError(f"{NAME}.dictionaries_path: {folder}: there is no such folder")
    try:
        for path in sorted(folder.rglob("*.xml")):
            read_file(dictionary, path)
    except DictionaryError as error:
        raise SectionError(f"{NAME}.dictionaries_path: {error}") from None
    return dictionary


def _applications(section: DiameterAgentSection, dictionary: Dictionary) -> tuple[Application, ...]:
    """Those of `ce_applications`, by name or number, else all of the dictionary; the base protocol is none."""
    known = [each for each in dictionary.applications.values() if each.id]
    if not section.ce_applications:
        return tuple(known)
    found = []
    for number, wanted in enumerate(section.ce_applications):
        text = str(wanted).strip().lower()
        fitting = [each for each in known if text in (str(each.id), each.name.lower())]
        if not fitting and text not in ("0", "base"):
            raise SectionError(
                f"{NAME}.ce_applications[{number}]: no dictionary has an application {text[:40]}"
            )
        found += fitting
    if not found:
        raise SectionError(f"{NAME}.ce_applications: names no application that could be served")
    return tuple({each.id: each for each in found}.values())


# --- ports and times


def _places(section: DiameterAgentSection) -> tuple[Place, ...]:
    listeners = section.listeners
    if listeners is None:
        one = ListenerSection(section.listen or f"{LOOPBACK}:{PORT}", section.listen_net)
        return (_place(one, "listen", "listen_net"),)
    return tuple(
        _place(each, f"listeners[{number}].address", f"listeners[{number}].network")
        for number, each in enumerate(listeners)
    )


def _place(listener: ListenerSection, key: str, network_key: str) -> Place:
    network = NETWORKS.get(listener.network)
    if network is None:
        raise SectionError(
            f"{NAME}.{network_key}: {listener.network[:20]} is not offered, only tcp, sctp and tls"
        )
    host, colon, port = listener.address.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > HIGHEST_PORT:
        raise SectionError(
            f'{NAME}.{key}: "{listener.address[:60]}" is not an address such as {LOOPBACK}:{PORT}'
        )
    host = LOOPBACK if host == "localhost" else host or EVERY_ADDRESS
    try:
        ip_address(host)
    except ValueError:
        raise SectionError(f"{NAME}.{key}: {host[:60]} is no IP address") from None
    return Place(host, int(port), network, f"{NAME}.{key}")


def _watchdog_ns(section: DiameterAgentSection) -> int:
    interval_ns = duration_ns(section.conn_health_check_interval, f"{NAME}.conn_health_check_interval")
    return min(max(interval_ns, SHORTEST_WATCHDOG_NS), HOUR) if interval_ns > 0 else 0
