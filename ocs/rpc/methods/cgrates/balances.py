"""`APIerSv1`: balances of an account are topped up, debited, set, removed and moved."""

from ocs.cgrates import ledgers
from ocs.cgrates.objects.balances import balance_filter
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates import actions
from ocs.charging.cgrates.actions import Changed
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.table import OK, Table, account_id_of, tenant_of
from ocs.rpc.registry import Role

TABLE = Table()


@TABLE.method("APIerSv1.AddBalance", role=Role.ADMINISTER, also_v2=True)
def add_balance(runtime: Runtime, given: Given) -> str:
    """Tops up the balances that match, or a new one."""
    return _add(runtime, given, 1)


@TABLE.method("APIerSv1.DebitBalance", role=Role.ADMINISTER, also_v2=True)
def debit_balance(runtime: Runtime, given: Given) -> str:
    """Debits the balances that match, or a new one, which then is below zero."""
    return _add(runtime, given, -1)


def _add(runtime: Runtime, given: Given, sign: int) -> str:
    given.require("Account", "BalanceType")
    key = account_id_of(runtime, given)
    kind, inner = given.text("BalanceType"), given.inner("Balance")
    nanos = sign * abs(given.nanos("Value") or inner.nanos("Value"))
    changed = actions.add_balance(
        runtime.account(key),
        kind,
        balance_filter(inner, kind),
        nanos,
        runtime.moment(),
        overwrites=given.flag("Overwrite"),
    )
    return _kept(runtime, changed, key, given, kind, nanos, "*topup" if sign > 0 else "*debit")


@TABLE.method("APIerSv1.SetBalance", role=Role.ADMINISTER, also_v2=True)
def set_balance(runtime: Runtime, given: Given) -> str:
    """Sets a balance by its ID or UUID, and makes account and balance where they are missing."""
    given.require("Account", "BalanceType")
    key = account_id_of(runtime, given)
    changed, kind, nanos = _set(runtime, key, given)
    return _kept(runtime, changed, key, given, kind, nanos, "*set_balance")


def _set(
    runtime: Runtime, key: str, given: Given, earlier: Changed | None = None
) -> tuple[Changed, str, int]:
    given.require("BalanceType")
    kind, inner = given.text("BalanceType"), given.inner("Balance")
    nanos = given.nanos("Value") or inner.nanos("Value")
    account = earlier.accounts.get(key) if earlier is not None else None
    changed = actions.set_balance(
        account or runtime.account(key), kind, balance_filter(inner, kind), nanos, runtime.moment()
    )
    return changed, kind, nanos


@TABLE.method("APIerSv1.SetBalances", role=Role.ADMINISTER, also_v2=True)
def set_balances(runtime: Runtime, given: Given) -> str:
    """Sets several balances of an account, all or none."""
    given.require("Account", "Balances")
    key = account_id_of(runtime, given)
    changed = Changed()
    joined: tuple[tuple[str, str], ...] = ()
    done = []
    for row in given.rows("Balances"):
        changed, kind, nanos = _set(runtime, key, row, changed)
        if changed.error:
            raise RpcError(changed.error)
        joined += changed.joined
        done.append((row, kind, nanos))
    error = runtime.keep(Changed(changed.accounts, joined))
    if error:
        raise RpcError(error)
    for row, kind, nanos in done:
        if row.flag("Cdrlog") or given.flag("Cdrlog"):
            ledgers.log_cdr(runtime, key, kind, nanos, "*set_balance")
    return OK


@TABLE.method("APIerSv1.RemoveBalances", role=Role.ADMINISTER, also_v2=True)
def remove_balances(runtime: Runtime, given: Given) -> str:
    """Removes every balance that matches; PARTIALLY_EXECUTED where none does."""
    given.require("Account", "BalanceType")
    key = account_id_of(runtime, given)
    if key not in runtime.state.accounts:
        raise not_found()
    kind = given.text("BalanceType")
    wanted = balance_filter(given.inner("Balance"), kind)
    changed = actions.remove_balances(runtime.account(key), kind, wanted, runtime.moment())
    return _kept(runtime, changed, key, given, kind, 0, "*remove_balance")


@TABLE.method("APIerSv1.TransferBalance", role=Role.ADMINISTER, also_v2=True)
def transfer_balance(runtime: Runtime, given: Given) -> str:
    """Moves units from one balance to another, of the same or another account."""
    given.require(
        "SourceAccountID", "SourceBalanceID", "DestinationAccountID", "DestinationBalanceID", "Units"
    )
    tenant = tenant_of(runtime, given)
    source = f"{tenant}:{given.text('SourceAccountID')}", given.text("SourceBalanceID")
    target = f"{tenant}:{given.text('DestinationAccountID')}", given.text("DestinationBalanceID")
    nanos = given.nanos("Units")
    if "DestinationReferenceValue" in given:
        held = ledgers.balance_nanos(runtime.state, *target)
        nanos = max(0, given.nanos("DestinationReferenceValue") - held)
    if nanos < 0:
        raise server_error(actions.PARTIALLY_EXECUTED)
    changed = actions.transfer_balance(runtime.state.accounts, source, target, nanos, runtime.moment())
    error = runtime.keep(changed)
    if error:
        raise server_error(error)
    if given.flag("Cdrlog"):
        ledgers.log_cdr(
            runtime, source[0], ledgers.balance_kind(runtime.state, *source), -nanos, "*transfer_balance"
        )
    return ""


def _kept(
    runtime: Runtime, changed: Changed, key: str, given: Given, kind: str, nanos: int, action: str
) -> str:
    error = runtime.keep(changed)
    if error:
        raise RpcError(error)
    if given.flag("Cdrlog"):
        ledgers.log_cdr(runtime, key, kind, nanos, action)
    return OK
