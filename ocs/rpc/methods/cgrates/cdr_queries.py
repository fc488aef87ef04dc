"""Call detail records found by filters: `CDRsV1`, and the external form of `APIerSv1` and `APIerSv2`."""

from typing import Any

import msgspec

from ocs.cgrates.cdr_book import portions
from ocs.cgrates.cdr_filter import CdrFilter, read_filter, read_old_filter
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import duration
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.call import VOICE
from ocs.rpc.methods.cgrates.table import OK, Table
from ocs.rpc.registry import Role
from ocs.sessions.model import Cdr
from ocs.sessions.values import SECOND_NS, Moment, moment_text

TABLE = Table()
MOST_SHOWN = 100_000  # in one answer


async def _shown(runtime: Runtime, wanted: CdrFilter) -> list[Cdr]:
    """The records that a filter finds, as many as one answer takes."""
    if wanted.limit is None or wanted.limit > MOST_SHOWN:
        wanted = msgspec.structs.replace(wanted, limit=MOST_SHOWN + 1)
    found = await runtime.state.cdrs.select(wanted)
    if len(found) > MOST_SHOWN:
        raise server_error(f"more than {MOST_SHOWN} records: use Limit and Offset")
    return found


def external_form(runtime: Runtime, cdr: Cdr) -> dict[str, Any]:
    """A record with whole seconds, its usage as text and its cost details as JSON inside a text."""
    form = runtime.cdrs.form(cdr)
    return {
        **{name: value for name, value in form.items() if name != "Partial"},
        "SetupTime": _whole_seconds(cdr.setup),
        "AnswerTime": _whole_seconds(cdr.answer),
        "Usage": duration(cdr.usage) if cdr.tor == VOICE else str(cdr.usage),
        "CostDetails": msgspec.json.encode(form.get("CostDetails")).decode(),
    }


def _whole_seconds(at: Moment) -> str:
    at_ns, offset_ns = at
    return moment_text((at_ns - at_ns % SECOND_NS, offset_ns))


@TABLE.method("CDRsV1.GetCDRs", role=Role.READ)
async def get_cdrs(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows the records that a filter finds."""
    found = await _shown(runtime, read_filter(given, runtime.wall_ns()))
    if not found:
        raise server_error("NOT_FOUND")
    return [runtime.cdrs.form(cdr) for cdr in found]


@TABLE.method("APIerSv2.GetCDRs", role=Role.READ)
async def get_external_cdrs(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows the records that a filter finds, in their external form."""
    found = await _shown(runtime, read_filter(given, runtime.wall_ns()))
    if not found:
        raise not_found()
    return [external_form(runtime, cdr) for cdr in found]


@TABLE.method("APIerSv1.GetCDRs", role=Role.READ)
async def get_external_cdrs_old(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows the records that a filter with the older names finds, in their external form."""
    found = await _shown(runtime, read_old_filter(given, runtime.wall_ns()))
    if not found:
        raise server_error("NOT_FOUND")
    return [external_form(runtime, cdr) for cdr in found]


@TABLE.method("CDRsV1.GetCDRsCount", "APIerSv2.CountCDRs", role=Role.READ)
async def count_cdrs(runtime: Runtime, given: Given) -> int:
    """Counts the records that a filter finds."""
    return await runtime.state.cdrs.count(read_filter(given, runtime.wall_ns()))


@TABLE.method("APIerSv1.RemoveCDRs", role=Role.ADMINISTER, also_v2=True)
async def remove_cdrs(runtime: Runtime, given: Given) -> str:
    """Removes the records that a filter finds."""
    async for found in portions(runtime.state.cdrs, read_filter(given, runtime.wall_ns())):
        for cdr in found:
            runtime.state.remove_cdr(cdr)
    return OK
