"""The configuration file: `load` it into typed settings, or `check` it for every problem at once.

`settings` has the types, which agents and rpc import; `constraints` and `scalars` say what a value may be;
`document`, `convert` and `checks` read a file.
"""

from pathlib import Path

import msgspec

from ocs.config.problems import ConfigError, Problem
from ocs.config.profiles import BUILT_IN
from ocs.config.settings import CONDITIONS, SHIPPED, ChargingSettings, DiameterSettings, QuotaRule, Settings
from ocs.config.shipped import demo_file

__all__ = ["ConfigError", "Problem", "Settings", "check", "load"]


def load(path: str | Path) -> Settings:
    """Return the settings of a file; ConfigError holds every problem of it."""
    settings, problems = _read(Path(path))
    if settings is None or problems:
        raise ConfigError(problems)
    return settings


def check(path: str | Path) -> list[Problem]:
    """Return every problem of a file, in its order; none means that `load` succeeds."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Settings | None, list[Problem]]:
    # Here, for whoever needs the types of `settings` alone would import YAML with them.
    from ocs.config.convert import Converter
    from ocs.config.document import read_document

    document = read_document(path)
    if isinstance(document, Problem):
        return None, [document]
    if document.root is None:
        return None, document.problems
    converter = Converter(document, path.parent)
    settings = converter.struct(document.root, Settings, "")
    converter.check_profiles()
    problems = sorted(set(document.problems), key=lambda found: (found.line, found.column, found.path))
    if not isinstance(settings, Settings) or problems:
        return None, problems
    return _completed(settings), []


def _completed(settings: Settings) -> Settings:
    """Add what a file may leave out: ready profiles, the default quota, the paths of the shipped files."""
    return msgspec.structs.replace(
        settings, diameter=_with_profiles(settings.diameter), charging=_with_files(settings.charging)
    )


def _with_profiles(diameter: DiameterSettings) -> DiameterSettings:
    return msgspec.structs.replace(diameter, profiles=BUILT_IN | diameter.profiles)


def _with_files(charging: ChargingSettings) -> ChargingSettings:
    has_default = any(_is_default(rule) for rule in charging.quotas)
    return msgspec.structs.replace(
        charging,
        tariffs=str(demo_file("tariffs.yaml")) if charging.tariffs == SHIPPED else charging.tariffs,
        accounts=str(demo_file("accounts.yaml")) if charging.accounts == SHIPPED else charging.accounts,
        quotas=charging.quotas if has_default else (*charging.quotas, QuotaRule()),
    )


def _is_default(rule: QuotaRule) -> bool:
    return all(getattr(rule, condition) is None for condition in CONDITIONS)
