"""What docs/operations.md offers fits the server: metrics by their names, what systemd is told by its form."""

import asyncio
import json
import re
import socket
from pathlib import Path

import pytest
import structlog
import yaml

from ocs.charging.events import EventKind, Result
from ocs.metrics import Metrics
from ocs.service_manager import ServiceManager
from tests.support.waiting import PATIENCE_S

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples" / "operations"
NAME = re.compile(r"\bocs_\w+")


def measured() -> set[str]:
    """Every name on the page, with one request counted so that no family is empty."""
    metrics = Metrics()
    metrics.request_answered(EventKind.INITIAL, Result.SUCCESS, 1)
    metrics.message_refused(5004)
    metrics.exports = lambda: {"billing": {"sent": 1, "failed": 0}}
    return set(re.findall(r"^(\w+)", metrics.render().decode(), re.MULTILINE))


def expressions(value: object) -> list[str]:
    """The `expr` of rules and panels, and the queries of variables."""
    if isinstance(value, dict):
        own = [text for name, text in value.items() if name in ("expr", "query") and isinstance(text, str)]
        return own + [text for item in value.values() for text in expressions(item)]
    if isinstance(value, list):
        return [text for item in value for text in expressions(item)]
    return []


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_what_is_watched_is_measured(file: str) -> None:
    content = yaml.safe_load((EXAMPLES / file).read_text(encoding="utf-8"))
    named = {name for text in expressions(content) for name in NAME.findall(text)}
    assert named
    assert named <= measured()


def test_every_alert_says_how_bad_it_is_and_what_it_means() -> None:
    [group] = yaml.safe_load((EXAMPLES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((EXAMPLES / "grafana.json").read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_systemd_is_told_what_happens(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(PATIENCE_S)
        manager = ServiceManager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000"})
        manager.ready()
        manager.reloading()
        manager.stopping()
        told = [systemd.recv(200).decode() for _ in range(3)]
        assert told[0] == "READY=1"
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", told[1])
        assert told[2] == "STOPPING=1"

        async def alive() -> list[bytes]:
            running = asyncio.create_task(manager.run())
            said = [await asyncio.to_thread(systemd.recv, 200) for _ in range(3)]
            running.cancel()
            return said

        assert asyncio.run(alive()) == [b"WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "20000"}, {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "x"}]
)
def test_without_systemd_nothing_is_told(environment: dict[str, str]) -> None:
    with structlog.testing.capture_logs() as lines:
        manager = ServiceManager(environment)
        manager.ready()
        asyncio.run(manager.run())
    assert lines == []


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}).watchdog_s == 0


def test_a_lost_socket_stops_nobody(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert [line["event"] for line in lines] == ["service_manager.unreachable"]
