"""One turn of a session of a network element: its reports charged and granted, bucket by bucket.

Who gives quota back comes first, then who has used more than was granted, then the others by rating group: the
outcome does not depend on the order in a request.
"""

import msgspec
import structlog

from ocs.cgrates.charging import outcomes
from ocs.cgrates.charging.charges import Charges
from ocs.cgrates.charging.record import Bucket, BucketKey, NetworkSession
from ocs.charging.events import ChargingEvent, EventKind, Grant, Result, Unit, UsageReport
from ocs.charging.quota import ChargingPolicy, QuotaRule, wanted_amount
from ocs.charging.session import gives_up, merged_reports, place_of
from ocs.sessions import values
from ocs.sessions.errors import ServiceError
from ocs.sessions.values import Event

log = structlog.get_logger()

MOST_BUCKETS = 1_000  # of one session
DISABLED = "ACCOUNT_DISABLED"


class Turn:
    """Working state of one event of a session."""

    def __init__(
        self,
        charges: Charges,
        policy: ChargingPolicy,
        network_session: NetworkSession,
        event: ChargingEvent,
        now_ns: int,
    ) -> None:
        self.cost_nanos = 0  # of buckets that have ended
        self.message = ""  # the pipeline's own word for the first refusal
        self.is_barred = False
        self.buckets: dict[BucketKey, Bucket] = {each.key: each for each in network_session.buckets}
        self._charges = charges
        self._policy = policy
        self._session = network_session.session
        self._fields = network_session.fields
        self._event = event
        self._now_ns = now_ns
        self._is_last = event.kind is EventKind.TERMINATION
        self._granting: set[BucketKey] = set()  # asked for in this turn already
        self._most = charges.runtime.arithmetic.max_increments

    @property
    def has_used(self) -> bool:
        """Whether anything was reported of what is not recorded yet."""
        return any(bucket.used for bucket in self.buckets.values())

    def serve(self) -> tuple[Grant, ...]:
        """The answers to the reports of the event, in their order."""
        reports = merged_reports(self._event.reports)
        order = sorted(reports, key=self._place)
        grants = {id(report): self._guarded(report) for report in order}
        return tuple(grants[id(report)] for report in reports)

    def end(self) -> None:
        """Ends every bucket at what was reported of it."""
        for bucket in list(self.buckets.values()):
            self._end(bucket)

    def abandon(self) -> None:
        """Leaves nothing of a session that was refused, but what was used already."""
        for bucket in list(self.buckets.values()):
            if bucket.used:
                self._end(bucket)
            elif bucket.is_open:
                self._charges.drop(bucket.cgrid)
        self.buckets.clear()

    # --- one report

    def _place(self, report: UsageReport) -> tuple[bool, bool, tuple[int, tuple[int, ...], str]]:
        bucket = self.buckets.get((report.rating_group, report.service_identifiers))
        has_overrun = False
        if bucket is not None:
            has_overrun = outcomes.used_of(report, bucket.unit, bucket.before + bucket.used) > bucket.granted
        return not (gives_up(report) and report.requested is None), not has_overrun, place_of(report)

    def _guarded(self, report: UsageReport) -> Grant:
        try:
            return self._served(report)
        except ServiceError as error:
            result = outcomes.result_of(str(error), self._policy.refuses_unplanned)
            self.message = self.message or str(error)
            self.is_barred = self.is_barred or str(error).endswith(DISABLED)
            if result is Result.FAILED:
                log.warning("gy.report_refused", session=self._session.session_id, reason=str(error))
        except Exception:
            log.exception("gy.report_failed", session=self._session.session_id)
            result = Result.FAILED
        self._nothing_out(report, is_final=result is Result.NO_CREDIT)
        return outcomes.refused(report, result)

    def _served(self, report: UsageReport) -> Grant:
        bucket = self._bucket(report)
        if bucket is None:
            return outcomes.refused(report, Result.LIMIT_EXCEEDED)
        if bucket.unit is Unit.MONEY:  # it has no price, and so no place in the pipeline
            return outcomes.refused(report, Result.RATING_FAILED)
        rule = self._policy.rule(
            self._session.service, bucket.rating_group, self._session.context.apn, self._event.profile
        )
        used = outcomes.used_of(report, bucket.unit, bucket.before + bucket.used)
        lasted_ns = self._now_ns - self._session.opened_at_ns
        if not outcomes.is_possible(bucket.unit, bucket.used, used, lasted_ns):
            used = 0
        wanted = self._wanted(report, bucket, rule)
        if not wanted and (self._is_last or gives_up(report)):
            self._used_up(report, bucket, used)
            return Grant(report.rating_group, report.service_identifiers, Result.SUCCESS)
        usage, asked = self._charged(report, bucket, used, wanted)
        if not wanted:
            return outcomes.nothing_wanted(report, rule)
        amount = outcomes.whole(bucket.unit, usage, self._event)
        grant = outcomes.granted(report, bucket.unit, amount, asked, rule)
        self._keep(bucket.key, granted=self.buckets[bucket.key].granted + amount, is_final=amount < asked)
        return grant

    def _bucket(self, report: UsageReport) -> Bucket | None:
        """The bucket of a report; a new one, in the place of one that counts another unit."""
        key = report.rating_group, report.service_identifiers
        bucket = self.buckets.get(key)
        unit = outcomes.unit_of(self._event, report, None if bucket is None else bucket.unit)
        if bucket is None:
            if len(self.buckets) >= MOST_BUCKETS:
                return None
            bucket = Bucket(*key, unit)
        elif bucket.unit is not unit:
            self._end(bucket)
            bucket = msgspec.structs.replace(self.buckets[key], unit=unit)
        self.buckets[key] = bucket
        return bucket

    def _wanted(self, report: UsageReport, bucket: Bucket, rule: QuotaRule) -> int:
        """How much is asked for; 0 where nothing is."""
        if report.requested is None or self._is_last:
            return 0
        asked = report.requested.amount
        if self._event.slices_itself and asked is not None:
            return asked
        return wanted_amount(rule, bucket.unit, asked)

    def _used_up(self, report: UsageReport, bucket: Bucket, used: int) -> None:
        """The last that is heard of a bucket: it ends at what was used of it."""
        if used and not bucket.is_open:
            bucket, _, _ = self._opened(report, bucket, used, (used,))
        self._end(msgspec.structs.replace(bucket, used=bucket.used + used))

    def _charged(self, report: UsageReport, bucket: Bucket, used: int, wanted: int) -> tuple[int, int]:
        """Debits what was used and what is wanted; what was granted of which amount."""
        amounts = (wanted, self._most) if bucket.unit is Unit.OCTETS and wanted > self._most else (wanted,)
        if not used and not wanted:
            return 0, 0
        if not bucket.is_open:
            bucket, usage, asked = self._opened(report, bucket, used, (used,) if used else amounts)
            self._granting.add(bucket.key)
            if not used:
                return usage, asked
        goes_on = bucket.key in self._granting and not used  # another recipient of one message
        self._granting.add(bucket.key)
        granted = bucket.granted if goes_on else 0
        bucket = self._keep(bucket.key, used=bucket.used + used, granted=granted)
        return self._charges.update(bucket.cgrid, None if goes_on else bucket.used, amounts)

    def _opened(
        self, report: UsageReport, bucket: Bucket, used: int, amounts: tuple[int, ...]
    ) -> tuple[Bucket, int, int]:
        fields, name = self._named(report, bucket, used), self._session.session_id
        found = self._charges.open(fields, name, bucket, amounts, is_used=bool(used))
        self.buckets[bucket.key] = found[0]
        return found

    def _named(self, report: UsageReport, bucket: Bucket, used: int) -> Event:
        """The members of a session that begins: when, and where to."""
        at_ns = self._event.occurred_at_ns or self._now_ns
        if bucket.unit is Unit.TIME:
            at_ns -= used
        at = values.moment_text((at_ns, 0))
        fields = {**self._fields, "SetupTime": at, "AnswerTime": at}
        return {**fields, "Destination": report.called} if report.called else fields

    def _end(self, bucket: Bucket) -> None:
        """Ends a bucket; it may begin anew, under another name."""
        if bucket.is_open:
            self.cost_nanos += self._charges.end(bucket.cgrid, bucket.used)
        self.buckets[bucket.key] = msgspec.structs.replace(
            bucket, cgrid="", used=0, before=bucket.before + bucket.used, granted=0, is_final=False
        )

    def _nothing_out(self, report: UsageReport, *, is_final: bool) -> None:
        key = report.rating_group, report.service_identifiers
        if key in self.buckets:
            self._keep(key, granted=0, is_final=is_final)

    def _keep(
        self,
        key: BucketKey,
        *,
        used: int | None = None,
        granted: int | None = None,
        is_final: bool | None = None,
    ) -> Bucket:
        bucket = self.buckets[key]
        self.buckets[key] = bucket = msgspec.structs.replace(
            bucket,
            used=bucket.used if used is None else used,
            granted=bucket.granted if granted is None else granted,
            is_final=bucket.is_final if is_final is None else is_final,
        )
        return bucket
