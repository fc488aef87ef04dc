"""A machine that does anything to three accounts that share, in any order, while the books of all stay right."""

from collections.abc import Callable

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocs.charging import acts
from ocs.charging.account import Account, Balance, Extras, Factor, SharedGroup, Strategy, Terms
from ocs.charging.endings import close
from ocs.charging.entry import Posting
from ocs.charging.events import Action, ChargingEvent, RequestType, Result, Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rerate import Books, rerate
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Tariff, Verdict
from tests.support.charging import (
    EVENING,
    HOUR_NS,
    NOON_NS,
    RATES,
    RULES,
    SECOND_NS,
    initial,
    once,
    rg,
    terminate,
    update,
)
from tests.support.family import Family

A, B, C = KEYS = ("default:a", "default:b", "default:c")
OWN = Plan(
    "own",
    (
        PlanVersion(
            tuple(
                msgspec.structs.replace(rule, choices=(Choice(Verdict.RATED, RATES["fraction"], "fraction"),))
                for rule in RULES
                if rule.unit is Unit.OCTETS
            )
        ),
    ),
)
TARIFF = Catalogue(
    Tariff(
        "EUR",
        (Plan("standard", (PlanVersion(RULES),)), OWN),
        {"near": ("1",), "far": ("4",), "premium": ("1900",)},
        {"abroad": ("262",)},
        RATES,
        windows={"evening": EVENING},
    )
)
GROUPS = st.sampled_from([10, 20, 30, 40, 50, 60, 70, 80])
SESSIONS = st.sampled_from(["s1", "s2"])
WHO = st.sampled_from(KEYS)
TERMS = st.builds(
    Terms,
    subject=st.sampled_from(["", "", "*zero7", "own"]),
    timings=st.sampled_from([(), (), ("evening",), ("!evening",)]),
    shared_groups=st.sampled_from([("family",), ("family",), ()]),
    factors=st.sampled_from([(), (Factor("data", 2),), (Factor("data", 1, 3),)]),
    is_blocker=st.sampled_from([False, False, False, True]),
)


class Charging(RuleBasedStateMachine):
    """Three members of a group; their clients are honest, or use more than they were granted."""

    @initialize(
        nanos=st.tuples(*[st.integers(0, 5000)] * 3),
        strategy=st.sampled_from(list(Strategy)),
        is_honest=st.booleans(),
    )
    def start(self, nanos: tuple[int, int, int], strategy: Strategy, is_honest: bool) -> None:
        shared = Balance("shared", Unit.MONEY, 700, priority=2, terms=Terms(shared_groups=("family",)))
        extras = Extras(groups=(SharedGroup("family", strategy, KEYS),))
        accounts = {
            key: Account(
                key, "standard", (shared, Balance("main", Unit.MONEY, money)), version=1, extras=extras
            )
            for key, money in zip(KEYS, nanos, strict=True)
        }
        self.world = Family(accounts, TARIFF, ChargingPolicy(floor_nanos=-2000))
        self.began = {(key, each.id): each.posted for key, one in accounts.items() for each in one.balances}
        self.is_honest = is_honest
        self.out: dict[tuple[str, str], dict[int, int]] = {}
        self.debits: list[tuple[str, ChargingEvent, Posting]] = []
        self.refunded: set[str] = set()
        self.number = 0

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _take(self, key: str, event: ChargingEvent) -> None:
        decision = self.world.take(key, event)
        name = (key, event.session_id)
        self.out[name] = {
            grant.rating_group or 0: grant.amount
            for grant in decision.answer.grants
            if decision.answer.result is Result.SUCCESS
        }

    def _used(self, key: str, session: str, group: int, used: int) -> int:
        return min(used, self.out.get((key, session), {}).get(group, 0)) if self.is_honest else used

    @rule(key=WHO, session=SESSIONS, group=GROUPS, want=st.integers(1, 900))
    def open(self, key: str, session: str, group: int, want: int) -> None:
        session = f"{key}{session}"
        self._take(
            key, initial(rg(group, want), session=session, number=self._next(), account=key, identities=())
        )

    @rule(key=WHO, session=SESSIONS, group=GROUPS, want=st.integers(1, 900), used=st.integers(0, 900))
    def go_on(self, key: str, session: str, group: int, want: int, used: int) -> None:
        session = f"{key}{session}"
        used = self._used(key, session, group, used)
        self._take(
            key, update(self._next(), rg(group, want, used), session=session, account=key, identities=())
        )

    @rule(key=WHO, session=SESSIONS, group=GROUPS, used=st.integers(0, 900))
    def end(self, key: str, session: str, group: int, used: int) -> None:
        session = f"{key}{session}"
        used = self._used(key, session, group, used)
        event = terminate(self._next(), rg(group, used=used), session=session, account=key, identities=())
        self._take(key, event)

    @rule(key=WHO, session=SESSIONS, want=st.integers(1, 900), is_held=st.booleans())
    def ring(self, key: str, session: str, want: int, is_held: bool) -> None:
        session = f"{key}{session}"
        reserve_ns = 60 * SECOND_NS if is_held else None
        event = once(
            Action.AUTHORIZE,
            rg(10, want),
            session=session,
            service="data",
            reserve_ns=reserve_ns,
            account=key,
            identities=(),
        )
        self.world.take(key, event)

    @rule(
        key=WHO,
        messages=st.integers(1, 40),
        request_type=st.sampled_from([None, RequestType.RATED, RequestType.POSTPAID]),
    )
    def send(self, key: str, messages: int, request_type: RequestType | None) -> None:
        if self.is_honest and request_type is RequestType.POSTPAID:
            return
        event = once(
            Action.DIRECT_DEBITING,
            rg(None, messages, unit=Unit.EVENTS, called="15551"),
            session=f"e{self._next()}",
            account=key,
            identities=(),
            request_type=request_type,
        )
        decision = self.world.take(key, event)
        if decision.answered is not None and decision.answered.posting is not None:
            self.debits.append((key, event, decision.answered.posting))

    @precondition(lambda self: self.debits)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        key, sent, posting = data.draw(st.sampled_from(self.debits))
        if sent.session_id in self.refunded:
            return
        self.refunded.add(sent.session_id)
        token = f"{sent.session_id}".encode()
        back = once(
            Action.REFUND_ACCOUNT, session=f"r{self._next()}", refund_token=token, account=key, identities=()
        )
        before = self._worth()
        assert self.world.take(key, back, posting).answer.result is Result.SUCCESS
        taken = -sum(entry.amount for each in (posting, *posting.others) for entry in each.entries)
        assert self._worth() - before == taken

    @precondition(lambda self: self.world.cdrs and not self.is_honest)
    @rule(data=st.data(), is_refund=st.booleans())
    def charge_anew(self, data: st.DataObject, is_refund: bool) -> None:
        """A session as it stands: given back, and charged again by the tariff of now."""
        first = data.draw(st.sampled_from(self.world.cdrs))
        account = self.world.accounts[first.account]
        if any(each.session_id == first.session_id for each in account.sessions):
            return
        cdrs = tuple(
            each
            for each in self.world.cdrs
            if (each.account, each.session_id) == (first.account, first.session_id)
        )
        key = f"{first.client}|{first.session_id}"
        postings = tuple(
            each for each in self.world.postings if each.session_key == key and self._is_of(each, account.key)
        )
        others = tuple(self.world.accounts[other] for other in KEYS if other != account.key)
        decision = rerate(
            account, Books(cdrs, postings), TARIFF, self.world.policy, self._stamp(), others, is_refund
        )
        self.world.move(decision)

    def _is_of(self, posting: Posting, key: str) -> bool:
        return posting.account == key or posting.reason == f"for {key}"

    @rule(
        key=WHO,
        amount=st.integers(1, 900),
        name=st.sampled_from(["one", "two"]),
        unit=st.sampled_from([Unit.MONEY, Unit.OCTETS]),
        terms=TERMS,
        hours=st.none() | st.integers(1, 3),
    )
    def top_up(self, key: str, amount: int, name: str, unit: Unit, terms: Terms, hours: int | None) -> None:
        expires_at_ns = None if hours is None else self.world.now_ns + hours * HOUR_NS
        topup = acts.TopUp(amount, unit, f"{name}_{unit.name}", 5, expires_at_ns, terms=terms)
        self._act(acts.top_up, key, topup)

    @rule(key=WHO)
    def expire(self, key: str) -> None:
        self._act(acts.expire, key)

    @rule(key=WHO, name=st.sampled_from(["one_MONEY", "two_OCTETS", "shared"]))
    def remove(self, key: str, name: str) -> None:
        account = self.world.accounts[key]
        if any(each.id == name and not each.reserved for each in account.balances):
            self._act(acts.remove_balance, key, name)

    @rule(key=WHO)
    def fall_silent(self, key: str) -> None:
        for session in self.world.accounts[key].sessions[:1]:
            self.world.close(key, session)

    @rule(step_s=st.sampled_from([1, 61, 3700, 20_000, -3600]))
    def let_time_pass(self, step_s: int) -> None:
        self.world.now_ns = max(NOON_NS, self.world.now_ns + step_s * SECOND_NS)

    def _stamp(self) -> acts.Act:
        return acts.Act(f"act {self._next()}", self.world.now_ns, "test")

    def _act(self, act: Callable[..., tuple[Account, Posting | None]], key: str, *arguments: object) -> None:
        account, posting = act(self.world.accounts[key], *arguments, self._stamp())
        self.world.accounts[key] = account
        self.world.postings += [] if posting is None else [posting]

    def _worth(self) -> int:
        return sum(each.posted for one in self.world.accounts.values() for each in one.balances)

    @invariant()
    def books_are_right(self) -> None:
        if not hasattr(self, "world"):
            return
        assert self.world.problems() == []
        sums = dict(self.began)
        for place, amount in self.world.moved().items():
            sums[place] = sums.get(place, 0) + amount
        held = {
            (key, each.id): each.posted for key, one in self.world.accounts.items() for each in one.balances
        }
        assert {place: amount for place, amount in held.items() if amount} == {
            place: amount for place, amount in sums.items() if amount
        }

    @invariant()
    def nothing_is_promised_or_spent_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        for account in self.world.accounts.values():
            for balance in account.balances:
                assert balance.reserved >= 0
                assert balance.posted >= 0 or balance.id == "main"
                if self.is_honest:
                    assert balance.posted - balance.reserved >= 0

    @invariant()
    def sessions_cost_what_was_paid(self) -> None:
        if not hasattr(self, "world"):
            return
        for account in self.world.accounts.values():
            for session in (*account.sessions, *account.closed):
                assert session.cost_nanos == sum(quota.cost_nanos for quota in session.quotas)


__all__ = ["Charging", "close"]
