"""What was found in a tariff besides mistakes: warnings, and what an import cannot say in this program's words.

Pure.
"""

from enum import Enum

import msgspec
from msgspec.structs import replace

from ocs.charging.tariff.yaml_marks import Problem


class Severity(Enum):
    """How much a finding matters; only an error keeps a tariff from being used."""

    ERROR = "error"
    NOT_CARRIED_OVER = "not carried over"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True):
    """One finding at its place."""

    severity: Severity
    problem: Problem

    def __str__(self) -> str:
        problem = self.problem
        if self.severity is Severity.ERROR:
            return str(problem)
        return str(replace(problem, message=f"{self.severity.value}: {problem.message}"))


def errors(problems: list[Problem]) -> list[Finding]:
    """Problems as findings."""
    return [Finding(Severity.ERROR, problem) for problem in problems]


def has_errors(findings: list[Finding]) -> bool:
    """Whether anything keeps the tariff from being used."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def in_order(findings: list[Finding]) -> list[Finding]:
    """The findings by place."""
    return sorted(findings, key=lambda finding: finding.problem)
