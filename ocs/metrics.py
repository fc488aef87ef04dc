"""What the server counts, in the words of its facts, and the page a Prometheus server reads.

Recording is a few additions on plain ints (the prometheus-client counters take a lock each), so it is called
from the event loop's thread only; the families are built when somebody asks. Every label comes from a fixed
set, anything else is counted as `other`: the number of series is bounded whatever peers send.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ocs.charging.events import EventKind, Result
from ocs.counts import COMMANDS, LATENCY_BOUNDS_NS, AnswerCounts, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NANOS = 1_000_000_000
SERVICES = ("data", "voice", "sms", "mms", "generic", "other")
REFUSALS = (
    "unknown",
    "no_application",
    "no_security",
    "own_identity",
    "duplicate",
    "limit",
    "malformed",
    "other",
)
IGNORED = (
    "unknown_mandatory",
    "outside_grammar",
    "repeated",
    "contradicting_total",
    "other_application",
    "other",
)
# Why a RADIUS packet got no answer.
DROPS = (
    *("unknown_client", "malformed", "wrong_code", "authenticator", "message_authenticator"),
    *("no_message_authenticator", "under_way", "too_busy", "too_long", "failed", "stopped", "other"),
)
DISCONNECTS = ("accepted", "unknown_session", "refused", "no_answer", "other")
# RFC 6733 7.1 and RFC 8506 9: the codes a server answers to a message it could not use.
DECODE_CODES = frozenset({3001, 3002, 3003, 3004, 3005, 3007, 3008, 3009, *range(5001, 5018), 5030, 5031})

BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)


class Metrics:
    """The facts of one server; each method records one."""

    def __init__(self) -> None:
        self._answered = AnswerCounts()
        self.request_answered = self._answered.note  # at once, as it is called for every request
        self._debited = dict.fromkeys(SERVICES, 0)
        self._refunded = dict.fromkeys(SERVICES, 0)
        self._decode_errors: Counter[str] = Counter()
        self._ignored_avps = dict.fromkeys(IGNORED, 0)
        self._refused = dict.fromkeys(REFUSALS, 0)
        self._radius_drops = dict.fromkeys(DROPS, 0)
        self._radius_access = {"accepted": 0, "rejected": 0}
        self._radius_disconnects = dict.fromkeys(DISCONNECTS, 0)
        self._radius_repeats = 0
        self._forgotten = 0
        self._duplicates = self._late = self._shed = self._expired = 0
        self._sessions = self._connections = self._peers = self._queued = 0
        self._batch = Histogram(BATCH_BOUNDS)
        self._commit = Histogram(LATENCY_BOUNDS_NS)
        self.exports: Callable[[], dict[str, dict[str, int]]] = dict  # by exporter, how many became what
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(self))

    def duplicate_answered(self) -> None:
        """A repeat got the stored answer."""
        self._duplicates += 1

    def answer_forgotten(self) -> None:
        """The oldest kept answer of a one-time event was let go of in memory, as there were too many."""
        self._forgotten += 1

    def late_answer_dropped(self) -> None:
        """An answer was ready after its deadline, or its connection was gone."""
        self._late += 1

    def request_shed(self) -> None:
        """A request was answered "too busy" because a queue or window was full."""
        self._shed += 1

    def message_refused(self, result_code: int) -> None:
        """A message could not be decoded or used; it was answered with this Result-Code."""
        self._decode_errors[str(result_code) if result_code in DECODE_CODES else "other"] += 1

    def avp_ignored(self, reason: str) -> None:
        """An AVP was left out of account: `unknown_mandatory`, `outside_grammar` or `repeated`."""
        self._ignored_avps[reason if reason in self._ignored_avps else "other"] += 1

    def peer_refused(self, reason: str) -> None:
        """A peer was not let in; the reasons are REFUSALS."""
        self._refused[reason if reason in self._refused else "other"] += 1

    def radius_dropped(self, reason: str) -> None:
        """A RADIUS packet got no answer; the reasons are DROPS."""
        self._radius_drops[reason if reason in self._radius_drops else "other"] += 1

    def radius_repeated(self) -> None:
        """A RADIUS packet that came again got the answer it had got before."""
        self._radius_repeats += 1

    def radius_access(self, is_accepted: bool) -> None:
        """An Access-Request was answered."""
        self._radius_access["accepted" if is_accepted else "rejected"] += 1

    def radius_disconnected(self, outcome: str) -> None:
        """A Disconnect-Request had an outcome, one of DISCONNECTS."""
        self._radius_disconnects[outcome if outcome in self._radius_disconnects else "other"] += 1

    def debited(self, service: str, amount_nanos: int) -> None:
        """Money was taken (or, below zero, given back) for a service."""
        name = service if service in self._debited else "other"
        if amount_nanos >= 0:
            self._debited[name] += amount_nanos
        else:
            self._refunded[name] -= amount_nanos

    def committed(self, changes: int, took_ns: int) -> None:
        """A batch of changes became durable."""
        self._batch.observe(changes)
        self._commit.observe(took_ns)

    def session_expired(self) -> None:
        """A session ended because its client was silent (Tcc, RFC 8506 7)."""
        self._expired += 1

    def sessions_open(self, count: int) -> None:
        """So many sessions are open now."""
        self._sessions = count

    def connections_open(self, connections: int, peers: int) -> None:
        """So many connections are there now, and so many peers in the state open."""
        self._connections, self._peers = connections, peers

    def queue_depth(self, waiting: int) -> None:
        """So many changes wait for a commit now."""
        self._queued = waiting

    def render(self) -> bytes:
        """Return the page in Prometheus' text format."""
        return generate_latest(self._registry)

    def families(self) -> Iterator[Metric]:
        """Build every metric family from the counts."""
        yield self._answered_family()
        latency = HistogramMetricFamily("ocs_answer_seconds", "Time to an answer.", labels=["kind"])
        for kind, histogram in self._answered.latency.items():
            latency.add_metric([kind.name.lower()], histogram.buckets(NANOS), histogram.total / NANOS)
        yield latency
        yield from self._money_families()
        yield from self._protocol_families()
        yield from self._radius_families()
        yield from self._store_families()
        yield self._export_family(self.exports())

    def _export_family(self, counts: dict[str, dict[str, int]]) -> Metric:
        family = CounterMetricFamily(
            "ocs_exported",
            "Records, posts and mails delivered or kept aside.",
            labels=["exporter", "outcome"],
        )
        for exporter, outcomes in counts.items():
            for outcome, count in outcomes.items():
                family.add_metric([exporter, outcome], count)
        return family

    def _answered_family(self) -> Metric:
        family = CounterMetricFamily(
            "ocs_requests", "Charging requests answered.", labels=["command", "kind", "result"]
        )
        for command in COMMANDS:
            for kind in EventKind:
                for result in Result:
                    count = self._answered.of(command, kind, result)
                    if count:
                        family.add_metric([command, kind.name.lower(), result.name.lower()], count)
        return family

    def _money_families(self) -> Iterable[Metric]:
        # Nanos as a float lose the last digits past 9 million units: a graph may, an account may not.
        help_debited = "Money taken, in nanos of the currency."
        yield _labelled("ocs_debited_nanos", help_debited, "service", self._debited)
        yield _labelled("ocs_refunded_nanos", "Money given back, in nanos.", "service", self._refunded)
        yield CounterMetricFamily("ocs_duplicates", "Repeats given the stored answer.", self._duplicates)
        yield CounterMetricFamily("ocs_forgotten_answers", "Answers memory let go of.", self._forgotten)
        yield CounterMetricFamily("ocs_late_answers", "Answers dropped as too late.", self._late)
        yield CounterMetricFamily("ocs_shed_requests", "Requests answered too busy.", self._shed)
        yield CounterMetricFamily("ocs_expired_sessions", "Sessions whose client fell silent.", self._expired)
        yield GaugeMetricFamily("ocs_sessions_open", "Sessions open now.", self._sessions)

    def _protocol_families(self) -> Iterable[Metric]:
        errors = dict(sorted(self._decode_errors.items()))
        yield _labelled("ocs_refused_messages", "Messages refused, by Result-Code.", "code", errors)
        yield _labelled("ocs_ignored_avps", "AVPs left out of account.", "reason", self._ignored_avps)
        yield _labelled("ocs_refused_peers", "Peers not let in.", "reason", self._refused)
        yield GaugeMetricFamily("ocs_connections_open", "Connections there now.", self._connections)
        yield GaugeMetricFamily("ocs_peers_open", "Peers in the state open.", self._peers)

    def _radius_families(self) -> Iterable[Metric]:
        drops, repeats = self._radius_drops, self._radius_repeats
        yield _labelled("ocs_radius_dropped", "RADIUS packets without an answer.", "reason", drops)
        yield CounterMetricFamily("ocs_radius_repeats", "RADIUS packets answered as before.", repeats)
        access = "Access-Requests answered."
        yield _labelled("ocs_radius_access", access, "result", self._radius_access)
        disconnects = "Disconnect-Requests to access servers."
        yield _labelled("ocs_radius_disconnects", disconnects, "result", self._radius_disconnects)

    def _store_families(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("ocs_commit_queue", "Changes that wait for a commit.", self._queued)
        batch = HistogramMetricFamily("ocs_commit_changes", "Changes made durable by one commit.")
        batch.add_metric([], self._batch.buckets(1), self._batch.total)
        yield batch
        commit = HistogramMetricFamily("ocs_commit_seconds", "Time of one commit.")
        commit.add_metric([], self._commit.buckets(NANOS), self._commit.total / NANOS)
        yield commit


class _Families(Collector):
    """The bridge to prometheus-client: asks for the families when the page is wanted."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.families()


def _labelled(name: str, documentation: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
