"""`ocs rate` and `ocs explain`: what a usage would cost, and why a session cost what it did."""

import argparse
import json
import sys
import time
from datetime import UTC
from typing import Any

import msgspec

from ocs.charging.events import Unit
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Query
from ocs.charging.tariff.quantities import moment_ns, quantity
from ocs.charging.tariff.rule_reader import SERVICES
from ocs.charging.what_if import what_if
from ocs.cli import rating_text
from ocs.cli.jsonrpc import CallError, call
from ocs.cli.tariff_files import WRONG, Unusable, options_of, read_path, show

FAILED = 1
UNITS = {Unit.TIME: "time", Unit.OCTETS: "octets", Unit.EVENTS: "events"}


def rate(arguments: argparse.Namespace) -> int:
    """Show what a usage would cost by the tariff of a file, a folder or the running server."""
    try:
        unit, units = amount(arguments.service, arguments.usage, None)
        before = amount(arguments.service, arguments.used_before, unit)[1]
        at_ns = time.time_ns() if arguments.at is None else moment_ns(arguments.at, UTC)
    except ValueError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return WRONG
    if arguments.tariff is not None:
        return _rate_by_file(arguments, unit, units, before, at_ns)
    parameters = {
        name: value
        for name in ("plan", "account", "service", "called", "apn", "plmn", "category", "rat", "rating_group")
        if (value := getattr(arguments, name)) not in (None, "")
    }
    if arguments.service_identifier is not None:
        parameters["service_identifier"] = arguments.service_identifier
    parameters |= {"usage": units, "unit": UNITS[unit], "at": at_ns, "rated_from": before}
    return _ask(arguments, "OcsV1.Rate", parameters, rating_text.rated)


def _rate_by_file(arguments: argparse.Namespace, unit: Unit, units: int, before: int, at_ns: int) -> int:
    if arguments.plan is None:
        print("ocs: a file has no accounts: name the plan", file=sys.stderr)
        return WRONG
    try:
        read = read_path(arguments.tariff, options_of(arguments))
    except Unusable:
        return WRONG
    if read.tariff is None:
        show(read.findings, read.place)
        return WRONG
    catalogue = Catalogue(read.tariff)
    if not catalogue.has_plan(arguments.plan):
        print(f'ocs: there is no plan "{arguments.plan}"', file=sys.stderr)
        return FAILED
    query = Query(
        arguments.service,
        unit,
        arguments.rating_group,
        arguments.service_identifier,
        arguments.called.removeprefix("+").removeprefix("00"),
        arguments.apn,
        arguments.plmn,
        arguments.category,
        arguments.rat.upper(),
    )
    found = what_if(catalogue, arguments.plan, query, units, at_ns, before)
    return _show(arguments, msgspec.to_builtins(found), rating_text.rated)


def explain(arguments: argparse.Namespace) -> int:
    """Show why a session, or the last one of an account, cost what it did."""
    if arguments.session is None and not (arguments.account and arguments.last):
        print("ocs: name the session, or an account with --last", file=sys.stderr)
        return WRONG
    names = ("session", "account", "client")
    parameters = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    return _ask(arguments, "OcsV1.Explain", parameters, _explained)


def _explained(result: Any) -> str:
    """What a server answers that charges as CGRateS does has another form."""
    if result.get("arithmetic"):
        from ocs.cli import call_text

        return call_text.explained(result)
    return rating_text.explained(result)


def amount(service: str, text: str, unit: Unit | None) -> tuple[Unit, int]:
    """Units of a text; a bare number counts what the service does, but time needs a unit."""
    units, written = quantity(text)
    counted = unit or written or SERVICES[service]
    if written is None and counted is Unit.TIME and units:
        raise ValueError(f'"{text}" has no unit: write {text}s')
    if written is not None and written is not counted:
        raise ValueError(f'"{text}" does not count {UNITS[counted]}')
    return counted, units


def _ask(arguments: argparse.Namespace, method: str, parameters: dict[str, Any], text: Any) -> int:
    try:
        result = call(arguments.server, method, parameters)
    except CallError as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    return _show(arguments, result, text)


def _show(arguments: argparse.Namespace, result: Any, text: Any) -> int:
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
    else:
        print(text(result))
    return 0
