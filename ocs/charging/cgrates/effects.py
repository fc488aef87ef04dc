"""Actions that reach outside the account, read: what the runtime is to write, post, mail, call, reset or set.

`describe` reads the ExtraParameters of one action of `Changed.effects`; carrying it out is up to the runtime. All
of it is data: the text of a template with its `~*req.` parts is handed on as it stands.
"""

import json
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any

import msgspec

from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions_model import Action
from ocs.charging.cgrates.grid import to_double

MOST_FIELDS = 64  # of one ExtraParameters


class Reach(Enum):
    """Where an effect goes."""

    LOG = auto()
    CDR = auto()
    HTTP = auto()
    MAIL = auto()
    EXPORT = auto()
    RPC = auto()
    ALTER_SESSIONS = auto()
    DISCONNECT_SESSIONS = auto()
    THRESHOLD = auto()  # reset
    STAT_QUEUE = auto()  # reset
    SESSION_COSTS = auto()  # remove
    ACCOUNT_CDRS = auto()  # reset
    PUBLISH = auto()  # the account, to thresholds and statistics
    REMOTE_ACCOUNT = auto()
    DESTINATION = auto()  # set from what a statistic has seen
    PROFILE = auto()  # set from a template


class Effect(msgspec.Struct, frozen=True):
    """One thing to do: `targets` are addresses or ids, `fields` parts of a template or members of a record."""

    reach: Reach
    action: Action
    targets: tuple[str, ...] = ()
    fields: Mapping[str, Any] = {}
    is_async: bool = False


_SIMPLE: Mapping[str, tuple[Reach, bool]] = {  # ExtraParameters: `a;b` names targets
    "*http_post": (Reach.HTTP, False),
    "*http_post_async": (Reach.HTTP, True),
    "*post_event": (Reach.HTTP, False),
    "*mail_async": (Reach.MAIL, True),
    "*export": (Reach.EXPORT, False),
    "*reset_threshold": (Reach.THRESHOLD, False),
    "*reset_stat_queue": (Reach.STAT_QUEUE, False),
    "*remove_session_costs": (Reach.SESSION_COSTS, False),
    "*reset_account_cdr": (Reach.ACCOUNT_CDRS, False),
    "*publish_account": (Reach.PUBLISH, False),
    "*remote_set_account": (Reach.REMOTE_ACCOUNT, False),
    "*set_ddestinations": (Reach.DESTINATION, False),
    "*log": (Reach.LOG, False),
}
_SESSIONS = {"*alter_sessions": Reach.ALTER_SESSIONS, "*force_disconnect_sessions": Reach.DISCONNECT_SESSIONS}
_SESSION_FIELDS = ("Address", "Tenant", "Filters", "Limit", "APIOpts", "Event")
_MONEY_MOVES = frozenset(
    (
        "*topup",
        "*topup_reset",
        "*debit",
        "*debit_reset",
        "*set_balance",
        "*topup_zero_negative",
        "*transfer_balance",
    )
)
_DYNAMIC = "*dynamic_"
_ONE_TARGET = frozenset(("*http_post", "*http_post_async", "*post_event", "*remote_set_account"))


def describe(action: Action, account: Account, others: Iterable[Action] = ()) -> Effect:
    """What an action asks for; `others` are the actions of its set. Raises ValueError where that is not understood.

    A `*cdrlog` becomes one record with fields and a list of the set's moves in `Moves`.
    """
    kind, parameters = action.kind, action.parameters
    if kind in _SIMPLE:
        reach, is_async = _SIMPLE[kind]
        targets = (parameters,) if kind in _ONE_TARGET else tuple(filter(None, parameters.split(";")))
        if kind in _ONE_TARGET and not parameters:
            raise ValueError(f"{kind} has no address")
        return Effect(reach, action, targets, is_async=is_async)
    if kind == "*cdrlog":
        return Effect(Reach.CDR, action, fields=_cdr(action, account, others))
    if kind == "*cgr_rpc":
        return _rpc(action)
    if kind in _SESSIONS:
        return Effect(_SESSIONS[kind], action, fields=_parts(action, _SESSION_FIELDS))
    if kind.startswith(_DYNAMIC):
        return _profile(action)
    raise ValueError(f"unknown action {kind!r}")


def _cdr(action: Action, account: Account, others: Iterable[Action]) -> dict[str, Any]:
    """Fields of the records to write, one per move of money or units in the set; a template overrides them."""
    tenant, _, name = account.account_id.partition(":")
    fields: dict[str, Any] = {
        "Source": "*cdrlog",
        "OriginHost": "127.0.0.1",
        "RequestType": "*none",
        "Tenant": tenant,
        "Account": name,
        "Subject": name,
        "Usage": 1,
    }
    if action.parameters:
        fields |= _json(action)
    fields["Moves"] = [
        {
            "RunID": move.kind,
            "ToR": move.balance.kind or "",
            "BalanceID": move.balance.balance_id or "",
            "Cost": to_double(move.balance.units_nanos or 0),
        }
        for move in others
        if move.kind in _MONEY_MOVES
    ]
    return fields


def _rpc(action: Action) -> Effect:
    told = _json(action)
    address, method = told.get("Address"), told.get("Method")
    if not isinstance(address, str) or not isinstance(method, str) or not address or not method:
        raise ValueError("*cgr_rpc needs Address and Method")
    fields = {"Transport": "*json", "Attempts": 1, "Params": {}, **told}
    return Effect(Reach.RPC, action, (address,), fields, bool(told.get("Async")))


def _profile(action: Action) -> Effect:
    """`*dynamic_threshold` and its like: the columns of the profile's file, `&` between the members of a list."""
    parts = action.parameters.split(";")
    if len(parts) < 2 or len(parts) > MOST_FIELDS:
        raise ValueError(f"{action.kind} needs the columns of a profile, not {action.parameters!r}")
    columns = {str(at): part for at, part in enumerate(parts)}
    return Effect(Reach.PROFILE, action, (action.kind.removeprefix(_DYNAMIC),), columns)


def _parts(action: Action, names: tuple[str, ...]) -> dict[str, Any]:
    parts = action.parameters.split(";")
    if len(parts) > len(names) or not parts[0]:
        raise ValueError(f"{action.kind} takes {';'.join(names)}, not {action.parameters!r}")
    return dict(zip(names, [*parts, *[""] * (len(names) - len(parts))], strict=True))


def _json(action: Action) -> dict[str, Any]:
    try:
        told = json.loads(action.parameters)
    except ValueError as error:
        raise ValueError(f"ExtraParameters of {action.kind} are not JSON: {error}") from None
    if not isinstance(told, dict):
        raise ValueError(f"ExtraParameters of {action.kind} are not an object")
    return told
