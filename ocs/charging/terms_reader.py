"""The part of an accounts file about what few balances have: where, when, for what and how they pay. Pure.

```yaml
balances:
  - {time: 60m, id: weekend, destinations: [germany, "!premium"], timings: weekend, subject: "*zero60s"}
  - {points: "100", id: points, factors: {voice: 1/60000000000, sms: "2"}, categories: call, blocker: true}
```
"""

from fractions import Fraction

from ocs.charging.account import Extras, Factor, SharedGroup, Strategy, Terms
from ocs.charging.tariff.yaml_marks import Field, closest

KEYS = (
    "destinations",
    "categories",
    "subject",
    "timings",
    "shared_groups",
    "factors",
    "blocker",
    "disabled",
)
GROUP_KEYS = ("name", "strategy", "members", "subject")
STRATEGIES = {strategy.name.lower(): strategy for strategy in Strategy}
MOST_FACTOR = 10**18


def read_terms(members: dict[str, Field]) -> Terms | None:
    """The terms among the members of a balance, None where there are none."""
    terms = Terms(
        _words(members.get("destinations")),
        _words(members.get("categories")),
        _text(members.get("subject")),
        _words(members.get("timings")),
        _words(members.get("shared_groups")),
        _factors(members.get("factors")),
        _truth(members.get("blocker")),
        _truth(members.get("disabled")),
    )
    return None if terms == Terms() else terms


def read_extras(members: dict[str, Field]) -> Extras | None:
    """Category and groups among the members of an account, None where there are none."""
    groups = members.get("groups")
    extras = Extras(
        _text(members.get("category")),
        () if groups is None else tuple(_group(item) for item in groups.items()),
    )
    return None if extras == Extras() else extras


def _group(field: Field) -> SharedGroup:
    members = field.members(GROUP_KEYS)
    name = _text(members.get("name"))
    keys = _words(members.get("members"))
    if not name or not keys:
        field.problem("a group has a name and members: the keys of its accounts, with their tenants")
    written = _text(members.get("strategy")) or "mine_random"
    if written not in STRATEGIES:
        members["strategy"].problem(f'there is no strategy "{written}"', closest(written, STRATEGIES))
    strategy = STRATEGIES.get(written, Strategy.MINE_RANDOM)
    return SharedGroup(name, strategy, keys, _text(members.get("subject")))


def _factors(field: Field | None) -> tuple[Factor, ...]:
    if field is None:
        return ()
    found = []
    for service, item in field.entries().items():
        value = item.value(factor)
        if value is not None:
            found.append(Factor(service, value.numerator, value.denominator))
    return tuple(found)


def factor(text: str) -> Fraction:
    """A factor from `4`, `0.25` or `1/60000000000`; ValueError where it is none."""
    if len(text) > 40 or "e" in text.casefold() or "_" in text:
        raise ValueError(f'"{text[:40]}" is not a factor such as 4, 0.25 or 1/3')
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'"{text}" is not a factor such as 4, 0.25 or 1/3') from None
    if value <= 0 or max(value.numerator, value.denominator) > MOST_FACTOR:
        raise ValueError(f'"{text}" is not a factor above 0')
    return value


def _words(field: Field | None) -> tuple[str, ...]:
    if field is None:
        return ()
    return tuple(text for item in field.items() if (text := item.text()) is not None)


def _text(field: Field | None) -> str:
    return "" if field is None else field.text() or ""


def _truth(field: Field | None) -> bool:
    text = _text(field)
    if field is not None and text not in ("true", "false"):
        field.problem("is true or false")
    return text == "true"
