"""Which plan and destination prices a call: profile, activations, longest prefix, fallback subjects."""

from collections.abc import Iterator

import msgspec

from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.model import Match, Matched
from ocs.charging.cgrates.plan import ANY, Activation, Found, RatingPlan, Settings, Tariff
from ocs.charging.cgrates.timings import is_active, is_always

REMEMBERED = 65_536


class _Entry:
    """What one activation gives: a match, or None and whom to ask instead."""

    def __init__(
        self, active_ns: int, found: Matched | None, fallback_subjects: tuple[str, ...] = ()
    ) -> None:
        self.active_ns = active_ns
        self.found = found
        self.fallback_subjects = fallback_subjects


class _TooDeep(Exception):
    """A chain of fallback subjects is longer than allowed: the search ends, whatever else could be tried."""


def match_call(tariff: Tariff, call: Call, settings: Settings) -> Matched | Refusal:
    """Finds the prices of a call.

    Every activation of the period must have prices or leave the field to others, yet the last one before the call
    prices it to its end; the next one only cuts it, and those after do nothing.
    """
    subject = _profile_subject(tariff, call, call.subject, settings)
    if subject is None:
        subject = _profile_subject(tariff, call, ANY, settings)
    if subject is None:
        return Refusal.RATING_PLAN_NOT_FOUND
    remembered = tariff.found
    if remembered is None or not _is_of(remembered, tariff):
        return _search(tariff, call, subject, settings)
    key = (call.tenant, call.category, subject, call.destination)
    known = remembered.matches.get(key)
    if known is not None and known[0] <= call.start_ns:
        match: Matched = known[1]
        return match
    found = _search(tariff, call, subject, settings)
    if isinstance(found, Matched) and _holds_for_ever(tariff, call, subject, found.match):
        if len(remembered.matches) >= REMEMBERED:
            remembered.matches.clear()
        remembered.matches[key] = (tariff.profiles[call.tenant, call.category, subject][0].active_ns, found)
    return found


def _is_of(remembered: Found, tariff: Tariff) -> bool:
    """Whether what is remembered was found in the maps of a tariff, and not of one that differs in some of them."""
    return (
        remembered.profiles is tariff.profiles
        and remembered.plans is tariff.plans
        and remembered.destinations is tariff.destinations
    )


def _holds_for_ever(tariff: Tariff, call: Call, subject: str, match: Match) -> bool:
    """Whether a match depends on no moment but the start of its one activation: all that could win always do."""
    entries = tariff.profiles[call.tenant, call.category, subject]
    if len(entries) != 1 or entries[0].active_ns > call.start_ns:
        return False
    plan = tariff.plans.get(entries[0].plan_id)
    if plan is None or match.subject != _key(call, subject):  # a fallback subject's
        return False
    shortest = 1 if match.prefix == ANY else len(match.prefix)
    for length in range(len(call.destination), shortest - 1, -1):
        for name in tariff.destinations.get(call.destination[:length], ()):
            for interval in plan.intervals.get(name, ()):
                if not is_always(interval.timing):
                    return False
    return True


def _search(tariff: Tariff, call: Call, subject: str, settings: Settings) -> Matched | Refusal:
    """The prices of a call by the profile of a subject."""
    try:
        entries = _resolve(tariff, call, subject, settings, 1)
    except _TooDeep:
        return Refusal.UNAUTHORIZED_DESTINATION
    entries.sort(key=lambda entry: entry.active_ns)
    begun = [entry for entry in entries if entry.active_ns < call.start_ns] or entries[:1]
    if not begun or begun[0].active_ns > call.start_ns or any(entry.found is None for entry in entries):
        return Refusal.UNAUTHORIZED_DESTINATION
    chosen = begun[-1].found
    assert chosen is not None
    cuts = [entry.active_ns for entry in entries if entry.active_ns > call.start_ns]
    if cuts and cuts[0] < call.end_ns:
        return msgspec.structs.replace(chosen, cut_ns=cuts[0])
    return chosen


def _profile_subject(tariff: Tariff, call: Call, subject: str, settings: Settings) -> str | None:
    shortest = 1 if settings.subject_prefix_matching else len(subject)
    for length in range(len(subject), shortest - 1, -1):
        if (call.tenant, call.category, subject[:length]) in tariff.profiles:
            return subject[:length]
    return None


def _resolve(tariff: Tariff, call: Call, subject: str, settings: Settings, depth: int) -> list[_Entry]:
    """Entries of a profile; those without prices are replaced by what their fallback subjects give.

    An activation that has neither prices nor fallback subjects is passed over.
    """
    entries: list[_Entry] = []
    for entry in _own_entries(tariff, call, subject):
        if entry.found is not None:
            entries.append(entry)
        elif entry.fallback_subjects:
            entries.extend(_fall_back(tariff, call, entry, settings, depth) or [entry])
    return entries


def _own_entries(tariff: Tariff, call: Call, subject: str) -> list[_Entry]:
    return [
        _Entry(
            activation.active_ns, _match_plan(tariff, call, subject, activation), activation.fallback_subjects
        )
        for activation in _activations(tariff, call, subject)
    ]


def _activations(tariff: Tariff, call: Call, subject: str) -> list[Activation]:
    """The last activation before the call and those during it; an uncovered head falls back to `*any`."""
    entries = tariff.profiles[call.tenant, call.category, subject]
    begun = [entry for entry in entries if entry.active_ns <= call.start_ns]
    during = [entry for entry in entries if call.start_ns < entry.active_ns <= call.end_ns]
    head = begun[-1] if begun else Activation(call.start_ns, "", (ANY,))
    return [head, *during] if begun or during else []


def _fall_back(tariff: Tariff, call: Call, hole: _Entry, settings: Settings, depth: int) -> list[_Entry]:
    """Entries of the first fallback subject that has any, be they without prices themselves."""
    if depth >= settings.fallback_depth:
        raise _TooDeep
    for name in hole.fallback_subjects:
        subject = _profile_subject(tariff, call, name, settings)
        found = _resolve(tariff, call, subject, settings, depth + 1) if subject is not None else []
        if found:
            return found
    return []


def _match_plan(tariff: Tariff, call: Call, subject: str, activation: Activation) -> Matched | None:
    plan = tariff.plans.get(activation.plan_id)
    if plan is None:
        return None
    key = _key(call, subject)
    for prefix, destination_id in _destinations(tariff, plan, call):
        match = Match(destination_id, prefix, plan.plan_id, key)
        return Matched(match, plan.intervals[destination_id])
    return None


def _key(call: Call, subject: str) -> str:
    """What the incumbent calls the profile of a subject."""
    return f"*out:{call.tenant}:{call.category}:{subject}"


def _destinations(tariff: Tariff, plan: RatingPlan, call: Call) -> Iterator[tuple[str, str]]:
    """(prefix, destination id), best first: the longest prefix, then the heaviest destination that is active."""
    local_ns = call.start_ns + call.offset_ns
    number, known = call.destination, tariff.destinations
    for length in range(len(number), 0, -1) if number != ANY else ():
        prefix = number[:length]
        names = known.get(prefix)
        if names is None:
            continue
        ids = [
            name
            for name in names
            if name in plan.intervals
            and any(is_active(entry.timing, local_ns) for entry in plan.intervals[name])
        ]
        if ids:
            yield prefix, max(ids, key=lambda name: max(entry.weight for entry in plan.intervals[name]))
    if ANY in plan.intervals:
        yield ANY, ANY
