"""A line: the rules a query meets, in order, and what they say at any moment.

Pure. A line remembers its last answer, so asking again is constant time until a window opens or closes.
"""

from typing import NamedTuple

from msgspec.structs import replace

from ocs.charging.rating import Rate
from ocs.charging.tariff.matching import Match
from ocs.charging.tariff.model import Choice, Priced, Rule, Verdict
from ocs.charging.tariff.windows import DAY_S, HORIZON_DAYS, SECOND_NS

MAX_SPLITS = 10_000  # price changes one usage is split at; what is longer stays at the last price
LOOKAHEAD_NS = HORIZON_DAYS * DAY_S * SECOND_NS

FREE_RATE = Rate()


class Candidate(NamedTuple):
    """A rule that meets the query, with what made it match and when its plan is valid."""

    plan: str
    rule: Rule
    met: Match
    valid_from_ns: int | None
    valid_until_ns: int | None

    def is_valid(self, at_ns: int) -> bool:
        """Whether the plan's version of this rule holds at a moment."""
        first_ns, last_ns = self.valid_from_ns, self.valid_until_ns
        return (first_ns is None or first_ns <= at_ns) and (last_ns is None or at_ns < last_ns)

    def choice(self, at_ns: int) -> Choice | None:
        """The first open choice at a moment."""
        for choice in self.rule.choices:
            if choice.window is None or choice.window.is_open(at_ns):
                return choice
        return None


class _Answer(NamedTuple):
    """What holds in [start_ns, until_ns); until None: for ever."""

    start_ns: int
    until_ns: int | None
    priced: Priced


class Line:
    """What one query costs at any time; shared by all queries that meet the same rules.

    `former` is the line of the tariff before this one, for sessions opened before `former_until_ns`.
    """

    __slots__ = ("_answer", "candidates", "former", "former_until_ns")

    def __init__(
        self, candidates: tuple[Candidate, ...], former: "Line | None" = None, former_until_ns: int = 0
    ) -> None:
        self.candidates = candidates
        self.former = former
        self.former_until_ns = former_until_ns
        self._answer: _Answer | None = None

    def at(self, at_ns: int) -> Priced:
        """What holds at a moment, with the moment at which that changes."""
        answer = self._answer
        if answer is not None and answer[0] <= at_ns and (answer[1] is None or at_ns < answer[1]):
            return answer[2]
        answer = self._answer = self._look_up(at_ns)
        return answer.priced

    def split(self, from_ns: int, units: int) -> list[tuple[Priced, int]]:
        """The pieces of `units` ns of time from a moment on, each at one price; equal neighbours are one."""
        pieces: list[tuple[Priced, int]] = []
        at_ns, left = from_ns, units
        for step in range(MAX_SPLITS):
            if left <= 0:
                break
            priced = self.at(at_ns)
            is_last = priced.until_ns is None or step == MAX_SPLITS - 1
            piece = left if is_last or priced.until_ns is None else min(left, priced.until_ns - at_ns)
            if pieces and _is_same(pieces[-1][0], priced):
                pieces[-1] = (priced, pieces[-1][1] + piece)
            else:
                pieces.append((priced, piece))
            at_ns += piece
            left -= piece
        return pieces

    def used_at(self, at_ns: int, opened_at_ns: int) -> Priced:
        """What usage of a session costs: where nothing prices it any more, what it cost before, if it is older."""
        priced = self.at(at_ns)
        if priced.rate is None and self.former is not None and opened_at_ns < self.former_until_ns:
            before = self.former.used_at(at_ns, opened_at_ns)
            return priced if before.rate is None else before
        return priced

    def split_used(self, from_ns: int, units: int, opened_at_ns: int) -> list[tuple[Priced, int]]:
        """`split` for the usage of a session, priced like `used_at`."""
        pieces = self.split(from_ns, units)
        former = self.former
        if former is None or opened_at_ns >= self.former_until_ns:
            return pieces
        found: list[tuple[Priced, int]] = []
        at_ns = from_ns
        for priced, piece in pieces:
            if priced.rate is None:
                found += former.split_used(at_ns, piece, opened_at_ns)
            else:
                found.append((priced, piece))
            at_ns += piece
        return found

    def _look_up(self, at_ns: int) -> _Answer:
        """Walks on from window to window until the answer changes or the look-ahead ends."""
        priced, start_ns, until_ns = self._ask(at_ns)
        while until_ns is not None and until_ns - at_ns < LOOKAHEAD_NS:
            following, _, then_ns = self._ask(until_ns)
            if following != priced:
                break
            until_ns = then_ns
        return _Answer(start_ns, until_ns, replace(priced, until_ns=until_ns))

    def _ask(self, at_ns: int) -> tuple[Priced, int, int | None]:
        """What the first open choice of the first valid candidate says, and the span it surely holds for."""
        starts_ns, ends_ns = [-(2**63)], list[int]()
        for candidate in self.candidates:
            _note(starts_ns, ends_ns, at_ns, candidate.valid_from_ns)
            _note(starts_ns, ends_ns, at_ns, candidate.valid_until_ns)
            if not candidate.is_valid(at_ns):
                continue
            for choice in candidate.rule.choices:
                if choice.window is None:
                    return _priced(candidate, choice), max(starts_ns), min(ends_ns, default=None)
                span = choice.window.span(at_ns)
                starts_ns.append(span.start_ns)
                ends_ns.append(span.end_ns)
                if span.is_open:
                    return _priced(candidate, choice), max(starts_ns), min(ends_ns)
        return NOT_COVERED, max(starts_ns), min(ends_ns, default=None)


NOT_COVERED = Priced(Verdict.NO_RULE, None, None)


def _note(starts_ns: list[int], ends_ns: list[int], at_ns: int, boundary_ns: int | None) -> None:
    """Sorts a boundary under those passed or those ahead."""
    if boundary_ns is not None:
        (starts_ns if boundary_ns <= at_ns else ends_ns).append(boundary_ns)


def _priced(candidate: Candidate, choice: Choice) -> Priced:
    return Priced(
        choice.verdict,
        FREE_RATE if choice.verdict is Verdict.FREE else choice.rate,
        candidate.rule.unit,
        None,
        candidate.plan,
        candidate.rule.name,
        choice.rate_id,
        candidate.met.destination,
        candidate.met.prefix,
        candidate.met.zone,
        "" if choice.window is None else choice.window.name,
    )


def _is_same(one: Priced, other: Priced) -> bool:
    return replace(one, until_ns=None) == replace(other, until_ns=None)
