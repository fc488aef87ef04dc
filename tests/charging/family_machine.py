"""A machine that does anything to three accounts that share, in any order, while the books of all stay right."""

import contextlib
from collections.abc import Callable
from fractions import Fraction

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocs.charging import acts
from ocs.charging.account import Account, Balance, Extras, Factor, SharedGroup, Strategy, Terms, Watched
from ocs.charging.actions.model import Accounting, Action, ActionSet, Do, Trigger, Watches
from ocs.charging.actions.work import Bench
from ocs.charging.endings import close
from ocs.charging.entry import EntryKind, Posting
from ocs.charging.events import Action as Wish
from ocs.charging.events import ChargingEvent, RequestType, Result, Unit, UsedUnits
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rating import Rate
from ocs.charging.rerate import Books, rerate
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff, Verdict
from tests.support.charging import (
    CLIENT,
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
ACCOUNTING = Accounting(
    sets={
        "gift": ActionSet("gift", (Action(Do.TOP_UP, "gift", amount=90, expires="+1h"),)),
        "fee": ActionSet(
            "fee", (Action(Do.DEBIT, amount=40, overdraws=True), Action(Do.BAR), Action(Do.UNBAR))
        ),
        "give": ActionSet("give", (Action(Do.TRANSFER, amount=30, to_account=C), Action(Do.EXPIRE))),
        "empty": ActionSet("empty", (Action(Do.TOP_UP, "one_MONEY", amount=7, resets=True),)),
        "set": ActionSet("set", (Action(Do.SET, "one_MONEY", amount=55, priority=7),)),
    },
    triggers={
        "low": (Trigger("low", Watches.AT_MOST, "gift", amount=60, recurs=True),),
        "used": (Trigger("used", Watches.USED_AT_LEAST, "give", amount=500),),
    },
)
SETS = st.sampled_from(sorted(ACCOUNTING.sets))
TAKES = ("fee", "empty", "set")  # what is held may go with it


def tariff(*plans: Plan) -> Catalogue:
    """A tariff of these plans."""
    return Catalogue(
        Tariff(
            "EUR",
            plans,
            {"near": ("1",), "far": ("4",), "premium": ("1900",)},
            {"abroad": ("262",)},
            RATES,
            windows={"evening": EVENING},
            accounting=ACCOUNTING,
        )
    )


def dearer(rule: Rule) -> Rule:
    """A rule whose units cost twice as much, one nano rounded up."""
    return msgspec.structs.replace(
        rule,
        choices=tuple(
            each if each.rate is None else msgspec.structs.replace(each, rate=_doubled(each.rate))
            for each in rule.choices
        ),
    )


def _doubled(rate: Rate) -> Rate:
    slots = tuple(msgspec.structs.replace(slot, price_nanos=2 * slot.price_nanos) for slot in rate.slots)
    return Rate(rate.connect_fee_nanos, slots, cap_nanos=rate.cap_nanos, cap_strategy=rate.cap_strategy)


TARIFF = tariff(Plan("standard", (PlanVersion(RULES),)), OWN)
DEAR = tuple(dearer(rule) for rule in RULES)
LONGEST_HOURS = 3  # that what was topped up lives
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
        extras_of = {
            A: msgspec.structs.replace(extras, watched=(Watched("low"),)),
            B: msgspec.structs.replace(extras, watched=(Watched("used"),)),
        }
        for key, more in extras_of.items():
            accounts[key] = msgspec.structs.replace(accounts[key], extras=more)
        self.began = {(key, each.id): each.posted for key, one in accounts.items() for each in one.balances}
        self.is_honest = is_honest
        self.totals: dict[tuple[str, int], int] = {}
        self.has_free_money = False  # money that pays in increments of units, which have no cost
        self.out: dict[tuple[str, str], dict[int, int]] = {}
        self.debits: list[tuple[str, ChargingEvent, Posting]] = []
        self.refunded: set[str] = set()
        self.number = 0

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _take(self, key: str, event: ChargingEvent) -> None:
        before, mark = dict(self.world.accounts), len(self.world.postings)
        decision = self.world.take(key, event)
        self._check_expired(before, self.world.postings[mark:])
        name = (key, event.session_id)
        self.out[name] = {
            grant.rating_group or 0: grant.amount
            for grant in decision.answer.grants
            if decision.answer.result is Result.SUCCESS
        }

    def _check_expired(self, before: dict[str, Account], postings: list[Posting]) -> None:
        """What has expired pays what it promised, and no more."""
        for key, account in before.items():
            for balance in account.balances:
                ends_ns = balance.expires_at_ns
                if ends_ns is not None and ends_ns <= self.world.now_ns:
                    own = [posting for posting in postings if posting.account == key]
                    debits = [
                        entry.amount
                        for posting in own
                        for entry in posting.entries
                        if (entry.balance_id, entry.kind) == (balance.id, EntryKind.DEBIT)
                    ]
                    assert -sum(debits) <= balance.reserved

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

    @rule(key=WHO, group=GROUPS, want=st.integers(1, 900), more=st.integers(0, 900))
    def tell_a_total(self, key: str, group: int, want: int, more: int) -> None:
        """A client that counts for itself; its session begins with its first total."""
        session = f"{key}total"
        is_open = any(each.session_id == session for each in self.world.accounts[key].sessions)
        if not is_open:
            self.totals = {place: total for place, total in self.totals.items() if place[0] != session}
            event = initial(rg(group, want), session=session, number=self._next(), account=key, identities=())
            self._take(key, event)
        used = self._used(key, session, group, more) if self.out.get((key, session)) else 0
        total = self.totals[session, group] = self.totals.get((session, group), 0) + used
        said = (UsedUnits(Unit.OCTETS, total, is_total=True),)
        self._take(
            key, update(self._next(), rg(group, want, said), session=session, account=key, identities=())
        )

    @rule(key=WHO, group=GROUPS, share=st.fractions(0, 1))
    def end_at_a_smaller_total(self, key: str, group: int, share: Fraction) -> None:
        """What was charged beyond it goes back, and no more: the session costs what stays debited."""
        session = f"{key}total"
        total = int(self.totals.get((session, group), 0) * share)
        said = (UsedUnits(Unit.OCTETS, total, is_total=True),)
        event = terminate(self._next(), rg(group, used=said), session=session, account=key, identities=())
        is_open = any(each.session_id == session for each in self.world.accounts[key].sessions)
        self._take(key, event)
        if is_open:
            used = {each.rating_group: each.used for each in self.world.cdrs[-1].usage}
            assert used.get(group, 0) in (0, total)

    @rule(key=WHO, session=SESSIONS, want=st.integers(1, 900), is_held=st.booleans())
    def ring(self, key: str, session: str, want: int, is_held: bool) -> None:
        session = f"{key}{session}"
        reserve_ns = 60 * SECOND_NS if is_held else None
        event = once(
            Wish.AUTHORIZE,
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
            Wish.DIRECT_DEBITING,
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
    @rule(data=st.data(), hours=st.sampled_from([0, LONGEST_HOURS + 1]))
    def refund(self, data: st.DataObject, hours: int) -> None:
        """At once, or when what paid may have expired."""
        key, sent, posting = data.draw(st.sampled_from(self.debits))
        if sent.session_id in self.refunded:
            return
        self.world.now_ns += hours * HOUR_NS
        self.refunded.add(sent.session_id)
        token = f"{sent.session_id}".encode()
        back = once(
            Wish.REFUND_ACCOUNT, session=f"r{self._next()}", refund_token=token, account=key, identities=()
        )
        decision = self.world.take(key, back, posting)
        assert decision.answer.result is Result.SUCCESS
        given = [*decision.other_postings, *([decision.posting] if decision.posting else [])]
        assert _sum(given, EntryKind.REFUND) == -_sum([posting, *posting.others], EntryKind.DEBIT)

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
            account,
            Books(cdrs, postings),
            self.world.tariff,
            self.world.policy,
            self._stamp(),
            others,
            is_refund,
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
        hours=st.none() | st.integers(1, LONGEST_HOURS),
    )
    def top_up(self, key: str, amount: int, name: str, unit: Unit, terms: Terms, hours: int | None) -> None:
        expires_at_ns = None if hours is None else self.world.now_ns + hours * HOUR_NS
        self.has_free_money |= unit is Unit.MONEY and terms.subject.startswith("*zero")
        topup = acts.TopUp(amount, unit, f"{name}_{unit.name}", 5, expires_at_ns, terms=terms)
        self._act(acts.top_up, key, topup)

    @rule(key=WHO, actions=SETS)
    def act(self, key: str, actions: str) -> None:
        """A set of actions, done by an operator or a plan; one that cannot be done changes nothing."""
        if self.is_honest and actions in TAKES:
            return
        bench = Bench(self.world.accounts, "UTC")
        with contextlib.suppress(acts.ActError):
            bench.run(key, ACCOUNTING.sets[actions], self._stamp())
        self.world.accounts |= bench.changed()
        self.world.postings += bench.postings

    @precondition(lambda self: not self.is_honest)  # what was granted may cost more afterwards
    @rule(is_dear=st.booleans())
    def switch_the_tariff(self, is_dear: bool) -> None:
        """Open sessions go on by the new prices; what they used before keeps its own."""
        successor = tariff(Plan("standard", (PlanVersion(DEAR if is_dear else RULES),)), OWN)
        successor.succeed(self.world.tariff, self.world.now_ns)
        self.world.tariff = successor

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
    def a_trigger_that_does_not_recur_fires_once(self) -> None:
        if not hasattr(self, "world"):
            return
        fired = [posting.account for posting in self.world.postings if posting.by == "trigger used/used"]
        assert len({posting for posting in fired if posting == B}) == fired.count(B)

    @invariant()
    def sessions_cost_what_was_paid(self) -> None:
        """Records and open sessions add up to the money of the entries, refunds and write-offs among them."""
        if not hasattr(self, "world") or self.has_free_money:
            return
        told: dict[str, int] = {}
        for account in self.world.accounts.values():
            for session in (*account.sessions, *account.closed):
                assert session.cost_nanos == sum(quota.cost_nanos for quota in session.quotas)
            for session in account.sessions:
                told[session.key] = told.get(session.key, 0) + session.cost_nanos
        for cdr in self.world.cdrs:
            key = f"{cdr.client}|{cdr.session_id}"
            told[key] = told.get(key, 0) + cdr.cost_nanos
        paid: dict[str, int] = {}
        for posting in self.world.postings:
            money = sum(entry.amount for entry in posting.entries if entry.balance_unit is Unit.MONEY)
            paid[posting.session_key] = paid.get(posting.session_key, 0) - money
        for key in told:
            if key.startswith(f"{CLIENT}|default:"):  # messages may be rated only, and cost nobody anything
                assert told[key] == paid.get(key, 0), key


def _sum(postings: list[Posting], kind: EntryKind) -> int:
    return sum(entry.amount for each in postings for entry in each.entries if entry.kind is kind)


__all__ = ["Charging", "close"]
