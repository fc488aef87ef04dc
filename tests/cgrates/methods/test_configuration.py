"""The configuration over the wire."""

import json
from pathlib import Path

import pytest

from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import CALL, TARIFF


def test_sections_show_defaults_and_what_files_say(api: Api) -> None:
    shown = api("ConfigSv1.GetConfig", Section="rals")
    assert list(shown) == ["rals"]
    assert (shown["rals"]["enabled"], shown["rals"]["max_increments"]) == (True, 1_000_000)
    assert api("ConfigSv1.GetConfig", Sections=["general"])["general"]["reply_timeout"] == "2s"
    assert {"listen", "sessions", "cdrs"} <= set(api("ConfigSv1.GetConfig"))
    assert json.loads(api("ConfigSv1.GetConfigAsJSON", Section="rals")) == shown
    assert api.error("ConfigSv1.GetConfig", Section="nonsense") == "SERVER_ERROR: Invalid section: <nonsense>"


def test_a_change_is_in_force_at_once(api: Api) -> None:
    api.engine.load(TARIFF)
    assert api("APIerSv1.GetCost", **CALL)["Cost"] == 0.7169
    assert api("ConfigSv1.SetConfig", Config={"general": {"rounding_decimals": 2}}) == "OK"
    assert api("APIerSv1.GetCost", **CALL)["Cost"] == 0.6
    assert api("ConfigSv1.GetConfig", Section="general")["general"]["rounding_decimals"] == 2
    assert api("ConfigSv1.GetConfig", Section="sessions")["sessions"]["enabled"] is True


@pytest.mark.parametrize(
    "config", [{"general": {"rounding_decimals": 99}}, {"rals": {"max_increments": "many"}}]
)
def test_a_wrong_change_is_refused_and_a_dry_one_not_kept(api: Api, config: dict[str, object]) -> None:
    assert api.error("ConfigSv1.SetConfig", Config=config).startswith("SERVER_ERROR: ")
    right = {"general": {"rounding_decimals": 2}}
    assert api("ConfigSv1.SetConfig", Config=right, DryRun=True) == "OK"
    assert api("ConfigSv1.GetConfig", Section="general")["general"]["rounding_decimals"] == 5


def test_a_change_may_be_text_with_comments(api: Api) -> None:
    text = '{"general": {"default_tenant": "acme.org",}, // a comment\n}'
    assert api("ConfigSv1.SetConfigFromJSON", Config=text) == "OK"
    api("APIerSv2.SetAccount", Account="1001")
    assert api.account()["ID"] == "acme.org:1001"
    assert api.error("ConfigSv1.SetConfigFromJSON", Config="{").startswith("SERVER_ERROR: ")


def test_sections_are_read_from_files_again(api: Api, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"general": {"rounding_decimals": 3}, "rals": {"fallback_depth": 7}}')
    assert api("ConfigSv1.ReloadConfig", Path=str(tmp_path), Section="rals") == "OK"
    assert api("ConfigSv1.GetConfig", Section="rals")["rals"]["fallback_depth"] == 7
    assert api("ConfigSv1.GetConfig", Section="general")["general"]["rounding_decimals"] == 5
    assert api("ConfigSv1.ReloadConfig", Path=str(tmp_path)) == "OK"
    assert api("ConfigSv1.GetConfig", Section="general")["general"]["rounding_decimals"] == 3
    assert "is not a folder" in api.error("ConfigSv1.ReloadConfig", Path=str(tmp_path / "none"))
