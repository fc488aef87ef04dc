"""The check of who imports whom finds what is forbidden, and nothing that is allowed."""

import pytest

from tests.test_layering import violations


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ocs.charging.rating", "import time"),
        ("ocs.charging.rating", "def f():\n    from os import path"),
        ("ocs.charging.rating", "import datetime\nx = datetime.datetime.now()"),
        ("ocs.charging.engine", "from ocs.charging.store import sqlite"),
        ("ocs.charging.store.sqlite", "from ocs.charging import rating"),
        ("ocs.charging.service", "from ocs.charging.store.sqlite import Store"),
        ("ocs.diameter.message", "from ocs.charging import events"),
        ("ocs.diameter.message", "from ..charging import events"),
        ("ocs.agents.diameter.transport", "from ocs.charging.ledger import apply"),
        ("ocs.agents.radius.transport", "from ocs.agents.diameter import mapping"),
        ("ocs.rpc.server", "import ocs.agents.diameter"),
        ("ocs.log", "from ocs import app"),
        ("ocs.newcomer", ""),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert violations(source, module) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ocs.charging.engine", "from ocs.charging.rating import cost"),
        ("ocs.charging.service", "import asyncio\nfrom ocs.charging.engine import decide"),
        (
            "ocs.agents.diameter.transport",
            "from ocs.diameter import message\nfrom ocs.charging.service import Door",
        ),
        ("ocs.app", "from ocs.charging.store.sqlite import Store"),
        ("ocs.cli.server", "from ocs import __version__"),
    ],
)
def test_an_allowed_import_is_not_found(module: str, source: str) -> None:
    assert violations(source, module) == []
