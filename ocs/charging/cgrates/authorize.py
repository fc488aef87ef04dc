"""How much of a service an event may use: `SessionSv1.AuthorizeEvent`, and the maximum of a session's run."""

from ocs.charging.cgrates.account import Snapshot
from ocs.charging.cgrates.call import DYNAPREPAID, PREPAID, PSEUDOPREPAID, Call, Refusal
from ocs.charging.cgrates.model import MaxUsage
from ocs.charging.cgrates.plan import ANY, Settings, Tariff
from ocs.charging.cgrates.usage import UNLIMITED, max_usage


def default_usage(kind: str, settings: Settings) -> int:
    """Usage of an event that names none; only an event without kind has the default of `*any`."""
    return settings.default_usage.get(kind or ANY, 0)


def authorize(
    snapshot: Snapshot, tariff: Tariff, call: Call, request_type: str, settings: Settings
) -> MaxUsage | Refusal:
    """Usage one run is allowed: at most what was asked for, -1 for an account without limit."""
    if request_type not in (PREPAID, PSEUDOPREPAID, DYNAPREPAID):
        return MaxUsage(call.duration_ns)
    found = max_usage(snapshot, tariff, call, settings)
    if isinstance(found, Refusal) or found.usage_ns == UNLIMITED:
        return found
    return MaxUsage(min(found.usage_ns, call.duration_ns), found.accounts)
