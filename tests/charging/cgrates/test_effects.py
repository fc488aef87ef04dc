"""Actions that reach outside are read, and what is not understood says so."""

from typing import Any

import pytest

from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions_model import Action, BalanceFilter
from ocs.charging.cgrates.effects import Effect, Reach, describe

ACCOUNT = Account("t:a")


def action(word: str, parameters: str = "", **columns: Any) -> Action:
    """An action."""
    return Action("SET", word, parameters, (), BalanceFilter(**columns), 0.0)


def test_addresses_and_ids_are_targets() -> None:
    post = action("*http_post_async", "http://127.0.0.1/low;x")
    assert describe(post, ACCOUNT) == Effect(Reach.HTTP, post, ("http://127.0.0.1/low;x",), is_async=True)
    export = action("*export", "one;two")
    assert describe(export, ACCOUNT) == Effect(Reach.EXPORT, export, ("one", "two"))


def test_a_record_of_a_set_tells_its_moves() -> None:
    log = action("*cdrlog", '{"Category":"fee"}')
    fee = action("*debit", balance_id="main", kind="*monetary", units_nanos=5 * 10**9)
    fields = describe(log, ACCOUNT, (fee, log)).fields
    assert (fields["Category"], fields["Account"], fields["Tenant"]) == ("fee", "a", "t")
    assert fields["Moves"] == [{"RunID": "*debit", "ToR": "*monetary", "BalanceID": "main", "Cost": 5.0}]


def test_a_remote_call_has_an_address_and_a_method() -> None:
    call = action("*cgr_rpc", '{"Address":"127.0.0.1:2012","Method":"APIerSv1.Ping","Async":true}')
    effect = describe(call, ACCOUNT)
    assert (effect.targets, effect.is_async) == (("127.0.0.1:2012",), True)
    assert effect.fields["Transport"] == "*json"


def test_parts_of_a_template_are_fields() -> None:
    alter = action("*alter_sessions", "127.0.0.1:2012;t;*string:~*req.Account:a;1")
    assert describe(alter, ACCOUNT).fields == {
        "Address": "127.0.0.1:2012",
        "Tenant": "t",
        "Filters": "*string:~*req.Account:a",
        "Limit": "1",
        "APIOpts": "",
        "Event": "",
    }
    threshold = describe(action("*dynamic_threshold", "t;TH;*string:~*req.Account:a"), ACCOUNT)
    assert (threshold.reach, threshold.targets, threshold.fields["1"]) == (
        Reach.PROFILE,
        ("threshold",),
        "TH",
    )


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("*http_post", "", "no address"),
        ("*cgr_rpc", "{", "not JSON"),
        ("*cgr_rpc", "[]", "not an object"),
        ("*cgr_rpc", "{}", "Address and Method"),
        ("*alter_sessions", "", "takes Address"),
        ("*dynamic_filter", "x", "columns of a profile"),
        ("*made_up", "", "unknown action"),
    ],
)
def test_what_is_not_understood_says_so(kind: str, parameters: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        describe(action(kind, parameters), ACCOUNT)
