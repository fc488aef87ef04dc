"""What the live page shows of the traffic: rates, latencies, the last answers and the last rejections.

`answered` is called for every charging request and only puts a tuple aside; `collect`, called some ten times a
second, counts them, and `tick`, once a second, closes the second.
"""

from collections import Counter, deque
from collections.abc import Callable

import msgspec

from ocs.charging.events import ChargingAnswer, ChargingEvent, Result

KEPT_SECONDS = 120
KEPT_ANSWERS = 50
KEPT_REJECTIONS = 100
WAITING_ANSWERS = 1 << 16  # between two collections; what is more is counted, not looked at
SHOWN_PER_SECOND = 20

Mask = Callable[[object], object]


class Second(msgspec.Struct, frozen=True):
    """One second: requests, and how long half and 99 % of them took at most."""

    at_ns: int
    requests: int
    p50_ns: int
    p99_ns: int
    rejected: int


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request and what became of it; `number` rises by one. `failed` names what is at fault."""

    number: int
    at_ns: int
    kind: str
    client: str
    session: str
    service: str
    subscriber: str
    result: str
    took_ns: int
    rating_group: int | None = None
    called: str = ""
    failed: str = ""
    message: str = ""


class Activity:
    """Ring buffers of the last traffic. `mask` hides who is charged in the rejections."""

    def __init__(self, mask: Mask | None = None) -> None:
        self.mask = mask
        self.seconds: deque[Second] = deque(maxlen=KEPT_SECONDS)
        self.answers: deque[Answered] = deque(maxlen=KEPT_ANSWERS)
        self.rejections: deque[Answered] = deque(maxlen=KEPT_REJECTIONS)
        self.results: Counter[str] = Counter()
        self._waiting: deque[tuple[ChargingEvent, ChargingAnswer, int]] = deque(maxlen=WAITING_ANSWERS)
        self._taken: list[int] = []
        self._rejected = 0
        self._shown = 0
        self._number = 0

    def answered(self, event: ChargingEvent, answer: ChargingAnswer, took_ns: int) -> None:
        """A request was answered `took_ns` after it came."""
        self._waiting.append((event, answer, took_ns))

    def collect(self, at_ns: int) -> None:
        """Count what was put aside since the last time."""
        waiting = self._waiting
        for _ in range(len(waiting)):
            event, answer, took_ns = waiting.popleft()
            self._taken.append(took_ns)
            result = answer.result
            refused = None
            if result is Result.SUCCESS:
                refused = next((grant for grant in answer.grants if grant.result in _REFUSED), None)
            if result is Result.SUCCESS and refused is None:
                self.results["SUCCESS"] += 1
                self._shown += 1
                if self._shown <= SHOWN_PER_SECOND:
                    self.answers.append(self._shown_as(event, answer, result, took_ns, at_ns, None))
                continue
            if refused is not None:
                result = refused.result
            self.results[result.name] += 1
            self._rejected += 1
            if self._rejected > KEPT_REJECTIONS:
                continue
            group = None if refused is None else refused.rating_group
            shown = self._shown_as(event, answer, result, took_ns, at_ns, group)
            self.rejections.append(shown)
            self._shown += 1
            if self._shown <= SHOWN_PER_SECOND:
                self.answers.append(shown)

    def tick(self, at_ns: int) -> Second:
        """Close the second that ends now."""
        self.collect(at_ns)
        taken = sorted(self._taken)
        second = Second(at_ns, len(taken), _quantile(taken, 50), _quantile(taken, 99), self._rejected)
        self.seconds.append(second)
        self._taken.clear()
        self._rejected = self._shown = 0
        return second

    def _shown_as(
        self,
        event: ChargingEvent,
        answer: ChargingAnswer,
        result: Result,
        took_ns: int,
        at_ns: int,
        rating_group: int | None,
    ) -> Answered:
        self._number += 1
        called = "" if event.context is None else event.context.called
        subscriber = event.identities[0].value if event.identities else ""
        if rating_group is None and len(event.reports) == 1:
            rating_group = event.reports[0].rating_group
        return Answered(
            self._number,
            at_ns,
            event.kind.name,
            event.client,
            event.session_id,
            event.service,
            self._masked(subscriber),
            result.name,
            took_ns,
            rating_group,
            self._masked(called),
            answer.failed,
            answer.message,
        )

    def _masked(self, text: str) -> str:
        return text if self.mask is None or not text else str(self.mask(text))


def _quantile(ordered: list[int], percent: int) -> int:
    """The smallest value that so many percent do not exceed; 0 where there is none."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0


_REFUSED = frozenset(set(Result) - {Result.SUCCESS, Result.FREE_OF_CHARGE})
