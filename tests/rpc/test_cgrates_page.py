"""docs/cgrates-methods.md is what the code says."""

from pathlib import Path

import pytest

from ocs.rpc.methods.cgrates import CGRATES, known
from ocs.rpc.methods.cgrates.page import page
from ocs.rpc.registry import Method, Role

PAGE = Path(__file__).parents[2] / "docs" / "cgrates-methods.md"
WRITES = ("Set", "Remove", "Rem", "Add", "Load", "Import", "Execute", "Reset")


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "run: python -m ocs.rpc.methods.cgrates.page > docs/cgrates-methods.md"
    )


def test_what_is_left_out_on_purpose_has_a_reason() -> None:
    for name in (
        "ReplicatorSv1.Ping",
        "DispatcherSv1.Ping",
        "CoreSv1.Panic",
        "APIerSv1.SetDispatcherProfile",
    ):
        assert name not in CGRATES
        assert known.reason(name) != "not offered yet"


@pytest.mark.parametrize("method", list(CGRATES), ids=lambda method: str(method.name))
def test_a_method_says_what_it_does(method: Method) -> None:
    assert method.summary.endswith(".")


def test_reading_methods_change_nothing_by_their_name() -> None:
    wrong = [
        method.name
        for method in CGRATES
        if method.name.startswith("APIer")
        and method.name.partition(".")[2].startswith(WRITES)
        and method.role is not Role.ADMINISTER
    ]
    assert wrong == []
