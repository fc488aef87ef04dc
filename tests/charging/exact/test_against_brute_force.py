"""Whatever balances and prices there are, what the closed forms grant and debit is what single steps come to."""

from fractions import Fraction

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ocs.charging.account import Account, Balance, Factor, Terms
from ocs.charging.entry import EntryKind
from ocs.charging.events import Action, Unit
from ocs.charging.rating import CapStrategy, Rate, Slot, fitting, started
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff, Verdict
from tests.charging.exact import brute
from tests.support.charging import ACCOUNT, ALICE, World, initial, once, rg, terminate, update

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a failure is small enough as it is found
FEES = (
    0,
    0,
    4,
)  # of the session's own plan: a fee that is paid elsewhere lets a balance pay that could not before
PLANS = ("standard", "one", "two")


@st.composite
def rates(draw: st.DrawFn, *strategies: CapStrategy, fees: tuple[int, ...] = (0,)) -> Rate:
    """Up to three slots of whole nanos for an octet, with a fee and perhaps a cap."""
    starts = sorted(draw(st.sets(st.integers(1, 40), max_size=2)))
    slots = tuple(
        Slot(start, draw(st.integers(0, 5)), 1, draw(st.sampled_from([1, 1, 3, 7, 10])))
        for start in (0, *starts)
    )
    cap = draw(st.none() | st.integers(0, 120))
    strategy = draw(st.sampled_from(strategies or tuple(CapStrategy)))
    return Rate(draw(st.sampled_from(fees)), slots, cap_nanos=cap, cap_strategy=strategy)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Balances of units and of money, free or priced, some of them blockers, with factors.

    No two that have the same subject stand apart: a balance that cannot pay for an increment might pay for a
    smaller one later, when another has brought the session there, and single steps would ask it again.
    """
    found = []
    subjects = {Unit.MONEY: ["two"], Unit.OCTETS: ["one"]}
    for number in range(draw(st.integers(0, 4))):
        unit = draw(st.sampled_from([Unit.OCTETS, Unit.MONEY]))
        own = [""] if unit is Unit.MONEY else ["*zero1", "*zero4", "*zero10"]
        subject = draw(st.sampled_from([*own, *subjects[unit]]))
        if subject in subjects[unit] or unit is Unit.MONEY:
            subjects[unit].clear()  # money at the session's own price stands together at the end
        factor = Factor("data", draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        terms = Terms(
            subject=subject,
            factors=(factor,) if unit is Unit.OCTETS else (),
            is_blocker=draw(st.integers(0, 5)) == 0,
        )
        found.append(Balance(f"b{number}", unit, draw(st.integers(0, 60)), terms=terms))
    main = Balance("main", Unit.MONEY, draw(st.integers(0, 150)), terms=Terms(categories=("*any",)))
    limit = draw(st.sampled_from([0, 0, 25, None]))
    return Account(
        ACCOUNT, "standard", (*found, main), identities=(ALICE,), credit_limit_nanos=limit, version=1
    )


def catalogue_of(found: tuple[Rate, ...]) -> Catalogue:
    plans = [
        Plan(name, (PlanVersion((Rule(name, "data", Unit.OCTETS, (Choice(Verdict.RATED, rate, name),)),)),))
        for name, rate in zip(PLANS, found, strict=True)
    ]
    return Catalogue(Tariff("EUR", tuple(plans)))


def slow(account: Account, found: tuple[Rate, ...]) -> brute.Purse:
    """The same account by brute force, in nanos and octets."""
    tariffs = {name: brute_rate(rate) for name, rate in zip(PLANS, found, strict=True)}
    pockets = []
    for is_money in (False, True):
        for balance in account.balances:
            if (balance.unit is Unit.MONEY) is is_money:
                pockets.append(pocket_of(balance, tariffs))
    credit = account.credit_limit_nanos
    return brute.Purse(pockets, tariffs["standard"], None if credit is None else Fraction(credit))


def brute_rate(rate: Rate) -> brute.Tariff:
    return brute.Tariff(
        Fraction(rate.connect_fee_nanos),
        tuple(
            brute.Slot(slot.start_units, Fraction(slot.price_nanos), slot.per_units, slot.increment_units)
            for slot in rate.slots
        ),
        cap=None if rate.cap_nanos is None else Fraction(rate.cap_nanos),
        disconnects=rate.cap_strategy is CapStrategy.DISCONNECT,
    )


def pocket_of(balance: Balance, tariffs: dict[str, brute.Tariff]) -> brute.Pocket:
    terms = balance.terms or Terms()
    factor = Fraction(1)
    for each in terms.factors:
        factor = Fraction(each.numerator, each.denominator)
    increment = int(terms.subject.removeprefix("*zero")) if terms.subject.startswith("*zero") else 0
    return brute.Pocket(
        balance.id,
        Fraction(balance.posted),
        balance.unit is Unit.MONEY,
        increment,
        factor,
        tariffs.get(terms.subject),
        terms.is_blocker,
    )


@settings(max_examples=200, deadline=None, phases=PHASES)
@given(accounts(), st.tuples(rates(fees=FEES), rates(), rates()), st.integers(1, 120))
def test_what_is_granted_is_what_single_steps_can_pay(
    account: Account, found: tuple[Rate, ...], wanted: int
) -> None:
    world = World(account, tariff=catalogue_of(found))
    event = once(Action.AUTHORIZE, rg(None, wanted), service="data", slices_itself=True)
    answer = world.take(event).answer
    granted = answer.grants[0].amount
    purse = slow(account, found)
    assert granted == purse.spend(wanted)


@settings(max_examples=200, deadline=None, phases=PHASES)
@given(
    accounts(),
    st.tuples(
        *[rates(CapStrategy.FREE)] * 3
    ),  # what is used is debited also beyond a cap that ends a session
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_what_is_debited_is_what_single_steps_pay_however_it_is_reported(
    account: Account, found: tuple[Rate, ...], reports: list[int]
) -> None:
    """As far as it is granted: a session grants what all its reports use, and then uses it."""
    purse = slow(account, found)
    usable = purse.spend(sum(reports))
    world = World(account, tariff=catalogue_of(found))
    left = usable
    world.take(initial(rg(None, 1), slices_itself=True, denies_per_service=True))
    for number, used in enumerate(reports, 1):
        part = min(used, left)
        left -= part
        world.take(update(number, rg(None, used=part)))
    world.take(terminate(99))
    held = {balance.id: balance.posted for balance in world.account.balances}
    expected = {pocket.name: pocket.value for pocket in purse.pockets}
    for pocket in purse.pockets:
        rounding = 0 if pocket.is_money else 1  # fractions of a unit, rounded up once in a session
        assert (
            0
            <= expected[pocket.name] - held[pocket.name] - (purse.debt if pocket.name == "main" else 0)
            <= rounding
        )
    entries = [entry for posting in world.postings for entry in posting.entries]
    assert not any(entry.kind is EntryKind.WRITE_OFF for entry in entries)


@settings(max_examples=150, deadline=None)
@given(rates(), st.integers(0, 200))
def test_started_increments_and_what_fits_are_each_others_inverse(rate: Rate, units: int) -> None:
    begun = started(rate, units)
    assert units <= begun
    assert fitting(rate, begun) >= units
    fits = fitting(rate, units)
    assert started(rate, fits) <= units
    assert started(rate, fits + 1) > units
