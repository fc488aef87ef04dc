"""The incumbent's configuration folder."""

from pathlib import Path

import pytest

from ocs.cgrates import config, jsonc


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    return tmp_path


def test_files_are_merged_in_the_order_of_their_names(tmp_path: Path) -> None:
    first = '{"general": {"node_id": "a", "rounding_decimals": 6}}'
    settings, _ = config.load(folder(tmp_path, a=first, b='{"general": {"node_id": "b"}}'))
    assert (settings.general.node_id, settings.general.rounding_decimals) == ("b", 6)


def test_comments_and_trailing_commas_are_passed_over(tmp_path: Path) -> None:
    text = '// begin\n{"listen": {"rpc_json": ":2099", /* of\nit */ "http": "//x",},}\n'
    settings, _ = config.load(folder(tmp_path, a=text))
    assert (settings.listen.rpc_json, settings.listen.http) == (":2099", "//x")


def test_variables_are_replaced_and_unknown_ones_stay(tmp_path: Path) -> None:
    text = '{"general": {"node_id": "$NODE", "default_tenant": "*env:TENANT", "logger": "$NONE"}}'
    settings, _ = config.load(folder(tmp_path, a=text), {"NODE": "n1", "TENANT": "t1"})
    general = settings.general
    assert (general.node_id, general.default_tenant, general.logger) == ("n1", "t1", "$NONE")


def test_a_fault_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"a\.json:2:\d+: "):
        config.load(folder(tmp_path, a='{\n"general": nonsense}'))


def test_durations_are_texts_or_numbers() -> None:
    settings = config.read({"sessions": {"debit_interval": "2s", "session_ttl": 50}})
    assert (settings.sessions.debit_interval, settings.sessions.session_ttl) == (2_000_000_000, 50)


def test_a_wrong_value_is_refused_with_its_key() -> None:
    with pytest.raises(config.ConfigError, match="debit_interval"):
        config.read({"sessions": {"debit_interval": "soon"}})


def test_keys_without_effect_are_told_once_with_what_that_means(tmp_path: Path) -> None:
    text = '{"stor_db": {"db_password": "x"}, "unknown": {}, "attributes": {"string_indexed_fields": []}}'
    _, unsupported = config.load(folder(tmp_path, a=text))
    assert [each.key for each in unsupported] == ["stor_db.db_password", "unknown"]
    assert "no other database" in unsupported[0].meaning


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"ees": {"enabled": true, "exporters": [], "cache": {}}, "ers": {"readers": []}}', ["ees.cache"]),
        ('{"schedulers": {"dynaprepaid_actionplans": ["AP"], "filters": []}}', []),
        ('{"schedulers": {"filters": ["*string:~*req.Account:1001"]}}', ["schedulers.filters"]),
        (
            '{"sessions": {"apiers_conns": ["*internal"], "replication_conns": ["x"]}}',
            ["sessions.replication_conns"],
        ),
        ('{"diameter_agent": {"enabled": false}, "dns_agent": {"enabled": true}}', ["dns_agent"]),
        ('{"ees": {"exporters": [{"id": "X", "flags": [], "blocker": true}]}}', ["ees.exporters[].blocker"]),
        (
            '{"ers": {"readers": [{"id": "X", "concurrent_requests": 1}]}}',
            ["ers.readers[].concurrent_requests"],
        ),
        ('{"schedulers": {"enabled": true, "dynaprepaid_actionplans": []}}', []),
        (
            '{"sessions": {"backup_interval": "1s", "store_session_costs": false}}',
            ["sessions.backup_interval"],
        ),
        ('{"trends": {"enabled": true, "scheduled_ids": {}}, "rankings": {"enabled": false}}', []),
        ('{"ees": []}', ["ees"]),
    ],
)
def test_keys_that_are_read_are_told_where_they_change_nothing(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    _, unsupported = config.load(folder(tmp_path, a=text))
    assert [each.key for each in unsupported] == told
    assert all(each.meaning for each in unsupported)


def test_limits_and_defaults_are_those_of_the_configuration() -> None:
    limits = {"max_computed_usage": {"*voice": "1h"}}
    settings = config.read({"rals": limits, "sessions": {"default_usage": {"*sms": 2}}})
    found = config.arithmetic(settings)
    assert (found.max_usage["*voice"], found.max_usage["*sms"]) == (3_600_000_000_000, 10_000)
    assert (found.default_usage["*sms"], found.default_usage["*data"]) == (2, 1_048_576)


def test_what_is_removed_leaves_the_places_of_the_rest() -> None:
    with pytest.raises(jsonc.JsoncError, match=r"^3:"):
        jsonc.loads('{ // one\n/* two\n*/ "a": x }', {})
