"""Random dialogues of network elements cost what the same steps of the session API cost, step by step."""

import random
from pathlib import Path

import pytest

from ocs.cgrates import served
from ocs.cgrates.charging.agents import NetworkAgents
from ocs.cgrates.runtime import Runtime
from ocs.charging.account import session_key
from ocs.charging.cgrates.account import Account
from ocs.charging.events import (
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Identity,
    IdentityKind,
    RequestedUnits,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.config.settings import (
    ChargingSettings,
    DiameterSettings,
    IdentitySettings,
    QuotaRule,
    Settings,
)
from ocs.sessions import values
from ocs.sessions.errors import ServiceError
from ocs.sessions.model import CgrEvent

NOW_NS = 1_797_000_000 * 10**9
SECOND_NS = 10**9
MINE, THEIRS = "1001", "1002"
TARIFF = {
    "Destinations.csv": "D,49\nNEAR,4930\n",
    "Rates.csv": (
        "RV,0.05,0.6,60s,1s,0s\nRV,0.05,0.3,60s,6s,120s\nRN,0,0.07,60s,60s,0s\n"
        "RD,0,1,1048576,1024,0s\nRD,0,0.3,1048576,10240,1000000ns\n"
    ),
    "DestinationRates.csv": "DV,D,RV,*up,4,0,\nDV,NEAR,RN,*middle,2,0,\nDD,*any,RD,*down,5,0,\n",
    "RatingPlans.csv": "PV,DV,*any,10\nPD,DD,*any,10\n",
    "RatingProfiles.csv": (
        "cgrates.org,call,*any,2014-01-14T00:00:00Z,PV,\ncgrates.org,data,*any,2014-01-14T00:00:00Z,PD,\n"
    ),
    "Actions.csv": (
        "GIVE,*topup,,,main,*monetary,,*any,,,*unlimited,,2.5,10,false,false,10\n"
        "GIVE,*topup,,,more,*monetary,,*any,,,*unlimited,,0.77,20,false,false,10\n"
        "GIVE,*topup,,,free,*voice,,NEAR,,,*unlimited,,90s,20,false,false,10\n"
        "GIVE,*topup,,,bundle,*data,,*any,*zero100ns,,*unlimited,,300000,20,false,false,10\n"
    ),
    "ActionPlans.csv": "AP,GIVE,*asap,10\n",
    "AccountActions.csv": f"cgrates.org,{MINE},AP,,,\ncgrates.org,{THEIRS},AP,,,\n",
    "Chargers.csv": (
        "cgrates.org,CH,,,*default,*none,20\ncgrates.org,RAW,,,*raw,*constant:*req.RequestType:*none,10\n"
    ),
}


class Twins:
    """One session over the door of network elements, and the same over the session service."""

    def __init__(self, runtime: Runtime, network: NetworkAgents, unit: Unit, called: str) -> None:
        self._runtime = runtime
        self._door = network.door
        self._unit = unit
        self._service = "voice" if unit is Unit.TIME else "data"
        self._context = ChargingContext(called=called) if called else None
        at = values.moment_text((NOW_NS, 0))
        self._event = {
            **{"OriginID": "theirs", "OriginHost": "theirs", "RequestType": "*prepaid", "Account": THEIRS},
            **{"ToR": f"*{self._service}", "Category": "call" if called else "data"},
            **{"Destination": called or "data", "SetupTime": at, "AnswerTime": at},
        }

    def say(self, kind: EventKind, number: int, wanted: int | None, used: int) -> int:
        """One request; what it grants."""
        requested = None if wanted is None else RequestedUnits(self._unit, wanted)
        reports = (UsageReport(10, requested=requested, used=(UsedUnits(self._unit, used),) if used else ()),)
        answers: list[ChargingAnswer] = []
        event = ChargingEvent(
            *(kind, "gw", "mine", number, self._service, (Identity(IdentityKind.E164, MINE),), reports),
            context=self._context,
            occurred_at_ns=NOW_NS,
            slices_itself=True,
        )
        self._door.submit(event, answers.append)
        (answer,) = answers
        return answer.grants[0].amount if answer.grants else 0

    def step(self, method: str, **members: int) -> int:
        """The same over the session service."""
        event = CgrEvent("cgrates.org", self._event | members, {"*sessionsTTL": 0}, method)
        sessions = self._runtime.sessions
        try:
            if method == "terminate":
                sessions.terminate(event)
                self._runtime.cdrs.process(event)
                return 0
            return max(sessions.initiate(event) if method == "initiate" else sessions.update(event), 0)
        except ServiceError:
            return 0

    def accounts(self) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """The balances of both."""
        known = self._runtime.state.accounts
        return balances(known[f"cgrates.org:{MINE}"]), balances(known[f"cgrates.org:{THEIRS}"])

    def records(self) -> list[list[tuple[str, int, int]]]:
        """The records of both, by run."""
        table = self._runtime.state.tables
        found = {MINE: list[tuple[str, int, int]](), THEIRS: list[tuple[str, int, int]]()}
        for cdr in next(rows for kind, rows in table.items() if kind == "cdr").values():
            found[cdr.account].append((cdr.run_id, cdr.usage, cdr.cost_nanos))
        return [sorted(each) for each in found.values()]


def balances(account: Account) -> list[tuple[str, int]]:
    """The balances of an account by kind and id."""
    return sorted(
        (f"{kind}:{each.balance_id}", each.value_nanos)
        for kind, found in account.balances.items()
        for each in found
    )


@pytest.mark.parametrize("seed", range(60))
async def test_a_dialogue_costs_what_the_session_api_takes(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    settings = Settings(
        IdentitySettings("ocs.example.net", "example.net"),
        DiameterSettings(listen=()),
        ChargingSettings(rounding="cgrates", tariffs=str(tmp_path), quotas=(QuotaRule(),)),
    )
    runtime = Runtime(served.engine_settings(settings), wall_ns=lambda: NOW_NS)
    await runtime.load_files(list(TARIFF.items()))
    network = NetworkAgents(runtime, settings, tmp_path)
    unit = chance.choice((Unit.TIME, Unit.OCTETS))
    scale = SECOND_NS if unit is Unit.TIME else 1
    most = 200 if unit is Unit.TIME else 900_000
    called = chance.choice(("49111", "4930222")) if unit is Unit.TIME else ""
    twins = Twins(runtime, network, unit, called)
    wanted = chance.randint(1, most) * scale
    grant = twins.say(EventKind.INITIAL, 0, wanted, 0)
    assert grant == twins.step("initiate", Usage=wanted), "the same is granted"
    total = 0
    for number in range(1, chance.randint(1, 8)):
        assert twins.accounts()[0] == twins.accounts()[1], number
        used = chance.choice((grant, grant, chance.randint(0, grant // scale) * scale, grant + 7 * scale))
        wanted, total = chance.randint(1, most) * scale, total + used
        grant = twins.say(EventKind.UPDATE, number, wanted, used)
        assert grant == twins.step("update", Usage=wanted, LastUsed=used), number
    used = chance.randint(0, max(grant // scale, 1)) * scale
    twins.say(EventKind.TERMINATION, 99, None, used)
    twins.step("terminate", Usage=total + used)
    assert twins.accounts()[0] == twins.accounts()[1]
    mine, theirs = twins.records()
    assert mine == theirs
    assert [run for run, _, _ in mine] == ["*default", "*raw"]
    assert not runtime.state.sessions
    assert network.door.supervision.get(session_key("gw", "mine")) is None
