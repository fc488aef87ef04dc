"""Which role each method needs, by its name: whoever only looks or charges changes nothing else."""

import re

import pytest

from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.exact_accounts import ExactAccounts
from ocs.rpc.methods.ocs_v1 import all as ocs_v1
from ocs.rpc.registry import Method, Registry

LOOKS = re.compile(
    r"(Get|Has|Count)[A-Z]\w*|Explain(Routes)?|PrecacheStatus|ServiceStatus|TimingIsActiveAt|Ping|Sleep|Status|Rate"
    r"|(Peer|Account|Action|Session|Cdr|Tariff)List|(Account|Session)Show|Account(History|Verify|Actions)"
)
# What a switch or a gateway does for its calls; whatever else changes something is for operators.
CHARGES = re.compile(
    r"(Authorize|Allocate|Release|Initiate|Update|Terminate|Process|Debit|STIR)\w*"
    r"|MaxDebit|StoreSessionCost|SyncSessions|BackupActiveSessions|RegisterInternalBiJSONConn"
    r"|Get(MaxSessionTime|MaxUsage|Cost)|Charge"
)
BY_OPERATORS = ("APIerSv1.DebitBalance", "APIerSv2.DebitBalance")  # money, not usage


class _Nobody:
    async def key_of(self, tenant: str, name: str) -> str:
        return ""


def methods() -> dict[str, Method]:
    """Every method of both servers."""
    own = Registry()
    ocs_v1.register(own)
    ExactAccounts(_Nobody(), "").register(own)
    return {method.name: method for method in (*CGRATES, *own)}


METHODS = methods()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_that_changes_something_is_for_operators_or_charging_clients(name: str) -> None:
    role, verb = METHODS[name].role, name.partition(".")[2]
    if role is Role.READ:
        assert LOOKS.fullmatch(verb)
    elif role is Role.CHARGE:
        assert CHARGES.fullmatch(verb)
        assert name not in BY_OPERATORS
