"""Claims about what settings make of quotas and limits."""

import msgspec

from ocs.charging.events import FinalUnitAction, Unit
from ocs.charging.quota import SECOND_NS, threshold_for, wanted_amount
from ocs.config.settings import FinalUnit, IdentitySettings, QuotaRule, Settings
from ocs.policy import MAXIMUM_EVENTS, charging_policy, service_limits
from tests.support.charging import NOON_NS

PLAIN = Settings(IdentitySettings("ocs.example", "example"))
REDIRECT = FinalUnit("redirect", redirect_address="https://pay.example")
RULES = (
    QuotaRule(service="sms", events=2),
    QuotaRule(
        rating_group=((10, 12),), volume_octets=5_000, volume_threshold_octets=500, final_unit=REDIRECT
    ),
    QuotaRule(apn="corporate", time_ns=7 * SECOND_NS, time_threshold_ns=0, final_unit=FinalUnit("none")),
    QuotaRule(profile="open5gs", validity_ns=60 * SECOND_NS, holding_time_ns=9 * SECOND_NS),
    QuotaRule(volume_octets=1_000),
)


def settings(*rules: QuotaRule) -> Settings:
    return msgspec.structs.replace(PLAIN, charging=msgspec.structs.replace(PLAIN.charging, quotas=rules))


def test_the_first_rule_that_fits_counts() -> None:
    policy = charging_policy(settings(*RULES))
    volumes = [
        policy.rule(*key).default[Unit.OCTETS]
        for key in (
            ("data", 10, "corporate", ""),
            ("data", 12, "", ""),
            ("data", 13, "", ""),
            ("data", None, "", ""),
        )
    ]
    assert volumes == [5_000, 5_000, 1_000, 1_000]
    assert policy.rule("sms", 10, "", "").default[Unit.EVENTS] == 2
    assert policy.rule("data", 1, "corporate", "").default[Unit.TIME] == 7 * SECOND_NS
    assert policy.rule("data", 1, "", "open5gs").validity_ns == 60 * SECOND_NS


def test_what_clients_ask_for_is_cut_to_the_rule_but_messages_are_not() -> None:
    rule = charging_policy(settings(*RULES)).rule("data", 10, "", "")
    assert (wanted_amount(rule, Unit.OCTETS, None), wanted_amount(rule, Unit.OCTETS, 9_000)) == (5_000, 5_000)
    assert (wanted_amount(rule, Unit.OCTETS, 70), wanted_amount(rule, Unit.EVENTS, 50)) == (70, 50)
    assert wanted_amount(rule, Unit.EVENTS, 5_000) == MAXIMUM_EVENTS


def test_thresholds_and_final_units() -> None:
    policy = charging_policy(settings(*RULES))
    rule = policy.rule("data", 10, "", "")
    assert (threshold_for(rule, Unit.OCTETS, 5_000), threshold_for(rule, Unit.OCTETS, 500)) == (500, None)
    assert rule.final_unit is not None
    assert rule.final_unit.action is FinalUnitAction.REDIRECT
    assert rule.final_unit.redirect_address == "https://pay.example"
    assert policy.rule("data", 1, "corporate", "").final_unit is None
    assert threshold_for(policy.rule("data", 1, "corporate", ""), Unit.TIME, 1) is None


def test_the_deadline_of_a_silent_session() -> None:
    policy = charging_policy(PLAIN)
    assert policy.deadline_ns(NOON_NS, 60 * SECOND_NS, None) == NOON_NS + 120 * SECOND_NS
    assert policy.deadline_ns(NOON_NS, SECOND_NS, 600 * SECOND_NS) == NOON_NS + 630 * SECOND_NS
    assert policy.deadline_ns(NOON_NS, 10**18, None) == NOON_NS + PLAIN.charging.supervision.maximum_ns


def test_the_memory_of_rules_is_bounded() -> None:
    policy = charging_policy(settings(*RULES))
    for number in range(policy.MEMO_LIMIT + 5):
        policy.rule("data", number, "", "")
    assert len(policy._memo) <= policy.MEMO_LIMIT


def test_limits_come_from_the_settings() -> None:
    limits = service_limits(PLAIN)
    assert (limits.in_flight, limits.accounts) == (PLAIN.store.queue, PLAIN.store.cache_accounts)
    assert limits.wait_ns == PLAIN.diameter.timers.answer_deadline_ns


def test_a_profile_shortens_the_validity_and_with_it_the_supervision_of_its_clients() -> None:
    policy = charging_policy(Settings(IdentitySettings("ocs.example.org", "example.org")))
    assert (
        policy.rule("data", None, "", "open5gs").validity_ns < policy.rule("data", None, "", "").validity_ns
    )


def test_the_settings_bound_the_sessions_of_an_account() -> None:
    charging = msgspec.structs.replace(PLAIN.charging, sessions_per_account=3)
    assert charging_policy(msgspec.structs.replace(PLAIN, charging=charging)).sessions_per_account == 3
