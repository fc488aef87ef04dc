"""Sections `freeswitch_agent` and `kamailio_agent` of the incumbent's configuration as agents' settings. Pure."""

import msgspec

from ocs.charging.cgrates import values
from ocs.config.settings import HOUR, MINUTE, MS, SECOND, FreeswitchSettings, KamailioSettings, Proxy, Switch

EVENT_SOCKET_PORT = 8021
EVAPI_PORT = 8448
DEBIT_INTERVAL_NS = 10 * SECOND  # where the configuration has none: a call must not hold all there is
SHORTEST_INTERVAL_NS = SECOND
LONGEST_CALL_NS = 7 * 24 * HOUR
HIGHEST_PORT = 65_535


class SectionError(ValueError):
    """A section cannot be used; the message names the key."""


class Connection(msgspec.Struct, frozen=True):
    """One switch or proxy; `reconnects` and what follows are how the incumbent gives up: this one never does."""

    address: str = ""
    password: str = ""
    alias: str = ""
    reconnects: int = 5
    max_reconnect_interval: str | int = ""
    reply_timeout: str | int = ""

    def __repr__(self) -> str:
        """Leave the password out: a configuration may end up in a log or a traceback."""
        return f"Connection({self.address}, alias={self.alias})"


class FreeswitchAgentSection(msgspec.Struct, frozen=True):
    """Section `freeswitch_agent`."""

    enabled: bool = False
    sessions_conns: list[str] = []
    subscribe_park: bool = True
    create_cdr: bool = False
    extra_fields: list[str] = []
    low_balance_ann_file: str = ""
    empty_balance_context: str = ""
    empty_balance_ann_file: str = ""
    sched_transfer_extension: str = "CGRateS"
    active_session_delimiter: str = ","
    max_wait_connection: str | int = "2s"
    event_filters: list[str] = []
    event_socket_conns: tuple[Connection, ...] = (Connection("127.0.0.1:8021", "ClueCon"),)


class KamailioAgentSection(msgspec.Struct, frozen=True):
    """Section `kamailio_agent`."""

    enabled: bool = False
    sessions_conns: list[str] = []
    create_cdr: bool = False
    timezone: str = ""
    evapi_conns: tuple[Connection, ...] = (Connection("127.0.0.1:8448"),)


class Pace(msgspec.Struct, frozen=True):
    """What sections of the pipeline say that agents go by."""

    debit_interval_ns: int = 0
    longest_call_ns: int = 3 * HOUR
    sync_interval_ns: int = 0
    default_tenant: str = "cgrates.org"

    @property
    def slice_ns(self) -> int:
        """How much of a call is debited at a time."""
        if self.debit_interval_ns <= 0:
            return DEBIT_INTERVAL_NS
        return min(max(self.debit_interval_ns, SHORTEST_INTERVAL_NS), HOUR)

    @property
    def call_ns(self) -> int:
        """The longest call that is promised."""
        return min(max(self.longest_call_ns, MINUTE), LONGEST_CALL_NS)

    @property
    def sync_ns(self) -> int:
        """How often the switches are asked which calls they have."""
        return min(max(self.sync_interval_ns, SECOND), HOUR) if self.sync_interval_ns > 0 else MINUTE


def freeswitch_settings(section: FreeswitchAgentSection, pace: Pace) -> FreeswitchSettings:
    """The agent's settings; without switches where the section is not enabled. Raises SectionError."""
    if not section.enabled:
        return FreeswitchSettings()
    wait_ns = duration_ns(section.max_wait_connection, "freeswitch_agent.max_wait_connection")
    switches = []
    for number, each in enumerate(section.event_socket_conns):
        place = f"freeswitch_agent.event_socket_conns[{number}]"
        host, port = _address(each.address, EVENT_SOCKET_PORT, place)
        password = _one_line(each.password, f"{place}.password")
        switches.append(Switch(host, port, name_of(each, place), password))
    for key, value in (
        ("low_balance_ann_file", section.low_balance_ann_file),
        ("empty_balance_context", section.empty_balance_context),
        ("empty_balance_ann_file", section.empty_balance_ann_file),
        ("sched_transfer_extension", section.sched_transfer_extension),
    ):
        if value and not _is_command_word(value):
            raise SectionError(f'freeswitch_agent.{key}: "{value}" is not one word of a command')
    _distinct([switch.name or "" for switch in switches], "freeswitch_agent.event_socket_conns")
    lines = {
        key: tuple([_one_line(line, f"freeswitch_agent.{key}") for line in getattr(section, key)])
        for key in ("event_filters", "extra_fields")
    }
    return FreeswitchSettings(
        switches=tuple(switches),
        event_format="plain",
        subscribe_park=section.subscribe_park,
        event_filters=("Call-Direction inbound", *lines["event_filters"]),
        extra_fields=lines["extra_fields"],
        max_call_ns=pace.call_ns,
        debit_interval_ns=pace.slice_ns,
        empty_balance_context=section.empty_balance_context or None,
        empty_balance_announcement=section.empty_balance_ann_file or None,
        transfer_extension=section.sched_transfer_extension or None,
        low_balance_announcement=section.low_balance_ann_file or None,
        sync_interval_ns=pace.sync_ns,
        command_timeout_ns=min(max(wait_ns, 100 * MS), MINUTE),
    )


def kamailio_settings(section: KamailioAgentSection, pace: Pace) -> KamailioSettings:
    """The agent's settings; without connections where the section is not enabled. Raises SectionError."""
    if not section.enabled:
        return KamailioSettings()
    proxies = []
    for number, each in enumerate(section.evapi_conns):
        place = f"kamailio_agent.evapi_conns[{number}]"
        host, port = _address(each.address, EVAPI_PORT, place)
        proxies.append(Proxy(host, port, name_of(each, place)))
    _distinct([proxy.name or "" for proxy in proxies], "kamailio_agent.evapi_conns")
    return KamailioSettings(
        connections=tuple(proxies),
        default_tenant=pace.default_tenant,
        max_usage_ns=pace.call_ns,
        debit_interval_ns=min(pace.slice_ns, pace.call_ns),
        sync_interval_ns=pace.sync_ns,
    )


def check(freeswitch: FreeswitchAgentSection, kamailio: KamailioAgentSection) -> None:
    """Raises SectionError where one of them cannot be used."""
    freeswitch_settings(freeswitch, Pace())
    kamailio_settings(kamailio, Pace())


def name_of(connection: Connection, place: str) -> str:
    """What a connection's sessions say that they come from. Raises SectionError."""
    name = connection.alias or connection.address
    if "|" in name or not name.isprintable():
        raise SectionError(f'{place}.alias: must be one line without a "|"')
    return name


def _address(text: str, port: int, place: str) -> tuple[str, int]:
    host, colon, given = text.rpartition(":")
    if not colon:
        host, given = text, str(port)
    if (
        not given.isascii()
        or not given.isdigit()
        or not 0 < int(given) <= HIGHEST_PORT
        or not host.strip("[]")
    ):
        raise SectionError(f'{place}.address: "{text}" is not an address such as 127.0.0.1:{port}')
    return host.strip("[]"), int(given)


def _is_command_word(value: str) -> bool:
    return value.isprintable() and not value.startswith("-") and not any(c in value for c in " `\\$")


def _one_line(value: str, place: str) -> str:
    if not value.isprintable():
        raise SectionError(f"{place}: must be one line")
    return value


def _distinct(names: list[str], place: str) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise SectionError(f"{place}: {min(repeated)} is there twice: give each an alias of its own")


def duration_ns(value: str | int, place: str) -> int:
    """A duration such as `2s`, or a number of ns. Raises SectionError."""
    if isinstance(value, int):
        return value
    try:
        return values.duration_ns(value) if value else 0
    except ValueError:
        raise SectionError(f'{place}: "{value}" is not a duration such as 2s') from None
