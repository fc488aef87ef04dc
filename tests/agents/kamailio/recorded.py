"""The recorded conversation with a Kamailio."""

import json
from pathlib import Path

VECTORS = Path(__file__).parents[2] / "vectors" / "kamailio" / "evapi.jsonl"


def recorded(direction: str) -> list[bytes]:
    """The netstrings of one direction."""
    rows = [json.loads(line) for line in VECTORS.read_text(encoding="ascii").splitlines()]
    return [row["wire"].encode("latin-1") for row in rows if row["dir"] == direction]
