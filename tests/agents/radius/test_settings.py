"""The section `radius` of the configuration file."""

from pathlib import Path

import pytest

from ocs import config
from ocs.cli.main import main
from ocs.config.settings import Endpoint, RadiusClient, RadiusListener, RadiusSettings

IDENTITY = "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"


def written(folder: Path, section: str) -> Path:
    path = folder / "ocs.yaml"
    path.write_text(f"{IDENTITY}radius: {section}\n")
    return path


def test_it_is_off_by_default(tmp_path: Path) -> None:
    path = tmp_path / "ocs.yaml"
    path.write_text(IDENTITY)
    assert config.load(path).radius == RadiusSettings()
    assert RadiusSettings().clients == ()
    default = RadiusListener(Endpoint("127.0.0.1", 1812), Endpoint("127.0.0.1", 1813))
    assert RadiusSettings().listen == (default,)


def test_clients_and_listeners_are_read(tmp_path: Path) -> None:
    (tmp_path / "ap.secret").write_text("s3cret\n")
    section = """
  listen: [{authentication: "10.0.0.1:1812", accounting: none}]
  clients:
    - {address: 10.0.0.0/24, name: aps, secret_file: ap.secret, volume_limits: [mikrotik], interim_interval: 10m}
    - {address: "2001:db8::5", name: sip, secret: geheim, profile: kamailio}
"""
    read = config.load(written(tmp_path, section)).radius
    assert read.listen == (RadiusListener(Endpoint("10.0.0.1", 1812), None),)
    aps, sip = read.clients
    assert (aps.address, aps.secret_file, aps.volume_limits) == (
        "10.0.0.0/24",
        str(tmp_path / "ap.secret"),
        ("mikrotik",),
    )
    assert sip == RadiusClient("2001:db8::5/128", "sip", "geheim", profile="kamailio")
    assert "geheim" not in repr(read)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{clients: [{address: 10.0.0.1, secret: a}]}", "radius.clients[0].name: missing"),
        ("{clients: [{address: 10.0.0.1, name: a}]}", "radius.clients[0]: needs secret or secret_file"),
        (
            "{clients: [{address: 10.0.0.1, name: a, secret: x, secret_file: ocs.yaml}]}",
            "radius.clients[0]: needs secret or secret_file, and not both",
        ),
        (
            "{clients: [{address: 10.0.0.1, name: a, secret_file: nowhere}]}",
            "radius.clients[0].secret_file: there is no file",
        ),
        ("{clients: [{address: 10.0.0.1/24, name: a, secret: x}]}", "host bits are set"),
        (
            "{clients: [{address: 10.0.0.1, name: a, secret: x}, {address: 10.0.0.1, name: b, secret: x}]}",
            "radius.clients[1].address: repeats",
        ),
        (
            "{clients: [{address: 10.0.0.1, name: a, secret: x}, {address: 10.0.0.2, name: a, secret: x}]}",
            "radius.clients[1].name: repeats",
        ),
        (
            "{clients: [{address: 10.0.0.1, name: a/b, secret: x}]}",
            "radius.clients[0].name: must be one word",
        ),
        ("{clients: [{address: 10.0.0.1, name: a, secret: x}], listen: []}", "radius.listen: is empty"),
        (
            '{listen: [{authentication: "127.0.0.1:1812", accounting: "127.0.0.1:1812"}]}',
            "radius.listen[0].accounting: repeats radius.listen[0].authentication",
        ),
        (
            "{clients: [{address: 10.0.0.1, name: a, secret: x, profile: wifi}]}",
            '"wifi" is none of network, voice, kamailio, cisco',
        ),
        (
            "{clients: [{address: 10.0.0.1, name: a, secret: x, disconnect: false, disconnect_address: 10.0.0.2}]}",
            "radius.clients[0].disconnect_address: is used with disconnect: true only",
        ),
        ("{reject_delay: 1}", 'radius.reject_delay: "1" has no unit'),
    ],
)
def test_problems_are_told_with_their_place(tmp_path: Path, section: str, problem: str) -> None:
    found = config.check(written(tmp_path, section))
    assert any(problem in str(each) for each in found), [str(each) for each in found]


def test_a_secret_is_not_shown_with_a_problem(tmp_path: Path) -> None:
    section = "{clients: [{address: 10.0.0.1, secret: geheim, nam: a}]}"
    text = "\n".join(each.with_source() for each in config.check(written(tmp_path, section)))
    assert "unknown key" in text
    assert "geheim" not in text


def test_a_mistake_in_a_dictionary_is_told_by_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").write_text("# mine\nATTRIBUTE Own 224 strin\n")
    section = "{clients: [{address: 10.0.0.1, name: a, secret: x}], dictionaries: [own]}"
    path = written(tmp_path, section)
    assert main(["check", "--config", str(path)]) == 2
    assert (
        f'{tmp_path / "own"}:2:19: radius.dictionaries: there is no type "strin"' in capsys.readouterr().err
    )
    (tmp_path / "own").write_text("ATTRIBUTE Own 224 string\n")
    assert main(["check", "--config", str(path)]) == 0
