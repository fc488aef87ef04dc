"""Where, when, for what and how a balance pays, as parameters and as results."""

import msgspec
from msgspec import UNSET, UnsetType

from ocs.charging.account import Balance, Factor, Terms
from ocs.charging.terms_reader import factor
from ocs.rpc.errors import InvalidParams
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.values import Params

MOST_NAMES = 1_000  # in one list


class BalanceTerms(Params, frozen=True, kw_only=True):
    """What few balances have; what is left out is not restricted. `factors` are said as `{"voice": "1/60"}`."""

    destinations: tuple[Text, ...] = ()
    categories: tuple[Text, ...] = ()
    subject: Text = ""
    timings: tuple[Text, ...] = ()
    shared_groups: tuple[Text, ...] = ()
    factors: dict[str, str] = msgspec.field(default_factory=dict)
    blocker: bool = False
    disabled: bool = False


class TermsView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The terms of a balance that has some."""

    destinations: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subject: str = ""
    timings: tuple[str, ...] = ()
    shared_groups: tuple[str, ...] = ()
    factors: dict[str, str] = {}
    blocker: bool = False
    disabled: bool = False


def terms_of(said: BalanceTerms | None) -> Terms | None:
    """The terms that parameters say; None where they say nothing of them."""
    if said is None:
        return None
    lists = (said.destinations, said.categories, said.timings, said.shared_groups, said.factors)
    if max(map(len, lists)) > MOST_NAMES:
        raise InvalidParams(f"terms: a list has {MOST_NAMES} names at most")
    try:
        factors = [(service, factor(text)) for service, text in said.factors.items()]
    except ValueError as error:
        raise InvalidParams(f"terms: {error}") from None
    return Terms(
        said.destinations,
        said.categories,
        said.subject,
        said.timings,
        said.shared_groups,
        tuple(Factor(service[:80], value.numerator, value.denominator) for service, value in factors),
        said.blocker,
        said.disabled,
    )


def terms_view(balance: Balance) -> TermsView | UnsetType:
    """What a balance shows of its terms."""
    terms = balance.terms
    if terms is None:
        return UNSET
    return TermsView(
        terms.destinations,
        terms.categories,
        terms.subject,
        terms.timings,
        terms.shared_groups,
        {each.service: f"{each.numerator}/{each.denominator}" for each in terms.factors},
        terms.is_blocker,
        terms.is_disabled,
    )
