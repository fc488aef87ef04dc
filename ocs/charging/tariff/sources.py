"""The texts a tariff is made of, whatever their form: a YAML file, or the files of a CGRateS folder.

Pure. A `Source` is what versions keep: it can be read again at any time and gives the same tariff.
"""

from collections.abc import Iterator

import msgspec

from ocs.charging.tariff.findings import Finding, Severity, errors, in_order
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, Progress, no_progress, read_cgrates
from ocs.charging.tariff.lint import Suspicion, lint_rules, unused, used_windows
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.rule_reader import SERVICES, VERSION_KEYS
from ocs.charging.tariff.yaml_marks import Field, Problem, read_fields
from ocs.charging.tariff.yaml_reader import read_yaml

YAML = "yaml"
CGRATES = "cgrates"


class Source(msgspec.Struct, frozen=True):
    """(name, text) of every file, and what the files do not say."""

    kind: str
    files: tuple[tuple[str, str], ...]
    options: ImportOptions = ImportOptions()


def read_source(source: Source, progress: Progress = no_progress) -> tuple[Tariff | None, list[Finding]]:
    """The tariff of a source with what was found; None where there are errors."""
    if source.kind == CGRATES:
        return read_cgrates(source.files, source.options, progress)
    [(name, text)] = source.files
    progress(f"reading {name}", 0, 1)
    tariff, problems = read_yaml(text, name)
    progress(f"reading {name}", 1, 1)
    return tariff, errors(problems)


def lint_source(source: Source, tariff: Tariff, at_ns: int) -> list[Finding]:
    """What looks wrong in a tariff that was read without errors, each at its place."""
    suspicions = list(lint_rules(tariff, at_ns))
    if source.kind == CGRATES:
        return in_order([_at_row(suspicion) for suspicion in suspicions])
    [(name, text)] = source.files
    problems: list[Problem] = []
    root = read_fields(text, name, problems)
    assert root is not None, "it was read before"
    members = root.entries()
    for section, unused_name in unused(tariff):
        members[section].entries()[unused_name].problem("is never used")
    windows = used_windows(tariff)
    for window, field in members["windows"].entries().items() if "windows" in members else ():
        if window not in windows:
            field.problem("is never used")
    places = _places(members, tariff) if suspicions else {}
    for suspicion in suspicions:
        places[id(suspicion.rule)].problem(suspicion.message)
    return in_order([Finding(Severity.WARNING, problem) for problem in problems])


def _at_row(suspicion: Suspicion) -> Finding:
    """A finding at the row a rule comes from; its message names the rule, as several come from a row."""
    file, _, line = suspicion.rule.source.rpartition(":")
    path = f"{suspicion.plan}: {suspicion.rule.service} {suspicion.rule.name}"
    return Finding(Severity.WARNING, Problem(file, int(line), 1, path, suspicion.message))


def _places(members: dict[str, Field], tariff: Tariff) -> dict[int, Field]:
    """The fields of all rules by identity of the rule."""
    plans = members["plans"].entries()
    found: dict[int, Field] = {}
    for plan in tariff.plans:
        rules = [rule for version in plan.versions for rule in version.rules]
        found.update(zip(map(id, rules), _rule_fields(plans[plan.name]), strict=True))
    return found


def _rule_fields(plan: Field) -> Iterator[Field]:
    """The rules of a plan in the order in which the reader takes them."""
    members = plan.entries()
    if any(key in members for key in VERSION_KEYS):
        yield from _version_fields(members)
    for version in members["versions"].items() if "versions" in members else ():
        yield from _version_fields(version.entries())


def _version_fields(members: dict[str, Field]) -> Iterator[Field]:
    for service in SERVICES:
        yield from members[service].items() if service in members else ()
