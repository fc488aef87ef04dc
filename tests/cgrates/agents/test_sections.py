"""Sections of the incumbent's configuration as settings of the agents."""

from typing import Any

import msgspec
import pytest

from ocs.cgrates import config
from ocs.cgrates.agents.sections import (
    Connection,
    FreeswitchAgentSection,
    Pace,
    SectionError,
    freeswitch_settings,
    kamailio_settings,
)
from ocs.config.settings import HOUR, MINUTE, SECOND

FS = {
    "enabled": True,
    "subscribe_park": False,
    "create_cdr": True,
    "extra_fields": ["~*req.variable_sip_call_id"],
    "low_balance_ann_file": "low.wav",
    "empty_balance_context": "park_empty",
    "empty_balance_ann_file": "/var/snd/gone.wav",
    "max_wait_connection": "3s",
    "sessions_conns": ["*birpc_internal"],
    "active_session_delimiter": ";",
    "event_socket_conns": [
        {"address": "10.0.0.5:8021", "password": "x", "reconnects": -1, "alias": "edge1"},
        {"address": "10.0.0.6:8022", "password": "y", "max_reconnect_interval": "5m"},
    ],
}


def read(**sections: Any) -> config.Settings:
    return config.read(sections)


def test_both_are_off_until_enabled() -> None:
    settings = read(freeswitch_agent={"event_socket_conns": FS["event_socket_conns"]})
    assert freeswitch_settings(settings.freeswitch_agent, Pace()).switches == ()
    assert kamailio_settings(settings.kamailio_agent, Pace()).connections == ()


def test_a_freeswitch_section_is_read() -> None:
    found = freeswitch_settings(
        read(freeswitch_agent=FS).freeswitch_agent, Pace(5 * SECOND, 2 * HOUR, 30 * SECOND)
    )
    assert [(each.host, each.port, each.name, each.password) for each in found.switches] == [
        ("10.0.0.5", 8021, "edge1", "x"),
        ("10.0.0.6", 8022, "10.0.0.6:8022", "y"),
    ]
    assert (found.event_format, found.subscribe_park) == ("plain", False)
    assert (found.debit_interval_ns, found.max_call_ns, found.sync_interval_ns) == (
        5 * SECOND,
        2 * HOUR,
        30 * SECOND,
    )
    assert (found.empty_balance_context, found.empty_balance_announcement) == (
        "park_empty",
        "/var/snd/gone.wav",
    )
    assert (found.transfer_extension, found.low_balance_announcement) == ("CGRateS", "low.wav")
    assert found.command_timeout_ns == 3 * SECOND


def test_a_kamailio_section_is_read() -> None:
    section = {
        "enabled": True,
        "evapi_conns": [{"address": "10.0.0.5", "alias": "kam"}, {"address": "[::1]:8449"}],
    }
    found = kamailio_settings(read(kamailio_agent=section).kamailio_agent, Pace(default_tenant="t"))
    assert [(each.host, each.port, each.name) for each in found.connections] == [
        ("10.0.0.5", 8448, "kam"),
        ("::1", 8449, "[::1]:8449"),
    ]
    assert (found.default_tenant, found.max_usage_ns, found.debit_interval_ns) == ("t", 3 * HOUR, 10 * SECOND)


@pytest.mark.parametrize(
    ("given_ns", "slice_ns"),
    [(0, 10 * SECOND), (1_000_000, SECOND), (5 * SECOND, 5 * SECOND), (2 * HOUR, HOUR)],
)
def test_slices_follow_the_debit_interval_within_what_a_switch_can_do(given_ns: int, slice_ns: int) -> None:
    assert Pace(given_ns).slice_ns == slice_ns


def test_a_short_longest_call_is_a_minute_at_least() -> None:
    assert Pace(longest_call_ns=SECOND).call_ns == MINUTE


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"event_socket_conns": [{"address": "a:b"}]}, "freeswitch_agent.event_socket_conns[0].address"),
        ({"event_socket_conns": [{"address": ":8021"}]}, "freeswitch_agent.event_socket_conns[0].address"),
        (
            {"event_socket_conns": [{"address": "a:1"}, {"address": "a:1"}]},
            "freeswitch_agent.event_socket_conns",
        ),
        ({"empty_balance_context": "a b"}, "freeswitch_agent.empty_balance_context"),
        ({"sched_transfer_extension": "-x"}, "freeswitch_agent.sched_transfer_extension"),
        ({"event_filters": ["a\nexit"]}, "freeswitch_agent.event_filters"),
        (
            {"event_socket_conns": [{"address": "a:1", "alias": "x|y"}]},
            "freeswitch_agent.event_socket_conns[0].alias",
        ),
        (
            {"event_socket_conns": [{"address": "a:1", "password": "x\ny"}]},
            "freeswitch_agent.event_socket_conns[0].password",
        ),
        ({"max_wait_connection": "soon"}, "freeswitch_agent.max_wait_connection"),
    ],
)
def test_a_mistake_is_named(section: dict[str, Any], problem: str) -> None:
    read_section = msgspec.convert({"enabled": True, **section}, FreeswitchAgentSection)
    with pytest.raises(SectionError) as raised:
        freeswitch_settings(read_section, Pace())
    assert str(raised.value).startswith(problem)


def test_a_mistake_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(config.ConfigError, match=r"freeswitch_agent\.empty_balance_context"):
        read(freeswitch_agent={"enabled": True, "empty_balance_context": "a b"})


def test_no_text_of_a_configuration_shows_a_password() -> None:
    assert "geheim" not in repr(FreeswitchAgentSection(event_socket_conns=(Connection("a:1", "geheim"),)))


def test_the_sections_are_no_keys_without_effect(tmp_path: Any) -> None:
    text = msgspec.json.encode({"freeswitch_agent": FS, "kamailio_agent": {"enabled": True}}).decode()
    (tmp_path / "cgrates.json").write_text(text)
    _, unsupported = config.load(tmp_path)
    assert [each.key for each in unsupported] == []
