"""Ready client profiles: what the known clients understand. A file may change any of them, key by key.

Sources: RFC 8506 and TS 32.299 for `default`; recordings of, and the documents for, each named client. Pure.
"""

from ocs.config.settings import MINUTE, Profile

# One MSCC per answer, octets as CC-Total-Octets only, RAR and ASR have no effect, Validity-Time is what makes
# it report. It ignores Tariff-Time-Change and, without a Rating-Group, charges all in one anonymous service. It
# asks for advice of charge in every request and does nothing with it. "Too busy" ends its session for good, and
# what that request reported is never reported again.
_OPEN5GS = Profile(
    rar=False,
    asr=False,
    advice_of_charge=False,
    unit_types=("total_octets", "time"),
    empty_group_echo=True,
    validity_ns=10 * MINUTE,
    late_answers=True,
    ccfh="continue",
)

# ims_charging reads the last MSCC and CC-Time only; a final unit may redirect to a SIP URI.
_KAMAILIO = Profile(
    final_unit="redirect",
    unit_types=("time", "units"),
    subscription_priority=("e164", "sip_uri", "imsi", "nai", "private"),
)

# session_proxy knows no thresholds and pipelines one CCR-U per rating group; identity is IMSI.
_MAGMA = Profile(
    thresholds=False, unit_types=("total_octets", "input_output_octets", "time"), all_denied="service"
)

# A rating group missing from the answer counts as 4010 there, and a denial at command level ends the session.
_ERGW = Profile(tariff_time_change=True, final_unit="redirect", empty_group_echo=True, all_denied="service")

# Everything of TS 32.299 except two quotas for one rating group.
_STAROS = Profile(
    tariff_time_change=True,
    final_unit="redirect",
    unit_types=("total_octets", "input_output_octets", "time", "units"),
    session_failover=True,
    ccfh="continue",
)

# What takes an AVP that it does not know for an error, as RFC 6733 4.1 has it: no more than a session needs.
_MINIMAL = Profile(advice_of_charge=False, cost_information=False, thresholds=False, ddfh="none")

BUILT_IN: dict[str, Profile] = {
    "default": Profile(),
    "open5gs": _OPEN5GS,
    "kamailio": _KAMAILIO,
    "magma": _MAGMA,
    "ergw": _ERGW,
    "staros": _STAROS,
    "minimal": _MINIMAL,
}

# The profile of a peer that no entry names, by its Product-Name. Erlang/OTP refuses a whole answer for an AVP
# with the M bit outside of its dictionary.
BY_PRODUCT = {"OTP": "minimal"}
