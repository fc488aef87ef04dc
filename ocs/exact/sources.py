"""What routes are sorted by on `ocs serve`: prices of the exact tariff's plans, metrics, usage of resources."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from ocs.charging.door import at_once
from ocs.charging.events import Unit
from ocs.charging.profiles.model import Route
from ocs.charging.profiles.routes import Cost, RouteFailed
from ocs.charging.profiles.values import Number
from ocs.charging.profiles.view import View
from ocs.charging.rating import price
from ocs.charging.service import ChargingService
from ocs.charging.tariff.model import Query, Verdict
from ocs.exact.accounting import SERVICES, ExactAccounting
from ocs.sessions import values
from ocs.sessions.model import Run
from ocs.sessions.values import Event

if TYPE_CHECKING:
    from ocs.cgrates.surroundings import ProfileSurroundings

NANOS = 1_000_000_000


class ExactSources:
    """Prices and figures of a server; the plans a route names are those of the tariff."""

    def __init__(
        self, service: ChargingService, exact: ExactAccounting, surroundings: "ProfileSurroundings"
    ) -> None:
        self._service = service
        self._exact = exact
        self._surroundings = surroundings

    def cost(self, view: View, route: Route) -> Cost | None:
        """The cheapest of a route's plans; with accounts also how long the best of them can pay."""
        account, usage = self._best_account(view, route)
        if route.account_ids and account is None:
            return None
        if usage is not None and account is not None and not route.rating_plan_ids:
            return Cost(Decimal(0), account_id=account, max_usage_ns=usage)
        best: Cost | None = None
        for plan in route.rating_plan_ids:
            nanos = self._plan_cost(view, plan)
            if nanos is not None and (best is None or Decimal(nanos) / NANOS < best.cost):
                best = Cost(Decimal(nanos) / NANOS, plan, account or "", usage)
        return best

    def event_cost(self, view: View) -> Decimal:
        """What the event itself costs, by price alone. Raises RouteFailed."""
        found = self._exact.price(self._run(view, dict(view.req)))
        if found.extra_info:
            raise RouteFailed(found.extra_info)
        return Decimal(found.cost_nanos) / NANOS

    def metrics(self, tenant: str, stat_id: str) -> Mapping[str, Number]:
        """The metrics of a queue."""
        return self._surroundings.stats_book.numbers(tenant, stat_id, self._surroundings.now_ns())

    def usage(self, tenant: str, resource_id: str) -> Number:
        """Units in use of a resource."""
        return self._surroundings.resources.usage(tenant, resource_id, self._surroundings.now_ns())

    def _plan_cost(self, view: View, plan: str) -> int | None:
        """The price of the event's usage by one plan; None where a part of it has none."""
        event = view.req
        service, unit = SERVICES.get(values.text(event.get("ToR")) or "*voice", SERVICES["*generic"])
        called = values.text(event.get("Destination")).removeprefix("+")
        query = Query(service, unit, called=called, category=values.text(event.get("Category")))
        line = self._service.catalogue.line(plan, query)
        if line is None:
            return None
        at_ns, units = self._start_ns(view), self._units(event)
        pieces = line.split(at_ns, units) if unit is Unit.TIME and units else [(line.at(at_ns), units)]
        position = nanos = 0
        for priced, part in pieces:
            if priced.rate is not None:
                nanos += price(priced.rate, position + part) - price(priced.rate, position)
                position += part
            elif priced.verdict is not Verdict.FREE:
                return None
        return nanos

    def _best_account(self, view: View, route: Route) -> tuple[str | None, int | None]:
        best: tuple[str | None, int | None] = (None, None)
        for name in route.account_ids:
            if self._service.loads_at_once:
                at_once(self._exact.prepare(view.tenant, {"Account": name}))
            run = self._run(view, {**view.req, "Account": name, "Subject": name})
            outcome = self._exact.authorize(run)
            usage = self._units(view.req) if outcome.usage < 0 else outcome.usage
            if not outcome.refusal and usage and (best[1] is None or usage > best[1]):
                best = (name, usage)
        return best

    def _run(self, view: View, event: Event) -> Run:
        kind = values.text(event.get("RequestType"))
        try:
            return Run(
                "", event, kind, self._exact.open(view.tenant, event, self._units(event), request_type=kind)
            )
        except ValueError as error:
            raise RouteFailed(str(error)) from None

    def _units(self, event: Mapping[str, object]) -> int:
        try:
            found = values.optional_duration(dict(event), "Usage")
        except ValueError as error:
            raise RouteFailed(str(error)) from None
        return self._exact.default_usage(values.text(event.get("ToR"))) if found is None else found

    def _start_ns(self, view: View) -> int:
        said = view.req.get("AnswerTime") or view.req.get("SetupTime")
        try:
            start_ns, _ = values.moment(said, view.now_ns)
        except ValueError as error:
            raise RouteFailed(str(error)) from None
        return start_ns or view.now_ns
