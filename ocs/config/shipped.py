"""Where the files of the program are: beside the package in a checkout, inside it when installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def demo_file(name: str) -> Path:
    """Return the path of a file of the demo, such as `tariffs.yaml`."""
    return _PACKAGE / "demo" / name


def shipped_dictionaries(protocol: str) -> Path:
    """Return the folder of the dictionaries of a protocol: `diameter` or `radius`."""
    installed = _PACKAGE / "dictionaries" / protocol
    return installed if installed.is_dir() else _PACKAGE.parent / "dictionaries" / protocol
