"""The tariff in force, kept up record by record: a change costs what it changes, however large the tariff is. Pure.

Where several destinations have one prefix they stand in the order of their ids, so that a restart, which reads
records by key, finds the same price.
"""

from bisect import bisect_left
from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.charging.cgrates.plan import Found, Tariff
from ocs.charging.cgrates.timings import predefined_timings

PREDEFINED = predefined_timings()


class LiveTariff:
    """A `Tariff` whose maps change in place; whoever reads one keeps no map over a wait."""

    def __init__(self) -> None:
        self._destinations: dict[str, tuple[str, ...]] = {}
        self._profiles: dict[tuple[str, str, str], Any] = {}
        self._plain: dict[Kind, dict[str, Any]] = {
            Kind.TIMING: dict(PREDEFINED),
            Kind.RATING_PLAN: {},
            Kind.SHARED_GROUP: {},
            Kind.ACTIONS: {},
            Kind.ACTION_TRIGGERS: {},
        }
        self._found = Found(self._destinations, self._plain[Kind.RATING_PLAN], self._profiles)
        self.tariff = Tariff(
            destinations=self._destinations,
            plans=self._plain[Kind.RATING_PLAN],
            profiles=self._profiles,
            timings=self._plain[Kind.TIMING],
            shared_groups=self._plain[Kind.SHARED_GROUP],
            actions=self._plain[Kind.ACTIONS],
            action_triggers=self._plain[Kind.ACTION_TRIGGERS],
            found=self._found,
        )

    def change(self, kind: Kind, key: str, old: Any, new: Any) -> None:
        """Takes over a record; None stands for none, before or after."""
        self._found.matches.clear()
        if kind is Kind.DESTINATION:
            self._change_prefixes(key, old or (), new or ())
        elif kind is Kind.RATING_PROFILE:
            tenant, category, subject = key.split(":", 2)
            _keep(self._profiles, (tenant, category, subject), new)
        elif kind in self._plain:
            if new is None and kind is Kind.TIMING:
                new = PREDEFINED.get(key)
            _keep(self._plain[kind], key, new)

    def _change_prefixes(self, name: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        known, alone = self._destinations, (name,)
        for prefix in set(old).difference(new):
            names = list(known[prefix])
            del names[bisect_left(names, name)]
            _keep(known, prefix, tuple(names) or None)
        for prefix in set(new).difference(old) if old else dict.fromkeys(new):
            others = known.setdefault(prefix, alone)
            if others is not alone:
                known[prefix] = tuple(sorted((*others, name)))


def _keep(table: dict[Any, Any], key: Any, value: Any) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
