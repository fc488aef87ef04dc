"""An `EventCost` of the API, as `cost_forms` writes it, back into charges to be counted and refunded. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ocs.cgrates.cost_forms import NONE, ROUNDING
from ocs.cgrates.details import Details
from ocs.cgrates.objects.given import Given
from ocs.charging.cgrates import values
from ocs.charging.cgrates.call import VOICE
from ocs.charging.cgrates.grid import NANOS, Rounding
from ocs.charging.cgrates.model import UNPAID, Charge, Charges, Match, Payment, Steps
from ocs.charging.cgrates.plan import Rate, RateInterval, Slot, Timing
from ocs.charging.cgrates.session import PAUSE
from ocs.rpc.errors import RpcError

MOST_STEPS = 1_000_000


def read_details(form: Mapping[str, Any], kind: str = VOICE) -> Details:
    """Who paid what. Raises ValueError, RpcError for a form that is none."""
    given = Given(form, "CostDetails")
    reader = _Reader(given)
    charges = tuple(reader.charge(each) for each in given.rows("Charges"))
    start_ns = given.moment("StartTime", 0) or 0
    summary = given.inner("AccountSummary")
    account = summary.text("AccountID") or summary.text("ID")
    account_id = f"{summary.text('Tenant')}:{account}" if account else _payer(charges)
    return Details(charges, start_ns, 0, kind or VOICE, account_id)


def told_details(event: Mapping[str, Any]) -> Details | None:
    """The cost that an event comes with, also as text. Raises ValueError for one that cannot be read."""
    told = event.get("CostDetails")
    if not told:
        return None
    try:
        form = msgspec.json.decode(told) if isinstance(told, str) else told
        return read_details(form, str(event.get("ToR") or ""))
    except (msgspec.DecodeError, RpcError) as error:
        raise ValueError(f"CostDetails: {error}") from None


def _payer(charges: Charges) -> str:
    payers = (step.payment.account_id for charge in charges for step in charge.steps)
    return next((payer for payer in payers if payer), "")


class _Reader:
    """The tables that charges name."""

    def __init__(self, given: Given) -> None:
        self._tables = {
            name: given.inner(name) for name in ("Rating", "Accounting", "RatingFilters", "Rates", "Timings")
        }

    def charge(self, given: Given) -> Charge:
        """One charge with its increments."""
        steps: list[Steps] = []
        rounding_nanos = 0
        for each in given.rows("Increments"):
            payer = self._named("Accounting", each.text("AccountingID"))
            if payer.text("RatingID") == ROUNDING:
                rounding_nanos += each.nanos("Cost")
            else:
                steps.append(self._steps(each, payer))
        if rounding_nanos and not steps:
            raise ValueError("CostDetails: a rounding without an increment")
        match, interval = self._rating(given.text("RatingID"))
        return Charge(match, interval, tuple(steps), _count(given), rounding_nanos)

    def _steps(self, given: Given, payer: Given) -> Steps:
        duration_ns = given.duration("Usage")
        if duration_ns < 0:
            raise ValueError("CostDetails: an increment of negative usage")
        return Steps(duration_ns, given.nanos("Cost"), _count(given), self._payment(payer, duration_ns))

    def _payment(self, payer: Given, duration_ns: int) -> Payment:
        account_id, uid = payer.text("AccountID"), payer.text("BalanceUUID")
        extra_id = payer.text("ExtraChargeID")
        if not uid:
            return UNPAID
        if not extra_id:
            return Payment(account_id, money_uid=uid)
        units = payer.real("Units")
        factor = payer.real("BalanceFactor") or (units / duration_ns if duration_ns else 1.0)
        money = Given({}) if extra_id == NONE else self._named("Accounting", extra_id)
        return Payment(account_id, uid, round(units * NANOS), factor, money.text("BalanceUUID"))

    def _rating(self, rating_id: str) -> tuple[Match, RateInterval | None]:
        if rating_id == PAUSE.subject:
            return PAUSE, None
        rating = self._named("Rating", rating_id)
        found = self._named("RatingFilters", rating.text("RatingFiltersID"))
        match = Match(
            found.text("DestinationID"),
            found.text("DestinationPrefix"),
            found.text("RatingPlanID"),
            found.text("Subject"),
        )
        rates_id = rating.text("RatesID")
        return match, self._interval(rating, rates_id) if rates_id else None

    def _interval(self, rating: Given, rates_id: str) -> RateInterval:
        slots = tuple(
            Slot(
                each.duration("GroupIntervalStart"),
                each.real("Value"),
                each.duration("RateUnit"),
                each.duration("RateIncrement"),
            )
            for each in self._tables["Rates"].rows(rates_id)
        )
        timing = self._named("Timings", rating.text("TimingID"))
        return RateInterval(
            Timing(
                "",
                timing.integers("Years"),
                timing.integers("Months"),
                timing.integers("MonthDays"),
                timing.integers("WeekDays"),
                values.time_of_day_ns(timing.text("StartTime", "00:00:00")),
            ),
            0.0,
            Rate("", rating.nanos("ConnectFee"), slots),
            _rounding(rating.text("RoundingMethod")),
            rating.integer("RoundingDecimals"),
            rating.nanos("MaxCost"),
            rating.text("MaxCostStrategy"),
        )

    def _named(self, table: str, name: str) -> Given:
        """A row of a table, an empty one where there is none."""
        return self._tables[table].inner(name) if name in self._tables[table] else Given({})


def _count(given: Given) -> int:
    count = given.integer("CompressFactor", 1) or 1
    if not 0 < count <= MOST_STEPS * MOST_STEPS:
        raise ValueError("CostDetails: a CompressFactor that is none")
    return count


def _rounding(text: str) -> Rounding:
    try:
        return Rounding(text)
    except ValueError:
        return Rounding.NONE
