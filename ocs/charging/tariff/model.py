"""What a tariff says, as plain immutable data: the words readers produce and the catalogue compiles.

Pure. Readers (YAML here, other formats elsewhere) build a `Tariff`; `Catalogue(tariff)` answers questions.
"""

from enum import IntEnum
from typing import NamedTuple

import msgspec

from ocs.charging.actions.model import Accounting
from ocs.charging.enums import plain_members
from ocs.charging.events import Unit
from ocs.charging.rating import Rate
from ocs.charging.tariff.windows import Window


@plain_members
class Verdict(IntEnum):
    """What a tariff says about a usage. No rule is not the same as free, nor as denied."""

    RATED = 1
    FREE = 2  # explicitly without charge
    DENIED = 3  # explicitly barred
    NO_RULE = 4  # nothing in the plan covers it, or not at this time


class Query(NamedTuple):
    """What the price depends on besides time and quantity; a tuple because it is hashed on every lookup.

    `unit` None lets the tariff choose. `called` is digits without `+` or `00`; `plmn` is where the subscriber
    is, MCC and MNC in digits; `rat` is the radio access in capitals; empty means unknown. `facts` are those of the
    session that rules name.
    """

    service: str
    unit: Unit | None = None
    rating_group: int | None = None
    service_identifier: int | None = None
    called: str = ""
    apn: str = ""
    plmn: str = ""
    category: str = ""
    rat: str = ""
    facts: tuple[tuple[str, str], ...] = ()


class Priced(msgspec.Struct, frozen=True, array_like=True):
    """What a line says at one moment, until `until_ns`, and why.

    `rate` is None unless the verdict is RATED or FREE. `until_ns` None means for ever; otherwise it is the
    next moment at which the answer changes, or where that is far away a moment to ask again.
    """

    verdict: Verdict
    rate: Rate | None
    unit: Unit | None
    until_ns: int | None = None
    plan: str = ""
    rule: str = ""
    rate_id: str = ""
    destination: str = ""
    prefix: str = ""
    zone: str = ""
    window: str = ""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """What a rule says while `window` is open (None: always); heavier choices are asked first."""

    verdict: Verdict
    rate: Rate | None = None
    rate_id: str = ""
    window: Window | None = None
    weight: int = 0


class Rule(msgspec.Struct, frozen=True, gc=False):
    """Which usage it is about, and what that costs; a condition that is None holds for anything.

    `rating_groups` are inclusive ranges; with `without_rating_group` also usage that names no rating group
    matches. `unit` None, for rules that need no rate, matches every unit.
    """

    name: str
    service: str
    unit: Unit | None
    choices: tuple[Choice, ...]
    rating_groups: tuple[tuple[int, int], ...] | None = None
    without_rating_group: bool = False
    service_identifiers: frozenset[int] | None = None
    apns: frozenset[str] | None = None
    zones: tuple[str, ...] | None = None
    destinations: tuple[str, ...] | None = None
    categories: frozenset[str] | None = None
    weight: int = 0
    source: str = ""  # file:line
    rats: frozenset[str] | None = None
    facts: tuple[tuple[str, frozenset[str]], ...] = ()  # names, and the values that will do


class PlanVersion(msgspec.Struct, frozen=True):
    """The rules of a plan from one moment on, until the next version begins or `valid_until_ns`."""

    rules: tuple[Rule, ...]
    valid_from_ns: int | None = None
    valid_until_ns: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """A named set of rules; where none applies, `fallbacks` are asked in order, each with its own."""

    name: str
    versions: tuple[PlanVersion, ...]
    fallbacks: tuple[str, ...] = ()


class Tariff(msgspec.Struct, frozen=True):
    """Everything a set of tariff files says."""

    currency: str
    plans: tuple[Plan, ...]
    destinations: dict[str, tuple[str, ...]] = {}  # name -> prefixes of called numbers; "!49900" excludes
    zones: dict[str, tuple[str, ...]] = {}  # name -> prefixes of PLMNs; "" is any known network
    rates: dict[str, Rate] = {}
    fallback_depth: int = 8  # fallbacks of fallbacks asked, the plan itself not counted
    accounting: Accounting = Accounting()  # what happens to accounts by itself
    windows: dict[str, Window] = {}  # by name, for balances that pay at certain times only


class Considered(msgspec.Struct, frozen=True):
    """One rule an explanation looked at; `rank` counts matching rules from 1, the first open one wins."""

    plan: str
    rule: str
    source: str
    rank: int | None
    reason: str


class Explanation(msgspec.Struct, frozen=True):
    """Why a query is priced as it is: the rules that match in the order asked, then those that do not."""

    plan: str
    query: Query
    at_ns: int
    priced: Priced
    considered: tuple[Considered, ...]
    left_off: int = 0  # rules that do not match and are not listed
