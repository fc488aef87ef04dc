"""How long a CGRateS folder of a million prefixes takes: reading, compiling, keeping as a version, matching.

Run with `python -m bench.tariff_import [prefixes] [destinations]`.
"""

import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ocs.charging.events import Unit
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.files import open_source
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.lint import lint_rules
from ocs.charging.tariff.model import Query
from ocs.charging.tariff.sources import read_source
from ocs.tariff_versions import Versions

T = TypeVar("T")
PREFIXES = 1_000_000
DESTINATIONS = 20_000
MOST_S = 60.0  # asked for, for that many
NOW_NS = 1_780_000_000 * 10**9
NUMBERS = 200_000  # looked up, each for the first time


def main(arguments: list[str]) -> None:
    """Measures each step."""
    prefixes = int(arguments[0]) if arguments else PREFIXES
    destinations = int(arguments[1]) if len(arguments) > 1 else DESTINATIONS
    gc.disable()  # as the command line does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        folder.mkdir()
        write_folder(folder, prefixes, destinations)
        run(folder, Versions(Path(name)), prefixes)


def run(folder: Path, versions: Versions, prefixes: int) -> None:
    """Imports the folder step by step."""
    began_s = time.perf_counter()
    source = step("files", lambda: open_source(folder, ImportOptions())[0])
    assert source is not None
    tariff, findings = step("rows to tariff", lambda: read_source(source))
    assert tariff is not None, findings[:3]
    step("lint", lambda: list(lint_rules(tariff, NOW_NS)))
    catalogue = step("compile", lambda: Catalogue(tariff))
    step("keep as a version", lambda: versions.add(source, tariff, findings, "", "bench", NOW_NS))
    whole_s = time.perf_counter() - began_s
    verdict = "ok" if whole_s <= MOST_S * max(prefixes / PREFIXES, 1) else "MISSED"
    print(f"{'all of it':<24} {whole_s:8.2f} s, {prefixes:,} prefixes  {verdict}: asked for are {MOST_S:g} s")
    match(catalogue, source.files)


def match(catalogue: Catalogue, files: tuple[tuple[str, str], ...]) -> None:
    """Looks up numbers that were never asked before, then one that was."""
    text = next(text for name, text in files if name == "Destinations.csv")
    known = [line.partition(",")[2] for line in text.splitlines()[1 : 2 * NUMBERS : 2]]
    draw = random.Random(1)
    queries = [Query("voice", Unit.TIME, called=draw.choice(known) + "5550100") for _ in range(NUMBERS)]
    prefixes_s = timed(lambda: [catalogue.prefixes(query.called) for query in queries])[1]
    lines_s = timed(lambda: [catalogue.line("t:*any", query) for query in queries])[1]
    again_s = timed(lambda: [catalogue.line("t:*any", query) for query in queries[-10_000:]])[1]
    print(f"{'longest prefix':<24} {prefixes_s / NUMBERS * 1e6:8.2f} us")
    print(f"{'line, new number':<24} {lines_s / NUMBERS * 1e6:8.2f} us")
    print(f"{'line, asked before':<24} {again_s / 10_000 * 1e6:8.2f} us")


def step(name: str, work: Callable[[], T]) -> T:
    """Runs a step and prints how long it took."""
    result, took_s = timed(work)
    print(f"{name:<24} {took_s:8.2f} s")
    return result


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result and the seconds it took."""
    began_s = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began_s


def write_folder(folder: Path, prefixes: int, destinations: int) -> None:
    """A folder with that many prefixes of 7 to 12 digits in that many destinations, with peak and off-peak."""
    files = {
        "Timings.csv": ["PEAK,*any,*any,*any,1;2;3;4;5,08:00:00", "NIGHT,*any,*any,*any,*any,18:00:00"],
        "Destinations.csv": [f"D{number % destinations},{prefix(number)}" for number in range(prefixes)],
        "Rates.csv": [
            f"R{rate},0.0{rate},0.{rate + 1},60s,{seconds}s,{start}s"
            for rate in range(10)
            for seconds, start in ((30, 0), (1, 60))
        ],
        "DestinationRates.csv": [
            f"{tag},D{number},R{(number + shift) % 10},*up,4,0,"
            for shift, tag in enumerate(("DR_PEAK", "DR_OFF"))
            for number in range(destinations)
        ],
        "RatingPlans.csv": ["RP,DR_PEAK,PEAK,10", "RP,DR_OFF,NIGHT,10", "RP,DR_OFF,*any,5"],
        "RatingProfiles.csv": [
            f"t,{category},{subject},2026-01-01T00:00:00Z,RP,"
            for category in ("call", "sms")
            for subject in ("*any", "1001", "1002")
        ],
    }
    for name, lines in files.items():
        (folder / name).write_text("#\n" + "\n".join(lines) + "\n", encoding="utf-8")


def prefix(number: int) -> str:
    """The prefix of a number: all different, of 7 to 12 digits."""
    return f"{1_000_000 + number}{'0123456789'[: number % 6]}"


if __name__ == "__main__":
    main(sys.argv[1:])
