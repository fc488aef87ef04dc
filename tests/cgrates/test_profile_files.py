"""Profiles of a folder: YAML beside CSV, and every bad cell told with its place."""

import asyncio
from pathlib import Path

import pytest

from ocs.cgrates import tariff
from ocs.cgrates.state import State
from tests.cgrates.engine import Engine

YAML = """
filters: {VIP: ["*string:~*req.Account:1001"]}
attributes:
  - id: PASSWORDS
    contexts: ["*sessions"]
    filter_ids: [VIP]
    attributes: [{path: "*req.Password", type: "*constant", value: s3cret}]
resources:
  - {id: CHANNELS, filter_ids: [VIP], usage_ttl: 1h, limit: 2, allocation_message: ok}
"""


async def _answers(folder: Path) -> list[object]:
    engine = Engine()
    assert await engine.result("APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(folder)}) == "OK"
    event = {"Event": {"Account": "1001"}, "APIOpts": {"*context": "*sessions", "*rsUsageID": "u"}}
    rewritten = await engine.result("AttributeSv1.ProcessEvent", event)
    profile = await engine.result("APIerSv1.GetResourceProfile", {"ID": "CHANNELS"})
    return [
        rewritten["Event"]["Password"],
        await engine.result("ResourceSv1.AllocateResources", event),
        (profile["UsageTTL"], profile["Limit"], profile["FilterIDs"]),
    ]


def test_a_folder_may_have_its_profiles_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "profiles.yaml").write_text(YAML)
    assert asyncio.run(_answers(tmp_path)) == ["s3cret", "ok", (3600 * 10**9, 2, ["VIP"])]


def test_what_is_wrong_in_yaml_keeps_the_folder_out() -> None:
    with pytest.raises(
        tariff.TariffError, match=r"p/profiles.yaml:2:11: resources\[0\].limit: is not a number"
    ):
        tariff.load(State(), [("p/profiles.yaml", "resources:\n- {limit: many, id: R}\n")])


def test_a_bad_cell_is_told_once_with_its_column_and_the_others_are_used() -> None:
    state = State()
    files = {
        "Resources.csv": "cgrates.org,BAD,,,1x,2,,false,false,10,\ncgrates.org,GOOD,,,1h,2,,false,false,10,\n",
        "Chargers.csv": "cgrates.org,LOST,NO_SUCH,,*default,*none,0\n",
    }
    found = tariff.load(state, list(files.items()))
    assert [str(problem) for problem in found.problems] == [
        "Resources.csv:1:5: UsageTTL: not a duration: '1x'",
        "Chargers.csv:1:3: FilterIDs: broken reference to filter: NO_SUCH",
    ]
    assert state.book.resources.ids("cgrates.org") == ["GOOD"]
