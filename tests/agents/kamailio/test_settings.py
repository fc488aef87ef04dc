"""The section `kamailio` of the configuration file."""

from pathlib import Path

import pytest

from ocs import config
from ocs.config.settings import SECOND, KamailioSettings, Proxy

IDENTITY = "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"


def written(folder: Path, section: str) -> Path:
    path = folder / "ocs.yaml"
    path.write_text(f"{IDENTITY}kamailio: {section}\n")
    return path


def test_it_is_off_by_default(tmp_path: Path) -> None:
    path = tmp_path / "ocs.yaml"
    path.write_text(IDENTITY)
    assert config.load(path).kamailio == KamailioSettings()
    assert KamailioSettings().connections == ()


def test_connections_and_times_are_read(tmp_path: Path) -> None:
    section = "{connections: [{host: 10.0.0.5}, {host: sip2, port: 8449, name: two}], debit_interval: 5s}"
    read = config.load(written(tmp_path, section)).kamailio
    assert read.connections == (Proxy("10.0.0.5", 8448), Proxy("sip2", 8449, "two"))
    assert read.debit_interval_ns == 5 * SECOND


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{connections: [{port: 8448}]}", "kamailio.connections[0].host: missing"),
        ("{connections: [{host: a}, {host: a}]}", "kamailio.connections[1].host: repeats"),
        ("{connections: [{host: a, name: x}, {host: b, name: x}]}", "kamailio.connections[1].name: repeats"),
        ("{connections: [{host: a, name: 'x|y'}]}", "kamailio.connections[0].name: must not have"),
        ("{connections: [{host: 'a b'}]}", "kamailio.connections[0].host: must be one word"),
        ("{max_usage: 1m, debit_interval: 2m}", "kamailio.debit_interval: is more than max_usage"),
        ("{reconnect: 2s, reconnect_maximum: 1s}", "kamailio.reconnect: is more than reconnect_maximum"),
        ("{debit_intervall: 2s}", "kamailio.debit_intervall: unknown key"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, section: str, problem: str) -> None:
    (found,) = config.check(written(tmp_path, section))
    assert problem in str(found)
