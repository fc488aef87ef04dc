"""The examples of docs/profiles.md as they stand: its CSV blocks are a folder, its requests are sent, in order."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from tests.cgrates.engine import Engine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "profiles.md"
CONNECTED = {
    "stats": {"enabled": True, "thresholds_conns": ["*internal"]},
    "resources": {"enabled": True, "thresholds_conns": ["*internal"]},
    "trends": {"enabled": True, "stats_conns": ["*internal"]},
}
_BLOCK = re.compile(r"^```(csv|json)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> tuple[dict[str, str], list[tuple[dict[str, Any], dict[str, Any]]]]:
    """The files of the page, and its requests with their answers."""
    files: dict[str, str] = {}
    said = []
    for kind, name, content in _BLOCK.findall(PAGE.read_text("utf-8")):
        if kind == "csv":
            files[name] = files.get(name, "") + content
        else:
            said.append(json.loads(content))
    return files, list(zip(said[::2], said[1::2], strict=True))


def shown(answer: Any, expected: Any) -> Any:
    """The members of an answer that the page shows, where its last object leaves some out."""
    if isinstance(answer, dict) and isinstance(expected, dict):
        return {name: shown(answer.get(name), value) for name, value in expected.items()}
    return answer


async def _conversation() -> list[tuple[int, Any, Any]]:
    files, requests = blocks()
    engine = Engine(CONNECTED)
    engine.load(files)
    return [
        (request["id"], shown(await engine.call(request["method"], request["params"][0]), answer), answer)
        for request, answer in requests
    ]


def test_every_example_of_the_page_is_true() -> None:
    told = asyncio.run(_conversation())
    assert len(told) == 13
    for number, answer, expected in told:
        assert answer == {**expected, "id": number}, f"request {number}"
