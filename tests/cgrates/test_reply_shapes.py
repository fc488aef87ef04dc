"""The form of every reply: member names, what is left out, kinds of numbers, null or empty, the words of errors.

The calls of `tests/vectors/replies` go to one server process over its port.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cgrates.engine import write_folder
from tests.cgrates.test_process import Connection, engine
from tests.support.ports import free_port

CHAPTERS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "replies" / "shapes.json").read_text()
)
ACCOUNT = "*string:~*req.Account:1001"
TARIFF = {
    "Destinations.csv": "DST_1002,1002\nDST_FR,33\n",
    "Rates.csv": "RT,0.4,0.2,60s,60s,0s\nRT,0,0.1,60s,1s,60s\n",
    "DestinationRates.csv": "DR,*any,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
    "Actions.csv": "ACT,*topup_reset,,,main,*monetary,,*any,,,*unlimited,,10,10,false,false,10\n",
    "ActionPlans.csv": "AP,ACT,*asap,10\n",
    "AccountActions.csv": "cgrates.org,1001,AP,,,\n",
    "Attributes.csv": f"cgrates.org,ATTR_A,*sessions,{ACCOUNT},,,*req.Password,*constant,x,false,10\n",
    "Resources.csv": f"cgrates.org,ResGroup1,{ACCOUNT},,-1,2,,false,false,10,*none\n",
    "Routes.csv": f"cgrates.org,ROUTE_1,{ACCOUNT},,*lc,,route1,,,RP,,,10,false,,20\n"
    "cgrates.org,ROUTE_1,,,,,route2,,,RP,,,20,false,gw2,\n",
    "Stats.csv": f"cgrates.org,Stats2,{ACCOUNT},,100,-1,0,*tcd,,false,false,10,*none\n",
    "Thresholds.csv": f"cgrates.org,THD_ACNT_1001,{ACCOUNT},,-1,0,0,false,10,,true,\n",
}
HERE = ["*internal"]
SUBSYSTEMS = ("resources", "ips", "stats", "thresholds", "trends", "rankings", "schedulers", "ees", "ers")
WIRED = ("attributes", "resources", "ips", "routes", "thresholds", "stats", "rals", "cdrs", "chargers")
SETTINGS: dict[str, Any] = {
    **{name: {"enabled": True} for name in SUBSYSTEMS},
    "routes": {"enabled": True, "rals_conns": HERE},
    "apiers": {"enabled": True, "scheduler_conns": HERE},
    "sessions": {f"{name}_conns": HERE for name in WIRED},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A connection to a server in which every subsystem is on, with its tariff."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    (folder / "tariff").mkdir()
    write_folder(folder / "tariff", TARIFF)
    with engine(folder, port, more=SETTINGS), closing(Connection(port)) as client:
        client.call("APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(folder / "tariff")})
        yield client


@pytest.mark.parametrize("chapter", list(CHAPTERS))
def test_replies_have_the_form_of_the_incumbents(server: Connection, chapter: str) -> None:
    found = []
    for number, row in enumerate(CHAPTERS[chapter]):
        server.send(number, row["method"], row["params"])
        answer = server.receive()
        assert answer is not None
        assert list(answer) == ["id", "result", "error"]
        wanted = (None, row["error"]) if "error" in row else (row["result"], None)
        got = (None, answer["error"]) if answer["error"] is not None else (form(answer["result"]), None)
        if got != wanted:
            found.append((number, row["method"], wanted, got))
    assert found == []


def form(value: Any) -> str:
    """The form of a result; a text or truth value as it is."""
    return json.dumps(value) if isinstance(value, (str, bool)) else _form(value)


def _form(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool() | int() | float() | str():
            return type(value).__name__
        case []:
            return "[]"
        case [first, *_]:
            return f"[{_form(first)}]"
    if value and all(re.fullmatch("[0-9a-f]{7,8}", name) for name in value):
        return f"{{*:{_form(next(iter(value.values())))}}}"
    return f"{{{','.join(f'{name}:{_form(each)}' for name, each in value.items())}}}"
