"""Folders that a real engine was recorded with load here, and price calls as exact arithmetic by hand does."""

import json
import lzma
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ocs.charging.events import Unit
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.findings import Severity
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from ocs.charging.tariff.model import Query
from ocs.charging.what_if import what_if
from tests.charging.tariff.folder_oracle import Folder, moment_ns

GOLDEN = Path(__file__).parents[2] / "vectors" / "golden"
SERVICES = {
    "*voice": ("voice", Unit.TIME),
    "*data": ("data", Unit.OCTETS),
    "*sms": ("sms", Unit.EVENTS),
    "*mms": ("mms", Unit.EVENTS),
    "*generic": ("generic", Unit.EVENTS),
}
LEAST = {"*voice": 890, "*data": 85, "*sms": 90, "*mms": 75, "*generic": 80}  # calls compared


def worlds(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lzma.decompress((GOLDEN / f"{kind}.json.xz").read_bytes()))
    return found


@pytest.mark.parametrize("kind", ["rating", "debit", "session", "action"])
def test_every_recorded_folder_loads_without_errors(kind: str) -> None:
    for name, world in worlds(kind).items():
        tariff, findings = read_cgrates(world["files"].items(), ImportOptions())
        found = [str(finding) for finding in findings if finding.severity is Severity.ERROR]
        assert (name, found) == (name, [])
        assert tariff is not None
        assert Catalogue(tariff).currency == "EUR"


def calls(world: Any) -> list[tuple[str, tuple[str, str, str], str, int, int]]:
    """Service type, profile, number, start and units of the calls of a world."""
    found = []
    for step in world["steps"]:
        params = step["params"]
        if step["call"] != "Responder.GetCost":
            continue
        start_ns = moment_ns(params["TimeStart"])
        units = moment_ns(params["TimeEnd"]) - start_ns
        key = (params["Tenant"], params["Category"], params.get("Subject") or params.get("Account", ""))
        found.append((params["ToR"], key, params["Destination"], start_ns, units))
    return found


@pytest.mark.parametrize("service", ["*voice", "*data", "*sms", "*mms", "*generic"])
def test_prices_are_those_of_exact_arithmetic(service: str) -> None:
    compared = 0
    for world in worlds("rating").values():
        folder = Folder(world["files"])
        tariff, _ = read_cgrates(world["files"].items(), ImportOptions())
        assert tariff is not None
        catalogue = Catalogue(tariff)
        asked = [call for call in calls(world) if call[0] == service]
        for call in asked:
            compared += compare(folder, catalogue, *call)
    assert compared >= LEAST[service]


def compare(
    folder: Folder,
    catalogue: Catalogue,
    kind: str,
    key: tuple[str, str, str],
    number: str,
    start_ns: int,
    units: int,
) -> bool:
    """Whether a call could be compared; it then costs the same."""
    service, unit = SERVICES[kind]
    if key not in folder.profiles:
        key = (key[0], key[1], "*any")
    if key not in folder.profiles or number in ("", "*any"):
        return False
    expected = by_hand(folder, key, number, start_ns, units, is_time=unit is Unit.TIME)
    found = what_if(catalogue, ":".join(key), Query(service, unit, called=number), units, start_ns)
    assert (key, number, start_ns, units, found.result, found.cost_nanos) == (
        key,
        number,
        start_ns,
        units,
        *expected,
    )
    return True


def by_hand(
    folder: Folder, key: tuple[str, str, str], number: str, start_ns: int, units: int, *, is_time: bool
) -> tuple[str, int]:
    """Result and cost."""
    end_ns = start_ns + units if is_time else start_ns
    cuts = (
        [start_ns, *folder.boundaries(start_ns, end_ns), end_ns]
        if is_time and units
        else [start_ns, start_ns]
    )
    nanos = position = 0
    priced: list[bool] = []
    pieces: list[tuple[Any, int]] = []
    for begin_ns, until_ns in pairwise(cuts):
        price = folder.price_at(key, number, begin_ns)
        piece = until_ns - begin_ns if is_time else units
        if pieces and pieces[-1][0] == price:
            pieces[-1] = (price, pieces[-1][1] + piece)
        else:
            pieces.append((price, piece))
    for price, piece in pieces:
        priced.append(price is not None)
        if price is None:
            continue
        nanos += folder.cost_nanos(price, position, piece)
        position += piece
    return ("RATED" if all(priced) else "PARTLY" if any(priced) else "NO_RULE"), nanos
