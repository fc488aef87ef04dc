"""docs/api.md names every method and every parameter."""

from pathlib import Path

import pytest

from ocs.rpc.methods import REGISTRY
from ocs.rpc.registry import Method, Role

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", list(REGISTRY), ids=lambda method: str(method.name))
def test_method_and_its_parameters_are_described(method: Method) -> None:
    assert f"`{method.name}`" in DOCUMENT
    fields: tuple[str, ...] = method.params.__struct_fields__
    assert [field for field in fields if f"`{field}`" not in DOCUMENT] == []
    assert method.summary.endswith(".")


def test_what_changes_something_is_not_for_readers() -> None:
    operating = {
        "Create",
        "Topup",
        "Adjust",
        "Bar",
        "Unbar",
        "Disconnect",
        "Reauthorize",
        "Activate",
        "Rollback",
        "ActionRun",
        "Transfer",
        "Assign",
        "Unassign",
        "Reset",
        "SetBalance",
        "RemoveBalance",
        "Share",
        "Rerate",
        "Refund",
        "Reload",
    }
    for method in REGISTRY:
        changes = any(method.name.endswith(word) for word in operating)
        expected = (
            Role.CHARGE if method.name.endswith("Charge") else Role.ADMINISTER if changes else Role.READ
        )
        assert method.role is expected, method.name
