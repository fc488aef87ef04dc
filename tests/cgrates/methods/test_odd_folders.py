"""Tariff folders with odd cells: loaded, or refused with a place and nothing changed; calls go on as before."""

import random
from pathlib import Path

import pytest

from ocs.cgrates.kinds import Kind
from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import CALL, TARIFF

FILES = {
    **TARIFF,
    "Timings.csv": "WORK,*any,*any,*any,1;2;3,08:00:00\nONCE,*any,*any,*any,*any,+10m\n",
    "SharedGroups.csv": "SG,*any,*lowest,\n",
    "Actions.csv": "FILL,*topup,,,main,*monetary,,DST,,SG,+240h,,5,10,true,false,10\n"
    "FILL,*cdrlog,,,,,,,,,,,,,,,5\n",
    "ActionPlans.csv": "AP,FILL,*asap,10\nAP,FILL,*monthly,5\n",
    "ActionTriggers.csv": "TRG,low,*min_balance,2,false,1s,,,,*monetary,,,,,,,,,,FILL,10\n",
    "AccountActions.csv": "cgrates.org,1001,AP,TRG,true,false\n",
    "Filters.csv": "cgrates.org,F1,*string,~*req.Account,1001;1002,\n",
    "Attributes.csv": "cgrates.org,A1,*any,F1,,,*req.Password,*constant,x,false,10\n",
    "Resources.csv": "cgrates.org,R1,F1,,1h,2,msg,false,true,10,*none\n",
    "Stats.csv": "cgrates.org,S1,F1,,100,1h,2,*asr;*tcd,,true,false,10,*none\n",
    "Thresholds.csv": "cgrates.org,T1,F1,,-1,5,1m,false,10,FILL,true,\n",
    "Routes.csv": "cgrates.org,L1,F1,,*lc,,r1,,,RP,,,10,false,p,20\n",
    "IPs.csv": "cgrates.org,I1,F1,,1h,true,10,P1,,*ipv4,10.0.0.5/32,*ascending,,10,false\n",
    "Trends.csv": "cgrates.org,N1,@every 1h,S1,*tcd,-1,-1,1,*average,2.5,true,\n",
    "Rankings.csv": "cgrates.org,K1,@every 5m,S1,*tcd,*desc,,true,\n",
}
ODD = (
    *(
        "",
        "x",
        "*any",
        "-1",
        "0",
        "1e400",
        "9" * 30,
        "1h1x",
        "2020-13-41T00:00:00Z",
        "*monthly",
        ";;",
        "!",
        "\x00",
    ),
    *(
        '"',
        "{",
        '{"a":',
        "25:00:00",
        "+",
        "~*req.",
        "*nosuch:a:b",
        "é" * 40,
        "2147483648",
        "0.0000000001",
        "NaN",
    ),
)
FOLDERS = 120


def mutated(chance: random.Random) -> dict[str, str]:
    """The files with one to three cells changed, a line cut short, or a line added twice."""
    files = {name: text.splitlines() for name, text in FILES.items()}
    for _ in range(chance.randint(1, 3)):
        lines = files[chance.choice(list(files))]
        at = chance.randrange(len(lines))
        cells = lines[at].split(",")
        match chance.randrange(8):
            case 0:
                lines[at] = ",".join(cells[: chance.randrange(len(cells))])
            case 1:
                lines.append(lines[at])
            case _:
                cells[chance.randrange(len(cells))] = chance.choice(ODD)
                lines[at] = ",".join(cells)
    return {name: "\n".join(lines) + "\n" for name, lines in files.items()}


@pytest.mark.parametrize("seed", range(4))
def test_odd_cells_are_loaded_or_refused_as_a_whole(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    api = Api({"schedulers": {"enabled": True}})
    api.engine.load(TARIFF)
    refused = 0
    for _ in range(FOLDERS // 4):
        for name, text in mutated(chance).items():
            (tmp_path / name).write_text(text)
        before = {kind: dict(api.runtime.state.tables[kind]) for kind in (Kind.ACCOUNT, Kind.RATING_PLAN)}
        answer = api.runner.run(
            api.engine.call("APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(tmp_path)})
        )
        assert answer["error"] != "internal error"
        if answer["error"] is not None:
            refused += 1
            assert ".csv:" in answer["error"]
            assert before == {kind: api.runtime.state.tables[kind] for kind in before}
        cost = api.runner.run(api.engine.call("APIerSv1.GetCost", CALL))
        assert cost["error"] != "internal error"
    assert 0 < refused < FOLDERS // 4
    api.close()
