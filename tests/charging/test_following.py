"""Triggers of a change: those of the account, then those of members of its group that paid for it."""

import msgspec

from ocs.charging.account import Account, Balance, Extras, Watched
from ocs.charging.actions.model import Accounting, Action, ActionSet, Do, Trigger, Watches
from ocs.charging.decision import Change, Decision
from ocs.charging.entry import Entry, EntryKind, Posting
from ocs.charging.events import ChargingAnswer, Result, Unit
from ocs.charging.following import follow_change, follow_decision
from ocs.charging.tariff.catalogue import Catalogue
from tests.support.charging import NOON_NS, TARIFF, initial, rg

RULES = Accounting(
    sets={
        "gift": ActionSet("gift", (Action(Do.TOP_UP, "gift", amount=5),)),
        "pay": ActionSet("pay", (Action(Do.TRANSFER, amount=1, to_account="t:c"),)),
    },
    triggers={
        "own": (Trigger("low", Watches.AT_MOST, "gift", amount=50),),
        "used": (Trigger("used", Watches.USED_AT_LEAST, "pay", amount=30),),
    },
)
CATALOGUE = Catalogue(msgspec.structs.replace(TARIFF.tariff, accounting=RULES))


def account(key: str, posted: int, version: int, *groups: str) -> Account:
    """An account with money, watched by groups of triggers."""
    extras = Extras(watched=tuple(map(Watched, groups))) if groups else None
    return Account(key, "standard", (Balance("main", Unit.MONEY, posted),), extras=extras, version=version)


def paid(key: str, amount: int) -> Posting:
    """What an account paid."""
    return Posting(key, "c|s", None, 0, NOON_NS, (Entry(EntryKind.DEBIT, "main", Unit.MONEY, -amount, 0),))


def test_members_that_paid_have_their_triggers_in_the_same_step() -> None:
    before = account("t:a", 90, 4, "own")
    member, third = account("t:b", 90, 7, "used"), account("t:c", 0, 2)
    decision = Decision(
        account("t:a", 40, 5, "own"),
        ChargingAnswer(Result.SUCCESS),
        paid("t:a", 50),
        others=(account("t:b", 60, 8, "used"),),
        other_postings=(paid("t:b", 30),),
    )
    known = {"t:b": member, "t:c": third}
    done, followed = follow_decision(before, decision, initial(rg(10, 100)), CATALOGUE, NOON_NS, known)
    assert followed is not None
    assert [(one.account, one.trigger) for one in followed.fired] == [("t:a", "low"), ("t:b", "used")]
    books = {
        one.key: (one.version, [each.posted for each in one.balances]) for one in (done.account, *done.others)
    }
    assert books == {"t:a": (5, [40, 5]), "t:b": (8, [59]), "t:c": (3, [1])}
    assert [one.account for one in done.other_postings] == ["t:b", "t:a", "t:b", "t:c"]


def test_a_decision_that_sets_nothing_off_stays_the_same() -> None:
    before = account("t:a", 90, 4, "own")
    decision = Decision(account("t:a", 80, 5, "own"), ChargingAnswer(Result.SUCCESS))
    assert follow_decision(before, decision, initial(rg(10, 1)), CATALOGUE, NOON_NS, {}) == (decision, None)


def test_an_act_has_its_triggers_too() -> None:
    change = Change(account("t:a", 40, 5, "own"), (paid("t:a", 50),))
    done, followed = follow_change(account("t:a", 90, 4, "own"), change, CATALOGUE, NOON_NS, {})
    assert followed is not None
    assert [one.by for one in done.postings] == ["", "trigger own/low"]
    assert done.account.version == 5
