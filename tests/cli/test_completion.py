"""Completion scripts, tried in the shells that are there."""

import shutil
import subprocess

import pytest

from ocs.cli.main import HANDLERS, main
from tests.support.waiting import PATIENCE_S

Capture = pytest.CaptureFixture[str]


def script(shell: str, capsys: Capture) -> str:
    """What the command prints."""
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sess"], {"session"}),
        (["session", "k"], {"kill"}),
        (["session", "kill", "--f"], {"--force"}),
        (["session", "--nothing", "kill", "--cl"], {"--client"}),
        (["cdr", "export", "--o"], {"--output"}),
        (["completion", "z"], {"zsh"}),
        (["account", "show", "ls", "--js"], {"--json"}),
        (["no", "such"], set()),
    ],
)
def test_bash_completes_commands_and_options(capsys: Capture, words: list[str], expected: set[str]) -> None:
    quoted = " ".join(f"'{word}'" for word in ["ocs", *words])
    tried = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _ocs; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "-c", f"{script('bash', capsys)}\n{tried}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_script_is_one_of_its_shell(capsys: Capture, shell: str) -> None:
    text = script(shell, capsys)
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n", "/dev/stdin"], input=text, text=True, check=True, timeout=PATIENCE_S)
    assert "ocs" in text.splitlines()[0]


def test_every_command_is_completed(capsys: Capture) -> None:
    bash, fish = script("bash", capsys), script("fish", capsys)
    for name in HANDLERS:
        assert f'path="{name}"' in bash, name
        assert f"-a '{name.split()[-1]}'" in fish, name
