"""What administrative calls do to accounts beside their balances: removal, records of changes, look-ups."""

from typing import TYPE_CHECKING

from ocs.cgrates import plans
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Balance, all_balances
from ocs.sessions.model import Cdr

if TYPE_CHECKING:
    from ocs.cgrates.runtime import Runtime

CDRLOG = "*cdrlog"


def remove(state: State, account_id: str) -> None:
    """Removes an account, with its triggers, its places in action plans and in shared groups."""
    for name in plans.plans_of(state, account_id):
        plans.leave(state, name, account_id)
    for group, members in list(state.members.items()):
        if account_id in members:
            state.put(Kind.MEMBERS, group, tuple(name for name in members if name != account_id))
    state.delete(Kind.WATCH, account_id)
    state.delete(Kind.ACCOUNT, account_id)


def find(state: State, account_id: str, balance_id: str) -> tuple[str, Balance] | None:
    """(kind, balance) of an account's balance by its id."""
    account = state.accounts.get(account_id)
    if account is None:
        return None
    return next((pair for pair in all_balances(account) if pair[1].balance_id == balance_id), None)


def balance_nanos(state: State, account_id: str, balance_id: str) -> int:
    """What a balance holds, 0 where there is none."""
    found = find(state, account_id, balance_id)
    return 0 if found is None else found[1].value_nanos


def balance_kind(state: State, account_id: str, balance_id: str) -> str:
    """Kind of a balance, empty where there is none."""
    found = find(state, account_id, balance_id)
    return "" if found is None else found[0]


def log_cdr(runtime: "Runtime", account_id: str, kind: str, nanos: int, action: str) -> None:
    """Stores a change of a balance as a call detail record of source `*cdrlog`; its run is the action."""
    tenant, _, name = account_id.partition(":")
    now_ns = runtime.wall_ns()
    cgrid = runtime.new_id()
    record = Cdr(
        cgrid=cgrid,
        run_id=action,
        order_id=runtime.cdrs.next_order(),
        origin_host="127.0.0.1",
        source=CDRLOG,
        origin_id=cgrid,
        tor=kind,
        request_type="*none",
        tenant=tenant,
        category="",
        account=name,
        subject=name,
        setup=(now_ns, 0),
        answer=(now_ns, 0),
        usage=1,
        cost_nanos=nanos,
        cost_source=CDRLOG,
        created_ns=now_ns,
        updated_ns=now_ns,
    )
    runtime.state.put_cdr(record)
