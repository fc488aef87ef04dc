"""`cores.caps`: requests beyond the limit are refused, or wait in line; and how much the log tells."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates import config
from tests.cgrates.test_process import Connection, engine
from tests.support.ports import free_port

SLEEP = {"Duration": "400ms"}
PATIENCE_S = 20.0


def received(client: Connection) -> tuple[Any, Any, Any]:
    """Id, result and error of the next answer."""
    answer = client.receive()
    assert answer is not None
    return answer["id"], answer["result"], answer["error"]


def test_requests_beyond_the_limit_are_refused_on_every_connection(tmp_path: Path) -> None:
    port = free_port()
    caps = {"cores": {"caps": 2, "caps_strategy": "*busy", "caps_stats_interval": "1s"}}
    with (
        engine(tmp_path, port, more=caps),
        closing(Connection(port)) as one,
        closing(Connection(port)) as other,
    ):
        for number in (1, 2, 3):
            one.send(number, "CoreSv1.Sleep", SLEEP)
        assert received(one) == (3, None, "MAX_CONCURRENT_RPC_EXCEEDED")
        other.send(4, "CoreSv1.Ping", {})
        assert received(other) == (4, None, "MAX_CONCURRENT_RPC_EXCEEDED")
        assert {received(one), received(one)} == {(1, "OK", None), (2, "OK", None)}
        assert other.call("CoreSv1.Ping", {}) == "Pong"
        status = other.call("CoreSv1.Status", {})
        assert (status["caps_allocated"], status["caps_peak"]) == (0, 2)


def test_requests_beyond_the_limit_wait_for_their_turn(tmp_path: Path) -> None:
    port = free_port()
    caps = {"cores": {"caps": 1, "caps_strategy": "*queue"}}
    with engine(tmp_path, port, more=caps), closing(Connection(port)) as client:
        client.send(1, "CoreSv1.Sleep", SLEEP)
        client.send(2, "CoreSv1.Ping", {})
        client.send(3, "CoreSv1.Sleep", SLEEP)
        client.send(4, "APIerSv2.GetAccount", {"Account": "nobody"})
        found = [received(client) for _ in range(4)]
    assert found == [(1, "OK", None), (2, "Pong", None), (3, "OK", None), (4, None, "NOT_FOUND")]


def test_a_strategy_that_is_none_is_refused() -> None:
    with pytest.raises(config.ConfigError, match="caps_strategy"):
        config.read({"cores": {"caps": 1, "caps_strategy": "*random"}})


@pytest.mark.parametrize(
    ("level", "told"), [(7, "debug"), (6, "info"), (5, "info"), (4, "warning"), (3, "error"), (0, "error")]
)
def test_levels_of_syslog_are_those_of_the_log(level: int, told: str) -> None:
    assert config.log_level(config.read({"general": {"log_level": level}})) == told


def test_the_log_tells_what_the_configuration_asks_for(tmp_path: Path) -> None:
    for level in (7, 3):
        folder = tmp_path / str(level)
        folder.mkdir()
        with engine(folder, free_port(), more={"general": {"log_level": level}}) as process:
            lines = folder / "log"
            end_s = time.monotonic() + PATIENCE_S
            while level == 7 and "server.ready" not in lines.read_text():
                assert time.monotonic() < end_s
                time.sleep(0.01)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
            assert ("server.stopped" in lines.read_text()) is (level == 7)
