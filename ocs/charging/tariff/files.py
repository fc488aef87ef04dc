"""Tariff files on disk: the only part of the tariff that opens one."""

from pathlib import Path

from ocs.charging.cgrates.csv_folder import UnreadableText, read_folder
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.sources import CGRATES, YAML, Source
from ocs.charging.tariff.yaml_marks import Problem
from ocs.charging.tariff.yaml_reader import read_yaml


def read(path: str | Path) -> tuple[Tariff | None, list[Problem]]:
    """The tariff of a YAML file, or every problem with it; also one that cannot be read is a problem."""
    text, problems = _text(Path(path), str(path))
    return (None, problems) if text is None else read_yaml(text, str(path))


def open_source(path: str | Path, options: ImportOptions) -> tuple[Source | None, list[Problem]]:
    """The texts of a YAML file, or of a CGRateS folder and all folders in it; names are relative to the folder."""
    place = Path(path)
    if not place.is_dir():
        text, problems = _text(place, place.name)
        return (None if text is None else Source(YAML, ((place.name, text),))), problems
    try:
        files = read_folder(place)
    except UnreadableText as error:
        at = error.problem
        return None, [Problem(at.file, at.line, at.column, "", at.message)]
    except OSError as error:
        return None, [Problem(_within(place, error.filename), 1, 1, "", f"cannot be read: {error.strerror}")]
    if not files:
        return None, [Problem(".", 1, 1, "", "has no file of a tariff such as RatingProfiles.csv")]
    return Source(CGRATES, tuple(files), options), []


def _within(folder: Path, name: object) -> str:
    """A file's name as seen from its folder."""
    path = Path(str(name))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else "."


def _text(path: Path, name: str) -> tuple[str | None, list[Problem]]:
    try:
        return path.read_bytes().decode(), []
    except OSError as error:
        return None, [Problem(name, 1, 1, "", f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Problem(name, 1, 1, "", f"is not UTF-8 at byte {error.start}")]
