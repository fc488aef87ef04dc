"""Several accounts under the engine: events go to one of them, the members of its groups change with it."""

from dataclasses import dataclass, field

from ocs.charging import engine, onetime
from ocs.charging.account import Account, Session
from ocs.charging.decision import Decision
from ocs.charging.endings import close
from ocs.charging.entry import Cdr, EntryKind, Posting
from ocs.charging.events import ChargingEvent, EventKind
from ocs.charging.following import follow_decision
from ocs.charging.ledger import check
from ocs.charging.memory import member_keys
from ocs.charging.quota import ChargingPolicy
from ocs.charging.tariff.catalogue import Catalogue
from tests.support.charging import NOON_NS


@dataclass
class Family:
    """Accounts by key; everything written is kept."""

    accounts: dict[str, Account]
    tariff: Catalogue
    policy: ChargingPolicy = field(default_factory=ChargingPolicy)
    now_ns: int = NOON_NS
    postings: list[Posting] = field(default_factory=list)
    cdrs: list[Cdr] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def take(self, key: str, event: ChargingEvent, refundable: Posting | None = None) -> Decision:
        """Decide on one account, with the members of its groups as they are, and move all of them on."""
        account = self.accounts[key]
        others = self._others(account)
        if event.kind is EventKind.EVENT:
            decision = onetime.decide(
                account, event, self.tariff, self.policy, self.now_ns, refundable, others
            )
        else:
            decision = engine.decide(account, event, self.tariff, self.policy, self.now_ns, others)
        if decision.account is not account:
            decision, _ = follow_decision(account, decision, event, self.tariff, self.now_ns, self.accounts)
        self.move(decision)
        self.decisions.append(decision)
        return decision

    def close(self, key: str, session: Session) -> None:
        """End a session without its client."""
        account = self.accounts[key]
        self.move(close(account, session, self.policy, self.now_ns, "client silent", self._others(account)))

    def _others(self, account: Account) -> tuple[Account, ...]:
        return tuple(self.accounts[key] for key in member_keys(account) if key in self.accounts)

    def move(self, decision: Decision) -> None:
        """Take over what a decision made of the accounts."""
        for changed in (decision.account, *decision.others):
            before = self.accounts[changed.key]
            assert changed.version - before.version in (0, 1), "one change is one version"
            self.accounts[changed.key] = changed
        self.postings += [] if decision.posting is None else [decision.posting]
        self.postings += decision.other_postings
        self.cdrs += decision.cdrs

    def problems(self) -> list[str]:
        """What is wrong with the books of all accounts together, holds against loans too."""
        found = [problem for account in self.accounts.values() for problem in check(account)]
        lent = sorted(
            (account.key, loan.account, loan.session_key, loan.balance_id, loan.amount)
            for account in self.accounts.values()
            if account.extras is not None
            for loan in account.extras.loans
        )
        borrowed: dict[tuple[str, str, str, str], int] = {}
        for account in self.accounts.values():
            for session in account.sessions:
                for quota in session.quotas:
                    for hold in quota.holds:
                        if hold.account:
                            key = (hold.account, account.key, session.key, hold.balance_id)
                            borrowed[key] = borrowed.get(key, 0) + hold.amount
        if lent != sorted((*key, amount) for key, amount in borrowed.items()):
            found.append(f"lent {lent}, borrowed {borrowed}")
        return found

    def moved(self) -> dict[tuple[str, str], int]:
        """What all entries together changed, by account and balance."""
        sums: dict[tuple[str, str], int] = {}
        for posting in self.postings:
            for entry in posting.entries:
                if entry.kind is not EntryKind.WRITE_OFF:
                    place = (posting.account, entry.balance_id)
                    sums[place] = sums.get(place, 0) + entry.amount
        return sums

    def books(self) -> str:
        """All balances that are not empty, as `a.main 100-20`: posted, and what of it is reserved."""
        return ", ".join(
            f"{key.partition(':')[2]}.{each.id} {each.posted}"
            + (f"-{each.reserved}" if each.reserved else "")
            for key, account in sorted(self.accounts.items())
            for each in account.balances
            if each.posted or each.reserved
        )
