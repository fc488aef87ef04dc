"""Records that sets of actions make of what they did to balances, as the session API shows them."""

import hashlib
from collections.abc import Callable

import msgspec

from ocs.charging.actions.model import Do, Move, Notice
from ocs.charging.actions.record_members import usage_of
from ocs.charging.events import Unit
from ocs.charging.money import NANOS, parse_nanos
from ocs.exact.accounting import DEFAULT_TENANT
from ocs.sessions.cdrs import BOOKED
from ocs.sessions.model import Cdr

RUNS = {Do.TOP_UP: "*topup", Do.DEBIT: "*debit", Do.SET: "*set_balance", Do.TRANSFER: "*transfer_balance"}
TORS = {
    Unit.MONEY: "*monetary",
    Unit.TIME: "*voice",
    Unit.OCTETS: "*data",
    Unit.EVENTS: "*sms",
    Unit.GENERIC: "*generic",
}
DECIMAL = (Unit.MONEY, Unit.GENERIC)
MEMBERS = {
    "Source": "source",
    "OriginHost": "origin_host",
    "OriginID": "origin_id",
    "ToR": "tor",
    "RequestType": "request_type",
    "Tenant": "tenant",
    "Category": "category",
    "Account": "account",
    "Subject": "subject",
    "Destination": "destination",
}


def cdrs_of(notice: Notice, tenant: str, next_order: Callable[[], int]) -> list[Cdr]:
    """One record per move, with the same id however often the notice is told; its run is the action."""
    owner, colon, name = notice.account.partition(":")
    given = dict(notice.fields)
    cost, usage = given.pop("Cost", None), given.pop("Usage", "1")
    found = []
    for number, move in enumerate(notice.moves):
        cgrid = hashlib.sha1(f"{notice.id}|{number}".encode(), usedforsecurity=False).hexdigest()
        own = {
            "source": BOOKED,
            "origin_host": "127.0.0.1",
            "origin_id": cgrid,
            "tor": _tor(move),
            "request_type": "*none",
            "tenant": owner if colon and owner != DEFAULT_TENANT else tenant,
            "account": name if colon else notice.account,
            "subject": name if colon else notice.account,
        }
        own |= {MEMBERS[member]: text for member, text in given.items() if member in MEMBERS}
        extra = {"BalanceID": move.balance_id}
        extra |= {member: text for member, text in given.items() if member not in MEMBERS}
        record = Cdr(
            cgrid,
            _run(move),
            order_id=next_order(),
            setup=(notice.at_ns, 0),
            answer=(notice.at_ns, 0),
            usage=usage_of(usage),
            extra_fields=extra,
            cost_source=BOOKED,
            cost_nanos=_cost_nanos(move) if cost is None else parse_nanos(cost),
            created_ns=notice.at_ns,
            updated_ns=notice.at_ns,
        )
        found.append(msgspec.structs.replace(record, **own))
    return found


def _run(move: Move) -> str:
    how = "_reset" if move.resets else "_zero_negative" if move.resets_debt else ""
    return f"{RUNS[move.do]}{how}"


def _tor(move: Move) -> str:
    return "*mms" if move.unit is Unit.EVENTS and move.services == ("mms",) else TORS[move.unit]


def _cost_nanos(move: Move) -> int:
    """What was moved: an amount of money, or a number of units."""
    return move.amount if move.unit in DECIMAL else move.amount * NANOS
