"""The configuration file: every mistake is found, named and placed; what is right is read exactly."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocs import config
from ocs.config import document, scalars
from ocs.config import settings as schema
from ocs.config.convert import field_hints
from ocs.config.currencies import CURRENCIES
from ocs.config.profiles import BUILT_IN
from ocs.config.settings import Endpoint, FinalUnit, Profile, Settings

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "ocs.yaml"
IDENTITY = "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"
SECOND = 1_000_000_000

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration file."""

    def written(content: str | bytes) -> Path:
        path = tmp_path / "ocs.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def load(write: Write, text: str) -> Settings:
    return config.load(write(IDENTITY + text))


def problems(write: Write, text: str | bytes) -> list[str]:
    """Return the problems of a file without the name of its folder."""
    path = write(text)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in config.check(path)]


def one_problem(write: Write, text: str) -> str:
    """Return the only problem of a file that has its identity in line 1."""
    found = problems(write, IDENTITY + text)
    assert len(found) == 1, found
    return found[0]


def test_shipped_file_has_no_problems() -> None:
    assert [str(problem) for problem in config.check(SHIPPED)] == []


def test_shipped_file_says_the_defaults_below_its_top(write: Write) -> None:
    shipped, bare = config.load(SHIPPED), load(write, "")
    assert shipped.diameter == bare.diameter
    assert (shipped.store, shipped.rpc, shipped.metrics, shipped.log) == (
        bare.store,
        bare.rpc,
        bare.metrics,
        bare.log,
    )


def test_identity_alone_is_a_whole_configuration(write: Write) -> None:
    settings = load(write, "")
    assert settings.identity.origin_host == "ocs.example.org"
    assert [(one.address, one.port, one.transport) for one in settings.diameter.listen] == [
        ("127.0.0.1", 3868, "tcp")
    ]
    assert settings.diameter.timers.watchdog_ns == 30 * SECOND
    assert settings.diameter.limits.message_size_octets == 65_536
    assert settings.rpc.jsonrpc == Endpoint("127.0.0.1", 2012)
    assert Path(settings.charging.tariffs) == ROOT / "ocs" / "demo" / "tariffs.yaml"


def test_settings_cannot_be_changed(write: Write) -> None:
    settings = load(write, "")
    with pytest.raises(AttributeError):
        settings.log.level = "debug"  # type: ignore[misc]


def test_every_problem_is_found_in_one_run(write: Write) -> None:
    text = (
        "identity:\n"
        "  origin_hots: ocs.example.org\n"
        "  origin_realm: example.org\n"
        "diameter:\n"
        "  timers: {watchdog: 30}\n"
        "  peers:\n"
        "    - {origin_host: smf, profile: open5g}\n"
        "charging:\n"
        "  currency: eur\n"
        "log: {level: verbose}\n"
    )
    assert problems(write, text) == [
        "ocs.yaml:2:3: identity.origin_host: missing",
        'ocs.yaml:2:3: identity.origin_hots: unknown key - did you mean "origin_host"?',
        'ocs.yaml:5:22: diameter.timers.watchdog: "30" has no unit - did you mean "30s"?',
        'ocs.yaml:7:35: diameter.peers[0].profile: there is no profile "open5g" - did you mean "open5gs"?',
        'ocs.yaml:9:13: charging.currency: "eur" is not an ISO 4217 currency - did you mean "EUR"?',
        'ocs.yaml:10:14: log.level: "verbose" is none of debug, info, warning, error',
    ]


def test_problem_shows_its_line_and_a_caret_below_the_column(write: Write) -> None:
    [problem] = config.check(write(IDENTITY + "log:\n  levle: info\n"))
    lines = problem.with_source().splitlines()
    assert lines[1:] == ["      levle: info", "      ^"]


def test_caret_stays_below_its_column_in_a_very_long_line(write: Write) -> None:
    [problem] = config.check(write(IDENTITY + f"log: {{format:   {' ' * 300}xml}}\n"))
    source, caret = problem.with_source().splitlines()[1:]
    assert source[caret.index("^") :].startswith("x")
    assert len(source) < 200


def test_load_raises_with_all_problems(write: Write) -> None:
    path = write(IDENTITY + "log: {level: 1, format: 2}\n")
    with pytest.raises(config.ConfigError) as caught:
        config.load(path)
    assert [problem.path for problem in caught.value.problems] == ["log.level", "log.format"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log: {level: info, level: debug}", "2:20: log.level: repeats the key of line 2"),
        ("log: 5", '2:6: log: expected a map of keys, found a number "5"'),
        ("log: [info]", "2:6: log: expected a map of keys, found a list"),
        ("diameter: {listen: {port: 3868}}", "2:20: diameter.listen: expected a list, found a map of keys"),
        (
            "diameter: {listen: [3868]}",
            '2:21: diameter.listen[0]: expected a map of keys, found a number "3868"',
        ),
        ("diameter: {strict: yes}", 'expected true or false, found the word "yes" - did you mean "true"?'),
        ("diameter: {strict: 'true'}", 'expected true or false, found text "true"'),
        ("diameter: {limits: {avps: 10}}", "diameter.limits.avps: must be between 64 and 1000000, is 10"),
        ("diameter: {limits: {avps: 1e3}}", '"1e3" is not a whole number'),
        ("diameter: {limits: {avps: [1]}}", "expected one value, found a list"),
        ("diameter: {limits: {avps: }}", "diameter.limits.avps: has no value"),
        ("diameter: {limits: {message_size: 64KX}}", '"64KX" is not a size such as 100MB or 64KiB'),
        ("diameter: {limits: {message_size: 16MiB}}", "must be between 4KiB and 16777215B, is 16MiB"),
        ("diameter: {timers: {watchdog: 5s}}", "must be between 6s and 1h, is 5s"),
        ("diameter: {timers: {watchdog: 1.5m}}", '"1.5m" is not a duration such as 500ms, 30s, 5m or 1h30m'),
        ("diameter: {listen: [{address: localhost}]}", '"localhost" is not an IP address'),
        ("diameter: {serve_realms: example.org}", "expected a list, found text"),
        ("identity2: {}", 'identity2: unknown key - did you mean "identity"?'),
        ("charging: {time_zone: Europe/Berlim}", '"Europe/Berlim" is not a time zone'),
        ("charging: {time_zone: ../../etc/passwd}", "is not a time zone"),
        ("charging: {overdraft_floor: 1.0000000001}", "has more than 9 decimals"),
        ("charging: {overdraft_floor: '5.00'}", "must be between -1000000000.00 and 0.00, is 5.00"),
        ("charging: {overdraft_floor: .inf}", '".inf" is not a decimal amount'),
        ("charging: {tariffs: nowhere.yaml}", "charging.tariffs: there is no file"),
        ("charging: {cgrates: {rounding_decimals: 3}}", "is used with rounding: cgrates only"),
        ("diameter: {dictionaries: [nowhere]}", "diameter.dictionaries[0]: there is no folder"),
        ("rpc: {http: 0.0.0.0:2080}", "0.0.0.0 is not a loopback address"),
        ("rpc: {http: '[::]:2080'}", 'did you mean "[::1]:2080"?'),
        ("rpc: {http: 2080}", "expected address:port such as 127.0.0.1:2012"),
        ("rpc: {http: 127.0.0.1:2012}", "rpc.http: repeats rpc.jsonrpc"),
        (
            "rpc: {bidirectional: 10.0.0.1:2014}",
            "other machines use bidirectional_tls, with keys of `ocs key",
        ),
        ("rpc: {jsonrpc_tls: 0.0.0.0:2022}", "rpc.certificate: missing: jsonrpc_tls needs it"),
        ("rpc: {http_tls: 0.0.0.0:2280}", "rpc.key: missing: http_tls needs it"),
        ("rpc: {jsonrpc_tls: 127.0.0.1:2012}", "rpc.jsonrpc_tls: repeats rpc.jsonrpc"),
        ("metrics: {path: metrics}", 'must begin with a slash - did you mean "/metrics"?'),
        ("store: {redis: {url: localhost}}", "store.redis.url: must begin with redis://, rediss://"),
        ("store: {redis: {url: 'redis://:pw@h'}}", "must not hold a name or password: use username and"),
        ("store: {redis: {url: 'redis://h:port/0'}}", "store.redis.url: must be like redis://host:6379/0"),
        ("store: {redis: {ca: ocs.yaml}}", "store.redis.ca: is used with rediss:// only"),
        ("store: {redis: {sentinels: [{host: h}]}}", "store.redis.primary: missing: the name"),
        ("store: {redis: {primary: p}}", "store.redis.primary: is used with sentinels only"),
        ("store: {redis: {prefix: 'a b'}}", "store.redis.prefix: must be one word without braces"),
        ("store: {redis: {password_file: nowhere}}", "store.redis.password_file: there is no file"),
        ("store: {kind: rediss}", '"rediss" is none of sqlite, redis, memory - did you mean "redis"?'),
        ("log: {1: 2, ? [a] : b}", "a key must be a word, found a list"),
    ],
)
def test_mistake_is_named(write: Write, text: str, expected: str) -> None:
    found = problems(write, IDENTITY + text + "\n")
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "ocs.yaml:1:1: the file is empty"),
        (b"# nothing\n", "ocs.yaml:1:1: the file is empty"),
        (b"a: [1\nb: 2\n", "ocs.yaml:2:2: YAML: "),
        (b"identity:\n\torigin_host: x\n", "ocs.yaml:2:1: YAML: "),
        (b"a: 1\nb: \xff\n", "ocs.yaml:2:4: not UTF-8: octet 0xff"),
        (b"a: 1\nb: x\x07y\n", "ocs.yaml:2:5: YAML does not allow the character U+0007"),
        (b"a: 1\n---\nb: 2\n", "ocs.yaml:2:1: YAML: "),
        (b"a: *nowhere\n", "ocs.yaml:1:4: YAML: "),
        (b"a: " + b"[" * 5_000, "nested more than 24 levels deep"),
        (b"a: " + b"[" * 30 + b"]" * 30, "nested more than 24 levels deep"),
        (b"a: &x [1]\nb: [" + b"*x, " * 101 + b"]", "more than 100 aliases"),
        (b"a: [" + b"1," * 210_000 + b"]", "more than 200000 YAML events"),
        (b"#" * (document.FILE_LIMIT + 1), f"larger than {document.FILE_LIMIT} octets"),
        (b"!!python/object/apply:os.system [ls]", "expected a map of keys, found a list"),
        (b"just words\n", "expected a map of keys, found text"),
    ],
    ids=range(15),
)
def test_unreadable_content_is_one_clean_problem(write: Write, content: bytes, expected: str) -> None:
    found = problems(write, content)
    assert any(expected in line for line in found), found


def test_missing_file_and_folder_are_clean_problems(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in str(config.check(tmp_path / "nowhere.yaml")[0])
    assert "cannot be read: Is a directory" in str(config.check(tmp_path)[0])


def test_aliases_that_multiply_are_stopped(write: Write) -> None:
    values = ", ".join(["imsi"] * 5_000)
    others = ", ".join(f"p{number}: *p" for number in range(90))
    found = one_problem(
        write, f"diameter: {{profiles: {{p: &p {{subscription_priority: [{values}]}}, {others}}}}}\n"
    )
    assert found.endswith("more than 50000 values, aliases counted each time")


def test_alias_to_its_own_list_ends(write: Write) -> None:
    found = one_problem(write, "diameter: {listen: &l [*l]}\n")
    assert found == "ocs.yaml:2:20: diameter.listen[0]: expected a map of keys, found a list"
    found = one_problem(write, "diameter: &d {timers: *d}\n")
    assert found == "ocs.yaml:2:15: diameter.timers.timers: unknown key"


def test_alias_repeats_a_value(write: Write) -> None:
    settings = load(write, "diameter: {timers: {frame_timeout: &t 7s, capabilities_timeout: *t}}\n")
    assert settings.diameter.timers.capabilities_timeout_ns == 7 * SECOND


def test_byte_order_mark_is_skipped(write: Write) -> None:
    assert config.check(write(b"\xef\xbb\xbf" + IDENTITY.encode())) == []


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("500ms", 500_000_000),
        ("30s", 30 * SECOND),
        ("5m", 300 * SECOND),
        ("1h", 3_600 * SECOND),
        ("1h30m", 5_400 * SECOND),
        ("2d", 172_800 * SECOND),
    ],
)
def test_duration_is_read_in_ns(text: str, nanos: int) -> None:
    assert scalars.duration(text) == nanos


@pytest.mark.parametrize(
    ("text", "octets"),
    [("64KiB", 65_536), ("100MB", 100_000_000), ("1kB", 1_000), ("512", 512), ("7 GiB", 7 << 30)],
)
def test_size_is_read_in_octets(text: str, octets: int) -> None:
    assert scalars.size(text) == octets


@given(st.integers(0, 10**18))
def test_duration_text_reads_back(nanos: int) -> None:
    assert scalars.duration(scalars.duration_text(nanos)) == nanos


@given(st.integers(0, 1 << 59))
def test_size_text_reads_back(octets: int) -> None:
    assert scalars.size(scalars.size_text(octets)) == octets


def test_money_is_exact_and_never_a_float(write: Write) -> None:
    settings = load(write, "charging: {overdraft_floor: -0.100000001}\n")
    assert settings.charging.overdraft_floor_nanos == -100_000_001


@given(st.text(max_size=200))
def test_any_text_is_settings_or_problems(text: str) -> None:
    read = document.Document("x", text)
    assert (read.root is None) == bool(read.problems)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(0, 4_000),
    st.integers(0, 30),
    st.sampled_from(
        [
            "",
            "x",
            "[",
            "]",
            "{",
            "}",
            ": ",
            "- ",
            "&a ",
            "*a",
            "'",
            '"',
            "\n",
            " ",
            "\t",
            "0",
            "-1",
            "~",
            "!!int ",
            "\0",
        ]
    ),
)
def test_damaged_file_is_settings_or_problems_with_a_place(
    write: Write, start: int, cut: int, put: str
) -> None:
    shipped = SHIPPED.read_text(encoding="utf-8")
    path = write(shipped[:start] + put + shipped[start + cut :])
    found = config.check(path)
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in found)
    if not found:
        assert isinstance(config.load(path), Settings)


@pytest.mark.parametrize("path", ["'a\\0b'", '"a\\0b"', "~nobody/x", "x" * 9_000, "/"])
def test_impossible_path_is_a_clean_problem(write: Write, path: str) -> None:
    assert "charging.accounts: there is no file" in one_problem(write, f"charging: {{accounts: {path}}}\n")
    if path != "/":
        assert "charging.tariffs: there is no file" in one_problem(write, f"charging: {{tariffs: {path}}}\n")


def test_tariffs_may_be_a_folder(write: Write) -> None:
    assert load(write, "charging: {tariffs: /}\n").charging.tariffs == "/"


def test_peers_and_their_profiles_are_read(write: Write) -> None:
    settings = load(
        write,
        "diameter:\n"
        "  peers: [{origin_host: SMF.example.org, addresses: [10.0.0.0/8, '2001:db8::1'], profile: mine}]\n"
        "  profiles: {mine: {rar: false, validity: 5m}, open5gs: {ccfh: terminate}}\n"
        "  serve_realms: [a.org]\n"
        "  serve_hosts: any\n",
    )
    diameter = settings.diameter
    assert (diameter.peers[0].origin_host, diameter.peers[0].addresses) == (
        "smf.example.org",
        ("10.0.0.0/8", "2001:db8::1/128"),
    )
    assert diameter.profiles["mine"] == Profile(rar=False, validity_ns=300 * SECOND)
    assert diameter.profiles["open5gs"] == msgspec.structs.replace(BUILT_IN["open5gs"], ccfh="terminate")
    assert diameter.profiles["kamailio"] == BUILT_IN["kamailio"]
    assert (diameter.serve_realms, diameter.serve_hosts) == (("a.org",), None)


def test_peer_listed_twice_is_a_problem(write: Write) -> None:
    found = one_problem(write, "diameter: {peers: [{origin_host: a.b}, {origin_host: A.B}]}\n")
    assert found.endswith("diameter.peers[1].origin_host: repeats diameter.peers[0].origin_host")


def test_tls_needs_certificate_key_and_authority(write: Write) -> None:
    found = problems(write, IDENTITY + "diameter: {listen: [{transport: tls}]}\n")
    assert [line.split(": ")[1] for line in found] == [
        "diameter.listen[0].ca",
        "diameter.listen[0].certificate",
        "diameter.listen[0].key",
    ]


def test_paths_are_relative_to_the_file(write: Write, tmp_path: Path) -> None:
    for name in ("own.yaml", "c.pem"):
        (tmp_path / name).write_text("x")
    settings = load(
        write,
        "charging: {tariffs: own.yaml, accounts: none}\n"
        "diameter: {listen: [{transport: tls, certificate: c.pem, key: c.pem, verify_peer: false}]}\n",
    )
    assert settings.charging.tariffs == str(tmp_path / "own.yaml")
    assert settings.charging.accounts is None
    assert settings.diameter.listen[0].certificate == str(tmp_path / "c.pem")


def test_listeners_can_be_turned_off(write: Write) -> None:
    settings = load(write, "rpc: {jsonrpc: none, http: '[::1]:8080'}\n")
    assert (settings.rpc.jsonrpc, settings.rpc.http) == (None, Endpoint("::1", 8080))


def test_quota_rules_inherit_from_the_rule_without_conditions(write: Write) -> None:
    rules = load(
        write,
        "charging:\n"
        "  quotas:\n"
        "    - {service: data, rating_group: [1, 10-19], volume: 1MB, final_unit: {action: none}}\n"
        "    - {apn: Internet, validity: 5m}\n"
        "    - {volume: 2MB, holding_time: 60s, final_unit: {action: redirect, redirect_address: 'http://pay'}}\n",
    ).charging.quotas
    assert [rule.volume_octets for rule in rules] == [1_000_000, 2_000_000, 2_000_000]
    assert [rule.holding_time_ns for rule in rules] == [60 * SECOND] * 3
    assert rules[0].rating_group == ((1, 1), (10, 19))
    assert rules[0].final_unit == FinalUnit("none")
    assert rules[1].apn == "internet"
    assert rules[1].final_unit.redirect_address == "http://pay"


def test_default_quota_is_added_where_the_file_has_none(write: Write) -> None:
    rules = load(write, "charging: {quotas: [{service: sms, events: 1}]}\n").charging.quotas
    assert [rule.service for rule in rules] == ["sms", None]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[{volume: 1MB}, {service: sms}]", "charging.quotas[0]: fits every request"),
        ("[{volume: 1MB, volume_threshold: 1MB}]", "volume_threshold: 1MB is not less than volume: 1MB"),
        (
            "[{service: sms, time: 5s}, {time_threshold: 10s}]",
            "time_threshold: 10s is not less than time: 5s",
        ),
        ("[{final_unit: {action: redirect}}]", "redirect_address: missing: action: redirect needs it"),
        ("[{final_unit: {redirect_address: x}}]", "redirect_address: is used with action: redirect only"),
        ("[{final_unit: {action: restrict}}]", "action: restrict needs filter_rules or filter_ids"),
        ("[{final_unit: {filter_ids: [a]}}]", "filters are not used with action: terminate"),
        ("[{rating_group: 9-1}]", 'the range "9-1" runs backwards'),
        ("[{service: voice, profile: kamalio}]", 'there is no profile "kamalio" - did you mean "kamailio"?'),
    ],
)
def test_quota_mistake_is_named(write: Write, rules: str, expected: str) -> None:
    assert expected in one_problem(write, f"charging: {{quotas: {rules}}}\n")


def test_a_wrong_value_hides_no_rule_that_depends_on_it(write: Write) -> None:
    found = one_problem(write, "charging: {quotas: [{volume: 5ZB, volume_threshold: 200MB}]}\n")
    assert found.endswith('charging.quotas[0].volume: "5ZB" is not a size such as 100MB or 64KiB')


def test_currencies_know_code_and_decimals() -> None:
    assert CURRENCIES["EUR"] == (978, 2)
    assert CURRENCIES["JPY"] == (392, 0)
    assert CURRENCIES["KWD"] == (414, 3)
    assert len({currency.numeric for currency in CURRENCIES.values()}) == len(CURRENCIES)


def structs() -> list[type[msgspec.Struct]]:
    return [
        value
        for value in vars(schema).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value not in (msgspec.Struct, Endpoint)
    ]


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_every_key_is_documented(struct: type[msgspec.Struct]) -> None:
    words = set(
        re.findall(r"[`.]([a-z_0-9]+)", (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
    )
    headings = set(
        re.findall(r"^## (\w+)$", (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), re.M)
    )
    assert set(field_hints(struct)) <= words | headings
