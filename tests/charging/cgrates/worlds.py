"""Recorded worlds: tariff folder, settings and steps of one golden file, replayed in-process."""

import json
import lzma
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ocs.charging.cgrates import values
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.cgrates.plan import Settings, Tariff

GOLDEN = Path(__file__).parents[2] / "vectors" / "golden"
Step = dict[str, Any]


class World:
    """One golden file, compiled."""

    def __init__(self, name: str, text: dict[str, Any], *, drifts: bool = False) -> None:
        self.name = name
        self.steps: list[Step] = text["steps"]
        self.files: dict[str, str] = text["files"]
        rows, problems = read_texts(list(self.files.items()))
        assert not problems, problems
        self.tariff: Tariff
        self.tariff, problems = compile_tariff(rows)
        assert not problems, problems
        config = self.config = dict(text.get("config") or {})
        rals = config.get("rals", {})
        self.settings = Settings(
            rounding_decimals=config.get("general", {}).get("rounding_decimals", 5),
            max_increments=rals.get("max_increments", 1_000_000),
            fallback_depth=rals.get("fallback_depth", 3),
            subject_prefix_matching=rals.get("rp_subject_prefix_matching", False),
            drifts_below_zero=drifts,
        )
        self.grid = 0.5 * 10.0**-self.settings.rounding_decimals


def worlds(kind: str, *, drifts: bool = False) -> Iterator[World]:
    """All worlds of a kind (rating, debit, session, action), with the drift of debts or without."""
    texts = json.loads(lzma.decompress((GOLDEN / f"{kind}.json.xz").read_bytes()))
    for name, text in texts.items():
        yield World(name, text, drifts=drifts)


def call_of(params: dict[str, Any]) -> Call:
    """A call descriptor as a call."""
    start_ns, offset_ns = values.instant(params["TimeStart"])
    end_ns, _ = values.instant(params["TimeEnd"])
    return Call(
        tenant=params["Tenant"],
        category=params["Category"],
        destination=params["Destination"],
        kind=params["ToR"],
        subject=params.get("Subject") or params.get("Account", ""),
        account=params.get("Account") or params.get("Subject", ""),
        start_ns=start_ns,
        end_ns=end_ns,
        offset_ns=offset_ns,
        index_ns=params.get("DurationIndex", 0),
        loop=params.get("LoopIndex", 0),
        max_cost_so_far_nanos=round(params.get("MaxCostSoFar", 0) * 10**9),
        max_rate=params.get("MaxRate", 0.0),
        max_rate_unit_ns=params.get("MaxRateUnit", 0),
        factor_id=params.get("ExtraFields", {}).get("BalanceFactorID", ""),
        performs_rounding=params.get("PerformRounding", False),
        denies_negative=params.get("DenyNegativeAccount", False),
        forces_duration=params.get("ForceDuration", False),
    )


def moment(ns: int, offset_ns: int) -> str:
    """RFC 3339 text of a moment on the clock of an offset."""
    zone = timezone(timedelta(seconds=offset_ns // 10**9)) if offset_ns else UTC
    second = datetime.fromtimestamp(ns // 10**9, zone)
    fraction = f".{ns % 10**9:09d}".rstrip("0") if ns % 10**9 else ""
    text = second.isoformat()
    return f"{text[:19]}{fraction}{text[19:]}".replace("+00:00", "Z")


def same(one: Any, other: Any, grid: float) -> bool:
    """Whether two answers are equal, numbers on the grid of the rounding decimals."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], grid) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b, grid) for a, b in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or abs(one - other) < grid
    if isinstance(one, str) and isinstance(other, str) and one[10:11] == other[10:11] == "T":
        return one.replace("+00:00", "Z") == other.replace("+00:00", "Z")
    return bool(one == other)


def expected(method: str, answer: Any, level: int) -> Any:
    """The recorded answer, cut to what a level compares."""
    if method == "CDRsV1.GetCDRs":
        return [{key: value for key, value in cdr.items() if key != "CostDetails"} for cdr in answer]
    if not isinstance(answer, dict) or "Cost" not in answer:
        return answer
    out = {key: answer[key] for key in ("Usage", "RatedUsage", "Cost") if key in answer}
    for key in ("Charges", "spans"):
        if level > 1 and key in answer:
            out[key] = [_reduced(entry, key) for entry in answer[key]]
    return out


def _reduced(entry: dict[str, Any], key: str) -> dict[str, Any]:
    names = {"cf", "match", "inc"} | ({"start", "end", "idx"} if key == "spans" else set())
    kept = {name: value for name, value in entry.items() if name in names}
    kept["inc"] = [steps[:3] for steps in kept.get("inc", [])]
    return kept
