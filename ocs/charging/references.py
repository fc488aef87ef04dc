"""What accounts name of a tariff, and what of it another tariff does not have. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ocs.charging.account import Account
from ocs.charging.tariff.catalogue import Catalogue

NOT = "!"
ZERO = "*zero"
MOST_NAMED = 3  # accounts in a warning
MOST_WARNINGS = 50


class Reference(NamedTuple):
    """One name, and what it names."""

    kind: str
    name: str


def references(account: Account) -> Iterator[Reference]:
    """Every name of the tariff that an account holds; some may be there twice."""
    yield Reference("plan", account.plan)
    for balance in account.balances:
        if balance.terms is not None:
            names = (name.removeprefix(NOT) for name in balance.terms.destinations)
            yield from (Reference("destination", name) for name in names)
            names = (name.removeprefix(NOT) for name in balance.terms.timings)
            yield from (Reference("window", name) for name in names)
            if balance.terms.subject and not balance.terms.subject.startswith(ZERO):
                yield Reference("subject", balance.terms.subject)
    if account.extras is not None:
        yield from (Reference("action plan", state.plan) for state in account.extras.plans)
        yield from (Reference("trigger group", watched.group) for watched in account.extras.watched)


class Lost:
    """Counts accounts with names that one tariff has and the next one does not."""

    def __init__(self, before: Catalogue, after: Catalogue) -> None:
        self._before, self._after = before, after
        self._found: dict[Reference, list[str]] = {}
        self._counts: dict[Reference, int] = {}

    def look_at(self, account: Account) -> None:
        """Count one account."""
        for reference in dict.fromkeys(references(account)):
            if self._has(self._before, account, reference) and not self._has(self._after, account, reference):
                keys = self._found.setdefault(reference, [])
                keys += [account.key] if len(keys) < MOST_NAMED else []
                self._counts[reference] = self._counts.get(reference, 0) + 1

    def warnings(self) -> tuple[str, ...]:
        """A sentence for every name, those of most accounts first."""
        ordered = sorted(self._counts.items(), key=lambda item: -item[1])
        return tuple(_told(reference, count, self._found[reference]) for reference, count in ordered)[
            :MOST_WARNINGS
        ]

    @staticmethod
    def _has(catalogue: Catalogue, account: Account, reference: Reference) -> bool:
        kind, name = reference
        accounting = catalogue.tariff.accounting
        known: Iterable[str]
        match kind:
            case "plan":
                return catalogue.has_plan(name)
            case "subject":
                category = "" if account.extras is None else account.extras.category
                return catalogue.has_plan(catalogue.plan_of(account.key, category, name))
            case "destination":
                known = catalogue.tariff.destinations
            case "window":
                known = catalogue.tariff.windows
            case "action plan":
                known = accounting.plans
            case _:
                known = accounting.triggers
        return name in known


def _told(reference: Reference, count: int, keys: list[str]) -> str:
    more = f" and {count - len(keys)} more" if count > len(keys) else ""
    noun = "account names" if count == 1 else "accounts name"
    return f'{count} {noun} {reference.kind} "{reference.name}", which is gone: {", ".join(keys)}{more}'
