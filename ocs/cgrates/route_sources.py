"""What routes are sorted by: prices of their rating plans, metrics, usage of resources."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from ocs.cgrates.state import State
from ocs.charging.cgrates.authorize import default_usage
from ocs.charging.cgrates.call import VOICE, Call, Refusal
from ocs.charging.cgrates.cost import call_cost
from ocs.charging.cgrates.plan import Activation, Settings
from ocs.charging.cgrates.usage import max_usage
from ocs.charging.profiles.model import Route
from ocs.charging.profiles.routes import Cost, RouteFailed
from ocs.charging.profiles.values import Number
from ocs.charging.profiles.view import View
from ocs.sessions import values

if TYPE_CHECKING:
    from ocs.cgrates.surroundings import ProfileSurroundings

NANOS = 1_000_000_000


class StateSources:
    """Prices and figures of a state."""

    def __init__(self, state: State, settings: Settings, surroundings: "ProfileSurroundings") -> None:
        self._state = state
        self._settings = settings
        self._surroundings = surroundings
        self._asked: tuple[View, Call] | None = None  # the routes of one event are asked about in turn

    def cost(self, view: View, route: Route) -> Cost | None:
        """The cheapest of a route's rating plans; with accounts also how long the best of them can pay."""
        call = self._call(view)
        account_id, usage = self._best_account(call, view.tenant, route)
        if route.account_ids and account_id is None:
            return None
        if usage is not None and account_id is not None and not route.rating_plan_ids:
            return Cost(Decimal(0), account_id=account_id, max_usage_ns=usage)
        best: Cost | None = None
        for plan_id in route.rating_plan_ids:
            nanos = self._plan_cost(call, plan_id)
            if nanos is not None and (best is None or Decimal(nanos) / NANOS < best.cost):
                best = Cost(Decimal(nanos) / NANOS, plan_id, account_id or "", usage)
        return best

    def event_cost(self, view: View) -> Decimal:
        """What the event itself costs. Raises RouteFailed."""
        found = call_cost(self._state.tariff, self._call(view), self._settings)
        if isinstance(found, Refusal):
            raise RouteFailed(str(found))
        return Decimal(found.cost_nanos) / NANOS

    def metrics(self, tenant: str, stat_id: str) -> Mapping[str, Number]:
        """The metrics of a queue."""
        return self._surroundings.stats_book.numbers(tenant, stat_id, self._now_ns())

    def usage(self, tenant: str, resource_id: str) -> Number:
        """Units in use of a resource."""
        return self._surroundings.resources.usage(tenant, resource_id, self._now_ns())

    def _now_ns(self) -> int:
        return self._surroundings.now_ns()

    def _plan_cost(self, call: Call, plan_id: str) -> int | None:
        """The price of one plan, as if the call's subject had it alone."""
        key = (call.tenant, call.category, call.subject)
        alone = {key: (Activation(0, plan_id),)}
        tariff = msgspec.structs.replace(self._state.tariff, profiles=alone)
        found = call_cost(tariff, call, self._settings)
        return None if isinstance(found, Refusal) else found.cost_nanos

    def _best_account(self, call: Call, tenant: str, route: Route) -> tuple[str | None, int | None]:
        best: tuple[str | None, int | None] = (None, None)
        for name in route.account_ids:
            account_id = f"{tenant}:{name}"
            asked = msgspec.structs.replace(call, account=name, subject=name)
            found = max_usage(self._state.snapshot(account_id), self._state.tariff, asked, self._settings)
            if isinstance(found, Refusal) or found.usage_ns == 0:
                continue
            if best[1] is None or found.usage_ns > best[1]:
                best = (name, found.usage_ns)
        return best

    def _call(self, view: View) -> Call:
        if self._asked is None or self._asked[0] is not view:
            self._asked = (view, self._call_of(view))
        return self._asked[1]

    def _call_of(self, view: View) -> Call:
        event = view.req
        kind = values.text(event.get("ToR")) or VOICE
        try:
            start_ns, offset_ns = values.moment(
                event.get("AnswerTime") or event.get("SetupTime"), view.now_ns
            )
            usage = values.optional_duration(event, "Usage")
        except ValueError as error:
            raise RouteFailed(str(error)) from None
        start_ns = start_ns or view.now_ns
        account = values.text(event.get("Account"))
        return Call(
            tenant=view.tenant,
            category=values.text(event.get("Category")) or "call",
            destination=values.text(event.get("Destination")),
            kind=kind,
            subject=values.text(event.get("Subject")) or account,
            account=account,
            start_ns=start_ns,
            end_ns=start_ns + (default_usage(kind, self._settings) if usage is None else usage),
            offset_ns=offset_ns,
        )
