"""Replays session calls of recorded worlds: chargers, sessions, CDRs around the functions under test."""

import csv
from typing import Any

import msgspec

from ocs.charging.cgrates import values
from ocs.charging.cgrates.authorize import authorize, default_usage
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.cdr import rate_cdr, rate_session_cdr
from ocs.charging.cgrates.model import Context, RatedCdr, Report, Run, Stepped
from ocs.charging.cgrates.session import message, terminate, update
from tests.charging.cgrates.debit_replay import RECORDED_NS, Accounts
from tests.charging.cgrates.worlds import Step, World

Event = dict[str, Any]
Answer = tuple[Any, str | None]


class Session:
    """Runs of one OriginID, with the period of the init event per run."""

    def __init__(self, event: Event, runs: tuple[Run, ...]) -> None:
        self.event = event
        self.runs = runs
        self.first = {run.run_id: run.call for run in runs}


class Sessions(Accounts):
    """Accounts, sessions and CDRs of one world."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        rows = csv.reader(world.files.get("Chargers.csv", "").splitlines())
        self.chargers = [row for row in rows if row and not row[0].startswith("#")]
        self.active: dict[str, Session] = {}
        self.closed: dict[str, Session] = {}
        self.cdrs: dict[tuple[str, str], dict[str, Any]] = {}

    def answer(self, step: Step) -> Answer:
        """(result, error) of one step."""
        params = step["params"]
        match step["call"]:
            case "SessionSv1.AuthorizeEvent":
                return self.authorize(params)
            case "SessionSv1.InitiateSession":
                return self.initiate(params)
            case "SessionSv1.UpdateSession":
                return self.update(params)
            case "SessionSv1.TerminateSession":
                return self.terminate(params)
            case "SessionSv1.ProcessMessage":
                return self.message(params)
            case "SessionSv1.ProcessCDR":
                return self.process_cdr(params)
            case "CDRsV1.GetCDRs":
                return self.get_cdrs(params)
        return super().answer(step)

    def authorize(self, params: dict[str, Any]) -> Answer:
        """The smallest usage any run allows."""
        grants = []
        for run in self.fork(params, self.usage(params["Event"])):
            found = authorize(
                self.snapshot, self.world.tariff, run.call, run.request_type, self.world.settings
            )
            if isinstance(found, Refusal):
                return None, f"RALS_ERROR:{found}"
            grants.append(found.usage_ns)
        return {"MaxUsage": min(grants)}, None

    def initiate(self, params: dict[str, Any]) -> Answer:
        """Opens a session and debits its first period."""
        origin = params["Event"]["OriginID"]
        if origin in self.active:
            return None, "EXISTS"
        session = self.active[origin] = Session(params["Event"], self.fork(params))
        return self.step(session, Report(self.usage(params["Event"])), params)

    def update(self, params: dict[str, Any]) -> Answer:
        """Settles and grants; an unknown session is opened first."""
        origin = params["Event"]["OriginID"]
        if origin not in self.active:
            self.active[origin] = Session(params["Event"], self.fork(params))
        event = params["Event"]
        report = Report(self.usage(event), event.get("LastUsed"), event.get("TotalUsage"))
        return self.step(self.active[origin], report, params)

    def terminate(self, params: dict[str, Any]) -> Answer:
        """Ends a session; an unknown one is a message."""
        event = params["Event"]
        origin = event["OriginID"]
        if origin not in self.active:
            return self.whole(params, event.get("Usage"), wraps=False)
        session = self.active.pop(origin)
        self.closed[origin] = session
        ended = terminate(self.context, session.runs, event.get("Usage"), event.get("LastUsed"))
        self.keep(session, ended)
        return (
            ("OK", None) if not isinstance(ended.outcome, Refusal) else (None, f"RALS_ERROR:{ended.outcome}")
        )

    def message(self, params: dict[str, Any]) -> Answer:
        """A session of one call."""
        return self.whole(params, None, wraps=True)

    def whole(self, params: dict[str, Any], usage_ns: int | None, *, wraps: bool) -> Answer:
        """Opens, updates and ends a session at once."""
        event = params["Event"]
        session = Session(event, self.fork(params))
        report = Report(self.usage(event), event.get("LastUsed"), event.get("TotalUsage"))
        if usage_ns is None and event["RequestType"] in ("*postpaid", "*rated"):
            usage_ns = self.usage(event)
        stepped = message(self.context, session.runs, report, usage_ns)
        self.keep(session, stepped)
        if isinstance(stepped.outcome, Refusal):
            return None, f"RALS_ERROR:{stepped.outcome}" if wraps else str(stepped.outcome)
        self.closed[event["OriginID"]] = session
        return ({"MaxUsage": stepped.outcome} if wraps else "OK"), None

    def step(self, session: Session, report: Report, params: dict[str, Any]) -> Answer:
        """One update of a session."""
        stepped = update(self.context, session.runs, report)
        self.keep(session, stepped)
        if isinstance(stepped.outcome, Refusal):
            return None, f"RALS_ERROR:{stepped.outcome}"
        return {"MaxUsage": stepped.outcome}, None

    def keep(self, session: Session, stepped: Stepped) -> None:
        """Takes over what a step changed."""
        session.runs = stepped.runs
        self.accounts = dict(stepped.context.snapshot.accounts)

    def process_cdr(self, params: dict[str, Any]) -> Answer:
        """Makes the CDRs of a session, or of an event without one."""
        event = params["Event"]
        origin = event["OriginID"]
        session = self.closed.get(origin) or self.active.get(origin)
        context = self.context
        rated: list[tuple[Run, RatedCdr]] = []
        if session is None:
            runs = self.fork(params)
            if any((origin, run.run_id) in self.cdrs for run in runs):
                return None, "EXISTS"
            for run in runs:
                cdr, context, _ = rate_cdr(context, run.call, run.request_type)
                rated.append((run, cdr))
        else:
            for run in session.runs:
                if (origin, run.run_id) in self.cdrs:
                    return None, "PARTIALLY_EXECUTED"
                cdr, context, _ = rate_session_cdr(context, run, session.first[run.run_id])
                rated.append((run, cdr))
        self.accounts = dict(context.snapshot.accounts)
        for run, cdr in rated:
            self.cdrs[origin, run.run_id] = self.cdr_text(origin, run, cdr)
        return "OK", None

    def cdr_text(self, origin: str, run: Run, cdr: RatedCdr) -> dict[str, Any]:
        """A CDR as the recording shows it."""
        return {
            "OriginID": origin,
            "RunID": run.run_id,
            "RequestType": run.request_type,
            "ToR": run.call.kind,
            "Usage": cdr.usage_ns,
            "Cost": cdr.cost_nanos / 10**9,
            "CostSource": cdr.source,
            "ExtraInfo": cdr.extra,
        }

    def get_cdrs(self, params: dict[str, Any]) -> Answer:
        """CDRs of some OriginIDs, in the recording's order."""
        wanted = set(params["OriginIDs"])
        return [cdr for (origin, _), cdr in sorted(self.cdrs.items()) if origin in wanted], None

    @property
    def context(self) -> Context:
        """What the session functions read."""
        return Context(self.snapshot, self.world.tariff, self.world.settings, RECORDED_NS)

    def usage(self, event: Event) -> int:
        """Usage an event asks for."""
        found = event.get("Usage")
        return int(found) if found is not None else default_usage(event["ToR"], self.world.settings)

    def fork(self, params: dict[str, Any], missing_ns: int = 0) -> tuple[Run, ...]:
        """One run per charger, heaviest first; their period is empty where the event names no usage."""
        chargers = self.chargers or [["", "", "", "", "*default", "*none", "0"]]
        runs = []
        for row in sorted(chargers, key=lambda row: -float(row[6])):
            event = dict(params["Event"])
            condition = row[2].split(":")
            if row[2] and str(event.get("Account")) not in condition[2:]:
                continue
            if row[5] != "*none":
                for change in row[5].split(";"):
                    _, path, value = change.split(":")
                    event[path.removeprefix("*req.")] = value
            usage_ns = event.get("Usage", missing_ns)
            call = call_of_event(params["Tenant"], event, usage_ns, forces=params.get("ForceDuration", False))
            if event.get("Cost") is not None:
                call = msgspec.structs.replace(call, direct_nanos=round(event["Cost"] * 10**9))
            runs.append(Run(row[4], event["RequestType"], call))
        return tuple(runs)


def call_of_event(tenant: str, event: Event, usage_ns: int, *, forces: bool = False) -> Call:
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
