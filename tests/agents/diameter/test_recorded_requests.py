"""Requests recorded from real clients, and the samples, as events."""

import json
from pathlib import Path

from ocs.agents.diameter.gy import charging_event
from ocs.charging.events import (
    Action,
    EventKind,
    Identity,
    IdentityKind,
    ReportingReason,
    RequestedUnits,
    Unit,
    UsedUnits,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    encode_u32,
    encode_u64,
)
from ocs.diameter.message import Message
from tests.agents.diameter.refusals import refused
from tests.support.gy import (
    NOW_NS,
    SECOND,
    SESSION,
    ccr,
    event_of,
    options,
    service,
    used,
)

VECTORS = Path(__file__).parents[2] / "vectors"


# --- recorded requests


def recorded_requests() -> list[tuple[str, bytes]]:
    found = [(path.stem, path.read_bytes()) for path in sorted((VECTORS / "diameter").glob("*c2s_CCR*.bin"))]
    for entry in json.loads((VECTORS / "gy" / "samples.json").read_text())["messages"]:
        found.append((entry["name"], bytes.fromhex(entry["hex"])))
    for path in sorted((VECTORS / "open5gs").glob("*.json")):
        for index, entry in enumerate(json.loads(path.read_text())):
            if entry["dir"] == "c2s" and entry["name"].startswith("CCR"):
                found.append((f"{path.stem}[{index}]", bytes.fromhex(entry["hex"])))
    return found


def test_every_recorded_request_is_mapped() -> None:
    requests = recorded_requests()
    rules = options()
    seen = {charging_event(Message.decode(frame), None, rules, NOW_NS).service for _, frame in requests}
    assert len(requests) > 200
    assert seen == {"data", "voice", "sms"}


def sample(name: str) -> bytes:
    return next(frame for known, frame in recorded_requests() if known == name)


def test_the_open5gs_update_is_debited_as_input_plus_output() -> None:
    event = event_of(sample("open5gs_ccr_u"))
    (report,) = event.reports
    assert report.rating_group is None
    assert report.reason is ReportingReason.QUOTA_EXHAUSTED
    assert report.requested == RequestedUnits(Unit.OCTETS, 1_000_000)
    assert [units for units in report.used if units.unit is Unit.OCTETS] == [
        UsedUnits(Unit.OCTETS, 1_010_000)
    ]
    assert event.identities[0].kind is IdentityKind.IMSI
    assert event.context is not None
    assert event.context.rat == "EUTRAN"


def test_the_open5gs_termination_names_its_reason() -> None:
    (report,) = event_of(sample("open5gs_ccr_t")).reports
    assert report.reason is ReportingReason.FINAL
    assert report.requested is None


def test_the_kamailio_call_is_voice_for_a_sip_user() -> None:
    event = event_of((VECTORS / "diameter" / "kamailio_ro_003_c2s_CCR-I.bin").read_bytes())
    (report,) = event.reports
    assert event.service == "voice"
    assert report.requested == RequestedUnits(Unit.TIME, 30 * SECOND)
    assert (report.rating_group, report.service_identifiers) == (100, (1000,))
    assert Identity(IdentityKind.SIP_URI, "sip:1001@test.invalid") in event.identities


def test_the_sms_sample_is_an_event_of_one_message() -> None:
    event = event_of(sample("sms_event_ccr"))
    (report,) = event.reports
    assert (event.kind, event.action, event.service) == (EventKind.EVENT, Action.DIRECT_DEBITING, "sms")
    assert report.requested == RequestedUnits(Unit.EVENTS, 1)
    assert event.context is not None
    assert event.context.called.isdigit()


def test_octets_of_four_octets_are_refused_not_guessed() -> None:
    assert refused(ccr(service(1, used(encode_u32(avps.CC_TOTAL_OCTETS, 5))))).result_code == 5014


def test_a_sub_session_id_changes_nothing() -> None:
    assert event_of(ccr(encode_u64(avps.CC_SUB_SESSION_ID, 1))).session_id == SESSION
