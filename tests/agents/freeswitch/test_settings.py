"""The section `freeswitch` of ocs.yaml."""

from pathlib import Path

import pytest

from ocs import config
from ocs.config.settings import MINUTE, SECOND, FreeswitchSettings

IDENTITY = "identity: {origin_host: a.b, origin_realm: b}\n"


def check(tmp_path: Path, section: str) -> list[str]:
    path = tmp_path / "ocs.yaml"
    path.write_text(f"{IDENTITY}freeswitch:\n{section}", encoding="utf-8")
    return [f"{problem.path}: {problem.message} {problem.source}" for problem in config.check(path)]


def test_the_agent_is_off_by_default() -> None:
    assert FreeswitchSettings().switches == ()


def test_a_section_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    path = tmp_path / "ocs.yaml"
    path.write_text(
        f"{IDENTITY}freeswitch:\n  switches:\n"
        "    - {host: fs1.example.org, password_file: secret}\n"
        "    - {host: 10.0.0.6, port: 8022, name: fs2, password: ClueCon}\n"
        "  empty_balance_context: empty\n  treatment: 1m\n  debit_interval: 5s\n"
        "  extra_fields: [variable_sip_call_id]\n",
        encoding="utf-8",
    )
    read = config.load(path).freeswitch
    assert [(each.host, each.port, each.name) for each in read.switches] == [
        ("fs1.example.org", 8021, None),
        ("10.0.0.6", 8022, "fs2"),
    ]
    assert read.switches[0].password_file == str(tmp_path / "secret")
    assert (read.empty_balance_context, read.treatment_ns) == ("empty", MINUTE)
    assert read.debit_interval_ns == 5 * SECOND


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "  switches: [{host: a}]\n",
            "freeswitch.switches[0]: needs password or password_file, and not both",
        ),
        ("  switches: [{port: 1, password: x}]\n", "freeswitch.switches[0].host: missing"),
        (
            "  switches: [{host: a, password: x}, {host: a, password: y}]\n",
            "freeswitch.switches[1].host: repeats",
        ),
        (
            "  switches: [{host: a, name: 'x|y', password: x}]\n",
            'freeswitch.switches[0].name: must not have a "|"',
        ),
        (
            '  switches: [{host: a, password: "x\\ny"}]\n',
            "freeswitch.switches[0].password: must not have line ends",
        ),
        ("  empty_balance_context: a b\n", "freeswitch.empty_balance_context"),
        ("  transfer_extension: -both\n", "freeswitch.transfer_extension"),
        ("  low_balance_announcement: ${x}\n", "freeswitch.low_balance_announcement"),
        ('  event_filters: ["a\\nb"]\n', "freeswitch.event_filters[0]: must be one line"),
        ("  reconnect: 50s\n", "freeswitch.reconnect: is more than reconnect_maximum"),
        ("  event_format: xml\n", "freeswitch.event_format"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, section: str, problem: str) -> None:
    found = check(tmp_path, section)
    assert any(line.startswith(problem) for line in found), found


@pytest.mark.parametrize(
    "switch",
    [
        "{host: a, password: geheim12, nam: x}",
        "{host: 1.5, password: 'geheim12'}",
        "{host: a, password: 987654321}",
    ],
)
def test_a_problem_never_shows_the_password(tmp_path: Path, switch: str) -> None:
    found = check(tmp_path, f"  switches: [{switch}]\n")
    assert found != []
    assert not any("geheim12" in line or "987654321" in line for line in found)


def test_the_example_is_one() -> None:
    example = Path(__file__).resolve().parents[3] / "docs" / "examples" / "freeswitch" / "ocs.yaml"
    assert config.check(example) == []
    assert [switch.name for switch in config.load(example).freeswitch.switches] == ["fs1"]
