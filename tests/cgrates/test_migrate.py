"""A CGRateS configuration written as `ocs.yaml`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ocs.cgrates.migrate import Choices, Migrated, migrate
from ocs.config import load


def migrated(**sections: Any) -> Migrated:
    """The migration of some sections."""
    return migrate(sections, Choices())


def keys(done: Migrated) -> set[str]:
    """What was not carried over."""
    return {left.key for left in done.left}


def test_nothing_at_all_gives_a_configuration_that_loads(tmp_path: Path) -> None:
    done = migrated()
    (tmp_path / "ocs.yaml").write_text(done.yaml)
    settings = load(tmp_path / "ocs.yaml")
    assert settings.identity.origin_host.casefold() == "cgr-da"
    assert settings.diameter.listen == ()


def test_a_diameter_agent_becomes_listeners_and_a_name(tmp_path: Path) -> None:
    agent = {
        "enabled": True,
        "listen": "10.0.0.1:3869",
        "listen_net": "sctp",
        "origin_host": "ocs.example.org",
        "origin_realm": "example.org",
        "request_processors": [{"id": "sms"}],
    }
    done = migrated(diameter_agent=agent)
    (tmp_path / "ocs.yaml").write_text(done.yaml)
    settings = load(tmp_path / "ocs.yaml")
    [listener] = settings.diameter.listen
    assert (listener.address, listener.port, listener.transport) == ("10.0.0.1", 3869, "sctp")
    assert settings.identity.origin_host == "ocs.example.org"
    assert keys(done) == {"diameter_agent.request_processors", "general.default_timezone"}


def test_ports_stay_and_open_ones_are_closed_and_told() -> None:
    done = migrated(listen={"rpc_json": ":3012", "http": "127.0.0.1:3080", "birpc_json": ""})
    assert yaml.safe_load(done.yaml)["rpc"] == {
        "jsonrpc": "127.0.0.1:3012",
        "bidirectional": "none",
        "http": "127.0.0.1:3080",
    }
    assert "listen.rpc_json" in keys(done)


def test_switches_and_proxies_are_carried_over() -> None:
    done = migrated(
        freeswitch_agent={
            "enabled": True,
            "event_socket_conns": [{"address": "10.0.0.5:8022", "password": "a: b"}],
            "low_balance_ann_file": "/sounds/low.wav",
        },
        kamailio_agent={"enabled": True, "evapi_conns": [{"address": "10.0.0.6:8448"}]},
        general={"default_tenant": "acme.org"},
    )
    read = yaml.safe_load(done.yaml)
    assert read["freeswitch"]["switches"] == [{"host": "10.0.0.5", "port": 8022, "password": "a: b"}]
    assert read["freeswitch"]["low_balance_announcement"] == "/sounds/low.wav"
    assert read["kamailio"] == {
        "connections": [{"host": "10.0.0.6", "port": 8448}],
        "default_tenant": "acme.org",
    }


def test_default_usage_becomes_quotas() -> None:
    done = migrated(sessions={"default_usage": {"*voice": "10m", "*data": "2097152", "*sms": "3"}})
    assert yaml.safe_load(done.yaml)["charging"]["quotas"] == [
        {"service": "sms", "events": 3},
        {"service": "mms", "events": 1},
        {"service": "voice", "time": "600s"},
        {"volume": "2097152B", "time": "600s", "events": 1},
    ]


@pytest.mark.parametrize(("level", "word"), [(0, "error"), (4, "warning"), (6, "info"), (7, "debug")])
def test_log_levels_are_those_of_syslog(level: int, word: str) -> None:
    assert yaml.safe_load(migrated(general={"log_level": level}).yaml)["log"] == {"level": word}


def test_every_key_without_equal_is_told_once_and_wiring_is_not() -> None:
    done = migrated(
        rals={"enabled": True, "max_increments": 5, "thresholds_conns": ["*internal"]},
        stor_db={"db_type": "mysql"},
        made_up={"key": 1},
    )
    assert keys(done) == {"rals.max_increments", "stor_db.db_type", "made_up", "general.default_timezone"}
    assert all(left.meaning for left in done.left)


def test_sessions_and_figures_are_carried_over() -> None:
    sections: dict[str, Any] = {
        "general": {
            "default_tenant": "acme.org",
            "node_id": "CGR1",
            "reply_timeout": "500ms",
            "rounding_decimals": 3,
        },
        "sessions": {"debit_interval": "10s", "session_ttl": "1h", "channel_sync_interval": "30s"},
        "rals": {"max_increments": 3_000_000, "remove_expired": False},
    }
    exact = yaml.safe_load(migrate(sections, Choices(profiles="tariffs")).yaml)
    assert exact["sessions"] == {
        "default_tenant": "acme.org",
        "node_id": "CGR1",
        "debit_interval": "10s",
        "ttl": "3600s",
        "sync_interval": "30s",
        "reply_timeout": "500ms",
        "profiles": "tariffs",
    }
    assert "cgrates" not in exact["charging"]
    done = migrate(sections, Choices(rounding="cgrates"))
    figures = {"rounding_decimals": 3, "max_increments": 3_000_000, "remove_expired": False}
    assert yaml.safe_load(done.yaml)["charging"]["cgrates"] == figures
    assert keys(done) == {"general.default_timezone"}


def test_a_duration_that_is_none_is_told() -> None:
    assert "sessions.session_ttl" in keys(migrated(sessions={"session_ttl": "soon"}))
