"""The settings of a server: frozen, typed, all times in ns, volumes in octets, money in nanos.

These structs are the schema of ocs.yaml: the reader walks their annotations. The key in the file is the name
of the field without its unit (`watchdog_ns` is `watchdog: 30s`). Pure: types and defaults only.
"""

from typing import Annotated, Literal

import msgspec

from ocs.config.constraints import (
    Address,
    Currency,
    Duration,
    File,
    FileOrFolder,
    Folder,
    Identity,
    Integer,
    Listen,
    Money,
    Network,
    NumberRanges,
    OrAny,
    Size,
    Text,
    TimeZone,
)
from ocs.config.exchange import ActionSettings, RecordSettings
from ocs.config.figures import CgratesFigures

MS, SECOND = 1_000_000, 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NANOS = 1_000_000_000
KIB, MIB = 1 << 10, 1 << 20

SHIPPED = "demo"  # `tariffs` and `accounts`: the files that come with the program

Subsystem = Literal["attributes", "resources", "routes", "thresholds", "stats"]
DiameterSubsystem = Literal["attributes", "chargers", "resources", "thresholds", "stats"]
Service = Literal["data", "voice", "sms", "mms", "generic"]
Port = Annotated[int, Integer(1, 65_535)]
Unsigned32 = Annotated[int, Integer(0, (1 << 32) - 1)]


class Endpoint(msgspec.Struct, frozen=True):
    """An address and port to listen on."""

    address: str
    port: int


class IdentitySettings(msgspec.Struct, frozen=True):
    """Who the server says it is (RFC 6733 5.3)."""

    origin_host: Annotated[str, Identity()]
    origin_realm: Annotated[str, Identity()]
    product_name: Annotated[str, Text(64)] = "ocs"
    vendor_id: Unsigned32 = 0


class Listener(msgspec.Struct, frozen=True):
    """One place where Diameter peers connect to."""

    address: Annotated[str, Address()] = "127.0.0.1"
    port: Port = 3868
    transport: Literal["tcp", "tls", "sctp"] = "tcp"
    certificate: Annotated[str, File()] | None = None
    key: Annotated[str, File()] | None = None
    ca: Annotated[str, File()] | None = None
    verify_peer: bool = True


class Peer(msgspec.Struct, frozen=True):
    """A Diameter peer that may connect; no `addresses` means from anywhere."""

    origin_host: Annotated[str, Identity()]
    addresses: tuple[Annotated[str, Network()], ...] = ()
    realm: Annotated[str, Identity()] | None = None
    profile: Annotated[str, Text(64)] = "default"
    tls_name: Annotated[str, Identity()] | None = None


class Timers(msgspec.Struct, frozen=True):
    """How long the server waits; Tw of RFC 3539 3.4.1 is `watchdog`."""

    watchdog_ns: Annotated[int, Duration(6 * SECOND, HOUR)] = 30 * SECOND
    capabilities_timeout_ns: Annotated[int, Duration(100 * MS, 5 * MINUTE)] = 10 * SECOND
    frame_timeout_ns: Annotated[int, Duration(100 * MS, 5 * MINUTE)] = 10 * SECOND
    answer_deadline_ns: Annotated[int, Duration(10 * MS, MINUTE)] = 2 * SECOND
    drain_ns: Annotated[int, Duration(0, 10 * MINUTE)] = 5 * SECOND
    disconnect_answer_ns: Annotated[int, Duration(0, MINUTE)] = 2 * SECOND
    probe_ns: Annotated[int, Duration(100 * MS, MINUTE)] = 2 * SECOND


class Limits(msgspec.Struct, frozen=True):
    """What one peer, or all of them, may use up at most."""

    message_size_octets: Annotated[int, Size(4 * KIB, 16 * MIB - 1)] = 64 * KIB
    skipped_size_octets: Annotated[int, Size(0, 16 * MIB - 1)] = MIB
    avps: Annotated[int, Integer(64, 1_000_000)] = 4_096
    depth: Annotated[int, Integer(8, 64)] = 16
    services_per_request: Annotated[int, Integer(1, 4_096)] = 64
    subscription_ids: Annotated[int, Integer(1, 64)] = 8
    window: Annotated[int, Integer(1, 1_000_000)] = 2_000
    write_buffer_octets: Annotated[int, Size(64 * KIB, 1024 * MIB)] = MIB
    connections: Annotated[int, Integer(1, 1_000_000)] = 1_000
    connections_per_address: Annotated[int, Integer(1, 1_000_000)] = 100
    unopened_connections: Annotated[int, Integer(1, 1_000_000)] = 200


FinalUnitHandling = Literal["terminate", "redirect", "restrict", "none"]
UnitType = Literal["total_octets", "input_output_octets", "time", "units", "money"]
IdentityType = Literal["imsi", "e164", "nai", "sip_uri", "private"]


class Profile(msgspec.Struct, frozen=True):
    """What one kind of client understands and needs; the built-in ones are in `ocs.config.profiles`."""

    final_unit: FinalUnitHandling = "terminate"
    tariff_time_change: bool = False
    dual_quota: bool = False
    advice_of_charge: bool = True
    cost_information: bool = True
    cost_in_updates: bool = False
    rar: bool = True
    asr: bool = True
    thresholds: bool = True
    unit_types: tuple[UnitType, ...] = ("total_octets", "time", "units", "money")
    result_in_services: bool = True
    empty_group_echo: bool = False
    command_level_units: bool = True
    all_denied: Literal["command", "service"] = "command"
    subscription_priority: tuple[IdentityType, ...] = ("imsi", "e164", "nai", "sip_uri", "private")
    country_code: Annotated[int, Integer(1, 999)] | None = None
    trunk_prefix: Annotated[str, Text(4)] = "0"
    strict: bool = False
    validity_ns: Annotated[int, Duration(SECOND, 7 * DAY)] | None = None
    late_answers: bool = False
    ccfh: Literal["terminate", "continue", "retry_and_terminate"] = "terminate"
    session_failover: bool = False
    ddfh: Literal["none", "terminate_or_buffer", "continue"] = "terminate_or_buffer"


class DiameterSettings(msgspec.Struct, frozen=True):
    """The Diameter server; None in `serve_realms` and `serve_hosts` means any."""

    listen: tuple[Listener, ...] = (Listener(),)
    admit_unlisted: Literal["loopback", "none", "any"] = "loopback"
    peers: tuple[Peer, ...] = ()
    serve_realms: Annotated[tuple[Annotated[str, Identity()], ...] | None, OrAny()] = None
    serve_hosts: Annotated[tuple[Annotated[str, Identity()], ...] | None, OrAny()] = None
    strict: bool = False
    overload_reduction: Annotated[int, Integer(0, 100)] = 10
    timers: Timers = Timers()
    limits: Limits = Limits()
    dictionaries: tuple[Annotated[str, Folder()], ...] = ()
    profiles: dict[str, Profile] = {}
    subsystems: tuple[DiameterSubsystem, ...] = ()


class FinalUnit(msgspec.Struct, frozen=True):
    """What a client does when the last units are used up (RFC 8506 5.6)."""

    action: FinalUnitHandling = "terminate"
    redirect_address: Annotated[str, Text(2_048)] | None = None
    filter_rules: tuple[Annotated[str, Text(1_024)], ...] = ()
    filter_ids: tuple[Annotated[str, Text(253)], ...] = ()


TriggerName = Literal[
    "none", "serving_node_address", "qos", "location", "rat", "time_zone", "location_mcc", "location_mnc",
    "location_rac", "location_lac", "location_cell", "location_tac", "location_ecgi", "media", "participants",
    "participants_threshold", "participating_type", "service_condition", "serving_node", "access", "csg",
    "hybrid_subscribed_csg", "hybrid_unsubscribed_csg", "presence_area",
]  # fmt: skip


class QuotaRule(msgspec.Struct, frozen=True):
    """What is granted at a time to requests that fit all given conditions; None fits every request.

    `rating_group` holds pairs of first and last. The rule without conditions is the default and the last one.
    """

    service: Service | None = None
    rating_group: Annotated[tuple[tuple[int, int], ...] | None, NumberRanges(0, (1 << 32) - 1)] = None
    apn: Annotated[str, Identity()] | None = None
    profile: Annotated[str, Text(64)] | None = None
    volume_octets: Annotated[int, Size(1, 1 << 50)] = 100_000_000
    time_ns: Annotated[int, Duration(SECOND, 30 * DAY)] = 5 * MINUTE
    events: Annotated[int, Integer(1, 1_000_000)] = 1
    validity_ns: Annotated[int, Duration(SECOND, 30 * DAY)] = HOUR
    volume_threshold_octets: Annotated[int, Size(0, 1 << 50)] | None = None
    time_threshold_ns: Annotated[int, Duration(0, 30 * DAY)] | None = None
    holding_time_ns: Annotated[int, Duration(0, 30 * DAY)] | None = None
    consumption_time_ns: Annotated[int, Duration(0, 30 * DAY)] | None = None
    final_unit: FinalUnit = FinalUnit()
    triggers: tuple[TriggerName, ...] = ()
    pool: Unsigned32 | None = None


CONDITIONS = ("service", "rating_group", "apn", "profile")


class Supervision(msgspec.Struct, frozen=True):
    """Tcc of RFC 8506 7: how long a session lives without a request."""

    factor: Annotated[int, Integer(1, 100)] = 2
    maximum_ns: Annotated[int, Duration(SECOND, 90 * DAY)] = 2 * DAY
    abort: bool = False
    warn_before_ns: Annotated[int, Duration(0, HOUR)] = 5 * SECOND


class ServiceContext(msgspec.Struct, frozen=True):
    """Which service a Service-Context-Id with this ending means."""

    match: Annotated[str, Text(255)]
    service: Service


STANDARD_CONTEXTS = (
    ServiceContext("32251@3gpp.org", "data"),
    ServiceContext("32260@3gpp.org", "voice"),
    ServiceContext("32274@3gpp.org", "sms"),
    ServiceContext("32270@3gpp.org", "mms"),
    ServiceContext("32275@3gpp.org", "voice"),
    ServiceContext("32276@3gpp.org", "voice"),
    ServiceContext("32255@3gpp.org", "data"),
)


class ChargingSettings(msgspec.Struct, frozen=True):
    """Prices, quotas and how long what is kept; `tariffs` and `accounts` are paths of existing files.

    With `rounding: cgrates` the server charges and is called like CGRateS; `tariffs` is a folder of its files.
    """

    currency: Annotated[str, Currency()] = "EUR"
    rounding: Literal["exact", "cgrates"] = "exact"
    tariffs: Annotated[str, FileOrFolder()] = SHIPPED
    accounts: Annotated[str, File()] | None = None
    time_zone: Annotated[str, TimeZone()] = "UTC"
    quotas: tuple[QuotaRule, ...] = (QuotaRule(),)
    supervision: Supervision = Supervision()
    closed_session_grace_ns: Annotated[int, Duration(0, DAY)] = MINUTE
    duplicate_retention_ns: Annotated[int, Duration(4 * MINUTE, 30 * DAY)] = DAY
    sessions_per_account: Annotated[int, Integer(1, 1_000_000)] = 1_000
    overdraft_floor_nanos: Annotated[int, Money(-1_000_000_000 * NANOS, 0)] | None = None
    dynaprepaid_plan: Annotated[str, Text(1_024)] | None = None
    service_contexts: tuple[ServiceContext, ...] = STANDARD_CONTEXTS
    unknown_context: Literal["reject", "data", "voice", "sms", "mms", "generic"] = "reject"
    unplanned_service: Literal["rating_failed", "not_authorized"] = "rating_failed"
    cgrates: CgratesFigures = CgratesFigures()


class Sentinel(msgspec.Struct, frozen=True):
    """One Redis Sentinel to ask where the primary is."""

    host: Annotated[str, Text(255)]
    port: Port = 26379


class RedisSettings(msgspec.Struct, frozen=True):
    """The Redis (or Valkey) that several nodes share; with `sentinels` the primary called `primary` is looked for.

    `replicas` have a change before its answer leaves. Unless `durability` is `reported`, a server that would lose
    what it has confirmed is not used.
    """

    url: Annotated[str, Text(1_024)] = "redis://127.0.0.1:6379/0"
    username: Annotated[str, Text(255)] | None = None
    password_file: Annotated[str, File()] | None = None
    ca: Annotated[str, File()] | None = None
    certificate: Annotated[str, File()] | None = None
    key: Annotated[str, File()] | None = None
    prefix: Annotated[str, Text(64)] = "ocs"
    sentinels: tuple[Sentinel, ...] = ()
    primary: Annotated[str, Text(255)] | None = None
    replicas: Annotated[int, Integer(0, 100)] = 0
    durability: Literal["required", "reported"] = "required"
    timeout_ns: Annotated[int, Duration(50 * MS, MINUTE)] = 2 * SECOND


class StoreSettings(msgspec.Struct, frozen=True):
    """Where accounts, sessions and entries live; `path` is relative to the data folder, of `kind: sqlite`."""

    kind: Literal["sqlite", "redis", "memory"] = "sqlite"
    path: Annotated[str, Text(1_024)] = "ocs.db"
    cache_accounts: Annotated[int, Integer(1_000, 100_000_000)] = 200_000
    page_cache_octets: Annotated[int, Size(MIB, 64 * 1024 * MIB)] = 64 * MIB
    batch_commits: Annotated[int, Integer(1, 10_000)] = 512
    queue: Annotated[int, Integer(1, 1_000_000)] = 20_000
    redis: RedisSettings = RedisSettings()


class RpcSettings(msgspec.Struct, frozen=True):
    """Where programs and people talk to the server; None means no listener.

    `keys` and `audit` are relative to the data folder. The plain listeners are for this machine alone.
    """

    jsonrpc: Annotated[Endpoint | None, Listen()] = Endpoint("127.0.0.1", 2012)
    bidirectional: Annotated[Endpoint | None, Listen()] = Endpoint("127.0.0.1", 2014)
    http: Annotated[Endpoint | None, Listen()] = Endpoint("127.0.0.1", 2080)
    jsonrpc_tls: Annotated[Endpoint | None, Listen()] = None
    bidirectional_tls: Annotated[Endpoint | None, Listen()] = None
    http_tls: Annotated[Endpoint | None, Listen()] = None
    certificate: Annotated[str, File()] | None = None
    key: Annotated[str, File()] | None = None
    client_ca: Annotated[str, File()] | None = None
    keys: Annotated[str, Text(1_024)] = "keys.jsonl"
    trust_loopback: bool = True
    audit: Annotated[str, Text(1_024)] = "audit.jsonl"
    connections: Annotated[int, Integer(1, 1_000_000)] = 20_000
    requests_in_flight: Annotated[int, Integer(1, 100_000)] = 100
    requests_per_second: Annotated[int, Integer(0, 10_000_000)] = 0
    message_size_octets: Annotated[int, Size(4 * KIB, 64 * MIB)] = MIB


class Switch(msgspec.Struct, frozen=True):
    """One FreeSWITCH to connect to; `name` is what its sessions and records say, by default `host:port`."""

    host: Annotated[str, Text(255)]
    port: Port = 8021
    name: Annotated[str, Text(64)] | None = None
    password: Annotated[str, Text(255)] | None = None
    password_file: Annotated[str, File()] | None = None

    def __repr__(self) -> str:
        """Leave the password out: settings may end up in a log or a traceback."""
        return f"Switch({self.host}:{self.port}, name={self.name})"


class FreeswitchSettings(msgspec.Struct, frozen=True):
    """The FreeSWITCH agent; without `switches` it is off. Times of the switch's timers are whole seconds."""

    switches: tuple[Switch, ...] = ()
    event_format: Literal["json", "plain"] = "json"
    subscribe_park: bool = True
    event_filters: tuple[Annotated[str, Text(255)], ...] = ("Call-Direction inbound",)
    extra_fields: tuple[Annotated[str, Text(128)], ...] = ()
    refusal: Literal["notify", "hangup"] = "notify"
    max_call_ns: Annotated[int, Duration(MINUTE, 7 * DAY)] = 3 * HOUR
    extend_before_ns: Annotated[int, Duration(2 * SECOND, HOUR)] = 10 * SECOND
    debit_interval_ns: Annotated[int, Duration(SECOND, HOUR)] | None = None
    empty_balance_context: Annotated[str, Text(128)] | None = None
    empty_balance_announcement: Annotated[str, Text(255)] | None = None
    transfer_extension: Annotated[str, Text(128)] | None = None
    treatment_ns: Annotated[int, Duration(SECOND, HOUR)] = 2 * MINUTE
    low_balance_announcement: Annotated[str, Text(255)] | None = None
    sync_interval_ns: Annotated[int, Duration(SECOND, HOUR)] = MINUTE
    command_timeout_ns: Annotated[int, Duration(100 * MS, MINUTE)] = 2 * SECOND
    keep_alive_ns: Annotated[int, Duration(SECOND, 10 * MINUTE)] = 10 * SECOND
    reconnect_ns: Annotated[int, Duration(10 * MS, MINUTE)] = 500 * MS
    reconnect_maximum_ns: Annotated[int, Duration(100 * MS, HOUR)] = 30 * SECOND
    subsystems: tuple[Subsystem, ...] = ()


class Proxy(msgspec.Struct, frozen=True):
    """One Kamailio with evapi; `name` is what its sessions and records say, by default `host:port`."""

    host: Annotated[str, Text(255)]
    port: Port = 8448
    name: Annotated[str, Text(64)] | None = None


class KamailioSettings(msgspec.Struct, frozen=True):
    """The Kamailio agent; without `connections` it is off."""

    connections: tuple[Proxy, ...] = ()
    default_tenant: Annotated[str, Text(64)] = "default"
    max_usage_ns: Annotated[int, Duration(MINUTE, 7 * DAY)] = 3 * HOUR
    debit_interval_ns: Annotated[int, Duration(SECOND, HOUR)] = 10 * SECOND
    ring_timeout_ns: Annotated[int, Duration(SECOND, HOUR)] = 3 * MINUTE
    sync_interval_ns: Annotated[int, Duration(SECOND, HOUR)] = MINUTE
    connect_timeout_ns: Annotated[int, Duration(100 * MS, MINUTE)] = 5 * SECOND
    reconnect_ns: Annotated[int, Duration(10 * MS, MINUTE)] = 500 * MS
    reconnect_maximum_ns: Annotated[int, Duration(100 * MS, HOUR)] = 30 * SECOND
    write_buffer_octets: Annotated[int, Size(64 * KIB, 1024 * MIB)] = 4 * MIB
    subsystems: tuple[Subsystem, ...] = ()


class RadiusListener(msgspec.Struct, frozen=True):
    """Where access servers send to; None means that nothing is taken of that kind."""

    authentication: Annotated[Endpoint | None, Listen()] = Endpoint("127.0.0.1", 1812)
    accounting: Annotated[Endpoint | None, Listen()] = Endpoint("127.0.0.1", 1813)


class RadiusClient(msgspec.Struct, frozen=True):
    """One access server, proxy or network of them; `name` is what its sessions and records say."""

    address: Annotated[str, Network()]
    name: Annotated[str, Text(64)]
    secret: Annotated[str, Text(255)] | None = None
    secret_file: Annotated[str, File()] | None = None
    profile: Literal["network", "voice", "kamailio", "cisco"] = "network"
    message_authenticator: Literal["required", "optional"] = "required"
    authentication: Literal["password", "none"] = "password"
    rating_group: Unsigned32 | None = None
    strip_realm: bool = False
    interim_interval_ns: Annotated[int, Duration(0, DAY)] = 5 * MINUTE
    debit_interval_ns: Annotated[int, Duration(0, HOUR)] | None = None  # voice by the minute; 0 counts none
    volume_limits: tuple[Literal["mikrotik", "chillispot"], ...] = ()
    disconnect: bool = True
    change_of_authorization: bool = False
    disconnect_address: Annotated[str, Address()] | None = None
    disconnect_port: Port = 3799
    dictionaries: tuple[Annotated[str, File()], ...] = ()

    def __repr__(self) -> str:
        """Leave the secret out: settings may end up in a log or a traceback."""
        return f"RadiusClient({self.address}, name={self.name})"


class RadiusSettings(msgspec.Struct, frozen=True):
    """The RADIUS agent; without `clients` it is off."""

    clients: tuple[RadiusClient, ...] = ()
    listen: tuple[RadiusListener, ...] = (RadiusListener(),)
    dictionaries: tuple[Annotated[str, File()], ...] = ()
    default_tenant: Annotated[str, Text(64)] = "cgrates.org"
    max_session_ns: Annotated[int, Duration(MINUTE, 7 * DAY)] = 3 * HOUR
    max_volume_octets: Annotated[int, Size(1, 1 << 50)] = 1 << 40
    authorize_hold_ns: Annotated[int, Duration(0, 10 * MINUTE)] = MINUTE
    silence_ns: Annotated[int, Duration(MINUTE, 90 * DAY)] = DAY
    missed_interims: Annotated[int, Integer(2, 100)] = 4
    reject_delay_ns: Annotated[int, Duration(0, 5 * SECOND)] = SECOND
    reply_lifetime_ns: Annotated[int, Duration(SECOND, 5 * MINUTE)] = 30 * SECOND
    replies: Annotated[int, Integer(100, 10_000_000)] = 100_000
    requests_in_flight: Annotated[int, Integer(1, 1_000_000)] = 10_000
    receive_buffer_octets: Annotated[int, Size(64 * KIB, 1024 * MIB)] = 4 * MIB
    disconnect_timeout_ns: Annotated[int, Duration(100 * MS, MINUTE)] = 2 * SECOND
    disconnect_attempts: Annotated[int, Integer(1, 10)] = 3
    subsystems: tuple[Literal[Subsystem, "chargers"], ...] = ()
    allocation_attribute: Annotated[str, Text(64)] = "Reply-Message"
    route_attribute: Annotated[str, Text(64)] = "Filter-Id"


class DefaultUsage(msgspec.Struct, frozen=True):
    """What is asked for where an event of the session API names no usage."""

    time_ns: Annotated[int, Duration(SECOND, 7 * DAY)] = 3 * HOUR
    volume_octets: Annotated[int, Size(KIB, 1024 * 1024 * MIB)] = MIB
    messages: Annotated[int, Integer(1, 1_000)] = 1


RequestTypeName = Literal["*rated", "*prepaid", "*postpaid", "*pseudoprepaid", "*dynaprepaid", "*none"]


class SessionSettings(msgspec.Struct, frozen=True):
    """The session API; 0 switches an interval off; tenant `default` has the accounts of `default_tenant` too."""

    default_tenant: Annotated[str, Text(64)] = "cgrates.org"
    default_category: Annotated[str, Text(64)] = "call"
    default_request_type: RequestTypeName = "*rated"
    node_id: Annotated[str, Text(64)] = "ocs"
    default_usage: DefaultUsage = DefaultUsage()
    debit_interval_ns: Annotated[int, Duration(0, DAY)] = 0
    warn_before_ns: Annotated[int, Duration(0, HOUR)] = 5 * SECOND
    ttl_ns: Annotated[int, Duration(0, 90 * DAY)] = DAY
    sync_interval_ns: Annotated[int, Duration(0, DAY)] = 0
    reply_timeout_ns: Annotated[int, Duration(10 * MS, MINUTE)] = 2 * SECOND
    record_retention_ns: Annotated[int, Duration(HOUR, 3_650 * DAY)] = 30 * DAY
    repeat_window_ns: Annotated[int, Duration(0, HOUR)] = 10 * SECOND
    profiles: Annotated[str, Folder()] | None = None


class LogSettings(msgspec.Struct, frozen=True):
    """What is logged to standard error, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    mask_subscribers: bool = True


class MetricsSettings(msgspec.Struct, frozen=True):
    """Where on the HTTP listener the metrics are."""

    path: Annotated[str, Text(255)] = "/metrics"


class Settings(msgspec.Struct, frozen=True):
    """Everything ocs.yaml says."""

    identity: IdentitySettings
    diameter: DiameterSettings = DiameterSettings()
    charging: ChargingSettings = ChargingSettings()
    store: StoreSettings = StoreSettings()
    rpc: RpcSettings = RpcSettings()
    freeswitch: FreeswitchSettings = FreeswitchSettings()
    kamailio: KamailioSettings = KamailioSettings()
    radius: RadiusSettings = RadiusSettings()
    sessions: SessionSettings = SessionSettings()
    records: RecordSettings = RecordSettings()
    actions: ActionSettings = ActionSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
