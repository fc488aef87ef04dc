"""Which balances may pay for a call: by kind, category, destination and time."""

from ocs.charging.cgrates.account import Balance
from ocs.charging.cgrates.call import GENERIC, MONETARY
from ocs.charging.cgrates.plan import ANY, Tariff
from ocs.charging.cgrates.timings import is_active


def kinds_for(kind: str) -> tuple[str, ...]:
    """Kinds of balances whose units pay for a service; generic units serve all but money."""
    return (kind,) if kind in (MONETARY, GENERIC) else (kind, GENERIC)


def has_category(balance: Balance, category: str) -> bool:
    """Whether a balance may be used for a category."""
    if not balance.categories or balance.categories.get(ANY):
        return True
    return balance.categories.get(category, False)


def destination_precision(balance: Balance, number: str, tariff: Tariff) -> int | None:
    """How exactly a balance matches a number: length of the prefix, 0 for any number, None for no match.

    Only prefixes of some destination are looked at. A balance that has exclusions alone matches at the first of
    them that does not exclude it.
    """
    if not balance.destinations or ANY in balance.destinations:
        return 0
    only_excludes = not any(balance.destinations.values())
    for length in range(len(number), 0, -1):
        known = tariff.destinations.get(number[:length])
        if known is None:
            continue
        named = [balance.destinations[name] for name in known if name in balance.destinations]
        if named or only_excludes:
            return length if all(named) else None
    return None


def is_timed(balance: Balance, local_ns: int, tariff: Tariff) -> bool:
    """Whether the timings of a balance allow a moment: one that is not negated does, and no negated one holds."""
    if not balance.timings:
        return True
    wanted = False
    for name, included in balance.timings.items():
        timing = tariff.timings.get(name)
        if timing is not None and is_active(timing, local_ns):
            if not included:
                return False
            wanted = True
    return wanted
