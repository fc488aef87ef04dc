"""The examples of docs/actions.md are files that can be used."""

import re
from pathlib import Path

from ocs.charging.accounts_file import read_accounts
from ocs.charging.tariff.yaml_reader import read_yaml

PAGE = (Path(__file__).parents[3] / "docs" / "actions.md").read_text(encoding="utf-8")
HEAD = "currency: EUR\nplans: {standard: {data: {free: true}}}\n"


def test_examples_are_read_without_a_problem() -> None:
    tariff_text, accounts_text, outside, records = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    tariff, problems = read_yaml(HEAD + tariff_text, "t.yaml")
    assert tariff is not None, problems
    told, problems = read_yaml(HEAD + outside, "o.yaml")
    assert told is not None, problems
    recorded, problems = read_yaml(HEAD + records, "r.yaml")
    assert recorded is not None, problems
    assert set(tariff.accounting.plans) == {"monthly"}
    templates, problems = read_accounts(accounts_text, "a.yaml")
    assert problems == []
    assert templates[0].trigger_groups == ("safety",)
