"""Administrative calls to `ocs cgrates` are on record on the disk, and nobody reads a subscriber's number there."""

import json
from contextlib import closing
from pathlib import Path

from tests.cgrates.test_process import Connection, engine
from tests.support.ports import free_port

SUBSCRIBER = "262011234567890"
KEY = "ocs_1f2e3d4c5b6a_Zk1vQ0pXr"
CALLS: tuple[tuple[str, dict[str, object], str | None], ...] = (
    ("APIerSv1.AddBalance", {"Account": SUBSCRIBER, "BalanceType": "*monetary", "Value": 5}, None),
    ("SessionSv1.ForceDisconnect", {"Filters": [f"*string:~*req.Account:{SUBSCRIBER}"]}, "NOT_FOUND"),
    ("CDRsV1.RateCDRs", {"Accounts": [SUBSCRIBER]}, "SERVER_ERROR: NOT_FOUND"),
    ("APIerSv2.GetAccount", {"Account": SUBSCRIBER}, None),
)


def test_administrative_calls_are_on_record_and_masked(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    more = {"general": {"log_level": 7}}
    with (
        engine(tmp_path, port, "-data_dir", str(data), more=more),
        closing(Connection(port)) as client,
    ):
        for method, params, error in CALLS:
            client.send(1, method, {**params, "APIOpts": {"*apiKey": KEY}})
            answer = client.receive()
            assert answer is not None
            assert answer["error"] == error
            text = (data / "audit.jsonl").read_text()
    assert [json.loads(line)["method"] for line in text.splitlines()] == [
        method for method, _, _ in CALLS[:3]
    ]
    for written in (text, (tmp_path / "log").read_text()):
        assert SUBSCRIBER not in written
        assert KEY not in written
