"""Accounts to begin with, from a YAML file: single ones, or numbered ranges of equal ones. Pure.

```yaml
accounts:
  - key: alice                 # or `count: 900` with `key: "{n}"`
    plan: standard
    msisdn: "15550100000"      # a range counts up from here, leading zeros kept
    imsi: "001010000000000"
    balances: [{money: "10.00"}, {volume: 100MB, id: welcome, priority: 10}]
    credit_limit: "0"          # `unlimited` for postpaid without one
    low_balance: "1.00"
    action_plans: monthly      # of the tariff; words such as `every: month` count from now
    triggers: [safety]
```
"""

from collections.abc import Iterator
from datetime import UTC

import msgspec

from ocs.charging import terms_reader
from ocs.charging.account import Extras
from ocs.charging.acts import NewAccount, TopUp
from ocs.charging.events import Identity, IdentityKind, Unit
from ocs.charging.ledger import MAIN
from ocs.charging.tariff.quantities import amount_nanos, moment_ns, quantity, whole
from ocs.charging.tariff.yaml_marks import Field, Problem, read_fields

MOST = 100_000_000
MEMBERS = (
    "count",
    "first",
    "key",
    "tenant",
    "plan",
    "msisdn",
    "imsi",
    "sip_uri",
    "balances",
    "credit_limit",
    "low_balance",
    "category",
    "groups",
    "action_plans",
    "triggers",
)
AMOUNTS = ("money", "volume", "time", "events", "points")
BALANCE_MEMBERS = (*AMOUNTS, "id", "priority", "expires", "services", "rating_groups", *terms_reader.KEYS)


class Template(msgspec.Struct, frozen=True):
    """Accounts `first` up to `first + count`, equal but for their numbers; "{n}" in names is the number."""

    count: int
    first: int
    key: str
    plan: str
    numbers: tuple[tuple[IdentityKind, str], ...]
    topups: tuple[TopUp, ...]
    credit_limit_nanos: int | None
    low_balance_nanos: int
    extras: Extras | None = None
    action_plans: tuple[str, ...] = ()
    trigger_groups: tuple[str, ...] = ()

    def accounts(self) -> Iterator[NewAccount]:
        """Every account of the template."""
        for offset in range(self.count):
            number = str(self.first + offset)
            identities = tuple(
                Identity(kind, _counted(start, offset, number)) for kind, start in self.numbers
            )
            yield NewAccount(
                self.key.replace("{n}", number),
                self.plan,
                identities,
                self.topups,
                self.credit_limit_nanos,
                self.low_balance_nanos,
                extras=_numbered(self.extras, number),
                action_plans=self.action_plans,
                trigger_groups=self.trigger_groups,
            )


def read_accounts(text: str, file: str) -> tuple[tuple[Template, ...], list[Problem]]:
    """The templates of a file, or every problem with it."""
    problems: list[Problem] = []
    root = read_fields(text, file, problems)
    if root is None:
        return (), problems
    found = root.members(("accounts",)).get("accounts")
    if found is None:
        root.problem("has no accounts")
        return (), problems
    templates = tuple(_template(item) for item in found.items())
    return templates, sorted(problems)


def _counted(start: str, offset: int, number: str) -> str:
    if "{n}" in start or not start.isdecimal():
        return start.replace("{n}", number)
    return str(int(start) + offset).zfill(len(start))


def _template(field: Field) -> Template:
    members = field.members(MEMBERS)
    count = _number(members.get("count"), 1, 1, MOST)
    key = _word(members.get("key"), "")
    if not key:
        field.problem("an account needs a key")
    elif count > 1 and "{n}" not in key:
        members["key"].problem('the key of several accounts must contain "{n}"')
    tenant = _word(members.get("tenant"), "default")
    numbers = tuple(
        (kind, _word(members[name], ""))
        for name, kind in (
            ("imsi", IdentityKind.IMSI),
            ("msisdn", IdentityKind.E164),
            ("sip_uri", IdentityKind.SIP_URI),
        )
        if name in members
    )
    balances = members.get("balances")
    return Template(
        count,
        _number(members.get("first"), 0, 0, MOST),
        f"{tenant}:{key}",
        _word(members.get("plan"), "standard"),
        numbers,
        tuple(_topup(item) for item in balances.items()) if balances is not None else (),
        _limit(members.get("credit_limit")),
        _nanos(members.get("low_balance")),
        terms_reader.read_extras(members),
        _words(members.get("action_plans")),
        _words(members.get("triggers")),
    )


def _numbered(extras: Extras | None, number: str) -> Extras | None:
    """The extras of one account of a template."""
    if extras is None or not extras.groups:
        return extras
    groups = tuple(
        msgspec.structs.replace(
            group,
            name=group.name.replace("{n}", number),
            members=tuple(member.replace("{n}", number) for member in group.members),
        )
        for group in extras.groups
    )
    return msgspec.structs.replace(extras, groups=groups)


def _topup(field: Field) -> TopUp:
    members = field.members(BALANCE_MEMBERS)
    named = [name for name in AMOUNTS if name in members]
    if len(named) != 1:
        field.problem(f"a balance has exactly one of {', '.join(AMOUNTS)}")
        return TopUp(0)
    name = named[0]
    if name in ("money", "points"):
        amount, unit = _nanos(members[name]), Unit.MONEY if name == "money" else Unit.GENERIC
    else:
        amount, unit = _units(members[name], name)
    default_id = MAIN if name == "money" else name
    return TopUp(
        amount,
        unit,
        _word(members.get("id"), default_id),
        _number(members.get("priority"), 0, -1000, 1000),
        None if "expires" not in members else members["expires"].value(_moment),
        _words(members.get("services")),
        tuple(_number(item, 0, 0, 2**32 - 1) for item in _items(members.get("rating_groups"))),
        terms_reader.read_terms(members),
    )


def _moment(text: str) -> int:
    return moment_ns(text, UTC)


def _items(field: Field | None) -> list[Field]:
    return [] if field is None else field.items()


def _words(field: Field | None) -> tuple[str, ...]:
    return tuple(text for item in _items(field) if (text := item.text()) is not None)


def _units(field: Field, name: str) -> tuple[int, Unit]:
    unit = {"volume": Unit.OCTETS, "time": Unit.TIME, "events": Unit.EVENTS}[name]
    read = field.value(quantity)
    if read is None:
        return 0, unit
    amount, written = read
    if written is not None and written is not unit:
        field.problem(f"is {written.name.lower()}, not {name}")
    return amount, unit


def _limit(field: Field | None) -> int | None:
    if field is None:
        return 0
    return None if field.text() == "unlimited" else field.value(amount_nanos)


def _nanos(field: Field | None) -> int:
    return 0 if field is None else field.value(amount_nanos) or 0


def _number(field: Field | None, default: int, least: int, most: int) -> int:
    if field is None:
        return default
    value = field.value(lambda text: whole(text, least, most))
    return default if value is None else value


def _word(field: Field | None, default: str) -> str:
    return default if field is None else field.text() or default
