"""Several runs of one event: a customer, a reseller, whoever pays for it besides, each at its own prices. Pure.

The first run is the session that the client knows; the others are sessions of their own, named after it, on the
accounts that it remembers. All are decided in one turn and become durable in one commit. Every run is charged for
what was used, and holds back only what all of them grant: the answer has the least of every rating group.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ocs.charging.account import Account, Run, Session, StoredAnswer, run_session_id, session_key
from ocs.charging.decision import Decision, encode_answer
from ocs.charging.events import (
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    Grant,
    RequestedUnits,
    Result,
    UsageReport,
)
from ocs.charging.session import find, merged_reports

PASSES = 3  # over all runs, until what they grant is the same
UNLIMITED: Final = Result.FREE_OF_CHARGE
BEGINNINGS: Final = (EventKind.INITIAL, EventKind.EVENT)


class RunEvent(msgspec.Struct, frozen=True):
    """The event of one more run, and whom it charges."""

    run: Run
    event: ChargingEvent


class Step(msgspec.Struct, frozen=True):
    """One run's part of a turn."""

    before: Account
    event: ChargingEvent
    decision: Decision


Decide = Callable[[Account, ChargingEvent, dict[str, Account]], Decision]


def event_of_run(event: ChargingEvent, run: Run) -> ChargingEvent:
    """An event as the one of another run; its session ends with nobody else's, and names no subscriber."""
    token = event.refund_token
    if token is not None:  # `client|session|event`, of the debit
        session, bar, number = token.decode("utf-8", "backslashreplace").rpartition("|")
        token = f"{run_session_id(session, run.name)}{bar}{number}".encode("utf-8", "backslashreplace")
    return msgspec.structs.replace(
        event,
        session_id=run_session_id(event.session_id, run.name),
        account=run.account,
        identities=(),
        refund_token=token,
        replaces_same_bearer=False,
    )


def session_named(account: Account, event: ChargingEvent) -> Session | None:
    """The session of an event, open or just closed."""
    opened = find(account.sessions, event.client, event.session_id)
    return opened or find(account.closed, event.client, event.session_id)


def charge_runs(parties: Sequence[tuple[Account, ChargingEvent]], decide: Decide) -> list[Step]:
    """Every run's decision; the first one alone, where that refuses or repeats an answer.

    `decide` is given accounts as the runs before have left them: two runs may be of one account.
    """
    asked = [msgspec.structs.replace(event, reports=merged_reports(event.reports)) for _, event in parties]
    steps = _pass(parties, asked, decide)
    for _ in range(PASSES - 1):
        if len(steps) < len(parties):
            break
        capped = _capped(asked, steps)
        if capped == asked:
            break
        asked = capped
        steps = _pass(parties, asked, decide)
    return steps


def _pass(
    parties: Sequence[tuple[Account, ChargingEvent]], asked: Sequence[ChargingEvent], decide: Decide
) -> list[Step]:
    known = {account.key: account for account, _ in parties}
    steps: list[Step] = []
    for (account, _), event in zip(parties, asked, strict=True):
        before = known[account.key]
        decision = decide(before, event, known)
        steps.append(Step(before, event, decision))
        if _stops(steps):
            break
        known.update((one.key, one) for one in (decision.account, *decision.others))
    return steps


def _stops(steps: Sequence[Step]) -> bool:
    """Whether the last run keeps the others from the event: what is to begin is refused, or all is said already."""
    step = steps[-1]
    is_refused = step.decision.answer.result is not Result.SUCCESS
    if len(steps) == 1 and (step.decision.is_repeat or (is_refused and step.decision.account is step.before)):
        return True
    return is_refused and step.event.kind in BEGINNINGS


def _capped(asked: Sequence[ChargingEvent], steps: Sequence[Step]) -> list[ChargingEvent]:
    """The events of runs that grant more than another one, asking for as much as that one grants."""
    least = least_grants([step.decision.answer.grants for step in steps])
    return [
        _asking(event, least) if _exceeds(step.decision.answer.grants, least) else event
        for event, step in zip(asked, steps, strict=True)
    ]


def _exceeds(grants: tuple[Grant, ...], least: tuple[Grant, ...]) -> bool:
    return any(
        grant.amount > most.amount and grant.result is not UNLIMITED
        for grant, most in zip(grants, least, strict=False)
    )


def _asking(event: ChargingEvent, least: tuple[Grant, ...]) -> ChargingEvent:
    reports = tuple(_wanting(report, most) for report, most in zip(event.reports, least, strict=False))
    return msgspec.structs.replace(event, reports=reports, slices_itself=True, knows_dual_quota=False)


def _wanting(report: UsageReport, most: Grant) -> UsageReport:
    if report.requested is None or most.result is UNLIMITED:
        return report
    wanted = RequestedUnits(most.unit, most.amount) if most.amount else None
    return msgspec.structs.replace(report, requested=wanted)


def least_grants(runs: Sequence[tuple[Grant, ...]]) -> tuple[Grant, ...]:
    """Of every report the grant that all runs give; a run that gives it for nothing does not limit it."""
    full = [grants for grants in runs if len(grants) == len(runs[0])]
    return tuple(_least(each) for each in zip(*full, strict=True))


def _least(grants: tuple[Grant, ...]) -> Grant:
    limiting = [grant for grant in grants if grant.result is not UNLIMITED]
    if not limiting:
        return grants[0]
    refused = next((grant for grant in limiting if grant.result is not Result.SUCCESS), None)
    if refused is not None:
        return refused
    if len({grant.unit for grant in limiting if grant.unit is not None}) > 1:
        return Grant(grants[0].rating_group, grants[0].service_identifiers, Result.RATING_FAILED)
    least = min(limiting, key=lambda grant: (grant.amount, grant.final_unit is None))
    validities = [grant.validity_ns for grant in limiting if grant.validity_ns is not None]
    return msgspec.structs.replace(
        least,
        validity_ns=min(validities) if validities else None,
        cost_nanos=grants[0].cost_nanos,
        pool=grants[0].pool,
        price=grants[0].price,
        amount_after=None,
    )


def answer_of(steps: Sequence[Step]) -> ChargingAnswer:
    """What the client is told: the first run's words, and what all runs grant."""
    answers = [step.decision.answer for step in steps]
    first = answers[0]
    refused = next((each for each in answers if each.result is not Result.SUCCESS), None)
    if len(answers) == 1 or steps[0].event.kind is EventKind.TERMINATION:
        return first
    if refused is not None:
        return msgspec.structs.replace(refused, cost_nanos=first.cost_nanos, remaining_nanos=None)
    grants = least_grants([each.grants for each in answers])
    return msgspec.structs.replace(first, grants=grants, has_ended=any(each.has_ended for each in answers))


def with_answer(steps: Sequence[Step], answer: ChargingAnswer, runs: tuple[Run, ...]) -> list[Step]:
    """The steps with the answer of all runs in the first one's session, for its repeats, and with who else pays."""
    first = steps[0]
    return [
        _told(step, first.event, answer, runs) if step.before.key == first.before.key else step
        for step in steps
    ]


def _told(step: Step, event: ChargingEvent, answer: ChargingAnswer, runs: tuple[Run, ...]) -> Step:
    key, stored, decision = session_key(event.client, event.session_id), encode_answer(answer), step.decision

    def told(session: Session) -> Session:
        if session.key != key:
            return session
        answers = tuple(
            StoredAnswer(each.kind, each.event_id, stored, each.used)
            if each.kind is event.kind and each.event_id == event.event_id
            else each
            for each in session.answers
        )
        return msgspec.structs.replace(session, answers=answers, runs=runs)

    if decision.account is step.before:
        return Step(step.before, step.event, msgspec.structs.replace(decision, answer=answer))
    account = msgspec.structs.replace(
        decision.account,
        sessions=tuple(told(each) for each in decision.account.sessions),
        closed=tuple(told(each) for each in decision.account.closed),
    )
    decision = msgspec.structs.replace(decision, account=account)
    if step.event.session_id == event.session_id:
        answered = decision.answered
        decision = msgspec.structs.replace(
            decision,
            answer=answer,
            opened=None if decision.opened is None else told(decision.opened),
            answered=None if answered is None else msgspec.structs.replace(answered, answer=stored),
        )
    return Step(step.before, step.event, decision)
