"""`ocs key` and `ocs audit` on the files of a data folder."""

import asyncio
import json
from pathlib import Path

import pytest

from ocs.cli.main import main
from ocs.rpc.audit import Audit
from ocs.rpc.caller import Caller
from ocs.rpc.key_file import KeyFile
from tests.rpc.test_security import recorded

Capture = pytest.CaptureFixture[str]


def test_key_is_printed_once_listed_and_revoked(tmp_path: Path, capsys: Capture) -> None:
    where = ("--data-dir", str(tmp_path / "data"))
    assert main(["key", "create", "portal", "--role", "read", "--role", "charge", *where]) == 0
    printed = capsys.readouterr()
    text = printed.out.strip()
    assert "only time" in printed.err
    file = KeyFile(tmp_path / "data" / "keys.jsonl")
    found = file.find(text)
    assert found is not None
    assert (found.name, found.roles) == ("portal", ("read", "charge"))
    assert main(["key", "ls", *where]) == 0
    listed = capsys.readouterr().out
    assert found.id in listed
    assert text.rpartition("_")[2] not in listed
    assert main(["key", "revoke", found.id, *where]) == 0
    assert file.refresh()
    assert file.find(text) is None
    assert len(file) == 0
    capsys.readouterr()
    assert main(["key", "revoke", "nobody", *where]) == 1
    assert capsys.readouterr().err == 'ocs: there is no key "nobody"\n'


def test_damaged_file_of_keys_is_named_and_stays(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    assert main(["key", "create", "x", "--role", "read", "--data-dir", str(tmp_path)]) == 1
    assert f"{path}:1:1: is not a key" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "{}\n"


def test_record_is_shown_newest_first_and_checked(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "audit.jsonl"

    async def body() -> None:
        audit = Audit(path, lambda: 1_800_000_000 * 10**9)
        for number in range(3):
            await recorded(audit, Caller("127.0.0.1:1", "portal"), f"A.B{number}", {"account": "15550100001"})

    asyncio.run(body())
    assert main(["audit", "--data-dir", str(tmp_path), "--limit", "2", "--json"]) == 0
    assert [row["method"] for row in json.loads(capsys.readouterr().out)] == ["A.B2", "A.B1"]
    assert main(["audit", "--data-dir", str(tmp_path)]) == 0
    assert "15550100001" not in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b"A.B1", b"A.B9"))
    assert main(["audit", "--data-dir", str(tmp_path)]) == 1
    assert f"{path}:2:1: does not follow" in capsys.readouterr().err
    assert main(["audit", "--data-dir", str(tmp_path / "none")]) == 0
