"""Tariff files on disk: the only part of the tariff that opens one."""

from pathlib import Path

from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.yaml_marks import Problem
from ocs.charging.tariff.yaml_reader import read_yaml


def read(path: str | Path) -> tuple[Tariff | None, list[Problem]]:
    """The tariff of a YAML file, or every problem with it; also one that cannot be read is a problem."""
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        return None, [Problem(str(path), 1, 1, "", f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Problem(str(path), 1, 1, "", f"is not UTF-8 at byte {error.start}")]
    return read_yaml(text, str(path))
