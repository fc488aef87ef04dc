"""Why a query costs what it costs: every rule looked at, in words.

Pure. Nothing here decides a price; it reads the line that does.
"""

from datetime import UTC, datetime

from ocs.charging.tariff.line import NOT_COVERED, Candidate, Line
from ocs.charging.tariff.matching import ORDER, Place, mismatch
from ocs.charging.tariff.model import Choice, Considered, Explanation, Query, Rule, Verdict
from ocs.charging.tariff.windows import SECOND_NS

MAX_CONSIDERED = 200  # rules that do not match and are listed


def explain(
    plan: str, query: Query, at_ns: int, line: Line | None, rules: list[tuple[str, Rule]], where: Place
) -> Explanation:
    """Tells the winner, the matching rules behind it, and the rules that do not match."""
    candidates = () if line is None else line.candidates
    reasons = {(name, id(rule)): reason for name, rule in rules if (reason := mismatch(rule, query, where))}
    others = [
        Considered(name, rule.name, rule.source, None, reasons[name, id(rule)])
        for name, rule in rules
        if (name, id(rule)) in reasons
    ]
    return Explanation(
        plan,
        query,
        at_ns,
        NOT_COVERED if line is None else line.at(at_ns),
        (*_ranked(candidates, at_ns), *others[:MAX_CONSIDERED]),
        max(len(others) - MAX_CONSIDERED, 0),
    )


def _ranked(candidates: tuple[Candidate, ...], at_ns: int) -> list[Considered]:
    winner: Candidate | None = None
    ranked: list[Considered] = []
    for rank, candidate in enumerate(candidates, 1):
        choice = candidate.choice(at_ns) if candidate.is_valid(at_ns) else None
        if choice is not None and winner is None:
            winner, reason = candidate, _chosen(choice)
        elif choice is not None and winner is not None:
            reason = _beaten(candidate, winner)
        else:
            reason = _not_open(candidate, at_ns)
        rule = candidate.rule
        ranked.append(Considered(candidate.plan, rule.name, rule.source, rank, reason))
    return ranked


def _chosen(choice: Choice) -> str:
    when = "at any time" if choice.window is None else f'in window "{choice.window.name}"'
    match choice.verdict:
        case Verdict.RATED:
            return f'chosen: rate "{choice.rate_id}" {when}'
        case Verdict.FREE:
            return f"chosen: free {when}"
        case Verdict.DENIED:
            return f"chosen: denied {when}"
        case Verdict.NO_RULE:
            return f"chosen: nothing {when}"


def _beaten(candidate: Candidate, winner: Candidate) -> str:
    if candidate.plan != winner.plan:
        return f'would apply, but plan "{winner.plan}" comes first'
    pairs = zip(ORDER, candidate.met.order, winner.met.order, strict=True)
    by = next((name for name, mine, better in pairs if mine != better), ORDER[-1])
    return f'would apply, but rule "{winner.rule.name}" comes first by {by}'


def _not_open(candidate: Candidate, at_ns: int) -> str:
    if candidate.valid_from_ns is not None and at_ns < candidate.valid_from_ns:
        return f"not valid before {_moment(candidate.valid_from_ns)}"
    if candidate.valid_until_ns is not None and at_ns >= candidate.valid_until_ns:
        return f"not valid since {_moment(candidate.valid_until_ns)}"
    return "none of its windows is open"


def _moment(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).isoformat()
