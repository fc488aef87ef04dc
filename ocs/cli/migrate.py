"""`ocs migrate cgrates DIR`: a CGRateS configuration and tariff folder as files of this server."""

import argparse
import json
import shutil
import sys
from pathlib import Path

import msgspec

from ocs.cgrates import config, jsonc
from ocs.cgrates.migrate import EXACT, Choices, Left, Migrated, migrate
from ocs.cgrates.tariff import PROFILE_FILES
from ocs.charging.cgrates.csv_folder import COLUMNS
from ocs.charging.tariff.files import open_source
from ocs.charging.tariff.findings import Severity
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.sources import read_source
from ocs.config import load as settings_of

FAILED, WRONG = 1, 2
TARIFFS = "tariffs"  # folder beside ocs.yaml, of profiles too
MOST_SHOWN = 200


def cgrates(arguments: argparse.Namespace) -> int:
    """Write ocs.yaml and the tariff's files, and say what could not be carried over."""
    source, out = Path(arguments.folder), Path(arguments.out)
    if (out / "ocs.yaml").exists() and not arguments.force:
        print(f"ocs: {out / 'ocs.yaml'} is there already; --force writes over it", file=sys.stderr)
        return FAILED
    try:
        settings, _ = config.load(source)
        tariff = Path(arguments.tariff) if arguments.tariff else None
        if tariff is not None and not tariff.is_dir():
            print(f"ocs: {tariff}: is not a folder", file=sys.stderr)
            return WRONG
        if tariff is None and arguments.rounding != EXACT:
            print(f"ocs: --rounding {arguments.rounding} needs --tariff FOLDER", file=sys.stderr)
            return WRONG
        tariffs = TARIFFS if tariff is not None else "demo"
        choices = Choices(arguments.currency, tariffs, rounding=arguments.rounding)
        if arguments.rounding == EXACT and tariff is not None and _has_profiles(tariff):
            choices = msgspec.structs.replace(choices, profiles=TARIFFS)
        done = migrate(settings.raw, choices)
        done = msgspec.structs.replace(done, left=(*done.left, *_write(done, tariff, out, choices)))
    except (config.ConfigError, jsonc.JsoncError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return WRONG
    except OSError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    _report(arguments, done, out)
    return _checked(out / "ocs.yaml")


def _has_profiles(tariff: Path) -> bool:
    return any(path.name in PROFILE_FILES for path in tariff.rglob("*.csv"))


def _write(done: Migrated, tariff: Path | None, out: Path, choices: Choices) -> list[Left]:
    """Writes the files; what of the tariff is not carried over."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "ocs.yaml").write_text(done.yaml, "utf-8")
    if tariff is None:
        return [Left("tariff", "no --tariff FOLDER was given: ocs.yaml names the demo tariff")]
    for path in sorted(tariff.rglob("*.csv")):
        if path.name in COLUMNS:
            target = out / TARIFFS / path.relative_to(tariff)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    if choices.rounding != EXACT:
        return []
    options = ImportOptions(choices.currency)
    source, problems = open_source(out / TARIFFS, options)
    if source is None:
        return [Left("tariff", str(problem)) for problem in problems]
    _, findings = read_source(source)
    problems = [finding.problem for finding in findings if finding.severity is not Severity.WARNING]
    return [Left(f"tariff {problem.file}:{problem.line}", problem.message) for problem in problems]


def _report(arguments: argparse.Namespace, done: Migrated, out: Path) -> None:
    if arguments.json:
        print(
            json.dumps({"written": str(out / "ocs.yaml"), "left": msgspec.to_builtins(done.left)}, indent=2)
        )
        return
    print(f"written: {out / 'ocs.yaml'}")
    if (out / TARIFFS).is_dir():
        print(f"written: {out / TARIFFS}/")
    if done.left:
        print("not carried over:")
    width = max((len(left.key) for left in done.left), default=0)
    for left in done.left[:MOST_SHOWN]:
        print(f"  {left.key:<{width}}  {left.meaning}")
    if len(done.left) > MOST_SHOWN:
        print(f"  ... and {len(done.left) - MOST_SHOWN} more; --json has all")
    print(f"next: ocs check --config {out / 'ocs.yaml'}")


def _checked(path: Path) -> int:
    """What the configuration's own reader says of the new file."""
    try:
        settings_of(path)
    except Exception as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    return 0
