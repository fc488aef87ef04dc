"""What is counted comes out of the page, by name and label; the number of series is bounded."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ocs.charging.events import EventKind, Result
from ocs.counts import COMMANDS
from ocs.metrics import Metrics

MS = 1_000_000


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the page as a Prometheus server reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[(name, frozenset(labels.items()))]


def test_answers_are_counted_by_command_kind_and_result() -> None:
    metrics = Metrics()
    metrics.request_answered(EventKind.UPDATE, Result.SUCCESS, 3 * MS)
    metrics.request_answered(EventKind.UPDATE, Result.SUCCESS, 3 * MS)
    metrics.request_answered(EventKind.EVENT, Result.NO_CREDIT, MS, command="radius")
    assert value(metrics, "ocs_requests_total", command="ccr", kind="update", result="success") == 2
    assert value(metrics, "ocs_requests_total", command="radius", kind="event", result="no_credit") == 1


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_and_result_has_a_place_of_its_own(command: str, kind: EventKind) -> None:
    metrics = Metrics()
    for result in Result:
        for _ in range(result):
            metrics.request_answered(kind, result, 0, command)
    for result in Result:
        labels = {"command": command, "kind": kind.name.lower(), "result": result.name.lower()}
        assert value(metrics, "ocs_requests_total", **labels) == result


def test_latency_is_a_cumulative_histogram_in_seconds() -> None:
    metrics = Metrics()
    for took_ns in (MS, MS + 1, 10_000 * MS):
        metrics.request_answered(EventKind.INITIAL, Result.SUCCESS, took_ns)
    assert value(metrics, "ocs_answer_seconds_bucket", kind="initial", le="0.001") == 1
    assert value(metrics, "ocs_answer_seconds_bucket", kind="initial", le="0.002") == 2
    assert value(metrics, "ocs_answer_seconds_bucket", kind="initial", le="5.0") == 2
    assert value(metrics, "ocs_answer_seconds_bucket", kind="initial", le="+Inf") == 3
    assert value(metrics, "ocs_answer_seconds_count", kind="initial") == 3
    assert value(metrics, "ocs_answer_seconds_sum", kind="initial") == pytest.approx(10.002000001)


def test_money_taken_and_given_back_are_two_counters() -> None:
    metrics = Metrics()
    metrics.debited("data", 500)
    metrics.debited("data", -200)
    metrics.debited("fax", 7)
    assert value(metrics, "ocs_debited_nanos_total", service="data") == 500
    assert value(metrics, "ocs_refunded_nanos_total", service="data") == 200
    assert value(metrics, "ocs_debited_nanos_total", service="other") == 7


def test_each_fact_has_its_series() -> None:
    metrics = Metrics()
    metrics.duplicate_answered()
    metrics.late_answer_dropped()
    metrics.request_shed()
    metrics.session_expired()
    metrics.message_refused(5014)
    metrics.avp_ignored("repeated")
    metrics.peer_refused("unknown")
    metrics.sessions_open(3)
    metrics.connections_open(5, 4)
    metrics.queue_depth(6)
    metrics.committed(12, 2 * MS)
    assert {
        name: number
        for (name, _), number in samples(metrics).items()
        if number and not name.endswith("_bucket") and not name.startswith("ocs_commit_seconds")
    } == {
        "ocs_duplicates_total": 1,
        "ocs_late_answers_total": 1,
        "ocs_shed_requests_total": 1,
        "ocs_expired_sessions_total": 1,
        "ocs_refused_messages_total": 1,
        "ocs_ignored_avps_total": 1,
        "ocs_refused_peers_total": 1,
        "ocs_sessions_open": 3,
        "ocs_connections_open": 5,
        "ocs_peers_open": 4,
        "ocs_commit_queue": 6,
        "ocs_commit_changes_count": 1,
        "ocs_commit_changes_sum": 12,
    }


def test_series_stay_few_whatever_peers_send() -> None:
    metrics = Metrics()
    for number in range(10_000):
        metrics.message_refused(number)
        metrics.avp_ignored(f"reason {number}")
        metrics.peer_refused(f"peer {number}")
        metrics.debited(f"service {number}", 1)
        metrics.request_answered(EventKind.INITIAL, Result.FAILED, 1, f"command {number}")
    for kind in EventKind:
        for result in Result:
            for command in COMMANDS:
                metrics.request_answered(kind, result, 1, command)
    assert len(samples(metrics)) < 2_000
    assert value(metrics, "ocs_refused_messages_total", code="other") > 9_000
    assert value(metrics, "ocs_requests_total", command="other", kind="initial", result="failed") == 10_001


def test_names_say_their_unit() -> None:
    names = {family.name for family in Metrics().families()}
    assert all(re.fullmatch(r"ocs_[a-z_]+", name) for name in names)
    assert {"ocs_answer_seconds", "ocs_commit_seconds", "ocs_debited_nanos"} <= names
