"""Which balances may pay for a usage, in which order, and how much of each a unit takes. Pure.

Only for accounts that have balances with terms, or share some: `turn` keeps the others on a shorter way.
The order is that of the longest prefix of the called number, then of priority, expiry and age; balances of a
shared group stand together in the place of the first one of the account's own, in the order of its strategy.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from zlib import crc32

from ocs.charging.account import Account, Balance, Hold, SharedGroup, Standing, Strategy, Terms
from ocs.charging.events import Unit
from ocs.charging.ledger import Ledger
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.quantities import quantity
from ocs.charging.tariff.windows import Window

ANY = "*any"
NOT = "!"
ZERO = "*zero"
POINT = 1_000_000_000  # nanos of a generic point
NO_TERMS = Terms()
KNOWN_SUBJECTS = 1_000
# Before Python 3.12 looking a member up in its class is slow.
MONEY: Final = Unit.MONEY
GENERIC: Final = Unit.GENERIC

_increments: dict[str, int | None] = {}  # of subjects seen before


class Demand(NamedTuple):
    """What is to be paid for, as far as the choice of balances goes."""

    unit: Unit
    service: str
    rating_group: int | None
    called: str
    category: str
    factor: str  # name of the factor to use, most often the service
    session_id: str
    held: tuple[Hold, ...] = ()  # an expired balance still pays what was held of it


class Source:
    """A balance that may pay, with how its units count: `numerator / denominator` of it for one unit used.

    `plan` is the subject it is rated by, empty for the session's own; with an `increment` it pays for nothing but
    its own units.
    """

    __slots__ = (
        "account",
        "balance",
        "denominator",
        "increment",
        "index",
        "is_blocker",
        "kept",
        "ledger",
        "numerator",
        "plan",
        "timings",
    )

    def __init__(self, account: str, ledger: Ledger, index: int, balance: Balance, plan: str) -> None:
        self.account = account
        self.ledger = ledger
        self.index = index
        self.balance = balance
        self.plan = plan
        self.increment = 0
        self.numerator = self.denominator = 1
        self.is_blocker = False
        self.kept = 0  # of what is free on it and not for this
        self.timings: tuple[tuple[Window, bool], ...] = ()

    @property
    def name(self) -> str:
        """Where a quota keeps how much of it this balance has covered."""
        return f"balance {self.account}|{self.balance.id}"

    def free(self) -> int:
        """What may be taken from it now."""
        return self.ledger.free_at(self.index) - self.kept

    def is_active(self, at_ns: int) -> bool:
        """Whether one of its timings is open, and none of those it excludes."""
        if not self.timings:
            return True
        wanted = [window for window, is_wanted in self.timings if is_wanted]
        if wanted and not any(window.is_open(at_ns) for window in wanted):
            return False
        return not any(window.is_open(at_ns) for window, is_wanted in self.timings if not is_wanted)

    def amount(self, units: int) -> int:
        """What so many units take of it, rounded up once for all of them."""
        return -(-units * self.numerator // self.denominator)

    def units(self, amount: int) -> int:
        """The most units that take no more than `amount`: the inverse."""
        return amount * self.denominator // self.numerator


class Wallet(NamedTuple):
    """The balances that may pay for a demand: first those of units, then money."""

    units: list[Source]
    money: list[Source]

    def windows(self) -> list[Window]:
        """Every window that opens or closes a balance."""
        sources = (*self.units, *self.money)
        return [window for source in sources for window, _ in source.timings]

    def plans(self) -> set[str]:
        """Every subject that rates a balance."""
        return {source.plan for source in (*self.units, *self.money) if source.plan}


class Owner(NamedTuple):
    """An account that may pay, with the working copy of its balances; `key` is empty for the session's own."""

    key: str
    account: Account
    ledger: Ledger


def wallet(demand: Demand, own: Owner, others: Mapping[str, Owner], catalogue: Catalogue) -> Wallet:
    """The balances that may pay for a demand, in the order of their use."""
    reader = _Reader(demand, own, others, catalogue)
    return Wallet(reader.sources(is_money=False), reader.sources(is_money=True))


class _Reader:
    """Looks through the balances for one demand."""

    def __init__(self, demand: Demand, own: Owner, others: Mapping[str, Owner], catalogue: Catalogue) -> None:
        self._demand = demand
        self._own = own
        self._others = others
        self._windows = catalogue.tariff.windows
        self._prefixes = catalogue.prefixes(demand.called) if demand.called else []
        extras = own.account.extras
        self._groups = {} if extras is None else {group.name: group for group in extras.groups}

    def sources(self, is_money: bool) -> list[Source]:
        """Sources of money or of units."""
        ranked: list[tuple[int, int, Source, SharedGroup | None]] = []
        for index, balance in enumerate(self._own.ledger.all_balances()):
            if is_money != (balance.unit is MONEY):
                continue
            precision = self._precision(self._own, balance)
            if precision is not None:
                group = self._group_of(balance)
                source = self._source(self._own, index, balance, group)
                ranked.append((-precision, index, source, group))
        ranked.sort(key=lambda each: each[:2])
        found = list(self._with_shared(ranked, is_money))
        promised = [hold for hold in self._demand.held if hold.account]
        return [*self._promised(promised, found, is_money), *found] if promised else found

    def _promised(self, holds: list[Hold], found: list[Source], is_money: bool) -> Iterator[Source]:
        """Balances of members that something was held of, and that are not shared any more: they pay that much."""
        known = {(source.account, source.balance.id) for source in found}
        for hold in holds:
            owner = self._others.get(hold.account)
            if owner is None or (hold.account, hold.balance_id) in known:
                continue
            for index, balance in enumerate(owner.ledger.all_balances()):
                if balance.id == hold.balance_id and is_money == (balance.unit is MONEY):
                    source = self._source(owner, index, balance, self._group_of(balance))
                    source.is_blocker = False
                    source.kept = max(source.free() - hold.amount, 0)
                    yield source

    def _with_shared(
        self, ranked: list[tuple[int, int, Source, SharedGroup | None]], is_money: bool
    ) -> Iterator[Source]:
        """Every balance, those of a group together where the first of them stands."""
        seen: set[str] = set()
        for _, _, source, group in ranked:
            if group is None:
                yield source
            elif group.name not in seen:
                seen.add(group.name)
                yield from self._ordered(group, self._of_group(group, is_money))

    def _of_group(self, group: SharedGroup, is_money: bool) -> list[Source]:
        found: list[Source] = []
        members = [self._others[key] for key in group.members if key in self._others]
        for owner in (self._own, *members):
            if owner.account.standing is Standing.BARRED:
                continue
            for index, balance in enumerate(owner.ledger.all_balances()):
                if group.name not in (balance.terms or NO_TERMS).shared_groups:
                    continue
                if is_money == (balance.unit is MONEY) and self._precision(owner, balance) is not None:
                    found.append(self._source(owner, index, balance, group))
        return found

    def _ordered(self, group: SharedGroup, found: list[Source]) -> list[Source]:
        """By strategy; chance is drawn from the session's name, so that a replay draws the same."""
        strategy = group.strategy
        if strategy in (Strategy.LOWEST, Strategy.MINE_LOWEST):
            found.sort(key=lambda source: source.free())
        elif strategy in (Strategy.HIGHEST, Strategy.MINE_HIGHEST):
            found.sort(key=lambda source: -source.free())
        else:
            salt = self._demand.session_id
            found.sort(key=lambda source: crc32(f"{salt}|{source.name}".encode("utf-8", "surrogateescape")))
        if strategy in (Strategy.MINE_RANDOM, Strategy.MINE_LOWEST, Strategy.MINE_HIGHEST):
            found.sort(key=lambda source: bool(source.account))
        return found

    def _group_of(self, balance: Balance) -> SharedGroup | None:
        if balance.terms is None or not self._groups:
            return None
        return next(
            (self._groups[name] for name in balance.terms.shared_groups if name in self._groups), None
        )

    def _precision(self, owner: Owner, balance: Balance) -> int | None:
        """How long the prefix is by which a balance meets the demand; None where it does not."""
        demand = self._demand
        unit = balance.unit
        if unit is not MONEY and unit is not demand.unit and unit is not GENERIC:
            return None
        if not owner.ledger.may_pay(balance, demand.service, demand.rating_group, demand.held):
            return None
        terms = balance.terms
        if terms is None:
            return 0
        if terms.is_disabled or not _listed(terms.categories, demand.category):
            return None
        return precision(terms.destinations, self._prefixes)

    def _source(self, owner: Owner, index: int, balance: Balance, group: SharedGroup | None) -> Source:
        terms = balance.terms or NO_TERMS
        subject = terms.subject or ("" if group is None else group.subject)
        source = Source(owner.key, owner.ledger, index, balance, subject)
        increment = zero_increment(subject)
        if increment is None and balance.unit is not MONEY and subject in ("", ANY):
            increment = 1
        if increment is not None or subject == ANY:
            source.plan, source.increment = "", increment or 0
        source.is_blocker = terms.is_blocker
        for factor in terms.factors:
            if factor.service == self._demand.factor:
                source.numerator, source.denominator = factor.numerator, factor.denominator
        if balance.unit is GENERIC:
            source.numerator *= POINT
        if terms.timings:
            source.timings = tuple(self._timings(terms.timings))
        return source

    def _timings(self, names: tuple[str, ...]) -> Iterator[tuple[Window, bool]]:
        """The windows of a balance; one the tariff does not know is never open."""
        for name in names:
            if name.removeprefix(NOT) != ANY:
                window = self._windows.get(name.removeprefix(NOT))
                is_wanted = not name.startswith(NOT)
                if window is not None:
                    yield window, is_wanted
                elif is_wanted:
                    yield Window(name, (), "UTC"), True


def precision(destinations: tuple[str, ...], prefixes: list[tuple[str, tuple[str, ...]]]) -> int | None:
    """The length of the longest prefix by which one of the destinations is met, 0 for any number at all.

    A destination written with `!` takes its numbers out; where all are, any other number is met.
    """
    if not destinations:
        return 0
    included = {name for name in destinations if not name.startswith(NOT)}
    excluded = {name[len(NOT) :] for name in destinations if name.startswith(NOT)}
    for prefix, names in prefixes:
        if any(name in excluded for name in names):
            return None
        if any(name in included for name in names):
            return len(prefix)
    return 0 if not included or ANY in included else None


def zero_increment(subject: str) -> int | None:
    """The increment of `*zero60s` in ns, or of `*zero1kB` in octets; None where the subject is a plan."""
    if not subject.startswith(ZERO):
        return None
    if subject not in _increments:
        if len(_increments) >= KNOWN_SUBJECTS:
            _increments.clear()
        _increments[subject] = _read_increment(subject)
    return _increments[subject]


def _read_increment(subject: str) -> int | None:
    try:
        units, _ = quantity(subject[len(ZERO) :])
    except ValueError:
        return None
    return units or None


def _listed(allowed: tuple[str, ...], value: str) -> bool:
    if not allowed or ANY in allowed:
        return True
    return value in allowed if value else False
