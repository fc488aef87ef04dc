"""Members that a set of actions gives the records it makes, by the names of the session API. Pure."""

from collections.abc import Callable, Mapping

from ocs.charging.events import Unit
from ocs.charging.money import parse_nanos
from ocs.charging.tariff.quantities import quantity

LONGEST = 200
OWN = ("CGRID", "RunID", "OrderID", "SetupTime", "AnswerTime", "CostSource")


def check_member(name: str, text: str) -> tuple[str, str]:
    """A member of a record; others than those of every record are its extra fields. Raises ValueError."""
    if name in OWN or not name.isidentifier():
        raise ValueError(f'"{name[:40]}" is no member that a record can be given')
    if len(text) > LONGEST or not text.isprintable():
        raise ValueError(f"{name} is longer than {LONGEST} characters, or not printable")
    if text.startswith("~"):
        raise ValueError(f'{name} is a template, "{text[:40]}", and not the value itself')
    check = _CHECKS.get(name)
    if check is not None:
        check(text)
    return name, text


def usage_of(text: str) -> int:
    """`60s`, or a plain number. Raises ValueError."""
    units, unit = quantity(text)
    if unit not in (None, Unit.TIME):
        raise ValueError(f'"{text}" is not a usage such as 60s or 1')
    return units


_CHECKS: Mapping[str, Callable[[str], object]] = {"Cost": parse_nanos, "Usage": usage_of}
