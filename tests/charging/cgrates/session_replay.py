"""Replays session calls of recorded worlds."""

from typing import Any

from ocs.charging.cgrates import values
from ocs.charging.cgrates.authorize import authorize, default_usage
from ocs.charging.cgrates.call import Call, Refusal
from tests.charging.cgrates.debit_replay import Accounts
from tests.charging.cgrates.worlds import Step


class Sessions(Accounts):
    """Accounts and open sessions of one world."""

    def answer(self, step: Step) -> tuple[Any, str | None]:
        """(result, error) of one step."""
        params = step["params"]
        match step["call"]:
            case "SessionSv1.AuthorizeEvent":
                return self.authorize(params)
        return super().answer(step)

    def authorize(self, params: dict[str, Any]) -> tuple[Any, str | None]:
        """The maximum usage of an event."""
        event = params["Event"]
        usage_ns = event.get("Usage", default_usage(event["ToR"], self.world.settings))
        call = call_of_event(params["Tenant"], event, usage_ns, forces=params.get("ForceDuration", False))
        found = authorize(self.snapshot, self.world.tariff, call, event["RequestType"], self.world.settings)
        if isinstance(found, Refusal):
            return None, f"RALS_ERROR:{found}"
        return {"MaxUsage": found.usage_ns}, None


def call_of_event(tenant: str, event: dict[str, Any], usage_ns: int, *, forces: bool = False) -> Call:
    """The call an event describes."""
    start_ns, offset_ns = values.instant(event.get("AnswerTime") or event["SetupTime"])
    return Call(
        tenant=tenant,
        category=event["Category"],
        destination=event["Destination"],
        kind=event["ToR"],
        subject=event.get("Subject") or event["Account"],
        account=event["Account"],
        start_ns=start_ns,
        end_ns=start_ns + usage_ns,
        offset_ns=offset_ns,
        factor_id=event.get("BalanceFactorID", ""),
        forces_duration=forces,
    )
