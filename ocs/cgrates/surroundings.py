"""The profiles of a state as the event pipeline and the subsystem methods see them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

import structlog

from ocs.cgrates.addresses import Addresses
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.accounts import account_view
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.route_forms import route_form
from ocs.cgrates.route_sources import StateSources
from ocs.cgrates.stat_records import change_of, record_of
from ocs.cgrates.state import State
from ocs.charging.cgrates.plan import Settings
from ocs.charging.cgrates.timings import is_active
from ocs.charging.profiles import attributes, chargers, filters, resources, routes, stats, thresholds
from ocs.charging.profiles.model import NONE
from ocs.charging.profiles.routes import Decision, PricedSources
from ocs.charging.profiles.stats import Change as ItemChange
from ocs.charging.profiles.thresholds import Fired
from ocs.charging.profiles.view import ABSENT, View, walk
from ocs.sessions import values
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import CgrEvent
from ocs.sessions.surroundings import Address, Altered, Forked, Routed, RouteOptions
from ocs.sessions.values import Event

log = structlog.get_logger()

EVENT_COST = "*event_cost"
DEEPEST = 4  # thresholds whose actions make other thresholds fire
Fire = Callable[[CgrEvent, thresholds.Fired], None]


class ProfileSurroundings:
    """Profiles of all kinds with their states; `fire` does what a threshold wants done."""

    stores_all_queues = False

    def __init__(self, state: State, settings: Settings, now_ns: Callable[[], int]) -> None:
        self._state = state
        self._now_ns = self.now_ns = now_ns
        self.resources = resources.ResourceBook(state.book.resources, records_in_full=True)
        self.stats_book = stats.StatBook(
            state.book.stats, state.book.filters, stores_all=self.stores_all_queues
        )
        self.thresholds_book = thresholds.ThresholdBook(state.book.thresholds)
        self.addresses = Addresses(state, self.passes, now_ns)
        self.sources: PricedSources = StateSources(state, settings, self)
        self.fire: Fire = _logged
        self.attribute_runs = 1
        self.telling: frozenset[Kind] = frozenset()  # kinds whose changes go to thresholds
        self.depth = 0
        self._postponed: list[Callable[[], None]] | None = None

    def view(self, event: CgrEvent, options: Event | None = None) -> View:
        """An event as rules see it."""
        return View(
            event.event,
            event.options if options is None else options,
            tenant=event.tenant,
            now_ns=self._now_ns(),
            lookups=self,
        )

    # --- what an event becomes

    def fork(self, event: CgrEvent) -> tuple[Forked, ...]:
        """The event once per matching charger, heaviest first."""
        book = self._state.book
        try:
            runs = chargers.runs_of(book.chargers, book.attributes, self.view(event))
        except ValueError as error:
            raise ServiceError(f"SERVER_ERROR: {error}") from None
        return tuple(
            [Forked(run.run_id, run.event, run.charger_id, run.attribute_ids, run.altered) for run in runs]
        )

    def attributes(self, event: CgrEvent, ids: tuple[str, ...], context: str) -> Altered:
        """The event after its attributes."""
        options = {**event.options, "*subsys": "*sessions"}
        if ids:
            options["*attrProfileIDs"] = list(ids)
        named = options.get("*context")
        try:
            found = self._state.book.attributes.process(
                self.view(event, options),
                context=named if isinstance(named, str) and named else context,
                runs=self.attribute_runs,
            )
        except attributes.AttributeFailed as error:
            raise ServiceError(f"SERVER_ERROR: {error}") from None
        if found is None:
            raise ServiceError(NOT_FOUND)
        altered = CgrEvent(found.tenant, found.event, found.opts, event.event_id, event.time)
        return Altered(altered, found.matched, found.altered, found.digest)

    def passes(self, filter_ids: list[str], tenant: str, event: Event) -> bool:
        """Whether an event passes filters, by id or inline."""
        try:
            rules = self._state.book.filters.rules(tenant, filter_ids)
        except ValueError as error:
            raise ServiceError(NOT_FOUND if "inline" not in str(error) else str(error)) from None
        return filters.passes(rules, self.view(CgrEvent(tenant, event)))

    # --- resources

    def authorize_resources(self, event: CgrEvent) -> str:
        """The message an allocation would have."""
        message: str = self._resource(event, self.resources.authorize, "RESOURCE_UNAUTHORIZED")
        return message

    def allocate_resources(self, event: CgrEvent) -> str:
        """Records a usage; the message of the first resource with room."""
        done: resources.Allocation = self._resource(event, self.resources.allocate, "RESOURCE_UNAVAILABLE")
        self._keep_usages(done.changes)
        return done.message

    def release_resources(self, event: CgrEvent) -> None:
        """Forgets a usage."""
        view, wanted = self.view(event), self._usage_wanted(event)
        if not self.resources.matching(view, wanted.usage_id):
            raise ServiceError(NOT_FOUND)
        self._keep_usages(self.resources.release(view, wanted.usage_id))

    @contextmanager
    def without_usages(self, tenant: str, usage_ids: Sequence[str]) -> Iterator[None]:
        """For what is decided as if usages that are about to end had ended."""
        table = self._state.tables[Kind.RESOURCE_USAGE].values() if usage_ids else ()
        held = [change for change in table if change.tenant == tenant and change.usage_id in usage_ids]
        for change in held:
            self.resources.restore((resources.Change(tenant, change.resource_id, change.usage_id),))
        try:
            yield
        finally:
            self.resources.restore(held)

    # --- addresses

    def authorize_ip(self, event: CgrEvent) -> Address:
        """The address an event would get."""
        return self.addresses.authorize(event)

    def allocate_ip(self, event: CgrEvent) -> Address:
        """Gives an event an address."""
        return self.addresses.allocate(event)

    def release_ip(self, event: CgrEvent) -> None:
        """Takes the address of an event back."""
        self.addresses.release(event)

    # --- resources

    def resource(self, tenant: str, name: str) -> resources.Resource | None:
        """A resource with what is in use now; None where there is none."""
        self._keep_usages(self.resources.expire(tenant, [name], self._now_ns()))
        return self.resources.get(tenant, name)

    def _resource(self, event: CgrEvent, ask: Callable[[View, resources.Request], Any], full: str) -> Any:
        try:
            return ask(self.view(event), self._usage_wanted(event))
        except resources.NoResource:
            raise ServiceError(NOT_FOUND) from None
        except resources.ResourceFull:
            raise ServiceError(full) from None

    def _usage_wanted(self, event: CgrEvent) -> resources.Request:
        try:
            return resources.request_of(event.options, values.text(event.event.get("OriginID")))
        except ValueError as error:
            raise ServiceError(f"SERVER_ERROR: {error}") from None

    def _keep_usages(self, changes: Sequence[resources.Change]) -> None:
        for change in changes:
            key = f"{change.tenant}:{change.resource_id}:{change.usage_id}"
            if change.usage is None:
                self._state.delete(Kind.RESOURCE_USAGE, key)
            else:
                self._state.put(Kind.RESOURCE_USAGE, key, change)
        if Kind.RESOURCE in self.telling:
            for tenant, name in dict.fromkeys((change.tenant, change.resource_id) for change in changes):
                if self._postponed is None:
                    self._tell_usage(tenant, name)
                else:
                    self._postponed.append(partial(self._tell_usage, tenant, name))

    def _tell_usage(self, tenant: str, name: str) -> None:
        profile = self._state.book.resources.get(tenant, name)
        if profile is not None:
            used = plain(self.resources.usage(tenant, name, self._now_ns()))
            told = {"EventType": "ResourceUpdate", "ResourceID": name, "Usage": used}
            self._tell(tenant, name, told, profile.threshold_ids)

    @contextmanager
    def postponing(self) -> Iterator[list[Callable[[], None]]]:
        """Collects what thresholds are to be told, for whoever tells them when a decision has been taken."""
        before, self._postponed = self._postponed, []
        try:
            yield self._postponed
        finally:
            self._postponed = before

    # --- routes

    def routes(self, event: CgrEvent, options: RouteOptions) -> Routed:
        """The routes of an event, best first."""
        found = [each for each in self.decisions(event, options) if each.routes]
        if not found:
            raise ServiceError(NOT_FOUND)
        return Routed([route_form(each) for each in found], routes.digest(found))

    def decisions(self, event: CgrEvent, options: RouteOptions) -> list[Decision]:
        """How each matching route profile sorts its routes, and why some are lost."""
        book = self._state.book
        wanted = routes.Options(
            limit=options.limit,
            offset=options.offset,
            max_cost=self._max_cost(event, options.max_cost),
            ignores_errors=options.ignores_errors,
            profile_count=attributes.number_in(event.options, "*rouProfileCount", 1),
        )
        try:
            return routes.routes_for(book.routes, book.filters, self.view(event), self.sources, wanted)
        except routes.RouteFailed as error:
            raise ServiceError(str(error)) from None

    def _max_cost(self, event: CgrEvent, text: str) -> Decimal | None:
        if not text:
            return None
        if text == EVENT_COST:
            return self.sources.event_cost(self.view(event))
        try:
            return Decimal(text)
        except ArithmeticError:
            raise ServiceError(f"SERVER_ERROR: not a cost: {text[:40]}") from None

    # --- what counts events

    def thresholds(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """Counts an event; the thresholds it hit."""
        if self.depth >= DEEPEST:
            log.warning("threshold.not_followed", tenant=event.tenant, reason="thresholds set each other off")
            return []
        ignores = event.options.get("*thdProfileIgnoreFilters") is True
        found = self.thresholds_book.process(self.view(event), ids, ignores_filters=ignores)
        if not found.threshold_ids:
            raise ServiceError(NOT_FOUND)
        for hits in found.changes:
            self._state.put(Kind.THRESHOLD_HITS, f"{hits.tenant}:{hits.id}", hits)
        self._fire_all(event, found.fired)
        return list(found.threshold_ids)

    def _fire_all(self, event: CgrEvent, fired: Sequence[Fired]) -> None:
        """Does what thresholds want done; one that cannot keeps no other from it. Raises ServiceError."""
        failure: ServiceError | None = None
        self.depth += 1
        try:
            for each in fired:
                try:
                    self.fire(event, each)
                except ServiceError as error:
                    failure = error
        finally:
            self.depth -= 1
        if failure is not None:
            raise failure

    @contextmanager
    def at_depth(self, depth: int) -> Iterator[None]:
        """For what a threshold does later: the thresholds it sets off are as deep as if it did that at once."""
        before, self.depth = self.depth, depth
        try:
            yield
        finally:
            self.depth = before

    def stats(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """Counts an event; the queues it went into."""
        ignores = event.options.get("*stsProfileIgnoreFilters") is True
        found = self.stats_book.process(self.view(event), event.event_id, ids, ignores_filters=ignores)
        if not found.queue_ids:
            raise ServiceError(NOT_FOUND)
        self._keep_items(found.changes)
        if Kind.STAT in self.telling:
            for name in found.queue_ids:
                profile = self._state.book.stats.get(event.tenant, name)
                numbers = self.stats_book.numbers(event.tenant, name, self._now_ns())
                told = {"EventType": "StatUpdate", "StatID": name}
                told |= {metric: plain(value) for metric, value in numbers.items()}
                told |= _account(event)
                self._tell(event.tenant, name, told, profile.threshold_ids if profile is not None else ())
        return list(found.queue_ids)

    def reset_queue(self, tenant: str, queue_id: str) -> bool:
        """Empties a queue; False where there is none."""
        queue = self.stats_book.queue(tenant, queue_id)
        if queue is not None:
            self._keep_items(queue.clear())
        return queue is not None

    def reset_threshold(self, tenant: str, threshold_id: str) -> bool:
        """Makes a threshold count anew; False where there is none."""
        hits = self.thresholds_book.reset(tenant, threshold_id)
        if hits is not None:
            self._state.put(Kind.THRESHOLD_HITS, f"{tenant}:{threshold_id}", hits)
        return hits is not None

    def forget(self, kind: Kind, tenant: str, name: str) -> None:
        """What a profile that is to go has kept: usages, items, hits, addresses."""
        match kind:
            case Kind.RESOURCE:
                for change in self.resources.drop(tenant, name):
                    self._state.delete(Kind.RESOURCE_USAGE, f"{tenant}:{name}:{change.usage_id}")
            case Kind.STAT:
                self.reset_queue(tenant, name)
            case Kind.THRESHOLD:
                self.thresholds_book.drop(tenant, name)
                self._state.delete(Kind.THRESHOLD_HITS, f"{tenant}:{name}")
            case Kind.IP:
                self._state.delete(Kind.IP_ALLOCATION, f"{tenant}:{name}")
            case _:
                return

    def _keep_items(self, changes: Sequence[ItemChange]) -> None:
        for change in changes:
            key = f"{change.tenant}:{change.queue_id}:{change.sequence}"
            if change.item is None and change.totals is None:
                self._state.delete(Kind.STAT_QUEUE, key)
            else:
                self._state.put(Kind.STAT_QUEUE, key, record_of(change))

    def _tell(self, tenant: str, name: str, told: Event, threshold_ids: tuple[str, ...]) -> None:
        """Thresholds about a resource or a queue that changed: all that match, or those it names."""
        if NONE in threshold_ids:
            return
        event = CgrEvent(tenant, told, {"*eventType": told["EventType"]}, f"{tenant}:{name}")
        with suppress(ServiceError):  # no threshold matches
            self.thresholds(event, threshold_ids)

    def restore(self) -> None:
        """Takes over usages, hits and queues that the state has kept."""
        self.restore_uses()
        self.restore_queues()

    def restore_queues(self) -> None:
        """Takes over the queues that the state has, in the place of those known."""
        tables = self._state.tables
        self.stats_book.clear_stored()
        items: dict[tuple[str, str], list[stats.Item]] = {}
        for change in map(change_of, tables[Kind.STAT_QUEUE].values()):
            if change.totals is not None:
                self.stats_book.restore_totals(change.tenant, change.queue_id, change.totals)
            elif change.item is not None:
                items.setdefault((change.tenant, change.queue_id), []).append(change.item)
        for (tenant, queue_id), found in items.items():
            self.stats_book.restore(tenant, queue_id, found)

    def restore_uses(self) -> None:
        """Takes over usages and hits that the state has, in the place of those known."""
        tables = self._state.tables
        self.resources.clear()
        self.resources.restore(list(tables[Kind.RESOURCE_USAGE].values()))
        self.thresholds_book.clear()
        for hits in tables[Kind.THRESHOLD_HITS].values():
            self.thresholds_book.restore(hits)

    # --- what rules may look up (`ocs.charging.profiles.view.Lookups`)

    def value(self, kind: str, path: Sequence[str], tenant: str) -> object | None:
        """`*stats.ID.*metric`, `*resources.ID.TotalUsage`, `*thresholds.ID.Hits`, `*accounts.ID.BalanceMap...`."""
        name, rest = path[0], path[1:]
        match kind:
            case "*stats":
                return self.stats_book.numbers(tenant, name, self._now_ns()).get(".".join(rest))
            case "*resources" if tuple(rest) == ("TotalUsage",):
                return self.resources.usage(tenant, name, self._now_ns())
            case "*thresholds" if tuple(rest) == ("Hits",):
                hits = self.thresholds_book.get(tenant, name)
                return None if hits is None else hits.hits
            case "*accounts":
                account = self._state.accounts.get(f"{tenant}:{name}")
                found = ABSENT if account is None else walk(account_view(account), rest)
                return None if found is ABSENT else found
        return None

    def destinations(self, number: str) -> frozenset[str]:
        """Ids of the destinations that hold a prefix of the number."""
        known = self._state.tariff.destinations
        return frozenset(
            name for length in range(1, len(number) + 1) for name in known.get(number[:length], ())
        )

    def is_timed(self, timing: str, at_ns: int) -> bool | None:
        """Whether a timing holds at a moment."""
        found = self._state.tariff.timings.get(timing)
        return None if found is None else is_active(found, at_ns)


def _account(event: CgrEvent) -> Event:
    """Whose event set off a change, so that actions know whom they are about."""
    account = event.event.get("Account")
    return {} if account is None else {"Account": account}


def _logged(event: CgrEvent, fired: thresholds.Fired) -> None:
    log.info("threshold.fired", threshold=fired.threshold_id, actions=fired.action_ids)
