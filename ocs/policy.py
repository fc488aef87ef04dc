"""From settings to what the charging core takes: quota rules, supervision, limits."""

from ocs.charging import quota
from ocs.charging.events import NO_TRIGGER, FinalUnit, FinalUnitAction, Unit
from ocs.charging.quota import ChargingPolicy, QuotaMatch, QuotaRule
from ocs.charging.service import Limits
from ocs.config import settings as config
from ocs.config.profiles import BUILT_IN

ACTIONS = {
    "terminate": FinalUnitAction.TERMINATE,
    "redirect": FinalUnitAction.REDIRECT,
    "restrict": FinalUnitAction.RESTRICT_ACCESS,
}
# Trigger-Type (TS 32.299 7.2.235); `none` disarms the triggers a client has of itself.
TRIGGERS = {
    "none": NO_TRIGGER,
    "serving_node_address": 1,
    "qos": 2,
    "location": 3,
    "rat": 4,
    "time_zone": 5,
    "location_mcc": 30,
    "location_mnc": 31,
    "location_rac": 32,
    "location_lac": 33,
    "location_cell": 34,
    "location_tac": 35,
    "location_ecgi": 36,
    "media": 40,
    "participants": 50,
    "participants_threshold": 51,
    "participating_type": 52,
    "service_condition": 60,
    "serving_node": 61,
    "access": 62,
    "csg": 70,
    "hybrid_subscribed_csg": 71,
    "hybrid_unsubscribed_csg": 72,
    "presence_area": 73,
}
MAXIMUM_EVENTS = 1_000  # of one grant; a client that names a number of messages is not cut to the default


def charging_policy(settings: config.Settings) -> ChargingPolicy:
    """What `charging` in the settings decides."""
    charging = settings.charging
    profiles = BUILT_IN | settings.diameter.profiles
    return ChargingPolicy(
        tuple(_match(rule) for rule in charging.quotas),
        quota.Supervision(
            charging.supervision.factor,
            maximum_ns=charging.supervision.maximum_ns,
            aborts=charging.supervision.abort,
            warns_before_ns=charging.supervision.warn_before_ns,
        ),
        charging.closed_session_grace_ns,
        max(charging.closed_session_grace_ns, 5 * config.MINUTE),
        charging.duplicate_retention_ns,
        charging.overdraft_floor_nanos,
        {name: profile.validity_ns for name, profile in profiles.items() if profile.validity_ns is not None},
        charging.sessions_per_account,
        charging.unplanned_service == "not_authorized",
        charging.dynaprepaid_plan,
    )


def service_limits(settings: config.Settings) -> Limits:
    """How much the door lets in."""
    return Limits(
        settings.store.queue,
        settings.diameter.timers.answer_deadline_ns,
        settings.store.cache_accounts,
    )


def _match(rule: config.QuotaRule) -> QuotaMatch:
    thresholds = {Unit.OCTETS: rule.volume_threshold_octets, Unit.TIME: rule.time_threshold_ns}
    compiled = QuotaRule(
        default={Unit.OCTETS: rule.volume_octets, Unit.TIME: rule.time_ns, Unit.EVENTS: rule.events},
        maximum={
            Unit.OCTETS: rule.volume_octets,
            Unit.TIME: rule.time_ns,
            Unit.EVENTS: max(rule.events, MAXIMUM_EVENTS),
        },
        threshold={unit: amount for unit, amount in thresholds.items() if amount},
        validity_ns=rule.validity_ns,
        holding_time_ns=rule.holding_time_ns,
        consumption_time_ns=rule.consumption_time_ns,
        final_unit=_final_unit(rule.final_unit),
        triggers=tuple(TRIGGERS[name] for name in rule.triggers),
        pool=rule.pool,
    )
    return QuotaMatch(
        compiled,
        rule.service or "",
        rule.rating_group or (),
        rule.apn or "",
        rule.profile or "",
    )


def _final_unit(final_unit: config.FinalUnit) -> FinalUnit | None:
    action = ACTIONS.get(final_unit.action)
    if action is None:
        return None
    return FinalUnit(
        action, final_unit.redirect_address or "", final_unit.filter_rules, final_unit.filter_ids
    )
