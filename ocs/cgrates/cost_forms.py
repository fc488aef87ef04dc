"""Costs as the incumbent's `EventCost`: charges that name their rating and payers by short ids. Pure."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocs.cgrates.forms import rates_form, rating_form
from ocs.cgrates.objects.numbers import number, real, time_of_day
from ocs.charging.cgrates import event_cost
from ocs.charging.cgrates.model import Charge, Charges, Match, Payment, Steps
from ocs.charging.cgrates.plan import RateInterval, Settings
from ocs.charging.cgrates.session import PAUSE
from ocs.sessions.values import moment_text

if TYPE_CHECKING:
    from ocs.cgrates.details import BalanceSummary, Details

Form = dict[str, Any]
ID_LETTERS = 7
ROUNDING = "*rounding"
NONE = "*none"


def event_cost_form(cgrid: str, run_id: str, details: "Details", settings: Settings) -> Form:
    """The cost of a run with the account behind it."""
    form = charges_form(details.charges, settings)
    form |= {
        "CGRID": cgrid,
        "RunID": run_id,
        "StartTime": moment_text((details.start_ns, details.offset_ns)),
        "AccountSummary": summary_form(details) if details.account_id else None,
    }
    return _ordered(form)


def rated_form(charges: Charges, start: tuple[int, int], settings: Settings) -> Form:
    """The cost of a call that nobody pays, as `APIerSv1.GetCost` tells it."""
    form = charges_form(charges, settings)
    return _ordered(
        {**form, "CGRID": "", "RunID": "", "StartTime": moment_text(start), "AccountSummary": None}
    )


def charges_form(charges: Charges, settings: Settings) -> Form:
    """Usage, cost and charges, with everything they name."""
    writer = _Writer()
    written = [writer.charge(charge) for charge in charges]
    return {
        "Usage": event_cost.usage_ns(charges),
        "Cost": number(event_cost.cost_nanos(charges, settings)),
        "Charges": written,
        **writer.named,
    }


class _Writer:
    """Collects what charges name; equal things have one id."""

    def __init__(self) -> None:
        self.named: dict[str, dict[str, Any]] = {
            part: {} for part in ("Rating", "Accounting", "RatingFilters", "Rates", "Timings")
        }

    def charge(self, charge: Charge) -> Form:
        rating_id = self._rating(charge.match, charge.interval) if charge.steps else ""
        increments = [self._increment(steps, rating_id) for steps in charge.steps]
        if charge.rounding_nanos:
            increments.append(self._rounding(charge))
        return {"RatingID": rating_id, "Increments": increments, "CompressFactor": charge.factor}

    def _rating(self, match: Match, interval: RateInterval | None) -> str:
        if match == PAUSE:
            return match.subject
        filters: Form = {
            "DestinationID": match.destination_id,
            "DestinationPrefix": match.prefix,
            "RatingPlanID": match.plan_id,
            "Subject": match.subject,
        }
        filters_id = self._name("RatingFilters", filters)
        if interval is None:
            bare = {"ConnectFee": 0, "RoundingMethod": "", "RoundingDecimals": 0, "MaxCost": 0}
            bare |= {"MaxCostStrategy": "", "TimingID": "", "RatesID": "", "RatingFiltersID": filters_id}
            return self._name("Rating", bare)
        timing = interval.timing
        timing_id = self._name(
            "Timings",
            {
                "Years": list(timing.years),
                "Months": list(timing.months),
                "MonthDays": list(timing.month_days),
                "WeekDays": list(timing.week_days),
                "StartTime": time_of_day(timing.start_ns),
            },
        )
        ids = {"TimingID": timing_id, "RatesID": self._name("Rates", rates_form(interval.rate))}
        return self._name("Rating", {**rating_form(interval), **ids, "RatingFiltersID": filters_id})

    def _increment(self, steps: Steps, rating_id: str) -> Form:
        return {
            "Usage": steps.duration_ns,
            "Cost": number(steps.cost_nanos),
            "AccountingID": self._accounting(steps, rating_id),
            "CompressFactor": steps.count,
        }

    def _accounting(self, steps: Steps, rating_id: str) -> str:
        payment = steps.payment
        money = _payer(payment, payment.money_uid, "", number(steps.cost_nanos), 0.0)
        if not payment.unit_uid:
            return self._name("Accounting", money) if payment.money_uid else ""
        extra_id = self._name("Accounting", money) if payment.money_uid else NONE
        units = real(steps.duration_ns * payment.factor)
        unit = _payer(payment, payment.unit_uid, rating_id, units, payment.factor)
        return self._name("Accounting", {**unit, "ExtraChargeID": extra_id})

    def _rounding(self, charge: Charge) -> Form:
        payment, cost = charge.steps[0].payment, number(charge.rounding_nanos)
        accounting_id = self._name("Accounting", _payer(payment, payment.money_uid, ROUNDING, cost, 0.0))
        return {"Usage": 0, "Cost": cost, "AccountingID": accounting_id, "CompressFactor": 1}

    def _name(self, part: str, thing: object) -> str:
        """The id of a thing: letters of its own digest, so that equal answers are equal."""
        name = hashlib.sha1(f"{part}{thing}".encode("utf-8", "surrogatepass"), usedforsecurity=False)
        short = name.hexdigest()[:ID_LETTERS]
        self.named[part][short] = thing
        return short


def _payer(payment: Payment, uid: str, rating_id: str, units: float, factor: float) -> Form:
    return {
        "AccountID": payment.account_id,
        "BalanceUUID": uid,
        "RatingID": rating_id,
        "Units": units,
        "BalanceFactor": real(factor),
        "ExtraChargeID": "",
    }


def summary_form(details: "Details") -> Form:
    """The account behind a cost; weights of 0 and factors that are not there are left out."""
    tenant, _, name = details.account_id.partition(":")
    return {
        "Tenant": tenant,
        "AccountID": name,
        "BalanceSummaries": [_balance(balance) for balance in details.balances],
        "AllowNegative": details.allows_negative,
        "Disabled": details.is_disabled,
    }


def _balance(balance: "BalanceSummary") -> Form:
    initial_nanos = balance.value_nanos if balance.initial_nanos is None else balance.initial_nanos
    return {
        "UUID": balance.uid,
        "ID": balance.balance_id or balance.uid,
        "Type": balance.kind,
        "Initial": number(initial_nanos),
        "Value": number(balance.value_nanos),
        **({"Weight": real(balance.weight)} if balance.weight else {}),
        "Disabled": balance.is_disabled,
        **({"Factors": balance.factors} if balance.factors else {}),
    }


_ORDER = (
    *("CGRID", "RunID", "StartTime", "Usage", "Cost", "Charges", "AccountSummary", "Rating", "Accounting"),
    *("RatingFilters", "Rates", "Timings"),
)


def _ordered(form: Mapping[str, Any]) -> Form:
    return {name: form[name] for name in _ORDER}
