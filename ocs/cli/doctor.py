"""`ocs doctor`: is this machine ready for the server that a configuration describes?"""

import argparse
import json
import sys
from pathlib import Path

MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
CONFIG_ERROR = 2


def doctor(arguments: argparse.Namespace) -> int:
    """Print what was looked at; 1 where something fails, 2 where the configuration is wrong."""
    from ocs import config, doctor

    try:
        settings = config.load(arguments.config)
    except config.ConfigError as error:
        for problem in error.problems:
            print(problem.with_source(), file=sys.stderr)
        return CONFIG_ERROR
    findings = []
    for finding in doctor.examine(settings, Path(arguments.data_dir)):
        findings.append(finding)
        if not arguments.json:
            advice = f" - {finding.advice}" if finding.advice else ""
            print(f"{MARKS[finding.verdict]}  {finding.about}: {finding.found}{advice}")
    if arguments.json:
        names = doctor.Finding.__struct_fields__
        print(json.dumps([{name: getattr(each, name) for name in names} for each in findings], indent=2))
    return int(any(finding.verdict == "fail" for finding in findings))
