"""The recorded requests that lie in tests/vectors."""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def samples() -> list[dict[str, Any]]:
    """Five Credit-Control-Requests of known clients."""
    rows: list[dict[str, Any]] = json.loads((VECTORS / "gy" / "samples.json").read_text())["messages"]
    assert len(rows) == 5
    return rows


def sample(name: str) -> bytes:
    """One of them."""
    return next(bytes.fromhex(row["hex"]) for row in samples() if row["name"] == name)


def open5gs(number: str, *names: str) -> list[bytes]:
    """What the session management function sent in a recording, by the names of the messages."""
    (path,) = (VECTORS / "open5gs").glob(f"{number}-*.json")
    rows = json.loads(path.read_text())
    return [bytes.fromhex(row["hex"]) for row in rows if row["dir"] == "c2s" and row["name"] in names]


def kamailio() -> list[bytes]:
    """Every octet string a real Kamailio sent, in order."""
    paths = sorted((VECTORS / "diameter").glob("kamailio_ro_*_c2s_*.bin"))
    return [path.read_bytes() for path in paths]
