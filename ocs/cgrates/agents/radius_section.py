"""Section `radius_agent` of the incumbent's configuration: ports, clients, request processors. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ocs.cgrates.agents.processors import Processor, ProcessorSection, processor_of
from ocs.cgrates.agents.sections import SectionError
from ocs.cgrates.agents.templates import DIAMETER_REQUEST, Field, TemplateError, compiled
from ocs.charging.profiles.rsr import Value, parse_value
from ocs.config.settings import Endpoint, RadiusClient, RadiusListener, RadiusSettings

LOOPBACK = "127.0.0.1"
DEFAULT = "*default"
EVERYWHERE = {DEFAULT: "0.0.0.0/0", f"{DEFAULT}-ipv6": "::/0"}
DEFAULT_SECRET = "CGRateS.org"
DYNAMIC_PORT = 3799
HIGHEST_PORT = 65_535
# What a Disconnect-Request and a CoA-Request say where the configuration does not.
BUILT_IN: Mapping[str, Sequence[Mapping[str, str]]] = {
    "*dmr": (
        {"path": "*radDAReq.User-Name", "type": "*variable", "value": "~*oreq.User-Name"},
        {"path": "*radDAReq.NAS-IP-Address", "type": "*variable", "value": "~*oreq.NAS-IP-Address"},
        {"path": "*radDAReq.Acct-Session-Id", "type": "*variable", "value": "~*oreq.Acct-Session-Id"},
        {"path": "*radDAReq.Reply-Message", "type": "*variable", "value": "~*req.DisconnectCause"},
    ),
    "*coa": (
        {"path": "*radDAReq.User-Name", "type": "*variable", "value": "~*oreq.User-Name"},
        {"path": "*radDAReq.NAS-IP-Address", "type": "*variable", "value": "~*oreq.NAS-IP-Address"},
        {"path": "*radDAReq.Acct-Session-Id", "type": "*variable", "value": "~*oreq.Acct-Session-Id"},
        {"path": "*radDAReq.Filter-Id", "type": "*variable", "value": "~*req.CustomFilter"},
    ),
}


class ListenerSection(msgspec.Struct, frozen=True):
    """One of `radius_agent.listeners`."""

    network: str = "udp"
    auth_address: str = ":1812"
    acct_address: str = ":1813"


class DynamicSection(msgspec.Struct, frozen=True):
    """One of `radius_agent.client_da_addresses`: where Disconnect-Requests go."""

    transport: str = "udp"
    host: str = ""
    port: int = DYNAMIC_PORT
    flags: list[str] = []


class RadiusAgentSection(msgspec.Struct, frozen=True):
    """Section `radius_agent`."""

    enabled: bool = False
    listeners: tuple[ListenerSection, ...] = (ListenerSection(),)
    client_secrets: dict[str, str] = msgspec.field(default_factory=lambda: {DEFAULT: DEFAULT_SECRET})
    client_dictionaries: dict[str, str | list[str]] = {}
    client_da_addresses: dict[str, DynamicSection] = {}
    requests_cache_key: str = ""
    dmr_template: str = "*dmr"
    coa_template: str = "*coa"
    sessions_conns: list[str] = []
    request_processors: list[ProcessorSection] = []

    def __repr__(self) -> str:
        """Leave the secrets out: a configuration may end up in a log or a traceback."""
        return f"RadiusAgentSection(enabled={self.enabled}, clients={list(self.client_secrets)})"


class Plan(msgspec.Struct, frozen=True):
    """The section as the agent uses it."""

    settings: RadiusSettings
    folders: dict[str, tuple[str, ...]]  # dictionaries by client
    processors: tuple[Processor, ...]
    cache_key: Value | None
    dynamic: dict[str, DynamicSection]
    disconnects: tuple[Field, ...]
    changes: tuple[Field, ...]


def plan_of(section: RadiusAgentSection, templates: object) -> Plan:
    """What the section says. Raises SectionError with the key at fault."""
    named: dict[str, Any] = {**BUILT_IN, **(templates if isinstance(templates, Mapping) else {})}
    clients = tuple(
        RadiusClient(address, name, secret, message_authenticator="optional")
        for host, secret in section.client_secrets.items()
        for name, address in (EVERYWHERE.items() if host == DEFAULT else ((host, _network(host)),))
    )
    try:
        return Plan(
            RadiusSettings(clients, _listeners(section.listeners), reject_delay_ns=0),
            {host: _several(path) for host, path in section.client_dictionaries.items()},
            tuple(
                processor_of(each, f"radius_agent.request_processors[{number}]", named, _check)
                for number, each in enumerate(section.request_processors)
            ),
            parse_value(section.requests_cache_key) if section.requests_cache_key else None,
            section.client_da_addresses,
            _template(section.dmr_template or "*dmr", named),
            _template(section.coa_template or "*coa", named),
        )
    except ValueError as error:
        raise SectionError(str(error)) from None


def _several(paths: str | list[str]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


def _template(name: str, named: Mapping[str, Any]) -> tuple[Field, ...]:
    if name not in named:
        raise TemplateError(f"radius_agent: there is no template {name[:40]}")
    return compiled(named[name], f"templates.{name}", named, check=_check)


def _check(field: Field) -> None:
    """What the templates of RADIUS cannot write to."""
    if field.root == DIAMETER_REQUEST:
        raise TemplateError(f"{field.root} cannot be written to")


def _listeners(sections: Sequence[ListenerSection]) -> tuple[RadiusListener, ...]:
    found = []
    for number, each in enumerate(sections):
        place = f"radius_agent.listeners[{number}]"
        if each.network not in ("udp", ""):
            raise SectionError(f"{place}.network: {each.network[:20]} is not offered, only udp")
        found.append(
            RadiusListener(
                _endpoint(each.auth_address, f"{place}.auth_address"),
                _endpoint(each.acct_address, f"{place}.acct_address"),
            )
        )
    return tuple(found)


def _endpoint(text: str, place: str) -> Endpoint | None:
    """`host:port`; without a host it is the loopback address, also where the incumbent would open all."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) <= HIGHEST_PORT:
        raise SectionError(f'{place}: "{text[:60]}" is not an address such as 127.0.0.1:1812')
    return Endpoint(LOOPBACK if host in ("", "localhost") else host.strip("[]"), int(port))


def _network(host: str) -> str:
    return LOOPBACK if host == "localhost" else host
