"""`ocs serve`, `ocs check` and `ocs version`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ocs import __version__

if TYPE_CHECKING:
    from ocs.config import Problem

CONFIG_ERROR = 2


def serve(arguments: argparse.Namespace) -> int:
    """Run the server until it is told to stop; 0 after the drain, 2 where the configuration is wrong."""
    from ocs import config, log

    try:
        settings = config.load(arguments.config)
    except config.ConfigError as error:
        return _show(error.problems)
    data_dir = Path(arguments.data_dir)
    try:
        data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        print(f"{data_dir}: cannot be used as the data folder: {error.strerror}", file=sys.stderr)
        return CONFIG_ERROR
    log.configure(settings.log)
    from ocs import app, open_files

    open_files.raise_limit()

    return app.run(settings, data_dir, Path(arguments.config))


def check(arguments: argparse.Namespace) -> int:
    """Print every problem of a configuration file; 2 where there are any."""
    from ocs import config

    problems = config.check(arguments.config) or [
        *_profile_problems(arguments.config),
        *_radius_problems(arguments.config),
        *_rounding_problems(arguments.config),
    ]
    if arguments.json:
        print(json.dumps([problem._asdict() for problem in problems], indent=2))
        return CONFIG_ERROR if problems else 0
    if problems:
        return _show(problems)
    print(f"{arguments.config}: no problems")
    for note in _left_out(arguments.config):
        print(f"{arguments.config}: with charging.rounding: cgrates: {note}")
    return 0


def _rounding_problems(path: str) -> "list[Problem]":
    """Why a server that is to round like CGRateS cannot be had with a configuration."""
    from ocs import config

    settings = config.load(path)
    if settings.charging.rounding != "cgrates":
        return []
    from ocs.cgrates import served
    from ocs.cgrates.listening import StartError

    try:
        served.engine_settings(settings)
    except StartError as error:
        key, _, message = str(error).partition(": ")
        return [config.Problem(path, 1, 1, key, message)]
    return []


def _left_out(path: str) -> list[str]:
    """What a server that rounds like CGRateS does not do of a configuration."""
    from ocs import config

    settings = config.load(path)
    if settings.charging.rounding != "cgrates":
        return []
    from ocs.cgrates import served

    return served.left_out(settings)


def _profile_problems(path: str) -> "list[Problem]":
    """What cannot be used of the profiles that a configuration without problems names."""
    from ocs import config

    folder = config.load(path).sessions.profiles
    if folder is None:
        return []
    from ocs.exact import profiles as exact_profiles

    return [
        config.Problem(found.file, found.line, found.column, "sessions.profiles", found.message)
        for found in exact_profiles.check(Path(folder))
    ]


def _radius_problems(path: str) -> "list[Problem]":
    """What cannot be used of the dictionaries that a configuration without problems names."""
    from ocs import config

    settings = config.load(path).radius
    if not settings.clients:
        return []
    from ocs.agents.radius.loading import missing_attributes, problems_of
    from ocs.config.shipped import shipped_dictionaries

    shipped = shipped_dictionaries("radius")
    return [
        config.Problem(found.file, found.line, found.column, "radius.dictionaries", found.message)
        for found in problems_of(settings, shipped)
    ] or [
        config.Problem(path, 1, 1, f"radius.{key}", missing)
        for key, missing in missing_attributes(settings, shipped)
    ]


def version(arguments: argparse.Namespace) -> int:
    """Print the version."""
    print(json.dumps({"version": __version__}) if arguments.json else f"ocs {__version__}")
    return 0


def _show(problems: "list[Problem]") -> int:
    for problem in problems:
        print(problem.with_source(), file=sys.stderr)
    print(f"{len(problems)} problem{'s' if len(problems) != 1 else ''}", file=sys.stderr)
    return CONFIG_ERROR
